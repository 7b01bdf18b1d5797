// refuses: emmy: the epsilon of a norm is not negative
#include <emmy/layers/norm.hpp>

#ifdef EMMY_REFUSED
emmy::LayerNorm<emmy::WithBias, -1, 8> layer;
#else
emmy::LayerNorm<emmy::WithBias, 1, 8> layer;
#endif
