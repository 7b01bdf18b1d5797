// 13-H-H-4 as H grows, at batch 16: how Emmy's time follows its flops. W4 is the same net for the growth with the batch
// (1, 4, 64, 256).
#pragma once

#include <bench/compare/opponents.hpp>

namespace compare {

constexpr Workload growing(const char* key, const char* name, int hidden) {
  return {key, name, 16, 3, {13, hidden, hidden, 4}, Activation::relu, Loss::squared_error};
}
inline constexpr Workload kGrow32 = growing("grow32", "13-32-32-4 ReLU", 32);
inline constexpr Workload kGrow64 = growing("grow64", "13-64-64-4 ReLU", 64);
inline constexpr Workload kGrow128 = growing("grow128", "13-128-128-4 ReLU", 128);
inline constexpr Workload kGrow256 = growing("grow256", "13-256-256-4 ReLU", 256);

// X(workload): trained, by Emmy alone.
#define EMMY_COMPARE_GROWTH(X) \
  X(kGrow32)                   \
  X(kGrow64)                   \
  X(kGrow128)                  \
  X(kGrow256)

}  // namespace compare
