// W = U V of two linear layers: weight decay on both is the nuclear norm of W, so decay finds a rank.
//
//   min over U V = W of (lam / 2) (|U|^2 + |V|^2)  =  lam sum of the singular values of W
//
// so with the loss 1/2 |W - M|^2 the singular values of W are those of M less lam, or 0. LowRank<Dense<Out, Bias>, Rank> in a net is two
// layers, Dense<Rank, NoBias> and Dense<Out, Bias>, at two positions (parametrize/parametrized.hpp): kind `factors`. Their balance
// matrix V V' - U' U is a charge (symmetry/balance.hpp), which decay takes to 0. `fold` multiplies them to one Dense.
// singular_basis rotates the units between into the singular basis; drop_rank makes the small ones exact zeros, so that
// fold_units (parametrize/fold.hpp) leaves two thinner layers where that is cheaper: (in + out) rank < in out. Where training goes on
// both take the State too: momentum would bring a dropped rank back.
// Source: theory.md section 4 (rotation -> low rank). Test: tests/parametrize/constrained_test.cpp.
#pragma once

#include <emmy/kernels/jacobi.hpp>
#include <emmy/net/companions.hpp>
#include <emmy/net/memory.hpp>

namespace emmy::inline EMMY_TARGET {

namespace inner {

// One-sided Jacobi (kernels/jacobi.hpp) on weights as they lie, strided: turns lines p and q of `a` so that they are orthogonal, and those of `b` along. line(matrix, p)[k * step].
template <class S>
struct Lines {
  S* data;
  int line, step, count;  // from one line to the next, within a line, how long
  EMMY_INLINE S& operator()(int l, int k) const noexcept { return data[l * line + k * step]; }
};
template <class S>
EMMY_INLINE S lines_dot(const Lines<S>& a, int p, int q) noexcept {
  S s = 0;
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

// The two blocks of the pair whose first layer Site names.
template <class Net, class Site>
struct LinearPair {
  static constexpr int kNode = kNodeOf<Net, Site>;
  static_assert(kNode >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  static constexpr bool kFits = [] {
    if constexpr (kNode + 1 < Net::kNodes) {
      using First = node_at<Net, kNode>;
      using Second = node_at<Net, kNode + 1>;
      return kIsAffine<typename First::layer> && kIsAffine<typename Second::layer> &&
             !kIsWindowed<typename First::layer> && !kIsWindowed<typename Second::layer> &&
             kHasPlainWeights<typename First::layer> && kHasPlainWeights<typename Second::layer> &&
             Second::kFrom == kNode + 1 && Second::kSkip < 0 &&
             kPlan<Net>.first_block[kNode + 1] - kPlan<Net>.first_block[kNode] == 1;
    } else {
      return false;
    }
  }();
  static_assert(kFits, "emmy: a low rank is that of two Dense layers with nothing between, the first without a bias");
  static constexpr auto u = kPlan<Net>.block[kPlan<Net>.first_block[kNode]],
                        v = kPlan<Net>.block[kPlan<Net>.first_block[kFits ? kNode + 1 : kNode]];
  static constexpr int kRank = u.cols;

  template <class S>
  static void clear_unit(S* data, int r) noexcept {
    for (int i = 0; i < u.rows; ++i) data[u.offset + i * u.stride + r] = 0;
    for (int o = 0; o < v.cols; ++o) data[v.offset + r * v.stride + o] = 0;
  }
};

}  // namespace inner

// Rotates and scales the units between the two layers that Site begins, so that U' U = V V' = diag(value): value[kRank] are the
// singular values of U V, the largest first. The function stays as it is, up to rounding.
template <class Site, class Net>
void singular_basis(Params<Net>& params, typename Net::scalar* value) noexcept {
  using S = typename Net::scalar;
  using P = inner::LinearPair<Net, Site>;
  const inner::Lines<S> u{params.data + P::u.offset, 1, P::u.stride, P::u.rows},
      v{params.data + P::v.offset, P::v.column ? 1 : P::v.stride, P::v.column ? P::v.width : 1, P::v.cols};
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

}  // namespace emmy::inline EMMY_TARGET
