#include "cli/net_text.hpp"

#include <memory>
#include <span>

#include <fmt/format.h>
#include <emmy/parametrize/write_blocks.hpp>

#include "io/digits.hpp"

namespace emmy::app {

namespace {

constexpr std::size_t kPairs = 16;
constexpr std::uint64_t kPairDigits = 3;  // seed of the drawn inputs

// 9 digits tell every float from its neighbours.
void append_values(std::string& text, std::span<const float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::string number = fmt::format("{:.9g}", values[i]);
    if (number.find_first_of(".e") == std::string::npos) number += ".0";
    text += (i % 10 == 0 ? "\n    " : " ") + number + "f,";
  }
}

void append_array(std::string& text, const std::string& name, std::span<const float> values) {
  text += fmt::format("inline constexpr float {}[{}] = {{", name, values.size());
  append_values(text, values);
  text += "\n};\n";
}

// A net layer by layer, from arrays that follow each other.
struct Writer {
  std::span<const float> left;
  bool blocks = false;
  std::string suffix = "";  // of the shape
  NetText text{fmt::format("{}", kInputs), "", fmt::format("emmy::Net<emmy::Input<{}>", kInputs), "", {}};
  int position = 0;

  std::span<const float> take(int count) {
    const auto taken = left.first(static_cast<std::size_t>(count));
    left = left.subspan(static_cast<std::size_t>(count));
    return taken;
  }
  void parameter(const std::string& expression) {
    text.parameters += (text.parameters.empty() ? "" : ", ") + expression;
  }
  void dense(int inputs, int outputs, bool bias = true) {
    const std::string weights = fmt::format("kWeights{}", position), pattern = fmt::format("Pattern{}", position);
    const auto w = take(inputs * outputs);
    std::string sparse;
    const int count = blocks
                          ? write_blocks(pattern.c_str(), weights.c_str(), w.data(), inputs, outputs, outputs,
                                         [&](const char* piece, std::size_t length) { sparse.append(piece, length); })
                          : 0;
    const bool sparse_here = blocks && 3 * count * kBlockOutputs <= 2 * inputs * outputs;
    if (sparse_here) {
      suffix += fmt::format(", {} blocks", count);
      text.arrays += sparse;
      text.type += fmt::format(", emmy::BlockSparse<{}, blocks::{}>", outputs, pattern);
      parameter(fmt::format("emmy::in_order<blocks::{}>(blocks::{}).at", pattern, weights));
    } else {
      append_array(text.arrays, weights, w);
      text.type += fmt::format(", emmy::Dense<{}{}>", outputs, bias ? "" : ", emmy::NoBias");
      parameter("blocks::" + weights);
    }
    if (bias) {
      append_array(text.arrays, fmt::format("kBias{}", position), take(outputs));
      text.weights += static_cast<std::size_t>(outputs);
      parameter(fmt::format("blocks::kBias{}", position));
    }
    text.shape += fmt::format("-{}", outputs);
    text.weights += sparse_here ? static_cast<std::size_t>(count * kBlockOutputs) : w.size();
    ++position;
  }
  void relu() {
    text.type += ", emmy::Relu";
    ++position;
  }
};

}  // namespace

NetText text_of(const Folded& net, bool blocks) {
  Writer writer{net.weights, blocks};
  if (net.rank > 0) writer.dense(kInputs, net.rank, false);
  writer.dense(net.rank > 0 ? net.rank : kInputs, net.hidden);
  writer.relu();
  writer.dense(net.hidden, kClasses);
  writer.text.type += ">";
  writer.text.shape += writer.suffix;
  writer.text.outputs = outputs(net, checked_inputs().x.data(), kPairs);
  return writer.text;
}

NetText text_of(const Params<MirrorNet>& net) {
  NetText text{
      fmt::format("{}-{}-{}, mirrored", kInputs, kHidden, kClasses),
      "struct LeftRight {\n  static constexpr emmy::Signed of(int i) { return {i / 8 * 8 + 7 - i % 8, 1}; }\n};\n" +
          fmt::format(
              "struct SwapPairs {{\n  static constexpr emmy::Signed of(int j) {{ return {{{} - j, 1}}; }}\n}};\n",
              kHidden - 1),
      fmt::format("emmy::Net<emmy::Input<{}>, emmy::Mirrored<{}, blocks::LeftRight, blocks::SwapPairs>, "
                  "emmy::Relu, emmy::Dense<{}>>",
                  kInputs, kHidden, kClasses),
      "", std::vector<float>(kPairs * kClasses)};
  int number = 0;
  for (const auto& b : kPlan<MirrorNet>.block) {
    std::vector<float> values;
    for (int i = 0; i < b.rows; ++i)
      for (int o = 0; o < b.cols; ++o) values.push_back(net.data[b.at(i, o)]);
    append_array(text.arrays, fmt::format("kBlock{}", number), values);
    text.weights += values.size();
    text.parameters += fmt::format("{}blocks::kBlock{}", number == 0 ? "" : ", ", number);
    ++number;
  }
  Buffers<MirrorNet> buffers;
  auto scratch = std::make_unique<Scratch<MirrorNet, static_cast<int>(kPairs), Infer>>();
  if (infer(net, buffers, *scratch, checked_inputs().x.data(), text.outputs.data()) != Status::ok) text.outputs.clear();
  return text;
}

const io::Dataset& checked_inputs() {
  static const io::Dataset inputs = io::draw_digits(kPairs, kPairDigits);
  return inputs;
}

std::string inputs_text() {
  std::string text = fmt::format("inline constexpr int kPairs = {};\n", kPairs) +
                     fmt::format("inline constexpr float kInputs[kPairs * {}] = {{", kInputs);
  append_values(text, checked_inputs().x);
  return text + "\n};\n";
}

std::string definitions(const NetText& net) {
  std::string text = fmt::format(
      "namespace blocks {{  // weights [in][out], or of blocks of four outputs, output by output; biases [out]\n"
      "{}"
      "}}  // namespace blocks\n\n"
      "using Net = {};\n\n"
      "// Aligned and padded for the platform; constant, so it can stay in flash.\n"
      "inline constexpr emmy::Params<Net> kParams = emmy::packed<Net>({});\n\n"
      "inline constexpr float kOutputs[kPairs * {}] = {{",
      net.arrays, net.type, net.parameters, kClasses);
  append_values(text, net.outputs);
  return text + "\n};\n";
}

}  // namespace emmy::app
