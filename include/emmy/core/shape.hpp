// Shapes as types, channels last.
#pragma once

#include <emmy/core/macros.hpp>

namespace emmy {

namespace detail {
template <int First, int...>
inline constexpr int kFirst = First;
}  // namespace detail

// A tensor of one sample: Shape<64> is a vector, Shape<8, 8, 3> an image of 3 channels. In memory the positions (all
// but the last dimension) are rows; activations pad each row of channels, user data does not.
template <int... Dims>
struct Shape {
  static_assert(sizeof...(Dims) > 0 && ((Dims > 0) && ...), "emmy: every dimension of a Shape is at least 1");
  static constexpr int kRank = sizeof...(Dims);
  static constexpr int kSize = (1 * ... * Dims);
  static constexpr int kChannels = (Dims, ...);
  static constexpr int kPositions = kSize / kChannels;
  // Of an image; a vector of positions is one row of them.
  static constexpr int kHeight = kRank == 3 ? detail::kFirst<Dims...> : 1, kWidth = kPositions / kHeight;
};

// The first entry of a net: the shape of one sample.
template <int... Dims>
struct Input {};

namespace detail {
template <int Channels, class Done, int... Dims>
struct WithChannels;
template <int Channels, int... Done, int Last>
struct WithChannels<Channels, Shape<Done...>, Last> {
  using type = Shape<Done..., Channels>;
};
template <int Channels, int First, int Second, int... Rest>
struct WithChannels<Channels, void, First, Second, Rest...> : WithChannels<Channels, Shape<First>, Second, Rest...> {};
template <int Channels, int Last>
struct WithChannels<Channels, void, Last> {
  using type = Shape<Channels>;
};
template <int Channels, int... Done, int First, int Second, int... Rest>
struct WithChannels<Channels, Shape<Done...>, First, Second, Rest...>
    : WithChannels<Channels, Shape<Done..., First>, Second, Rest...> {};

template <class S, int Channels>
struct ReplaceChannels;
template <int... Dims, int Channels>
struct ReplaceChannels<Shape<Dims...>, Channels> : WithChannels<Channels, void, Dims...> {};
}  // namespace detail

// The same positions with another number of channels: what Dense<Channels> makes of a shape.
template <class InShape, int Channels>
using with_channels = typename detail::ReplaceChannels<InShape, Channels>::type;

}  // namespace emmy
