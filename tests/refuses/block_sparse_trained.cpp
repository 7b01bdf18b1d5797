// refuses: emmy: BlockSparse is for inference: train Parametrized<Dense<Out>, ProductByBlock<4>>
#include <emmy/emmy.hpp>

struct Pattern {
  static constexpr unsigned char kCount[] = {1, 2}, kInput[] = {5, 0, 3};
};

using Net = emmy::Net<emmy::Input<6>, emmy::BlockSparse<8, Pattern>, emmy::Relu, emmy::Dense<2>>;

void use(emmy::Params<Net>& params, emmy::Buffers<Net>& buffers, const float* x, float* y) {
#ifdef EMMY_REFUSED
  emmy::State<Net, emmy::Sgd> state;
  emmy::Scratch<Net, 1, emmy::Train<emmy::Sgd>> scratch;
  emmy::NoLedger none;
  (void)emmy::train_step<Net, 1>(params, buffers, state, scratch, x, y, emmy::SquaredError{}, emmy::Sgd{}, none);
#else
  emmy::Scratch<Net, 1, emmy::Infer> scratch;
  (void)emmy::infer<Net, 1>(params, buffers, scratch, x, y);
#endif
}
