// refuses: emmy: evaluate counts one label a sample
#include <emmy/train/verbs.hpp>

#ifdef EMMY_REFUSED
using Input = emmy::Input<2, 4>;
#else
using Input = emmy::Input<4>;
#endif
using Net = emmy::Net<Input, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
emmy::Status run(const emmy::Params<Net>& params, emmy::Buffers<Net>& buffers,
                 emmy::Scratch<Net, 1, emmy::Infer>& scratch, const float* x, const int* label,
                 emmy::Evaluation<float>& result) {
  return emmy::evaluate(params, buffers, scratch, x, label, 1, result);
}
