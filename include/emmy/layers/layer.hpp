// What a layer tells about itself, and what its text sees.
//
// A layer is an empty type. It states, all at compile time:
//   template <class InShape> using output       the shape it makes of its input (default: the same shape)
//   kElementwise                                y = f(x), one value at a time
//   kFromOutput                                 f'(x) can be had from y alone, so f works in place
//   kFixesZero                                  f(0) = 0, so pad lanes stay zero without help
//   kContracts                                  |f(x)| <= |x| and |f'(x)| <= 1
//   kDegree = Ratio{p, q}                       f(c x) = c^(p/q) f(x) for every c > 0 (unit_homogeneous)
//   kExponential                                f(x + a) = e^a f(x)
//   kPolynomial = p                             f is a polynomial of degree p (affine layers, which are of degree 1, do not say so)
//   kAffine                                     y = x W + b with blocks of weights
//   kWindow                                     ... on windows of so many positions, rows of W position by position;
//   template <class InShape> using windows      where they lie (kernels/window_axis.hpp)
//   kByChannel                                  channel c of y is made of channel c of x alone (of c mod the channels of
//                                               x where there are fewer)
//   kPool                                       y is not finite where an x is not, but for an x that another outdoes, and
//                                               |dx| <= |dy| (tests/layers/max_pool_test.cpp)
//   kShifts                                     what is added to a channel of x at all positions is added to that of y
//   kAverages                                   y is a mean of positions of x, channel by channel (kShifts with it)
//   kPositionwise                               position p of y is made of position p of x alone (elementwise layers and
//                                               affine ones without kWindow do not say so)
//   kReshapes                                   y is x in another shape: the same memory where neither has pads
//   kRoundings<InShape>                         of a value on its way forward and back, where they are more than 8; not of
//                                               affine layers, whose terms the ledger counts itself
//   kForgetsOutput                              neither backward nor the gradients look at y
//   kNorm                                       its weights meet values whose squares add up to at most the channels
//   kScaleInvariant                             y stays as it is when x is scaled, but for an epsilon
//   kShiftInvariant                             y stays as it is when a number is added to all channels of a position of x
//   kUnitInvariant                              ... each channel by itself: y stays as it is when a channel of x is scaled in
//                                               the whole batch, but for an epsilon, and when a number is added to it there
//   kMixesSamples                               in training y of a sample is made of x of all of them
//   kMatrices                                   it has so many blocks of weights of its own first, each drawn by its size
//   kStartsAtZero                               `init` leaves its weights 0
//   kTakesBelow                                 backward multiplies by the derivative of the activation below (affine
//                                               layers do)
//   kMakesDeltas                                `deltas` makes of dy what its weights and dx see
//   kRecurrent                                  that, and its second block of weights meets what it makes, a position later
//   kGates                                      so many matrices of in rows one after the other in its first block, of units
//                                               in the second
//   kHeads                                      so many matrices of in rows one after the other in each of its first three blocks
//   kInnerBlock                                 the block of weights that meets what the layer makes (kRecurrent: 1)
//   kMultiplies                                 each weight is the product of all of its factors, not of two of them
//   kSquares                                    each weight is made of squares of its factors
//   kAmplifies                                  |gradient of what it makes its weights of| is at most so many times that of the weights
//   kLooksInside                                deltas are not dy alone: look_inside shows them
//   blocks<InShape>()        consteval           its blocks of weights (layers with weights)
//   incoming(), outgoing(), internal(), recurring() consteval the parts of its blocks that rescalings act on: of its units,
//                                               of those before it, of neither, and where its units meet its own weights
//   query_key<InShape>(head), value_output<InShape>(head) consteval the pairs that a head balances (symmetry/balance.hpp)
//   kBuffers<InShape>, kKept<S, InShape, Batch>, kWork<S, InShape, Batch>   scalars it keeps for ever (one set of them, written by
//       `commit` and `commit_next` only) / from forward to update / in backward
// Each of these is a claim that tests/layers/traits_test.cpp checks numerically for every layer.
//
// Its text is free functions of the target namespace, found by the layer's type (a user's own layer needs no
// registration, macro or base class):
//   elementwise: activate(L, v), derivative_from_output(L, y) or derivative_from_input(L, x)   on vectors
//   others:      forward(L, frame), backward<kAdd>(L, frame), gradients(L, frame, visitor), commit(L, frame)
//   kScaleInvariant: invariance(L, frame), what its epsilon makes; with kUnitInvariant invariances(L, frame, along, along_error,
//                across_error), arrays of one for each channel
//   forward_trained(L, frame) where it is not forward: y without training
//   kMakesDeltas: deltas(L, frame), before backward and gradients; kLooksInside: look_inside(L, frame, act, delta), which adds
//                what no tensor holds to the inspections of y and dy (kernels/inspect.hpp)
//   in a stream: forward_next(L, frame) of layers that are not positionwise, commit_next(L, frame) (train/streaming.hpp)
//   affine:      forward(L, frame, activation); kTakesBelow: backward<kAdd>(L, frame, below), below an activation or nullptr
#pragma once

#include <emmy/core/macros.hpp>
#include <emmy/core/shape.hpp>

namespace emmy {

struct Ratio {
  int numerator;
  int denominator;
  friend constexpr bool operator==(const Ratio&, const Ratio&) = default;
};

// A block of weights: rows x cols values in rows of padded length. An optimizer's rates, the budget's (k, u) and a
// tensor's norm belong to a block.
// factor: multiplied with others; latent: what else a parametrised layer makes its weights of.
enum class Role : unsigned char { weight, bias, factor, gain, latent };
struct Block {
  int rows;
  int cols;
  Role role;
  bool turned = false;  // columns follow each other in memory, vectors running along the rows: [cols][pad(rows)]
};
// The outputs of a layer that reads its weights turned where these are few: of a Dense and nothing else; else 0.
template <class L>
inline constexpr int kTurnableOutputs = 0;
// Can a layer sum the squares of the outputs, or of the gradients of its inputs, while it writes them: forward and backward
// take a place for the sum then.
template <class L>
inline constexpr bool kTellsSquares = false;
// Are the weights of layer L on `in` inputs stored in columns because its outputs are few: at most two thirds of a pad?
template <class S, class L>
EMMY_INLINE constexpr bool is_narrow(int in) noexcept {
  constexpr int kOut = kTurnableOutputs<L>;
  return kTurnsNarrow && kOut > 1 && 3 * kOut <= 2 * padded<S>(kOut) && in == padded<S>(in);
}
template <int Count>
struct Blocks {
  static constexpr int kCount = Count;
  Block block[Count > 0 ? Count : 1];
};

// Part of a charge: the sums over one block along one axis, with a weight. `row`: unit = row of the block (sums over
// its columns); `column`: unit = column.
enum class Axis : unsigned char { row, column };
struct Part {
  int block;
  Axis axis;
  int sign;
};
template <int Count>
struct Parts {
  static constexpr int kCount = Count;
  Part part[Count > 0 ? Count : 1];
};
// The same of `count` rows of a block from `first` on, or columns of a bias: of two sides that a layer balances inside itself.
struct PairPart {
  int block;
  Axis axis;
  int sign, first, count;
};
template <int Count>
struct PairParts {
  static constexpr int kCount = Count;
  PairPart part[Count];
};

// Where a mirror or a generator of a group takes a channel, and with which sign.
struct Signed {
  int index, sign;
};

namespace detail {
template <class L, class InShape>
struct OutputOf {
  using type = InShape;
};
template <class L, class InShape>
requires requires { typename L::template output<InShape>; }
struct OutputOf<L, InShape> {
  using type = typename L::template output<InShape>;
};
}  // namespace detail

template <class L, class InShape>
using output_shape = typename detail::OutputOf<L, InShape>::type;

template <class L>
inline constexpr bool kIsElementwise = requires {
  requires L::kElementwise;
};
template <class L>
inline constexpr bool kIsAffine = requires {
  requires L::kAffine;
};
template <class L>
inline constexpr bool kHasPlainWeights = requires {
  requires L::kPlainWeights;
};
// Positions of x that one position of y sees through weights.
template <class L>
inline constexpr int kWindowOf = [] {
  if constexpr (requires { L::kWindow; }) return L::kWindow;
  else return 1;
}();
template <class L, class InShape>
inline constexpr int kRoundingsOf = [] {
  if constexpr (requires { L::template kRoundings<InShape>; }) return L::template kRoundings<InShape>;
  else return 8;
}();
template <class L>
inline constexpr bool kIsNorm = requires {
  requires L::kNorm;
};
template <class L>
inline constexpr bool kIsScaleInvariant = requires {
  requires L::kScaleInvariant;
};
template <class L>
inline constexpr bool kIsUnitInvariant = requires {
  requires L::kUnitInvariant;
};
template <class L>
inline constexpr bool kIsMixingSamples = requires {
  requires L::kMixesSamples;
};
template <class L>
inline constexpr bool kIsWindowed = requires {
  L::kWindow;
};
template <class L>
inline constexpr bool kIsReshape = requires {
  requires L::kReshapes;
};
template <class L>
inline constexpr bool kIsRecurrent = requires {
  requires L::kRecurrent;
};
template <class L>
inline constexpr int kGatesOf = [] {
  if constexpr (requires { L::kGates; }) return L::kGates;
  else return 1;
}();
template <class L>
inline constexpr int kHeadsOf = [] {
  if constexpr (requires { L::kHeads; }) return L::kHeads;
  else return 0;
}();
template <class L>
inline constexpr bool kMakesDeltas = kIsRecurrent<L> || requires {
  requires L::kMakesDeltas;
};
template <class L>
inline constexpr int kInnerBlockOf = [] {
  if constexpr (requires { L::kInnerBlock; }) return L::kInnerBlock;
  else return kIsRecurrent<L> ? 1 : -1;
}();
template <class L>
inline constexpr bool kLooksInside = requires {
  requires L::kLooksInside;
};
template <class L>
inline constexpr bool kTakesBelow = kIsAffine<L> || requires {
  requires L::kTakesBelow;
};
template <class L>
inline constexpr bool kIsPositionwise = kIsElementwise<L> || (kIsAffine<L> && !kIsWindowed<L>) || requires {
  requires L::kPositionwise;
};
// Of a loss or a layer: does a number added to all channels of a row leave it as it is?
template <class LossOrLayer>
inline constexpr bool kShiftInvariant = requires {
  requires LossOrLayer::kShiftInvariant;
};
template <class L>
inline constexpr bool kIsPool = requires {
  requires L::kPool;
};
template <class L>
inline constexpr bool kPassesAverages = requires {
  requires L::kAverages;
};
template <class L>
inline constexpr bool kPassesShifts = kPassesAverages<L> || requires {
  requires L::kShifts;
};
// May a rescaling pass through it, channel by channel?
template <class L>
inline constexpr bool kIsByChannel = kIsElementwise<L> || requires {
  requires L::kByChannel;
};
template <class L>
inline constexpr bool kIsJoin = requires {
  requires L::kJoins;
};
template <class L>
inline constexpr bool kIsFrozen = requires {
  requires L::kFrozen;
};
template <class L>
inline constexpr bool kIsHomogeneous = requires {
  L::kDegree.numerator;
};
// Does it make all of its weights of its parameters (parametrize/materialised.hpp)?
template <class L>
inline constexpr bool kIsComposed = requires {
  typename L::composition;
};
template <class L>
inline constexpr bool kIsMultiplied = requires {
  requires L::kMultiplies;
};
template <class L>
inline constexpr bool kIsSquared = requires {
  requires L::kSquares;
};
template <class L>
inline constexpr int kAmplificationOf = [] {
  if constexpr (requires { L::kAmplifies; }) return L::kAmplifies;
  else return 1;
}();
template <class L>
inline constexpr bool kIsZeroAtFirst = requires {
  requires L::kStartsAtZero;
};
template <class L>
inline constexpr bool kIsExponential = requires {
  requires L::kExponential;
};
template <class L>
inline constexpr bool kIsContraction = requires {
  requires L::kContracts;
};
template <class L>
inline constexpr bool kWorksInPlace = requires {
  requires L::kElementwise && L::kFromOutput;
};

// The blocks of a layer, none where it states none.
template <class L, class InShape>
consteval auto blocks_of() {
  if constexpr (requires { blocks(L{}, InShape{}); }) return blocks(L{}, InShape{});
  else return Blocks<0>{};
}
template <class L, class InShape>
consteval int buffers_of() {
  if constexpr (requires { L::template kBuffers<InShape>; }) return L::template kBuffers<InShape>;
  else return 0;
}

// Of a layer that does not see the scale of x: the sum of x dx, which would be 0 but for its epsilon; a bound of how far
// rounding takes that sum from this number, and of the sum of one row of dx (where it does not see a shift), both in unit
// roundoffs.
template <class S>
struct Invariance {
  S along, along_error, across_error;
};

// Names a layer by its position in the net: Layer<1> is the second one after Input, Layer<1, 0> the first one inside
// the Residual at position 1, Layer<1, 0, 2> the third one in the first branch of the Parallel there, Layer<1> its end.
template <int... Position>
struct Layer {};

// Names a layer by a tag of the user's, whatever its position: Named<Head, Dense<10>> is found as Layer or as Head.
template <class Tag, class L>
struct Named {};

// Layers that are written as one, each at a position of its own: Sequence<A, B> stands for A, B.
template <class... Layers>
struct Sequence {};

// y = x + f(x), f the chain Layers.
template <class... Layers>
struct Residual {};

// y = f(x) + g(x) or f(x) * g(x), element by element: Parallel<Add, Branch<...>, Branch<...>>, Parallel<Multiply, ...>, f and
// g the chains of the branches; of no layers: x itself. Test: tests/layers/parallel_test.cpp.
template <class... Layers>
struct Branch {};
template <class Join, class First, class Second>
struct Parallel {
  static_assert(
      sizeof(Join) == 0,
      "emmy: a Parallel takes Add or Multiply and two branches: Parallel<Multiply, Branch<...>, Branch<...>>");
};
template <class Join, class... First, class... Second>
struct Parallel<Join, Branch<First...>, Branch<Second...>> {};

// The end of a Residual or of two branches.
struct Add {
  static constexpr bool kJoins = true, kPositionwise = true, kForgetsOutput = true;
};
struct Multiply {
  static constexpr bool kJoins = true, kPositionwise = true, kForgetsOutput = true;
};

// Keeps the weights of L as they are: no gradient, no state, no update. The ledger still measures it.
template <class L>
struct Frozen;

// What the text of a layer sees of one node: extents in the type, pointers as members. All matrices are row-major;
// activations and deltas have rows of kOutStride or kInStride scalars, user input rows of kIn.
template <class L, class S, class InShape, class OutShape, int InStride, int Batch>
struct Frame {
  using layer = L;
  using scalar = S;
  using in_shape = InShape;
  using out_shape = OutShape;
  static constexpr int kBatch = Batch;
  static constexpr int kIn = InShape::kChannels;
  static constexpr int kOut = OutShape::kChannels;
  static constexpr int kInRows = Batch * InShape::kPositions;
  static constexpr int kOutRows = Batch * OutShape::kPositions;
  static constexpr int kInStride = InStride;
  static constexpr int kOutStride = padded<S>(OutShape::kChannels);

  const S* params;  // the layer's blocks, one after the other
  S* buffers;       // what it keeps for ever; written by `commit` and `commit_next` only
  S* kept;          // from forward to update
  S* work;          // within one call
  const S* x;
  S* y;
  S* dy;
  S* dx;
};

}  // namespace emmy
