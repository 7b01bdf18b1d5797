// refuses: emmy: pack_blocks needs the same net twice, with a BlockSparse for some of its Dense layers
#include <emmy/layers/activations.hpp>
#include <emmy/parametrize/pack_blocks.hpp>

struct Pattern {
  static constexpr unsigned char kCount[] = {1, 2}, kInput[] = {5, 0, 3};
};

#ifdef EMMY_REFUSED
using Hidden = emmy::Tanh;
#else
using Hidden = emmy::Relu;
#endif
using Plain = emmy::Net<emmy::Input<6>, emmy::Dense<8>, emmy::Relu, emmy::Dense<2>>;
using Packed = emmy::Net<emmy::Input<6>, emmy::BlockSparse<8, Pattern>, Hidden, emmy::Dense<2>>;

emmy::Status use(const emmy::Params<Plain>& from, emmy::Params<Packed>& to) { return emmy::pack_blocks(from, to); }
