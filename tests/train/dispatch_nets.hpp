// The configuration that dispatch_test.cpp runs on every target of this CPU.
#pragma once

#include <emmy/train/dispatch.hpp>

namespace dispatch_test {

using Net = emmy::Net<emmy::Input<7>, emmy::Dense<9>, emmy::Relu,
                      emmy::Parametrized<emmy::Dense<5>, emmy::ProductByInput>, emmy::LeakyRelu<1, 8>, emmy::Dense<3>>;
struct Small : emmy::Config<Net, emmy::Momentum, 6, emmy::CrossEntropy, int, emmy::Ledger<Net>> {};

}  // namespace dispatch_test
