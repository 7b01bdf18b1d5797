// refuses: emmy: DataRotation needs a trained Dense of plain weights that alone reads the input
#include <emmy/layers/dense.hpp>
#include <emmy/noether/rotation.hpp>

#ifdef EMMY_REFUSED
using Site = emmy::Layer<1>;
#else
using Site = emmy::Layer<0>;
#endif
using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Dense<3>>;
static_assert(emmy::block_of<Small>(emmy::DataRotation<Site>{}) == 0);
