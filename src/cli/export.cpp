// emmy export: a saved run as a C++ header.
#include <algorithm>
#include <cstdio>
#include <span>
#include <string>

#include <fmt/core.h>
#include <fmt/format.h>

#include "cli/constraint.hpp"
#include "cli/net_text.hpp"
#include "cli/refuse.hpp"
#include "io/file.hpp"

namespace emmy::app {

namespace {

// The plain, absorbed weights of a saved net of type N, and its parameters.
template <class N>
io::Result<io::Done> plain_weights(const io::Checkpoint& file, const std::string& path, Params<DenseNet>& plain,
                                   Params<N>* trained = nullptr) {
  if (file.layout_hash != layout_hash<N>()) return io::Error{io::shown_path(path) + ": was saved by another net"};
  auto trainer = std::make_unique<Trainer<N, PerBlock<Momentum, N>, 1>>();
  if (const auto read = read_section(file, path, "params", trainer->params); !read) return read.error();
  plain = folded(*trainer);
  if (trained != nullptr) *trained = trainer->params;
  return io::Done{};
}

std::string header_text(const NetText& net, const std::string& model) {
  return fmt::format(
      "// Written by emmy export from {}: the exact net, its weights, and {} input and output pairs to check it with.\n"
      "#pragma once\n\n#include <emmy/emmy.hpp>\n\nnamespace emmy_model {{\n\n{}\n{}\n}}  // namespace emmy_model\n",
      model, checked_inputs().rows, inputs_text(), definitions(net));
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
  Params<LowRankNet> pair;
  const auto read = kind == "sparse"   ? plain_weights<SparseNet>(file.value(), options.model, plain)
                    : kind == "units"  ? plain_weights<UnitsNet>(file.value(), options.model, plain)
                    : kind == "blocks" ? plain_weights<BlocksNet>(file.value(), options.model, plain)
                    : kind == "rank"   ? plain_weights(file.value(), options.model, plain, &pair)
                                       : plain_weights<DenseNet>(file.value(), options.model, plain);
  if (!read) return refuse(read.error().message);
  const Folded net = options.blocks ? keep_units(plain) : kind == "rank" ? fold_pair(pair, plain) : fold_to_live(plain);
  const NetText deployed = text_of(net, options.blocks);
  const std::string text = header_text(deployed, io::shown_path(options.model));
  if (const auto written = io::replace_file(options.header, std::as_bytes(std::span(text))); !written)
    return refuse(written.error().message);
  const auto zeros = options.blocks ? std::count(net.weights.begin(), net.weights.end(), 0.0f) : 0;
  fmt::print("wrote {}: {}, {} weights\n", options.header, deployed.shape,
             static_cast<std::ptrdiff_t>(net.weights.size()) - zeros);
  return kOk;
}

}  // namespace emmy::app
