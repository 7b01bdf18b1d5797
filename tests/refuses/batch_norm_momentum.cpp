// refuses: emmy: the momentum of a BatchNorm's statistics is above 0, at most 1
#include <emmy/layers/batch_norm.hpp>

#ifdef EMMY_REFUSED
emmy::BatchNorm<emmy::WithBias, 1, 8, 0> layer;
#else
emmy::BatchNorm<emmy::WithBias, 1, 8, 1> layer;
#endif
