#pragma once
#include <emmy/emmy.hpp>
#include <emmy/train/dispatch.hpp>

namespace app {
using Net = emmy::Net<emmy::Input<4>, emmy::Dense<8>, emmy::Relu, emmy::Dense<2>>;
struct Config : emmy::Config<Net, emmy::Momentum, 2, emmy::CrossEntropy, int> {};
}  // namespace app
