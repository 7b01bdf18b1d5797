// The neural tangent kernel of a small net on one batch: K = J J', J the slopes of all outputs by all weights.
//
// With delta = dL/d(outputs) any loss has g = J' delta, so that dL/dt = -g'g = -delta' K delta in gradient flow, and a plain step
// begins with dL = -eta delta' K delta. J is made row by row: one forward pass, a backward pass for each output.
// Source: theory.md section 1 #25; Jacot, Gabriel, Hongler 2018. Test: tests/train/tangent_kernel_test.cpp.
#pragma once

#include <emmy/noether/energy.hpp>
#include <emmy/train/verbs.hpp>

namespace emmy {

// Batch x outputs of them, sample by sample, position by position: as many gradients, and their products.
template <class Net, int Batch>
struct TangentKernel {
  using S = typename Net::scalar;
  static constexpr int kOutputs = Batch * Net::kOutputs;
  Gradient<Net> row[kOutputs];  // J
  S k[kOutputs][kOutputs];      // K, symmetric
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// The outputs y, J and K at these weights. Without Status::ok of what is not finite nothing in `kernel` counts.
template <class Net, int Batch, class Rule>
Status tangent_kernel(const Params<Net>& params, Buffers<Net>& buffers, Scratch<Net, Batch, Train<Rule>>& scratch,
                      const typename Net::scalar* x, typename Net::scalar* y,
                      TangentKernel<Net, Batch>& kernel) noexcept {
  using S = typename Net::scalar;
  constexpr int kOutputs = TangentKernel<Net, Batch>::kOutputs;
  S dy[kOutputs] = {};
  if (const Status s = forward(params, buffers, scratch, x, y); s != Status::ok) return s;
  for (int r = 0; r < kOutputs; ++r) {
    dy[r] = S(1);
    if (const Status s = backward(params, buffers, scratch, x, dy); s != Status::ok) return s;
    dy[r] = S(0);
    gradient<false>(params, scratch, x, kernel.row[r]);
    for (int o = 0; o <= r; ++o) kernel.k[r][o] = kernel.k[o][r] = inner_product(kernel.row[r], kernel.row[o]);
  }
  return Status::ok;
}

// delta' K delta: how fast the loss of this delta = dL/d(outputs) falls, |g|^2.
template <class Net, int Batch>
typename Net::scalar energy_rate(const TangentKernel<Net, Batch>& kernel, const typename Net::scalar* delta) noexcept {
  typename Net::scalar sum = 0;
  for (int r = 0; r < kernel.kOutputs; ++r)
    for (int o = 0; o < kernel.kOutputs; ++o) sum += delta[r] * kernel.k[r][o] * delta[o];
  return sum;
}

}  // namespace emmy::inline EMMY_TARGET
