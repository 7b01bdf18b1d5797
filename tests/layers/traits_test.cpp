// Every trait of every layer and loss is a claim about numbers (layers/layer.hpp): here each one is computed.
#include <emmy/train/trainer.hpp>
#include <emmy/train/verbs.hpp>

#include <gtest/gtest.h>
#include <tests/reference/net.hpp>
#include <tests/support/numbers.hpp>

#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

namespace {

using support::Random;

// ---- elementwise layers, as functions of one number

template <class L>
double value_at(L, double x) {
  double y[emmy::kPadBytes / 8] = {}, in[emmy::kPadBytes / 8];
  for (double& v : in) v = x;
  emmy::elementwise_forward<1, emmy::kPadBytes / 8, emmy::kPadBytes / 8>(L{}, static_cast<const double*>(in), y);
  return y[0];
}
template <class L>
double slope_at(L, double x) {
  constexpr int kCols = emmy::kPadBytes / 8;
  double y[kCols], in[kCols], dy[kCols], dx[kCols];
  for (double& v : in) v = x;
  for (double& v : dy) v = 1;
  for (double& v : y) v = value_at(L{}, x);
  emmy::elementwise_backward<false, 1, kCols>(L{}, static_cast<const double*>(in), static_cast<const double*>(y),
                                              static_cast<const double*>(dy), dx);
  return dx[0];
}

template <class L>
class ElementwiseTraits : public testing::Test {};
using Elementwise =
    testing::Types<emmy::Identity, emmy::Relu, emmy::LeakyRelu<>, emmy::LeakyRelu<3, 2>, emmy::PowerRelu<1>,
                   emmy::PowerRelu<2>, emmy::PowerRelu<5>, emmy::PowerRelu<3, 2>, emmy::PowerRelu<4, 2>, emmy::Tanh,
                   emmy::Sigmoid, emmy::Exp, emmy::Silu, emmy::GeluTanh>;
TYPED_TEST_SUITE(ElementwiseTraits, Elementwise);

constexpr double kPoints[] = {-3.5, -1.25, -0.5, -0.01, 0.02, 0.75, 1.5, 4.0};

TYPED_TEST(ElementwiseTraits, LayersAreEmptyTypes) {
  using L = TypeParam;
  static_assert(std::is_empty_v<L> && emmy::kIsElementwise<L> && !emmy::kIsAffine<L> && !emmy::kIsFrozen<L>);
  static_assert(emmy::kWorksInPlace<L> == L::kFromOutput);
  static_assert(std::is_same_v<emmy::output_shape<L, emmy::Shape<3, 5>>, emmy::Shape<3, 5>>);
  static_assert(decltype(emmy::blocks_of<L, emmy::Shape<5>>())::kCount == 0 &&
                emmy::buffers_of<L, emmy::Shape<5>>() == 0);
  SUCCEED();
}

// One value at a time: no lane sees another, and every lane computes the same function.
TYPED_TEST(ElementwiseTraits, ElementwiseIsElementwise) {
  using L = TypeParam;
  Random random(1);
  constexpr int kCols = 3 * emmy::kPadBytes / 8;
  double x[kCols], y[kCols];
  for (double& v : x) v = 3 * random();
  emmy::elementwise_forward<1, kCols, kCols>(L{}, static_cast<const double*>(x), y);
  for (int k = 0; k < kCols; ++k) ASSERT_EQ(y[k], value_at(L{}, x[k])) << k;
}

// kFixesZero: f(0) = 0, exactly; where it is not claimed, zeros do not stay.
TYPED_TEST(ElementwiseTraits, FixesZeroIffClaimed) {
  using L = TypeParam;
  EXPECT_EQ(value_at(L{}, 0.0) == 0.0, L::kFixesZero);
}

// kDegree: f(c x) = c^(p/q) f(x) for c > 0. Where it is not claimed, no power does.
TYPED_TEST(ElementwiseTraits, DegreeIsThePowerOfScaling) {
  using L = TypeParam;
  if constexpr (emmy::kIsHomogeneous<L>) {
    const double degree = static_cast<double>(L::kDegree.numerator) / L::kDegree.denominator;
    for (const double x : kPoints) {
      for (const double c : {0.3, 0.5, 2.0, 7.0}) {
        const double expected = std::pow(c, degree) * value_at(L{}, x);
        ASSERT_NEAR(value_at(L{}, c * x), expected, 1e-14 * std::fabs(expected)) << x << ' ' << c;
      }
    }
  } else {
    // The degree that x = 1 with c = 2 suggests is wrong for another c.
    const double degree = std::log2(value_at(L{}, 2.0) / value_at(L{}, 1.0));
    EXPECT_GT(std::fabs(value_at(L{}, 4.0) - std::pow(4.0, degree) * value_at(L{}, 1.0)), 0.01);
  }
}

// kExponential: f(x + a) = e^a f(x). Where it is not claimed, no factor does.
TYPED_TEST(ElementwiseTraits, ExponentialIffShiftsAreFactors) {
  using L = TypeParam;
  double largest = 0;
  for (const double x : kPoints)
    for (const double a : {-0.7, 0.4}) {
      const double moved = value_at(L{}, x + a), expected = std::exp(a) * value_at(L{}, x);
      largest = std::fmax(largest, std::fabs(moved - expected) / std::fmax(1.0, std::fabs(expected)));
    }
  EXPECT_EQ(largest < 1e-14, emmy::kIsExponential<L>) << largest;
}

// kPolynomial = p: the differences of order p + 1 vanish and those of order p do not. Where it is not claimed, none up to 4 do.
TYPED_TEST(ElementwiseTraits, PolynomialIffDifferencesVanish) {
  using L = TypeParam;
  double d[6], last = 1, least = 1;
  for (int k = 0; k < 6; ++k) d[k] = value_at(L{}, 0.9 * k - 1.7);
  int degree = -1;
  for (int order = 0; order < 5 && degree < 0; ++order) {
    last = least;
    least = 0;
    for (int k = 0; k < 5 - order; ++k) least = std::fmax(least, std::fabs(d[k] = d[k + 1] - d[k]));
    if (least < 1e-12 && last > 1e-12) degree = order;
  }
  if constexpr (requires { L::kPolynomial; }) EXPECT_EQ(degree, L::kPolynomial);
  else EXPECT_LT(degree, 0);
}

// kFromOutput: the derivative is a function of y alone; otherwise one of x. Both against central differences.
TYPED_TEST(ElementwiseTraits, SlopeIsTheDerivative) {
  using L = TypeParam;
  constexpr double kStep = 1e-6;
  for (const double x : kPoints) {
    const double difference = (value_at(L{}, x + kStep) - value_at(L{}, x - kStep)) / (2 * kStep);
    ASSERT_NEAR(slope_at(L{}, x), difference, 1e-8 * std::fmax(1.0, std::fabs(difference))) << x;
  }
}
TYPED_TEST(ElementwiseTraits, FromOutputReadsTheOutputOnly) {
  using L = TypeParam;
  constexpr int kCols = emmy::kPadBytes / 8;
  double x[kCols], y[kCols], dy[kCols], dx[kCols];
  for (int k = 0; k < kCols; ++k) {
    x[k] = L::kFromOutput ? std::nan("") : kPoints[k % 8];
    y[k] = L::kFromOutput ? value_at(L{}, kPoints[k % 8]) : std::nan("");
    dy[k] = 1;
  }
  emmy::elementwise_backward<false, 1, kCols>(L{}, static_cast<const double*>(x), static_cast<const double*>(y),
                                              static_cast<const double*>(dy), dx);
  for (int k = 0; k < kCols; ++k) EXPECT_EQ(dx[k], slope_at(L{}, kPoints[k % 8])) << k;
}

// ---- whole nets as functions of their input and weights

template <class Net>
struct Model {
  using S = double;
  static_assert(std::is_same_v<typename Net::scalar, S>);
  emmy::Params<Net> params{};
  emmy::Buffers<Net> buffers{};
  emmy::Scratch<Net, 1, emmy::Infer> scratch{};

  explicit Model(std::uint64_t seed) {
    Random random(seed);
    auto blocks = reference::read_blocks<Net>(params.data);
    for (auto& block : blocks) {
      for (double& v : block) v = random();
    }
    reference::write_blocks<Net>(blocks, params.data);
  }
  std::vector<double> operator()(const std::vector<double>& x) {
    std::vector<double> y(Net::kOutputs);
    EXPECT_EQ(emmy::infer(params, buffers, scratch, x.data(), y.data()), emmy::Status::ok);
    return y;
  }
  // Multiplies one line of a block.
  void scale_line(int block, emmy::Axis axis, int unit, double factor) {
    const auto& b = emmy::kPlan<Net>.block[block];
    const int length = axis == emmy::Axis::row ? b.cols : b.rows;
    for (int k = 0; k < length; ++k) {
      const int row = axis == emmy::Axis::row ? unit : k, col = axis == emmy::Axis::row ? k : unit;
      params.data[b.at(row, col)] *= factor;
    }
  }
};

std::vector<double> some_input(int n, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> x;
  for (int k = 0; k < n; ++k) x.push_back(random());
  return x;
}
void expect_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t k = 0; k < a.size(); ++k) EXPECT_NEAR(a[k], b[k], tolerance * std::fmax(1.0, std::fabs(b[k]))) << k;
}
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double d = 0;
  for (std::size_t k = 0; k < a.size(); ++k) d = std::fmax(d, std::fabs(a[k] - b[k]));
  return d;
}

using emmy::Dense;
using emmy::Frozen;
using emmy::NoBias;
using emmy::Parametrized;
using emmy::Product;
using emmy::ProductByInput;
using emmy::ProductByOutput;

// Layers that make 7 units of what they get.
template <class L>
class AffineTraits : public testing::Test {};
using Affine = testing::Types<Dense<7>, Dense<7, NoBias>, Frozen<Dense<7>>, Parametrized<Dense<7>, Product>,
                              Parametrized<Dense<7, NoBias>, Product>, Parametrized<Dense<7>, ProductByInput>,
                              Parametrized<Dense<7>, ProductByOutput>, Parametrized<Dense<7, NoBias>, ProductByOutput>>;
TYPED_TEST_SUITE(AffineTraits, Affine);

TYPED_TEST(AffineTraits, BlocksHoldTheWholeLayer) {
  using L = TypeParam;
  static_assert(std::is_empty_v<L> && emmy::kIsAffine<L> && !emmy::kIsElementwise<L>);
  static_assert(std::is_same_v<emmy::output_shape<L, emmy::Shape<3, 5>>, emmy::Shape<3, 7>>);
  // Every number of every block matters: nudging it moves the output.
  using Net = emmy::Net<emmy::Scalar<double>, emmy::Input<5>, L>;
  Model<Net> model(1);
  const auto x = some_input(5, 2), y = model(x);
  for (const auto& b : emmy::kPlan<Net>.block) {
    for (int i = 0; i < b.rows; ++i) {
      for (int o = 0; o < b.cols; ++o) {
        double& weight = model.params.data[b.at(i, o)];
        const double kept = weight;
        weight += 0.5;
        EXPECT_GT(distance(model(x), y), 1e-6);
        weight = kept;
      }
    }
  }
}

// kAffine: y(a x + (1 - a) x') = a y(x) + (1 - a) y(x'), and the first block's product is not a constant.
TYPED_TEST(AffineTraits, AffineIsAffine) {
  using L = TypeParam;
  Model<emmy::Net<emmy::Scalar<double>, emmy::Input<5>, L>> model(3);
  const auto x = some_input(5, 4), other = some_input(5, 5);
  std::vector<double> mixed(5), expected(7);
  const auto y = model(x), z = model(other);
  for (std::size_t k = 0; k < 5; ++k) mixed[k] = -0.75 * x[k] + 1.75 * other[k];
  for (std::size_t k = 0; k < 7; ++k) expected[k] = -0.75 * y[k] + 1.75 * z[k];
  expect_near(model(mixed), expected, 1e-14);
  EXPECT_GT(distance(y, z), 0.01);
}

// incoming(): scaling those parts of unit j by c scales output j by c and no other one.
TYPED_TEST(AffineTraits, IncomingPartsScaleOneUnit) {
  using L = TypeParam;
  constexpr auto kParts = emmy::detail::incoming_of<L>();
  static_assert(kParts.kCount > 0);
  for (int j = 0; j < 7; ++j) {
    Model<emmy::Net<emmy::Scalar<double>, emmy::Input<5>, L>> model(6);
    const auto x = some_input(5, 7);
    auto y = model(x);
    for (const auto& part : kParts.part) model.scale_line(part.block, part.axis, j, std::pow(1.7, part.sign));
    y[static_cast<std::size_t>(j)] *= 1.7;
    expect_near(model(x), y, 1e-14);
  }
}

// outgoing(): scaling those parts of input j by 1/c undoes a c in input j.
TYPED_TEST(AffineTraits, OutgoingPartsTakeOneInput) {
  using L = TypeParam;
  constexpr auto kParts = emmy::detail::outgoing_of<L>();
  static_assert(kParts.kCount > 0);
  for (int j = 0; j < 5; ++j) {
    Model<emmy::Net<emmy::Scalar<double>, emmy::Input<5>, L>> model(8);
    auto x = some_input(5, 9);
    const auto y = model(x);
    for (const auto& part : kParts.part) model.scale_line(part.block, part.axis, j, std::pow(1.7, -part.sign));
    EXPECT_GT(distance(model(x), y), 1e-3);
    x[static_cast<std::size_t>(j)] *= 1.7;
    expect_near(model(x), y, 1e-14);
  }
}

// internal(): scaling those parts against each other changes nothing at all.
TYPED_TEST(AffineTraits, InternalPartsCancel) {
  using L = TypeParam;
  constexpr auto kParts = emmy::detail::internal_of<L>();
  if constexpr (kParts.kCount > 0) {
    using Net = emmy::Net<emmy::Scalar<double>, emmy::Input<5>, L>;
    const auto& first = emmy::kPlan<Net>.block[kParts.part[0].block];
    const int units = kParts.part[0].axis == emmy::Axis::row ? first.rows : first.cols;
    for (int j = 0; j < units; ++j) {
      Model<Net> model(10);
      const auto x = some_input(5, 11), y = model(x);
      const auto before = reference::read_blocks<Net>(model.params.data);
      for (const auto& part : kParts.part) model.scale_line(part.block, part.axis, j, std::pow(1.7, part.sign));
      EXPECT_NE(reference::read_blocks<Net>(model.params.data), before);
      expect_near(model(x), y, 1e-14);
    }
  } else {
    static_assert(std::is_same_v<L, Dense<7>> || std::is_same_v<L, Dense<7, NoBias>> ||
                  std::is_same_v<L, Frozen<Dense<7>>> || std::is_same_v<L, Parametrized<Dense<7>, Product>> ||
                  std::is_same_v<L, Parametrized<Dense<7, NoBias>, Product>>);
  }
}

// kPlainWeights: the blocks are W and b themselves: a number added to a row of W is added to every output, times the input.
TYPED_TEST(AffineTraits, PlainWeightsAreTheWeights) {
  using L = TypeParam;
  if constexpr (requires { requires L::kPlainWeights; }) {
    using Net = emmy::Net<emmy::Scalar<double>, emmy::Input<5>, L>;
    Model<Net> model(12);
    const auto x = some_input(5, 13);
    for (const auto& b : emmy::kPlan<Net>.block) {
      for (int i = 0; i < b.rows; ++i) {
        auto y = model(x);
        for (int o = 0; o < b.cols; ++o) model.params.data[b.at(i, o)] += 0.25;
        for (double& v : y) v += 0.25 * (b.role == emmy::Role::bias ? 1.0 : x[static_cast<std::size_t>(i)]);
        expect_near(model(x), y, 1e-14);
      }
    }
  }
}

// kFrozen: a training step leaves the blocks alone; where it is not claimed, it does not.
TYPED_TEST(AffineTraits, FrozenIffClaimed) {
  using L = TypeParam;
  using Net = emmy::Net<emmy::Scalar<double>, emmy::Input<5>, L, emmy::Tanh, Dense<3>>;
  static emmy::Trainer<Net, emmy::BasicSgd<double>, 2> trainer{};
  trainer.params = Model<Net>(14).params;
  const auto before = reference::read_blocks<Net>(trainer.params.data), after = [&] {
    const auto x = some_input(10, 15), t = some_input(6, 16);
    EXPECT_EQ(
        trainer.step(x.data(), t.data(), emmy::SquaredError{}, emmy::BasicSgd<double>{.learning_rate = 0.1}).status,
        emmy::Status::ok);
    return reference::read_blocks<Net>(trainer.params.data);
  }();
  for (std::size_t b = 0; b + 2 < before.size(); ++b) EXPECT_EQ(before[b] == after[b], emmy::kIsFrozen<L>) << b;
  EXPECT_NE(before.back(), after.back());
}

// ---- together: the rescaling that the traits of three layers promise

template <class In, class A, class Out>
void check_rescaling() {
  using Net = emmy::Net<emmy::Scalar<double>, emmy::Input<5>, In, A, Out>;
  const double degree = static_cast<double>(A::kDegree.numerator) / A::kDegree.denominator, c = 1.7;
  for (int j = 0; j < 7; ++j) {
    Model<Net> model(17);
    const auto x = some_input(5, 18), y = model(x);
    const int first_out = emmy::kPlan<Net>.first_block[2];
    for (const auto& part : emmy::detail::incoming_of<In>().part)
      model.scale_line(part.block, part.axis, j, std::pow(c, part.sign));
    for (const auto& part : emmy::detail::outgoing_of<Out>().part)
      model.scale_line(first_out + part.block, part.axis, j, std::pow(c, -degree * part.sign));
    expect_near(model(x), y, 1e-13);
  }
}
TEST(Traits, PromiseARescaling) {
  check_rescaling<Dense<7>, emmy::Relu, Dense<3>>();
  check_rescaling<Dense<7>, emmy::PowerRelu<3, 2>, Dense<3, NoBias>>();
  check_rescaling<Parametrized<Dense<7>, ProductByOutput>, emmy::LeakyRelu<>, Parametrized<Dense<3>, ProductByInput>>();
  check_rescaling<Parametrized<Dense<7>, Product>, emmy::PowerRelu<2>, Parametrized<Dense<3>, Product>>();
}

// ---- layers that see several positions

using emmy::AvgPool;
using emmy::Conv1d;
using emmy::Conv2d;
using emmy::DepthwiseConv2d;
using emmy::Flatten;
using emmy::GlobalAvgPool;
using emmy::Input;
using emmy::MaxPool;
template <class... L>
using Of = emmy::Net<emmy::Scalar<double>, L...>;

// kWindow: position p of y sees the positions p .. p + kWindow - 1 of x and no other one.
TEST(Traits, AWindowIsAllThatAPositionSees) {
  Model<Of<Input<7, 3>, Conv1d<4, 3>>> model(31);
  const auto x = some_input(21, 32), y = model(x);
  for (int at = 0; at < 7; ++at) {
    auto other = x;
    for (int i = 0; i < 3; ++i) other[static_cast<std::size_t>(at * 3 + i)] += 0.5;
    const auto z = model(other);
    for (int p = 0; p < 5; ++p) {
      for (int o = 0; o < 4; ++o) {
        const auto k = static_cast<std::size_t>(p * 4 + o);
        EXPECT_EQ(y[k] != z[k], (p <= at && at < p + emmy::kWindowOf<Conv1d<4, 3>>)) << at << ' ' << p;
      }
    }
  }
  static_assert(emmy::kWindowOf<Dense<4>> == 1);
}

// windows: what they say of strides and zeros is all that a position sees, and from where: tap k of an output is where the axes put
// it.
template <class L>
void check_windows() {
  using Net = Of<Input<5, 6, 2>, L>;
  using W = typename L::template windows<emmy::Shape<5, 6, 2>>;
  constexpr int kOut = Net::output::kChannels;
  static_assert(Net::output::kHeight == W::rows::kOut && Net::output::kWidth == W::columns::kOut &&
                W::kTaps == emmy::kWindowOf<L>);
  Model<Net> model(43);
  const auto x = some_input(60, 44), y = model(x);
  for (int at = 0; at < 30; ++at) {
    auto other = x;
    for (int i = 0; i < 2; ++i) other[static_cast<std::size_t>(at * 2 + i)] += 0.5;
    const auto z = model(other);
    for (int p = 0; p < Net::output::kPositions; ++p) {
      const int down = at / 6 - (p / W::columns::kOut * W::rows::kStride - W::rows::kBefore),
                along = at % 6 - (p % W::columns::kOut * W::columns::kStride - W::columns::kBefore);
      const bool sees = down >= 0 && down < W::rows::kTaps && along >= 0 && along < W::columns::kTaps;
      for (int o = 0; o < kOut; ++o) {
        const auto k = static_cast<std::size_t>(p * kOut + o);
        EXPECT_EQ(y[k] != z[k], sees) << at << ' ' << p;
      }
    }
  }
}
TEST(Traits, WindowsOfAnImageLieWhereTheySay) {
  check_windows<Conv2d<3, 2, 3>>();
  check_windows<Conv2d<3, 3, 3, emmy::Same, NoBias>>();
  check_windows<Conv2d<3, 3, 2, emmy::Stride<2>, emmy::Padding<1>>>();
  check_windows<DepthwiseConv2d<2, 4, emmy::Same, emmy::Stride<2, 1>>>();
}

// kPlainWeights of a window: row k in + i is what channel i of its position k is multiplied with.
TEST(Traits, RowsOfAWindowFollowPositionByPosition) {
  Model<Of<Input<7, 3>, Conv1d<4, 2>>> model(33);
  const auto x = some_input(21, 34);
  for (int k = 0; k < 2; ++k) {
    for (int i = 0; i < 3; ++i) {
      auto y = model(x);
      for (int o = 0; o < 4; ++o) model.params.weight<emmy::Layer<0>>(o, i, k) += 0.25;
      for (int p = 0; p < 6; ++p) {
        for (int o = 0; o < 4; ++o)
          y[static_cast<std::size_t>(p * 4 + o)] += 0.25 * x[static_cast<std::size_t>((p + k) * 3 + i)];
      }
      expect_near(model(x), y, 1e-14);
    }
  }
}

// incoming() and outgoing() of a window: scaling a column scales a channel of y at every position; scaling the rows j,
// in + j ... undoes a factor in channel j of x.
TEST(Traits, PartsOfAWindowAreChannels) {
  using L = Conv1d<4, 2>;
  using Net = Of<Input<7, 3>, L>;
  const auto x = some_input(21, 36);
  for (int j = 0; j < 4; ++j) {
    Model<Net> model(35);
    auto y = model(x);
    for (const auto& part : emmy::detail::incoming_of<L>().part) model.scale_line(part.block, part.axis, j, 1.7);
    for (std::size_t p = 0; p < 6; ++p) y[p * 4 + static_cast<std::size_t>(j)] *= 1.7;
    expect_near(model(x), y, 1e-14);
  }
  for (int j = 0; j < 3; ++j) {
    Model<Net> model(35);
    const auto y = model(x);
    auto larger = x;
    for (std::size_t p = 0; p < 7; ++p) larger[p * 3 + static_cast<std::size_t>(j)] *= 1.7;
    for (const auto& part : emmy::detail::outgoing_of<L>().part) {
      for (int k = 0; k < 2; ++k) model.scale_line(part.block, part.axis, k * 3 + j, 1 / 1.7);
    }
    expect_near(model(larger), y, 1e-14);
  }
}

// Of an image the same, zeros and strides or not; of a depthwise convolution the columns are both, and a factor in a channel of x is
// one in that channel of y.
template <class L, int Lines>
void check_parts(bool by_row) {
  using Net = Of<Input<5, 4, 3>, L>;
  constexpr int kOut = Net::output::kChannels;
  const auto x = some_input(60, 46);
  for (int j = 0; j < kOut; ++j) {
    Model<Net> model(45);
    auto y = model(x);
    for (const auto& part : emmy::detail::incoming_of<L>().part) model.scale_line(part.block, part.axis, j, 1.7);
    for (std::size_t p = 0; p < y.size(); p += kOut) y[p + static_cast<std::size_t>(j)] *= 1.7;
    expect_near(model(x), y, 1e-14);
  }
  for (int j = 0; j < 3; ++j) {
    Model<Net> model(45);
    const auto y = model(x);
    auto larger = x;
    for (std::size_t p = 0; p < x.size(); p += 3) larger[p + static_cast<std::size_t>(j)] *= 1.7;
    EXPECT_GT(distance(model(larger), y), 1e-3);
    for (const auto& part : emmy::detail::outgoing_of<L>().part) {
      EXPECT_EQ(part.axis == emmy::Axis::row, by_row);
      for (int k = 0; k < Lines; ++k) model.scale_line(part.block, part.axis, k * 3 + j, 1 / 1.7);
    }
    expect_near(model(larger), y, 1e-14);
  }
}
TEST(Traits, PartsOfAnImageAreChannels) {
  check_parts<Conv2d<4, 3, 2, emmy::Same>, 6>(true);
  check_parts<Conv2d<4, 1, 1>, 1>(true);
  check_parts<DepthwiseConv2d<3, 2, emmy::Stride<2>, emmy::Padding<1>>, 1>(false);
  static_assert(emmy::kIsByChannel<DepthwiseConv2d<3, 2>> && !emmy::kHasPlainWeights<DepthwiseConv2d<3, 2>> &&
                !emmy::kIsHomogeneous<DepthwiseConv2d<3, 2>> && emmy::kHasPlainWeights<Conv2d<4, 3, 2>>);
}

// kByChannel and kDegree: a factor in channel j of x is a factor in the channels j, in + j ... of y and in no other one.
template <class L, int... Dims>
void check_channels() {
  constexpr int kChannels = emmy::Shape<Dims...>::kChannels;
  static_assert(emmy::kIsByChannel<L> && !emmy::kIsElementwise<L> && emmy::kIsHomogeneous<L>);
  static_assert(L::kDegree.numerator == L::kDegree.denominator);
  using Net = Of<Input<Dims...>, L>;
  Model<Net> model(37);
  const auto x = some_input(Net::kInputs, 38);
  for (int j = 0; j < kChannels; ++j) {
    for (const double c : {0.3, 7.0}) {
      auto larger = x, y = model(x);
      for (std::size_t k = 0; k < x.size(); ++k) larger[k] *= static_cast<int>(k) % kChannels == j ? c : 1.0;
      for (std::size_t k = 0; k < y.size(); ++k) {
        y[k] *= static_cast<int>(k) % Net::output::kChannels % kChannels == j ? c : 1.0;
      }
      expect_near(model(larger), y, 1e-15);
    }
  }
}
TEST(Traits, PoolingAndReshapingKeepChannelsApart) {
  check_channels<MaxPool<2>, 7, 3>();
  check_channels<AvgPool<2>, 7, 3>();
  check_channels<GlobalAvgPool, 7, 3>();
  check_channels<Flatten, 4, 3>();
  check_channels<MaxPool<2>, 5, 4, 3>();
  check_channels<AvgPool<2, 3>, 5, 4, 3>();
  check_channels<GlobalAvgPool, 5, 4, 3>();
  check_channels<Flatten, 2, 2, 3>();
  check_channels<emmy::Last, 7, 3>();
  static_assert(!emmy::kIsByChannel<Dense<3>> && !emmy::kIsByChannel<Conv1d<3, 1>> && emmy::kIsByChannel<emmy::Relu>);
}

// kShifts: what is added to channel c at all positions is added to that of y. kAverages: what is added to all channels of a
// position adds one number to all channels of y, whatever it is elsewhere; a maximum takes another position in each channel.
template <class L, int... Dims>
void check_shifts() {
  constexpr std::size_t kChannels = emmy::Shape<Dims...>::kChannels;
  static_assert(emmy::kPassesShifts<L>);
  Model<Of<Input<Dims...>, L>> model(37);
  const auto x = some_input(Of<Input<Dims...>, L>::kInputs, 38), y = model(x);
  auto by_channel = x, by_position = x, moved = y;
  for (std::size_t k = 0; k < x.size(); ++k) by_channel[k] += 0.5 + 0.25 * static_cast<double>(k % kChannels);
  for (std::size_t k = 0; k < y.size(); ++k) moved[k] += 0.5 + 0.25 * static_cast<double>(k % kChannels);
  expect_near(model(by_channel), moved, 1e-14);
  for (std::size_t k = 0; k < x.size(); ++k) by_position[k] += std::sin(static_cast<double>(k / kChannels));
  const auto z = model(by_position);
  double apart = 0;
  for (std::size_t k = 0; k < y.size(); ++k)
    apart = std::fmax(apart, std::fabs(z[k] - y[k] - (z[k - k % kChannels] - y[k - k % kChannels])));
  EXPECT_EQ(apart < 1e-14, emmy::kPassesAverages<L>);
}
TEST(Traits, PoolsPassOnShifts) {
  check_shifts<MaxPool<2>, 7, 3>();
  check_shifts<AvgPool<2>, 7, 3>();
  check_shifts<GlobalAvgPool, 7, 3>();
  check_shifts<MaxPool<2>, 5, 4, 3>();
  check_shifts<AvgPool<2, 3>, 5, 4, 3>();
  check_shifts<emmy::Last, 7, 3>();
  static_assert(!emmy::kPassesShifts<Dense<3>> && !emmy::kPassesShifts<emmy::Relu>);
}

// ---- layers with a state

using emmy::Gru;
using emmy::Last;
using emmy::Rnn;

// incoming() with recurring(): scaling the columns j by c and the rows j of what states meet by 1/c scales unit j of every
// state and no other one.
template <class L>
void check_states() {
  static_assert(emmy::kIsRecurrent<L> && !emmy::kIsAffine<L> && emmy::kGatesOf<L> == 1);
  using Net = Of<Input<6, 3>, L>;
  const auto x = some_input(18, 52);
  double moved = 0;
  for (int j = 0; j < 4; ++j) {
    Model<Net> model(51);
    auto y = model(x);
    for (const auto& part : emmy::detail::incoming_of<L>().part) model.scale_line(part.block, part.axis, j, 1.7);
    moved += distance(model(x), y);
    for (const auto& part : emmy::detail::recurring_of<L>().part) model.scale_line(part.block, part.axis, j, 1 / 1.7);
    for (std::size_t p = 0; p < 6; ++p) y[p * 4 + static_cast<std::size_t>(j)] *= 1.7;
    expect_near(model(x), y, 1e-13);
  }
  EXPECT_GT(moved, 1e-2);
}
TEST(Traits, RecurringPartsScaleOneUnitOfEveryState) {
  check_states<Rnn<4, emmy::Relu>>();
  check_states<Rnn<4, emmy::LeakyRelu<1, 4>>>();
  check_states<Rnn<4, emmy::Identity>>();
  static_assert(emmy::detail::incoming_of<Rnn<4>>().kCount == 0 && emmy::detail::recurring_of<Rnn<4>>().kCount == 0);
  static_assert(emmy::detail::incoming_of<Gru<4>>().kCount == 0 && emmy::detail::recurring_of<Gru<4>>().kCount == 0);
}

// outgoing() and kGates: scaling the rows j, in + j ... by 1/c undoes a c in channel j of x.
template <class L>
void check_gates(int gates) {
  EXPECT_EQ(emmy::kGatesOf<L>, gates);
  Model<Of<Input<6, 3>, L>> model(53);
  const auto x = some_input(18, 54), y = model(x);
  for (int j = 0; j < 3; ++j) {
    Model<Of<Input<6, 3>, L>> other(53);
    auto larger = x;
    for (std::size_t p = 0; p < 6; ++p) larger[p * 3 + static_cast<std::size_t>(j)] *= 1.7;
    for (const auto& part : emmy::detail::outgoing_of<L>().part) {
      for (int gate = 0; gate < gates; ++gate) other.scale_line(part.block, part.axis, gate * 3 + j, 1 / 1.7);
    }
    EXPECT_GT(distance(other(x), y), 1e-3);
    expect_near(other(larger), y, 1e-14);
  }
}
TEST(Traits, GatesReadTheSameChannels) {
  check_gates<Rnn<4>>(1);
  check_gates<Rnn<4, emmy::Relu>>(1);
  check_gates<Gru<4>>(3);
}

// ---- attention

using emmy::Attention;

// incoming() scales a channel of y; outgoing() and kHeads: the rows j, in + j ... of 1/c undo a c in channel j of x; kDeadKeyBias: a
// number added to an entry of bk changes nothing; query_key() and value_output(): a mix of columns, its inverse on the other side,
// neither.
template <class L>
void check_heads() {
  using Net = Of<Input<6, 3>, L>;
  constexpr int kC = 3, kOut = Net::output::kChannels, kD = L::kHeadSize;
  Model<Net> model(61);
  const auto first = model.params;
  const auto x = some_input(6 * kC, 62), y = model(x);
  for (int j = 0; j < kOut; ++j) {
    auto scaled = y;
    for (const auto& part : emmy::detail::incoming_of<L>().part) model.scale_line(part.block, part.axis, j, 1.7);
    for (std::size_t p = 0; p < 6; ++p) scaled[p * kOut + static_cast<std::size_t>(j)] *= 1.7;
    expect_near(model(x), scaled, 1e-14);
    model.params = first;
  }
  for (int j = 0; j < kC; ++j) {
    auto larger = x;
    for (std::size_t p = 0; p < 6; ++p) larger[p * kC + static_cast<std::size_t>(j)] *= 1.7;
    for (const auto& part : emmy::detail::outgoing_of<L>().part)
      for (int head = 0; head < emmy::kHeadsOf<L>; ++head)
        model.scale_line(part.block, part.axis, head * kC + j, 1 / 1.7);
    expect_near(model(larger), y, 1e-14);
    model.params = first;
  }
  if constexpr (L::kOptions.has_bias) {
    model.params.template head_bias<emmy::Layer<0>>(emmy::HeadRole::key, 1, 1) += 0.5;
    EXPECT_EQ(distance(model(x), y) < 1e-14, L::kDeadKeyBias);
    model.params = first;
  }
  // Lines 0 and 1 of each part of head 1 become a mix: that of one plane, a turn and a stretch, which rotary positions let pass too.
  const auto mix = [&](auto pair, double a, double b, double c, double d) {
    const double over = 1 / (a * d - b * c);
    for (const emmy::PairPart& part : pair.part) {
      const auto& block = emmy::kPlan<Net>.block[part.block];
      const bool is_bias = block.role == emmy::Role::bias, by_row = part.axis == emmy::Axis::row;
      const int apart = by_row ? block.stride : 1, step = by_row ? 1 : block.stride,
                count = by_row    ? block.cols
                        : is_bias ? 1
                                  : part.count;
      double* at = model.params.data + block.offset + part.first * (is_bias ? 1 : block.stride);
      // columns times [[a, b], [c, d]], and its inverse's transpose; rows times the inverse
      const double m[4] = {a, b, c, d}, inverse[4] = {d * over, -c * over, -b * over, a * over};
      const double* own = part.sign > 0 ? m : inverse;
      for (int k = 0; k < count; ++k, at += step) {
        const double even = at[0], odd = at[apart];
        at[0] = even * own[0] + odd * own[2];
        at[apart] = even * own[1] + odd * own[3];
      }
    }
  };
  const auto expect_same = [&](auto pair, bool same, double a, double b, double c, double d) {
    mix(pair, a, b, c, d);
    EXPECT_EQ(distance(model(x), y) < 1e-13, same);
    model.params = first;
  };
  static_assert(kD >= 2);
  constexpr auto kQk = query_key(L{}, emmy::Shape<6, 3>{}, 1);
  constexpr auto kVo = value_output(L{}, emmy::Shape<6, 3>{}, 1);
  expect_same(kQk, true, 1.2, 0.5, -0.5, 1.2);
  expect_same(kQk, !L::kOptions.rotates, 1.2, 0.5, 0.25, 0.75);
  expect_same(kVo, true, 1.2, 0.5, 0.25, 0.75);
}
TEST(Traits, HeadsBalanceTheirPairs) {
  check_heads<Attention<2, 4>>();
  check_heads<Attention<3, 2, emmy::Causal, NoBias, emmy::OutputChannels<5>>>();
  check_heads<Attention<2, 4, emmy::Rope<>, emmy::NoOutputBias>>();
}

// kPositionwise: position p of y is a function of position p of x.
template <class... L>
bool is_positionwise() {
  Model<Of<Input<4, 3>, L...>> model(55);
  const auto x = some_input(12, 56), y = model(x);
  const std::size_t row = y.size() / 4;
  bool apart = y.size() % 4 == 0;
  for (std::size_t p = 0; p < 4 && apart; ++p) {
    auto other = x;
    for (std::size_t c = 0; c < 3; ++c) other[p * 3 + c] += 0.5 + 0.25 * static_cast<double>(c);
    const auto z = model(other);
    for (std::size_t k = 0; k < y.size(); ++k) apart = apart && (y[k] != z[k] || k / row != p);
    for (std::size_t k = 0; k < y.size(); ++k) apart = apart && (y[k] == z[k] || k / row == p);
  }
  return apart;
}
TEST(Traits, PositionwiseIffClaimed) {
  const auto check = [](auto layer) {
    EXPECT_EQ(is_positionwise<decltype(layer)>(), emmy::kIsPositionwise<decltype(layer)>);
  };
  check(Dense<5>{});
  check(emmy::Sigmoid{});
  check(emmy::LayerNorm<>{});
  check(emmy::RmsNorm<>{});
  check(Rnn<5>{});
  check(Gru<5>{});
  check(Conv1d<5, 2>{});
  check(MaxPool<2>{});
  check(Last{});
  check(Attention<1, 2>{});
  static_assert(emmy::kIsPositionwise<emmy::Add>);
}

// kUnitInvariant, kByChannel, kMixesSamples: a factor in channel j of all samples and positions and a number added to it there change
// nothing of y, a change in one sample changes channel j of all of them, no other one.
TEST(Traits, ABatchNormTakesEachChannelByItself) {
  using L = emmy::BatchNorm<emmy::WithBias, 0>;
  using Net = Of<Input<4, 3>, L>;
  static_assert(emmy::kIsUnitInvariant<L> && emmy::kIsScaleInvariant<L> && emmy::kIsByChannel<L> &&
                emmy::kIsMixingSamples<L> && !emmy::kIsPositionwise<L> && !emmy::kShiftInvariant<L>);
  static_assert(emmy::kTakesBelow<L>);
  const Model<Net> model(57);
  emmy::Buffers<Net> buffers{};
  emmy::Scratch<Net, 2, emmy::Train<void>> scratch;
  const auto made_of = [&](const std::vector<double>& x) {
    std::vector<double> y(24);
    EXPECT_EQ(emmy::forward(model.params, buffers, scratch, x.data(), y.data()), emmy::Status::ok);
    return y;
  };
  const auto x = some_input(24, 58), y = made_of(x);
  for (std::size_t j = 0; j < 3; ++j) {
    auto moved = x, other = x;
    for (std::size_t k = j; k < 24; k += 3) moved[k] = 1.7 * x[k] - 0.9;
    expect_near(made_of(moved), y, 1e-13);
    other[j] += 0.5;
    const auto z = made_of(other);
    for (std::size_t k = 0; k < 24; ++k) EXPECT_EQ(z[k] != y[k], k % 3 == j);
  }
}

// kReshapes: the values of x in their order.
TEST(Traits, AReshapeChangesNoValue) {
  static_assert(emmy::kIsReshape<Flatten> && !emmy::kIsReshape<MaxPool<1>> && !emmy::kIsReshape<emmy::Identity>);
  Model<Of<Input<4, 3>, Flatten>> model(39);
  const auto x = some_input(12, 40);
  EXPECT_EQ(model(x), x);
}

// kTakesBelow: backward with an activation below gives what backward and then that activation's own one give.
template <class Pool>
void check_below() {
  using Net = Of<Input<6, 8>, emmy::Relu, Pool>;
  using F = emmy::frame_of<Net, 1, 1>;
  double x[48], y[24], dy[24], fused[48], apart[48];
  const auto values = some_input(48, 41), deltas = some_input(24, 42);
  for (std::size_t k = 0; k < 48; ++k) x[k] = std::fmax(values[k], 0.0);
  for (std::size_t k = 0; k < 24; ++k) dy[k] = deltas[k];
  F f{nullptr, nullptr, nullptr, nullptr, x, y, dy, fused};
  emmy::forward(Pool{}, f);
  emmy::backward<false>(Pool{}, f, emmy::Relu{});
  f.dx = apart;
  emmy::backward<false>(Pool{}, f, nullptr);
  EXPECT_GT(distance({fused, fused + 48}, {apart, apart + 48}), 0.0);
  for (int k = 0; k < 48; ++k) EXPECT_EQ(fused[k], x[k] > 0 ? apart[k] : 0.0);
}
TEST(Traits, TakesTheDerivativeOfTheActivationBelow) {
  static_assert(emmy::kTakesBelow<MaxPool<2>> && emmy::kTakesBelow<Conv1d<3, 2>> && !emmy::kTakesBelow<Flatten>);
  static_assert(emmy::kTakesBelow<AvgPool<2>> && emmy::kTakesBelow<GlobalAvgPool>);
  check_below<MaxPool<2>>();
  check_below<AvgPool<2>>();
  check_below<emmy::Last>();
}

// kRoundings: the ledger's bound of a net knows the longest sum of a layer without weights.
TEST(Traits, StatesItsRoundings) {
  static_assert(emmy::kRoundingsOf<Flatten, emmy::Shape<4, 3>> == 8);
  static_assert(emmy::kRoundingsOf<GlobalAvgPool, emmy::Shape<120, 3>> == 66);
  static_assert(emmy::kRoundingsOf<AvgPool<6>, emmy::Shape<120, 3>> == 9);
  static_assert(emmy::kRoundingsOf<AvgPool<6>, emmy::Shape<12, 10, 3>> == 24);
  static_assert(emmy::kRoundingsOf<emmy::Rnn<30>, emmy::Shape<4, 3>> == 3 + 30 + 8);
  static_assert(emmy::kRoundingsOf<emmy::Gru<30>, emmy::Shape<4, 3>> == 3 + 3 * 30 + 8);
  using Long = Of<Input<120, 3>, Dense<5>, emmy::Relu, GlobalAvgPool, Dense<2>>;
  static_assert(emmy::detail::kMostRoundings<Long> == 66);
}

// ---- losses

template <class Loss>
double loss_of(Loss loss, const std::vector<double>& y, const std::vector<double>& t, std::vector<double>& delta) {
  constexpr int kPad = emmy::padded<double>(7);
  double padded[kPad] = {}, dy[kPad];
  for (std::size_t k = 0; k < 7; ++k) padded[k] = y[k];
  const double value = emmy::loss_and_delta<1, 7>(loss, static_cast<const double*>(padded), t.data(), 1, 1.0, dy);
  delta.assign(dy, dy + 7);
  return value;
}

template <class Loss>
double change_by_shift(Loss loss) {
  Random random(19);
  std::vector<double> y(7), t(7), before, after;
  for (std::size_t k = 0; k < 7; ++k) {
    y[k] = 2 * random();
    t[k] = (1 + random()) / 7;
  }
  const double value = loss_of(loss, y, t, before);
  double change = 0;
  for (const double shift : {-20.0, -1.0, 0.5, 40.0}) {
    auto moved = y;
    for (double& v : moved) v += shift;
    change = std::fmax(change, std::fabs(loss_of(loss, moved, t, after) - value));
    change = std::fmax(change, distance(before, after));
  }
  return change;
}

// kShiftInvariant: a number added to all logits changes neither the loss nor its delta.
TEST(LossTraits, ShiftInvariantIffClaimed) {
  static_assert(emmy::kShiftInvariant<emmy::CrossEntropy> && !emmy::kShiftInvariant<emmy::SquaredError>);
  EXPECT_LT(change_by_shift(emmy::CrossEntropy{}), 1e-13);
  EXPECT_GT(change_by_shift(emmy::SquaredError{}), 0.1);
}

// The delta of each loss is its derivative.
TEST(LossTraits, DeltaIsTheDerivative) {
  const auto check = [](auto loss) {
    const auto y = some_input(7, 20), t = some_input(7, 21);
    std::vector<double> delta, unused;
    loss_of(loss, y, t, delta);
    for (std::size_t k = 0; k < 7; ++k) {
      auto up = y, down = y;
      up[k] += 1e-6;
      down[k] -= 1e-6;
      EXPECT_NEAR(delta[k], (loss_of(loss, up, t, unused) - loss_of(loss, down, t, unused)) / 2e-6, 1e-8);
    }
  };
  check(emmy::CrossEntropy{});
  check(emmy::SquaredError{});
}

}  // namespace
