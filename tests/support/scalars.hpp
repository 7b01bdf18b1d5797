// What the build decides of a test: the scalars that a typed test runs over, and whether sanitizers watch it.
#pragma once

#include <gtest/gtest.h>

namespace support {

#if defined(__arm__) && !defined(EMMY_BACKEND_SCALAR)
inline constexpr bool kHasDouble = false;  // the vectors of 32-bit Arm have no f64
using Scalars = testing::Types<float>;
#elif defined(EMMY_TEST_FLOAT_ONLY)
inline constexpr bool kHasDouble = true;
using Scalars = testing::Types<float>;
#else
inline constexpr bool kHasDouble = true;
using Scalars = testing::Types<float, double>;
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EMMY_TEST_SANITIZES_ADDRESSES
#endif
#endif
#if defined(EMMY_TEST_SANITIZES_ADDRESSES)
inline constexpr bool kSanitizesAddresses = true;
#else
inline constexpr bool kSanitizesAddresses = false;
#endif

}  // namespace support
