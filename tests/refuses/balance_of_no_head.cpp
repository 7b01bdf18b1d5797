// refuses: emmy: this layer has no such head: QueryKey and ValueOutput name a trained Attention and one of its heads, counted from 0
#include <emmy/layers/attention.hpp>
#include <emmy/symmetry/balance.hpp>

#ifdef EMMY_REFUSED
constexpr int kHead = 2;
#else
constexpr int kHead = 1;
#endif
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Attention<2, 4>>;
static_assert(emmy::matrix_of<Net>(emmy::Balance<emmy::QueryKey<emmy::Layer<0>, kHead>>{}).units == 4);
