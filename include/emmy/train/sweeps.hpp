// The update of one layer: its gradient tiles meet rule and ledger here. Nothing in this file can fail.
#pragma once

#include <emmy/kernels/backward_sweep.hpp>
#include <emmy/train/block_sweep.hpp>
#include <emmy/train/check_sums.hpp>

namespace emmy {

// |x|^2 and |dy|^2 of the one sample of a layer: what the laws want of its gradient.
template <class S>
struct OuterSquares {
  S input, delta;
};
struct NoSquares {};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// The visitor that a layer's `gradients` calls in phase B.
template <class Net, class Rule, class Led, bool Measuring, int I, int Batch, bool Plain, int... Block>
struct LayerSweep : BlockSweep<Net, Rule, Led, Measuring, Block, Batch * node_at<Net, I>::out::kPositions, Plain>... {
  using S = typename Net::scalar;
  using N = node_at<Net, I>;
  static constexpr int kFirst = kPlan<Net>.first_block[I];
  template <int B>
  using At = BlockSweep<Net, Rule, Led, Measuring, B, Batch * N::out::kPositions, Plain>;
  static constexpr bool kTurned = kPlan<Net>.block[kFirst].turned;
  // One sample has no gradient that could be checked, a norm no x whose sums it must have.
  static constexpr bool kOuter = (At<Block>::kOuter && ...), kByNorms = (At<Block>::kByNorms && ...),
                        kOuterByLaw = kOuter && Measuring && kMeasuresLaw<Led>,
                        kMeasuresOuter = kOuter && Measuring && !kFollowsLaw<Led> && !kTurned,
                        kChecks = Measuring && !kFollowsLaw<Led> && !kMeasuresOuter && kIsAffine<typename N::layer>;
  using Sums = std::conditional_t<kTurned, ExpectedColumns<Net, I, Batch>, ExpectedRows<Net, I, Batch>>;
  using Expected = std::conditional_t<kChecks, Sums, NothingExpected>;
  static constexpr bool kTakesSquares = kOuter && Measuring && kFollowsLaw<Led>;
  // Can `outer` also give the dots that dx is made of?
  static constexpr bool kHasBackSweep = kTurned ? kHasBackPanels<S> && N::out::kChannels > 1 : kSweepsBackward<S>;
  static constexpr bool kSweepsBack = kHasBackSweep && kOuter && !Rule::kHasMemory && (!Measuring || kByNorms);

  static constexpr int kPad = padded<S>(N::out::kChannels), kSamples = Batch * N::out::kPositions;

  Led& checks;
  Expected expected;
  [[no_unique_address]] std::conditional_t<kTakesSquares, OuterSquares<S>, NoSquares> squares;

  // Rounding of both sides of a check sum, for one unit of activity.
  EMMY_INLINE S check_scale(int summands = kPad) const noexcept {
    return kRoundoff<S> * S(2 * (kSamples + summands) + 16) * checks.delta[kPlan<Net>.tensor[I + 1].root].row_sum;
  }

  EMMY_INLINE LayerSweep(Params<Net>& params, State<Net, Rule>& state, const Rule& rule,
                         const Clips<Net, Rule::kClips>& clips, Led& to, const frame_of<Net, I, Batch>& f,
                         decltype(squares) known) noexcept
      : At<Block>(params, state, rule, clips, to, Batch, f.x, f.dy)..., checks(to), expected(f), squares(known) {
    if constexpr (Measuring && requires { partner(typename N::layer{}, std::integral_constant<int, 0>{}, f); })
      ((At<Block>::terms.partner = partner(typename N::layer{}, std::integral_constant<int, Block - kFirst>{}, f)),
       ...);
  }

  // a0 dy, the motion that meets the rows of turned weights.
  EMMY_INLINE static void make_motion(S a0, const S* delta, S* motion) noexcept {
    if constexpr (N::out::kChannels == 1) *motion = a0 * *delta;
    else scaled(a0, delta, kPad, motion);
  }

  // Weights and, where the layer has them, biases of one sample, without a gradient.
  EMMY_INLINE void outer(const S* input, const S* delta) noexcept requires(kOuter&& Rule::kHasMemory) {
    constexpr int kIn = N::in::kChannels;
    auto& weight = static_cast<At<kFirst>&>(*this);
    if constexpr (kTurned) {
      alignas(kAlign<S>) S work[padded<S>(kIn)];
      const S* row = with_pads<kIn, kPlan<Net>.tensor[N::kFrom].stride>(input, work);
      sweep_outer<kIn>(weight.c, weight.theta, weight.buf, N::out::kChannels, delta, row);
    } else {
      sweep_outer<N::out::kChannels>(weight.c, weight.theta, weight.buf, kIn, input, delta);
    }
    if constexpr (sizeof...(Block) == 2) {
      auto& bias = static_cast<At<kFirst + 1>&>(*this);
      static constexpr S kOne = 1;
      sweep_outer<N::out::kChannels>(bias.c, bias.theta, bias.buf, 1, &kOne, delta);
    }
  }
  // dots: of the weights as they were with delta, where kSweepsBack; of turned ones what is fused below, too.
  template <class Dots = std::nullptr_t>
  EMMY_INLINE void outer(const S* input, const S* delta, [[maybe_unused]] Dots dots = {}) noexcept
      requires(kOuter && !Rule::kHasMemory && (!Measuring || kByNorms)) {
    auto& weight = static_cast<At<kFirst>&>(*this);
    constexpr bool kBiasAlike = !detail::kRatesByBlock<Rule> && !kClipsByTensor<Rule>;
    S* bias = nullptr;
    constexpr bool kMotionMovesBias = sizeof...(Block) == 2 && kTurned && kBiasAlike && N::out::kChannels > 1;
    if constexpr (sizeof...(Block) == 2) {
      auto& own = static_cast<At<kFirst + 1>&>(*this);
      if constexpr (!kTurned && kBiasAlike) bias = own.theta;
      else if constexpr (!kMotionMovesBias)
        sweep_outer<N::out::kChannels, 0>(own.c.k, own.c.a0, own.theta, input, delta, own.theta);
    }
    constexpr int kIn = N::in::kChannels;
    if constexpr (kTurned) {
      constexpr int kOut = N::out::kChannels;
      alignas(kAlign<S>) S work[padded<S>(kIn)];
      S motion[kOut == 1 ? 1 : kPad];
      const S* row = with_pads<kIn, kPlan<Net>.tensor[N::kFrom].stride>(input, work);
      make_motion(weight.c.a0, delta, motion);
      if constexpr (kMotionMovesBias) {
        auto& own = static_cast<At<kFirst + 1>&>(*this);
        sweep_outer<kOut, 0>(own.c.k, S(1), own.theta, input, static_cast<const S*>(motion), own.theta);
      }
      if constexpr (!__is_same(Dots, std::nullptr_t))
        sweep_backward_turned<kIn, kOut>(weight.c.k, weight.theta, row, delta, motion, dots, below_of<Net, I>());
      else sweep_outer<kIn, kOut>(weight.c.k, S(1), weight.theta, motion, row, bias);
    } else if constexpr (!__is_same(Dots, std::nullptr_t)) {
      sweep_backward<kIn, N::out::kChannels>(weight.c.k, weight.c.a0, weight.theta, input, delta, dots);
      if (bias != nullptr) sweep_outer<N::out::kChannels, 0>(weight.c.k, weight.c.a0, bias, input, delta, bias);
    } else {
      sweep_outer<N::out::kChannels, kIn>(weight.c.k, weight.c.a0, weight.theta, input, delta, bias);
    }
    if constexpr (Measuring) (At<Block>::book_norms(input, delta, squares.input, squares.delta), ...);
  }
  EMMY_INLINE void outer(const S* input, const S* delta) noexcept requires(kOuterByLaw) {
    constexpr int kIn = N::in::kChannels, kOut = N::out::kChannels;
    static constexpr S kOne = 1;
    auto& weight = static_cast<At<kFirst>&>(*this);
    const SquaredRow<S> dy{delta, squares.delta};
    if constexpr (kTurned) {
      alignas(kAlign<S>) S work[padded<S>(kIn)];
      S motion[kOut == 1 ? 1 : kPad];
      const S* row = with_pads<kIn, kPlan<Net>.tensor[N::kFrom].stride>(input, work);
      make_motion(weight.c.a0, delta, motion);
      weight.template outer_by_law<kOut>(S(1), dy, motion, SquaredRow<S>{row, squares.input});
    } else {
      weight.template outer_by_law<kIn>(weight.c.a0, SquaredRow<S>{input, squares.input}, input, dy);
    }
    if constexpr (sizeof...(Block) == 2) {
      auto& bias = static_cast<At<kFirst + 1>&>(*this);
      bias.template outer_by_law<1>(bias.c.a0, SquaredRow<S>{&kOne, S(1)}, &kOne, dy);
    }
  }
  EMMY_INLINE void outer(const S* input, const S* delta) noexcept requires(kMeasuresOuter) {
    const auto sums_of_x = summed_row<N::in::kChannels, kPlan<Net>.tensor[N::kFrom].stride>(input);
    static_cast<At<kFirst>&>(*this).measure(sums_of_x, summed_row<N::out::kChannels, kPad>(delta));
    if constexpr (sizeof...(Block) == 2) static_cast<At<kFirst + 1>&>(*this).template rows<1>(0, delta);
  }

  // One vector of the weight gradient, without the gradient's rows.
  template <int Local = 0, class V>
  EMMY_INLINE void vector(int row, int col, V g) noexcept
      requires(!Measuring && kPlan<Net>.block[kFirst].role == Role::weight && kPlan<Net>.block[kFirst].trained &&
               !EMMY_GRADIENT_HOOKED) {
    auto& weight = static_cast<At<kFirst + Local>&>(*this);
    const int at = row * kPlan<Net>.block[kFirst + Local].width + col;
    S* memory = nullptr;
    if constexpr (Rule::kHasMemory) memory = weight.buf + at;
    sweep_vector(weight.c, weight.theta + at, memory, g);
  }

  // A tile of the weight gradient, M rows of N vectors.
  template <int M, int N, class... V>
  EMMY_INLINE void tile(int row, std::integral_constant<int, M>, int col, std::integral_constant<int, N>,
                        const V&... g) noexcept requires(At<kFirst>::kTakesTiles) {
    static_cast<At<kFirst>&>(*this).template tile<M, N>(row, col, g...);
  }

  template <int Local, int M, class G>
  EMMY_INLINE void rows(int row, std::integral_constant<int, M>, const G* g) noexcept {
    auto& own = static_cast<At<kFirst + Local>&>(*this);
    if constexpr (At<kFirst + Local>::kCountsAsRow)
      own.template rows_into<M>(static_cast<At<kFirst + Local - 1>&>(*this).meter, row, g);
    else own.template rows<M>(row, g);
  }
  template <int M, class G>
  EMMY_INLINE void check(int row, std::integral_constant<int, M>, const G* g) noexcept {
    if constexpr (kChecks && kTurned) {
      constexpr int kPadded = padded<S>(N::in::kChannels), kIn = kPlan<Net>.tensor[N::kFrom].root;
      S sum = 0, activity[M], got[M];
      for (int i = 0; i < kPlan<Net>.tensor[kIn].channels; ++i) sum += checks.act_abs[kActivity<Net, kIn> + i];
      for (int m = 0; m < M; ++m) activity[m] = sum;
      row_totals<M, kPadded>(g, got);
      check_rows(checks, M, got, expected.column + row, check_scale(kPadded), activity);
    } else if constexpr (kChecks) {
      constexpr int kIn = kPlan<Net>.tensor[N::kFrom].root, kChannels = kPlan<Net>.tensor[kIn].channels;
      S got[M];
      row_totals<M, kPad>(g, got);
      for_runs<kChannels, kPlan<Net>.block[kFirst].rows>(row, M, [&](int first, int n) EMMY_LAMBDA {
        check_rows(checks, n, got + first, expected.row + row + first, check_scale(),
                   checks.act_abs + kActivity<Net, kIn> + (row + first) % kChannels);
      });
    }
  }
  template <class G>
  EMMY_INLINE void check_bias(const G* g) noexcept {
    if constexpr (kChecks) {
      const S got = row_total<S, kPad>(g), activity = S(kSamples);
      check_rows(checks, 1, &got, &expected.total, check_scale(), &activity);
    }
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
