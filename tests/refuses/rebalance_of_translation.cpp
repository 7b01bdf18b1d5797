// refuses: emmy: rebalance takes Rescaling, FactorBalance and ExpUnit
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/project/rebalance.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Symmetry = emmy::Translation<emmy::Layer<2>>;
#else
using Symmetry = emmy::Rescaling<emmy::Layer<1>>;
#endif
auto hold(emmy::Params<Small>& params, const float* target) { return emmy::rebalance<Symmetry>(params, target); }
