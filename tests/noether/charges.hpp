// Charges from their definitions (theory.md section 1), by block and index, and the budget of one step by update
// differences in the booking order (section 2). Plain double; knows nothing of the ledger's tables.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include <tests/reference/rules.hpp>

namespace reference {

// weight * sum over the entries of line `unit` of a block, squared or plain. Lines are rows or columns of `cols` columns;
// of a block that meets a unit several times the rows unit, units + unit, 2 units + unit ...
struct Line {
  std::size_t block;
  bool by_row;
  double weight;
  std::size_t units = 0;
  int power = 0;  // 0: that of the charge
};
struct UnitCharge {
  int power;
  std::vector<Line> lines;
};

// sum of weight * f(block, i, power) over all entries i of unit `unit`.
template <class F>
double over_unit(const UnitCharge& c, const Blocks& shape, const std::vector<int>& cols, int unit, F&& f) {
  double sum = 0;
  for (const Line& line : c.lines) {
    const auto n = static_cast<std::size_t>(cols[line.block]), rows = shape[line.block].size() / n,
               u = static_cast<std::size_t>(unit);
    const int power = line.power > 0 ? line.power : c.power;
    if (!line.by_row) {
      for (std::size_t k = 0; k < rows; ++k) sum += line.weight * f(line.block, u + k * n, power);
      continue;
    }
    for (std::size_t row = u; row<rows; row += line.units> 0 ? line.units : rows) {
      for (std::size_t k = 0; k < n; ++k) sum += line.weight * f(line.block, row * n + k, power);
    }
  }
  return sum;
}
inline double charge(const UnitCharge& c, const Blocks& theta, const std::vector<int>& cols, int unit) {
  return over_unit(c, theta, cols, unit, [&](std::size_t b, std::size_t i, int power) {
    return power == 2 ? theta[b][i] * theta[b][i] : theta[b][i];
  });
}
// Half the derivative of the charge along g: 0 where the symmetry holds.
inline double noether(const UnitCharge& c, const Blocks& theta, const Blocks& g, const std::vector<int>& cols,
                      int unit) {
  return over_unit(c, theta, cols, unit, [&](std::size_t b, std::size_t i, int power) {
    return power == 2 ? g[b][i] * theta[b][i] : 0.5 * g[b][i];
  });
}
// The scale that N is small against: the same sum of absolute values.
inline double noether_scale(UnitCharge c, const Blocks& theta, const Blocks& g, const std::vector<int>& cols,
                            int unit) {
  for (Line& line : c.lines) line.weight = line.weight < 0 ? -line.weight : line.weight;
  return over_unit(c, theta, cols, unit, [&](std::size_t b, std::size_t i, int power) {
    return std::abs(power == 2 ? g[b][i] * theta[b][i] : 0.5 * g[b][i]);
  });
}

template <class Net>
std::vector<int> columns_of() {
  std::vector<int> cols;
  for (const auto& block : emmy::kPlan<Net>.block) cols.push_back(block.cols);
  return cols;
}

// decay, momentum, breaking, discretisation, noether: the first five of emmy::Cause.
using Causes = std::array<double, 5>;

inline Causes budget(const UnitCharge& c, const Rule& rule, const Blocks& theta, const Blocks& buf, const Blocks& g,
                     const std::vector<int>& cols, int unit) {
  const double before = charge(c, theta, cols, unit);
  const auto after = [&](const Rule& r) {
    Blocks moved = theta, memory = buf;
    update(r, moved, memory, g);
    return moved;
  };
  Rule no_decay = rule;
  for (double& lam : no_decay.lam) lam = 0;
  Rule memoryless = no_decay;
  memoryless.beta = 0;
  const Blocks plain = after(memoryless);
  const double full = charge(c, after(rule), cols, unit) - before;
  const double without_decay = charge(c, after(no_decay), cols, unit) - before;
  const double without_memory = charge(c, plain, cols, unit) - before;
  Blocks d0 = plain;
  for (std::size_t b = 0; b < d0.size(); ++b)
    for (std::size_t i = 0; i < d0[b].size(); ++i) d0[b][i] -= theta[b][i];
  const double share =
      rule.reference_eta * (1 - rule.tau) * (rule.clip == Rule::Clip::norm ? clip_factors(rule, g)[0] : 1.0);
  const double along_gradient = -2 * share * noether(c, theta, g, cols, unit);
  const double first_order = 2 * noether(c, theta, d0, cols, unit);
  const double second_order = over_unit(c, d0, cols, unit, [&](std::size_t b, std::size_t i, int power) {
    return power == 2 ? d0[b][i] * d0[b][i] : 0.0;
  });
  return {full - without_decay, without_decay - without_memory, first_order - along_gradient, second_order,
          along_gradient};
}

}  // namespace reference
