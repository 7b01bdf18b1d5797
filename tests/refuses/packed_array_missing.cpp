// refuses: emmy: packed<Net> takes one array for each block of the net
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/net/pack.hpp>

using Small = emmy::Net<emmy::Input<2>, emmy::Dense<1>>;
constexpr float kWeights[] = {0.5f, 0.25f}, kBias[] = {1.0f};
#ifdef EMMY_REFUSED
constexpr auto kParams = emmy::packed<Small>(kWeights);
#else
constexpr auto kParams = emmy::packed<Small>(kWeights, kBias);
#endif
static_assert(kParams.data[0] == 0.5f && kBias[0] == 1.0f);
