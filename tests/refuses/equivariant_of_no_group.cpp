// refuses: emmy: this is no group: each generator of an Equivariant maps inputs and outputs one to one
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/tied.hpp>

struct Turn {
  static constexpr int kGenerators = 1;
#ifdef EMMY_REFUSED
  static constexpr emmy::Signed in(int, int i) { return {i / 2, 1}; }
#else
  static constexpr emmy::Signed in(int, int i) { return {3 - i, 1}; }
#endif
  static constexpr emmy::Signed out(int, int o) { return {2 - o, 1}; }
};
using Net = emmy::Net<emmy::Input<4>, emmy::Parametrized<emmy::Dense<3>, emmy::Equivariant<Turn>>>;
static_assert(sizeof(emmy::Params<Net>) > 0);
