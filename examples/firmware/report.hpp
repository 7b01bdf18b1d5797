// The charge report of a ledger over the console: how far the charges of a symmetry moved, why, and whether the
// arithmetic can be trusted.
#pragma once

#include <emmy/emmy.hpp>
#include <platforms/text.hpp>

namespace report {

inline constexpr const char* kCauseNames[emmy::kCauses] = {"decay",   "momentum", "breaking",   "discretisation",
                                                           "noether", "rounding", "unmeasured", "epsilon"};

inline float size(float x) { return x < 0 ? -x : x; }

// Shares are of the sum of |amount| over units and causes: signed totals of units would cancel.
template <class Symmetry, class Ledger>
void print_charge(const char* name, const Ledger& ledger) {
  using emmy::platform::print;
  float share[emmy::kCauses] = {}, all = 0;
  for (int u = 0; u < Ledger::template kUnitsOf<Symmetry>; ++u) {
    for (int c = 0; c < emmy::kCauses; ++c) {
      const float amount = size(ledger.template total<Symmetry>(u).amount[c]);
      share[c] += amount;
      all += amount;
    }
  }
  print(name, ": drift ", ledger.template total<Symmetry>().drift());
  for (int c = 0; c < emmy::kCauses; ++c)
    if (share[c] > 0) print(c == 0 ? "; " : ", ", kCauseNames[c], " ", 100.0f * share[c] / all, " %");
  const auto worst = ledger.template extremes<Symmetry>();
  print("\n  worst residual ", worst.residual, ", ", worst.residual_ratio, " of its bound; worst Noether term ",
        worst.noether_ratio, " of its bound\n");
}

}  // namespace report
