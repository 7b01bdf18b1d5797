// Weights of rank R, by singular values.
//
//   Rank<R, Site>{}    W := U_r S_r V_r', the R largest singular values      tangent: U U' G + (I - U U') G V V'
//
// W: the matrix of the layer, its bias apart. Changes the function. Idempotent up to rounding. tangent is that of the set of matrices of
// rank R at W, U and V its R largest singular vectors, before projecting or after. Status: not_finite; rank_deficient (tangent
// only: W has not R singular values above rounding, so there is no such U, V); then nothing has moved. Memory: copies of W and a
// square of its smaller side, on the stack. Source: theory.md section 5. Test: tests/project/sets_test.cpp.
#pragma once

#include <emmy/kernels/jacobi.hpp>
#include <emmy/project/sets.hpp>

namespace emmy {

template <int R, class Site>
struct Rank {
  static_assert(R >= 1, "emmy: Rank<R, Site> needs a rank of at least 1");
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

// W as W = sum over k of a_k' b_k, a_k orthonormal, b_k orthogonal, both over the smaller side: a_k its coordinates.
template <class Net, class Site, int R>
struct SingularValues {
  using S = typename Net::scalar;
  static constexpr auto kBlock = kPlan<Net>.block[kPlan<Net>.first_block[detail::projected_node<Net, Site>()]];
  static constexpr bool kTurned = kBlock.rows > kBlock.cols;  // rows of b run along W's inputs
  static constexpr int kShort = kTurned ? kBlock.cols : kBlock.rows, kLong = kTurned ? kBlock.rows : kBlock.cols;
  static constexpr int kStride = padded<S>(kLong), kOwn = padded<S>(kShort), kRank = R < kShort ? R : kShort;
  alignas(kAlign<S>) S b[kShort * kStride];
  alignas(kAlign<S>) S a[kShort * kOwn];
  int order[kRank];  // the largest
  S size[kRank];     // their singular values

  EMMY_INLINE static constexpr int at(int i, int k) noexcept { return kTurned ? kBlock.at(k, i) : kBlock.at(i, k); }
  EMMY_INLINE static void load(const S* data, S* m) noexcept {
    clear(m, kShort * kStride);
    for (int i = 0; i < kShort; ++i)
      for (int k = 0; k < kLong; ++k) m[i * kStride + k] = data[at(i, k)];
  }
  EMMY_INLINE static void store(const S* m, S* data) noexcept {
    for (int i = 0; i < kShort; ++i)
      for (int k = 0; k < kLong; ++k) data[at(i, k)] = m[i * kStride + k];
  }
  Status find(const S* data) noexcept {
    load(data, b);
    if (!all_finite(b, kShort * kStride) || !is_finite(sum_squares(b, std::size_t(kShort * kStride))))
      return Status::not_finite;
    if (!orthogonalise<kShort, kLong>(b, a)) return Status::not_finite;
    bool taken[kShort] = {};
    for (int r = 0; r < kRank; ++r) {
      S most = -1;
      for (int k = 0; k < kShort; ++k) {
        const S square = sum_squares(b + k * kStride, std::size_t(kLong));
        if (!taken[k] && square > most) most = square, order[r] = k;
      }
      taken[order[r]] = true;
      size[r] = root(most);
    }
    return Status::ok;
  }
};

}  // namespace inner

template <int R, class Site, class Net>
Status project(const Rank<R, Site>&, Params<Net>& params) noexcept {
  using V = inner::SingularValues<Net, Site, R>;
  using S = typename Net::scalar;
  V w;
  if (const Status s = w.find(params.data); s != Status::ok) return s;
  alignas(kAlign<S>) S made[V::kShort * V::kStride];
  clear(made, V::kShort * V::kStride);
  for (int r = 0; r < V::kRank; ++r)
    for (int i = 0; i < V::kShort; ++i)
      add_scaled(w.a[w.order[r] * V::kOwn + i], w.b + w.order[r] * V::kStride, V::kStride, made + i * V::kStride);
  V::store(made, params.data);
  return Status::ok;
}

// With P = sum of a_k a_k' and the unit vectors v_k = b_k / |b_k|:  G := P G + (G - P G) V V' = sum_k a_k (a_k' G) + ...
template <int R, class Site, class Net>
Status tangent(const Rank<R, Site>&, const Params<Net>& params, typename Net::scalar* direction) noexcept {
  using V = inner::SingularValues<Net, Site, R>;
  using S = typename Net::scalar;
  V w;
  if (const Status s = w.find(params.data); s != Status::ok) return s;
  if (w.size[V::kRank - 1] <= S(8 * V::kLong) * kRoundoff<S> * w.size[0]) return Status::rank_deficient;
  alignas(kAlign<S>) S rest[V::kShort * V::kStride], within[V::kStride];  // (I - P) G, and a_k' G
  V::load(direction, rest);
  if (!all_finite(rest, V::kShort * V::kStride)) return Status::not_finite;
  for (int r = 0; r < V::kRank; ++r) {
    const S* a = w.a + w.order[r] * V::kOwn;
    clear(within, V::kStride);
    for (int i = 0; i < V::kShort; ++i) add_scaled(a[i], rest + i * V::kStride, V::kStride, within);
    for (int i = 0; i < V::kShort; ++i) add_scaled(-a[i], within, V::kStride, rest + i * V::kStride);
  }
  // What stays out is (I - P) G (I - V V').
  for (int r = 0; r < V::kRank; ++r) {
    const S* b = w.b + w.order[r] * V::kStride;
    for (int i = 0; i < V::kShort; ++i) {
      S* row = rest + i * V::kStride;
      add_scaled(-dot(row, b, std::size_t(V::kLong)) / (w.size[r] * w.size[r]), b, V::kStride, row);
    }
  }
  for (int i = 0; i < V::kShort; ++i)
    for (int k = 0; k < V::kLong; ++k) direction[V::at(i, k)] -= rest[i * V::kStride + k];
  return Status::ok;
}

}  // namespace emmy::inline EMMY_TARGET
