// Gated linear units: two projections side by side, one the gate of the other.
#pragma once

#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>

namespace emmy {

// y = (x W_u + b_u) gate(x W_g + b_g), element by element, on the channels of every position. Blocks: W_u [in][pad(Hidden)],
// then the same of the gate; Layer<i, 0, 0> is the projection up, Layer<i, 1, 0> that of the gate, Layer<i> their product.
// The projection up rescales against the next affine layer, whatever the gate: Rescaling<Layer<i, 0, 0>>. Dauphin et al.
// 2017; Shazeer 2020 (Silu: SwiGLU). Source of the charge: theory.md section 1 #22. Test: tests/layers/parallel_test.cpp.
template <int Hidden, class Gate = Silu, class Bias = NoBias>
using Glu = Parallel<Multiply, Branch<Dense<Hidden, Bias>>, Branch<Dense<Hidden, Bias>, Gate>>;

}  // namespace emmy
