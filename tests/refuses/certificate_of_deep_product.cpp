// refuses: emmy: a product of three factors or more has no certificate: zero is a local minimum at every decay
#include <emmy/parametrize/certificate.hpp>
#include <emmy/parametrize/deep_product.hpp>

template <class P>
using Net = emmy::Net<emmy::Input<4>, emmy::Parametrized<emmy::Dense<3>, P>>;
using Plain = emmy::Net<emmy::Input<4>, emmy::Dense<3>>;
void look(const emmy::Params<Plain>& plain, const emmy::Gradient<Plain>& full, float* margin) {
#ifdef EMMY_REFUSED
  (void)emmy::margins<emmy::Layer<0>, Net<emmy::ProductOfDepth<3>>>(plain, full, 0.5f, margin);
#else
  (void)emmy::margins<emmy::Layer<0>, Net<emmy::DiagonalProduct>>(plain, full, 0.5f, margin);
#endif
}
