// Steps with a stored gradient, with balance matrices around them, and what their causes should be.
#pragma once

#include <tests/noether/charges.hpp>
#include <tests/train/fixture.hpp>

#include <emmy/train/balance.hpp>
#include <emmy/train/verbs.hpp>

#include <gtest/gtest.h>

namespace noether_test {

using namespace emmy;  // the names of nets

inline constexpr int kBatch = 5;

// Causes of a charge with the bilinear form `form` in a step, by update differences.
template <class Form>
reference::Causes budget_of(const Form& form, const reference::Rule& rule, const reference::Blocks& theta,
                            const reference::Blocks& buf, const reference::Blocks& g) {
  const auto update = [&](const reference::Rule& r) {
    reference::Blocks moved = theta, memory = buf;
    reference::update(r, moved, memory, g);
    for (std::size_t b = 0; b < moved.size(); ++b)
      for (std::size_t k = 0; k < moved[b].size(); ++k) moved[b][k] -= theta[b][k];
    return moved;
  };
  reference::Rule no_decay = rule;
  for (double& lam : no_decay.lam) lam = 0;
  reference::Rule memoryless = no_decay;
  memoryless.beta = 0;
  const auto full = update(rule), without_decay = update(no_decay), plain = update(memoryless);
  const auto drift = [&](const reference::Blocks& d) { return 2 * form(d, theta) + form(d, d); };
  const double share = rule.reference_eta * (1 - rule.tau) *
                       (rule.clip == reference::Rule::Clip::norm ? reference::clip_factors(rule, g)[0] : 1.0);
  const double along = -2 * share * form(g, theta);
  return {drift(full) - drift(without_decay), drift(without_decay) - drift(plain), 2 * form(plain, theta) - along,
          form(plain, plain), along};
}

template <class N, class R>
struct Machine {
  using S = typename N::scalar;
  Params<N> params{};
  Buffers<N> buffers{};
  State<N, R> state{};
  Scratch<N, kBatch, Train<R>> scratch{};
  Gradient<N> g{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{71};
  NoLedger none;

  explicit Machine(double scale) { fixture::randomise(params, rng, scale); }
  void make_gradient() {
    data.refill(rng, false);
    ASSERT_EQ(
        gradient<false>(params, buffers, scratch, data.x, data.values, SquaredError{}, kBatch, S(1) / S(kBatch), g)
            .status,
        Status::ok);
  }
  template <class... Ledger>
  void step(const R& rule, Ledger&... balance) {
    make_gradient();
    (begin_balance(balance, params, state, g, rule), ...);
    ASSERT_EQ(apply(params, state, g, rule, none), Status::ok);
    (end_balance(balance, params, state), ...);
  }
};

}  // namespace noether_test
