// refuses: emmy: this layer has no weights to project
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/project/sets.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Site = emmy::Layer<1>;
#else
using Site = emmy::Layer<0>;
#endif
emmy::Status hold(emmy::Params<Small>& params) { return project(emmy::Sphere<emmy::Whole<Site>>{1}, params); }
