// The nets that the emmy command trains, for run-time dispatch.
#pragma once

#include <emmy/train/dispatch.hpp>

namespace emmy::app {

inline constexpr int kInputs = 64, kHidden = 32, kClasses = 10;

// none: every weight plain. sparse: each weight of the first layer is a product. units: the outgoing weights of each
// hidden unit are a group.
using DenseNet = Net<Input<kInputs>, Dense<kHidden>, Relu, Dense<kClasses>>;
using SparseNet = Net<Input<kInputs>, Parametrized<Dense<kHidden>, Product>, Relu, Dense<kClasses>>;
using UnitsNet = Net<Input<kInputs>, Dense<kHidden>, Relu, Parametrized<Dense<kClasses>, ProductByInput>>;

// One configuration of the command: net and batch size.
template <class NetType, int Batch>
struct Digits : Config<NetType, PerBlock<Momentum, NetType>, Batch, CrossEntropy, int, emmy::Ledger<NetType>> {};

struct Dense1 : Digits<DenseNet, 1> {};
struct Dense16 : Digits<DenseNet, 16> {};
struct Dense64 : Digits<DenseNet, 64> {};
struct Sparse16 : Digits<SparseNet, 16> {};
struct Units16 : Digits<UnitsNet, 16> {};

}  // namespace emmy::app
