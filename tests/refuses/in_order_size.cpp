// refuses: emmy: in_order takes four weights for each block of the pattern
#include <emmy/parametrize/pack_blocks.hpp>

struct Pattern {
  static constexpr unsigned char kCount[] = {1}, kInput[] = {0};
};

#ifdef EMMY_REFUSED
constexpr float kWeights[5] = {};
#else
constexpr float kWeights[4] = {};
#endif
static_assert(emmy::in_order<Pattern>(kWeights).at[0] == 0);
