// refuses: emmy: an array given to packed<Net> has another size than its block
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/net/pack.hpp>

using Small = emmy::Net<emmy::Input<2>, emmy::Dense<1>>;
constexpr float kWeights[] = {0.5f, 0.25f}, kBias[] = {1.0f}, kTwo[] = {1.0f, 2.0f};
#ifdef EMMY_REFUSED
constexpr auto kParams = emmy::packed<Small>(kWeights, kTwo);
#else
constexpr auto kParams = emmy::packed<Small>(kWeights, kBias);
#endif
static_assert(kParams.data[0] == 0.5f && kTwo[0] == kBias[0]);
