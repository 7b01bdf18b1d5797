// Initial weights: the same numbers on every target, from PCG32 and one square root a layer.
#pragma once

#include <utility>

#include <emmy/core/random.hpp>
#include <emmy/net/memory.hpp>
#include <emmy/simd/simd.hpp>

namespace emmy {

// Uniform in [-limit, limit) with   He: limit = sqrt(6 / in) (variance 2 / in)   Glorot: sqrt(6 / (in + out)), in and out
// the weights that meet in an output and that an input meets: kernel times the channels of a convolution, each gate of a
// recurrent layer and each head of attention by itself.
// Biases become 0, gains 1. Sources: He et al. 2015; Glorot, Bengio 2010.
struct He {};
struct Glorot {};
// Uniform in [-limit, limit), biases too.
template <class S = float>
struct Uniform {
  S limit;
};

namespace detail {
template <class Init>
inline constexpr bool kBiasesToo = false;
template <class S>
inline constexpr bool kBiasesToo<Uniform<S>> = true;
}  // namespace detail

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// A parametrised layer brings its own split_factors (parametrize/product.hpp) or decompose (parametrize/materialised.hpp), found by its type; clang 14 needs
// to know that the name is a template.
template <int>
void split_factors() = delete;
template <int>
void decompose() = delete;

namespace inner {
template <class S>
EMMY_INLINE S variance_limit(int fan) noexcept {
  return simd::first_of(simd::sqrt(simd::set(S(6) / S(fan))));
}
template <class S>
EMMY_INLINE S limit_of(He, int in, int) noexcept {
  return variance_limit<S>(in);
}
template <class S>
EMMY_INLINE S limit_of(Glorot, int in, int out) noexcept {
  return variance_limit<S>(in + out);
}
template <class S, class Limit>
EMMY_INLINE S limit_of(Uniform<Limit> u, int, int) noexcept {
  return S(u.limit);
}
}  // namespace inner

namespace inner {
// Matrices of weights, one after the other, of a layer that has several.
template <class L>
inline constexpr int kMatricesOf = [] {
  if constexpr (requires { L::kMatrices; }) return L::kMatrices;
  else return 1;
}();
// Blocks that a composed layer has in the place of its first one.
template <class L>
inline constexpr int kCopiesOf = [] {
  if constexpr (requires { L::composition::kFactors; }) return L::composition::kFactors;
  else return 1;
}();
// Are its recurrent weights two factors (parametrize/low_rank_states.hpp)?
template <class L>
inline constexpr bool kPairsStates = requires {
  requires L::composition::kPairsStates;
};
// The weights that a composed layer stands for.
template <class N>
consteval Block own_block() {
  return blocks_of<typename N::layer::layer, typename N::in>().block[0];
}
}  // namespace inner

// Draws every block of every layer, in the order of the net, row by row; pad lanes become 0. A parametrised layer draws
// its effective weights and splits them over its factors (parametrize/product.hpp); an adapter's way back stays 0. Test: tests/net/init_test.cpp.
template <class Net, class Init = He>
void init(Params<Net>& params, Pcg32& rng, Init how = {}) noexcept {
  using S = typename Net::scalar;
  for (S& v : params.data) v = S(0);
  const auto draw_block = [&](const PlannedBlock& block, int in, int out) {
    const S limit = inner::limit_of<S>(how, in, out);
    for (int i = 0; i < block.rows; ++i)
      for (int o = 0; o < block.cols; ++o) params.data[block.at(i, o)] = limit * S(2.0f * rng.uniform() - 1.0f);
  };
  const auto draw_node = [&]<int I>(std::integral_constant<int, I>) {
    using N = node_at<Net, I>;
    constexpr int kFirst = kPlan<Net>.first_block[I], kLast = kPlan<Net>.first_block[I + 1];
    if constexpr (kIsNorm<typename N::layer>) {
      const auto& gain = kPlan<Net>.block[kFirst];
      for (int o = 0; o < gain.cols; ++o) params.data[gain.offset + o] = S(1);
    } else if constexpr (kFirst < kLast && !kIsZeroAtFirst<typename N::layer>) {
      constexpr bool kComposed = kIsComposed<typename N::layer>;
      constexpr bool kFactors = !kComposed && kPlan<Net>.block[kFirst].role == Role::factor;
      const auto& block = kPlan<Net>.block[kFirst + (kFactors ? 1 : 0)];
      constexpr int kHeads = kHeadsOf<typename N::layer>, kGates = kHeads > 0 ? kHeads : kGatesOf<typename N::layer>;
      if constexpr (kComposed)
        draw_block(block, inner::own_block<N>().rows / kGates,
                   kWindowOf<typename N::layer> * inner::own_block<N>().cols);
      else
        draw_block(block, block.rows / kGates,
                   kWindowOf<typename N::layer> * (kIsByChannel<typename N::layer> ? 1 : block.cols));
      for (int b = 1; b < inner::kMatricesOf<typename N::layer>; ++b) {
        const auto& next = kPlan<Net>.block[kFirst + b];
        draw_block(next, next.rows, next.cols);
      }
      constexpr int kSecond = kFirst + inner::kCopiesOf<typename N::layer>;
      if constexpr (kIsRecurrent<typename N::layer> && kSecond < kLast) {
        const auto& again = kPlan<Net>.block[kSecond];
        if constexpr (inner::kPairsStates<typename N::layer>) {
          const auto& other = kPlan<Net>.block[kSecond + 1];
          draw_block(again, again.rows, again.cols);
          draw_block(other, other.rows / kGates, other.cols);
        } else {
          draw_block(again, again.rows / kGates, again.cols);
        }
      }
      if constexpr (kHeads > 0) {
        const auto* const more = kPlan<Net>.block + kFirst;
        for (int b = 1; b < 3; ++b) draw_block(more[b], block.rows / kHeads, block.cols);
        draw_block(more[3], more[3].rows, more[3].cols);
      }
      if constexpr (kComposed)
        decompose<typename N::layer::template weights<S, typename N::in>>(
            typename N::layer::composition{}, params.data + kPlan<Net>.block[kFirst].offset);
      else if constexpr (kFactors)
        split_factors(typename N::layer{}, std::integral_constant<int, N::in::kChannels>{},
                      params.data + kPlan<Net>.block[kFirst].offset);
    }
    if constexpr (detail::kBiasesToo<Init>)
      for (int b = kFirst; b < kLast; ++b)
        if (kPlan<Net>.block[b].role == Role::bias) draw_block(kPlan<Net>.block[b], 1, 1);
  };
  [&]<int... I>(std::integer_sequence<int, I...>) { (draw_node(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, Net::kNodes>{});
}

}  // namespace emmy::inline EMMY_TARGET
