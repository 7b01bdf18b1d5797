// Numbers for tests: reproducible random values, unit roundoffs, and sizes as constants.
#pragma once

#include <emmy/core/macros.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

namespace support {

// 2^-24, 2^-53
template <class T>
inline constexpr double kRoundoff = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;

// What a sum of so many terms of so large a magnitude may be off. The double reference is wrong too; in f64 by as much as
// the kernel.
template <class T>
double allowed(double terms, double magnitude) {
  return (terms * kRoundoff<T> * 1.0001 + (sizeof(T) == 8 ? (terms + 2) * 0x1p-53 : 0.0)) * magnitude;
}

inline std::vector<double> absolute(std::vector<double> v) {
  for (double& d : v) d = std::fabs(d);
  return v;
}

// Uniform in [-1, 1), the same on every machine. Not the library's generator: tests of that one stand alone.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du) {}
  double operator()() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<double>(state_ >> 11) * 0x1p-52 - 1.0;
  }
  int below(int bound) { return static_cast<int>(((*this)() + 1.0) * 0.5 * bound); }

 private:
  std::uint64_t state_;
};

// What simd::sum makes of the lanes v[0..n) (overwritten): halves are added, on AArch64's NEON neighbours.
template <class T>
T sum_of_lanes(T* v, std::size_t n) {
#if defined(EMMY_BACKEND_HIGHWAY) && defined(__aarch64__)
  for (; n > 1; n /= 2)
    for (std::size_t i = 0; i < n / 2; ++i) v[i] = v[2 * i] + v[2 * i + 1];
#else
  for (std::size_t half = n / 2; half != 0; half /= 2)
    for (std::size_t i = 0; i < half; ++i) v[i] = v[i] + v[i + half];
#endif
  return v[0];
}

// Values of very different size: a lost small term must not hide, a cancelling one neither.
template <class T>
void fill(T* p, std::size_t n, Random& random) {
  for (std::size_t i = 0; i < n; ++i) p[i] = static_cast<T>(random() * std::ldexp(1.0, static_cast<int>(i % 5) - 2));
}

// rows x cols random values in rows of `stride`, zero in the pad lanes.
template <class T>
void fill_padded(T* p, int rows, int cols, int stride, Random& random) {
  for (int r = 0; r < rows; ++r) {
    fill(p + r * stride, static_cast<std::size_t>(cols), random);
    for (int c = cols; c < stride; ++c) p[r * stride + c] = T(0);
  }
}

// The rows x cols values of such rows, without the pads.
template <class Real = double, class T>
std::vector<Real> unpadded(const T* p, int rows, int cols, int stride) {
  std::vector<Real> result;
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < cols; ++c) result.push_back(static_cast<Real>(p[r * stride + c]));
  }
  return result;
}

template <int Value>
using Constant = std::integral_constant<int, Value>;

// f(Constant<First>), ..., f(Constant<Last>), beyond 9 only next to multiples of 16 and the last: every remainder of up to
// 8 lanes, and both sides of whole vectors of 16 lanes. Each size is a kernel to compile, on every target.
template <int First, int Last, class F>
void for_each_size(F f) {
  const auto one = [&]<int Size>(Constant<Size> size) {
    if constexpr (Size <= 9 || Size == Last || (Size + 1) % 16 < 3) f(size);
  };
  [&]<int... I>(std::integer_sequence<int, I...>) { (one(Constant<First + I>()), ...); }
  (std::make_integer_sequence<int, Last - First + 1>());
}

// One dimension of a kernel runs over 1 .. kSizes<T> (for_each_size): twice the lanes of the widest vector and three more.
template <class T>
inline constexpr int kSizes = 2 * emmy::kPadBytes / static_cast<int>(sizeof(T)) + 3;

// What the other dimensions are meanwhile: 1, lanes - 1, lanes, lanes + 1 of the widest vector and a size of the demo,
// in turn, so that every value of the first dimension meets one of them and every one of them meets all remainders.
template <class T>
inline constexpr int kLanes = emmy::kPadBytes / static_cast<int>(sizeof(T));
template <class T>
constexpr int other_size(int turn) {
  constexpr int kOthers[] = {1, kLanes<T> - 1, kLanes<T>, kLanes<T> + 1, 32};
  return kOthers[turn % 5];
}

}  // namespace support
