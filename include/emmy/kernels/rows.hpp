// Vectors of a row that may end within a vector; and what is said of numbers and rows in many places.
#pragma once

#include <cstddef>
#include <type_traits>

#include <emmy/simd/simd.hpp>

namespace emmy {

// w_r: half the distance from 1 to the next number.
template <class S>
inline constexpr S kRoundoff = sizeof(S) == 4 ? S(0x1p-24) : S(0x1p-53);

// Squares underflow: the root of a sum of up to 2^22 of them is too small by less than the first of these. And a sum of up to 2^14
// products, flushed to zero below the least normal number (NEON of Armv7), by less than the second.
template <class S>
inline constexpr S kLostToSquares = sizeof(S) == 4 ? S(0x1p-52) : S(0x1p-500);
template <class S>
inline constexpr S kLostToZero = sizeof(S) == 4 ? S(0x1p-112) : S(0x1p-1008);

namespace detail {
// Is the product of two columns, or of one with itself, that of orthonormal ones up to 2^-40 (f32 2^-17)? NaN is not.
template <class S>
EMMY_INLINE constexpr bool is_orthonormal(S product, bool same) noexcept {
  constexpr S kNear = sizeof(S) == 4 ? S(0x1p-17) : S(0x1p-40);
  const S off = same ? product - S(1) : product;
  return off <= kNear && off >= -kNear;
}
}  // namespace detail

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// Is the number of lanes a constant, and so the number of vectors in a row?
template <class T>
inline constexpr bool kLanesKnown = requires {
  typename std::integral_constant<std::size_t, simd::lanes<T>()>;
};

// The number of lanes where it is a constant, else 0.
template <class T>
inline constexpr int kLanesOf = [] {
  if constexpr (kLanesKnown<T>) return static_cast<int>(simd::lanes<T>());
  else return 0;
}();

// The columns of a row that vectors must pass over to see Cols of them: whole vectors, not whole pads.
template <class T, int Cols>
consteval int covered() {
  if constexpr (kLanesKnown<T>) {
    constexpr int kLanes = static_cast<int>(simd::lanes<T>());
    return (Cols + kLanes - 1) / kLanes * kLanes;
  } else {
    return padded<T>(Cols);
  }
}

template <class T>
consteval bool one_lane() {
  if constexpr (kLanesKnown<T>) return simd::lanes<T>() == 1;
  else return false;
}

// factor v; v itself where the compiler knows that the factor is 1, whose product it leaves on SVE.
template <class S, class V>
EMMY_INLINE V scaled_by(S factor, V v) noexcept {
  if (__builtin_constant_p(factor) && factor == S(1)) return v;
  return simd::mul(simd::set(factor), v);
}

// The square root of one number.
template <class S>
EMMY_INLINE S root(S x) noexcept {
#if defined(__aarch64__)  // of one number, which the builtin may leave to libm
  if constexpr (sizeof x == 4) __asm__("fsqrt %s0, %s0" : "+w"(x));
  else __asm__("fsqrt %d0, %d0" : "+w"(x));
  return x;
#elif defined(EMMY_BACKEND_HELIUM)
  return simd::root_of(x);
#else
  return simd::first_of(simd::sqrt(simd::set(x)));
#endif
}

template <class S>
EMMY_INLINE bool is_finite(S x) noexcept {
  return x - x == S(0);
}

// sqrt(sum p_i^2) of n values, one after the other: the same bits on every target.
template <class S>
EMMY_INLINE S euclidean_norm(const S* p, int n) noexcept {
  S square = 0;
  for (int i = 0; i < n; ++i) square += p[i] * p[i];
  return root(square);
}

// The vector at column c of a row of Cols values. Where rows are padded, whole vectors end within the row; else nothing
// beyond Cols is read and the lanes there are zero.
template <int Cols, int Stride, class T>
EMMY_INLINE simd::Vec<T> load_part(const T* row, int c) noexcept {
  const int lanes = static_cast<int>(simd::lanes<T>());
  return Stride == padded<T>(Cols) || c + lanes <= Cols ? simd::load(row + c)
                                                        : simd::load_first(row + c, static_cast<std::size_t>(Cols - c));
}

// All bits of the first lane, none of the others.
template <class T>
struct FirstLane {
  alignas(kAlign<T>) T bits[padded<T>(1)] = {
      __builtin_bit_cast(T, ~std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>(0))};
};
template <class T>
inline constexpr FirstLane<T> kFirstLane{};
// A vector of which the first lane is x, the others zero.
template <class T>
EMMY_INLINE simd::Vec<T> first_lane(T x) noexcept {
  if constexpr (one_lane<T>()) return simd::set(x);
  else return simd::bit_and(simd::set(x), simd::load(kFirstLane<T>.bits));
}

// The vector at p, of which the first n lanes are meant: the others are zero. One is passed as a number: a vector would wait
// for a number that was just written to its place.
template <class T>
EMMY_INLINE simd::Vec<T> load_units(const T* p, int n) noexcept {
  if (__builtin_constant_p(n == 1) && n == 1) return first_lane(*p);
  return n < static_cast<int>(simd::lanes<T>()) ? simd::load_first(p, static_cast<std::size_t>(n)) : simd::load(p);
}
template <class T, class V>
EMMY_INLINE void store_units(V v, T* p, int n) noexcept {
  if (__builtin_constant_p(n == 1) && n == 1) *p = simd::first_of(v);
  else if (n < static_cast<int>(simd::lanes<T>())) simd::store_first(v, p, static_cast<std::size_t>(n));
  else simd::store(v, p);
}

// to = a from, `count` values in whole vectors; `to` may be `from`.
template <class T>
EMMY_INLINE void scaled(T a, const T* from, int count, T* to) noexcept {
  for (int at = 0; at < count; at += static_cast<int>(simd::lanes<T>()))
    simd::store(simd::mul(simd::set(a), simd::load(from + at)), to + at);
}

// to += a from, `count` values in whole vectors.
template <class T>
EMMY_INLINE void add_scaled(T a, const T* from, int count, T* to) noexcept {
  for (int at = 0; at < count; at += static_cast<int>(simd::lanes<T>()))
    simd::store(simd::mul_add(simd::set(a), simd::load(from + at), simd::load(to + at)), to + at);
}

// `count` zeros in whole vectors. Few, so not by memset, which compilers make of such a loop (rep stos: 40 cycles to begin).
template <class T>
EMMY_INLINE void clear(T* to, int count) noexcept {
  T zero = 0;
  if constexpr (!one_lane<T>()) __asm__("" : "+m"(zero));
  for (int at = 0; at < count; at += static_cast<int>(simd::lanes<T>())) simd::store(simd::set(zero), to + at);
}

// The pad lanes of Rows padded rows of Cols values: 0.
template <int Rows, int Cols, class T>
EMMY_INLINE void clear_pads(T* y) noexcept {
  constexpr int kStride = padded<T>(Cols);
  for (int r = 0; r < Rows; ++r)
    for (int c = Cols; c < kStride; ++c) y[r * kStride + c] = T(0);
}

// A row of values with its plain sum and its sum of squares.
template <class T>
struct SummedRow {
  const T* p;
  T sum, squares;
};
// The same without the sum.
template <class T>
struct SquaredRow {
  const T* p;
  T squares;
};
template <int Cols, int Stride, class T>
EMMY_INLINE SummedRow<T> summed_row(const T* row) noexcept {
  auto sum = simd::zero<T>(), squares = sum;
  for (int c = 0; c < Cols; c += static_cast<int>(simd::lanes<T>())) {
    const auto v = load_part<Cols, Stride>(row, c);
    sum = simd::add(sum, v);
    squares = simd::mul_add(v, v, squares);
  }
  return {row, simd::sum(sum), simd::sum(squares)};
}

}  // namespace emmy::inline EMMY_TARGET
