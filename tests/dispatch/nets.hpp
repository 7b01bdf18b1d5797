// Two small configurations for emmy_add_dispatch.
#pragma once

#include <emmy/train/dispatch.hpp>

namespace dispatched {

using Net = emmy::Net<emmy::Input<5>, emmy::Dense<7>, emmy::Relu, emmy::Dense<3>>;

struct One : emmy::Config<Net, emmy::Sgd, 1, emmy::CrossEntropy, int> {};
template <int Batch>
struct Many : emmy::Config<Net, emmy::Sgd, Batch, emmy::CrossEntropy, int> {};

}  // namespace dispatched
