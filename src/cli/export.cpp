// emmy export: a saved run as a C++ header.
#include <algorithm>
#include <cstdio>
#include <span>
#include <string>

#include <fmt/core.h>
#include <fmt/format.h>
#include <emmy/parametrize/write_blocks.hpp>

#include "cli/constrained_nets.hpp"
#include "cli/constraint.hpp"
#include "cli/folded.hpp"
#include "cli/refuse.hpp"
#include "io/digits.hpp"
#include "io/file.hpp"

namespace emmy::app {

namespace {

constexpr std::size_t kPairs = 16;
constexpr std::uint64_t kPairDigits = 3;  // seed of the drawn inputs

// The plain, absorbed weights of a saved net of type N.
template <class N>
io::Result<io::Done> plain_weights(const io::Checkpoint& file, const std::string& path, Params<DenseNet>& plain) {
  if (file.layout_hash != layout_hash<N>()) return io::Error{io::shown_path(path) + ": was saved by another net"};
  auto trainer = std::make_unique<Trainer<N, PerBlock<Momentum, N>, 1>>();
  if (const auto read = read_section(file, path, "params", trainer->params); !read) return read.error();
  plain = folded(*trainer);
  return io::Done{};
}

// 9 digits tell every float from its neighbours.
void append_values(std::string& text, std::span<const float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::string number = fmt::format("{:.9g}", values[i]);
    if (number.find_first_of(".e") == std::string::npos) number += ".0";
    text += (i % 10 == 0 ? "\n    " : " ") + number + "f,";
  }
}

void append_array(std::string& text, const char* name, std::span<const float> values) {
  text += fmt::format("inline constexpr float {}[{}] = {{", name, values.size());
  append_values(text, values);
  text += "\n};\n";
}

// One layer: how the net's type and packed<Net> name it; its arrays are appended to `arrays`.
struct LayerText {
  std::string type, weights;
};
LayerText append_layer(std::string& arrays, int position, std::span<const float> w, int inputs, int outputs,
                       bool blocks) {
  const std::string weights = fmt::format("kWeights{}", position), pattern = fmt::format("Pattern{}", position);
  if (blocks) {
    std::string text;
    const int count = write_blocks(pattern.c_str(), weights.c_str(), w.data(), inputs, outputs, outputs,
                                   [&](const char* piece, std::size_t length) { text.append(piece, length); });
    if (3 * count * kBlockOutputs <= 2 * inputs * outputs) {
      arrays += text;
      return {fmt::format("emmy::BlockSparse<{}, blocks::{}>", outputs, pattern),
              fmt::format("emmy::in_order<blocks::{}>(blocks::{}).at", pattern, weights)};
    }
  }
  append_array(arrays, weights.c_str(), w);
  return {fmt::format("emmy::Dense<{}>", outputs), "blocks::" + weights};
}

std::string header_text(const Folded& net, const std::string& model, bool blocks) {
  const auto h = static_cast<std::size_t>(net.hidden);
  const std::span<const float> all(net.weights);
  std::string arrays;
  const LayerText first = append_layer(arrays, 0, all.subspan(0, kInputs * h), kInputs, net.hidden, blocks);
  append_array(arrays, "kBias0", all.subspan(kInputs * h, h));
  const LayerText second =
      append_layer(arrays, 2, all.subspan((kInputs + 1) * h, h * kClasses), net.hidden, kClasses, blocks);
  append_array(arrays, "kBias2", all.subspan((kInputs + 1 + kClasses) * h, kClasses));
  std::string text = fmt::format(
      "// Written by emmy export from {}: the exact net, its weights, and {} input and output pairs to check it with.\n"
      "#pragma once\n\n#include <emmy/emmy.hpp>\n\nnamespace emmy_model {{\n\n"
      "namespace blocks {{  // weights [in][out], or of blocks of four outputs, output by output; biases [out]\n"
      "{}"
      "}}  // namespace blocks\n\n"
      "using Net = emmy::Net<emmy::Input<{}>, {}, emmy::Relu, {}>;\n\n"
      "// Aligned and padded for the platform; constant, so it can stay in flash.\n"
      "inline constexpr emmy::Params<Net> kParams = emmy::packed<Net>({}, blocks::kBias0, {}, blocks::kBias2);\n\n",
      model, kPairs, arrays, kInputs, first.type, second.type, first.weights, second.weights);
  const io::Dataset inputs = io::draw_digits(kPairs, kPairDigits);
  const std::vector<float> y = outputs(net, inputs.x.data(), kPairs);
  text += fmt::format("inline constexpr int kPairs = {};\n", kPairs);
  text += fmt::format("inline constexpr float kInputs[kPairs * {}] = {{", kInputs);
  append_values(text, inputs.x);
  text += fmt::format("\n}};\ninline constexpr float kOutputs[kPairs * {}] = {{", kClasses);
  append_values(text, y);
  text += "\n};\n\n}  // namespace emmy_model\n";
  return text;
}

}  // namespace

int run_export(const ExportOptions& options) {
  if (options.header.empty() || options.header == options.model) return refuse("--header needs the name of a new file");
  const auto file = io::read_checkpoint(options.model, std::nullopt);
  if (!file) return refuse(file.error().message);
  const auto recipe = read_recipe(file.value(), options.model);
  if (!recipe) return refuse(recipe.error().message);
  if (recipe.value().net != Dense16::kName)
    return refuse(io::shown_path(options.model) + ": is of --net " + recipe.value().net +
                  "; emmy export writes --net digits only");
  const std::string& kind = recipe.value().constraint;
  Params<DenseNet> plain;
  const auto read = kind == "sparse"   ? plain_weights<SparseNet>(file.value(), options.model, plain)
                    : kind == "units"  ? plain_weights<UnitsNet>(file.value(), options.model, plain)
                    : kind == "blocks" ? plain_weights<BlocksNet>(file.value(), options.model, plain)
                    : kind == "rank"   ? plain_weights<LowRankNet>(file.value(), options.model, plain)
                                       : plain_weights<DenseNet>(file.value(), options.model, plain);
  if (!read) return refuse(read.error().message);
  const Folded net = options.blocks ? keep_units(plain) : fold_to_live(plain);
  const std::string text = header_text(net, io::shown_path(options.model), options.blocks);
  if (const auto written = io::replace_file(options.header, std::as_bytes(std::span(text))); !written)
    return refuse(written.error().message);
  const auto zeros = options.blocks ? std::count(net.weights.begin(), net.weights.end(), 0.0f) : 0;
  fmt::print("wrote {}: 64-{}-10, {} weights\n", options.header, net.hidden,
             static_cast<std::ptrdiff_t>(net.weights.size()) - zeros);
  return kOk;
}

}  // namespace emmy::app
