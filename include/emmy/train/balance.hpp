// A balance matrix around one step with a stored gradient:
//   gradient(..., g);  begin_balance(balance, params, state, g, rule);  apply(params, state, g, rule, ledger);
//   end_balance(balance, params, state);
// A step that apply refuses is not ended: the next begin_balance starts anew. Test: tests/noether/balance_test.cpp.
#pragma once

#include <emmy/noether/balance.hpp>
#include <emmy/train/apply.hpp>

namespace emmy::inline EMMY_TARGET {

// What the step with this gradient will do to the matrix, from the weights and the state before it.
template <class Net, class Site, class Rule>
void begin_balance(BalanceLedger<Net, Site>& balance, const Params<Net>& params, const State<Net, Rule>& state,
                   const Gradient<Net>& g, const Rule& rule) noexcept {
  using S = typename Net::scalar;
  static_assert(
      requires { combination(coefficients(plain_rule<Rule>{}, S(1))); },
      "emmy: a BalanceLedger needs a rule whose step is a sum of gradient and momentum (Sgd, Momentum, Nesterov)");
  Clips<Net, Rule::kClips> clips;
  if constexpr (Rule::kClips) {
    S squares[kPlan<Net>.kBlocks] = {};
    auto largest = state.largest;
    static_cast<void>(inner::check_gradient<Net>(g, largest, rule, squares));
    inner::clips_from_squares(squares, rule, clips);
  }
  const S* buf = nullptr;
  if constexpr (Rule::kHasMemory) buf = state.buf;
  inner::open_balance(balance, inner::reference_share<Net>(rule, clips));
  inner::for_balance_parts(balance, [&](auto part) EMMY_LAMBDA {
    constexpr int kBlock = decltype(part)::kPart.block;
    const auto c = coefficients(of_block(rule, kBlock), clips.block[kBlock]);
    const auto u = combination(c);
    inner::book_balance(part, balance, params.data, static_cast<const S*>(g.data), buf,
                        BlockMotion<S>{c.k, c.a0, u.gradient, u.memory});
  });
}

// What it did.
template <class Net, class Site, class Rule>
void end_balance(BalanceLedger<Net, Site>& balance, const Params<Net>& params, const State<Net, Rule>& state) noexcept {
  const typename Net::scalar* buf = nullptr;
  if constexpr (Rule::kHasMemory) buf = state.buf;
  inner::close_balance(balance, params.data, buf);
}

}  // namespace emmy::inline EMMY_TARGET
