// refuses: emmy: the scalar of a net is float or double
#include <emmy/layers/dense.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Scalar = int;
#else
using Scalar = double;
#endif
using Net = emmy::Net<emmy::Scalar<Scalar>, emmy::Input<4>, emmy::Dense<3>>;
static_assert(Net::kOutputs == 3);
