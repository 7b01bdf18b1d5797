// refuses: emmy: the layers of a Residual must give back the shape they got (y = x + f(x))
#include <emmy/layers/dense.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Branch = emmy::Residual<emmy::Dense<9>, emmy::Dense<5>>;
#else
using Branch = emmy::Residual<emmy::Dense<9>, emmy::Dense<4>>;
#endif
using Net = emmy::Net<emmy::Input<4>, Branch>;
static_assert(Net::kOutputs == 4);
