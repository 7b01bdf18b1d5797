// Lazy steps: one behind, then the bits of the same steps without Lazy.
#include <emmy/emmy.hpp>

#include <gtest/gtest.h>
#include <tests/support/scalars.hpp>

#include <cstring>
#include <limits>

namespace {

using emmy::Dense;
using emmy::Frozen;
using emmy::Input;
using emmy::Lazy;
using emmy::NoBias;
using emmy::Relu;
using emmy::Residual;
using emmy::SquaredError;
using emmy::Status;
using emmy::Tanh;
using emmy::Unchecked;

template <class A>
bool same_bits(const A& a, const A& b) {
  return std::memcmp(&a, &b, sizeof(A)) == 0;
}

template <class Net, class Rule>
struct Pair {
  using S = typename Net::scalar;
  emmy::Trainer<Net, Rule, 1> plain{};
  emmy::Trainer<Net, Lazy<Rule>, 1> lazy{};
  emmy::Pcg32 rng{5};
  S x[Net::kInputs], target[Net::kOutputs];

  Pair() {
    emmy::init(plain.params, rng);
    lazy.params = plain.params;
  }
  void draw() {
    for (S& v : x) v = S(2) * S(rng.uniform()) - S(1);
    for (S& v : target) v = S(rng.uniform());
  }
  Status step(const Rule& rule) {
    const auto a = plain.step(x, target, SquaredError{}, rule);
    const auto b = lazy.step(x, target, SquaredError{}, Lazy<Rule>{rule});
    EXPECT_EQ(a.status, b.status);
    if (a.status == Status::ok) {
      EXPECT_EQ(a.loss, b.loss);
    }
    return a.status;
  }
  void check_flushed() {
    lazy.flush();
    ASSERT_TRUE(same_bits(plain.params, lazy.params));
    ASSERT_FALSE(lazy.state.waits);
    lazy.flush();  // nothing waits
    ASSERT_TRUE(same_bits(plain.params, lazy.params));
  }
};

template <class Net, class Rule>
void check_steps(const Rule& rule) {
  Pair<Net, Rule> p;
  int lagging = 0;
  for (int step = 0; step < 40; ++step) {
    p.draw();
    ASSERT_EQ(p.step(rule), Status::ok) << step;
    ASSERT_TRUE(p.lazy.state.waits);
    lagging += !same_bits(p.plain.params, p.lazy.params);
    if (step % 7 == 3) p.check_flushed();
    if (step % 11 == 5) refresh(p.lazy.state), refresh(p.plain.state);  // reads the weights again
  }
  p.check_flushed();
  EXPECT_GT(lagging, 20);  // of 40: a step whose units are all dead has no update
}

// A tiny net has a step of its own, which waits for nothing; the first step, which reads the weights, and one with decay are
// general ones.
template <class Net, class Rule>
void check_tiny(Rule rule) {
  static_assert(emmy::inner::kTakesTinyStep<Net, 1, Lazy<Rule>, emmy::NoLedger>);
  Pair<Net, Rule> p;
  for (int step = 0; step < 40; ++step) {
    p.draw();
    rule.weight_decay = step % 5 == 2 ? typename Rule::scalar(0.01) : typename Rule::scalar(0);
    ASSERT_EQ(p.step(rule), Status::ok) << step;
    ASSERT_EQ(p.lazy.state.waits, step == 0 || step % 5 == 2) << step;
    if (!p.lazy.state.waits) {
      ASSERT_TRUE(same_bits(p.plain.params, p.lazy.params)) << step;
    }
  }
  p.check_flushed();
}

template <class T>
class LazySteps : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(LazySteps, Types);

TYPED_TEST(LazySteps, GiveTheBitsOfPlainOnes) {
  using S = TypeParam;
  using Of = emmy::Scalar<S>;
  using Rule = emmy::BasicSgd<S>;
  using Deep = emmy::Net<Of, Input<13>, Dense<33>, Tanh, Dense<18>, Relu, Dense<4>>;
  for (const S decay : {S(0), S(0.01)}) {
    const Rule rule{S(0.05), decay};
    check_steps<Deep>(rule);
    check_steps<Deep>(Unchecked<Rule>{rule});
    check_steps<emmy::Net<Of, Input<3>, Dense<2>>>(rule);
    check_steps<emmy::Net<Of, Input<40>, Dense<70, NoBias>, Relu, Dense<3, NoBias>>>(rule);
    check_steps<emmy::Net<Of, Input<5>, Dense<6>, Residual<Dense<9>, Relu, Dense<6>>, Dense<2>>>(rule);
    check_steps<emmy::Net<Of, Input<9>, Dense<8>, Relu, Frozen<Dense<8>>, Tanh, Dense<5>, Tanh, Dense<1>>>(rule);
  }
  emmy::PerBlock<Rule, Deep> rates{{S(0.05), S(0.01)}, {}};
  rates.fill();
  rates.bias_decay(S(0));
  rates.template layer<emmy::Layer<1>>({S(0.01), S(0)});
  check_steps<Deep>(rates);
}

TYPED_TEST(LazySteps, OfTinyNetsWaitForNothing) {
  using S = TypeParam;
  check_tiny<emmy::Net<emmy::Scalar<S>, Input<5>, Dense<4>, Relu, Dense<1>>>(emmy::BasicSgd<S>{S(0.05)});
  check_tiny<emmy::Net<emmy::Scalar<S>, Input<2>, Dense<16>, Tanh, Dense<1>>>(emmy::BasicSgd<S>{S(0.05)});
}

TYPED_TEST(LazySteps, ThatFailChangeNothing) {
  using S = TypeParam;
  using Rule = emmy::BasicSgd<S>;
  Pair<emmy::Net<emmy::Scalar<S>, Input<7>, Dense<12>, Relu, Dense<3>>, Rule> p;
  const Rule rule{S(0.1), S(0)};
  const auto fails = [&](Status status, const Rule& with) {
    ASSERT_EQ(p.step(with), status);
    p.check_flushed();
    for (int k = 0; k < 2; ++k) {  // once with and once without an update that waits
      p.draw();
      ASSERT_EQ(p.step(rule), Status::ok);
      ASSERT_EQ(p.step({S(-1), S(0)}), Status::bad_rate);
      if (k == 0) p.check_flushed();
    }
  };
  p.draw();
  ASSERT_EQ(p.step(rule), Status::ok);
  p.x[2] = std::numeric_limits<S>::quiet_NaN();
  fails(Status::not_finite, rule);
  fails(Status::bad_rate, {std::numeric_limits<S>::quiet_NaN(), S(0)});
  p.target[1] = std::numeric_limits<S>::infinity();
  fails(Status::not_finite, rule);
  p.check_flushed();
}

}  // namespace
