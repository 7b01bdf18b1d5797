// Which symmetries a net has, what they do to its function, and what its charges are made of.
#include <emmy/symmetry/symmetries_of.hpp>

#include <emmy/noether/watch.hpp>
#include <emmy/parametrize/deep_product.hpp>
#include <emmy/train/verbs.hpp>
#include <tests/train/fixture.hpp>

#include <array>
#include <cmath>
#include <type_traits>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and symmetries

struct Head;
struct Body;
template <class... L>
using Of = Net<Scalar<double>, L...>;
template <class NetType, class... Symmetry>
inline constexpr bool kHasExactly = std::is_same_v<symmetries_of<NetType>, Symmetries<Symmetry...>>;

// ---- the nets of this file, and all their symmetries

using OneHidden = Of<Input<7>, Dense<9>, Relu, Dense<3>>;
using TwoHidden = Of<Input<7>, Dense<9>, Relu, Dense<5>, LeakyRelu<1, 8>, Dense<3>>;
using Powers = Of<Input<7>, Dense<9>, PowerRelu<2>, Dense<5>, PowerRelu<3, 2>, Dense<3>>;
using Linear = Of<Input<7>, Dense<9>, Dense<5, NoBias>, Identity, Dense<3>>;
using Stacked = Of<Input<7>, Dense<9, NoBias>, Relu, PowerRelu<2>, LeakyRelu<>, Dense<3, NoBias>>;
using Branch = Of<Input<7>, Dense<6>, Residual<Dense<9>, Relu, Dense<5>, Relu, Dense<6>>, Dense<3>>;
using Picture = Of<Input<2, 4>, Dense<6>, Relu, Dense<5>, Relu, Dense<3>>;
using Cold = Of<Input<7>, Frozen<Dense<9>>, Relu, Dense<5>, Relu, Frozen<Dense<3>>>;
using ByInput =
    Of<Input<7>, Dense<9>, Relu, Parametrized<Dense<5>, ProductByInput>, Relu, Parametrized<Dense<3>, ProductByInput>>;
using ByOutput = Of<Input<7>, Parametrized<Dense<9>, ProductByOutput>, Relu,
                    Parametrized<Dense<5, NoBias>, ProductByOutput>, PowerRelu<2>, Dense<3>>;
using ByElement = Of<Input<7>, Parametrized<Dense<9>, Product>, Relu, Dense<3>>;
// Through a factor of each weight, of layers of every kind.
using Factors = Of<Input<6, 3>, Parametrized<Dense<6>, emmy::ProductOfDepth<3>>, Relu,
                   Parametrized<Conv1d<5, 2>, emmy::ProductByBlock<4>>, LeakyRelu<1, 4>,
                   Parametrized<emmy::Rnn<4, Relu>, emmy::ProductOfDepth<4>>, emmy::Last,
                   Parametrized<Dense<5, NoBias>, emmy::ProductByBlock<2>>, PowerRelu<2>,
                   Parametrized<Dense<3>, emmy::ProductOfDepth<2>>>;
using Windows = fixture::Windows<double>;
using Images = fixture::Images<double>;
using Signal = Of<Input<9, 3>, MaxPool<2>, Conv1d<5, 2, NoBias>, PowerRelu<2>, MaxPool<2>, Conv1d<4, 1>>;
using Means = Of<Input<10, 3>, Conv1d<5, 2>, Relu, AvgPool<2>, Conv1d<6, 2>, Relu, GlobalAvgPool, Dense<4>>;
using Normed = Of<Input<4>, Dense<5>, emmy::LayerNorm<WithBias, 0>, Relu, Dense<6>, emmy::RmsNorm<NoBias, 0>, Dense<3>>;
using Norms =
    Of<Input<9, 2>, Conv1d<5, 2>, PowerRelu<2>, MaxPool<2>, emmy::LayerNorm<WithBias, 0>, emmy::RmsNorm<WithBias, 0>,
       Flatten, Parametrized<Dense<4>, ProductByOutput>, emmy::LayerNorm<NoBias, 0>, Dense<3>>;
using Exponentials = Of<Input<9, 3>, Conv1d<5, 2>, Exp, AvgPool<2>, PowerRelu<3, 2>, Conv1d<4, 2>,
                        emmy::LayerNorm<WithBias, 0>, Exp, Flatten, Dense<3>>;
using Gates = Of<Input<7>, emmy::Glu<9, emmy::Silu, WithBias>, Dense<5>,
                 Parallel<Multiply, emmy::Branch<Dense<4>, Relu>, emmy::Branch<Dense<4>, PowerRelu<2>>>,
                 PowerRelu<3, 2>, Dense<3>>;
using Recurrent = Of<Input<4, 3>, Dense<6>, Relu, emmy::Rnn<5, LeakyRelu<1, 4>>, emmy::Rnn<4, Relu>, emmy::Last,
                     PowerRelu<2>, Dense<3>>;
using Reset =
    Of<Input<4, 3>, Dense<5>, Relu, emmy::Gru<4>, emmy::RmsNorm<NoBias, 0>, emmy::Rnn<3>, emmy::Last, Dense<3>>;
using NormedStates = Of<Input<4, 3>, emmy::Rnn<5, LeakyRelu<1, 4>>, emmy::LayerNorm<NoBias, 0>, Flatten, Dense<3>>;
using BatchNorms = Of<Input<6, 3>, Conv1d<5, 2>, emmy::BatchNorm<WithBias, 0>, LeakyRelu<1, 4>, MaxPool<2>, Flatten,
                      emmy::BatchNorm<NoBias, 0>, Dense<6>, LeakyRelu<1, 4>, emmy::BatchNorm<WithBias, 0>, Dense<3>>;
// Shifts through pools: of biases alone, of rows of weights where the pools are means.
using Pooled = Of<Input<12, 3>, Conv1d<5, 3>, MaxPool<2>, emmy::BatchNorm<WithBias, 0>, Relu, Conv1d<4, 2>, AvgPool<2>,
                  emmy::LayerNorm<WithBias, 0>, Relu, Conv1d<6, 1>, MaxPool<2>, emmy::LayerNorm<NoBias, 0>, Relu,
                  Conv1d<3, 1>, emmy::GlobalAvgPool>;
using Flat = Of<Input<4, 3>, Dense<5>, Flatten, Relu, Parametrized<Dense<3>, ProductByInput>>;

static_assert(kHasExactly<OneHidden, Rescaling<Layer<1>>, Translation<Layer<2>>>);
static_assert(kHasExactly<TwoHidden, Rescaling<Layer<1>>, Rescaling<Layer<3>>, Translation<Layer<4>>>);
static_assert(kHasExactly<Powers, Rescaling<Layer<1>>, Rescaling<Layer<3>>, Translation<Layer<4>>>);
static_assert(kHasExactly<Linear, Rescaling<Layer<0>>, Rescaling<Layer<2>>, Translation<Layer<3>>>);
static_assert(kHasExactly<Stacked, Rescaling<Layer<3>>, Translation<Layer<4>>>,
              "the site is the last layer before the next affine one");
static_assert(kHasExactly<Branch, Rescaling<Layer<1, 1>>, Rescaling<Layer<1, 3>>, Translation<Layer<2>>>,
              "inside the block, not across the skip");
static_assert(kHasExactly<Picture, Rescaling<Layer<1>>, Rescaling<Layer<3>>, Translation<Layer<4>>>);
static_assert(kHasExactly<Cold, Rescaling<Layer<3>>, Translation<Layer<4>>>,
              "a frozen side still has its symmetry, but units below all that trains have no delta to measure it with");
static_assert(
    kHasExactly<ByInput, Rescaling<Layer<1>>, FactorBalance<Layer<2>>, Rescaling<Layer<3>>, FactorBalance<Layer<4>>>,
    "logits of factors do not translate");
static_assert(kHasExactly<ByOutput, FactorBalance<Layer<0>>, Rescaling<Layer<1>>, FactorBalance<Layer<2>>,
                          Rescaling<Layer<3>>, Translation<Layer<4>>>);
static_assert(kHasExactly<ByElement, FactorBalance<Layer<0>>, Rescaling<Layer<1>>, Translation<Layer<2>>>);
static_assert(kHasExactly<Factors, FactorBalance<Layer<0>>, Rescaling<Layer<1>>, FactorBalance<Layer<2>>,
                          Rescaling<Layer<3>>, FactorBalance<Layer<4>>, Rescaling<Layer<5>>, FactorBalance<Layer<6>>,
                          Rescaling<Layer<7>>, FactorBalance<Layer<8>>>);
static_assert(
    kHasExactly<Of<Input<7>, Parametrized<Dense<9>, emmy::DiagonalProduct>, Relu, Dense<3>>, Translation<Layer<2>>>,
    "P + M and P - M are no sums over blocks");
static_assert(kHasExactly<Windows, Rescaling<Layer<2>>, Rescaling<Layer<5>>, Translation<Layer<6>>>,
              "channels are units, through pooling and behind a Flatten too");
static_assert(kHasExactly<Images, Rescaling<Layer<2>>, Rescaling<Layer<4>>, Rescaling<Layer<7>>, Translation<Layer<8>>>,
              "of a depthwise convolution too: from both sides");
static_assert(kHasExactly<Of<Input<4, 4, 3>, Conv2d<5, 3, 3>, DepthwiseConv2d<2, 2>>, Rescaling<Layer<0>>>,
              "its logits do not translate: each sees its own channel");
static_assert(kHasExactly<Signal, Rescaling<Layer<3>>, Translation<Layer<4>>>, "logits of a convolution translate");
static_assert(kHasExactly<Means, Rescaling<Layer<2>>, Rescaling<Layer<5>>, Translation<Layer<6>>>, "means are linear");
static_assert(kHasExactly<Normed, Scale<Layer<0>>, Translation<Layer<0>>, Rescaling<Layer<2>>, Scale<Layer<3>>,
                          Rescaling<Layer<4>>, Translation<Layer<5>>>,
              "a norm's gains scale units, what it reads scales as a whole; only a centred one lets it translate");
static_assert(kHasExactly<Norms, Scale<Layer<2>>, Scale<Layer<3>>, Rescaling<Layer<5>>, FactorBalance<Layer<6>>,
                          Scale<Layer<6>>, Rescaling<Layer<7>>, Translation<Layer<8>>>,
              "through homogeneous layers, of gains, of one side of factors");
static_assert(kHasExactly<Exponentials, ExpUnit<Layer<3>>, Scale<Layer<4>>, Translation<Layer<4>>, ExpUnit<Layer<7>>,
                          Translation<Layer<8>>>,
              "of the bias of a convolution and of a norm");
static_assert(kHasExactly<Gates, Rescaling<Layer<0, 0, 0>>, Rescaling<Layer<2, 0, 1>>, Rescaling<Layer<2, 1, 1>>,
                          Translation<Layer<4>>>,
              "each homogeneous side of a product, but not the gate of a Glu");
static_assert(kHasExactly<Pooled, Translation<Layer<0>>, Scale<Layer<1>>, Rescaling<Layer<3>>, Translation<Layer<4>>,
                          Scale<Layer<5>>, Rescaling<Layer<7>>, Translation<Layer<8>>, Scale<Layer<9>>,
                          Rescaling<Layer<11>>, Translation<Layer<12>>>);
static_assert(
    charges_of<Pooled>(Translation<Layer<4>>{}).kCount == 2 &&
        charges_of<Pooled>(Translation<Layer<8>>{}).kCount == 1 &&
        charges_of<Pooled>(Translation<Layer<12>>{}).charge[1].of_loss,
    "rows and bias; the bias alone, whose shift a maximum passes on; the outputs, which the loss does not see");
static_assert(kHasExactly<Of<Input<4, 3>, Conv1d<5, 2, NoBias>, MaxPool<2>, emmy::LayerNorm<NoBias, 0>, Flatten, Relu>,
                          Scale<Layer<1>>>,
              "rows of weights add another number at each position");
static_assert(kHasExactly<Flat, Rescaling<Layer<2>>, FactorBalance<Layer<3>>>);

static_assert(
    kHasExactly<Recurrent, Rescaling<Layer<1>>, Rescaling<Layer<2>>, Rescaling<Layer<5>>, Translation<Layer<6>>>,
    "units that meet their own weights, before and behind other units");
static_assert(kHasExactly<Reset, Rescaling<Layer<1>>, Rescaling<Layer<3>>, Translation<Layer<6>>>,
              "gates and tanh keep no scale, but take that of their inputs");
static_assert(kHasExactly<NormedStates, Scale<Layer<0>>, Rescaling<Layer<2>>, Translation<Layer<3>>>);
static_assert(kHasExactly<Of<Input<4, 3>, emmy::Gru<5>, emmy::Last, Dense<3>>, Translation<Layer<2>>>);
static_assert(kHasExactly<Of<Input<4, 3>, emmy::Rnn<5, Relu>>>, "the outputs are seen");
static_assert(kHasExactly<Of<Input<4, 3>, emmy::Rnn<5, Relu>, Exp, Dense<3>>, Translation<Layer<2>>>,
              "the bias of a state is no shift of it");

static_assert(kHasExactly<BatchNorms, Scale<Layer<0>>, Translation<Layer<0>>, Scale<Layer<4>>, Rescaling<Layer<5>>,
                          Scale<Layer<7>>, Rescaling<Layer<8>>, Translation<Layer<9>>>,
              "each unit that a BatchNorm reads, through a Flatten too; biases that it reads at once");

// None where the units are not homogeneous, where others read them, or where no affine layer follows.
static_assert(kHasExactly<Of<Input<7>, Dense<9>, Tanh, Dense<5>, Sigmoid, Dense<3>>, Translation<Layer<4>>>);
static_assert(kHasExactly<Of<Input<7>, Dense<9>, Relu, Tanh, Dense<3>>, Translation<Layer<3>>>);
static_assert(kHasExactly<Of<Input<7>, Dense<9>, Relu, Dense<3>, Relu>, Rescaling<Layer<1>>>);
static_assert(kHasExactly<Of<Input<7>, Dense<7>, Residual<Relu>, Dense<3>>, Translation<Layer<2>>>);
static_assert(kHasExactly<Of<Input<7>, Relu, Dense<3>>, Translation<Layer<1>>>, "no weights make the input");
static_assert(kHasExactly<Of<Input<7>, Tanh, Relu>>);

static_assert(kHasExactly<Of<Input<7>, emmy::LayerNorm<>, Dense<3>>, Rescaling<Layer<0>>, Translation<Layer<1>>>);
static_assert(kHasExactly<Of<Input<7>, Dense<7>, Residual<emmy::LayerNorm<>, Dense<7>>, Dense<3>>,
                          Rescaling<Layer<1, 0>>, Translation<Layer<2>>>,
              "the skip sees the scale");
static_assert(
    kHasExactly<Of<Input<7>, Dense<7>, Tanh, emmy::LayerNorm<>, Dense<3>>, Rescaling<Layer<2>>, Translation<Layer<3>>>);

static_assert(kHasExactly<Of<Input<7>, Dense<9, NoBias>, Exp, Dense<3>>, Translation<Layer<2>>>, "no bias shifts");
static_assert(kHasExactly<Of<Input<7>, Dense<9>, Relu, Exp, Dense<3>>, Translation<Layer<3>>>, "a ReLU stops a shift");
static_assert(kHasExactly<Of<Input<7>, Dense<9>, Exp, Tanh, Dense<3>>, Translation<Layer<3>>>);

// A tag names the same site as the position.
using Tagged = Of<Input<7>, Dense<9>, Named<Body, Relu>, Named<Head, Dense<3>>>;
static_assert(kHasExactly<Tagged, Rescaling<Layer<1>>, Translation<Layer<2>>>);
static_assert(kNodeOf<Tagged, Body> == 1 && kNodeOf<Tagged, Head> == 2 && kNodeOf<Tagged, Layer<2>> == 2 &&
              kNodeOf<Tagged, Layer<3>> == -1);
static_assert(charges_of<Tagged>(Rescaling<Body>{}).charge[0].incoming_node == 0 &&
              charges_of<Tagged>(Rescaling<Body>{}).charge[0].units == 9);
static_assert(charges_of<Tagged>(Translation<Head>{}).kCount == 2);
using Nested = Of<Input<7>, Dense<6>, Residual<Dense<9>, Named<Body, Relu>, Dense<6>>, Dense<3>>;
static_assert(charges_of<Nested>(Rescaling<Body>{}).charge[0].incoming_node ==
              charges_of<Nested>(Rescaling<Layer<1, 1>>{}).charge[0].incoming_node);

// ---- what they do

template <class NetType>
struct Action : testing::Test {
  static constexpr int kBatch = 5;
  using Outputs = std::array<double, kBatch * NetType::kOutputs>;
  Params<NetType> params{};
  Buffers<NetType> buffers{};
  Scratch<NetType, kBatch, Train<void>> scratch{};
  fixture::Data<NetType, kBatch> data{};
  Pcg32 rng{43};

  void SetUp() override {
    fixture::randomise(params, rng, 0.9);
    data.refill(rng, false);
  }
  Outputs outputs(const Params<NetType>& of) {
    Outputs y{};
    EXPECT_EQ(forward(of, buffers, scratch, data.x, y.data()),
              Status::ok);  // as in training: with a batch's statistics
    return y;
  }
  // f(entry, its part) for every weight in the charge of one unit.
  template <class F>
  static void over_unit(const Charge& charge, int unit, F&& f) {
    for (int p = 0; p < charge.parts; ++p) {
      const ChargePart& part = charge.part[p];
      const auto& block = kPlan<NetType>.block[part.block];
      const bool by_row = part.axis == Axis::row;
      for (int line = unit; line < (by_row ? block.rows : block.cols); ++line) {
        if (charge.unit_of(part, line) != unit) continue;
        for (int k = 0; k < (by_row ? block.cols : block.rows); ++k)
          f(by_row ? block.at(line, k) : block.at(k, line), part);
      }
    }
  }
  // Quadratic charges: theta -> c^weight theta, the flow of the generator. Linear ones: theta -> theta + c. Mixed ones: what
  // is linear in them moves by half its weight where the others grow by their whole one.
  static Params<NetType> moved(const Params<NetType>& from, const Charge& charge, int unit, double c) {
    Params<NetType> by = from;
    over_unit(charge, unit, [&](int at, const ChargePart& part) {
      const double weight = static_cast<double>(part.weight.numerator) / part.weight.denominator;
      double& w = by.data[at];
      if (part.power == 2) w *= std::pow(c, weight);
      else w += charge.is_mixed() ? std::log(c) * weight / 2 : c;
    });
    return by;
  }
  // Outputs up to what the loss does not see: for a translation, a number for each row.
  static double difference(const Outputs& a, const Outputs& b, bool up_to_shift) {
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const std::size_t first = i / NetType::output::kChannels * NetType::output::kChannels;
      worst = std::fmax(worst, std::fabs(a[i] - b[i] - (up_to_shift ? a[first] - b[first] : 0.0)));
    }
    return worst;
  }
};
using Nets = testing::Types<TwoHidden, Powers, Linear, Stacked, Branch, Picture, ByInput, ByOutput, Windows, Images,
                            Signal, Means, Normed, Norms, Exponentials, Gates, Recurrent, Reset, NormedStates,
                            BatchNorms, Flat, Factors>;
TYPED_TEST_SUITE(Action, Nets);

template <class... Symmetry, class F>
void for_each(Symmetries<Symmetry...>, F&& f) {
  (f(Symmetry{}), ...);
}

TYPED_TEST(Action, LeavesTheFunctionAndMovesTheWeights) {
  const auto before = this->outputs(this->params);
  int charges = 0;
  for_each(symmetries_of<TypeParam>{}, [&](auto symmetry) {
    const auto list = charges_of<TypeParam>(symmetry);
    for (const Charge& charge : list.charge)
      for (int unit = 0; unit < charge.units; ++unit, ++charges)
        for (const double c : {0.5, 1.7}) {
          const auto after = TestFixture::moved(this->params, charge, unit, c);
          ASSERT_NE(std::memcmp(&after, &this->params, sizeof after), 0);
          EXPECT_LT(TestFixture::difference(this->outputs(after), before, charge.of_loss), 1e-12) << "unit " << unit;
        }
  });
  EXPECT_EQ(charges, (kCharges<TypeParam, WatchAll>.units));
}

// The same with the incoming side alone is no symmetry: the test above can fail.
TYPED_TEST(Action, OnOneSideAloneChangesTheFunction) {
  const auto before = this->outputs(this->params);
  for_each(symmetries_of<TypeParam>{}, [&](auto symmetry) {
    if constexpr (decltype(symmetry)::kKind == Kind::rescaling) {
      double worst = 0;
      const Charge charge = charges_of<TypeParam>(symmetry).charge[0];
      for (int unit = 0; unit < charge.units; ++unit) {
        auto after = this->params;
        TestFixture::over_unit(charge, unit,
                               [&](int at, const ChargePart& part) { after.data[at] *= part.is_incoming ? 1.5 : 1.0; });
        worst = std::fmax(worst, TestFixture::difference(this->outputs(after), before, false));
      }
      EXPECT_GT(worst, 1e-3);
    }
  });
}

// The bias belongs to the scale of what a norm reads.
TEST(ScaleCharge, IsOfWeightsAndBias) {
  const auto charges = charges_of<Normed>(Scale<Layer<0>>{});
  ASSERT_EQ(charges.charge[0].parts, 2);
  EXPECT_EQ(charges.charge[0].part[0].block, 0);
  EXPECT_EQ(charges.charge[0].part[1].block, 1);
  EXPECT_EQ(charges.charge[0].units, 1);
  EXPECT_EQ(charges.charge[0].outgoing_node, 1);
  EXPECT_EQ(charges.charge[0].invariant, 0);
  EXPECT_EQ(charges_of<Normed>(Scale<Layer<3>>{}).charge[0].invariant, 1);
}

// A BatchNorm takes each unit by itself, of all positions where a Flatten is between; what it reads at once has dead biases.
TEST(ScaleCharge, OfABatchNormIsByUnit) {
  const Charge first = charges_of<BatchNorms>(Scale<Layer<0>>{}).charge[0],
               flat = charges_of<BatchNorms>(Scale<Layer<4>>{}).charge[0],
               last = charges_of<BatchNorms>(Scale<Layer<7>>{}).charge[0];
  EXPECT_EQ(first.units, 5);
  EXPECT_EQ(first.epsilon_lines, 1);
  EXPECT_EQ(flat.units, 5) << "gains and biases of the first";
  EXPECT_EQ(flat.invariant, 5);
  EXPECT_EQ(flat.epsilon_lines, 2);
  EXPECT_EQ(last.units, 6);
  EXPECT_EQ(last.invariant, 15);
  EXPECT_TRUE(first.by_unit && !first.is_whole && last.by_unit);
  const auto dead = charges_of<BatchNorms>(Translation<Layer<0>>{});
  static_assert(dead.kCount == 1);
  EXPECT_EQ(dead.charge[0].units, 5);
  EXPECT_EQ(dead.charge[0].power, 1);
  EXPECT_EQ(dead.charge[0].part[0].block, 1);
}

// Wh[j, j] is on both sides of a recurrent unit; the scale of what a norm reads leaves Wh out.
TEST(RecurrentCharge, MeetsItsOwnWeightsTwice) {
  const Charge first = charges_of<Recurrent>(Rescaling<Layer<2>>{}).charge[0],
               second = charges_of<Recurrent>(Rescaling<Layer<5>>{}).charge[0],
               gates = charges_of<Reset>(Rescaling<Layer<1>>{}).charge[0];
  ASSERT_EQ(first.parts, 5);
  const int blocks[] = {2, 3, 4, 5, 3};  // Wx, Wh, b, the next Wx, Wh again
  for (int p = 0; p < 5; ++p) {
    EXPECT_EQ(first.part[p].block, blocks[p]);
    EXPECT_EQ(first.part[p].axis, p < 3 ? Axis::column : Axis::row);
    EXPECT_EQ(first.part[p].weight.numerator, p < 3 ? 1 : -1);
    EXPECT_EQ(first.part[p].is_incoming, p < 3);
  }
  EXPECT_EQ(second.part[3].weight.numerator, -2) << "the square behind Last";
  EXPECT_EQ(second.part[4].weight.numerator, -1) << "not between positions";
  EXPECT_EQ(gates.part[2].lines, 3);
  const Charge scale = charges_of<NormedStates>(Scale<Layer<0>>{}).charge[0];
  ASSERT_EQ(scale.parts, 2);
  EXPECT_EQ(scale.part[1].block, 2);
}

// What the generator takes from one side it gives to the other, to second order in the flow's parameter: the charge is
// the squared norm that the generator measures, each part with its degree.
TEST(ChargeTable, WeighsOutgoingPartsByTheDegree) {
  const Charge squared = charges_of<Powers>(Rescaling<Layer<1>>{}).charge[0],
               root = charges_of<Powers>(Rescaling<Layer<3>>{}).charge[0];
  ASSERT_EQ(squared.parts, 3);
  const int incoming[] = {1, 1, 0};
  for (int p = 0; p < 3; ++p) {
    EXPECT_EQ(squared.part[p].block, p);
    EXPECT_EQ(root.part[p].block, p + 2);
    EXPECT_EQ(squared.part[p].is_incoming, incoming[p] == 1);
    EXPECT_EQ(squared.part[p].axis, incoming[p] == 1 ? Axis::column : Axis::row);
    EXPECT_EQ(squared.part[p].weight.numerator, incoming[p] == 1 ? 1 : -2);
    EXPECT_EQ(root.part[p].weight.numerator * 2, (incoming[p] == 1 ? 2 : -3) * root.part[p].weight.denominator);
  }
  const Charge stacked = charges_of<Stacked>(Rescaling<Layer<3>>{}).charge[0];
  EXPECT_EQ(stacked.parts, 2) << "no biases";
  EXPECT_EQ(stacked.part[1].weight.numerator, -2 * stacked.part[1].weight.denominator) << "degrees multiply";
}

// Lines of the outgoing side: rows of a window or of all positions, one column of a depthwise convolution.
TEST(ChargeTable, CountsTheLinesOfAChannel) {
  const auto outgoing = []<class Site>(Rescaling<Site> symmetry) {
    const Charge charge = charges_of<Images>(symmetry).charge[0];
    return charge.part[charge.parts - 1];
  };
  EXPECT_EQ(outgoing(Rescaling<Layer<2>>{}).lines, 1);
  EXPECT_EQ(outgoing(Rescaling<Layer<2>>{}).axis, Axis::column);
  EXPECT_EQ(outgoing(Rescaling<Layer<4>>{}).lines, 4);
  EXPECT_EQ(outgoing(Rescaling<Layer<4>>{}).axis, Axis::row);
  EXPECT_EQ(outgoing(Rescaling<Layer<7>>{}).lines, 4);
}

TEST(ChargeTable, TranslationsSumTheRowsOfTheLastLayer) {
  const auto logits = charges_of<TwoHidden>(Translation<Layer<4>>{});
  ASSERT_EQ(logits.kCount, 2);
  EXPECT_EQ(logits.charge[0].units, 5);
  EXPECT_EQ(logits.charge[1].units, 1);
  for (const Charge& c : logits.charge) {
    EXPECT_EQ(c.power, 1);
    EXPECT_EQ(c.parts, 1);
    EXPECT_EQ(c.part[0].axis, Axis::row);
  }
}

}  // namespace
