// refuses: emmy: this constraint has an entry that is no weight of the layer
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/constrained.hpp>

struct Tie {
  static constexpr int kCount = 1;
#ifdef EMMY_REFUSED
  static constexpr emmy::ConstraintEntry entries[] = {{0, 0, 0, 1}, {0, 5, 0, -1}};
#else
  static constexpr emmy::ConstraintEntry entries[] = {{0, 0, 0, 1}, {0, 4, 0, -1}};
#endif
};
using Net = emmy::Net<emmy::Input<4>, emmy::Parametrized<emmy::Dense<3>, emmy::Constrained<Tie>>>;
static_assert(sizeof(emmy::Params<Net>) > 0);
