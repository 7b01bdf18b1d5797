// Is a unit whose incoming weights and bias are all 0 at a kink of the loss? There the gradient is that of one side, or 0, and says
// nothing of what the weights would do: ReLU, LeakyReLU and x^1 at 0, and a max pool, all of whose values are equal. Followed to the
// next layer that mixes units; what is behind a ReLU below 0 is flat. Test: tests/parametrize/certificate_test.cpp.
#pragma once

#include <utility>

#include <emmy/layers/activations.hpp>
#include <emmy/layers/max_pool.hpp>
#include <emmy/layers/recurrent.hpp>
#include <emmy/net/memory.hpp>

namespace emmy {

namespace detail {
template <class L>
inline constexpr bool kIsKinked = false;
template <>
inline constexpr bool kIsKinked<Relu> = true;
template <int N, int D>
inline constexpr bool kIsKinked<LeakyRelu<N, D>> = N != D;
template <int P, int Q>
inline constexpr bool kIsKinked<PowerRelu<P, Q>> = P == Q;
template <class L>
inline constexpr bool kIsMaxPool = false;
template <int Window, int Along>
inline constexpr bool kIsMaxPool<MaxPool<Window, Along>> = true;

// What a layer does to its own sums.
template <class L>
struct OwnActivation {
  using type = Identity;
};
template <int Units, class Activation>
struct OwnActivation<Rnn<Units, Activation>> {
  using type = Activation;
};
}  // namespace detail

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

enum class Slope : unsigned char { goes_on, flat, kink };

// At value, which becomes f(value).
template <class L, class S>
EMMY_INLINE Slope slope_at(S& value) noexcept {
  const S x = value;
  if (detail::kIsKinked<L> && x == S(0)) return Slope::kink;
  simd::store_first(activate(L{}, simd::set(x)), &value, 1);
  if constexpr (kIsHomogeneous<L>)
    if (value == S(0) && (x < S(0) || L::kDegree.numerator > L::kDegree.denominator)) return Slope::flat;
  return Slope::goes_on;
}

// A unit of tensor From that has this value on all data. tied: a max pool was passed.
template <class Net, int From, class S>
bool is_at_kink(const Params<Net>& params, int unit, S value, bool tied) noexcept {
  bool found = From == Net::kNodes && tied;
  const auto one = [&]<int J>(std::integral_constant<int, J>) EMMY_LAMBDA {
    using N = node_at<Net, J>;
    using L = typename N::layer;
    if constexpr (N::kFrom == From || N::kSkip == From) {
      S y = value;
      if constexpr (kIsElementwise<L>) {
        const Slope slope = slope_at<L>(y);
        if (slope == Slope::flat) return;
        found = found || slope == Slope::kink || is_at_kink<Net, J + 1>(params, unit, y, tied);
      } else if constexpr (kIsNorm<L> && !kShiftInvariant<L>) {
        // Of a constant a BatchNorm leaves its bias, of 0 an RmsNorm too.
        if (!kIsUnitInvariant<L> && value != S(0)) return void(found = found || tied);
        constexpr int kBias = kPlan<Net>.first_block[J] + 1;
        y = S(0);
        if constexpr (L::kHasBias) y = params.data[kPlan<Net>.block[kBias].offset + unit % N::out::kChannels];
        found = found || is_at_kink<Net, J + 1>(params, unit, y, tied);
      } else if constexpr (kIsByChannel<L> && !kIsAffine<L>) {  // pools, Flatten, Last
        found = found || is_at_kink<Net, J + 1>(params, unit, y, tied || detail::kIsMaxPool<L>);
      } else {
        found = found || tied;
      }
    }
  };
  [&]<int... J>(std::integer_sequence<int, J...>) { (one(std::integral_constant<int, J>{}), ...); }
  (std::make_integer_sequence<int, Net::kNodes>{});
  return found;
}

// Is output `unit` of node I of a plain net, all of whose incoming weights are 0, at a kink? Up to `tiny` counts as 0.
template <class Net, int I>
EMMY_INLINE bool is_dead_at_kink(const Params<Net>& params, int unit, typename Net::scalar tiny) noexcept {
  using S = typename Net::scalar;
  S value = 0;
  for (int b = kPlan<Net>.first_block[I]; b < kPlan<Net>.first_block[I + 1]; ++b)
    for (int i = 0; i < kPlan<Net>.block[b].rows; ++i) {
      const S w = params.data[kPlan<Net>.block[b].at(i, unit)];
      if (-tiny <= w && w <= tiny) continue;
      if (kPlan<Net>.block[b].role != Role::bias) return false;
      value += w;
    }
  switch (slope_at<typename detail::OwnActivation<typename node_at<Net, I>::layer>::type>(value)) {
    case Slope::flat: return false;
    case Slope::kink: return true;
    case Slope::goes_on: break;
  }
  return is_at_kink<Net, I + 1>(params, unit, value, false);
}

}  // namespace inner

}  // namespace emmy::inline EMMY_TARGET
