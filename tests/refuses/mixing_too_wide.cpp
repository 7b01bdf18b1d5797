// refuses: emmy: rebalance takes pairs of up to 64 units
#include <emmy/layers/dense.hpp>
#include <emmy/project/balance.hpp>

#ifdef EMMY_REFUSED
constexpr int kUnits = 65;
#else
constexpr int kUnits = 64;
#endif
using Wide = emmy::Net<emmy::Input<4>, emmy::Dense<kUnits>, emmy::Dense<3>>;
emmy::Mixing<Wide, emmy::Layer<0>> mixing{};
