// refuses: emmy: this parametrisation removes no groups
#include <emmy/parametrize/certificate.hpp>
#include <emmy/parametrize/constrained.hpp>
#include <emmy/parametrize/tied.hpp>

struct Equal {
  static constexpr int kCount = 1;
  static constexpr int group(int, int) { return 0; }
};
struct Sum {
  static constexpr int kCount = 1;
  static constexpr double at(int, int, int) { return 1; }
};
#ifdef EMMY_REFUSED
using Held = emmy::Tied<Equal>;
#else
using Held = emmy::Constrained<Sum>;
#endif
using Net = emmy::Net<emmy::Input<4>, emmy::Parametrized<emmy::Dense<3>, Held>>;
void look(const emmy::Params<Net>& params, float* size) { emmy::group_sizes<emmy::Layer<0>>(params, size); }
