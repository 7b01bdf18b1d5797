// The budget of every charge closes under every rule, down to rounding: 1,000 steps of each rule on nets that have every kind
// of charge of the ledger, two hidden layers among them. One rule that is told at run time which one it is, so that each net
// is compiled once; what the rules do themselves is in tests/optim.
#include <tests/noether/ledger_nets.hpp>

#include <cstdio>

#include <gtest/gtest.h>

namespace emmy {

enum class Which { sgd, momentum, nesterov, adam, rmsprop, lion, sign, clipped };
template <class S>
struct AnyRule {
  using scalar = S;
  static constexpr bool kHasMemory = true, kClips = false, kPreconditioned = true;
  static constexpr int kSecondMoments = kOneAWeight;
  Which which = Which::sgd;
  S learning_rate = 0, weight_decay = 0;
  S beta1 = S(0.9), beta2 = S(0.99);  // momentum is beta 1
};
template <class S>
constexpr bool valid(const AnyRule<S>&) noexcept {
  return true;
}
template <class S>
struct AnyCoefficients : AdamCoefficients<S, true> {
  Which which;
};
template <class S>
EMMY_INLINE AnyCoefficients<S> coefficients(const AnyRule<S>& r, S clip) noexcept {
  return {{S(1) - r.learning_rate * r.weight_decay, r.learning_rate, clip, r.beta1, r.beta2, S(1e-6)}, r.which};
}
template <class S>
void bound_step(const AnyCoefficients<S>& c, S g, S& theta, S& memory) noexcept {
  memory = c.beta1 * memory + g;
  theta = c.k * theta + c.a0 * S(20) * (memory + g + S(1));
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <class S, class V>
void apply(const AnyCoefficients<S>& c, V theta, V g, V& buf, V& second, V& next, V& u, V& u0, V& d, V& seen) noexcept {
  const AdamCoefficients<S, true>& adam = c;
  const S rest = S(1);
  seen = simd::zero<S>();
  d = g;
  switch (c.which) {
    case Which::adam: return apply(adam, theta, g, buf, second, next, u, u0, d, seen);
    case Which::rmsprop: {
      AdamCoefficients<S, false> own{c.k, c.a0, c.clip, S(0), c.beta2, c.epsilon};
      return apply(own, theta, g, buf, second, next, u, u0, d, seen);
    }
    case Which::lion:
      return apply(SignCoefficients<S, true>{c.k, c.a0, rest, c.beta1, c.beta2}, theta, g, buf, second, next, u, u0, d,
                   seen);
    case Which::sign:
      return apply(SignCoefficients<S, false>{c.k, c.a0, rest, S(0), S(0)}, theta, g, buf, second, next, u, u0, d,
                   seen);
    case Which::clipped: {
      const MomentumCoefficients<S> inside{c.k, c.a0, c.beta1, rest, c.a0, S(0)};
      return apply(ClippedCoefficients<MomentumCoefficients<S>, S>{c.k, c.a0, rest, S(0.02), inside}, theta, g, buf,
                   second, next, u, u0, d, seen);
    }
    case Which::sgd: apply(SgdCoefficients<S>{c.k, c.a0}, theta, g, buf, next, u); break;
    case Which::momentum:
      apply(MomentumCoefficients<S>{c.k, c.a0, c.beta1, rest, c.a0, S(0)}, theta, g, buf, next, u);
      break;
    case Which::nesterov:
      apply(NesterovCoefficients<S>{c.k, c.a0, c.beta1, rest, c.a0, S(0)}, theta, g, buf, next, u);
      break;
  }
  u0 = simd::mul(simd::set(c.a0), g);
}
template <class S, class V>
V reference_scale(const AnyRule<S>& r, V mean) noexcept {
  if (r.which == Which::adam || r.which == Which::rmsprop)
    return simd::div(simd::set(S(1)), simd::add(simd::sqrt(mean), simd::set(S(1e-6))));
  if (r.which == Which::lion || r.which == Which::sign) return reference_scale(BasicSignSgd<S>{}, mean);
  return simd::set(S(1));
}
namespace inner {
template <int Block, class Net, class Rule, class S, class Shared>
AnyCoefficients<S> with_state(AnyCoefficients<S> c, const Params<Net>& params, State<Net, Rule>& state,
                              Shared& shared) noexcept {
  static_cast<AdamCoefficients<S, true>&>(c) =
      with_state<Block>(static_cast<const AdamCoefficients<S, true>&>(c), params, state, shared);
  return c;
}
}  // namespace inner

}  // namespace emmy::inline EMMY_TARGET

#include <emmy/train/trainer.hpp>
#include <emmy/train/verbs.hpp>

namespace {

using namespace ledger_nets;

template <class S, template <class> class NetOf>
struct Run {
  using Scalar = S;
  using Net = NetOf<S>;
};
template <class R>
struct EveryRule : testing::Test {};
using Runs = testing::Types<Run<double, TwoHidden>, Run<double, Normed>, Run<double, Batched>, Run<double, States>,
                            Run<double, Exponentials>, Run<double, Images>, Run<float, TwoHidden>, Run<float, Batched>>;
TYPED_TEST_SUITE(EveryRule, Runs);

template <class... Symmetry, class F>
void for_each(Symmetries<Symmetry...>, F&& f) {
  (f(Symmetry{}), ...);
}

constexpr const char* kName[] = {"sgd", "momentum", "nesterov", "adam", "rmsprop", "lion", "sign", "clipped"};

// 1,000 steps of every rule, each by step(trainer, ledger, rule, data, rng).
template <class S, class N, class F>
void expect_closed_budgets(F&& step) {
  using emmy::Which;
  auto trainer = std::make_unique<Trainer<N, emmy::AnyRule<S>, kBatch>>();
  auto ledger = std::make_unique<Ledger<N, WatchAll, emmy::Kinetic>>();
  fixture::Data<N, kBatch> data{};
  for (int w = 0; w < 8; ++w) {
    *trainer = {};
    *ledger = {};
    Pcg32 rng{7};
    fixture::randomise(trainer->params, rng, 0.6);
    const S rate = w < 3 || w == 7 ? S(0.02) : S(0.002);
    const emmy::AnyRule<S> rule{static_cast<Which>(w), rate, S(0.01)};
    for (int k = 0; k < 1000; ++k) {
      data.refill(rng, false);
      ASSERT_EQ(step(*trainer, *ledger, rule, data, rng), Status::ok);
      ASSERT_LE(ledger->health(), S(1)) << kName[w] << ", step " << k;
    }
    double worst = 0, moved = 0;
    for_each(emmy::symmetries_of<N>{}, [&]<class Symmetry>(Symmetry) {
      const auto e = ledger->template extremes<Symmetry>();
      worst = std::fmax(worst, double(e.relative));
      EXPECT_LT(e.residual_ratio, S(1)) << kName[w];
      double drift = 0, unexplained = 0;
      for (int u = 0; u < ledger->template kUnitsOf<Symmetry>; ++u) {
        const auto b = ledger->template total<Symmetry>(u);
        drift += std::fabs(double(b.drift()));
        unexplained += std::fabs(double(b[Cause::rounding]));
        if (Symmetry::kKind == Kind::scale) unexplained += std::fabs(double(b[Cause::noether]));
      }
      moved = std::fmax(moved, drift);
      EXPECT_LE(unexplained, (sizeof(S) == 4 ? 1e-3 : 1e-12) * (drift + 0.1)) << kName[w];
    });
    std::printf("%s: relative residual %.2g\n", kName[w], worst);
    EXPECT_LT(worst, sizeof(S) == 4 ? 2e-6 : 1e-12) << kName[w];
    EXPECT_GT(moved, 0.1) << kName[w];
  }
}

TYPED_TEST(EveryRule, LeavesNothingUnexplained) {
  using S = typename TypeParam::Scalar;
  expect_closed_budgets<S, typename TypeParam::Net>(
      [](auto& trainer, auto& ledger, const auto& rule, const auto& data, Pcg32&) {
        return trainer.step(data.x, data.label, CrossEntropy{}, rule, ledger).status;
      });
}

// The gradients of two batches, added up before one update: the same laws, of norms too.
template <class R>
struct Accumulated : testing::Test {};
using Few = testing::Types<Run<double, TwoHidden>, Run<double, Normed>>;
TYPED_TEST_SUITE(Accumulated, Few);
TYPED_TEST(Accumulated, LeavesNothingUnexplained) {
  using S = typename TypeParam::Scalar;
  using N = typename TypeParam::Net;
  expect_closed_budgets<S, N>([](auto& t, auto& ledger, const auto& rule, auto& data, Pcg32& rng) {
    constexpr S kShare = S(1) / S(2 * kBatch);
    Gradient<N> g{};
    for (int part = 0; part < 2; ++part) {
      if (part > 0) data.refill(rng, false);
      const auto made =
          gradient<true>(t.params, t.buffers, t.scratch, data.x, data.label, CrossEntropy{}, kBatch, kShare, g);
      if (made.status != Status::ok) return made.status;
    }
    return emmy::apply(t.params, t.state, g, rule, ledger);
  });
}

}  // namespace
