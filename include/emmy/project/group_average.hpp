// Weights that commute with a finite group: the mean over its elements (Reynolds operator).
//
// Element s acts on a tensor by a signed permutation: (A_s x)[i] = sign[s][i] x[from[s][i]]. A layer x W + b is equivariant when acting on
// x and acting on the outputs is the same.
//   GroupAverage<Site, ...>{in, out}   W[i, o] := mean over s of sign_out[s][o] sign_in[s][i] W[from_in[s][i], from_out[s][o]],  b likewise
// tangent: the same map of g, which is linear; a net whose layers are equivariant, with outputs and targets that are, has such
// gradients from all of a symmetric data set, and by `tangent` from any batch. Changes the function. Entries that the group takes into
// each other become the same number up to sign, bit for bit, so the layer is equivariant up to the order of its sums, and a second
// projection changes nothing. Where an entry goes into itself with the other sign it becomes 0.
// Status: not_finite; not_a_group (no permutation, a sign that is not 1 or -1, the pairs of actions not closed under
// composition); then nothing has moved. The check takes elements^3 (inputs + outputs) steps at most.
// Source: theory.md section 5. Test: tests/project/mixing_test.cpp.
#pragma once

#include <emmy/project/sets.hpp>

namespace emmy {

template <int Elements, int Units>
struct Action {
  int from[Elements][Units];
  signed char sign[Elements][Units];
};
// The same action on several copies of the units one after the other, `Copies` times: of hidden units, say.
template <int Copies, int Elements, int Units>
consteval Action<Elements, Copies * Units> copies_of(const Action<Elements, Units>& one) {
  Action<Elements, Copies * Units> all{};
  for (int s = 0; s < Elements; ++s)
    for (int i = 0; i < Copies * Units; ++i) {
      all.from[s][i] = i / Units * Units + one.from[s][i % Units];
      all.sign[s][i] = one.sign[s][i % Units];
    }
  return all;
}

template <class Site, int Elements, int In, int Out>
struct GroupAverage {
  const Action<Elements, In>& in;
  const Action<Elements, Out>& out;
};
// group_average<Layer<0>>(in, out)
template <class Site, int Elements, int In, int Out>
constexpr GroupAverage<Site, Elements, In, Out> group_average(const Action<Elements, In>& in,
                                                              const Action<Elements, Out>& out) noexcept {
  return {in, out};
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

template <int Elements, int Units>
bool permutes(const Action<Elements, Units>& a) noexcept {
  for (int s = 0; s < Elements; ++s) {
    bool met[Units] = {};
    for (int i = 0; i < Units; ++i) {
      const int from = a.from[s][i];
      if (from < 0 || from >= Units || met[from] || (a.sign[s][i] != 1 && a.sign[s][i] != -1)) return false;
      met[from] = true;
    }
  }
  return true;
}
// Is A_s A_t = A_u?
template <int Elements, int Units>
bool composes(const Action<Elements, Units>& a, int s, int t, int u) noexcept {
  for (int i = 0; i < Units; ++i) {
    const int by = a.from[s][i];
    if (a.from[u][i] != a.from[t][by] || a.sign[u][i] != a.sign[s][i] * a.sign[t][by]) return false;
  }
  return true;
}
// A finite set of permutations that is closed under composition is a group.
template <int Elements, int In, int Out>
bool is_group(const Action<Elements, In>& in, const Action<Elements, Out>& out) noexcept {
  if (!permutes(in) || !permutes(out)) return false;
  for (int s = 0; s < Elements; ++s)
    for (int t = 0; t < Elements; ++t) {
      int u = 0;
      while (u < Elements && !(composes(in, s, t, u) && composes(out, s, t, u))) ++u;
      if (u == Elements) return false;
    }
  return true;
}

// Where element s takes entry (i, o) from, and with what sign.
struct Taken {
  int i, o;
  bool minus;
};
template <int Elements, int In, int Out>
EMMY_INLINE Taken taken(const Action<Elements, In>& in, const Action<Elements, Out>& out, int s, int i,
                        int o) noexcept {
  return {in.from[s][i], out.from[s][o], in.sign[s][i] != out.sign[s][o]};
}
// Is no entry of the orbit before (i, o)? A function of its own: in one loop with the sum g++ 12 miscompiles it (-fivopts).
template <int Elements, int In, int Out>
EMMY_OUTLINE bool leads_orbit(const Action<Elements, In>& in, const Action<Elements, Out>& out, int i, int o) noexcept {
  for (int s = 0; s < Elements; ++s) {
    const Taken t = taken(in, out, s, i, o);
    if (t.i < i || (t.i == i && t.o < o)) return false;
  }
  return true;
}
// The mean over one orbit after the other. place(i, o) gives an offset.
template <int Elements, int In, int Out, class S, class Place>
void average(const Action<Elements, In>& in, const Action<Elements, Out>& out, S* data, Place place) noexcept {
  for (int i = 0; i < In; ++i)
    for (int o = 0; o < Out; ++o) {
      if (!leads_orbit(in, out, i, o)) continue;
      const S first = data[place(i, o)];
      S sum = 0;
      bool vanishes = false;
      for (int s = 0; s < Elements; ++s) {
        const Taken t = taken(in, out, s, i, o);
        vanishes = vanishes || (t.i == i && t.o == o && t.minus);
        const S other = data[place(t.i, t.o)];
        sum += (t.minus ? -other : other) - first;
      }
      const S mean = vanishes ? S(0) : first + sum / S(Elements);
      for (int s = 0; s < Elements; ++s) {
        const Taken t = taken(in, out, s, i, o);
        data[place(t.i, t.o)] = t.minus ? -mean : mean;
      }
    }
}

}  // namespace inner

template <class Site, int Elements, int In, int Out, class Net>
Status tangent(const GroupAverage<Site, Elements, In, Out>& set, const Params<Net>&,
               typename Net::scalar* direction) noexcept {
  constexpr int kNode = detail::projected_node<Net, Site>();
  using N = node_at<Net, kNode>;
  constexpr int kFirst = kPlan<Net>.first_block[kNode], kBlocks = kPlan<Net>.first_block[kNode + 1] - kFirst;
  static_assert(kIsAffine<typename N::layer> && kHasPlainWeights<typename N::layer> &&
                    !kIsWindowed<typename N::layer> && kPlan<Net>.block[kFirst].rows == In &&
                    kPlan<Net>.block[kFirst].cols == Out,
                "emmy: GroupAverage acts on a Dense with as many inputs and outputs as its actions have units");
  if (!inner::is_group(set.in, set.out)) return Status::not_a_group;
  for (int b = kFirst; b < kFirst + kBlocks; ++b)
    if (!all_finite(direction + kPlan<Net>.block[b].offset, static_cast<std::size_t>(kPlan<Net>.block[b].size())))
      return Status::not_finite;
  inner::average(set.in, set.out, direction, [](int i, int o) { return kPlan<Net>.block[kFirst].at(i, o); });
  if constexpr (kBlocks > 1) {
    Action<Elements, 1> alone;
    for (int s = 0; s < Elements; ++s) alone.from[s][0] = 0, alone.sign[s][0] = 1;
    inner::average(alone, set.out, direction, [](int, int o) { return kPlan<Net>.block[kFirst + 1].offset + o; });
  }
  return Status::ok;
}
template <class Site, int Elements, int In, int Out, class Net>
Status project(const GroupAverage<Site, Elements, In, Out>& set, Params<Net>& params) noexcept {
  return tangent(set, params, params.data);
}

}  // namespace emmy::inline EMMY_TARGET
