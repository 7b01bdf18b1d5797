// refuses: emmy: this layer has no heads: Attention has
#include <emmy/layers/attention.hpp>
#include <emmy/net/memory.hpp>

using Net = emmy::Net<emmy::Input<4, 3>, emmy::Attention<2, 4>, emmy::Dense<2>>;
#ifdef EMMY_REFUSED
using Site = emmy::Layer<1>;
#else
using Site = emmy::Layer<0>;
#endif
float& weight(emmy::Params<Net>& params) { return params.head_weight<Site>(emmy::HeadRole::key, 1, 2); }
