// Rates of step k for the rules that the tests of charges follow: never the same twice in a row, decay and memory on.
#pragma once

#include <emmy/optim/momentum.hpp>
#include <emmy/optim/sgd.hpp>

namespace noether_test {

inline void set(emmy::BasicSgd<double>& r, int k) { r = {0.1 / (1 + k % 3), 0.05}; }
template <emmy::Decay kind>
void set(emmy::BasicMomentum<double, kind>& r, int k) {
  r = {0.08 / (1 + k % 3), 0.85, 0.05, 0.2};
}
inline void set(emmy::BasicNesterov<double>& r, int k) { r = {0.06 / (1 + k % 3), 0.8, 0.05}; }
template <class R>
void set(emmy::ClipByNorm<R>& r, int k) {
  set(r.rule, k);
  r.limit = 0.2;
}

}  // namespace noether_test
