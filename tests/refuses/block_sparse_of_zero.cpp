// refuses: emmy: BlockSparse<Out, Pattern> needs at least one output
#include <emmy/layers/block_sparse.hpp>
#include <emmy/net/memory.hpp>

struct Pattern {
  static constexpr unsigned char kCount[] = {1}, kInput[] = {2};
};

#ifdef EMMY_REFUSED
constexpr int kOut = 0;
#else
constexpr int kOut = 4;
#endif
static_assert(emmy::BlockSparse<kOut, Pattern>::kHasBias);
