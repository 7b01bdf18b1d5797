// What the units of a hidden layer still carry, and an alarm where a run that goes on learning (task after task, or for months on a
// device) loses it. Constant memory.
//
//   live       units with |in_j| |out_j| above `part` of the largest (dead_units)
//   distinct   live units that are no copy of one before them: a homogeneous ensemble has fewer than live ones. A copy answers to every
//              input with the same number, behind a homogeneous activation with the same up to a positive factor:
//              |in_i - c in_j| <= part |in_i|, in with the bias, c = 1 or the c that makes it least
//   rank       effective_rank of the units
//
// They say how much room there is, not how good the net is: few live units may be enough. Source: theory.md section 4 (collapse and
// plasticity meters). Test: tests/train/capacity_test.cpp.
#pragma once

#include <emmy/train/meters.hpp>

namespace emmy {

template <class S>
struct Capacity {
  int live, distinct;
  S rank;
};

// Tells when one of the three has fallen below `share` of what it was at first: of what `begin` saw, after initialisation or a
// first task.
template <class S>
struct CollapseAlarm {
  S share = S(0.5);
  Capacity<S> first{};

  EMMY_INLINE constexpr void begin(const Capacity<S>& now) noexcept { first = now; }
  [[nodiscard]] EMMY_INLINE constexpr bool note(const Capacity<S>& now) const noexcept {
    return S(now.live) < share * S(first.live) || S(now.distinct) < share * S(first.distinct) ||
           !(now.rank >= share * first.rank);
  }
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// Of the units of the layer that Site names; part: theory.md has 1e-3.
template <class Site, class Net>
Capacity<typename Net::scalar> capacity(const Params<Net>& params, typename Net::scalar part) noexcept {
  using S = typename Net::scalar;
  using U = inner::HiddenUnits<Net, Site>;
  constexpr bool kScales = kIsHomogeneous<typename node_at<Net, U::kNode + 1>::layer>;
  Capacity<S> now{0, 0, effective_rank<Site>(params)};
  S size[U::kUnits], most = 0;
  unit_sizes<Site>(params, size);
  for (const S s : size) most = larger(most, s);
  for (int i = 0; i < U::kUnits; ++i) {
    if (!(size[i] > part * most)) continue;
    ++now.live;
    bool copy = false;
    S own, other, both, out;
    U::dots(params.data, i, i, own, out);
    for (int j = 0; j < i && !copy; ++j) {
      if (!(size[j] > part * most)) continue;
      U::dots(params.data, j, j, other, out);
      U::dots(params.data, i, j, both, out);
      const S c = kScales ? both / other : S(1);  // other is not 0: j is live
      copy = c > S(0) && own - S(2) * c * both + c * c * other <= part * part * own;
    }
    now.distinct += !copy;
  }
  return now;
}

}  // namespace emmy::inline EMMY_TARGET
