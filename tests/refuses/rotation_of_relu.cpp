// refuses: emmy: no rotation of the data is a symmetry of this net: a finite batch stands for all rotations only
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/noether/rotation.hpp>

#ifdef EMMY_REFUSED
using Between = emmy::Relu;
#else
using Between = emmy::Identity;
#endif
using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, Between, emmy::Dense<3>>;
static_assert(emmy::block_of<Small>(emmy::DataRotation<>{}) == 0);
