// Self-attention of one or several heads over the positions of a window.
#pragma once

#include <emmy/kernels/attention.hpp>
#include <emmy/kernels/inspect.hpp>
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>

namespace emmy {

// What may follow the sizes of an Attention, in any order: Causal, Rope<...> or RopeBy<...>, OutputChannels, WithBias, NoBias or
// NoOutputBias.

// A position sees itself and those before it.
struct Causal {};
// Rotary positions: behind the bias the columns 2m and 2m + 1 of queries and keys turn by Angles::angle(position, m, planes)
// >= 0, a constexpr double. The tables are made at compile time.
template <class Angles>
struct RopeBy {};
namespace detail {
// position Base^(-m / planes)
template <int Base>
struct RopeAngles {
  static_assert(Base > 1, "emmy: the base of a Rope is above 1 (10000)");
  static constexpr double angle(int position, int plane, int planes) noexcept {
    double root = 1;  // Newton's steps come down to Base^(-1 / planes)
    for (double last = 2; root < last;) {
      last = root;
      double below = 1;
      for (int m = 1; m < planes; ++m) below *= root;
      root -= (below * root - 1.0 / Base) / (planes * below);
    }
    double angle = position;
    for (int m = 0; m < plane; ++m) angle *= root;
    return angle;
  }
};
}  // namespace detail
template <int Base = 10000>
using Rope = RopeBy<detail::RopeAngles<Base>>;
// Another number of channels than x has.
template <int Channels>
struct OutputChannels {
  static_assert(Channels > 0, "emmy: an Attention makes at least one channel");
};
// Biases of queries, keys and values alone.
struct NoOutputBias {};

namespace detail {

struct AttentionOptions {
  bool causal = false, rotates = false, has_bias = true, has_output_bias = true;
  int channels = 0;  // as many as x
};
constexpr void set(AttentionOptions& o, Causal) { o.causal = true; }
template <class Angles>
constexpr void set(AttentionOptions& o, RopeBy<Angles>) {
  o.rotates = true;
}
template <int Channels>
constexpr void set(AttentionOptions& o, OutputChannels<Channels>) {
  o.channels = Channels;
}
constexpr void set(AttentionOptions&, WithBias) {}
constexpr void set(AttentionOptions& o, NoBias) { o.has_bias = o.has_output_bias = false; }
constexpr void set(AttentionOptions& o, NoOutputBias) { o.has_output_bias = false; }

template <class... Options>
inline constexpr AttentionOptions kAttentionOptions = [] {
  AttentionOptions all;
  [[maybe_unused]] const auto one = [&]<class Option>(Option option) {
    static_assert(
        requires(AttentionOptions o) { set(o, option); },
        "emmy: an Attention takes Causal, Rope<Base>, RopeBy<Angles>, OutputChannels<...>, WithBias, NoBias and "
        "NoOutputBias after its sizes");
    if constexpr (requires(AttentionOptions o) { set(o, option); }) set(all, option);
  };
  (one(Options{}), ...);
  return all;
}();

// The angles among the options, void where there are none.
template <class... Options>
struct AnglesAmong {
  using type = void;
};
template <class Angles, class... Rest>
struct AnglesAmong<RopeBy<Angles>, Rest...> {
  using type = Angles;
};
template <class First, class... Rest>
struct AnglesAmong<First, Rest...> : AnglesAmong<Rest...> {};

template <class InShape, int Channels>
struct AttentionShape {
  static_assert(InShape::kRank == 2, "emmy: an Attention takes Shape<positions, channels>");
  using type = Shape<InShape::kPositions, Channels == 0 ? InShape::kChannels : Channels>;
};

}  // namespace detail

// Of each head, with C channels: q = x Wq + bq, k = x Wk + bk, v = x Wv + bv, o = softmax(q k' / sqrt(HeadSize)) v;
// y = (o of all heads side by side) Wo + bo.
// Blocks: Wq, Wk, Wv [Heads C][pad(HeadSize)], head after head, Wo [Heads HeadSize][pad(out)], and bq, bk, bv
// [1][pad(Heads HeadSize)], bo [1][pad(out)]. PyTorch's MultiheadAttention has the same weights, in_proj_weight
// [3 Heads HeadSize][C] and out_proj: Params::head_weight, head_bias and output_weight say where they go.
// Each head has two matrices of charges (symmetry/balance.hpp): queries with keys, [Wq; bq] -> [Wq; bq] A, [Wk; bk] ->
// [Wk; bk] A^-T, and values with outputs, [Wv; bv] -> [Wv; bv] A, Wo -> A^-1 Wo. With rotary positions A of the first must
// turn with them: a complex number a plane. Without them softmax does not see bk at all (symmetry/key_bias.hpp).
// From outside it is linear in rows of Wq, Wk, Wv and columns of Wo and bo: units that rescale end and begin here.
// Source: theory.md section 1 #16-#19. Test: tests/layers/attention_test.cpp.
template <int Heads, int HeadSize, class... Options>
struct Attention {
  static_assert(Heads > 0 && HeadSize > 0, "emmy: an Attention needs at least one head of at least one column");
  static constexpr int kHeads = Heads, kHeadSize = HeadSize, kColumns = Heads * HeadSize;
  static constexpr detail::AttentionOptions kOptions = detail::kAttentionOptions<Options...>;
  using angles = typename detail::AnglesAmong<Options...>::type;
  static_assert(!kOptions.rotates || HeadSize % 2 == 0,
                "emmy: rotary positions turn pairs of columns: with Rope the size of a head is even");
  static constexpr bool kTakesBelow = true, kForgetsOutput = true, kMakesDeltas = true, kLooksInside = true;
  static constexpr int kInnerBlock = 3, kKeyBias = 5;  // Wo, which meets o, and bk
  static constexpr bool kDeadKeyBias = kOptions.has_bias && !kOptions.rotates;
  template <class InShape>
  using output = typename detail::AttentionShape<InShape, kOptions.channels>::type;
  template <class InShape>
  static constexpr int kRoundings = 2 * (InShape::kChannels + kColumns + InShape::kPositions) + 32;
  // The key bias' scale behind a margin, q, k, v and o of all heads, p, and what attend needs.
  template <class S, class InShape, int Batch>
  static constexpr int kKept = padded<S>(1) + 4 * Heads* Batch* InShape::kPositions* padded<S>(HeadSize) +
                               Heads* Batch* InShape::kPositions* padded<S>(InShape::kPositions) +
                               detail::attend_deltas_work<S>(InShape::kPositions, HeadSize);
  // Either the gradient of o of one head and Wo transposed, or Wq, Wk, Wv transposed.
  template <class S, class InShape, int Batch>
  static constexpr int kWork = [] {
    constexpr int kOut = output<InShape>::kChannels;
    constexpr int kOfHead = Batch * InShape::kPositions * padded<S>(HeadSize) + kOut * padded<S>(HeadSize),
                  kOfInput = 3 * kColumns * padded<S>(InShape::kChannels);
    return kOfHead > kOfInput ? kOfHead : kOfInput;
  }();
};

template <int Heads, int HeadSize, class... Options, class InShape>
consteval auto blocks(Attention<Heads, HeadSize, Options...>, InShape) {
  using L = Attention<Heads, HeadSize, Options...>;
  constexpr int kOut = output_shape<L, InShape>::kChannels;
  constexpr Block kIn{Heads * InShape::kChannels, HeadSize, Role::weight}, kBack{L::kColumns, kOut, Role::weight},
      kBias{1, L::kColumns, Role::bias};
  if constexpr (L::kOptions.has_output_bias)
    return Blocks<8>{{kIn, kIn, kIn, kBack, kBias, kBias, kBias, {1, kOut, Role::bias}}};
  else if constexpr (L::kOptions.has_bias) return Blocks<7>{{kIn, kIn, kIn, kBack, kBias, kBias, kBias}};
  else return Blocks<4>{{kIn, kIn, kIn, kBack}};
}
template <int Heads, int HeadSize, class... Options>
consteval auto incoming(Attention<Heads, HeadSize, Options...>) {
  if constexpr (Attention<Heads, HeadSize, Options...>::kOptions.has_output_bias)
    return Parts<2>{{{3, Axis::column, 1}, {7, Axis::column, 1}}};
  else return Parts<1>{{{3, Axis::column, 1}}};
}
template <int Heads, int HeadSize, class... Options>
consteval auto outgoing(Attention<Heads, HeadSize, Options...>) {
  return Parts<3>{{{0, Axis::row, 1}, {1, Axis::row, 1}, {2, Axis::row, 1}}};
}
// The parts of a head whose lines are mixed by A, and by its inverse (sign -1).
template <int Heads, int HeadSize, class... Options, class InShape>
consteval auto query_key(Attention<Heads, HeadSize, Options...>, InShape, int head) {
  const int row = head * InShape::kChannels, col = head * HeadSize;
  const PairPart q{0, Axis::column, 1, row, InShape::kChannels}, k{1, Axis::column, -1, row, InShape::kChannels};
  if constexpr (Attention<Heads, HeadSize, Options...>::kOptions.has_bias)
    return PairParts<4>{{q, {4, Axis::column, 1, col, HeadSize}, k, {5, Axis::column, -1, col, HeadSize}}};
  else return PairParts<2>{{q, k}};
}
template <int Heads, int HeadSize, class... Options, class InShape>
consteval auto value_output(Attention<Heads, HeadSize, Options...>, InShape, int head) {
  const int row = head * InShape::kChannels, col = head * HeadSize;
  const PairPart v{2, Axis::column, 1, row, InShape::kChannels}, o{3, Axis::row, -1, col, HeadSize};
  if constexpr (Attention<Heads, HeadSize, Options...>::kOptions.has_bias)
    return PairParts<3>{{v, {6, Axis::column, 1, col, HeadSize}, o}};
  else return PairParts<2>{{v, o}};
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
// Sizes and places of an attention layer.
template <class F>
struct Attending {
  using L = typename F::layer;
  using S = typename F::scalar;
  static constexpr int kPositions = F::in_shape::kPositions, kHeads = L::kHeads, kSize = L::kHeadSize;
  static constexpr int kRows = F::kOutRows, kStride = padded<S>(kSize), kPlane = kRows * kStride;
  static constexpr int kMatrix = F::kIn * kStride, kScores = kPositions * padded<S>(kPositions);
  const F& f;

  EMMY_INLINE const S* weights(int role, int head) const noexcept {
    return f.params + (role * kHeads + head) * kMatrix;
  }
  EMMY_INLINE const S* output_weights(int head) const noexcept { return weights(3, 0) + head * kSize * F::kOutStride; }
  // bq, bk, bv; role 3: bo
  EMMY_INLINE const S* bias(int role) const noexcept { return output_weights(kHeads) + role * padded<S>(L::kColumns); }
  EMMY_INLINE S* key_scale() const noexcept { return f.kept; }
  // Of q, k, v, o: their rows or their gradients, of the samples of one head after the other.
  EMMY_INLINE S* rows(int role, int head, int sample = 0) const noexcept {
    return f.kept + padded<S>(1) + (role * kHeads + head) * kPlane + sample * kPositions * kStride;
  }
  EMMY_INLINE S* scores(int head, int sample) const noexcept {
    return rows(4, 0) + (head * F::kBatch + sample) * kScores;
  }
  EMMY_INLINE S* attend_room() const noexcept { return scores(kHeads, 0); }
};
template <class F>
Attending(const F&) -> Attending<F>;

// The rows of q, k or v of one head.
template <class F>
EMMY_INLINE void project(const Attending<F>& a, int role, int head) noexcept {
  using A = Attending<F>;
  using S = typename F::scalar;
  S* const to = a.rows(role, head);
  gemm<A::kRows, A::kStride, F::kIn>(
      a.f.x, F::kInStride, 1, a.weights(role, head), F::kIn,
      [&](int, int col) EMMY_LAMBDA {
        if constexpr (F::layer::kOptions.has_bias) {
          if (col < A::kSize) return load_part<A::kSize, 0>(a.bias(role) + head * A::kSize, col);
        }
        return simd::zero<S>();
      },
      [&](int row, int col, auto v) EMMY_LAMBDA { simd::store(v, to + row * A::kStride + col); });
}

// The largest that rounding can make of a row's part of dbk, which is a sum of 0: in units of w_r and of its terms.
template <class F>
EMMY_INLINE void note_key_scale(const Attending<F>& a, int head, int sample, const typename F::scalar* d) noexcept {
  using A = Attending<F>;
  using S = typename F::scalar;
  const auto largest = [](const S* rows) EMMY_LAMBDA {
    S most = 0;
    for (int r = 0; r < A::kPositions; ++r) {
      const S squares = summed_row<A::kSize, A::kStride>(rows + r * A::kStride).squares;
      most = squares > most ? squares : most;
    }
    return root(most);
  };
  const S scale = S(2 * detail::kInverseRoot<A::kSize>) * largest(a.rows(0, head, sample)) *
                  largest(a.rows(2, head, sample)) * largest(d);
  if (scale > *a.key_scale()) *a.key_scale() = scale;
}
}  // namespace inner

template <int Heads, int HeadSize, class... Options, class F>
EMMY_INLINE void forward(Attention<Heads, HeadSize, Options...>, const F& f) noexcept {
  using L = Attention<Heads, HeadSize, Options...>;
  using S = typename F::scalar;
  using A = inner::Attending<F>;
  const A a{f};
  clear(f.kept, padded<S>(1));
  for (int role = 2; role >= 0; --role)
    for (int head = 0; head < Heads; ++head) inner::project(a, role, head);
  if constexpr (L::kOptions.rotates)
    turn<false, 2 * Heads * F::kBatch, A::kPositions, HeadSize, typename L::angles>(a.rows(0, 0));
  for (int head = 0; head < Heads; ++head)
    for (int s = 0; s < F::kBatch; ++s)
      attend<A::kPositions, HeadSize, L::kOptions.causal>(
          static_cast<const S*>(a.rows(0, head, s)), static_cast<const S*>(a.rows(1, head, s)),
          static_cast<const S*>(a.rows(2, head, s)), a.scores(head, s), a.rows(3, head, s), a.attend_room());
  const S* const b = L::kOptions.has_output_bias ? a.bias(3) : nullptr;
  gemm<A::kRows, F::kOutStride, HeadSize, Heads>(
      static_cast<const S*>(a.rows(3, 0)), A::kStride, 1, a.output_weights(0), HeadSize,
      [&](int, int col) EMMY_LAMBDA {
        if constexpr (L::kOptions.has_output_bias) return simd::load(b + col);
        else return simd::zero<S>();
      },
      [&](int row, int col, auto v) EMMY_LAMBDA { simd::store(v, f.y + row * F::kOutStride + col); }, A::kPlane);
}

// The gradients of q, k and v, in their places.
template <int Heads, int HeadSize, class... Options, class F>
EMMY_INLINE void deltas(Attention<Heads, HeadSize, Options...>, const F& f) noexcept {
  using L = Attention<Heads, HeadSize, Options...>;
  using S = typename F::scalar;
  using A = inner::Attending<F>;
  const A a{f};
  S* const d = f.work;
  for (int head = 0; head < Heads; ++head) {
    affine_backward<false, A::kRows, HeadSize, F::kOut>(a.output_weights(head), static_cast<const S*>(f.dy),
                                                        static_cast<const S*>(f.y), d, f.work + A::kPlane, nullptr);
    for (int s = 0; s < F::kBatch; ++s) {
      S* const of_sample = d + s * A::kPositions * A::kStride;
      if constexpr (L::kDeadKeyBias) inner::note_key_scale(a, head, s, of_sample);
      attend_deltas<A::kPositions, HeadSize>(a.rows(0, head, s), a.rows(1, head, s), a.rows(2, head, s),
                                             static_cast<const S*>(a.scores(head, s)), of_sample, a.attend_room());
    }
  }
  if constexpr (L::kOptions.rotates)
    turn<true, 2 * Heads * F::kBatch, A::kPositions, HeadSize, typename L::angles>(a.rows(0, 0));
}

// dx (+)= below'(x) (dq Wq^T + dk Wk^T + dv Wv^T), the sum over all heads.
template <bool kAdd, int Heads, int HeadSize, class... Options, class F, class Below>
EMMY_INLINE void backward(Attention<Heads, HeadSize, Options...>, const F& f, Below) noexcept {
  using S = typename F::scalar;
  using A = inner::Attending<F>;
  constexpr int kInPad = padded<S>(F::kIn), kAll = 3 * Heads;
  const A a{f};
  for (int at = 0; at < kAll; ++at)
    transpose<F::kIn, HeadSize, kInPad, A::kStride>(a.weights(0, at), f.work + at * HeadSize * kInPad);
  gemm<A::kRows, kInPad, HeadSize, kAll>(
      static_cast<const S*>(a.rows(0, 0)), A::kStride, 1, static_cast<const S*>(f.work), HeadSize,
      [](int, int) EMMY_LAMBDA { return simd::zero<S>(); },
      [&](int row, int col, auto v) EMMY_LAMBDA { put_dx<kAdd>(Below{}, f.x, f.dx, row * kInPad + col, v); },
      A::kPlane);
}

// Activations and deltas that no tensor holds: o, what q, k and v get, and the scale of what cancels in dbk.
template <int Heads, int HeadSize, class... Options, class F, class S>
EMMY_INLINE void look_inside(Attention<Heads, HeadSize, Options...>, const F& f, Inspection<S>& act,
                             Inspection<S>& delta) noexcept {
  using A = inner::Attending<F>;
  const A a{f};
  alignas(kAlign<S>) S by_column[A::kStride];
  inspect<3 * Heads * A::kRows, HeadSize, A::kStride, true>(static_cast<const S*>(a.rows(0, 0)), by_column, delta);
  Inspection<S> of_head{};
  inspect<Heads * A::kRows, HeadSize, A::kStride, true>(static_cast<const S*>(a.rows(3, 0)), by_column, of_head);
  act.squares += of_head.squares;
  const S row = S(Heads) * of_head.row_norm, scale = *a.key_scale();
  act.row_norm = row > act.row_norm ? row : act.row_norm;
  delta.row_sum = scale > delta.row_sum ? scale : delta.row_sum;
}

template <int Heads, int HeadSize, class... Options, class F, class Visitor>
EMMY_INLINE void gradients(Attention<Heads, HeadSize, Options...>, const F& f, Visitor& visitor) noexcept {
  using L = Attention<Heads, HeadSize, Options...>;
  using S = typename F::scalar;
  using A = inner::Attending<F>;
  const A a{f};
  const auto of_input = [&]<int Role>(std::integral_constant<int, Role>) EMMY_LAMBDA {
    for (int head = 0; head < Heads; ++head)
      matrix_gradient<Role, F::kIn, A::kStride, A::kRows>(f.x, F::kInStride, static_cast<const S*>(a.rows(Role, head)),
                                                          head * F::kIn, visitor);
    if constexpr (L::kOptions.has_bias) {
      alignas(kAlign<S>) S g[padded<S>(L::kColumns)] = {}, sums[A::kStride];
      for (int head = 0; head < Heads; ++head) {
        sum_rows<A::kStride, A::kRows>(static_cast<const S*>(a.rows(Role, head)), sums);
        for (int c = 0; c < HeadSize; ++c) g[head * HeadSize + c] = sums[c];
      }
      EMMY_GRADIENT_HOOK(g, padded<S>(L::kColumns));
      visitor.template rows<4 + Role>(0, std::integral_constant<int, 1>{}, static_cast<const S*>(g));
    }
  };
  of_input(std::integral_constant<int, 0>{});
  of_input(std::integral_constant<int, 1>{});
  of_input(std::integral_constant<int, 2>{});
  for (int head = 0; head < Heads; ++head)
    matrix_gradient<3, HeadSize, F::kOutStride, A::kRows>(static_cast<const S*>(a.rows(3, head)), A::kStride,
                                                          static_cast<const S*>(f.dy), head * HeadSize, visitor);
  if constexpr (L::kOptions.has_output_bias)
    bias_gradient<F::kOutStride, F::kOutRows>(
        f.dy, [&](const S* g) EMMY_LAMBDA { visitor.template rows<7>(0, std::integral_constant<int, 1>{}, g); });
}

}  // namespace emmy::inline EMMY_TARGET
