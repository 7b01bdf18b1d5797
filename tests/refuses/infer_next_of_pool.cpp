// refuses: emmy: infer_next takes layers that see one position at a time
#include <emmy/train/streaming.hpp>

#ifdef EMMY_REFUSED
using Layer = emmy::MaxPool<2>;
#else
using Layer = emmy::Relu;
#endif
using Net = emmy::Net<emmy::Input<6, 4>, emmy::Dense<5>, Layer, emmy::Dense<3>>;
emmy::NextResult run(const emmy::Params<Net>& params, emmy::Buffers<Net>& buffers,
                     emmy::Scratch<Net, 1, emmy::Stream>& scratch, const float* x, float* y) {
  return emmy::infer_next(params, buffers, scratch, x, y);
}
