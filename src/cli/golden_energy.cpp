#include "cli/golden_energy.hpp"

#include "cli/golden_field.hpp"
#include "cli/golden_own.hpp"

namespace emmy::golden {
namespace {

const ArrayCase& energy_case() {
  static const ArrayCase about = [] {
    ArrayCase c{"mlp1_tanh",
                "squared_norm",
                {{"params.W1", {5, 4}},
                 {"params.b1", {5}},
                 {"params.W2", {3, 5}},
                 {"params.b2", {3}},
                 {"data.X", {8, 4}},
                 {"data.Y", {8, 3}},
                 {"optimizer.etas", {Energy::kRates}}},
                {{"loss", {}},
                 {"gradient.W1", {5, 4}},
                 {"gradient.b1", {5}},
                 {"gradient.W2", {3, 5}},
                 {"gradient.b2", {3}},
                 {"squared_norm", {}}}};
    for (int row = 0; row < Energy::kRates; ++row)
      for (const char* name : {"eta", "dL", "first", "trapezoid", "curvature_meter", "gradient_meter"})
        c.made.push_back({fmt::format("rows.{}.{}", row, name), {}});
    return c;
  }();
  return about;
}

Compute read(const Field& c) {
  if (!is_of(c, energy_case())) return {};
  return read_arrays(c, energy_case(), [](const char* target, bool single) {
    const auto* table = find_table<Energy>(target);
    return single ? table->run_f32 : table->run_f64;
  });
}

}  // namespace

const OwnKind kEnergy{read};

}  // namespace emmy::golden
