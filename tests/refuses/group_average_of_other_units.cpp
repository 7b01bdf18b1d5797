// refuses: emmy: GroupAverage acts on a Dense with as many inputs and outputs as its actions have units
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/project/group_average.hpp>

using Small = emmy::Net<emmy::Input<2>, emmy::Dense<3>, emmy::Relu, emmy::Dense<2>>;
#ifdef EMMY_REFUSED
using Site = emmy::Layer<2>;
#else
using Site = emmy::Layer<0>;
#endif
constexpr emmy::Action<1, 2> kIn{{{0, 1}}, {{1, 1}}};
constexpr emmy::Action<1, 3> kOut{{{0, 1, 2}}, {{1, 1, 1}}};
emmy::Status hold(emmy::Params<Small>& params) { return project(emmy::group_average<Site>(kIn, kOut), params); }
