#include "cli/golden_projections.hpp"

#include "cli/golden_field.hpp"
#include "cli/golden_own.hpp"

namespace emmy::golden {
namespace {

// W1, b1, W2, b2 of a net under a path.
std::vector<Slot> two_layers(const std::string& path, int in, int hidden, int out) {
  return {{path + "W1", {hidden, in}}, {path + "b1", {hidden}}, {path + "W2", {out, hidden}}, {path + "b2", {out}}};
}
std::vector<Slot> operator+(std::vector<Slot> a, const std::vector<Slot>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// In the order of Projection.
const std::vector<ArrayCase>& cases() {
  static const std::vector<ArrayCase> all{
      {"mlp1_tanh", "gap",
       two_layers("params.", 4, 5, 3) +
           std::vector<Slot>{{"data.X", {8, 4}}, {"data.Y", {8, 3}}, {"optimizer.eta", {}}, {"optimizer.steps", {}}},
       std::vector<Slot>{{"loss", {}}} + two_layers("gradient.", 4, 5, 3) + std::vector<Slot>{{"gradient_gap", {}}} +
           two_layers("final.", 4, 5, 3) + std::vector<Slot>{{"gap", {}}}},
  };
  return all;
}

Compute read(const Field& c) {
  for (std::size_t kind = 0; kind < cases().size(); ++kind)
    if (is_of(c, cases()[kind]))
      return read_arrays(c, cases()[kind], [kind](const char* target, bool single) {
        const auto* table = find_table<Projections>(target);
        return single ? table->run_f32[kind] : table->run_f64[kind];
      });
  return {};
}

}  // namespace

const OwnKind kProjections{read};

}  // namespace emmy::golden
