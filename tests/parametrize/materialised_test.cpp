// Parametrisations that make all weights of a layer once a step: what holds for each of them. Function and gradient against the
// folded net and differences, draws, groups that are snapped.
#include <emmy/parametrize/certificate.hpp>
#include <emmy/parametrize/constrained.hpp>
#include <emmy/parametrize/deep_product.hpp>
#include <emmy/parametrize/syre.hpp>
#include <emmy/parametrize/tied.hpp>

#include <emmy/net/init.hpp>
#include <emmy/train/streaming.hpp>
#include <emmy/train/verbs.hpp>
#include <tests/train/random_net.hpp>

#include <cmath>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and rules

// Inputs 0 and 1 of output 2 are equal, the bias of output 0 is the sum of its weights.
struct Sparse {
  static constexpr int kCount = 2;
  static constexpr ConstraintEntry entries[] = {{0, 0, 2, 1}, {0, 1, 2, -1}, {1, 0, 0, 1},
                                                {1, 1, 0, 1}, {1, 2, 0, 1},  {1, 7, 0, -1}};
};
struct OfFive {
  static constexpr int kCount = 2;
  static constexpr ConstraintEntry entries[] = {{0, 0, 2, 1}, {0, 1, 2, -1}, {1, 5, 0, 1}, {1, 2, 0, -1}};
};
struct Full {
  static constexpr int kCount = 3;
  static constexpr double at(int column, int row, int out) { return ((column * 7 + row * 5 + out * 3) % 11) - 4.5; }
};
struct ByPosition {  // of a convolution: its two taps are equal
  static constexpr int kCount = 1;
  static constexpr double columns[1][7][2] = {{{1, 0}, {0, 0}, {0, 0}, {-1, 0}, {0, 0}, {0, 0}, {0, 0}}};
};
struct Thirds {
  static constexpr int kCount = 4;
  static constexpr int group(int row, int out) { return (row + 2 * out) % 4; }
};
// Inputs in reverse, outputs 0 and 1 swapped with a sign, output 2 changes its sign.
struct Turn {
  static constexpr int kGenerators = 1;
  static constexpr Signed in(int, int i) { return {6 - i, 1}; }
  static constexpr Signed out(int, int o) { return o == 2 ? Signed{2, -1} : Signed{1 - o, -1}; }
};
using Offset = RandomOffset<1, 2, 7>;

template <class S>
using Products = Net<Scalar<S>, Input<7>, Parametrized<Dense<9>, ProductOfDepth<3>>, Relu,
                     Parametrized<Dense<6, NoBias>, ProductByBlock<4>>, LeakyRelu<1, 8>,
                     Parametrized<Dense<5>, DiagonalProduct>, Tanh, Parametrized<Dense<1>, ProductOfDepth<4>>>;
template <class S>
using Linear = Net<Scalar<S>, Input<7>, Parametrized<Dense<3>, Constrained<Sparse>>, Tanh,
                   Parametrized<Dense<5, NoBias>, Constrained<Full>>, Relu, Parametrized<Dense<4>, Syre<Offset>>, Tanh,
                   Parametrized<Dense<1>, Constrained<Full>>>;
template <class S>
using Ties = Net<Scalar<S>, Input<7>, Parametrized<Dense<3>, Equivariant<Turn>>, Tanh,
                 Parametrized<Dense<5>, Tied<Thirds>>, Relu, Parametrized<Dense<3>, Constrained<OfFive, Elementwise>>>;
template <class S>
using Windows = Net<Scalar<S>, Input<6, 3>, Parametrized<Conv1d<2, 2>, Constrained<ByPosition>>, Relu,
                    Parametrized<Conv1d<4, 2, NoBias>, ProductByBlock<4>>, Tanh, Flatten, Dense<3>>;

struct OfStates {  // of an Rnn of three inputs and four units: unit 1 does not see unit 2, nor input 0 as unit 0 does
  static constexpr int kCount = 2;
  static constexpr ConstraintEntry entries[] = {{0, 5, 1, 1}, {1, 0, 1, 1}, {1, 0, 0, -1}, {1, 7, 3, 1}};
};
struct NoOffset {
  static constexpr double at(int, int) { return 0; }
};
template <class S>
using States =
    Net<Scalar<S>, Input<5, 3>, Parametrized<Rnn<4>, Constrained<OfStates>>, Parametrized<Gru<3>, ProductOfDepth<3>>,
        Parametrized<Gru<4>, Syre<Offset>>, Last, Parametrized<Dense<3>, DiagonalProduct>>;

template <class N>
struct Materialised : fixture::RandomNet<N> {};
static_assert(
    std::is_same_v<symmetries_of<Products<float>>, Symmetries<FactorBalance<Layer<0>>, Rescaling<Layer<1>>,
                                                              FactorBalance<Layer<2>>, FactorBalance<Layer<6>>>>,
    "of the sum and the difference of factors there is none");
static_assert(std::is_same_v<symmetries_of<Linear<double>>,
                             Symmetries<FactorBalance<Layer<0>>, FactorBalance<Layer<2>>, FactorBalance<Layer<6>>>>);
using Nets = testing::Types<Products<float>, Linear<double>, Ties<double>, Windows<double>, States<double>>;
TYPED_TEST_SUITE(Materialised, Nets);

TYPED_TEST(Materialised, FunctionIsThatOfTheFoldedNet) {
  using S = typename TestFixture::Real;
  using Plain = plain_of<TypeParam>;
  struct {
    Params<Plain> params;
    S guard[16];
  } to;
  std::fill(std::begin(to.params.data), std::end(to.params.data), S(7));
  std::fill(std::begin(to.guard), std::end(to.guard), S(7));
  fold(this->params, to.params);
  for (const S v : to.guard) EXPECT_EQ(v, S(7));
  EXPECT_TRUE(fixture::pads_are_zero<Plain>(to.params.data));
  Buffers<Plain> none{};
  Scratch<TypeParam, 4, Infer> own{};
  Scratch<Plain, 4, Infer> plain{};
  S y[4 * TypeParam::kOutputs], folded[4 * TypeParam::kOutputs];
  ASSERT_EQ(infer(this->params, this->buffers, own, this->data.x, y), Status::ok);
  ASSERT_EQ(infer(to.params, none, plain, this->data.x, folded), Status::ok);
  EXPECT_EQ(std::memcmp(y, folded, sizeof y), 0);
}

// Of every parameter; a DiagonalProduct tells twice its slope.
TYPED_TEST(Materialised, GradientIsTheSlopeOfTheLoss) {
  using S = typename TestFixture::Real;
  const S h = sizeof(S) == 4 ? S(0x1p-7) : S(1e-6);
  const double tolerance = sizeof(S) == 4 ? 4e-3 : 1e-8;
  (void)this->loss();
  const auto slope = this->g;
  EXPECT_TRUE(fixture::pads_are_zero<TypeParam>(slope.data));
  double largest = 0;
  const auto one_node = [&]<int I>(std::integral_constant<int, I>) {
    using L = typename node_at<TypeParam, I>::layer;
    double scale = 1;
    if constexpr (requires { typename L::composition; })
      scale = std::is_same_v<typename L::composition, DiagonalProduct> ? 2 : 1;
    for (int b = kPlan<TypeParam>.first_block[I]; b < kPlan<TypeParam>.first_block[I + 1]; ++b) {
      const auto& block = kPlan<TypeParam>.block[b];
      const double own = block.role == Role::factor ? scale : 1;
      for (int i = 0; i < block.rows; ++i)
        for (int o = 0; o < block.cols; ++o) {
          const int at = block.at(i, o);
          const S kept = this->params.data[at];
          this->params.data[at] = kept + h;
          const double above = static_cast<double>(this->loss());
          this->params.data[at] = kept - h;
          const double below = static_cast<double>(this->loss());
          this->params.data[at] = kept;
          ASSERT_NEAR(own * (above - below) / (2 * static_cast<double>(h)), slope.data[at], tolerance)
              << "node " << I << " block " << b << " [" << i << "][" << o << "]";
          largest = std::fmax(largest, std::fabs(static_cast<double>(slope.data[at])));
        }
    }
  };
  [&]<int... I>(std::integer_sequence<int, I...>) { (one_node(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, TypeParam::kNodes>{});
  EXPECT_GT(largest, 0.01);
}

// Of units that are rescaled through a factor, and of factors.
TYPED_TEST(Materialised, ChargesKeepTheNoetherIdentity) { this->expect_charges(); }

// A step is the rule on that gradient, by the fused path; with check sums and a ledger it is the same, and clean.
TYPED_TEST(Materialised, StepsAreThoseOfTheGradient) {
  using S = typename TestFixture::Real;
  using N = TypeParam;
  using Rule = BasicMomentum<S>;
  const Rule rule{S(0.05), S(0.5), S(0.01)};
  static Trainer<N, Rule, 4> fused{}, measured{};
  static Ledger<N, WatchAll> ledger{};
  fused.params = measured.params = this->params;
  State<N, Rule> state{};
  NoLedger none;
  for (int t = 0; t < 30; ++t) {
    this->data.refill(this->rng, false);
    (void)this->loss();
    ASSERT_EQ(apply(this->params, state, this->g, rule, none), Status::ok);
    ASSERT_EQ(fused.step(this->data.x, this->data.values, SquaredError{}, rule).status, Status::ok);
    ASSERT_EQ(measured.step(this->data.x, this->data.values, SquaredError{}, rule, ledger).status, Status::ok);
    EXPECT_LE(ledger.health(), S(1)) << t;
  }
  for (int i = 0; i < kPlan<N>.params; ++i) {
    ASSERT_NEAR(fused.params.data[i], this->params.data[i], sizeof(S) == 4 ? 1e-5 : 1e-13) << i;
    ASSERT_EQ(fused.params.data[i], measured.params.data[i]) << i;
  }
  EXPECT_TRUE(fixture::pads_are_zero<N>(fused.params.data));
}

// What init draws for a plain net is what a product is made of, and what a constraint leaves as it is.
TEST(MaterialisedDraw, ComposesToThePlainOne) {
  using Two = Net<Scalar<double>, Input<7>, Parametrized<Dense<3>, Constrained<Sparse, Elementwise>>,
                  Parametrized<Dense<1>, ProductOfDepth<5>>>;
  const auto check = []<class Own>(Own) {
    Params<Own> own{};
    Params<plain_of<Own>> folded{}, plain{};
    Pcg32 first{61}, second{61};
    init(own, first);
    init(plain, second);
    EXPECT_EQ(first.state, second.state) << "the same number of draws";
    fold(own, folded);
    for (int i = 0; i < kPlan<plain_of<Own>>.params; ++i) EXPECT_NEAR(folded.data[i], plain.data[i], 1e-14);
    EXPECT_TRUE(fixture::pads_are_zero<Own>(own.data));
  };
  check(Net<Scalar<double>, Input<7>, Parametrized<Dense<9>, ProductOfDepth<3>>,
            Parametrized<Dense<6>, ProductByBlock<4>>, Parametrized<Dense<5>, DiagonalProduct>,
            Parametrized<Dense<4>, Constrained<Full>>>{});
  check(Two{});
  check(Net<Scalar<double>, Input<5, 3>, Parametrized<Rnn<4>, ProductOfDepth<3>>, Parametrized<Gru<4>, Syre<NoOffset>>,
            Parametrized<Gru<4>, DiagonalProduct>>{});
}

struct Diagonals {  // a circulant matrix
  static constexpr int kCount = 5;
  static constexpr int group(int row, int out) { return row == 4 ? 4 : (row - out + 4) % 4; }
};

TEST(Tied, WeightsOfAGroupAreOneNumber) {
  using N = Net<Input<4>, Parametrized<Dense<4>, Tied<Diagonals>>>;
  Params<N> params{};
  for (int t = 0; t < 5; ++t) params.data[t] = static_cast<float>(t + 1);
  Params<plain_of<N>> p{};
  fold(params, p);
  for (int o = 0; o < 4; ++o) {
    for (int i = 0; i < 4; ++i) EXPECT_EQ(p.weight<Layer<0>>(o, i), static_cast<float>((i - o + 4) % 4 + 1));
    EXPECT_EQ(p.bias<Layer<0>>(o), 5.0f);
  }
}

TEST(MaterialisedDraw, TiedWeightsAreDrawnAsPlainOnes) {
  using N = Net<Scalar<double>, Input<7>, Parametrized<Dense<3, NoBias>, Tied<Thirds>>>;
  Params<N> params{};
  Pcg32 rng{3};
  double largest = 0;
  for (int k = 0; k < 50; ++k) {
    init(params, rng);
    for (const double v : params.data) largest = std::fmax(largest, std::fabs(v));
  }
  EXPECT_LE(largest, std::sqrt(6.0 / 7));
  EXPECT_GT(largest, 0.9 * std::sqrt(6.0 / 7));
}

// The steps of a DiagonalProduct are those of Product.
TEST(DiagonalProductTest, TrainsAsProductDoes) {
  using P = Net<Scalar<double>, Input<7>, Parametrized<Dense<5>, Product>>;
  using D = Net<Scalar<double>, Input<7>, Parametrized<Dense<5>, DiagonalProduct>>;
  static Trainer<P, BasicMomentum<double>, 4> product{};
  static Trainer<D, BasicMomentum<double>, 4> diagonal{};
  Pcg32 first{5}, second{5};
  init(product.params, first);
  init(diagonal.params, second);
  fixture::Data<P, 4> data{};
  const BasicMomentum<double> rule{0.05, 0.5, 0.02};
  Params<plain_of<P>> a{}, b{};
  for (int t = 0; t < 200; ++t) {
    data.refill(first, false);
    ASSERT_EQ(product.step(data.x, data.values, SquaredError{}, rule).status, Status::ok);
    ASSERT_EQ(diagonal.step(data.x, data.values, SquaredError{}, rule).status, Status::ok);
  }
  fold(product.params, a);
  fold(diagonal.params, b);
  double largest = 0;
  for (int i = 0; i < kPlan<plain_of<P>>.params; ++i) {
    EXPECT_NEAR(a.data[i], b.data[i], 1e-13);
    largest = std::fmax(largest, std::fabs(a.data[i]));
  }
  EXPECT_GT(largest, 0.05);
}

// Position by position what the whole window gives.
TEST(MaterialisedStream, GivesTheLastPosition) {
  using N = States<double>;
  Params<N> params{};
  Buffers<N> buffers{}, none{};
  Scratch<N, 1, Infer> whole{};
  Scratch<N, 1, Stream> next{};
  Pcg32 rng{17};
  fixture::randomise(params, rng, 0.9);
  double x[15], y[3], streamed[3];
  for (double& v : x) v = fixture::draw(rng);
  ASSERT_EQ(infer(params, none, whole, x, y), Status::ok);
  for (int t = 0; t < 5; ++t) ASSERT_EQ(infer_next(params, buffers, next, x + 3 * t, streamed).status, Status::ok);
  for (int o = 0; o < 3; ++o) EXPECT_NEAR(streamed[o], y[o], 1e-15);
}

// Every group: its size, its zero that stays one in training, its slope.
template <class Site, class N>
void check_groups(const std::vector<std::vector<int>>& members) {
  using S = typename N::scalar;
  using G = Groups<N, Site>;
  ASSERT_EQ(static_cast<int>(members.size()), G::kCount);
  static Trainer<N, BasicMomentum<S>, 4> trainer{};
  Pcg32 rng{9};
  init(trainer.params, rng);
  fixture::Data<N, 4> data{};
  data.refill(rng, false);
  const BasicMomentum<S> rule{S(0.02), S(0.5), S(0.01)};
  const auto train = [&](int steps) {
    for (int t = 0; t < steps; ++t)
      ASSERT_EQ(trainer.step(data.x, data.values, SquaredError{}, rule).status, Status::ok);
  };
  train(5);
  Params<plain_of<N>> plain{};
  const auto block = kPlan<plain_of<N>>.block[kPlan<plain_of<N>>.first_block[G::kNode]];
  const auto norm = [&](const S* data_, const std::vector<int>& group) {
    double square = 0;
    for (const int at : group) {
      const double v = static_cast<double>(data_[block.at(at / block.cols, at % block.cols)]);
      square += v * v;
    }
    return std::sqrt(square);
  };
  std::vector<S> size(members.size()), margin(members.size());
  group_sizes<Site>(trainer.params, size.data());
  fold(trainer.params, plain);
  for (std::size_t g = 0; g < members.size(); ++g)
    EXPECT_NEAR(static_cast<double>(size[g]), norm(plain.data, members[g]), 1e-6);
  for (std::size_t g = 0; g < members.size(); g += 2) snap<Site>(trainer.params, trainer.state, static_cast<int>(g));
  train(50);
  group_sizes<Site>(trainer.params, size.data());
  fold(trainer.params, plain);
  for (std::size_t g = 0; g < members.size(); ++g) {
    EXPECT_EQ(size[g] == S(0), g % 2 == 0) << g;
    EXPECT_EQ(norm(plain.data, members[g]) == 0, g % 2 == 0) << g;
  }
  if constexpr (requires(Gradient<plain_of<N>> full) { margins<Site, N>(plain, full, S(1), margin.data()); }) {
    Gradient<plain_of<N>> full{};
    for (S& v : full.data) v = static_cast<S>(fixture::draw(rng));
    EXPECT_EQ((margins<Site, N>(plain, full, S(0.25), margin.data())), Status::ok);
    for (std::size_t g = 0; g < members.size(); ++g)
      EXPECT_NEAR(static_cast<double>(margin[g]), 0.25 - norm(full.data, members[g]), 1e-6);
  }
}

TEST(MaterialisedGroups, OfDeepProductsAreWeights) {
  using N = Net<Scalar<double>, Input<3>, Parametrized<Dense<5>, DiagonalProduct>, Tanh, Dense<2>>;
  std::vector<std::vector<int>> each;
  for (int at = 0; at < 15; ++at) each.push_back({at});
  check_groups<Layer<0>, N>(each);
}

TEST(MaterialisedGroups, OfBlocksAreNeighbouringOutputs) {
  using N = Net<Scalar<float>, Input<3>, Parametrized<Dense<6>, ProductByBlock<4>>, Tanh, Dense<2>>;
  check_groups<Layer<0>, N>({{0, 1, 2, 3}, {4, 5}, {6, 7, 8, 9}, {10, 11}, {12, 13, 14, 15}, {16, 17}});
}

TEST(MaterialisedGroups, ADeepProductIsSnapped) {
  using N = Net<Scalar<double>, Input<3>, Parametrized<Dense<2>, ProductOfDepth<3>>>;
  Trainer<N, BasicSgd<double>, 1> trainer{};
  Pcg32 rng{2};
  init(trainer.params, rng);
  double size[6];
  snap<Layer<0>>(trainer.params, trainer.state, 3);
  group_sizes<Layer<0>>(trainer.params, size);
  for (int g = 0; g < 6; ++g) EXPECT_EQ(size[g] == 0, g == 3);
}

// Equal units, which decay and descent keep equal, come apart under an offset.
TEST(SyreTest, PartsEqualUnits) {
  const auto spread = []<class N>(N) {
    static Trainer<N, BasicSgd<double>, 8> trainer{};
    Pcg32 rng{4};
    fixture::Data<N, 8> data{};
    data.refill(rng, false);
    for (int i = 0; i < 3; ++i)
      for (int o = 0; o < 4; ++o) trainer.params.data[i * padded<double>(4) + o] = 0.2 * (i + 1);
    for (int o = 0; o < 4; ++o) trainer.params.data[kPlan<N>.block[kPlan<N>.first_block[2]].offset + o] = 0.5;
    for (int t = 0; t < 400; ++t)
      EXPECT_EQ(trainer.step(data.x, data.values, SquaredError{}, BasicSgd<double>{0.1, 1e-3}).status, Status::ok);
    return std::fabs(trainer.params.data[0] - trainer.params.data[1]);
  };
  EXPECT_EQ(spread(Net<Scalar<double>, Input<3>, Dense<4, NoBias>, Tanh, Dense<1, NoBias>>{}), 0.0);
  using O = RandomOffset<1, 64, 3>;
  EXPECT_GT(spread(Net<Scalar<double>, Input<3>, Parametrized<Dense<4, NoBias>, Syre<O>>, Tanh,
                       Parametrized<Dense<1, NoBias>, Syre<O>>>{}),
            0.01);
}

TEST(SyreTest, RandomOffsetsAreSpreadEvenly) {
  double sum = 0, squares = 0, largest = 0;
  for (int row = 0; row < 64; ++row)
    for (int out = 0; out < 64; ++out) {
      const double v = RandomOffset<3, 2>::at(row, out);
      sum += v;
      squares += v * v;
      largest = std::fmax(largest, std::fabs(v));
    }
  EXPECT_LT(largest, 1.5);
  EXPECT_GT(largest, 1.49);
  EXPECT_NEAR(sum / 4096, 0, 0.05);
  EXPECT_NEAR(squares / 4096, 0.75, 0.03);
}

}  // namespace
