// Weights that are the same number, up to a sign: tied groups, and layers that commute with a finite group.
//
//   Tied<Groups>          W[row, out] = t[Groups::group(row, out)]
//   Equivariant<Group>    rho_out(s) W = W rho_in(s) for every s of a finite group of signed permutations, the bias included:
//                         each orbit of weights is one number, 0 where the group maps a weight to its opposite
//
// The parameters are t, one number a group; its gradient is the sum over the group. So the constraint holds exactly, in every step.
// The function is equivariant up to the order of its sums; Mirrored (layers/mirrored.hpp) has a text that is so bit for bit and takes half
// the multiply-adds, for groups of one mirror.
//
//   struct Groups {  static constexpr int kCount = 3;  static constexpr int group(int row, int out) { ... }  };   in [0, kCount)
//   struct Group {                                                  generators are enough
//     static constexpr int kGenerators = 1;
//     static constexpr Signed in(int generator, int i) { ... }      where input i goes, and with which sign
//     static constexpr Signed out(int generator, int o) { ... }     of outputs; before a ReLU signs must be 1
//   };
// That they are, and that the next layer's `in` is this one's `out`, is for the caller to see: nothing else does.
// rows as in the layer's blocks, of a Dense input by input, then the bias; of a convolution positions are left where they are.
// Source: theory.md section 5 (equivariance). Test: tests/parametrize/constrained_test.cpp, materialised_test.cpp.
#pragma once

#include <emmy/parametrize/materialised.hpp>

namespace emmy {

template <class Groups>
struct Tied {
  static constexpr bool kMaterialises = true, kMultiplies = false;
  static constexpr int kAmplifies = 1024;  // the root of the largest group's size is less
};
template <class Group>
struct Equivariant {
  static constexpr bool kMaterialises = true, kMultiplies = false;
  static constexpr int kAmplifies = 1024;
};

namespace detail {

// The number of each weight's group and its sign there, 0: it is 0.
template <class M>
struct TieTable {
  short group[M::kSize] = {};
  signed char sign[M::kSize] = {};
  int groups = 0;
  bool valid = true;
};

template <class M, class Groups>
consteval TieTable<M> tie(Tied<Groups>) {
  TieTable<M> t;
  t.groups = Groups::kCount;
  for (int row = 0; row < M::kRows; ++row)
    for (int out = 0; out < M::kCols; ++out) {
      const int group = Groups::group(row, out), at = M::at(row, out);
      t.valid = t.valid && group >= 0 && group < Groups::kCount;
      t.group[at] = static_cast<short>(group);
      t.sign[at] = 1;
    }
  return t;
}

template <class Group, class M>
consteval bool is_group() {
  for (int s = 0; s < Group::kGenerators; ++s) {
    bool in_taken[M::kTable.block[0].rows] = {}, out_taken[M::kCols] = {};
    const auto one = [](Signed to, int count, bool* taken) {
      if (to.index < 0 || to.index >= count || taken[to.index] || (to.sign != 1 && to.sign != -1)) return false;
      return taken[to.index] = true;
    };
    for (int i = 0; i < M::kTable.block[0].rows; ++i)
      if (!one(Group::in(s, i), M::kTable.block[0].rows, in_taken)) return false;
    for (int o = 0; o < M::kCols; ++o)
      if (!one(Group::out(s, o), M::kCols, out_taken)) return false;
  }
  return true;
}

// The orbits of all weights: each one is followed from its first weight on.
template <class M, class Group>
consteval TieTable<M> tie(Equivariant<Group>) {
  TieTable<M> t;
  t.valid = is_group<Group, M>();
  if (!t.valid) return t;
  constexpr int kIn = M::kTable.block[0].rows;
  int rows[M::kEntries] = {}, outs[M::kEntries] = {};
  for (int row = 0; row < M::kRows; ++row)
    for (int out = 0; out < M::kCols; ++out) {
      if (t.sign[M::at(row, out)] != 0) continue;
      int found = 1;
      bool vanishes = false;
      rows[0] = row, outs[0] = out;
      t.sign[M::at(row, out)] = 1;
      for (int n = 0; n < found; ++n)
        for (int s = 0; s < Group::kGenerators; ++s) {
          const Signed in = rows[n] < kIn ? Group::in(s, rows[n]) : Signed{rows[n], 1}, to = Group::out(s, outs[n]);
          const int at = M::at(in.index, to.index), sign = t.sign[M::at(rows[n], outs[n])] * in.sign * to.sign;
          if (t.sign[at] == 0) {
            t.sign[at] = static_cast<signed char>(sign);
            rows[found] = in.index, outs[found++] = to.index;
          } else {
            vanishes = vanishes || t.sign[at] != sign;
          }
        }
      for (int n = 0; n < found; ++n) {
        const int at = M::at(rows[n], outs[n]);
        t.group[at] = static_cast<short>(vanishes ? -1 : t.groups);
      }
      t.groups += !vanishes;
    }
  for (int i = 0; i < M::kSize; ++i)
    if (t.group[i] < 0) t.group[i] = t.sign[i] = 0;
  return t;
}

template <class P, class M>
inline constexpr auto kTie = tie<M>(P{});

template <class P>
inline constexpr bool kIsTied = false;
template <class Groups>
inline constexpr bool kIsTied<Tied<Groups>> = true;
template <class Group>
inline constexpr bool kIsTied<Equivariant<Group>> = true;

}  // namespace detail

template <class P, class M>
requires(detail::kIsTied<P>) consteval auto blocks_of_parameters(P, M) {
  constexpr int kGroups = detail::kTie<P, M>.groups;
  static_assert(
      detail::kTie<P, M>.valid && kGroups < 32768,
      "emmy: this is no group: each generator of an Equivariant maps inputs and outputs one to one, with signs "
      "1 or -1, and a Tied weight is in one of kCount groups, at most 32767");
  static_assert(
      !detail::kTie<P, M>.valid || kGroups > 0,
      "emmy: this group leaves no weight: it maps each one to its opposite, so all are 0. For some input and output "
      "the signs must agree");
  return Blocks<1>{{{1, kGroups, Role::latent}}};
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <class M, class P, class S>
requires(detail::kIsTied<P>) EMMY_INLINE void compose(P, const S* params, S* w) noexcept {
  constexpr auto& kTie = detail::kTie<P, M>;
  for (int i = 0; i < M::kSize; ++i) {
    const S t = params[kTie.group[i]];
    w[i] = kTie.sign[i] > 0 ? t : kTie.sign[i] < 0 ? -t : S(0);
  }
}
template <class M, class P, class S, class Visitor>
requires(detail::kIsTied<P>) EMMY_INLINE void pull_back(P, const S*, S* g, Visitor& visitor) noexcept {
  constexpr auto& kTie = detail::kTie<P, M>;
  alignas(kAlign<S>) S sum[padded<S>(kTie.groups)] = {};
  for (int i = 0; i < M::kSize; ++i)
    if (kTie.sign[i] != 0) sum[kTie.group[i]] += kTie.sign[i] > 0 ? g[i] : -g[i];
  visitor.template rows<0>(0, std::integral_constant<int, 1>{}, static_cast<const S*>(sum));
}
// Each group has its own draw.
template <class M, class P, class S>
requires(detail::kIsTied<P>) EMMY_INLINE void decompose(P, S*) noexcept {}

}  // namespace emmy::inline EMMY_TARGET
