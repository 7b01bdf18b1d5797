// refuses: emmy: Parametrized<L, P> takes Product, ProductByInput, ProductByOutput or WeightNorm of a Dense
#include <emmy/parametrize/product.hpp>

#ifdef EMMY_REFUSED
struct Sum {};
emmy::Parametrized<emmy::Dense<3>, Sum> layer;
#else
emmy::Parametrized<emmy::Dense<3>, emmy::Product> layer;
#endif
