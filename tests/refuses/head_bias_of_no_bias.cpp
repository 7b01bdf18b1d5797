// refuses: emmy: an Attention<..., NoBias> has no biases
#include <emmy/layers/attention.hpp>
#include <emmy/net/memory.hpp>

#ifdef EMMY_REFUSED
using Bias = emmy::NoBias;
#else
using Bias = emmy::NoOutputBias;
#endif
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Attention<2, 4, Bias>>;
float& bias(emmy::Params<Net>& params) { return params.head_bias<emmy::Layer<0>>(emmy::HeadRole::key, 1); }
