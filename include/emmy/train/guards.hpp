// Guards beside the ledger, of what its charges and check sums do not see: outputs that changed before the loss, and memory of
// the rule that changed between steps. Both cost little and assume nothing of net or loss. docs/faults.md has what they find.
//
//   outputs   sum_o y[r, o] = sum_i x[r, i] C_i + C_b,   C the charges of Translation<last layer>: the ledger has them
//   memory    the sum of the words of the buffer, as integers: any flipped bit changes it
// Rounding bound of the first, w_r the unit roundoff, K inputs and N outputs of the layer:
//   w_r (2 K + 2 N + 16) (sum_i |x_i| sqrt(N) |W_i| + sqrt(N) |b|)
// Test: tests/cli/faults_test.cpp.
#pragma once

#include <cstdint>

#include <emmy/train/step.hpp>

namespace emmy {

// A loss that also tells the sum of the outputs of each row: `sums` has one a row of the batch.
template <class Loss, class S>
struct Summed : Loss {
  S* sums;
};

// The sum of the words of `count` numbers; of the same numbers the same.
template <class S>
EMMY_INLINE std::uint64_t word_sum(const S* values, int count) noexcept {
  std::uint64_t sum = 0;
  for (int i = 0; i < count; ++i) {
    if constexpr (sizeof(S) == 4) sum += __builtin_bit_cast(std::uint32_t, values[i]);
    else sum += __builtin_bit_cast(std::uint64_t, values[i]);
  }
  return sum;
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <int Rows, int Cols, class Loss, class Target, class T>
EMMY_INLINE T loss_and_delta(const Summed<Loss, T>& loss, const T* y, const Target* target, int rows, T scale,
                             T* dy) noexcept {
  for (int r = 0; r < Rows; ++r) loss.sums[r] = row_total<T, padded<T>(Cols)>(y + r * padded<T>(Cols));
  return loss_and_delta<Rows, Cols>(static_cast<const Loss&>(loss), y, target, rows, scale, dy);
}

// Behind a measured step with Summed: the worst difference of a row over its bound, above 1 a fault. For a last Dense
// on one position.
template <class Net, int Batch, class Rule, class Spec>
requires(Net::output::kPositions == 1) typename Net::scalar
    output_ratio(const Params<Net>& params, Buffers<Net>& buffers, Scratch<Net, Batch, Train<Rule>>& scratch,
                 const typename Net::scalar* x, const Ledger<Net, Spec>& ledger,
                 const typename Net::scalar* sums) noexcept {
  using S = typename Net::scalar;
  using N = node_at<Net, Net::kNodes - 1>;
  using Outputs = Translation<Layer<Net::kNodes - 1>>;
  const Memory<Net, Batch, true> m{const_cast<S*>(params.data), data_of(buffers), scratch.data, x};
  const auto f = m.template frame<Net::kNodes - 1>();
  const int first = Ledger<Net, Spec>::template first<Outputs>();
  const S* charge = ledger.units[PerUnit::before] + first;
  const S* size = ledger.units[PerUnit::size] + first;
  constexpr int kIn = N::in::kChannels, kOut = N::out::kChannels;
  S worst = 0;
  for (int r = 0; r < Batch; ++r) {
    S want = charge[kIn], scale = root(S(kOut) * size[kIn]);
    for (int i = 0; i < kIn; ++i) {
      const S value = f.x[r * decltype(f)::kInStride + i];
      want += value * charge[i];
      scale += magnitude(value) * root(S(kOut) * size[i]);
    }
    const S off = magnitude(sums[r] - want) / (kRoundoff<S> * S(2 * (kIn + kOut) + 16) * scale);
    if (!(off <= worst)) worst = off;  // NaN too
  }
  return worst;
}

}  // namespace emmy::inline EMMY_TARGET
