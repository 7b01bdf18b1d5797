// refuses: emmy: this pattern is not one of these inputs and outputs: kCount has a number for each four outputs
#include <emmy/layers/block_sparse.hpp>
#include <emmy/net/memory.hpp>

struct Pattern {
  static constexpr unsigned char kCount[] = {1, 1}, kInput[] = {2, 0};
};

#ifdef EMMY_REFUSED
constexpr int kOut = 9;
#else
constexpr int kOut = 7;
#endif
static_assert(sizeof(emmy::Params<emmy::Net<emmy::Input<3>, emmy::BlockSparse<kOut, Pattern>>>) > 0);
