// The update of one layer: its gradient tiles meet rule and ledger here. Nothing in this file can fail.
#pragma once

#include <utility>

#include <emmy/kernels/inspect.hpp>
#include <emmy/kernels/update_sweep.hpp>
#include <emmy/noether/booking.hpp>
#include <emmy/noether/predict.hpp>
#include <emmy/optim/momentum.hpp>
#include <emmy/optim/sgd.hpp>
#include <emmy/train/passes.hpp>
#include <emmy/train/per_block.hpp>

namespace emmy {
namespace detail {

template <class Net, class Spec>
consteval bool line_is_watched(int block, Axis line) {
  const auto& table = kCharges<Net, Spec>;
  for (int c = 0; c < table.kCharges; ++c)
    for (int p = 0; p < table.charge[c].parts; ++p)
      if (table.charge[c].part[p].block == block && table.charge[c].part[p].axis == line) return true;
  return false;
}

// Which lines of a block the ledger of this type wants.
template <class Net, class Led>
struct Wants {
  template <int Block, Axis Line>
  static constexpr bool kLine = false;
};
template <class Net, class Spec, class Mode>
struct Wants<Net, Ledger<Net, Spec, Mode>> {
  template <int Block, Axis Line>
  static constexpr bool kLine = line_is_watched<Net, Spec>(Block, Line);
};

}  // namespace detail
}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// One block in the sweep of its layer.
template <class Net, class Rule, class Led, bool Measuring, int Block>
struct BlockSweep {
  using S = typename Net::scalar;
  static constexpr int kIndex = Block;
  static constexpr auto kBlock = kPlan<Net>.block[Block];
  static constexpr int kStride = kBlock.stride;
  using Moving = decltype(coefficients(plain_rule<Rule>{}, S(1)));
  using Coefficients = std::conditional_t<kBlock.trained, Moving, FrozenCoefficients<S>>;
  static constexpr bool kMemoryless = Coefficients::kMemoryless;
  static constexpr bool kPredicting = Measuring && kPredicts<Led>;
  static constexpr bool kRows = Measuring && detail::Wants<Net, Led>::template kLine<Block, Axis::row>;
  static constexpr bool kColumns = Measuring && detail::Wants<Net, Led>::template kLine<Block, Axis::column>;

  S* theta;
  S* buf;
  Coefficients c;
  BlockTerms<S> terms;
  S batch;
  Led& ledger;
  SweepRange<S> range{};
  Meter<S, kStride, kRows, kColumns, kMemoryless, kPredicting> meter{};

  template <Axis Line>
  EMMY_INLINE void book(int unit, const Sums<S>& sums) noexcept {
    if constexpr (kPredicting) predict_line<Block, Line, kMemoryless>(ledger, unit, sums, terms);
    else book_line<Block, Line, kMemoryless>(ledger, unit, sums, terms, batch);
  }
  template <int M>
  EMMY_INLINE void rows(int row, const S* g) noexcept {
    S* memory = nullptr;
    if constexpr (!kMemoryless) memory = buf + row * kStride;
    sweep_rows<kStride, M, kBlock.role == Role::factor>(c, theta + row * kStride, memory, g, meter, range,
                                                        [&](int m, const Sums<S>& sums) EMMY_LAMBDA {
                                                          if constexpr (kRows) book<Axis::row>(row + m, sums);
                                                        });
  }
  EMMY_INLINE void finish(Largest<Net>& largest) noexcept {
    if constexpr (kColumns)
      for (int o = 0; o < kBlock.cols; ++o) book<Axis::column>(o, column_sums(meter, o));
    if constexpr (kBlock.trained) {
      largest.theta[Block] = range.theta;
      largest.memory[Block] = range.memory;
    }
  }
};

// What the rows of a weight gradient must add up to (see check_row).
template <class Net, int I, int Batch>
struct ExpectedRows {
  using S = typename Net::scalar;
  using N = node_at<Net, I>;
  static constexpr int kIn = N::in::kChannels;
  alignas(kPadBytes) S row[padded<S>(kIn)];
  S total;

  EMMY_INLINE explicit ExpectedRows(const frame_of<Net, I, Batch>& f) noexcept {
    using F = frame_of<Net, I, Batch>;
    const int lanes = static_cast<int>(simd::lanes<S>());
    for (int c = 0; c < kIn; c += lanes) simd::store(simd::zero<S>(), row + c);
    total = 0;
    for (int r = 0; r < F::kOutRows; ++r) {
      auto v = simd::load(f.dy + r * F::kOutStride);
      for (int o = lanes; o < F::kOutStride; o += lanes) v = simd::add(v, simd::load(f.dy + r * F::kOutStride + o));
      const S d = simd::sum(v);
      total += d;
      for (int c = 0; c < kIn; c += lanes) {
        const S* at = f.x + r * F::kInStride + c;
        const auto x = F::kInStride == padded<S>(kIn) || c + lanes <= kIn
                           ? simd::load(at)
                           : simd::load_first(at, static_cast<std::size_t>(kIn - c));
        simd::store(simd::mul_add(simd::set(d), x, simd::load(row + c)), row + c);
      }
    }
  }
};
struct NothingExpected {
  template <class F>
  EMMY_INLINE explicit NothingExpected(const F&) noexcept {}
};

template <class T, int Count>
EMMY_INLINE T row_total(const T* p) noexcept {
  auto v = simd::load(p);
  for (int o = static_cast<int>(simd::lanes<T>()); o < Count; o += static_cast<int>(simd::lanes<T>()))
    v = simd::add(v, simd::load(p + o));
  return simd::sum(v);
}

// The visitor that a layer's `gradients` calls in phase B.
template <class Net, class Rule, class Led, bool Measuring, int I, int Batch, int... Block>
struct LayerSweep : BlockSweep<Net, Rule, Led, Measuring, Block>... {
  using S = typename Net::scalar;
  using N = node_at<Net, I>;
  static constexpr int kFirst = kPlan<Net>.first_block[I];
  template <int B>
  using At = BlockSweep<Net, Rule, Led, Measuring, B>;
  using Expected = std::conditional_t<Measuring && !kPredicts<Led>, ExpectedRows<Net, I, Batch>, NothingExpected>;

  static constexpr int kPad = padded<S>(N::out::kChannels), kSamples = Batch * N::in::kPositions;

  Led& checks;
  Expected expected;

  // Rounding of both sides of a check sum, for one unit of activity.
  EMMY_INLINE S check_scale() const noexcept {
    return kRoundoff<S> * S(2 * (kSamples + kPad) + 16) * checks.delta[kPlan<Net>.tensor[I + 1].root].row_sum;
  }

  EMMY_INLINE LayerSweep(Led& to, const frame_of<Net, I, Batch>& f, const At<Block>&... sweeps) noexcept
      : At<Block>(sweeps)..., checks(to), expected(f) {}

  template <int Local, int M, class G>
  EMMY_INLINE void rows(int row, std::integral_constant<int, M>, const G* g) noexcept {
    static_cast<At<kFirst + Local>&>(*this).template rows<M>(row, g);
  }
  template <int M, class G>
  EMMY_INLINE void check(int row, std::integral_constant<int, M>, const G* g) noexcept {
    if constexpr (Measuring && !kPredicts<Led>) {
      constexpr int kIn = kPlan<Net>.tensor[N::kFrom].root;
      for (int m = 0; m < M; ++m)
        check_row(checks, row_total<S, kPad>(g + m * kPad), expected.row[row + m],
                  check_scale() * checks.act_abs[kActivity<Net, kIn> + row + m]);
    }
  }
  template <class G>
  EMMY_INLINE void check_bias(const G* g) noexcept {
    if constexpr (Measuring && !kPredicts<Led>)
      check_row(checks, row_total<S, kPad>(g), expected.total, check_scale() * S(kSamples));
  }
  EMMY_INLINE void finish(Largest<Net>& largest) noexcept { (At<Block>::finish(largest), ...); }
};

// A norm: sum of squares, for all blocks together or each by itself.
template <class Net, int First>
struct NormVisitor {
  using S = typename Net::scalar;
  S* squares;  // one a block of the net

  template <int Local, int M, class G>
  EMMY_INLINE void rows(int, std::integral_constant<int, M>, const G* g) noexcept {
    constexpr int kCount = M * kPlan<Net>.block[First + Local].stride;
    auto v = simd::zero<S>();
    for (int at = 0; at < kCount; at += static_cast<int>(simd::lanes<S>()))
      v = simd::mul_add(simd::load(g + at), simd::load(g + at), v);
    squares[First + Local] += simd::sum(v);
  }
  template <class M, class G>
  EMMY_INLINE void check(int, M, const G*) noexcept {}
  template <class G>
  EMMY_INLINE void check_bias(const G*) noexcept {}
};

// Stores the gradient, or adds it to what is there.
template <class Net, int First, bool Accumulate>
struct StoreVisitor {
  using S = typename Net::scalar;
  S* gradient;

  template <int Local, int M, class G>
  EMMY_INLINE void rows(int row, std::integral_constant<int, M>, const G* g) noexcept {
    constexpr auto kBlock = kPlan<Net>.block[First + Local];
    S* to = gradient + kBlock.offset + row * kBlock.stride;
    for (int at = 0; at < M * kBlock.stride; at += static_cast<int>(simd::lanes<S>())) {
      auto v = simd::load(g + at);
      if constexpr (Accumulate) v = simd::add(v, simd::load(to + at));
      simd::store(v, to + at);
    }
  }
  template <class M, class G>
  EMMY_INLINE void check(int, M, const G*) noexcept {}
  template <class G>
  EMMY_INLINE void check_bias(const G*) noexcept {}
};

}  // namespace emmy::inline EMMY_TARGET
