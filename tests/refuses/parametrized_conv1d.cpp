// refuses: emmy: Parametrized<L, P> takes a Dense: the weights of other layers have no factors
#include <emmy/layers/conv1d.hpp>
#include <emmy/parametrize/product.hpp>

#ifdef EMMY_REFUSED
emmy::Parametrized<emmy::Conv1d<3, 2>, emmy::Product> layer;
#else
emmy::Parametrized<emmy::Dense<3>, emmy::Product> layer;
#endif
