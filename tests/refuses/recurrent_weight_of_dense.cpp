// refuses: emmy: this layer has no recurrent weights: Rnn and Gru have
#include <emmy/layers/dense.hpp>
#include <emmy/layers/recurrent.hpp>
#include <emmy/net/memory.hpp>

#ifdef EMMY_REFUSED
using Site = emmy::Layer<1>;
#else
using Site = emmy::Layer<0>;
#endif
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Rnn<5>, emmy::Dense<5>>;
float& weight(emmy::Params<Net>& params) { return params.recurrent_weight<Site>(1, 2); }
