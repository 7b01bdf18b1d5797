// refuses: emmy: this group leaves no weight
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/tied.hpp>

#ifdef EMMY_REFUSED
constexpr int kTurned = 1;
#else
constexpr int kTurned = -1;
#endif
struct Odd {
  static constexpr int kGenerators = 1;
  static constexpr emmy::Signed in(int, int i) { return {i, kTurned}; }
  static constexpr emmy::Signed out(int, int o) { return {o, -1}; }
};
using Net = emmy::Net<emmy::Input<4>, emmy::Parametrized<emmy::Dense<2, emmy::NoBias>, emmy::Equivariant<Odd>>>;
static_assert(sizeof(emmy::Params<Net>) > 0);
