// From factors to plain weights, and from plain weights to a narrower net.
#include <emmy/parametrize/deep_product.hpp>
#include <emmy/parametrize/fold.hpp>

#include <emmy/train/verbs.hpp>
#include <tests/train/fixture.hpp>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets

struct Head;
template <class S>
using Chain =
    Net<Scalar<S>, Input<7>, Parametrized<Dense<9>, Product>, Relu, Parametrized<Dense<5, NoBias>, ProductByOutput>,
        LeakyRelu<1, 8>, Named<Head, Parametrized<Dense<3>, ProductByInput>>>;
// No bias at the end: nothing may be written behind the last block.
template <class S>
using Mixed = Net<Scalar<S>, Input<6>, Dense<5>, Tanh,
                  Residual<Parametrized<Dense<9>, ProductByOutput>, Relu, Parametrized<Dense<5>, Product>>, Dense<4>,
                  Relu, Parametrized<Dense<3, NoBias>, Product>>;

template <class N>
struct Fold : testing::Test {};
using Nets = testing::Types<Chain<float>, Mixed<float>, Chain<double>, Mixed<double>>;
TYPED_TEST_SUITE(Fold, Nets);

TYPED_TEST(Fold, KeepsTheFunctionBitForBit) {
  using S = typename TypeParam::scalar;
  using Plain = plain_of<TypeParam>;
  constexpr int kBatch = 4;
  struct {
    Params<Plain> params;
    S guard[16];
  } to;
  std::fill(std::begin(to.params.data), std::end(to.params.data), S(7));
  std::fill(std::begin(to.guard), std::end(to.guard), S(7));
  Params<TypeParam> from{};
  Pcg32 rng{79};
  fixture::randomise(from, rng, 0.9);
  fold(from, to.params);
  for (const S v : to.guard) EXPECT_EQ(v, S(7));
  EXPECT_TRUE(fixture::pads_are_zero<Plain>(to.params.data));
  fixture::Data<TypeParam, kBatch> data{};
  data.refill(rng, false);
  Buffers<TypeParam> buffers{};
  Buffers<Plain> plain_buffers{};
  Scratch<TypeParam, kBatch, Infer> scratch{};
  Scratch<Plain, kBatch, Infer> plain_scratch{};
  S y[kBatch * TypeParam::kOutputs], folded[kBatch * TypeParam::kOutputs];
  ASSERT_EQ(infer(from, buffers, scratch, data.x, y), Status::ok);
  ASSERT_EQ(infer(to.params, plain_buffers, plain_scratch, data.x, folded), Status::ok);
  EXPECT_EQ(std::memcmp(y, folded, sizeof y), 0);
}

// Few outputs of whole pads: x86 stores the plain weights in columns, so the sums have another order.
template <class S>
using FewOutputs = Net<Scalar<S>, Input<16>, Parametrized<Dense<4>, Product>, Relu,
                       Parametrized<Dense<16>, ProductByBlock<4>>, Relu, Parametrized<Dense<3>, ProductByBlock<4>>>;
template <class S>
void folds_few_outputs() {
  using N = FewOutputs<S>;
  constexpr int kBatch = 3;
  Trainer<N, BasicSgd<S>, kBatch> trainer{};
  Trainer<plain_of<N>, BasicSgd<S>, kBatch> plain{};
  std::fill(std::begin(plain.params.data), std::end(plain.params.data), S(7));
  Pcg32 rng{83};
  fixture::randomise(trainer.params, rng, 0.9);
  fold(trainer.params, plain.params);
  EXPECT_TRUE(fixture::pads_are_zero<plain_of<N>>(plain.params.data));
  fixture::Data<N, kBatch> data{};
  data.refill(rng, false);
  const auto loss = [&](auto& t) {
    const auto r = t.step(data.x, data.values, SquaredError{}, BasicSgd<S>{S(0)});
    EXPECT_EQ(r.status, Status::ok);
    return static_cast<double>(r.loss);
  };
  const double composed = loss(trainer);
  EXPECT_NEAR(loss(plain), composed, (sizeof(S) == 4 ? 1e-5 : 1e-13) * composed);
}
TEST(FoldWeights, OfFewOutputs) {
  folds_few_outputs<float>();
  folds_few_outputs<double>();
}

TEST(FoldWeights, AreTheProducts) {
  using N = Chain<double>;
  Params<N> from{};
  Params<plain_of<N>> to{};
  Pcg32 rng{83};
  fixture::randomise(from, rng, 0.9);
  fold(from, to);
  const auto theta = reference::read_blocks<N>(from.data), want = reference::read_blocks<plain_of<N>>(to.data);
  std::size_t at = 0;
  for (const auto& stage : reference::model_of<N>()) {
    if (!stage.affine) continue;
    const auto e = reference::effective_of(stage, theta);
    EXPECT_EQ(e.w, want[at]);
    if (stage.bias) {
      EXPECT_EQ(e.b, want[at + 1]);
    }
    at += stage.bias ? 2 : 1;
  }
}

// ---- fold_units

template <int First, int Second>
using Hidden = Net<Input<7>, Dense<First>, Relu, Dense<Second>, LeakyRelu<1, 8>, Dense<3>>;
using Full = Hidden<9, 5>;

struct FoldUnits : testing::Test {
  static constexpr int kBatch = 5;
  Params<Full> from{};
  fixture::Data<Full, kBatch> data{};
  Pcg32 rng{89};
  int live = -1;

  void SetUp() override {
    fixture::randomise(from, rng, 0.9);
    data.refill(rng, false);
    // Units 0, 4 and 8 of the first hidden layer and 3 of the second send nothing on.
    for (const int unit : {0, 4, 8})
      for (int o = 0; o < 5; ++o) from.weight<Layer<2>>(o, unit) = 0;
    for (int o = 0; o < 3; ++o) from.weight<Layer<4>>(o, 3) = 0;
  }
  template <class N>
  reference::Values outputs(const Params<N>& params) const {
    Buffers<N> buffers{};
    Scratch<N, kBatch, Infer> scratch{};
    float y[kBatch * 3];
    EXPECT_EQ(infer(params, buffers, scratch, data.x, y), Status::ok);
    return {y, y + kBatch * 3};
  }
  template <class N>
  void expect_same_function(const Params<N>& to) const {
    const auto a = outputs(from), b = outputs(to);
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 2e-6);
  }
};

TEST_F(FoldUnits, DropsWhatSendsNothingOn) {
  Params<Hidden<6, 4>> to{};
  ASSERT_EQ(fold_units(from, to, live), Status::ok);
  EXPECT_EQ(live, 6);
  expect_same_function(to);
  const int first[] = {1, 2, 3, 5, 6, 7}, second[] = {0, 1, 2, 4};
  for (int j = 0; j < 6; ++j) {
    EXPECT_EQ(to.bias<Layer<0>>(j), from.bias<Layer<0>>(first[j]));
    for (int i = 0; i < 7; ++i) EXPECT_EQ(to.weight<Layer<0>>(j, i), from.weight<Layer<0>>(first[j], i));
    for (int k = 0; k < 4; ++k) EXPECT_EQ(to.weight<Layer<2>>(k, j), from.weight<Layer<2>>(second[k], first[j]));
  }
  for (int k = 0; k < 4; ++k)
    for (int o = 0; o < 3; ++o) EXPECT_EQ(to.weight<Layer<4>>(o, k), from.weight<Layer<4>>(o, second[k]));
  EXPECT_TRUE((fixture::pads_are_zero<Hidden<6, 4>>(to.data)));
}

TEST_F(FoldUnits, LeavesSpareUnitsZero) {
  Params<Hidden<8, 5>> to;
  std::fill(std::begin(to.data), std::end(to.data), 7.0f);
  ASSERT_EQ(fold_units(from, to, live), Status::ok);
  expect_same_function(to);
  EXPECT_TRUE((fixture::pads_are_zero<Hidden<8, 5>>(to.data)));
  for (int j = 6; j < 8; ++j) {
    EXPECT_EQ(to.bias<Layer<0>>(j), 0.0f);
    for (int i = 0; i < 7; ++i) EXPECT_EQ(to.weight<Layer<0>>(j, i), 0.0f);
    for (int k = 0; k < 5; ++k) EXPECT_EQ(to.weight<Layer<2>>(k, j), 0.0f);
  }
}

template <int First, int Second>
void expect_refused(const Params<Full>& from, int want_live) {
  Params<Hidden<First, Second>> to;
  std::fill(std::begin(to.data), std::end(to.data), 7.0f);
  int live = -1;
  EXPECT_EQ(fold_units(from, to, live), Status::does_not_fit);
  EXPECT_EQ(live, want_live);
  for (const float v : to.data) ASSERT_EQ(v, 7.0f) << "the target is untouched";
}

TEST_F(FoldUnits, SaysHowManyUnitsLiveWhereTheyDoNotFit) {
  expect_refused<5, 4>(from, 6);
  expect_refused<6, 3>(from, 6);
}

// ---- constant units

TEST_F(FoldUnits, AConstantUnitGoesIntoTheNextBias) {
  for (int i = 0; i < 7; ++i) from.weight<Layer<0>>(2, i) = 0;
  for (int i = 0; i < 9; ++i) from.weight<Layer<2>>(1, i) = 0;
  from.bias<Layer<0>>(2) = 0.75f;
  from.bias<Layer<2>>(1) = -0.5f;  // LeakyRelu: the constant is -1/16
  Params<Full> absorbed = from;
  EXPECT_EQ(absorb_constant_units(absorbed), 2);
  expect_same_function(absorbed);
  Params<Hidden<5, 3>> to{};
  ASSERT_EQ(fold_units(absorbed, to, live), Status::ok);
  EXPECT_EQ(live, 5);
  expect_same_function(to);
  EXPECT_EQ(absorb_constant_units(to), 0) << "none is left";
}

TEST(AbsorbConstantUnits, KeepsAConstantThatHasNowhereToGo) {
  using N = Net<Input<3>, Dense<4>, Relu, Dense<2, NoBias>>;
  Params<N> params{};
  Pcg32 rng{97};
  fixture::randomise(params, rng, 0.9);
  for (const int unit : {1, 2})
    for (int i = 0; i < 3; ++i) params.weight<Layer<0>>(unit, i) = 0;
  params.bias<Layer<0>>(1) = 0.5f;
  params.bias<Layer<0>>(2) = -0.5f;  // relu makes it 0: that one may go
  EXPECT_EQ(absorb_constant_units(params), 1);
  EXPECT_NE(params.weight<Layer<2>>(0, 1), 0.0f);
  EXPECT_EQ(params.weight<Layer<2>>(0, 2), 0.0f);
}

}  // namespace
