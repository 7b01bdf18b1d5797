// The Noether identity of every charge, at any weights.
#include <emmy/layers/lora.hpp>
#include <emmy/train/verbs.hpp>

#include <tests/noether/ledger_nets.hpp>

#include <cstdio>
#include <initializer_list>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace ledger_nets;

template <class S>
struct Identity : testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Identity, Scalars);

// The charges of one symmetry and how many units each has.
using Family = std::initializer_list<std::pair<const UnitCharge*, int>>;
// Largest |N - known| over 1,000 random states, against the family's largest sum of |g theta|: the gradient of a single unit
// may have cancelled over the batch. `known` as large as `epsilons` of it.
struct Worst {
  double identity = 0, epsilons = 0;
};
// Or against `terms`, where they are more: what it adds up sample by sample. `check` answers the ratio without them.
template <class N, int Batch = kBatch, class Families>
Worst worst_identity(std::uint64_t seed, Families&& families) {
  using S = typename N::scalar;
  Pcg32 rng{seed};
  Params<N> params{};
  Buffers<N> buffers{};
  Scratch<N, Batch, Train<BasicSgd<S>>> scratch{};
  Gradient<N> g{};
  fixture::Data<N, Batch> data{};
  const auto cols = reference::columns_of<N>();
  Worst worst;
  for (int k = 0; k < 1000; ++k) {
    fixture::randomise(params, rng, 0.9);
    data.refill(rng, false);
    const auto result =
        gradient<false>(params, buffers, scratch, data.x, data.label, CrossEntropy{}, Batch, S(1) / S(Batch), g);
    EXPECT_EQ(result.status, Status::ok);
    const auto theta = reference::read_blocks<N>(params.data), grad = reference::read_blocks<N>(g.data);
    const auto check = [&](Family family, auto known, double terms = 0) {
      double largest = 0, plain = 0, known_most = 0;
      for (const auto& [c, units] : family)
        for (int u = 0; u < units; ++u) {
          double of_unit = 0;
          if constexpr (requires { known(u); }) of_unit = known(u);
          else of_unit = known;
          largest = std::fmax(largest, std::fabs(reference::noether(*c, theta, grad, cols, u) - of_unit));
          plain = std::fmax(plain, reference::noether_scale(*c, theta, grad, cols, u));
          known_most = std::fmax(known_most, std::fabs(of_unit));
        }
      const double scale = std::fmax(plain, terms);
      worst.identity = std::fmax(worst.identity, largest / scale);
      worst.epsilons = std::fmax(worst.epsilons, known_most / scale);
      return largest / plain;
    };
    if constexpr (requires { families(g, check); }) families(g, check);
    else families(g, Memory<N, Batch, true>{params.data, data_of(buffers), scratch.data, data.x}, check);
  }
  std::printf("|N| over the largest sum of |g theta|: %.2g; of epsilon %.2g\n", worst.identity, worst.epsilons);
  EXPECT_LT(worst.identity, sizeof(S) == 4 ? 5e-7 : 1e-14);
  EXPECT_GT(worst.identity, 0.0);
  return worst;
}

TYPED_TEST(Identity, HoldsAtEveryWeightAndBatch) {
  worst_identity<TwoHidden<TypeParam>>(23, [](const auto&, auto check) {
    check({{&kFirstUnits, 9}}, 0);
    check({{&kSecondUnits, 5}}, 0);
    check({{&kLogits, 5}, {&kLogitBias, 1}}, 0);
  });
}

// Of the channels of convolutions, depthwise ones between them.
TYPED_TEST(Identity, HoldsForTheChannelsOfImages) {
  worst_identity<Images<TypeParam>>(67, [](const auto&, auto check) {
    check({{&kImageFirst, 5}}, 0);
    check({{&kImageDepthwise, 5}}, 0);
    check({{&kImageLast, 4}}, 0);
    check({{&kImageLogits, 16}, {&kImageLogitBias, 1}}, 0);
  });
}

// Of windows over positions, of units inside a skip, and of the pair of an adapter (its other entries: balance_test.cpp).
TYPED_TEST(Identity, HoldsForWindowsSkipsAndAdapters) {
  using N = Net<Scalar<TypeParam>, Input<9, 3>, Conv1d<5, 3>, Relu, MaxPool<2>, Conv1d<6, 2>,
                Residual<Dense<4>, LeakyRelu<1, 8>, Dense<6>>, Flatten, Lora<Dense<3>, 2>>;
  const UnitCharge inside{2, {{4, false, 1}, {5, false, 1}, {6, true, -1}}}, pair{2, {{10, false, 1}, {11, true, -1}}};
  worst_identity<N>(73, [&](const auto&, auto check) {
    check({{&kFirstChannels, 5}}, 0);
    check({{&inside, 4}}, 0);
    check({{&pair, 2}}, 0);
  });
}

// Of norms too: the scale of what they read but for what their epsilon makes.
TYPED_TEST(Identity, HoldsForWhatNormsRead) {
  // Not behind a ReLU: where one unit alone is alive, the whole gradient is what epsilon makes, and rounding.
  using N = Net<Scalar<TypeParam>, Input<7>, Dense<9>, emmy::LayerNorm<WithBias, 1, 64>, Relu, Dense<8>,
                emmy::RmsNorm<NoBias, 1, 32>, Dense<3>>;
  const Worst worst = worst_identity<N>(61, [](const auto& g, auto check) {
    check({{&kFirstScale, 1}}, static_cast<double>(g.along[0]));
    check({{&kSecondScale, 1}}, static_cast<double>(g.along[1]));
    check({{&kNormedRows, 7}, {&kNormedBias, 1}}, 0);
    check({{&kFirstGains, 9}}, 0);
    check({{&kSecondGains, 8}}, 0);
  });
  EXPECT_GT(worst.epsilons, 1e-2);
}

// The largest sum of |x dx| of a channel of tensor T; of |dx| for a charge of biases.
template <int T, bool kBias = false, class N, int Batch>
double largest_terms(const Memory<N, Batch, true>& m) {
  constexpr auto kTensor = kPlan<N>.tensor[T];
  double largest = 0;
  for (int c = 0; c < kTensor.channels; ++c) {
    double sum = 0;
    for (int at = c; at < Batch * kTensor.positions * kTensor.stride; at += kTensor.stride)
      sum += std::fabs((kBias ? 1 : static_cast<double>(m.template act<T>()[at])) *
                       static_cast<double>(m.template delta<T>()[at]));
    largest = std::fmax(largest, sum);
  }
  return largest;
}

// The largest mean of |x| of a channel of tensor T.
template <int T, class N, int Batch>
double largest_mean(const Memory<N, Batch, true>& m) {
  constexpr auto kTensor = kPlan<N>.tensor[T];
  constexpr int kRows = Batch * kTensor.positions;
  double largest = 0;
  for (int c = 0; c < kTensor.channels; ++c) {
    double sum = 0;
    for (int r = 0; r < kRows; ++r) sum += std::fabs(static_cast<double>(m.template act<T>()[r * kTensor.stride + c]));
    largest = std::fmax(largest, sum / kRows);
  }
  return largest;
}

// Of each unit that a BatchNorm reads, and of biases before it, which have no gradient. What reaches its weights has cancelled
// over the batch, all the more where a unit's mean is several times its deviation, as in the second layer: against the sum of
// |g theta| f32 deltas rounded once from exact ones leave 4.8e-7 to 7.7e-7 there (seeds 61, 1, 2), these 1.5e-6 to 2e-6.
TYPED_TEST(Identity, HoldsForWhatABatchNormReads) {
  using N = Net<Scalar<TypeParam>, Input<7>, Dense<9>, emmy::BatchNorm<WithBias, 1, 64>, Relu, Dense<8>,
                emmy::BatchNorm<NoBias, 1, 32>, Dense<3>>;
  const UnitCharge scale{2, {{0, false, 1}, {1, false, 1}}}, weights{2, {{0, false, 1}}},
      second{2, {{4, false, 1}, {5, false, 1}}};
  double first_plain = 0, second_plain = 0;
  const Worst worst = worst_identity<N, 16>(61, [&](const auto& g, const auto& m, auto check) {
    const double first = largest_terms<1>(m), last = largest_terms<4>(m);
    const auto along = [&](int u) { return static_cast<double>(g.along[u]); };
    const auto of_second = [&](int u) { return static_cast<double>(g.along[9 + u]); };
    first_plain = std::fmax(first_plain, check({{&scale, 9}}, along, first));
    first_plain = std::fmax(first_plain, check({{&weights, 9}}, along, first));
    check({{&kDeadBias, 9}}, 0, first);
    second_plain = std::fmax(second_plain, check({{&second, 8}}, of_second, last));
    check({{&kFirstGains, 9}}, 0);
    check({{&kSecondGains, 8}}, 0);
  });
  EXPECT_GT(worst.epsilons, 1e-2);
  std::printf("against the sum of |g theta| alone: %.2g, %.2g\n", first_plain, second_plain);
  EXPECT_LT(first_plain, sizeof(TypeParam) == 4 ? 7.5e-7 : 1e-14);
  EXPECT_LT(second_plain, sizeof(TypeParam) == 4 ? 2.5e-6 : 1e-14);
}

// Of biases and rows of weights whose shift passes through pools: maxima before a BatchNorm, means before a LayerNorm and
// before the loss, where it is p, up to 1, that is rounded, not p - t. Steps keep their budgets too.
TYPED_TEST(Identity, HoldsForWhatPoolsPassOn) {
  using N = Net<Scalar<TypeParam>, Input<10, 3>, Conv1d<5, 3>, MaxPool<2>, emmy::BatchNorm<WithBias, 1, 64>, Relu,
                Conv1d<9, 1>, AvgPool<2>, emmy::LayerNorm<WithBias, 1, 32>, Relu, Conv1d<3, 1>, emmy::GlobalAvgPool>;
  const UnitCharge dead{1, {{1, false, 1}}}, rows{1, {{4, true, 1}}}, bias{1, {{5, true, 1, 1}}},
      logits{1, {{8, true, 1}}}, logit_bias{1, {{9, true, 1, 1}}};
  worst_identity<N>(79, [&](const auto&, const auto& m, auto check) {
    check({{&dead, 5}}, 0, largest_terms<1, true>(m));
    check({{&rows, 5}, {&bias, 1}}, 0, 9 * largest_terms<5, true>(m));
    check({{&logits, 9}, {&logit_bias, 1}}, 0, largest_mean<8>(m));
  });
  Pcg32 rng{83};
  Trainer<N, BasicMomentum<TypeParam>, kBatch> trainer{};
  Ledger<N> ledger{};
  fixture::Data<N, kBatch> data{};
  fixture::randomise(trainer.params, rng, 0.9);
  TypeParam dead_at_start[5];
  for (int step = 0; step < 300; ++step) {
    data.refill(rng, false);
    const BasicMomentum<TypeParam> rule{TypeParam(0.02), TypeParam(0.9), TypeParam(step < 150 ? 0 : 0.01)};
    ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
    ASSERT_LE(ledger.health(), 1) << step;
    for (int c = 0; c < 5; ++c) {
      const TypeParam now = ledger.template charge<Translation<Layer<0>>>(c);
      if (step == 0) dead_at_start[c] = now;
      if (step == 149) {
        EXPECT_NEAR(now, dead_at_start[c], sizeof(TypeParam) == 4 ? 1e-6 : 1e-15) << c;
      }
    }
  }
  EXPECT_GT(ledger.worst_health(), 0);
}

// The bias of an exponential that a mean reads cancels over the positions.
TYPED_TEST(Identity, HoldsForGatedUnitsAndExponentials) {
  worst_identity<Exponentials<TypeParam>>(67, [](const auto&, const auto& m, auto check) {
    check({{&kGated, 9}}, 0);
    check({{&kFirstExp, 6}}, 0, largest_terms<5, true>(m));
    check({{&kSecondExp, 5}}, 0);
  });
}

// Of units with a state too, and of what a Gru reads. Not of logits: states grow until softmax is all rounding.
TYPED_TEST(Identity, HoldsForStates) {
  worst_identity<States<TypeParam>>(67, [](const auto&, auto check) {
    check({{&kFirstStates, 6}}, 0);
    check({{&kSecondStates, 5}}, 0);
  });
  worst_identity<Gated<TypeParam>>(71, [](const auto&, auto check) { check({{&kGatedUnits, 6}}, 0); });
}

}  // namespace
