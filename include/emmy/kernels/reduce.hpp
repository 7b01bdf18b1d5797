// Reductions of an array of n values to one number; n and the alignment are arbitrary, n = 0 gives 0 (finite: true).
//
//   sum(p, n)          s = sum_i p_i
//   dot(a, b, n)       s = sum_i a_i b_i
//   sum_squares(p, n)  s = sum_i p_i^2
//   max_abs(p, n)      max_i |p_i|; no element may be NaN
//   all_finite(p, n)   no element is NaN or infinite
//   range(p, n)        the last two in one pass; max_abs says nothing where finite is false
//
// The order is fixed, for a target: with L lanes, element i goes to lane i % L of accumulator (i / L) % 4, in whole
// rounds of 4L elements; the whole vectors left over go to accumulator 0, then the rest, padded with zeros. The
// accumulators are joined as (0 + 1) + (2 + 3), then the lanes as simd::sum does. range has one accumulator a result.
//
// Error: |computed - exact| <= k u / (1 - k u) * sum_i |term_i|, with u = 2^-24 (f64: 2^-53) and
// k = floor(n / 4L) + 6 + log2(L), one more for the products of dot and sum_squares, as long as no product is
// subnormal. Nothing beyond the last element is read. Four accumulators, because an addition takes about four cycles;
// named, because a vector may be sizeless.
#pragma once

#include <cstddef>

#include <emmy/core/macros.hpp>
#include <emmy/simd/simd.hpp>

namespace emmy {

// Largest absolute value, and whether every value was finite.
template <class T>
struct Range {
  T max_abs;
  bool finite;
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace reduction {

// step(acc, read) -> acc, where read(p) loads the same piece of every array that step reads.
// join(a, b) joins two accumulators.
template <class T, class Step, class Join>
EMMY_INLINE simd::Vec<T> accumulate(std::size_t n, Step step, Join join) noexcept {
  using V = simd::Vec<T>;
  const std::size_t lanes = simd::lanes<T>();
  const auto at = [](std::size_t i) EMMY_LAMBDA { return [i](const T* p) EMMY_LAMBDA { return simd::load(p + i); }; };
  V acc0 = simd::zero<T>(), acc1 = acc0, acc2 = acc0, acc3 = acc0;
  std::size_t i = 0;
  for (; n - i >= 4 * lanes; i += 4 * lanes) {
    acc0 = step(acc0, at(i));
    acc1 = step(acc1, at(i + lanes));
    acc2 = step(acc2, at(i + 2 * lanes));
    acc3 = step(acc3, at(i + 3 * lanes));
  }
  for (; n - i >= lanes; i += lanes) acc0 = step(acc0, at(i));
  if (const std::size_t rest = n - i; rest != 0) {
    acc0 = step(acc0, [i, rest](const T* p) EMMY_LAMBDA { return simd::load_first(p + i, rest); });
  }
  return join(join(acc0, acc1), join(acc2, acc3));
}

struct Add {
  template <class V>
  EMMY_INLINE V operator()(V a, V b) const noexcept {
    return simd::add(a, b);
  }
};
struct Max {
  template <class V>
  EMMY_INLINE V operator()(V a, V b) const noexcept {
    return simd::max(a, b);
  }
};

// 0 * v is 0 for a finite v and NaN for any other, and a NaN stays in the sum.
template <class V>
EMMY_INLINE V probe(V acc, V v) noexcept {
  return simd::mul_add(v, simd::zero<simd::Scalar<V>>(), acc);
}

}  // namespace reduction

template <class T>
T sum(const T* p, std::size_t n) noexcept {
  const auto step = [p](auto acc, auto read) EMMY_LAMBDA { return simd::add(acc, read(p)); };
  return simd::sum(reduction::accumulate<T>(n, step, reduction::Add()));
}

template <class T>
T dot(const T* a, const T* b, std::size_t n) noexcept {
  const auto step = [a, b](auto acc, auto read) EMMY_LAMBDA { return simd::mul_add(read(a), read(b), acc); };
  return simd::sum(reduction::accumulate<T>(n, step, reduction::Add()));
}

template <class T>
T sum_squares(const T* p, std::size_t n) noexcept {
  return dot(p, p, n);
}

template <class T>
T max_abs(const T* p, std::size_t n) noexcept {
  const auto step = [p](auto acc, auto read) EMMY_LAMBDA { return simd::max(acc, simd::abs(read(p))); };
  return simd::max_lane(reduction::accumulate<T>(n, step, reduction::Max()));
}

// start + a_0 b_0 + a_1 b_1 ... one term after the other: the sum of strict text. Zeros at the end change nothing, so
// neither does the padding, as long as `start` is not -0.
template <class T>
EMMY_INLINE T ordered_dot(const T* a, const T* b, int n, T start = T(0)) noexcept {
  for (int i = 0; i < n; ++i) start += a[i] * b[i];
  return start;
}
template <class T>
EMMY_INLINE T ordered_sum(const T* p, int n) noexcept {
  T s = 0;
  for (int i = 0; i < n; ++i) s += p[i];
  return s;
}

template <class T>
bool all_finite(const T* p, std::size_t n) noexcept {
  const auto step = [p](auto acc, auto read) EMMY_LAMBDA { return reduction::probe(acc, read(p)); };
  return simd::sum(reduction::accumulate<T>(n, step, reduction::Add())) == T(0);
}

template <class T>
Range<T> range(const T* p, std::size_t n) noexcept {
  using V = simd::Vec<T>;
  const std::size_t lanes = simd::lanes<T>();
  V top = simd::zero<T>(), probed = top;
  std::size_t i = 0;
  for (; n - i >= lanes; i += lanes) {
    const V v = simd::load(p + i);
    top = simd::max(top, simd::abs(v));
    probed = reduction::probe(probed, v);
  }
  if (i != n) {
    const V v = simd::load_first(p + i, n - i);
    top = simd::max(top, simd::abs(v));
    probed = reduction::probe(probed, v);
  }
  return {simd::max_lane(top), simd::sum(probed) == T(0)};
}

}  // namespace emmy::inline EMMY_TARGET
