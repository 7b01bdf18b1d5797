// refuses: emmy: Parametrized<L, P> takes Product, ProductByInput, ProductByOutput or WeightNorm of a Dense
#include <emmy/layers/conv1d.hpp>
#include <emmy/parametrize/product.hpp>

#ifdef EMMY_REFUSED
emmy::Parametrized<emmy::Conv1d<3, 2>, emmy::Product> layer;
#else
emmy::Parametrized<emmy::Dense<3>, emmy::Product> layer;
#endif
