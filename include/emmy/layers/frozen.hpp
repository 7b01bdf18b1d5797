// Frozen<Dense<16>>: the layer's weights stay as they are. Its text is the layer's own (a Frozen<L> is an L); training
// skips its gradients, updates and state. A ledger that measures still forms the gradient, to book what the unmoved
// side breaks. Test: tests/layers/frozen_test.cpp.
#pragma once

#include <emmy/layers/layer.hpp>

namespace emmy {

template <class L>
struct Frozen : L {
  static constexpr bool kFrozen = true;
};
template <class L>
inline constexpr int kTurnableOutputs<Frozen<L>> = kTurnableOutputs<L>;

}  // namespace emmy
