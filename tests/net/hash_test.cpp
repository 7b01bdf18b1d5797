// The hash of the weights: FNV-1a of their bytes, without padding.
#include <emmy/net/hash.hpp>

#include <emmy/layers/dense.hpp>
#include <emmy/net/pack.hpp>

#include <gtest/gtest.h>

namespace {

using Small = emmy::Net<emmy::Input<2>, emmy::Dense<1>>;

// 3 floats, 12 bytes: 00 00 80 3f  00 00 00 c0  00 00 00 3e, hashed one by one.
constexpr std::uint64_t by_hand() {
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (const unsigned byte : {0x00u, 0x00u, 0x80u, 0x3fu, 0x00u, 0x00u, 0x00u, 0xc0u, 0x00u, 0x00u, 0x00u, 0x3eu}) {
    h ^= byte;
    h *= 0x100000001b3ULL;
  }
  return h;
}
constexpr float kWeights[] = {1.0f, -2.0f}, kBias[] = {0.125f};

TEST(WeightHash, IsThatOfTheBytes) {
  constexpr auto params = emmy::packed<Small>(kWeights, kBias);
  static_assert(emmy::weight_hash(params) == by_hand());
  EXPECT_EQ(emmy::weight_hash(params), by_hand());
}

TEST(WeightHash, SeesEveryWeightAndNoPadding) {
  auto params = emmy::packed<Small>(kWeights, kBias);
  for (float& v : params.data) {
    const float before = v;
    v = 7.0f;
    const bool logical = &v == &params.weight<emmy::Layer<0>>(0, 0) || &v == &params.weight<emmy::Layer<0>>(0, 1) ||
                         &v == &params.bias<emmy::Layer<0>>(0);
    EXPECT_EQ(emmy::weight_hash(params) != by_hand(), logical) << &v - params.data;
    v = before;
  }
}

}  // namespace
