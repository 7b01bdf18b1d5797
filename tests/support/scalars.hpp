// The scalars that a typed test runs over.
#pragma once

#include <gtest/gtest.h>

namespace support {

#if defined(__arm__) && !defined(EMMY_BACKEND_SCALAR)
inline constexpr bool kHasDouble = false;  // the vectors of 32-bit Arm have no f64
using Scalars = testing::Types<float>;
#else
inline constexpr bool kHasDouble = true;
using Scalars = testing::Types<float, double>;
#endif

}  // namespace support
