// refuses: emmy: this is no mirror of these channels: it is its own inverse, with signs 1 or -1
#include <emmy/layers/mirrored.hpp>
#include <emmy/net/memory.hpp>

struct Turn {
#ifdef EMMY_REFUSED
  static constexpr emmy::Signed of(int i) { return {(i + 1) % 4, 1}; }
#else
  static constexpr emmy::Signed of(int i) { return {3 - i, 1}; }
#endif
};
static_assert(sizeof(emmy::Params<emmy::Net<emmy::Input<4>, emmy::Mirrored<4, Turn, Turn>>>) > 0);
