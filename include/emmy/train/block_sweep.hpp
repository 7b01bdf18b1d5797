// One block in the update sweep of its layer: the coefficients of its rule, the meter that its ledger wants, and the booking of
// what was summed. Nothing in this file can fail.
#pragma once

#include <utility>

#include <emmy/kernels/outer_sweep.hpp>
#include <emmy/kernels/reduce.hpp>
#include <emmy/noether/booking.hpp>
#include <emmy/noether/law.hpp>
#include <emmy/optim/momentum.hpp>
#include <emmy/optim/sgd.hpp>
#include <emmy/train/passes.hpp>
#include <emmy/train/per_block.hpp>
#include <emmy/train/second_moments.hpp>

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

// Is a bias in every charge what one more row of the weights before it would be, and has no row a charge?
template <class Net, class Spec>
consteval bool is_like_row(int bias) {
  const auto& block = kPlan<Net>.block;
  if (block[bias].role != Role::bias || bias == 0 || block[bias - 1].node != block[bias].node ||
      block[bias - 1].role != Role::weight || block[bias - 1].turned || block[bias].turned || !block[bias - 1].trained)
    return false;
  for (const Charge& charge : kCharges<Net, Spec>.charge) {
    int own = 0, above = 0, alike = 0;
    for (int p = 0; p < charge.parts; ++p) {
      ChargePart part = charge.part[p];
      if (part.block == bias) ++own;
      if (part.block != bias - 1) continue;
      ++above;
      part.block = bias;
      for (int q = 0; q < charge.parts; ++q) alike += part == charge.part[q] && part.axis == Axis::column;
    }
    if (own > 1 || own != above || own != alike) return false;
  }
  return true;
}
template <class Net, class Led, int Block>
inline constexpr bool kIsLikeRow = false;
template <class Net, class Spec, class Mode, int Block>
inline constexpr bool kIsLikeRow<Net, Ledger<Net, Spec, Mode>, Block> = is_like_row<Net, Spec>(Block);

// Has a line of the block a linear charge?
template <class Net, class Led, int Block>
inline constexpr bool kHasLinear = false;
template <class Net, class Spec, class Mode, int Block>
inline constexpr bool kHasLinear<Net, Ledger<Net, Spec, Mode>, Block> = [] {
  for (const Charge& charge : kCharges<Net, Spec>.charge)
    for (int p = 0; p < charge.parts; ++p)
      if (charge.power == 1 && charge.part[p].block == Block) return true;
  return false;
}();

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

namespace inner {
// u0 = a0 g of a block that follows the reference rates.
template <class Net, class Rule>
EMMY_INLINE typename Net::scalar reference_share(const Rule& rule, const Clips<Net, Rule::kClips>& clips) noexcept {
  const auto& base = reference(rule);
  return base.learning_rate * gradient_share(base) * clips.all;
}

// f(constant<I>, the number of what it does not see) for every layer that does not see the scale of its input.
template <class Net, class F>
EMMY_INLINE void for_invariant_nodes(F&& f) noexcept {
  [&]<int... I>(std::integer_sequence<int, I...>) EMMY_LAMBDA {
    const auto one = [&]<int Node>(std::integral_constant<int, Node> node) EMMY_LAMBDA {
      if constexpr (kInvariants<Net, Node> != kInvariants<Net, Node + 1>) f(node, kInvariants<Net, Node>);
    };
    (one(std::integral_constant<int, I>{}), ...);
  }
  (std::make_integer_sequence<int, Net::kNodes>{});
}

// What such a layer tells, a number each or, by unit, so many.
template <class Net, int I, class Memory, class S>
EMMY_INLINE void tell_invariance(const Memory& m, S* along, S* along_error, S* across_error) noexcept {
  using L = typename node_at<Net, I>::layer;
  if constexpr (kIsUnitInvariant<L>) {
    invariances(L{}, m.template frame<I>(), along, along_error, across_error);
  } else {
    const Invariance<S> all = invariance(L{}, m.template frame<I>());
    *along = all.along, *along_error = all.along_error, *across_error = all.across_error;
  }
}

// How much larger than |theta| the effective weight can be, and the effective gradient's pullback than it: the other
// factors of a parametrised layer.
template <int Block, class Net, bool Memory>
EMMY_INLINE typename Net::scalar partner_of(const Largest<Net, Memory>& largest) noexcept {
  using S = typename Net::scalar;
  constexpr auto own = kPlan<Net>.block[Block];
  using L = typename node_at<Net, own.node>::layer;
  constexpr int kFirst = kPlan<Net>.first_block[own.node];
  using Local = std::integral_constant<int, Block - kFirst>;
  if constexpr (own.role != Role::factor) {
    return S(kAmplificationOf<L>);
  } else if constexpr (requires { steepest(L{}, Local{}, S(1)); }) {
    return steepest(L{}, Local{}, largest.theta_of(kFirst));
  } else {
    S partner = 0, entries = 1, product = 1;
    for (int b = kFirst; b < kPlan<Net>.first_block[own.node + 1]; ++b) {
      const auto& other = kPlan<Net>.block[b];
      if ((b == Block && !kIsSquared<L>) || other.role != Role::factor) continue;
      partner = larger(partner, largest.theta_of(b));
      product *= largest.theta_of(b);
      entries = larger(entries, S(other.rows * other.cols) / S(own.rows * own.cols));
    }
    return kIsMultiplied<L> ? product : partner * entries;
  }
}

// The numbers that a rule's sweep of one block needs, those of its state with them.
template <int Block, class Net, class Rule, class Shared>
EMMY_INLINE auto block_coefficients(const Rule& rule, typename Net::scalar clip,
                                    [[maybe_unused]] const Params<Net>& params,
                                    [[maybe_unused]] State<Net, Rule>& state,
                                    [[maybe_unused]] Shared& shared) noexcept {
  auto c = coefficients(of_block(rule, Block), clip);
  if constexpr (kSecondMoments<Rule> == 0) return c;
  else return with_state<Block>(c, params, state, shared);
}
template <class Net, class Rule, int Block>
using coefficients_of = decltype(block_coefficients<Block>(
    std::declval<const Rule&>(), typename Net::scalar(1), std::declval<const Params<Net>&>(),
    std::declval<State<Net, Rule>&>(), std::declval<SharedLines<Net, Rule, Block>&>()));
// Are the numbers of all blocks plain ones (optim/momentum.hpp)?
template <class Net, class Rule, int... Block>
EMMY_INLINE bool are_plain(const Rule& rule, const Clips<Net, Rule::kClips>& clips,
                           std::integer_sequence<int, Block...>) noexcept {
  return (is_plain(coefficients(of_block(rule, Block), clips.block[Block])) && ...);
}
}  // namespace inner

// One block in the sweep of its layer; Rows: samples times positions, 0 for a gradient that comes from elsewhere. Plain: are
// the numbers of its rule?
template <class Net, class Rule, class Led, bool Measuring, int Block, int Rows, bool Plain = false>
struct BlockSweep {
  using S = typename Net::scalar;
  static constexpr auto kBlock = kPlan<Net>.block[Block];
  static constexpr int kStride = kBlock.width;
  static constexpr Axis kAlongRows = kBlock.in_memory(Axis::row), kAlongColumns = kBlock.in_memory(Axis::column);
  EMMY_INLINE static auto made_plain(const inner::coefficients_of<Net, Rule, Block>& c) noexcept {
    if constexpr (Plain) return plain(c);
    else return c;
  }
  using Moving = decltype(made_plain(std::declval<inner::coefficients_of<Net, Rule, Block>>()));
  using Coefficients = std::conditional_t<kBlock.trained, Moving, FrozenCoefficients<S>>;
  static constexpr Motion kMotion = Coefficients::kMotion;
  static constexpr bool kMemoryless = kMotion == Motion::plain;
  static constexpr bool kSplits = kPreconditioned<Rule> && kBlock.trained;
  static constexpr bool kPredicting = Measuring && kPredicts<Led>, kLawful = Measuring && kFollowsLaw<Led>;

  // One sample, a layer x W + b: the gradient is x dy^T and dy. Without memory the update is x (a0 dy)^T and a0 dy,
  // measured or not. A column takes dy for x and x for dy.
  static constexpr bool kOuter = Rows == 1 && (kMemoryless || (!Measuring && Coefficients::kBuffered)) &&
                                 kBlock.trained && kBlock.role != Role::factor &&
                                 kHasPlainWeights<typename node_at<Net, kBlock.node>::layer> &&
                                 !kIsWindowed<typename node_at<Net, kBlock.node>::layer> && !EMMY_GRADIENT_HOOKED;
  // Predicted, all that is wanted of its gradient are sums of squares, which |x| and |dy| tell.
  static constexpr bool kByNorms = kOuter && kPredicting;
  static constexpr bool kByOuter = kOuter && Measuring && !kLawful;
  template <Axis Line>
  static constexpr bool kWants = Measuring&& detail::Wants<Net, Led>::template kLine<Block, Line>;
  // A bias that is booked as one more row of the weights before it.
  static constexpr bool kCountsAsRow = kLawful && Rows > 1 && !detail::kRatesByBlock<Rule> && !kClipsByTensor<Rule> &&
                                       detail::kIsLikeRow<Net, Led, Block>;
  static constexpr bool kRows = kWants<kAlongRows> && !kByNorms,
                        kColumns = kWants<kAlongColumns> && !kByNorms && !kCountsAsRow;
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
  S steps[kByOuter && kBlock.turned ? kBlock.cols : 1] = {};  // of columns: a0 dy
  alignas(kAlign<S>) S v[kByOuter ? kStride : 1];
  // Row sums are kept until a vector of them can be booked, all of them; where lanes are one, each row is.
  static constexpr int kKept = !kRows ? 0 : one_lane<S>() && !(kOuter && kLawful) ? 1 : kBlock.lines;
  // Of a line without linear charges the sum of the weights is of no use.
  static constexpr Sums kSums = !kLawful                              ? Sums::all
                                : kPredicting                         ? Sums::law
                                : detail::kHasLinear<Net, Led, Block> ? Sums::squares_and_sums
                                                                      : Sums::squares;
  using Sum = Meter<S, kStride, kKept, kColumns, kMotion, kSums, kSplits && !kLawful, kLawful && kReadsCharges<Led>>;
  // A gradient that comes in tiles that are taken while they are in registers.
  static constexpr bool kTakesTiles = kSumsBesideTiles<S> && kLawful && kColumns && !kRows && !kTracks && !kOuter &&
                                      kMotion != Motion::general && kBlock.role == Role::weight &&
                                      kIsDense<typename node_at<Net, kBlock.node>::layer>;
  static constexpr bool kSets = (kOuter && kLawful && !kPredicting) || kTakesTiles;  // the first of them sets the sums
  Sum meter{kSets};
  [[no_unique_address]] inner::SharedLines<Net, Rule, Block> shared;

  // input and dy of the layer: read where kByOuter.
  EMMY_INLINE BlockSweep(Params<Net>& params, State<Net, Rule>& state, const Rule& rule,
                         const Clips<Net, Rule::kClips>& clips, Led& to, int samples, const S* input = nullptr,
                         const S* dy = nullptr) noexcept
      : theta(params.data + kBlock.offset), batch(S(samples)), ledger(to), x(input) {
    if constexpr (Rule::kHasMemory) buf = state.buf + kBlock.offset;
    if constexpr (kBlock.trained)
      c = made_plain(inner::block_coefficients<Block>(rule, clips.block[Block], params, state, shared));
    terms = {c.k, c.a0, inner::reference_share<Net>(rule, clips), inner::partner_of<Block>(state.largest)};
    if constexpr (kByOuter) {
      const S* from = dy;
      S a0 = c.a0;
      if constexpr (kBlock.turned) {
        from = with_pads<kBlock.rows, kPlan<Net>.tensor[node_at<Net, kBlock.node>::kFrom].stride>(input, v);
        for (int o = 0; o < kBlock.cols; ++o) steps[o] = c.a0 * dy[o];
        x = steps;
        a0 = S(1);
      }
      scaled(a0, from, kStride, v);
    }
  }

  // `count` lines from `unit` on, their sums `stride` apart, zero up to a whole vector.
  template <Axis Line>
  EMMY_INLINE void book(int unit, int count, const S* sums, int stride) noexcept {
    if constexpr (kLawful) book_by_law<Block, Line, Sum>(ledger, unit, count, sums, stride, terms);
    else book_lines<Block, Line, kMotion, kSplits>(ledger, unit, count, sums, stride, terms, batch);
  }
  EMMY_INLINE int kept(int row) const noexcept { return kKept > 1 ? row : 0; }
  EMMY_INLINE void book_rows(int row, int count) noexcept {
    if constexpr (kRows) book<kAlongRows>(row, count, meter.row[0], meter.kKept);
  }
  template <int M>
  EMMY_INLINE void rows(int row, const S* g) noexcept {
    if constexpr (kSets)
      if (row == 0) meter = Sum{};  // a layer whose gradients are neither
    if constexpr (kKept == 1 && M > 1)
      for (int m = 0; m < M; ++m) rows<1>(row + m, g + m * kStride);
    else rows_into<M>(meter, row, g);
  }
  template <int M, class To>
  EMMY_INLINE void rows_into(To& to, int row, const S* g) noexcept {
    S* memory = nullptr;
    if constexpr (Coefficients::kBuffered) memory = buf + row * kStride;
    constexpr bool kFactor = kBlock.role == Role::factor;
    static constexpr S kOne = 1;
    const auto sweep = [&](auto... outer) EMMY_LAMBDA {
      sweep_rows<kStride, M, kFactor>(c, theta + row * kStride, memory, g, to, kept(row), range, outer...);
    };
    if constexpr (kByOuter) sweep(Outer<S>{kBlock.role == Role::bias ? &kOne : x + row, v});
    else sweep();
    if constexpr (kKept == 1) book_rows(row, 1);
  }
  template <int M, int N, class... V>
  EMMY_INLINE void tile(int row, int col, const V&... g) noexcept {
    S* memory = nullptr;
    const int at = row * kStride + col;
    if constexpr (Coefficients::kBuffered) memory = buf + at;
    sweep_tile<kStride, M, N>(c, theta + at, memory, meter, row == 0, col, g...);
  }
  // A weight matrix whose gradient is x dy^T.
  EMMY_INLINE void measure(const SummedRow<S>& input, const SummedRow<S>& dy) noexcept {
    if constexpr (kRows || kColumns)
      measure_outer<kBlock.rows, kBlock.cols>(
          c.k, theta, input, dy, v, meter, [&](int row) EMMY_LAMBDA { return kept(row); },
          [&](int row) EMMY_LAMBDA {
            if constexpr (kKept == 1) book_rows(row, 1);
          });
    else sweep_outer<kBlock.cols, kBlock.rows>(c.k, c.a0, theta, input.p, dy.p, static_cast<S*>(nullptr));
  }
  // |g|^2 of every line of x dy^T, from the squares of x (1 for a bias) and dy and their sums.
  EMMY_INLINE void book_norms(const S* input, const S* dy, S input_squares, S dy_squares) noexcept {
    constexpr bool kBias = kBlock.role == Role::bias;
    const int lanes = static_cast<int>(simd::lanes<S>());
    const auto squares = [&](auto line, const S* p, int count, S other) EMMY_LAMBDA {
      alignas(kAlign<S>) S gg[padded<S>(1)];
      for (int i = 0; i < count; i += lanes) {
        const auto value = load_units(p + i, count - i);
        simd::store(simd::mul(simd::mul(value, value), simd::set(other)), gg);
        book<decltype(line)::value>(i, count - i < lanes ? count - i : lanes, gg, 0);
      }
    };
    static constexpr S kOne = 1;
    if constexpr (kWants<Axis::row>)
      squares(std::integral_constant<Axis, Axis::row>{}, kBias ? &kOne : input, kBlock.rows, dy_squares);
    if constexpr (kWants<Axis::column>)
      squares(std::integral_constant<Axis, Axis::column>{}, dy, kBlock.cols, kBias ? S(1) : input_squares);
  }
  EMMY_INLINE void finish(Largest<Net, Rule::kHasMemory>& largest) noexcept {
    if constexpr (kKept > 1) book_rows(0, kKept);
    if constexpr (kColumns) book<kAlongColumns>(0, kBlock.line_length(), meter.column[0], kStride);
    if constexpr (kLawful && !kPredicting) ledger.slack.partner[Block] = terms.partner;
    if constexpr (kTracks) largest.assign(Block, range.theta, range.memory);
  }
  // theta of one sample, measured behind the step: input and dy as the block's rows in memory see them, whose squares are those of
  // the gradient; the motion is `motion` times a0 dy.
  template <int Lines>
  EMMY_INLINE void outer_by_law(S a0, const SquaredRow<S>& input, const S* motion, const SquaredRow<S>& dy) noexcept {
    sweep_outer<Lines, kBlock.line_length(), Lines == 1 || kBlock.turned>(c.k, a0, theta, input, motion, dy, meter);
    if constexpr (kKept == 1) book_rows(0, 1);
  }
};

}  // namespace emmy::inline EMMY_TARGET
