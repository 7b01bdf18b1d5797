// W = U V of two linear layers: weight decay on both is the nuclear norm of W, so decay finds a rank.
//
//   min over U V = W of (lam / 2) (|U|^2 + |V|^2)  =  lam sum of the singular values of W
//
// so with the loss 1/2 |W - M|^2 the singular values of W are those of M less lam, or 0. LowRank<L, Rank> in a net is two layers at two
// positions, kind `factors`:
//   Dense<Out, Bias>                 Dense<Rank, NoBias>, Dense<Out, Bias>                   W [in][out]
//   Conv1d<Out, K, ...>, Conv2d      Conv1d<Rank, K, ..., NoBias>, Dense<Out, Bias>          W [K in][out]
//   Rnn<Units>, Gru<Units>           Dense<Rank, NoBias>, Rnn<Units>, Gru<Units>             the weights of the input, [in][gates units]
// (parametrize/low_rank_states.hpp has the recurrent ones). `fold` multiplies them to one L. Their balance matrix V V' - U' U is a
// charge (symmetry/balance.hpp), which decay takes to 0.
// singular_basis rotates the units between into the singular basis; drop_rank makes the small ones exact zeros, so that
// fold_units (parametrize/fold.hpp) leaves two thinner layers where that is cheaper: (in + out) rank < in out. rank_margins certifies what
// was dropped. Where training goes on both take the State too: momentum would bring a dropped rank back.
// Source: theory.md section 4 (rotation -> low rank). Test: tests/parametrize/constrained_test.cpp.
#pragma once

#include <emmy/kernels/jacobi.hpp>
#include <emmy/layers/conv1d.hpp>
#include <emmy/layers/recurrent.hpp>
#include <emmy/net/companions.hpp>
#include <emmy/parametrize/certificate.hpp>

namespace emmy::detail {

template <class... Options>
using BiasOf = std::conditional_t<kWindowOptions<Options...>.has_bias, WithBias, NoBias>;
template <int Out, int Kernel, class... Options, int Rank>
requires(Rank > 0) struct LowRankOf<Conv1d<Out, Kernel, Options...>, Rank> {
  using type = Sequence<FirstFactor<Conv1d<Rank, Kernel, Options..., NoBias>, Conv1d<Out, Kernel, Options...>>,
                        Dense<Out, BiasOf<Options...>>>;
};
template <int Out, int Height, int Width, class... Options, int Rank>
requires(Rank > 0) struct LowRankOf<Conv2d<Out, Height, Width, Options...>, Rank> {
  using type =
      Sequence<FirstFactor<Conv2d<Rank, Height, Width, Options..., NoBias>, Conv2d<Out, Height, Width, Options...>>,
               Dense<Out, BiasOf<Options...>>>;
};
template <class L, int Rank>
requires(Rank > 0 && kIsRecurrent<L> && !kIsComposed<L>) struct LowRankOf<L, Rank> {
  using type = Sequence<FirstFactor<Dense<Rank, NoBias>, L>, L>;
};

}  // namespace emmy::detail

namespace emmy::inline EMMY_TARGET {

namespace inner {

// One-sided Jacobi (kernels/jacobi.hpp) on weights as they lie, strided: turns lines p and q of `a` so that they are orthogonal, and those
// of `b` along. A line is data[l * line + k * step], of a recurrent layer so for each gate.
template <class S>
struct Lines {
  S* data;
  int line, step, count;        // from one line to the next, within a line, how long
  int run = 1 << 30, jump = 0;  // of a gate; from one gate to the next
  EMMY_INLINE S& operator()(int l, int k) const noexcept { return data[l * line + k / run * jump + k % run * step]; }
};
template <class S>
EMMY_INLINE std::remove_const_t<S> lines_dot(const Lines<S>& a, int p, int q) noexcept {
  std::remove_const_t<S> s = 0;
  for (int k = 0; k < a.count; ++k) s += a(p, k) * a(q, k);
  return s;
}
template <class S>
EMMY_INLINE void turn_lines(const Lines<S>& a, int p, int q, S c, S s) noexcept {
  for (int k = 0; k < a.count; ++k) {
    const S x = a(p, k), y = a(q, k);
    a(p, k) = c * x - s * y;
    a(q, k) = s * x + c * y;
  }
}
template <class S>
EMMY_INLINE void orthogonalise_lines(int lines, const Lines<S>& a, const Lines<S>& b) noexcept {
  constexpr int kMostSweeps = 40;
  constexpr S least = S(4) * kRoundoff<S>;
  for (int sweep = 0, turned = 1; turned != 0 && sweep < kMostSweeps; ++sweep) {
    turned = 0;
    for (int p = 0; p < lines; ++p)
      for (int q = p + 1; q < lines; ++q) {
        const S pp = lines_dot(a, p, p), qq = lines_dot(a, q, q), pq = lines_dot(a, p, q);
        const S size = pq < S(0) ? -pq : pq;
        if (!(size > least * root(pp) * root(qq))) continue;
        const auto [c, s] = turn_of(pp, qq, pq);
        turn_lines(a, p, q, c, s);
        turn_lines(b, p, q, c, s);
        ++turned;
      }
  }
}

// The two blocks of the pair whose first layer Site names, or of the factors inside that layer.
template <class Net, class Site>
struct LinearPair {
  static constexpr int kNode = kNodeOf<Net, Site>;
  static_assert(kNode >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  template <int I>
  static constexpr bool kOfStates = requires {
    requires node_at<Net, I>::layer::composition::kPairsStates;
  };
  static constexpr bool kFits = [] {
    if constexpr (kOfStates<kNode>) {
      return true;
    } else if constexpr (kNode + 1 < Net::kNodes) {
      using First = node_at<Net, kNode>;
      using Second = node_at<Net, kNode + 1>;
      return kIsAffine<typename First::layer> && kHasPlainWeights<typename First::layer> &&
             ((kIsAffine<typename Second::layer> && kHasPlainWeights<typename Second::layer> &&
               !kIsWindowed<typename Second::layer>) ||
              (kIsRecurrent<typename Second::layer> && !kIsComposed<typename Second::layer>)) &&
             Second::kFrom == kNode + 1 && Second::kSkip < 0 &&
             kPlan<Net>.first_block[kNode + 1] - kPlan<Net>.first_block[kNode] == 1;
    } else {
      return false;
    }
  }();
  static_assert(
      kFits,
      "emmy: a low rank is that of two layers with nothing between, a Dense or a convolution without a bias and a "
      "Dense, an Rnn or a Gru, or that of LowRankStates");
  static constexpr int kFirst = kPlan<Net>.first_block[kNode] + kOfStates<kNode>, kSecond = kFirst + (kFits ? 1 : 0);
  static constexpr auto u = kPlan<Net>.block[kFirst], v = kPlan<Net>.block[kSecond];
  static constexpr int kRank = u.cols, kGates = v.rows / kRank;

  // Lines of either: unit by unit.
  template <class S>
  static Lines<S> lines_of_u(S* data) noexcept {
    return {data + u.offset, u.col_stride(), u.stride, u.rows};
  }
  template <class S>
  static Lines<S> lines_of_v(S* data) noexcept {
    return {data + v.offset, v.stride, v.col_stride(), kGates * v.cols, v.cols, kRank * v.stride};
  }
  template <class S>
  static void clear_unit(S* data, int r) noexcept {
    for (const Lines<S>& lines : {lines_of_u(data), lines_of_v(data)})
      for (int k = 0; k < lines.count; ++k) lines(r, k) = 0;
  }
};

}  // namespace inner

// Rotates and scales the units between the two layers that Site begins, so that U' U = V V' = diag(value): value[kRank] are the
// singular values of U V, the largest first. The function stays as it is, up to rounding.
template <class Site, class Net>
void singular_basis(Params<Net>& params, typename Net::scalar* value) noexcept {
  using S = typename Net::scalar;
  using P = inner::LinearPair<Net, Site>;
  const inner::Lines<S> u = P::lines_of_u(params.data), v = P::lines_of_v(params.data);
  const auto move_length = [&](const inner::Lines<S>& from, const inner::Lines<S>& to) {
    for (int r = 0; r < P::kRank; ++r) {
      const S size = root(inner::lines_dot(from, r, r));
      for (int k = 0; k < from.count; ++k) from(r, k) = size > S(0) ? from(r, k) / size : S(0);
      for (int k = 0; k < to.count; ++k) to(r, k) *= size;
    }
  };
  inner::orthogonalise_lines(P::kRank, u, v);
  move_length(u, v);
  inner::orthogonalise_lines(P::kRank, v, u);
  for (int r = 0; r < P::kRank; ++r) value[r] = root(inner::lines_dot(v, r, r));
  for (int r = 0; r < P::kRank; ++r) {
    int most = r;
    for (int q = r + 1; q < P::kRank; ++q) most = value[q] > value[most] ? q : most;
    if (most != r) {
      const S kept = value[r];
      value[r] = value[most], value[most] = kept;
      inner::turn_lines(u, r, most, S(0), S(1));
      inner::turn_lines(v, r, most, S(0), S(1));
    }
    const S share = root(value[r]);
    for (int k = 0; k < u.count; ++k) u(r, k) *= share;
    for (int k = 0; k < v.count; ++k) v(r, k) = share > S(0) ? v(r, k) / share : S(0);
  }
}

// The same where training goes on: momentum of both layers, which is of the old basis, becomes 0; second moments stay. A ledger needs
// `resync` after it, a Lazy rule `flush` before.
template <class Site, class Net, class Rule>
void singular_basis(Params<Net>& params, State<Net, Rule>& state, typename Net::scalar* value) noexcept {
  using P = inner::LinearPair<Net, Site>;
  singular_basis<Site>(params, value);
  for (const auto& c : companions_of(state))
    if (c.power == -1) clear(c.data + P::u.offset, P::u.size()), clear(c.data + P::v.offset, P::v.size());
  refresh(state);
}

// Of a net in its singular basis: units whose singular value is at most `least` become exact zeros on both sides. Returns the rank
// that is left.
template <class Site, class Net>
int drop_rank(Params<Net>& params, const typename Net::scalar* value, typename Net::scalar least) noexcept {
  using P = inner::LinearPair<Net, Site>;
  int rank = 0;
  for (int r = 0; r < P::kRank; ++r) {
    if (value[r] > least) ++rank;
    else P::clear_unit(params.data, r);
  }
  return rank;
}
// Their momentum too, so that they stay zeros.
template <class Site, class Net, class Rule>
int drop_rank(Params<Net>& params, State<Net, Rule>& state, const typename Net::scalar* value,
              typename Net::scalar least) noexcept {
  using P = inner::LinearPair<Net, Site>;
  for (int r = 0; r < P::kRank; ++r)
    for (const auto& c : companions_of(state))
      if (c.power == -1 && !(value[r] > least)) P::clear_unit(c.data, r);
  return drop_rank<Site>(params, value, least);
}

// margin[k] = lambda - the k-th largest singular value of the gradient of W outside of what is left, (I - U U+) g (I - V+ V): positive for
// each direction that was dropped, and the loss has no slope below decay along any of them (for a convex loss: it is the optimum).
// params: in the singular basis. plain: folded from them. full: its gradient on all data, which becomes what is outside. margin: kRank.
// Status::not_differentiable, all margins -infinity: a unit that has no weights and no bias is at a kink.
template <class Site, class Net>
Status rank_margins(const Params<Net>& params, const Params<plain_of<Net>>& plain, Gradient<plain_of<Net>>& full,
                    typename Net::scalar lambda, typename Net::scalar* margin) noexcept {
  using S = typename Net::scalar;
  using Plain = plain_of<Net>;
  using P = inner::LinearPair<Net, Site>;
  constexpr int kNode = detail::plain_node<Net, P::kNode>(), kRank = P::kRank;
  constexpr auto kBlock = kPlan<Plain>.block[kPlan<Plain>.first_block[kNode] + P::template kOfStates<P::kNode>];
  constexpr int kIn = kBlock.rows / P::kGates, kOut = kBlock.cols * P::kGates;
  for (int unit = 0; unit < kBlock.cols; ++unit)
    if (inner::is_dead_at_kink<Plain, kNode>(plain, unit, S(0))) {
      for (int r = 0; r < kRank; ++r) margin[r] = -std::numeric_limits<S>::infinity();
      return Status::not_differentiable;
    }
  const inner::Lines<const S> u = P::lines_of_u(params.data), v = P::lines_of_v(params.data);
  const inner::Lines<S> g{full.data + kBlock.offset, kBlock.stride, kBlock.col_stride(), kOut, kBlock.cols,
                          kIn * kBlock.stride};
  for (int r = 0; r < kRank; ++r) {
    const S uu = inner::lines_dot(u, r, r), vv = inner::lines_dot(v, r, r);
    if (!(uu > S(0) && vv > S(0))) continue;
    for (int o = 0; o < kOut; ++o) {
      S along = 0;
      for (int i = 0; i < kIn; ++i) along += u(r, i) * g(i, o);
      for (int i = 0; i < kIn; ++i) g(i, o) -= along / uu * u(r, i);
    }
    for (int i = 0; i < kIn; ++i) {
      S along = 0;
      for (int o = 0; o < kOut; ++o) along += v(r, o) * g(i, o);
      for (int o = 0; o < kOut; ++o) g(i, o) -= along / vv * v(r, o);
    }
  }
  // Of its lines or, where they are fewer, of its columns.
  constexpr bool kColumns = P::kGates == 1 && kOut < kIn;
  const inner::Lines<S> turned = kColumns ? inner::Lines<S>{g.data, kBlock.col_stride(), kBlock.stride, kIn} : g;
  constexpr int kLines = kColumns ? kOut : kIn;
  inner::orthogonalise_lines(kLines, turned, inner::Lines<S>{g.data, 0, 0, 0});
  for (int r = 0; r < kRank; ++r) margin[r] = 0;
  for (int l = 0; l < kLines; ++l) {
    S value = root(inner::lines_dot(turned, l, l));
    for (int r = 0; r < kRank; ++r)
      if (value > margin[r]) {
        const S next = margin[r];
        margin[r] = value, value = next;
      }
  }
  for (int r = 0; r < kRank; ++r) margin[r] = lambda - margin[r];
  return Status::ok;
}

}  // namespace emmy::inline EMMY_TARGET
