// Softmax and cross-entropy in one: L = mean over the batch of -sum_o t_o log softmax(y)_o.
#pragma once

#include <emmy/core/status.hpp>
#include <emmy/kernels/softmax.hpp>

namespace emmy {

// Targets: one label (int in [0, classes)) a row, or one soft target (classes scalars) a row. Delta: (p sum(t) - t) / n.
// Does not see a number added to all logits of a row (symmetry/translation.hpp). Error, before the factor 1/n: of delta
// (classes + 8) w_r (1 + sum(t)), of the loss (classes + 7 + n) w_r (1 + max |y|) (1 + sum(t)).
// Test: tests/losses/cross_entropy_test.cpp.
struct CrossEntropy {
  static constexpr bool kShiftInvariant = true;
};

// Are the labels of `rows` rows in range?
template <int Classes>
EMMY_INLINE Status check_targets(CrossEntropy, const int* labels, int rows) noexcept {
  for (int r = 0; r < rows; ++r)
    if (labels[r] < 0 || labels[r] >= Classes) return Status::bad_label;
  return Status::ok;
}
template <int Classes, class S>
EMMY_INLINE Status check_targets(CrossEntropy, const S*, int) noexcept {
  return Status::ok;  // whether they are finite shows in the loss
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// A one in lane `lane` of a vector, none where there is no such lane: to be subtracted from a vector, since one that is loaded
// after a scalar was stored in it waits for the store. Of a short row of Cols, whole vectors, every lane that can be asked for has a
// place.
template <class T, int Cols>
struct OneHot {
  static constexpr int kLanes = kLanesOf<T>;
  static constexpr bool kShort = Cols <= 4 * kLanes;
  static constexpr int kOne = kShort ? Cols : kLanes;
  T value[2 * kOne + 1];

  consteval OneHot() : value{} { value[kOne] = T(1); }
  EMMY_INLINE const T* at(int lane) const noexcept {
    if constexpr (kShort) return value + kOne - lane;
    else return value + kLanes - (lane < 0 ? -1 : lane > kLanes ? kLanes : lane);
  }
};
template <class T, int Cols>
inline constexpr OneHot<T, Cols> kOneHot{};

// (p - t) scale of `count` rows, of which those from `rows` on become 0, with maximum, sum and right logit of each.
template <int Cols, class T>
EMMY_INLINE void deltas_of_labels(const T* y, const int* labels, int count, int rows, T scale, T* dy, T* largest,
                                  T* sum, T* logit) noexcept {
  constexpr int kStride = padded<T>(Cols), kLanes = kLanesOf<T>;
  const auto weighted = [&](auto p, auto target) EMMY_LAMBDA { return scaled_by(scale, simd::sub(p, target)); };
  const int given = rows < count ? rows : count;
  int r = 0;
  if constexpr (kSoftmaxByLanes<T, Cols>)
    for (; r + kLanes <= given; r += kLanes) {
      T label[kLanes];
      for (int i = 0; i < kLanes; ++i) label[i] = T(labels[r + i]);
      const auto own = simd::load(static_cast<const T*>(label));
      const auto is_own = [&](int o) EMMY_LAMBDA { return simd::equal(own, simd::set(T(o))); };
      auto right = simd::zero<T>();
      softmax_rows<Cols>(
          y + r * kStride, dy + r * kStride, largest + r, sum + r,
          [&](int o, auto v) EMMY_LAMBDA { right = simd::select(is_own(o), v, right); },
          [&](int o, auto p)
              EMMY_LAMBDA { return weighted(p, simd::select(is_own(o), simd::set(T(1)), simd::zero<T>())); });
      simd::store(right, logit + r);
    }
  for (; r < given; ++r) {
    const int label = labels[r];
    logit[r] = y[r * kStride + label];
    const SoftmaxSum<T> row = softmax_row<Cols>(y + r * kStride, dy + r * kStride, [&](int o, auto p) EMMY_LAMBDA {
      return weighted(p, simd::load(kOneHot<T, covered<T, Cols>()>.at(label - o)));
    });
    sum[r] = row.sum;
    largest[r] = row.largest;
  }
  for (; r < count; ++r) {
    sum[r] = largest[r] = logit[r] = T(1);
    for (int o = 0; o < kStride; ++o) dy[r * kStride + o] = T(0);
  }
}

// dy may be y. y, dy: Rows padded rows of Cols logits; the first `rows` count, dy of the others becomes 0. scale = 1 / batch.
template <int Rows, int Cols, class T>
EMMY_INLINE T loss_and_delta(CrossEntropy, const T* y, const int* labels, int rows, T scale, T* dy) noexcept {
  constexpr int kStride = padded<T>(Cols);
  const int lanes = static_cast<int>(simd::lanes<T>());
  constexpr int kAtOnce = kRowsOfLog<T, Rows>;
  // Cortex-M waits for no store, and has flash to save.
  constexpr bool kInVectors = kLanesKnown<T> && !one_lane<T>() && simd::kRegisters >= 16;
  alignas(kAlign<T>) T sum[padded<T>(kAtOnce)] = {};
  T largest[kAtOnce], logit[kAtOnce], loss = T(-0.0);
  for (int first = 0; first < Rows; first += kAtOnce) {
    const int now = Rows - first < kAtOnce ? Rows - first : kAtOnce;
    if constexpr (kInVectors) {
      deltas_of_labels<Cols>(y + first * kStride, labels + first, now, rows - first, scale, dy + first * kStride,
                             largest, sum, logit);
    } else {
      for (int r = 0; r < now; ++r, y += kStride, dy += kStride) {
        if (first + r < rows) {
          const int label = labels[first + r];
          logit[r] = y[label];
          const SoftmaxSum<T> row = softmax_row<Cols>(y, dy);
          sum[r] = row.sum;
          largest[r] = row.largest;
          const T share = dy[label];
          if (scale != T(1))
            for (int o = 0; o < Cols; o += lanes) simd::store(simd::mul(simd::load(dy + o), simd::set(scale)), dy + o);
          dy[label] = (share - T(1)) * scale;
        } else {
          sum[r] = largest[r] = logit[r] = T(1);
          for (int o = 0; o < kStride; ++o) dy[o] = T(0);
        }
      }
    }
    log_sum_exp<kAtOnce>(largest, sum);
    for (int r = 0; r < now && first + r < rows; ++r) loss += sum[r] - logit[r];
  }
  return loss * scale;
}

template <int Rows, int Cols, class T>
EMMY_INLINE T loss_and_delta(CrossEntropy, const T* y, const T* target, int rows, T scale, T* dy) noexcept {
  constexpr int kStride = padded<T>(Cols);
  T loss = T(-0.0);
  for (int r = 0; r < Rows; ++r, y += kStride, dy += kStride, target += Cols) {
    if (r < rows) {
      T mass = 0, logits = 0;
      for (int o = 0; o < Cols; ++o) {
        mass += target[o];
        logits += target[o] * y[o];
      }
      loss += mass * log_sum_exp(softmax_row<Cols>(y, dy)) - logits;
      for (int o = 0; o < Cols; ++o) dy[o] = (dy[o] * mass - target[o]) * scale;
    } else {
      for (int o = 0; o < kStride; ++o) dy[o] = T(0);
    }
  }
  return loss * scale;
}

}  // namespace emmy::inline EMMY_TARGET
