// The update of one layer: its gradient tiles meet rule and ledger here. Nothing in this file can fail.
#pragma once

#include <utility>

#include <emmy/kernels/inspect.hpp>
#include <emmy/kernels/reduce.hpp>
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

// Factors on g for each block; without clipping 1.
template <class Net, bool Any = true>
struct Clips {
  typename Net::scalar block[kPlan<Net>.kBlocks];
  typename Net::scalar all;  // of a global clip
};
template <class Net>
struct Clips<Net, false> {
  struct Ones {
    EMMY_INLINE constexpr typename Net::scalar operator[](int) const noexcept { return 1; }
  };
  static constexpr Ones block{};
  static constexpr typename Net::scalar all = 1;
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
// How much larger than |theta| the effective weight can be, and the effective gradient's pullback than it: the other
// factors of a parametrised layer.
template <int Block, class Net, bool Memory>
EMMY_INLINE typename Net::scalar partner_of(const Largest<Net, Memory>& largest) noexcept {
  using S = typename Net::scalar;
  constexpr auto own = kPlan<Net>.block[Block];
  if constexpr (own.role != Role::factor) {
    return S(1);
  } else {
    S partner = 0, entries = 1;
    for (int b = kPlan<Net>.first_block[own.node]; b < kPlan<Net>.first_block[own.node + 1]; ++b) {
      const auto& other = kPlan<Net>.block[b];
      if (b == Block || other.role != Role::factor) continue;
      partner = larger(partner, largest.theta_of(b));
      entries = larger(entries, S(other.rows * other.cols) / S(own.rows * own.cols));
    }
    return partner * entries;
  }
}
}  // namespace inner

// One block in the sweep of its layer; Rows: samples times positions, 0 for a gradient that comes from elsewhere.
template <class Net, class Rule, class Led, bool Measuring, int Block, int Rows>
struct BlockSweep {
  using S = typename Net::scalar;
  static constexpr auto kBlock = kPlan<Net>.block[Block];
  static constexpr int kStride = kBlock.width;
  static constexpr Axis kAlongRows = kBlock.in_memory(Axis::row), kAlongColumns = kBlock.in_memory(Axis::column);
  using Moving = decltype(coefficients(plain_rule<Rule>{}, S(1)));
  using Coefficients = std::conditional_t<kBlock.trained, Moving, FrozenCoefficients<S>>;
  static constexpr bool kMemoryless = Coefficients::kMemoryless;
  static constexpr bool kPredicting = Measuring && kPredicts<Led>;

  // One sample, a layer x W + b, a rule without memory: the update is x (a0 dy)^T and a0 dy, measured or not. A column
  // takes a0 dy for x and x for dy.
  static constexpr bool kOuter = Rows == 1 && kMemoryless && kBlock.trained && kBlock.role != Role::factor &&
                                 kHasPlainWeights<typename node_at<Net, kBlock.node>::layer>;
  // Predicted, all that is wanted of its gradient are sums of squares, which |x| and |dy| tell.
  static constexpr bool kByNorms = kOuter && kPredicting && !EMMY_GRADIENT_HOOKED;
  static constexpr bool kByOuter = kOuter && Measuring && !kByNorms;
  template <Axis Line>
  static constexpr bool kWants = Measuring&& detail::Wants<Net, Led>::template kLine<Block, Line>;
  static constexpr bool kRows = kWants<kAlongRows> && !kByNorms, kColumns = kWants<kAlongColumns> && !kByNorms;
  // Factors bound each other's gradients, so their bounds must not drift away from them.
  static constexpr bool kTracks = kBlock.trained && kBlock.role == Role::factor;

  S* theta;
  S* buf = nullptr;
  Coefficients c{};
  BlockTerms<S> terms;
  S batch;
  Led& ledger;
  std::conditional_t<kTracks, SweepRange<S>, NoRange> range{};
  const S* x;
  S share = 0;  // of a column: a0 dy
  alignas(kAlign<S>) S v[kByOuter ? kStride : 1];
  Meter<S, kStride, kRows, kColumns, kMemoryless, kPredicting> meter{};

  // input and dy of the layer: read where kByOuter.
  EMMY_INLINE BlockSweep(Params<Net>& params, State<Net, Rule>& state, const Rule& rule,
                         const Clips<Net, Rule::kClips>& clips, Led& to, int samples, const S* input = nullptr,
                         const S* dy = nullptr) noexcept
      : theta(params.data + kBlock.offset), batch(S(samples)), ledger(to), x(input) {
    if constexpr (Rule::kHasMemory) buf = state.buf + kBlock.offset;
    if constexpr (kBlock.trained) c = coefficients(of_block(rule, Block), clips.block[Block]);
    const auto& base = reference(rule);
    terms = {c.k, c.a0, base.learning_rate * gradient_share(base) * clips.all, inner::partner_of<Block>(state.largest)};
    if constexpr (kByOuter) {
      const S* from = dy;
      S a0 = c.a0;
      if constexpr (kBlock.column) {
        from = with_pads<kBlock.rows, kPlan<Net>.tensor[node_at<Net, kBlock.node>::kFrom].stride>(input, v);
        share = c.a0 * dy[0];
        x = &share;
        a0 = S(1);
      }
      for (int o = 0; o < kStride; o += static_cast<int>(simd::lanes<S>()))
        simd::store(simd::mul(simd::set(a0), simd::load(from + o)), v + o);
    }
  }

  template <Axis Line>
  EMMY_INLINE void book(int unit, const Sums<S>& sums) noexcept {
    if constexpr (kPredicting) predict_line<Block, Line, kMemoryless>(ledger, unit, sums, terms);
    else book_line<Block, Line, kMemoryless>(ledger, unit, sums, terms, batch);
  }
  template <int M>
  EMMY_INLINE void rows(int row, const S* g) noexcept {
    S* memory = nullptr;
    if constexpr (!kMemoryless) memory = buf + row * kStride;
    const auto on_row = [&](int m, const Sums<S>& sums) EMMY_LAMBDA {
      if constexpr (kRows) book<kAlongRows>(row + m, sums);
    };
    constexpr bool kFactor = kBlock.role == Role::factor;
    static constexpr S kOne = 1;
    if constexpr (kByOuter)
      sweep_rows<kStride, M, kFactor>(c, theta + row * kStride, memory, g, meter, range, on_row,
                                      Outer<S>{kBlock.role == Role::bias ? &kOne : x + row, v});
    else sweep_rows<kStride, M, kFactor>(c, theta + row * kStride, memory, g, meter, range, on_row);
  }
  // |g|^2 of every line of x dy^T, from the squares of x (1 for a bias) and dy and their sums.
  EMMY_INLINE void book_norms(const S* input, const S* dy, S input_squares, S dy_squares) noexcept {
    constexpr bool kBias = kBlock.role == Role::bias;
    Sums<S> sums{};
    if constexpr (kWants<Axis::row>)
      for (int i = 0; i < kBlock.rows; ++i) {
        sums.gg = (kBias ? S(1) : input[i] * input[i]) * dy_squares;
        book<Axis::row>(i, sums);
      }
    if constexpr (kWants<Axis::column>)
      for (int o = 0; o < kBlock.cols; ++o) {
        sums.gg = dy[o] * dy[o] * (kBias ? S(1) : input_squares);
        book<Axis::column>(o, sums);
      }
  }
  EMMY_INLINE void finish(Largest<Net, Rule::kHasMemory>& largest) noexcept {
    if constexpr (kColumns)
      for (int o = 0; o < (kBlock.column ? kBlock.rows : kBlock.cols); ++o)
        book<kAlongColumns>(o, column_sums(meter, o));
    if constexpr (kTracks) largest.assign(Block, range.theta, range.memory);
  }
};

// What the rows of a weight gradient must add up to (see check_row).
template <class Net, int I, int Batch>
struct ExpectedRows {
  using S = typename Net::scalar;
  using N = node_at<Net, I>;
  static constexpr int kIn = N::in::kChannels;
  alignas(kAlign<S>) S row[padded<S>(kIn)];
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
        const auto x = load_part<kIn, F::kInStride>(f.x + r * F::kInStride, c);
        simd::store(simd::mul_add(simd::set(d), x, simd::load(row + c)), row + c);
      }
    }
  }
};
// The same of a column: what all of it must add up to.
template <class Net, int I, int Batch>
struct ExpectedColumn {
  using S = typename Net::scalar;
  S sum = 0, total = 0;

  EMMY_INLINE explicit ExpectedColumn(const frame_of<Net, I, Batch>& f) noexcept {
    using F = frame_of<Net, I, Batch>;
    for (int r = 0; r < F::kOutRows; ++r) {
      auto v = simd::zero<S>();
      for (int c = 0; c < F::kIn; c += static_cast<int>(simd::lanes<S>()))
        v = simd::add(v, load_part<F::kIn, F::kInStride>(f.x + r * F::kInStride, c));
      const S d = f.dy[r * F::kOutStride];
      sum += d * simd::sum(v);
      total += d;
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
struct LayerSweep : BlockSweep<Net, Rule, Led, Measuring, Block, Batch * node_at<Net, I>::in::kPositions>... {
  using S = typename Net::scalar;
  using N = node_at<Net, I>;
  static constexpr int kFirst = kPlan<Net>.first_block[I];
  template <int B>
  using At = BlockSweep<Net, Rule, Led, Measuring, B, Batch * N::in::kPositions>;
  static constexpr bool kColumn = kPlan<Net>.block[kFirst].column, kChecks = Measuring && !kPredicts<Led>;
  using Sums = std::conditional_t<kColumn, ExpectedColumn<Net, I, Batch>, ExpectedRows<Net, I, Batch>>;
  using Expected = std::conditional_t<kChecks, Sums, NothingExpected>;

  static constexpr int kPad = padded<S>(N::out::kChannels), kSamples = Batch * N::in::kPositions;

  Led& checks;
  Expected expected;

  // Rounding of both sides of a check sum, for one unit of activity.
  EMMY_INLINE S check_scale(int summands = kPad) const noexcept {
    return kRoundoff<S> * S(2 * (kSamples + summands) + 16) * checks.delta[kPlan<Net>.tensor[I + 1].root].row_sum;
  }

  EMMY_INLINE LayerSweep(Params<Net>& params, State<Net, Rule>& state, const Rule& rule,
                         const Clips<Net, Rule::kClips>& clips, Led& to, const frame_of<Net, I, Batch>& f) noexcept
      : At<Block>(params, state, rule, clips, to, Batch, f.x, f.dy)..., checks(to), expected(f) {}

  // Weights and, where the layer has them, biases of one sample, without a gradient.
  EMMY_INLINE void outer(const S* input, const S* delta) noexcept
      requires((!Measuring || (At<Block>::kByNorms && ...)) && (At<Block>::kOuter && ...) && !EMMY_GRADIENT_HOOKED) {
    auto& weight = static_cast<At<kFirst>&>(*this);
    S* bias = nullptr;
    if constexpr (sizeof...(Block) == 2) {
      auto& own = static_cast<At<kFirst + 1>&>(*this);
      if constexpr (!kColumn && !detail::kRatesByBlock<Rule> && !kClipsByTensor<Rule>) bias = own.theta;
      else sweep_outer<N::out::kChannels>(own.c.k, own.c.a0, own.theta, 0, input, delta, own.theta);
    }
    constexpr int kIn = N::in::kChannels;
    if constexpr (kColumn) {
      alignas(kAlign<S>) S work[padded<S>(kIn)];
      const S* row = with_pads<kIn, kPlan<Net>.tensor[N::kFrom].stride>(input, work);
      const S step = weight.c.a0 * delta[0];
      sweep_outer<kIn>(weight.c.k, S(1), weight.theta, 1, &step, row, bias);
    } else {
      sweep_outer<N::out::kChannels, kIn % kPanelRows != 0>(weight.c.k, weight.c.a0, weight.theta, kIn, input, delta,
                                                            bias);
    }
    if constexpr (Measuring) {
      Inspection<S> of_input, of_delta;
      inspect<1, kIn, kPlan<Net>.tensor[N::kFrom].stride, false>(input, static_cast<S*>(nullptr), of_input);
      inspect<1, N::out::kChannels, kPad, false>(delta, static_cast<S*>(nullptr), of_delta);
      (At<Block>::book_norms(input, delta, of_input.squares, of_delta.squares), ...);
    }
  }

  // One vector of the weight gradient, without the gradient's rows.
  template <class V>
  EMMY_INLINE void vector(int row, int col, V g) noexcept
      requires(!Measuring && kPlan<Net>.block[kFirst].role == Role::weight && kPlan<Net>.block[kFirst].trained &&
               !EMMY_GRADIENT_HOOKED) {
    auto& weight = static_cast<At<kFirst>&>(*this);
    const int at = row * kPlan<Net>.block[kFirst].width + col;
    S* memory = nullptr;
    if constexpr (Rule::kHasMemory) memory = weight.buf + at;
    sweep_vector(weight.c, weight.theta + at, memory, g);
  }

  template <int Local, int M, class G>
  EMMY_INLINE void rows(int row, std::integral_constant<int, M>, const G* g) noexcept {
    static_cast<At<kFirst + Local>&>(*this).template rows<M>(row, g);
  }
  template <int M, class G>
  EMMY_INLINE void check(int row, std::integral_constant<int, M>, const G* g) noexcept {
    if constexpr (kChecks && kColumn) {
      constexpr int kIn = N::in::kChannels;
      S activity = 0;
      for (int i = 0; i < kIn; ++i) activity += checks.act_abs[kActivity<Net, kPlan<Net>.tensor[N::kFrom].root> + i];
      check_row(checks, row_total<S, padded<S>(kIn)>(g), expected.sum, check_scale(padded<S>(kIn)) * activity);
    } else if constexpr (kChecks) {
      constexpr int kIn = kPlan<Net>.tensor[N::kFrom].root;
      for (int m = 0; m < M; ++m)
        check_row(checks, row_total<S, kPad>(g + m * kPad), expected.row[row + m],
                  check_scale() * checks.act_abs[kActivity<Net, kIn> + row + m]);
    }
  }
  template <class G>
  EMMY_INLINE void check_bias(const G* g) noexcept {
    if constexpr (kChecks) check_row(checks, row_total<S, kPad>(g), expected.total, check_scale() * S(kSamples));
  }
  EMMY_INLINE void finish(Largest<Net, Rule::kHasMemory>& largest) noexcept { (At<Block>::finish(largest), ...); }
};

// A norm: sum of squares, for all blocks together or each by itself.
template <class Net, int First>
struct NormVisitor {
  using S = typename Net::scalar;
  S* squares;  // one a block of the net

  template <int Local, int M, class G>
  EMMY_INLINE void rows(int, std::integral_constant<int, M>, const G* g) noexcept {
    constexpr int kCount = M * kPlan<Net>.block[First + Local].width;
    if constexpr (simd::kStrict) {
      squares[First + Local] = ordered_dot(g, g, kCount, squares[First + Local]);
    } else {
      auto v = simd::zero<S>();
      for (int at = 0; at < kCount; at += static_cast<int>(simd::lanes<S>()))
        v = simd::mul_add(simd::load(g + at), simd::load(g + at), v);
      squares[First + Local] += simd::sum(v);
    }
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
    S* to = gradient + kBlock.offset + row * kBlock.width;
    for (int at = 0; at < M * kBlock.width; at += static_cast<int>(simd::lanes<S>())) {
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
