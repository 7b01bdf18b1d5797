// Nets whose charges the tests of the ledger follow, and these charges by blocks.
#pragma once

#include <tests/noether/charges.hpp>
#include <tests/train/fixture.hpp>

namespace ledger_nets {

using namespace emmy;  // the names of nets
using fixture::Images;
using fixture::States;
using fixture::TwoHidden;
using fixture::Windows;
using reference::UnitCharge;

// Each combination of net and batch size is compiled once.
constexpr int kBatch = 5;

template <class S>
using TwoFrozen = Net<Scalar<S>, Input<7>, Dense<9>, Relu, Frozen<Dense<5>>, LeakyRelu<1, 8>, Dense<3>>;
template <class S>
using Factored = Net<Scalar<S>, Input<7>, Parametrized<Dense<6>, ProductByOutput>, PowerRelu<3, 2>,
                     Parametrized<Dense<5, NoBias>, Product>, Relu, Parametrized<Dense<3>, ProductByInput>>;

// What norms read: a Dense at once, and through an activation of degree 3/2.
template <class S>
using Normed = Net<Scalar<S>, Input<7>, Dense<9>, emmy::LayerNorm<WithBias, 1, 64>, Relu, Dense<5>, PowerRelu<3, 2>,
                   emmy::RmsNorm<NoBias, 1, 32>, Dense<3>>;

// What a BatchNorm reads: units of a convolution at once, whose biases are dead, and of a Dense through an activation.
template <class S>
using Batched = Net<Scalar<S>, Input<5, 3>, Conv1d<6, 2>, emmy::BatchNorm<WithBias, 1, 64>, Relu, Flatten, Dense<5>,
                    PowerRelu<3, 2>, emmy::BatchNorm<NoBias, 1, 32>, Dense<3>>;

// Gated units; exponentials behind a Dense and behind a norm, and read through a mean.
template <class S>
using Exponentials = Net<Scalar<S>, Input<4, 3>, emmy::Glu<9, Silu, WithBias>, Dense<6>, Exp, AvgPool<2>, Dense<5>,
                         emmy::LayerNorm<WithBias, 1, 64>, Exp, Dense<3>>;

// Blocks of the plain nets, of Windows too: W0 b0 W1 b1 W2 b2. Of Factored: u0 Z0 b0, U1 Z1, u2 Z2 b2.
inline const UnitCharge kFirstUnits{2, {{0, false, 1}, {1, false, 1}, {2, true, -1}}};
inline const UnitCharge kSecondUnits{2, {{2, false, 1}, {3, false, 1}, {4, true, -1}}};
inline const UnitCharge kLogits{1, {{4, true, 1}}}, kLogitBias{1, {{5, true, 1}}};
inline const UnitCharge kFactoredFirst{2, {{1, false, 1}, {2, false, 1}, {4, true, -1.5}}};
inline const UnitCharge kFactoredSecond{2, {{4, false, 1}, {6, true, -1}}};
// Windows: a unit of the first convolution meets a row of the second for each of 2 positions, one of the second a row of the
// last layer for each of 2 positions.
inline const UnitCharge kFirstChannels{2, {{0, false, 1}, {1, false, 1}, {2, true, -1, 5}}};
inline const UnitCharge kSecondChannels{2, {{2, false, 1}, {3, false, 1}, {4, true, -1, 4}}};
// Images: W0 b0, depthwise W1 b1, W2, W3 b3. A unit of the first convolution meets a column of the depthwise one, that one's, squared,
// a row of the next for each of 2 x 2 positions, and its units a row of the last layer for each of 2 x 2 positions.
inline const UnitCharge kImageFirst{2, {{0, false, 1}, {1, false, 1}, {2, false, -1}}};
inline const UnitCharge kImageDepthwise{2, {{2, false, 1}, {3, false, 1}, {4, true, -2, 5}}};
inline const UnitCharge kImageLast{2, {{4, false, 1}, {5, true, -1, 4}}};
inline const UnitCharge kImageLogits{1, {{5, true, 1}}}, kImageLogitBias{1, {{6, true, 1}}};
// States: Wx Wh b of either layer, W b; Wh counts on both sides.
inline const UnitCharge kFirstStates{2, {{0, false, 1}, {1, false, 1}, {2, false, 1}, {3, true, -1}, {1, true, -1}}};
inline const UnitCharge kSecondStates{2, {{3, false, 1}, {4, false, 1}, {5, false, 1}, {6, true, -1}, {4, true, -1}}};
inline const UnitCharge kStateLogits{1, {{6, true, 1}}}, kStateLogitBias{1, {{7, true, 1}}};
// Gated: a unit of the Dense meets a row of each gate.
inline const UnitCharge kGatedUnits{2, {{0, false, 1}, {1, false, 1}, {2, true, -1, 6}}};
// Normed: W0 b0, gain bias, W1 b1, gain, W2 b2.
inline const UnitCharge kFirstScale{2, {{0, true, 1, 1}, {1, true, 1, 1}}},
    kSecondScale{2, {{4, true, 1, 1}, {5, true, 1, 1}}};
inline const UnitCharge kNormedRows{1, {{0, true, 1}}}, kNormedBias{1, {{1, true, 1}}};
inline const UnitCharge kFirstGains{2, {{2, false, 1}, {3, false, 1}, {4, true, -1}}};
inline const UnitCharge kSecondGains{2, {{6, false, 1}, {7, true, -1}}};
inline const UnitCharge kNormedLogits{1, {{7, true, 1}}}, kNormedLogitBias{1, {{8, true, 1}}};
// Batched: W0 b0, gain bias, W1 b1, gain, W2 b2; a unit of the first BatchNorm meets a row of each of 4 positions.
inline const UnitCharge kConvScale{2, {{0, false, 1}, {1, false, 1}}}, kDeadBias{1, {{1, false, 1}}},
    kDenseScale{2, {{4, false, 1}, {5, false, 1}}};
inline const UnitCharge kConvGains{2, {{2, false, 1}, {3, false, 1}, {4, true, -1, 6}}};
// Exponentials: W0 b0 of the units and of their gates, W1 b1, W2 b2, gain bias, W3 b3.
inline const UnitCharge kGated{2, {{0, false, 1}, {1, false, 1}, {4, true, -1}}};
inline const UnitCharge kFirstExp{2, {{5, false, 2, 0, 1}, {6, true, -1}}},
    kSecondExp{2, {{9, false, 2, 0, 1}, {10, true, -1}}};
inline const UnitCharge kBalanceByOutput{2, {{0, false, 1}, {1, false, -1}, {2, false, -1}}};
inline const UnitCharge kBalanceByElement{2, {{3, true, 1}, {4, true, -1}}};
inline const UnitCharge kBalanceByInput{2, {{5, false, 1}, {6, true, -1}}};

// Of what a Gru reads.
template <class S>
using Gated = Net<Scalar<S>, Input<4, 3>, Dense<6>, Relu, emmy::Gru<5>, emmy::Last, Dense<3>>;

}  // namespace ledger_nets
