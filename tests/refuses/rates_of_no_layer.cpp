// refuses: emmy: this net has no such layer (Layer<1> is the second one after Input)
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/optim/sgd.hpp>
#include <emmy/train/per_block.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
void set(emmy::PerBlock<emmy::Sgd, Small>& rule) {
#ifdef EMMY_REFUSED
  rule.layer<emmy::Layer<5>>({0.1f, 0.0f});
#else
  rule.layer<emmy::Layer<2>>({0.1f, 0.0f});
#endif
}
