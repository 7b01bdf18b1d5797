// emmy/net/init.hpp: the same weights on every target, with the right spread, and factors that multiply to them.
#include <emmy/net/init.hpp>

#include <gtest/gtest.h>
#include <tests/reference/net.hpp>
#include <tests/support/numbers.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace {

using emmy::Dense;
using emmy::Input;
using emmy::NoBias;
using emmy::Relu;

template <class S>
using Demo = emmy::Net<emmy::Scalar<S>, Input<64>, Dense<32>, Relu, Dense<10>>;
template <class S, class P>
using Factored = emmy::Net<emmy::Scalar<S>, Input<19>, emmy::Parametrized<Dense<9>, P>, Relu,
                           emmy::Parametrized<Dense<5, NoBias>, P>>;

// FNV-1a over the bits of every number in padded rows, in whatever order they are stored; a pad that is not 0 gives 0.
template <class Net>
std::uint64_t hash_of(const emmy::Params<Net>& params) {
  using S = typename Net::scalar;
  using Bits = std::conditional_t<sizeof(S) == 4, std::uint32_t, std::uint64_t>;
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const auto& block : emmy::kPlan<Net>.block) {
    for (int k = 0; k < block.size(); ++k)
      if (!block.is_weight(k) && std::bit_cast<Bits>(params.data[block.offset + k]) != 0) return 0;
    for (int i = 0; i < block.rows; ++i)
      for (int o = 0; o < emmy::padded<S>(block.cols); ++o)
        hash = (hash ^ (o < block.cols ? std::bit_cast<Bits>(params.data[block.at(i, o)]) : 0)) * 0x100000001b3u;
  }
  return hash;
}
template <class Net, class Init = emmy::He>
const emmy::Params<Net>& drawn(std::uint64_t seed, Init how = {}, emmy::Pcg32* after = nullptr) {
  static emmy::Params<Net> params;
  for (auto& v : params.data) v = 99;  // the pads too must be written
  emmy::Pcg32 rng(seed);
  emmy::init(params, rng, how);
  if (after != nullptr) *after = rng;
  return params;
}

// The constants were computed once; every target, compiler and backend has to give them.
TEST(Init, IsTheSameOnEveryTarget) {
  EXPECT_EQ(hash_of(drawn<Demo<float>>(42)), 0xea2f9603fc57ba1fu);
  EXPECT_EQ(hash_of(drawn<Demo<double>>(42)), 0x4b028ae2ba7cf64u);
  EXPECT_EQ(hash_of(drawn<Demo<float>>(42, emmy::Glorot{})), 0xdda8b0a5f9e6502u);
  EXPECT_EQ(hash_of(drawn<Demo<float>>(42, emmy::Uniform<>{0.3f})), 0xacf1f54e6a49396fu);
  EXPECT_EQ(hash_of(drawn<Factored<float, emmy::ProductByInput>>(42)), 0x322bcf35884deb9bu);
}

TEST(Init, SeedsDiffer) { EXPECT_NE(hash_of(drawn<Demo<float>>(1)), hash_of(drawn<Demo<float>>(2))); }

// Uniform in [-limit, limit): mean 0, variance limit^2 / 3, both within five standard deviations, and no pad.
template <class S, class Init>
void check_spread(Init how, double limit_0, double limit_2, bool biases) {
  using Net = Demo<S>;
  const auto& params = drawn<Net>(7, how);
  for (const auto& block : emmy::kPlan<Net>.block) {
    const double limit = block.node == 0 ? limit_0 : limit_2;
    const int n = block.rows * block.cols;
    double sum = 0, squares = 0, top = 0;
    for (int k = 0; k < block.size(); ++k) {
      const double v = static_cast<double>(params.data[block.offset + k]);
      if (!block.is_weight(k)) {
        ASSERT_EQ(v, 0.0) << "pad lane";
        continue;
      }
      sum += v;
      squares += v * v;
      top = std::fmax(top, std::fabs(v));
    }
    if (block.role == emmy::Role::bias && !biases) {
      EXPECT_EQ(top, 0.0);
      continue;
    }
    EXPECT_LE(top, limit * (1 + 1e-6));
    EXPECT_GT(top, limit * (block.role == emmy::Role::bias ? 0.5 : 0.97));
    EXPECT_NEAR(sum / n, 0, 5 * limit / std::sqrt(3.0 * n));
    EXPECT_NEAR(squares / n, limit * limit / 3, 5 * limit * limit * std::sqrt(4.0 / 45 / n));
  }
}
TEST(Init, HasTheSpreadItSays) {
  check_spread<float>(emmy::He{}, std::sqrt(6.0 / 64), std::sqrt(6.0 / 32), false);
  check_spread<double>(emmy::He{}, std::sqrt(6.0 / 64), std::sqrt(6.0 / 32), false);
  check_spread<float>(emmy::Glorot{}, std::sqrt(6.0 / 96), std::sqrt(6.0 / 42), false);
  check_spread<float>(emmy::Uniform<>{0.3f}, 0.3, 0.3, true);
}

// The factors multiply to the weights that the plain net draws from the same numbers. Groups: |u| = |z|, u > 0; single
// weights: u is a constant.
template <class S, class P>
void check_factors() {
  using Net = Factored<S, P>;
  using Plain = emmy::plain_of<Net>;
  emmy::Pcg32 after, plain_after;
  const auto theta = reference::read_blocks<Net>(drawn<Net>(11, emmy::He{}, &after).data);
  const auto weights = reference::read_blocks<Plain>(drawn<Plain>(11, emmy::He{}, &plain_after).data);
  EXPECT_EQ(after.state, plain_after.state) << "as many draws";
  const auto model = reference::model_of<Net>();
  const auto plain = reference::model_of<Plain>();
  for (std::size_t k = 0; k < model.size(); ++k) {
    if (!model[k].affine) continue;
    const auto got = reference::effective_of(model[k], theta), want = reference::effective_of(plain[k], weights);
    for (std::size_t i = 0; i < want.w.size(); ++i)
      ASSERT_NEAR(got.w[i], want.w[i], 8 * support::kRoundoff<S> * std::fabs(want.w[i])) << i;
    for (const double b : got.b) EXPECT_EQ(b, 0.0);

    const auto& u = theta[static_cast<std::size_t>(model[k].first_block)];
    const auto& z = theta[static_cast<std::size_t>(model[k].first_block) + 1];
    const auto cols = static_cast<std::size_t>(model[k].out);
    if (std::is_same_v<P, emmy::Product>) {
      for (const double factor : u) ASSERT_EQ(factor, static_cast<double>(emmy::kFactorStart<S>));
      continue;
    }
    std::vector<double> squares(u.size());
    for (std::size_t i = 0; i < z.size(); ++i)
      squares[std::is_same_v<P, emmy::ProductByInput> ? i / cols : i % cols] += z[i] * z[i];
    for (std::size_t g = 0; g < u.size(); ++g) EXPECT_NEAR(u[g], std::sqrt(squares[g]), 1e-5 * u[g]) << g;
  }
}
TEST(Init, SplitsFactors) {
  check_factors<float, emmy::Product>();
  check_factors<float, emmy::ProductByInput>();
  check_factors<float, emmy::ProductByOutput>();
  check_factors<double, emmy::Product>();
  check_factors<double, emmy::ProductByInput>();
}

}  // namespace
