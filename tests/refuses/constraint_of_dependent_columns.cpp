// refuses: emmy: the columns of this constraint depend on each other, or are not orthogonal, which Elementwise needs
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/constrained.hpp>

struct Tie {
  static constexpr int kCount = 2;
  static constexpr double at(int column, int row, int out) {
#ifdef EMMY_REFUSED
    return (column + 1) * (row + out);
#else
    return (column + 1) * row + out;
#endif
  }
};
using Net = emmy::Net<emmy::Input<4>, emmy::Parametrized<emmy::Dense<3>, emmy::Constrained<Tie>>>;
static_assert(sizeof(emmy::Params<Net>) > 0);
