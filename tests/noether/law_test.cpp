// The law, over long runs on every target: every charge moves by its budget, down to rounding.
#include <tests/train/fixture.hpp>

#include <cstdio>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets
using fixture::OneHidden;
using fixture::TwoHidden;
using fixture::Windows;

// f(symmetry) for each symmetry in the list.
template <class... Symmetry, class F>
void for_each(Symmetries<Symmetry...>, F&& f) {
  (f(Symmetry{}), ...);
}

template <class S, template <class> class NetOf, class LossType>
struct Run {
  using Scalar = S;
  using Net = NetOf<S>;
  using Loss = LossType;
};
constexpr int kBatch = 5;
template <class R>
struct Law : testing::Test {};
#if defined(__arm__) && !defined(EMMY_BACKEND_SCALAR)  // the vectors of 32-bit Arm have no f64
using Runs = testing::Types<Run<float, TwoHidden, CrossEntropy>, Run<float, OneHidden, SquaredError>,
                            Run<float, Windows, CrossEntropy>>;
#else
using Runs = testing::Types<Run<float, TwoHidden, CrossEntropy>, Run<float, OneHidden, SquaredError>,
                            Run<float, Windows, CrossEntropy>, Run<double, TwoHidden, SquaredError>,
                            Run<double, OneHidden, CrossEntropy>, Run<double, Windows, SquaredError>>;
#endif
TYPED_TEST_SUITE(Law, Runs);

#if defined(__arm__) || defined(__aarch64__)
constexpr int kSteps = 2500;  // under an emulator
#else
constexpr int kSteps = 10000;
#endif

TYPED_TEST(Law, HoldsForThousandsOfStepsWithMomentumDecayAndClipping) {
  using S = typename TypeParam::Scalar;
  using N = typename TypeParam::Net;
  using Target = std::conditional_t<std::is_same_v<typename TypeParam::Loss, CrossEntropy>, int, S>;
  using Rule = ClipByNorm<BasicMomentum<S>>;
  Trainer<N, Rule, kBatch> trainer{};
  Ledger<N> ledger{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{3};
  fixture::randomise(trainer.params, rng, 0.6);
  int clipped = 0;
  for (int k = 0; k < kSteps; ++k) {
    // Fresh batches keep the gradients alive; every fourth step repeats one, so that some are small.
    if (k % 4 != 3) data.refill(rng, false);
    const Rule rule{{S(0.05) / S(1 + 5 * k / kSteps), S(0.9), S(2e-3), S(0)}, S(k % 2 == 0 ? 0.4 : 5.0)};
    const S before = trainer.params.data[0];
    ASSERT_EQ(trainer.step(data.x, data.template targets<Target>(), typename TypeParam::Loss{}, rule, ledger).status,
              Status::ok);
    ASSERT_LE(ledger.health(), S(1)) << k;
    clipped += before != trainer.params.data[0];
  }
  EXPECT_GT(clipped, kSteps / 2) << "the weights must move";
  for_each(symmetries_of<N>{}, [&](auto symmetry) {
    const auto e = ledger.template extremes<decltype(symmetry)>();
    const bool rests = decltype(symmetry)::kKind == Kind::translation && std::is_same_v<Target, S>;
    std::printf("residual %.2g (%.3f of its bound), relative %.2g, noether %.2g (%.3f of its bound)\n",
                double(e.residual), double(e.residual_ratio), double(e.relative), double(e.noether),
                double(e.noether_ratio));
    EXPECT_LT(e.residual_ratio, S(1));
    EXPECT_LE(e.noether_ratio, S(1));
    EXPECT_LT(e.relative, sizeof(S) == 4 ? S(2e-6) : S(1e-12));
    EXPECT_EQ(e.residual > S(0), !rests) << "a residual of exactly 0 in all steps means that nothing was measured";
  });
}

}  // namespace
