// Every rule, with its wrappers, against plain double updates; rates out of range.
#include <emmy/train/verbs.hpp>

#include <tests/reference/rules.hpp>
#include <tests/train/fixture.hpp>

#include <limits>
#include <memory>

#include <gtest/gtest.h>

namespace {

using emmy::Status;
using fixture::Snapshot;
template <class S>
using Net = fixture::TwoHidden<S>;

// The rates of step k. Each wrapper passes on and adds its own.
template <class S>
void set_rates(emmy::BasicSgd<S>& r, int k) {
  r.learning_rate = S(0.1) / S(1 + k % 7);
  r.weight_decay = S(0.02) * S(k % 3);
}
template <class S, emmy::Decay kind>
void set_rates(emmy::BasicMomentum<S, kind>& r, int k) {
  r.learning_rate = S(0.05) / S(1 + k % 5);
  r.weight_decay = S(0.03) * S(k % 4);
  r.momentum = S(0.9) - S(0.1) * S(k % 3);
  r.dampening = S(0.25) * S(k % 2);
}
template <class S>
void set_rates(emmy::BasicNesterov<S>& r, int k) {
  r.learning_rate = S(0.05) / S(1 + k % 5);
  r.weight_decay = S(0.03) * S(k % 4);
  r.momentum = S(0.8) + S(0.05) * S(k % 3);
}
template <class R, class N>
void set_rates(emmy::PerBlock<R, N>& r, int k) {
  using S = typename R::scalar;
  set_rates(r.rule, k);
  r.fill();
  r.bias_decay(S(0));
  r.template layer<emmy::Layer<2>>({S(0.07) / S(1 + k % 3), S(0.4)});
}
template <class R>
void set_rates(emmy::ClipByNorm<R>& r, int k) {
  set_rates(r.rule, k);
  r.limit = typename R::scalar(k % 2 == 0 ? 2.5 : 100.0);  // gradients here have a norm of about 7
}
template <class R>
void set_rates(emmy::ClipByTensor<R>& r, int k) {
  set_rates(r.rule, k);
  r.limit = typename R::scalar(0.5 * (1 + k % 8));
}

template <class R>
struct Rules : testing::Test {
  using N = Net<typename R::scalar>;
  emmy::Params<N> params{};
  emmy::State<N, R> state{};
  emmy::Gradient<N> g{};
  emmy::NoLedger none;
  R rule{};
  emmy::Pcg32 rng{11};

  void SetUp() override { fixture::randomise(params, rng, 0.7); }
  void draw_gradient() {
    auto blocks = reference::read_blocks<N>(g.data);
    for (auto& block : blocks)
      for (double& v : block) v = fixture::draw(rng);
    reference::write_blocks<N>(blocks, g.data);
  }
};

template <class S>
using OnNet =
    testing::Types<emmy::BasicSgd<S>, emmy::BasicMomentum<S>, emmy::BasicMomentum<S, emmy::Decay::decoupled>,
                   emmy::BasicNesterov<S>, emmy::PerBlock<emmy::BasicMomentum<S>, Net<S>>,
                   emmy::ClipByNorm<emmy::BasicSgd<S>>, emmy::ClipByTensor<emmy::BasicNesterov<S>>,
                   emmy::ClipByNorm<emmy::PerBlock<emmy::BasicNesterov<S>, Net<S>>>,
                   emmy::ClipByTensor<emmy::PerBlock<emmy::BasicMomentum<S, emmy::Decay::decoupled>, Net<S>>>>;
template <class A, class B>
struct Join;
template <class... A, class... B>
struct Join<testing::Types<A...>, testing::Types<B...>> {
  using type = testing::Types<A..., B...>;
};
using All = Join<OnNet<float>, OnNet<double>>::type;
TYPED_TEST_SUITE(Rules, All);

TYPED_TEST(Rules, FollowsItsDefinition) {
  using S = typename TypeParam::scalar;
  auto theta = reference::read_blocks<Net<S>>(this->params.data);
  auto buf = reference::zeros_like(theta);
  for (int k = 0; k < 50; ++k) {
    this->draw_gradient();
    set_rates(this->rule, k);
    reference::update(reference::rule_of<Net<S>>(this->rule), theta, buf, reference::read_blocks<Net<S>>(this->g.data));
    ASSERT_EQ(emmy::apply(this->params, this->state, this->g, this->rule, this->none), Status::ok) << k;
  }
  const double bound = sizeof(S) == 4 ? 3e-6 : 5e-15;
  EXPECT_LT(fixture::relative_difference(reference::read_blocks<Net<S>>(this->params.data), theta), bound);
  EXPECT_TRUE(fixture::pads_are_zero<Net<S>>(this->params.data));
  if constexpr (TypeParam::kHasMemory) {
    EXPECT_LT(fixture::relative_difference(reference::read_blocks<Net<S>>(this->state.buf), buf), bound);
    EXPECT_TRUE(fixture::pads_are_zero<Net<S>>(this->state.buf));
  }
}

// The plain rule inside the wrappers; the rates that of_block reads, PerBlock's if there is one.
template <class R>
R& innermost(R& r) {
  return r;
}
template <class R>
auto& innermost(emmy::ClipByNorm<R>& r) {
  return innermost(r.rule);
}
template <class R>
auto& innermost(emmy::ClipByTensor<R>& r) {
  return innermost(r.rule);
}
template <class R>
auto& plain(R& r) {
  return r;
}
template <class R, class N>
auto& plain(emmy::PerBlock<R, N>& r) {
  return r.rule;
}
template <class R>
auto& rates(R& r) {
  return r;
}
template <class R, class N>
auto& rates(emmy::PerBlock<R, N>& r) {
  return r.rates[3];
}

TYPED_TEST(Rules, RefusesBadRatesAndTouchesNothing) {
  using S = typename TypeParam::scalar;
  constexpr S kNan = std::numeric_limits<S>::quiet_NaN(), kInf = std::numeric_limits<S>::infinity();
  const auto refused = [&](auto damage, const char* what) {
    TypeParam bad = this->rule;
    damage(bad);
    const Snapshot params_before(this->params);
    const Snapshot state_before(this->state);
    EXPECT_EQ(emmy::apply(this->params, this->state, this->g, bad, this->none), Status::bad_rate) << what;
    EXPECT_TRUE(params_before.still_is(this->params)) << what;
    EXPECT_TRUE(state_before.still_is(this->state)) << what;
  };
  this->draw_gradient();
  set_rates(this->rule, 1);
  // Before the first step and later: the bound of the weights is not known, then known.
  for (int k = 0; k < 2; ++k) {
    for (const S v : {S(-0.1), kNan, kInf, S(-kInf), S(0x1p61)}) {
      refused([v](auto& r) { rates(innermost(r)).learning_rate = v; }, "learning rate");
      refused([v](auto& r) { rates(innermost(r)).weight_decay = v; }, "weight decay");
      if constexpr (TypeParam::kHasMemory) refused([v](auto& r) { plain(innermost(r)).momentum = v; }, "momentum");
      if constexpr (requires { plain(innermost(this->rule)).dampening; })
        refused([v](auto& r) { plain(innermost(r)).dampening = v; }, "dampening");
    }
    refused([](auto& r) { rates(innermost(r)).learning_rate = S(2), rates(innermost(r)).weight_decay = S(0.51); },
            "eta lam > 1");
    if constexpr (TypeParam::kHasMemory) refused([](auto& r) { plain(innermost(r)).momentum = S(1); }, "momentum 1");
    if constexpr (TypeParam::kClips)
      for (const S v : {S(0), S(-1), kNan, kInf}) refused([v](auto& r) { r.limit = v; }, "limit");
    ASSERT_EQ(emmy::apply(this->params, this->state, this->g, this->rule, this->none), Status::ok);
  }
}

TYPED_TEST(Rules, RefusesABadGradientAndTouchesNothing) {
  using S = typename TypeParam::scalar;
  this->draw_gradient();
  set_rates(this->rule, 1);
  const int last = emmy::kPlan<Net<S>>.block[5].offset + 2;  // of the output bias
  for (const S v :
       {std::numeric_limits<S>::quiet_NaN(), std::numeric_limits<S>::infinity(), std::numeric_limits<S>::max()}) {
    const Snapshot params_before(this->params);
    const Snapshot state_before(this->state);
    this->g.data[last] = v;
    EXPECT_EQ(emmy::apply(this->params, this->state, this->g, this->rule, this->none), Status::not_finite);
    EXPECT_TRUE(params_before.still_is(this->params));
    EXPECT_TRUE(state_before.still_is(this->state));
  }
}

TEST(PerBlock, NamesItsLayersAndBiases) {
  using N = Net<double>;
  emmy::PerBlock<emmy::BasicSgd<double>, N> r{{0.5, 0.25}, {}};
  r.fill();
  r.bias_decay(0.0);
  r.layer<emmy::Layer<4>>({0.125, 0.0625});
  const double eta[] = {0.5, 0.5, 0.5, 0.5, 0.125, 0.125}, lam[] = {0.25, 0, 0.25, 0, 0.0625, 0.0625};
  for (int b = 0; b < 6; ++b) {
    EXPECT_EQ(emmy::of_block(r, b).learning_rate, eta[b]) << b;
    EXPECT_EQ(emmy::of_block(r, b).weight_decay, lam[b]) << b;
  }
}

}  // namespace
