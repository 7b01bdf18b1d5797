// train_step on its fused paths: bit for bit gradient + apply, with and without a ledger; and whatever goes wrong leaves
// weights, state and books as they were.
#include <emmy/train/verbs.hpp>

#include <tests/train/fixture.hpp>

#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and rules
using fixture::Snapshot;
using fixture::TwoHidden;

using OneOutput = Net<Input<5>, Dense<7>, PowerRelu<2>, Dense<1>>;  // no tiny step: it does not contract
template <class NetType, class RuleType, int BatchSize, class LossType, class TargetType>
struct Setup {
  using Net = NetType;
  using Rule = RuleType;
  using Loss = LossType;
  using Target = TargetType;
  static constexpr int kBatch = BatchSize;
};
template <class R>
using Labels = Setup<TwoHidden<float>, R, 4, CrossEntropy, int>;
using TwoFrozen = Net<Input<7>, Dense<9>, Relu, Frozen<Dense<5>>, LeakyRelu<1, 8>, Dense<3>>;
using Factored = Net<Input<7>, Parametrized<Dense<9>, Product>, Relu, Parametrized<Dense<5, NoBias>, ProductByOutput>,
                     PowerRelu<2>, Parametrized<Dense<3>, ProductByInput>>;

// Rates of step k.
template <class S>
void set_rates(BasicSgd<S>& r, int k) {
  r = {S(0.1) / S(1 + k % 3), S(0.02)};
}
template <class S, Decay kind>
void set_rates(BasicMomentum<S, kind>& r, int k) {
  const bool plain = k % 4 == 3;  // then fewer operations do
  r = {S(0.05) / S(1 + k % 3), S(0.9), plain ? S(0) : S(0.02), plain ? S(0) : S(0.1)};
}
template <class S>
void set_rates(BasicNesterov<S>& r, int k) {
  r = {S(0.05) / S(1 + k % 3), S(0.8), k % 4 == 3 ? S(0) : S(0.02)};
}
template <class R, class N>
void set_rates(PerBlock<R, N>& r, int k) {
  set_rates(r.rule, k);
  r.fill();
  r.bias_decay(0);
  r.template layer<Layer<2>>({typename R::scalar(0.03), typename R::scalar(0.2)});
}
template <class R>
void set_rates(ClipByNorm<R>& r, int k) {
  set_rates(r.rule, k);
  r.limit = typename R::scalar(k % 2 == 0 ? 0.3 : 100.0);
}
template <class R>
void set_rates(ClipByTensor<R>& r, int k) {
  set_rates(r.rule, k);
  r.limit = typename R::scalar(k % 2 == 0 ? 0.2 : 0.6);
}

template <class C>
struct Machine {
  using N = typename C::Net;
  using R = typename C::Rule;
  using S = typename N::scalar;
  Trainer<N, R, C::kBatch> trainer{};
  Ledger<N> ledger{};
  R rule{};

  StepResult<S> step(const fixture::Data<N, C::kBatch>& data) {
    return trainer.step(data.x, data.template targets<typename C::Target>(), typename C::Loss{}, rule, ledger);
  }
  StepResult<S> step_without_ledger(const fixture::Data<N, C::kBatch>& data) {
    return trainer.step(data.x, data.template targets<typename C::Target>(), typename C::Loss{}, rule);
  }
  StepResult<S> gradient_then_apply(const fixture::Data<N, C::kBatch>& data, Gradient<N>& g) {
    NoLedger none;
    const auto r = gradient<false>(trainer.params, trainer.buffers, trainer.scratch, data.x,
                                   data.template targets<typename C::Target>(), typename C::Loss{}, C::kBatch,
                                   S(1) / S(C::kBatch), g);
    return {r.status == Status::ok ? apply(trainer.params, trainer.state, g, rule, none) : r.status, r.loss};
  }
};

template <class C>
struct Step : testing::Test {
  fixture::Data<typename C::Net, C::kBatch> data{};
  Pcg32 rng{13};
  void refill() { data.refill(rng, std::is_same_v<typename C::Loss, CrossEntropy>); }
};
using fixture::Sensors;
using fixture::Windows;
using Setups =
    testing::Types<Labels<Sgd>, Setup<TwoHidden<float>, Sgd, 1, CrossEntropy, float>, Labels<MomentumW>,
                   Labels<Nesterov>, Labels<PerBlock<Momentum, TwoHidden<float>>>, Labels<ClipByNorm<Momentum>>,
                   Labels<ClipByTensor<PerBlock<Nesterov, TwoHidden<float>>>>,
#if !defined(__arm__) || defined(EMMY_BACKEND_SCALAR)  // the vectors of 32-bit Arm have no f64
                   Setup<TwoHidden<double>, ClipByNorm<BasicMomentum<double>>, 4, SquaredError, double>,
#endif
                   Setup<TwoFrozen, Momentum, 1, CrossEntropy, float>, Setup<Factored, Momentum, 3, CrossEntropy, int>,
                   Setup<OneOutput, Sgd, 1, SquaredError, float>, Setup<OneOutput, Momentum, 5, SquaredError, float>,
                   Setup<Sensors, Momentum, 4, CrossEntropy, int>, Setup<Windows<float>, Sgd, 1, SquaredError, float>,
                   Setup<fixture::FewOutputs<float>, Sgd, 1, SquaredError, float>,
                   Setup<fixture::FewOutputs<float>, Momentum, 4, SquaredError, float>>;
TYPED_TEST_SUITE(Step, Setups);

// What the state knows of the weights: no weight and no momentum is larger.
template <class TrainerType>
void expect_bounds(const TrainerType& trainer) {
  using N = typename TrainerType::net;
  for (int b = 0; b < kPlan<N>.kBlocks; ++b) {
    const auto& block = kPlan<N>.block[b];
    if (!block.trained) continue;
    for (int p = block.offset; p < block.offset + block.size(); ++p) {
      ASSERT_LE(std::fabs(trainer.params.data[p]), trainer.state.largest.theta_of(b)) << "block " << b;
      if constexpr (TrainerType::rule::kHasMemory) {
        ASSERT_LE(std::fabs(trainer.state.buf[p]), trainer.state.largest.memory_of(b)) << "block " << b;
      }
    }
  }
}

TYPED_TEST(Step, IsGradientAndApplyBitForBitWithAndWithoutLedger) {
  using N = typename TypeParam::Net;
  using RuleType = typename TypeParam::Rule;
  constexpr bool kNoGradient = TypeParam::kBatch == 1 && !RuleType::kHasMemory;
  Machine<TypeParam> fused, quiet, split;
  Gradient<N> g{};
  fixture::randomise(fused.trainer.params, this->rng, 0.8);
  quiet.trainer.params = split.trainer.params = fused.trainer.params;
  const Snapshot start(fused.trainer.params);
  for (int k = 0; k < 25; ++k) {
    this->refill();
    set_rates(fused.rule, k);
    quiet.rule = split.rule = fused.rule;
    const auto a = fused.step(this->data), b = quiet.step_without_ledger(this->data),
               c = split.gradient_then_apply(this->data, g);
    ASSERT_EQ(a.status, Status::ok);
    ASSERT_EQ(b.status, Status::ok);
    ASSERT_EQ(c.status, Status::ok);
    ASSERT_EQ(a.loss, b.loss);
    if (kNoGradient) ASSERT_NEAR(static_cast<double>(a.loss), static_cast<double>(c.loss), 1e-5);
    else ASSERT_EQ(a.loss, c.loss);
    ASSERT_TRUE(Snapshot(fused.trainer.params).still_is(quiet.trainer.params)) << k;
    if constexpr (kNoGradient) {  // x (a0 dy) instead of a0 (x dy)
      for (int p = 0; p < kPlan<N>.params; ++p)
        ASSERT_NEAR(static_cast<double>(fused.trainer.params.data[p]),
                    static_cast<double>(split.trainer.params.data[p]), 1e-6)
            << k;
    } else {
      ASSERT_TRUE(Snapshot(fused.trainer.params).still_is(split.trainer.params)) << k;
    }
    if constexpr (RuleType::kHasMemory) {
      ASSERT_EQ(std::memcmp(fused.trainer.state.buf, quiet.trainer.state.buf, sizeof quiet.trainer.state.buf), 0) << k;
      ASSERT_EQ(std::memcmp(fused.trainer.state.buf, split.trainer.state.buf, sizeof split.trainer.state.buf), 0) << k;
    }
    expect_bounds(fused.trainer);
    expect_bounds(quiet.trainer);
    expect_bounds(split.trainer);
    ASSERT_LE(fused.ledger.health(), 1) << k;
  }
  EXPECT_TRUE(fixture::pads_are_zero<N>(fused.trainer.params.data));
  EXPECT_FALSE(start.still_is(fused.trainer.params));
  for (const auto& block : kPlan<N>.block) {
    const bool moved = std::memcmp(start.bytes + block.offset * static_cast<int>(sizeof(typename N::scalar)),
                                   fused.trainer.params.data + block.offset,
                                   static_cast<std::size_t>(block.size()) * sizeof(typename N::scalar)) != 0;
    EXPECT_EQ(moved, block.trained) << "frozen blocks stay, all others move";
  }
}

TYPED_TEST(Step, FollowsThePlainDoubleLoops) {
  using N = typename TypeParam::Net;
  Machine<TypeParam> machine;
  fixture::randomise(machine.trainer.params, this->rng, 0.8);
  const auto model = reference::model_of<N>();
  auto theta = reference::read_blocks<N>(machine.trainer.params.data);
  auto buf = reference::zeros_like(theta);
  const double bound = sizeof(typename N::scalar) == 4 ? 2e-5 : 1e-13;
  for (int k = 0; k < 50; ++k) {
    this->refill();
    set_rates(machine.rule, k);
    const auto targets = this->data.template reference_targets<typename TypeParam::Loss, typename TypeParam::Target>();
    const auto pass = reference::run(model, theta, this->data.inputs(), TypeParam::kBatch, targets);
    reference::update(reference::rule_of<N>(machine.rule), theta, buf, pass.gradient);
    const auto r = machine.step(this->data);
    ASSERT_EQ(r.status, Status::ok);
    ASSERT_NEAR(static_cast<double>(r.loss), pass.loss, bound * (1 + pass.loss)) << k;
  }
  EXPECT_LT(fixture::relative_difference(reference::read_blocks<N>(machine.trainer.params.data), theta), bound);
}

// ---- what goes wrong

// The learning rate that the update of the first block uses.
template <class R>
auto& learning_rate(R& r) {
  return r.learning_rate;
}
template <class R, class N>
auto& learning_rate(PerBlock<R, N>& r) {
  return r.rates[0].learning_rate;
}
template <class R>
auto& learning_rate(ClipByNorm<R>& r) {
  return learning_rate(r.rule);
}
template <class R>
auto& learning_rate(ClipByTensor<R>& r) {
  return learning_rate(r.rule);
}

template <class R>
void no_decay(R& r) {
  if constexpr (requires { r.rates; }) r.rates[0].weight_decay = 0;
  else if constexpr (requires { r.rule; }) no_decay(r.rule);
  else r.weight_decay = 0;
}

template <class C>
struct Failures {
  using M = Machine<C>;
  using N = typename C::Net;
  using S = typename N::scalar;
  using Data = fixture::Data<N, C::kBatch>;
  static constexpr S kNan = std::numeric_limits<S>::quiet_NaN(), kInf = std::numeric_limits<S>::infinity();
  static constexpr S kHuge = sizeof(S) == 4 ? S(1e25) : S(1e200);  // its square is not finite
  M& machine;
  const Data& good;

  // The step answers `want` and changes nothing: parameters, state, books.
  void expect(Status want, const Data& data, const char* what) {
    const Snapshot before(machine);
    const auto& old = reinterpret_cast<const M&>(before.bytes);
    const auto got = machine.step(data).status;
    EXPECT_EQ(got, want) << what << ": " << to_string(got);
    const auto same = [](const auto& a, const auto& b) { return std::memcmp(&a, &b, sizeof a) == 0; };
    EXPECT_TRUE(same(old.trainer.params, machine.trainer.params)) << what;
    EXPECT_TRUE(same(old.trainer.state, machine.trainer.state)) << what;
    EXPECT_TRUE(same(old.ledger.units, machine.ledger.units)) << what;
    EXPECT_TRUE(same(old.ledger.last, machine.ledger.last)) << what;
    EXPECT_TRUE(same(old.ledger.extreme, machine.ledger.extreme)) << what;
    EXPECT_TRUE(old.ledger.steps == machine.ledger.steps && old.ledger.measured == machine.ledger.measured) << what;
    EXPECT_EQ(old.ledger.worst_health(), machine.ledger.worst_health()) << what;
  }
  void bad_inputs() {
    for (const S v : {kNan, kInf, -kInf}) {
      Data bad = good;
      bad.x[C::kBatch * N::kInputs - 1] = v;
      expect(Status::not_finite, bad, "x");
      bad = good;
      bad.values[C::kBatch * N::kOutputs - 1] = v;
      if (!std::is_same_v<typename C::Target, int>) expect(Status::not_finite, bad, "target");
    }
    for (const int label : {-1, Data::kClasses, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
      Data bad = good;
      bad.label[Data::kRows - 1] = label;
      if (std::is_same_v<typename C::Target, int>) expect(Status::bad_label, bad, "label");
    }
    Data bad = good;
    for (S& v : bad.x) v *= kHuge;
    expect(Status::not_finite, bad, "huge x");
  }
  // Inf hides behind a ReLU that makes -Inf 0; it is found where the step reads the weights for its bound (the first
  // one), else by the ledger.
  void bad_weights(bool first) {
    for (const auto& block : kPlan<N>.block) {
      S& weight = machine.trainer.params.data[block.offset + block.cols - 1];
      const S kept = weight;
      weight = kNan;
      expect(Status::not_finite, good, "NaN weight");
      weight = kInf;
      if (first) {
        expect(Status::not_finite, good, "infinite weight");
      } else if (!__is_same(typename C::Loss, SquaredError) ||
                 block.offset != kPlan<N>.block[kPlan<N>.kBlocks - 1].offset) {
        const Snapshot before(machine);
        const Status got = machine.step(good).status;
        EXPECT_TRUE(got != Status::ok || machine.ledger.health() > 1) << "infinite weight";
        before.restore(machine);
      }
      weight = kept;
    }
  }
  void bad_rates() {
    const auto kept = machine.rule;
    for (const S v : {kNan, kInf, S(-1e-3), S(0x1p61)}) {
      learning_rate(machine.rule) = v;
      expect(Status::bad_rate, good, "rate");
      machine.rule = kept;
    }
    if constexpr (C::Rule::kClips) {
      machine.rule.limit = 0;
      expect(Status::bad_rate, good, "limit");
      machine.rule = kept;
    }
    if constexpr (sizeof(S) == 4) {
      // In range, without decay, but with these inputs the update could overflow.
      no_decay(machine.rule);
      learning_rate(machine.rule) = S(0x1p60);
      Data large = good;
      for (S& v : large.x) v *= S(1024);
      expect(Status::out_of_range, large, "huge rate");
      machine.rule = kept;
    }
  }
};

TYPED_TEST(Step, ThatFailsChangesNothing) {
  Machine<TypeParam> tried, twin;
  fixture::randomise(tried.trainer.params, this->rng, 0.8);
  twin.trainer.params = tried.trainer.params;
  for (int k = 0; k < 4; ++k) {
    this->refill();
    set_rates(tried.rule, k);
    twin.rule = tried.rule;
    Failures<TypeParam> failures{tried, this->data};
    failures.bad_inputs();
    failures.bad_weights(k == 0);
    failures.bad_rates();
    ASSERT_EQ(tried.step(this->data).status, Status::ok);
    ASSERT_EQ(twin.step(this->data).status, Status::ok);
    ASSERT_LE(tried.ledger.health(), 1);
    ASSERT_TRUE(Snapshot(tried.trainer.params).still_is(twin.trainer.params)) << "the failures left a trace";
    ASSERT_TRUE(Snapshot(tried.trainer.state).still_is(twin.trainer.state)) << "the failures left a trace";
    ASSERT_EQ(std::memcmp(&tried.ledger.units, &twin.ledger.units, sizeof twin.ledger.units), 0);
  }
}

// A block that no watched charge wants is measured by no one and must still move as without a ledger.
TEST(OneSample, AnUnwatchedBlockMovesTheSame) {
  using N = TwoHidden<float>;
  Trainer<N, Sgd, 1> watched{}, plain{};
  Ledger<N, Watch<Translation<Layer<4>>>> ledger{};
  fixture::Data<N, 1> data{};
  Pcg32 rng{109};
  fixture::randomise(watched.params, rng, 0.8);
  plain.params = watched.params;
  for (int k = 0; k < 20; ++k) {
    data.refill(rng, false);
    const Sgd rule{0.05f, 1e-3f};
    ASSERT_EQ(watched.step(data.x, data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
    ASSERT_EQ(plain.step(data.x, data.label, CrossEntropy{}, rule).status, Status::ok);
    ASSERT_TRUE(Snapshot(watched.params).still_is(plain.params)) << k;
    ASSERT_LE(ledger.health(), 1.0f) << k;
  }
}

}  // namespace
