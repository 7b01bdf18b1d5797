// refuses: emmy: the array of this constraint's columns has kCount of them, each with a row for every input and one for the bias
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/constrained.hpp>

struct Tie {
  static constexpr int kCount = 1;
#ifdef EMMY_REFUSED
  static constexpr double columns[1][2][1] = {{{1}, {-1}}};
#else
  static constexpr double columns[1][3][1] = {{{1}, {-1}, {0}}};
#endif
};
using Net = emmy::Net<emmy::Input<2>, emmy::Parametrized<emmy::Dense<1>, emmy::Constrained<Tie>>>;
static_assert(sizeof(emmy::Params<Net>) > 0);
