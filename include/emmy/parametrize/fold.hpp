// From a parametrised, adapted or pruned net to the net that is deployed.
#pragma once

#include <utility>

#include <emmy/core/status.hpp>
#include <emmy/layers/activations.hpp>
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/materialised.hpp>
#include <emmy/parametrize/plain_rows.hpp>
#include <emmy/parametrize/weight_norm.hpp>

namespace emmy {

namespace detail {
// Chains only: node i reads tensor i.
template <class... N>
consteval bool is_chain(Nodes<N...>) {
  int at = 0;
  return (true && ... && (N::kFrom == at++ && N::kSkip < 0));
}
// Is node I the frozen layer of a Lora?
template <class L>
inline constexpr bool kIsAdapterUp = false;
template <class L>
inline constexpr bool kIsAdapterUp<AdapterUp<L>> = true;
template <class Net, int I>
inline constexpr bool kIsAdapted = [] {
  if constexpr (I + 2 < Net::kNodes)
    return kIsAdapterUp<typename node_at<Net, I + 2>::layer> && node_at<Net, I + 1>::kFrom == node_at<Net, I>::kFrom;
  else return false;
}();
// Are nodes I and I + 1 the factors of one layer?
template <class Net, int I>
inline constexpr bool kIsPaired = kIsFirstFactor<typename node_at<Net, I>::layer>;
template <class Net, int I = 0>
inline constexpr bool kHasPairs = [] {
  if constexpr (I == Net::kNodes) return false;
  else return kIsPaired<Net, I> || kHasPairs<Net, I + 1>;
}();
// Does every unit meet one row of the next weights? Not where windows or other shapes give it several, or its own layer.
template <class... N>
consteval bool has_single_rows(Nodes<N...>) {
  return (true && ... &&
          (!kIsWindowed<typename N::layer> && !kIsReshape<typename N::layer> && !kMakesDeltas<typename N::layer>));
}
}  // namespace detail

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

// Node I of a net as node To of the plain one.
template <int I, int To, class Net, class Plain>
EMMY_INLINE void fold_node(const Params<Net>& from, Params<Plain>& to) noexcept {
  using N = node_at<Net, I>;
  constexpr int kFirst = kPlan<Net>.first_block[I], kEnd = kPlan<Net>.first_block[I + 1];
  if constexpr (kFirst < kEnd) {
    const auto* source = from.data + kPlan<Net>.block[kFirst].offset;
    constexpr bool kComposed = kIsComposed<typename N::layer>;
    if constexpr (kComposed || kPlan<Net>.block[kFirst].role == Role::factor) {
      PlainRows<Plain, To, kComposed> rows;
      auto* const target = rows.to(to.data);
      if constexpr (kComposed) {
        compose<typename N::layer::template weights<typename Net::scalar, typename N::in>>(
            typename N::layer::composition{}, source, target);
      } else {
        // Effective weights and bias follow each other as the plain layer's blocks do; without a bias there is no such row.
        constexpr int kIn = N::in::kChannels;
        effective_weights<kIn, kIn + (N::layer::kHasBias ? 1 : 0)>(typename N::layer{}, source, target);
      }
      rows.put(to.data);
    } else {
      auto* target = to.data + kPlan<Plain>.block[kPlan<Plain>.first_block[To]].offset;
      for (int b = kFirst; b < kEnd; ++b)
        for (int i = 0; i < kPlan<Net>.block[b].size(); ++i) *target++ = *source++;
    }
  }
}

// W += A B: the adapter whose nodes are I + 1 and I + 2.
template <int I, int To, class Net, class Plain>
EMMY_INLINE void add_adapter(const Params<Net>& from, Params<Plain>& to) noexcept {
  constexpr auto down = kPlan<Net>.block[kPlan<Net>.first_block[I + 1]],
                 up = kPlan<Net>.block[kPlan<Net>.first_block[I + 2]],
                 w = kPlan<Plain>.block[kPlan<Plain>.first_block[To]];
  for (int i = 0; i < w.rows; ++i)
    for (int r = 0; r < down.cols; ++r) {
      const auto a = from.data[down.at(i, r)];
      for (int o = 0; o < w.cols; ++o) to.data[w.at(i, o)] += a * from.data[up.at(r, o)];
    }
}

// W = U V, the other blocks as they are: the factors that are nodes I and I + 1. Of a recurrent layer gate by gate.
template <int I, int To, class Net, class Plain>
EMMY_INLINE void multiply_pair(const Params<Net>& from, Params<Plain>& to) noexcept {
  constexpr int kSecond = kPlan<Net>.first_block[I + 1], kTo = kPlan<Plain>.first_block[To];
  constexpr auto u = kPlan<Net>.block[kPlan<Net>.first_block[I]], v = kPlan<Net>.block[kSecond],
                 w = kPlan<Plain>.block[kTo];
  for (int i = 0; i < w.size(); ++i) to.data[w.offset + i] = 0;
  for (int i = 0; i < w.rows; ++i)
    for (int r = 0; r < u.cols; ++r)
      for (int o = 0; o < w.cols; ++o)
        to.data[w.at(i, o)] += from.data[u.at(i % u.rows, r)] * from.data[v.at(i / u.rows * u.cols + r, o)];
  for (int b = 1; b < kPlan<Net>.first_block[I + 2] - kSecond; ++b) {
    const auto &rest = kPlan<Net>.block[kSecond + b], &target = kPlan<Plain>.block[kTo + b];
    for (int o = 0; o < target.size(); ++o) to.data[target.offset + o] = from.data[rest.offset + o];
  }
}

// f(constant<I>, constant<To>, constant<is it adapted>) for every node I that is node To of the plain net.
template <class Net, int I = 0, int To = 0, class F>
EMMY_INLINE void for_plain_nodes(F&& f) noexcept {
  if constexpr (I < Net::kNodes) {
    constexpr bool kAdapted = detail::kIsAdapted<Net, I>;
    f(std::integral_constant<int, I>{}, std::integral_constant<int, To>{}, std::bool_constant<kAdapted>{});
    // a Dense, two ways of its adapter, Add; two factors
    for_plain_nodes<Net, I + (kAdapted ? 4 : detail::kIsPaired<Net, I> ? 2 : 1), To + 1>(f);
  }
}

}  // namespace inner

// The effective weights of every layer, as the plain net with the same layers; adapters become part of what they adapt.
// Without adapters the same function, bit for bit in the weights that its forward pass uses (a Dense whose few outputs are stored in
// columns adds up in another order). Test: tests/parametrize/fold_test.cpp, tests/layers/lora_test.cpp.
template <class Net>
void fold(const Params<Net>& from, Params<plain_of<Net>>& to) noexcept {
  inner::for_plain_nodes<Net>([&]<int I, int To, bool Adapted>(std::integral_constant<int, I>,
                                                               std::integral_constant<int, To>,
                                                               std::bool_constant<Adapted>) EMMY_LAMBDA {
    if constexpr (detail::kIsPaired<Net, I>) inner::multiply_pair<I, To>(from, to);
    else inner::fold_node<I, To>(from, to);
    if constexpr (Adapted) inner::add_adapter<I, To>(from, to);
  });
}

// LowRank layers as two layers, the same function: for fold_units, after singular_basis and drop_rank (parametrize/low_rank.hpp).
template <class Net>
void unpair(const Params<Net>& from, Params<unpaired_of<Net>>& to) noexcept {
  static_assert(kPlan<Net>.params == kPlan<unpaired_of<Net>>.params);
  for (int i = 0; i < kPlan<Net>.params; ++i) to.data[i] = from.data[i];
}

// The way there: all weights from the plain net, but for the adapters, which stay as they are (init: B is 0, and the net is
// the plain one). Test: tests/layers/lora_test.cpp.
template <class Net>
void adapt(const Params<plain_of<Net>>& from, Params<Net>& to) noexcept {
  using Plain = plain_of<Net>;
  static_assert(!kHasFactors<Net> && !detail::kHasPairs<Net>,
                "emmy: adapt takes a net of plain weights and adapters: factors are not unique");
  inner::for_plain_nodes<Net>([&]<int I, int To, bool Adapted>(std::integral_constant<int, I>,
                                                               std::integral_constant<int, To>,
                                                               std::bool_constant<Adapted>) EMMY_LAMBDA {
    constexpr int kFirst = kPlan<Net>.first_block[I], kCount = kPlan<Net>.first_block[I + 1] - kFirst,
                  kSource = kPlan<Plain>.first_block[To];
    for (int b = 0; b < kCount; ++b) {
      const auto &source = kPlan<Plain>.block[kSource + b], &target = kPlan<Net>.block[kFirst + b];
      for (int i = 0; i < target.size(); ++i) to.data[target.offset + i] = from.data[source.offset + i];
    }
  });
}

namespace inner {

template <class Net, int I>
consteval int next_affine() {
  if constexpr (I >= Net::kNodes) return -1;
  else if constexpr (kIsAffine<typename node_at<Net, I>::layer>) return I;
  else return next_affine<Net, I + 1>();
}

// Node I is a Dense with activations only between it and the next one.
template <class Net, int I>
consteval bool hidden_layer() {
  if constexpr (!kIsAffine<typename node_at<Net, I>::layer> || next_affine<Net, I + 1>() < 0) {
    return false;
  } else if constexpr (kIsWindowed<typename node_at<Net, next_affine<Net, I + 1>()>::layer>) {
    return false;  // a unit of its input is several rows
  } else {
    return []<int... J>(std::integer_sequence<int, J...>) {
      return (true && ... && kIsElementwise<typename node_at<Net, I + 1 + J>::layer>);
    }
    (std::make_integer_sequence<int, next_affine<Net, I + 1>() - I - 1>{});
  }
}

// One value through the activations of nodes From .. To - 1.
template <class Net, int From, int To, class S>
EMMY_INLINE S activate_between(S value) noexcept {
  if constexpr (From < To) {
    simd::store_first(activate(typename node_at<Net, From>::layer{}, simd::set(value)), &value, 1);
    return activate_between<Net, From + 1, To>(value);
  } else {
    return value;
  }
}

}  // namespace inner

// A unit of a plain chain whose incoming weights are all zero is the constant activation(b): adds what it sends on to the
// next bias and clears its outgoing row, so that fold_units can drop it. Returns the number of such units. The function
// stays the same up to rounding. Test: tests/parametrize/fold_test.cpp.
template <class Net>
int absorb_constant_units(Params<Net>& params) noexcept {
  using S = typename Net::scalar;
  static_assert(detail::is_chain(typename Net::nodes{}) && __is_same(Net, plain_of<Net>),
                "emmy: absorb_constant_units takes a plain chain: call fold first");
  int found = 0;
  const auto one = [&]<int I>(std::integral_constant<int, I>) {
    if constexpr (inner::hidden_layer<Net, I>()) {
      constexpr int kNext = inner::next_affine<Net, I + 1>();
      constexpr auto w = kPlan<Net>.block[kPlan<Net>.first_block[I]],
                     next = kPlan<Net>.block[kPlan<Net>.first_block[kNext]];
      constexpr int kBias = kPlan<Net>.first_block[I] + 1, kNextBias = kPlan<Net>.first_block[kNext] + 1;
      constexpr bool kHasBias = kBias < kPlan<Net>.first_block[I + 1],
                     kHasNextBias = kNextBias < kPlan<Net>.first_block[kNext + 1];
      for (int j = 0; j < w.cols; ++j) {
        bool constant = true;
        for (int i = 0; i < w.rows; ++i) constant = constant && params.data[w.at(i, j)] == S(0);
        S value = S(0);
        if constexpr (kHasBias) value = params.data[kPlan<Net>.block[kBias].offset + j];
        value = inner::activate_between<Net, I + 1, kNext>(value);
        if (!constant || (!kHasNextBias && value != S(0))) continue;
        ++found;
        for (int o = 0; o < next.cols; ++o) {
          S& weight = params.data[next.at(j, o)];
          if constexpr (kHasNextBias) params.data[kPlan<Net>.block[kNextBias].offset + o] += value * weight;
          weight = S(0);
        }
      }
    }
  };
  [&]<int... I>(std::integer_sequence<int, I...>) { (one(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, Net::kNodes>{});
  return found;
}

// Does hidden unit j of a plain chain, the outputs of affine node I, reach the next affine node? Its outgoing row is
// zero when it does not, and then it computes nothing.
template <class Net, int Consumer>
EMMY_INLINE bool unit_is_live(const Params<Net>& params, int unit) noexcept {
  constexpr auto kBlock = kPlan<Net>.block[kPlan<Net>.first_block[Consumer]];
  for (int o = 0; o < kBlock.cols; ++o)
    if (params.data[kBlock.at(unit, o)] != typename Net::scalar(0)) return true;
  return false;
}

template <class Net, int Consumer>
EMMY_INLINE int live_units(const Params<Net>& params) noexcept {
  int live = 0;
  for (int j = 0; j < kPlan<Net>.block[kPlan<Net>.first_block[Consumer]].rows; ++j)
    live += unit_is_live<Net, Consumer>(params, j);
  return live;
}

namespace inner {

// Writes node I of Target: rows kept[..] of the live inputs, columns of the live outputs; the rest stays zero.
template <class Net, class Target, int I>
EMMY_INLINE void fold_layer(const Params<Net>& from, Params<Target>& to, const int* rows, int row_count,
                            const int* cols, int col_count) noexcept {
  constexpr int kFirst = kPlan<Net>.first_block[I], kTo = kPlan<Target>.first_block[I];
  constexpr auto w = kPlan<Net>.block[kFirst], tw = kPlan<Target>.block[kTo];
  for (int i = 0; i < row_count; ++i)
    for (int o = 0; o < col_count; ++o) to.data[tw.at(i, o)] = from.data[w.at(rows[i], cols[o])];
  if constexpr (kFirst + 1 < kPlan<Net>.first_block[I + 1]) {
    constexpr auto b = kPlan<Net>.block[kFirst + 1], tb = kPlan<Target>.block[kTo + 1];
    for (int o = 0; o < col_count; ++o) to.data[tb.offset + o] = from.data[b.offset + cols[o]];
  }
}

}  // namespace inner

// Drops every hidden unit whose outgoing weights are all zero: `Target` is the same chain with narrower hidden layers.
// Where Target is wider than what lives, its spare units are zero. Status::does_not_fit if a layer of Target is too
// narrow: `live` tells the most units that one of its hidden layers needs; `to` is untouched. The function stays the
// same up to the order of summation. Test: tests/parametrize/fold_test.cpp.
template <class Net, class Target>
Status fold_units(const Params<Net>& from, Params<Target>& to, int& live) noexcept {
  using S = typename Net::scalar;
  static_assert(detail::is_chain(typename Net::nodes{}) && detail::is_chain(typename Target::nodes{}) &&
                    Net::kNodes == Target::kNodes,
                "emmy: fold_units needs two chains of the same layers (no Residual); only the widths may differ");
  static_assert(
      detail::has_single_rows(typename Net::nodes{}) && detail::has_single_rows(typename Target::nodes{}),
      "emmy: fold_units takes nets in which a unit has one row of outgoing weights: no convolution, no Flatten");
  static_assert(Net::kInputs == Target::kInputs && Net::kOutputs == Target::kOutputs,
                "emmy: fold_units keeps inputs and outputs");
  static_assert(__is_same(Net, plain_of<Net>), "emmy: fold_units takes plain weights: call fold first");
  Status status = Status::ok;
  live = 0;
  const auto fits = [&]<int I>(std::integral_constant<int, I>) {
    if constexpr (I > 0 && kIsAffine<typename node_at<Net, I>::layer>) {
      const int count = live_units<Net, I>(from);
      if (count > kPlan<Target>.block[kPlan<Target>.first_block[I]].rows) status = Status::does_not_fit;
      live = count > live ? count : live;
    }
  };
  [&]<int... I>(std::integer_sequence<int, I...>) { (fits(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, Net::kNodes>{});
  if (status != Status::ok) return status;
  for (S& v : to.data) v = S(0);
  const auto one = [&]<int I>(std::integral_constant<int, I>) {
    if constexpr (kIsAffine<typename node_at<Net, I>::layer>) {
      constexpr auto w = kPlan<Net>.block[kPlan<Net>.first_block[I]];
      constexpr int kNext = inner::next_affine<Net, I + 1>();
      int rows[w.rows], cols[w.cols], row_count = 0, col_count = 0;
      for (int i = 0; i < w.rows; ++i)
        if (I == 0 || unit_is_live<Net, I>(from, i)) rows[row_count++] = i;
      for (int o = 0; o < w.cols; ++o) {
        bool keep = true;
        if constexpr (kNext >= 0) keep = unit_is_live<Net, kNext>(from, o);
        if (keep) cols[col_count++] = o;
      }
      inner::fold_layer<Net, Target, I>(from, to, rows, row_count, cols, col_count);
    }
  };
  [&]<int... I>(std::integer_sequence<int, I...>) { (one(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, Net::kNodes>{});
  return Status::ok;
}

}  // namespace emmy::inline EMMY_TARGET
