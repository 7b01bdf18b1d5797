// refuses: emmy: the base of a Rope is above 1 (10000)
#include <emmy/layers/attention.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Position = emmy::Rope<1>;
#else
using Position = emmy::Rope<2>;
#endif
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Attention<2, 4, Position>>;
static_assert(Net::kOutputs == 12 && emmy::node_at<Net, 0>::layer::angles::angle(1, 0, 2) == 1);
