// A layer x W + b that commutes with a mirror, in half the multiply-adds.
#pragma once

#include <emmy/kernels/affine.hpp>
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>

namespace emmy {

namespace detail {

// A mirror of Size channels as what it leaves alone and what it turns: of each pair {i, j} that it swaps sum and difference, then
// channels that it keeps (of the even part) or negates (of the odd one).
template <int Size>
struct Halves {
  int first[Size] = {}, second[Size] = {};  // of a pair
  bool negative[Size] = {};                 // it is swapped with a sign
  int kept[Size] = {}, negated[Size] = {};
  int pairs = 0, evens = 0, odds = 0;  // evens: kept channels alone
  bool valid = true;

  constexpr int even() const { return pairs + evens; }
  constexpr int odd() const { return pairs + odds; }
};
template <class Mirror, int Size>
consteval Halves<Size> halves_of() {
  Halves<Size> h;
  for (int i = 0; i < Size; ++i) {
    const Signed to = Mirror::of(i);
    h.valid = h.valid && to.index >= 0 && to.index < Size && (to.sign == 1 || to.sign == -1);
    if (!h.valid) return h;
    const Signed back = Mirror::of(to.index);
    h.valid = back.index == i && back.sign == to.sign;
    if (to.index == i && to.sign > 0) h.kept[h.evens++] = i;
    if (to.index == i && to.sign < 0) h.negated[h.odds++] = i;
    if (to.index > i) {
      h.first[h.pairs] = i;
      h.second[h.pairs] = to.index;
      h.negative[h.pairs++] = to.sign < 0;
    }
  }
  return h;
}
template <class Mirror, int Size>
inline constexpr auto kHalves = halves_of<Mirror, Size>();

}  // namespace detail

// y = x W + b with  y(mirror of x) = mirror of y(x)  bit for bit (but for the sign of a 0) on every target, whatever the weights are:
//   even part of y = (even part of x) V + c,   odd part of y = (odd part of x) U
// A mirror is a type with  static constexpr Signed of(int channel), its own inverse: a pair of channels {i, j} that it swaps has the even
// part (x_i + x_j) / 2 and the odd part (x_i - x_j) / 2 (with the sign of the swap on x_j), one that it keeps is even, one that it negates
// odd, over sqrt 2; outputs are sums and differences, or times sqrt 2. Blocks: V, U, c.
// Of the net it is for the caller to see, nothing else does: before a ReLU, or any activation that is not odd, the signs of Out's mirror
// are 1, and the InMirror of the next Mirrored is the OutMirror of this one. Else outputs are not mirrored, without a word.
// V and U are W in an orthonormal basis: init, rates and decay mean what they do for a Dense. Multiply-adds: even in x even out + odd in x odd
// out, half of in x out. Any finite group: Equivariant (parametrize/tied.hpp). Source: theory.md section 5. Test: tests/layers/mirrored_test.cpp.
template <int Out, class InMirror, class OutMirror, class Bias = WithBias>
struct Mirrored {
  static constexpr bool kPositionwise = true, kForgetsOutput = true, kMakesDeltas = true;
  static constexpr bool kHasBias = __is_same(Bias, WithBias);
  static constexpr int kMatrices = 2, kAmplifies = 2;  // |even dy| <= sqrt 2 |dy|
  static constexpr auto& kOut = detail::kHalves<OutMirror, Out>;
  template <class InShape>
  using output = with_channels<InShape, Out>;
  template <class S>
  static constexpr int kOutRow = padded<S>(kOut.even()) + padded<S>(kOut.odd());
  template <class S, class InShape>
  static constexpr int kInRow = padded<S>(detail::kHalves<InMirror, InShape::kChannels>.even()) +
                                padded<S>(detail::kHalves<InMirror, InShape::kChannels>.odd());
  // Halves of x and, first of y, then of dy, from forward to update.
  template <class S, class InShape, int Batch>
  static constexpr int kKept = Batch* InShape::kPositions*(kInRow<S, InShape> + kOutRow<S>);
  // Halves of dx; a transposed copy.
  template <class S, class InShape, int Batch>
  static constexpr int kWork = Batch* InShape::kPositions* kInRow<S, InShape> +
                               affine_work<S>(Batch* InShape::kPositions, InShape::kChannels, Out);
};

template <int Out, class InMirror, class OutMirror, class Bias, class InShape>
consteval auto blocks(Mirrored<Out, InMirror, OutMirror, Bias>, InShape) {
  constexpr auto& kIn = detail::kHalves<InMirror, InShape::kChannels>;
  constexpr auto& kOut = detail::kHalves<OutMirror, Out>;
  constexpr bool kFits =
      kIn.valid && kOut.valid && kIn.even() > 0 && kIn.odd() > 0 && kOut.even() > 0 && kOut.odd() > 0;
  static_assert(
      kFits,
      "emmy: this is no mirror of these channels: it is its own inverse, with signs 1 or -1, and leaves an even "
      "and an odd part on both sides");
  constexpr Block even{kFits ? kIn.even() : 1, kFits ? kOut.even() : 1, Role::latent},
      odd{kFits ? kIn.odd() : 1, kFits ? kOut.odd() : 1, Role::latent};
  if constexpr (__is_same(Bias, WithBias)) return Blocks<3>{{even, odd, {1, kFits ? kOut.even() : 1, Role::bias}}};
  else return Blocks<2>{{even, odd}};
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

template <class S>
inline constexpr S kRootOfTwo = S(1.4142135623730951);

// even and odd: the halves of a row, pads zero, times `share`, and sqrt 2 where they are of no pair.
template <class Mirror, int Size, class S>
EMMY_INLINE void split_row(const S* row, S share, S* even, S* odd) noexcept {
  constexpr auto& kHalf = detail::kHalves<Mirror, Size>;
  const S alone = share * kRootOfTwo<S>;
  for (int p = 0; p < kHalf.pairs; ++p) {
    const S a = row[kHalf.first[p]], b = row[kHalf.second[p]];
    even[p] = share * (kHalf.negative[p] ? a - b : a + b);
    odd[p] = share * (kHalf.negative[p] ? a + b : a - b);
  }
  for (int k = 0; k < kHalf.evens; ++k) even[kHalf.pairs + k] = alone * row[kHalf.kept[k]];
  for (int k = 0; k < kHalf.odds; ++k) odd[kHalf.pairs + k] = alone * row[kHalf.negated[k]];
  for (int k = kHalf.even(); k < padded<S>(kHalf.even()); ++k) even[k] = S(0);
  for (int k = kHalf.odd(); k < padded<S>(kHalf.odd()); ++k) odd[k] = S(0);
}
// The way back; `add` to what is there.
template <bool kAdd, class Mirror, int Size, class S>
EMMY_INLINE void join_row(const S* even, const S* odd, S share, S* row) noexcept {
  constexpr auto& kHalf = detail::kHalves<Mirror, Size>;
  const S alone = share * kRootOfTwo<S>;
  const auto put = [row](int channel, S value) { row[channel] = kAdd ? row[channel] + value : value; };
  for (int p = 0; p < kHalf.pairs; ++p) {
    const S difference = even[p] - odd[p];
    put(kHalf.first[p], share * (even[p] + odd[p]));
    put(kHalf.second[p], share * (kHalf.negative[p] ? -difference : difference));
  }
  for (int k = 0; k < kHalf.evens; ++k) put(kHalf.kept[k], alone * even[kHalf.pairs + k]);
  for (int k = 0; k < kHalf.odds; ++k) put(kHalf.negated[k], alone * odd[kHalf.pairs + k]);
  if constexpr (!kAdd)
    for (int k = Size; k < padded<S>(Size); ++k) row[k] = S(0);
}

// Where the halves are in memory.
template <int Out, class InMirror, class OutMirror, class F>
struct MirroredPlace {
  using S = typename F::scalar;
  static constexpr auto& kIn = detail::kHalves<InMirror, F::kIn>;
  static constexpr auto& kOut = detail::kHalves<OutMirror, Out>;
  static constexpr int kRows = F::kOutRows, kEvenIn = kIn.even(), kOddIn = kIn.odd(), kEvenOut = kOut.even(),
                       kOddOut = kOut.odd(), kEvenInPad = padded<S>(kEvenIn), kOddInPad = padded<S>(kOddIn),
                       kEvenOutPad = padded<S>(kEvenOut), kOddOutPad = padded<S>(kOddOut);
  const S *v, *u, *c;
  S *even_x, *odd_x, *even_y, *odd_y;
  EMMY_INLINE explicit MirroredPlace(const F& f) noexcept
      : v(f.params),
        u(v + kEvenIn * kEvenOutPad),
        c(u + kOddIn * kOddOutPad),
        even_x(f.kept),
        odd_x(even_x + kRows * kEvenInPad),
        even_y(odd_x + kRows * kOddInPad),
        odd_y(even_y + kRows * kEvenOutPad) {}
};

}  // namespace inner

template <int Out, class InMirror, class OutMirror, class Bias, class F>
EMMY_INLINE void forward(Mirrored<Out, InMirror, OutMirror, Bias>, const F& f) noexcept {
  using S = typename F::scalar;
  using P = inner::MirroredPlace<Out, InMirror, OutMirror, F>;
  const P p(f);
  for (int r = 0; r < P::kRows; ++r)
    inner::split_row<InMirror, F::kIn>(f.x + r * F::kInStride, S(0.5), p.even_x + r * P::kEvenInPad,
                                       p.odd_x + r * P::kOddInPad);
  const S* const none = nullptr;
  affine_forward<P::kRows, P::kEvenIn, P::kEvenInPad, P::kEvenOut>(
      static_cast<const S*>(p.even_x), p.v, __is_same(Bias, WithBias) ? p.c : none, p.even_y, Identity{});
  affine_forward<P::kRows, P::kOddIn, P::kOddInPad, P::kOddOut>(static_cast<const S*>(p.odd_x), p.u, none, p.odd_y,
                                                                Identity{});
  for (int r = 0; r < P::kRows; ++r)
    inner::join_row<false, OutMirror, Out>(p.even_y + r * P::kEvenOutPad, p.odd_y + r * P::kOddOutPad, S(1),
                                           f.y + r * F::kOutStride);
}

// Halves of dy, where those of y were.
template <int Out, class InMirror, class OutMirror, class Bias, class F>
EMMY_INLINE void deltas(Mirrored<Out, InMirror, OutMirror, Bias>, const F& f) noexcept {
  using P = inner::MirroredPlace<Out, InMirror, OutMirror, F>;
  const P p(f);
  for (int r = 0; r < P::kRows; ++r)
    inner::split_row<OutMirror, Out>(f.dy + r * F::kOutStride, typename F::scalar(1), p.even_y + r * P::kEvenOutPad,
                                     p.odd_y + r * P::kOddOutPad);
}

template <bool kAdd, int Out, class InMirror, class OutMirror, class Bias, class F>
EMMY_INLINE void backward(Mirrored<Out, InMirror, OutMirror, Bias>, const F& f) noexcept {
  using S = typename F::scalar;
  using P = inner::MirroredPlace<Out, InMirror, OutMirror, F>;
  const P p(f);
  static_assert(affine_work<S>(P::kRows, P::kEvenIn, P::kEvenOut) <= affine_work<S>(P::kRows, F::kIn, Out) &&
                affine_work<S>(P::kRows, P::kOddIn, P::kOddOut) <= affine_work<S>(P::kRows, F::kIn, Out));  // kWork
  S *const even = f.work, *const odd = even + P::kRows * P::kEvenInPad, *const work = odd + P::kRows * P::kOddInPad;
  affine_backward<false, P::kRows, P::kEvenIn, P::kEvenOut>(p.v, static_cast<const S*>(p.even_y),
                                                            static_cast<const S*>(p.even_x), even, work, nullptr);
  affine_backward<false, P::kRows, P::kOddIn, P::kOddOut>(p.u, static_cast<const S*>(p.odd_y),
                                                          static_cast<const S*>(p.odd_x), odd, work, nullptr);
  for (int r = 0; r < P::kRows; ++r)
    inner::join_row<kAdd, InMirror, F::kIn>(even + r * P::kEvenInPad, odd + r * P::kOddInPad, S(0.5),
                                            f.dx + r * padded<S>(F::kIn));
}

template <int Out, class InMirror, class OutMirror, class Bias, class F, class Visitor>
EMMY_INLINE void gradients(Mirrored<Out, InMirror, OutMirror, Bias>, const F& f, Visitor& visitor) noexcept {
  using S = typename F::scalar;
  using P = inner::MirroredPlace<Out, InMirror, OutMirror, F>;
  const P p(f);
  const S *const even = p.even_y, *const odd = p.odd_y;
  for_gradient_rows<P::kEvenIn, P::kEvenOutPad, P::kRows>(static_cast<const S*>(p.even_x), P::kEvenInPad, even,
                                                          [&](int row, auto m, const S* g)
                                                              EMMY_LAMBDA { visitor.template rows<0>(row, m, g); });
  for_gradient_rows<P::kOddIn, P::kOddOutPad, P::kRows>(static_cast<const S*>(p.odd_x), P::kOddInPad, odd,
                                                        [&](int row, auto m, const S* g)
                                                            EMMY_LAMBDA { visitor.template rows<1>(row, m, g); });
  if constexpr (__is_same(Bias, WithBias))
    bias_gradient<P::kEvenOutPad, P::kRows>(
        even, [&](const S* g) EMMY_LAMBDA { visitor.template rows<2>(0, std::integral_constant<int, 1>{}, g); });
}

}  // namespace emmy::inline EMMY_TARGET
