// Snap and certificate of a product parametrisation.
//
// A group (ProductByInput: the outgoing weights of a unit; Product: one weight) has collapsed when its size |u||z| is
// far below the largest (the command takes 1e-3 of it). Snapping sets its factors, and their momentum, to exact zeros. Then, on the full
// data set with all other weights final, margin = lambda - |gradient of the loss with respect to the group|:
//   > 0   certified: zero is locally optimal
//   <= 0  collapsed by noise: it may grow back. Put its factors back, or list it (src/cli/constraint.hpp does both).
// A group whose gradient is zero on all data (a unit that never fires, an input that is always 0) has margin lambda for
// a trivial reason; so has one into a unit that only a negative bias is left of. Without a bias that unit is at a kink of the ReLU
// behind it, where the gradient is 0 whatever the unit would do: margin -infinity, Status::not_differentiable. Only such units are
// looked for: where one has weights, rows of data that make its sum exactly 0 (inputs that are 0, no bias) count as they do in the
// gradient.
// A margin is of a group that is 0. Where one is alive and at rest, |gradient| = lambda: its margin is 0 up to rounding, of either sign,
// and says nothing of zero, so snap first (a healthy group that is deleted by hand shows what zero would: a negative margin).
// Source: theory.md section 4 (certificate and snap). Test: tests/parametrize/certificate_test.cpp.
#pragma once

#include <limits>

#include <emmy/core/status.hpp>
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/fold.hpp>
#include <emmy/parametrize/kinks.hpp>

namespace emmy {

namespace detail {
template <class L>
inline constexpr bool kGroupsByInput = false;
template <int Out, class Bias>
inline constexpr bool kGroupsByInput<Parametrized<Dense<Out, Bias>, ProductByInput>> = true;
template <class L>
inline constexpr bool kGroupsByElement = false;
template <int Out, class Bias>
inline constexpr bool kGroupsByElement<Parametrized<Dense<Out, Bias>, Product>> = true;
// Node I of a net as a node of its plain net.
template <class Net, int I, int At = 0, int To = 0>
consteval int plain_node() {
  if constexpr (At >= I) return To;
  else return plain_node<Net, I, At + (kIsAdapted<Net, At> ? 4 : kIsPaired<Net, At> ? 2 : 1), To + 1>();
}
}  // namespace detail

// The groups of the parametrised layer that Site names.
template <class Net, class Site>
struct Groups;
template <class Net, class Site>
inline constexpr bool kIsComposedSite = [] {
  if constexpr (kNodeOf<Net, Site> < 0) return false;
  else return kIsComposed<typename node_at<Net, kNodeOf<Net, Site>>::layer>;
}();
template <class Net, class Site>
requires(kIsComposedSite<Net, Site>) struct Groups<Net, Site> : ComposedSite<Net, Site> {
  static_assert(
      requires { group_count(typename Groups::composition{}, typename Groups::weights{}); },
      "emmy: this parametrisation removes no groups");
  static constexpr int kCount = group_count(typename Groups::composition{}, typename Groups::weights{});
};
template <class Net, class Site>
requires(!kIsComposedSite<Net, Site>) struct Groups<Net, Site> {
  static constexpr int kNode = kNodeOf<Net, Site>;
  static_assert(kNode >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  using L = typename node_at<Net, kNode>::layer;
  static_assert(detail::kGroupsByInput<L> || detail::kGroupsByElement<L>,
                "emmy: no certificate for this layer: it needs Parametrized<Dense<...>, Product> or ProductByInput "
                "(behind a ReLU the "
                "gradient of an incoming group is 0 at 0, so ProductByOutput cannot be certified)");
  static constexpr bool kByInput = detail::kGroupsByInput<L>;
  static constexpr auto u = kPlan<Net>.block[kPlan<Net>.first_block[kNode]];
  static constexpr auto z = kPlan<Net>.block[kPlan<Net>.first_block[kNode] + 1];
  static constexpr int kCols = kByInput ? 1 : z.cols;
  static constexpr int kCount = z.rows * kCols;  // group g: input g / kCols, output g % kCols
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
// The Euclidean norm of group g of a matrix [rows][stride].
template <class G, class S>
EMMY_INLINE S group_norm(const S* w, int stride, int g) noexcept {
  if constexpr (!G::kByInput) {
    const S v = w[g / G::kCols * stride + g % G::kCols];
    return v < S(0) ? -v : v;
  } else {
    S square = 0;
    for (int o = 0; o < G::z.cols; ++o) square += w[g * stride + o] * w[g * stride + o];
    return root(square);
  }
}
template <class G>
EMMY_INLINE int factor_index(int g) noexcept {
  return G::kByInput ? G::u.offset + g : G::u.offset + g / G::kCols * G::u.stride + g % G::kCols;
}
}  // namespace inner

// size[g] = |u||z| of each group.
template <class Site, class Net>
void group_sizes(const Params<Net>& params, typename Net::scalar* size) noexcept {
  using G = Groups<Net, Site>;
  if constexpr (kIsComposedSite<Net, Site>) {
    for (int g = 0; g < G::kCount; ++g)
      size[g] = group_size<typename G::weights>(typename G::composition{}, params.data + G::kOffset, g);
    return;
  } else
    for (int g = 0; g < G::kCount; ++g) {
      const auto u = params.data[inner::factor_index<G>(g)];
      size[g] = (u < 0 ? -u : u) * inner::group_norm<G>(params.data + G::z.offset, G::z.stride, g);
    }
}

// Sets the factors of group g, and their momentum, to 0. It stays there: both gradients vanish with the factors.
template <class Site, class Net, class Rule>
void snap(Params<Net>& params, State<Net, Rule>& state, int g) noexcept {
  using G = Groups<Net, Site>;
  const auto clear = [g](auto* data) {
    if constexpr (kIsComposedSite<Net, Site>) {
      clear_group<typename G::weights>(typename G::composition{}, data + G::kOffset, g);
    } else {
      data[inner::factor_index<G>(g)] = 0;
      for (int o = 0; o < (G::kByInput ? G::z.cols : 1); ++o)
        data[G::z.offset + g / G::kCols * G::z.stride + (G::kByInput ? o : g % G::kCols)] = 0;
    }
  };
  clear(params.data);
  if constexpr (Rule::kHasMemory) clear(state.buf);
}

namespace inner {
// Is a weight of output `unit` in group g?
template <class G>
EMMY_INLINE bool has_unit(int g, int unit) noexcept {
  if constexpr (requires { typename G::composition; })
    return group_has_unit<typename G::weights>(typename G::composition{}, g, unit);
  else return G::kByInput || g % G::kCols == unit;
}
// Weights of this size may be what rounding left of a 0: a snapped Constrained is not exact.
template <class G, class Block, class S>
EMMY_INLINE S rounded_zero(const Block& block, const S* w) noexcept {
  if constexpr (requires { requires G::composition::kRoundsZeros; }) {
    S largest = 1;
    for (int i = 0; i < block.size(); ++i) {
      const S size = w[i] < S(0) ? -w[i] : w[i];
      largest = size > largest ? size : largest;
    }
    return 16 * std::numeric_limits<S>::epsilon() * largest;
  } else {
    return S(0);
  }
}
}  // namespace inner

// margin[g] = lambda - |gradient of the effective weights of group g|, from the plain net's weights and gradient on the full data.
// Status::not_differentiable: of some groups, whose margin is -infinity, the gradient says nothing, the others have theirs.
// Status::rank_deficient: a Constrained whose columns were not made: it has no constraint, all margins are -infinity.
template <class Site, class Net>
Status margins(const Params<plain_of<Net>>& plain, const Gradient<plain_of<Net>>& full, typename Net::scalar lambda,
               typename Net::scalar* margin) noexcept {
  using G = Groups<Net, Site>;
  using Plain = plain_of<Net>;
  using S = typename Net::scalar;
  constexpr int kNode = detail::plain_node<Net, G::kNode>();
  constexpr auto kBlock = kPlan<Plain>.block[kPlan<Plain>.first_block[kNode]];
  constexpr S kNever = -std::numeric_limits<S>::infinity();
  inner::PlainRows<Plain, kNode, kIsComposedSite<Net, Site>> rows;
  const S* const g_of_weights = rows.of(full.data);
  Status status = Status::ok;
  if constexpr (requires { group_status<typename G::weights>(typename G::composition{}); })
    status = group_status<typename G::weights>(typename G::composition{});
  for (int g = 0; g < G::kCount; ++g) {
    if constexpr (kIsComposedSite<Net, Site>)
      margin[g] = lambda - group_slope<typename G::weights>(typename G::composition{}, g_of_weights, g);
    else margin[g] = lambda - inner::group_norm<G>(g_of_weights, padded<S>(kBlock.cols), g);
    if (status != Status::ok) margin[g] = kNever;
  }
  if (status != Status::ok) return status;
  const S tiny = inner::rounded_zero<G>(kBlock, plain.data + kBlock.offset);
  for (int unit = 0; unit < kBlock.cols; ++unit) {
    if (!inner::is_dead_at_kink<Plain, kNode>(plain, unit, tiny)) continue;
    for (int g = 0; g < G::kCount; ++g)
      if (inner::has_unit<G>(g, unit)) {
        margin[g] = kNever;
        status = Status::not_differentiable;
      }
  }
  return status;
}

// What a margin says of a group that is 0 (of a live one it says nothing): is it certified, by how much, or by how much not, and the decay that would do.
// Of a margin of -infinity no decay would: both are infinite.
template <class S>
struct Verdict {
  bool certified;
  S margin, threshold, suggested_decay;
};
template <class S>
EMMY_INLINE constexpr Verdict<S> verdict(S margin, S lambda) noexcept {
  const S threshold = lambda - margin;
  return {margin > S(0), margin, threshold, threshold * S(1.1)};
}

}  // namespace emmy::inline EMMY_TARGET
