// refuses: emmy: a BalanceLedger needs a rule whose step is a sum of gradient and momentum (Sgd, Momentum, Nesterov)
#include <emmy/train/balance.hpp>

// Gradient descent of a user's, whose u is not told to be a sum.
struct Coefficients {
  static constexpr emmy::Motion kMotion = emmy::Motion::plain;
  static constexpr bool kBuffered = false;
  float k, a0;
};
struct Own : emmy::Sgd {};
constexpr Coefficients coefficients(const Own& r, float clip) noexcept { return {1, r.learning_rate * clip}; }

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<5>, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Rule = Own;
#else
using Rule = emmy::Sgd;
#endif
void measure(emmy::BalanceLedger<Small, emmy::Layer<0>>& balance, const emmy::Params<Small>& params,
             const emmy::State<Small, Rule>& state, const emmy::Gradient<Small>& g, const Rule& rule) {
  emmy::begin_balance(balance, params, state, g, rule);
}
