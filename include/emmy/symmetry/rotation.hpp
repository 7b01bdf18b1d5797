// Rotation of the data: the first layer turns with its inputs.
#pragma once

#include <emmy/symmetry/symmetry.hpp>

namespace emmy {

// x -> x R for a rotation R of the inputs is undone by W -> R' W in the first layer, x W + b. Where the batch stays as it is
// under x -> x R, targets and all, the loss does not see W -> R' W. This is a symmetry of the data, not of the net: it holds on
// whole orbits alone, so on a full batch, and needs every rotation of a plane, which no finite batch has. n points around a circle
// stand for all of it where the loss is a polynomial of a degree below n in the inputs: the mean over n turns of 2 pi / n is then
// that over all angles. Layers that are no polynomials (Relu, Tanh) are refused: flips, crops and turns of a finite group give
// them no charge (the residual of ReLU falls slowly with n: 1.6e-2 at 7, 7.3e-4 at 511).
// Site: the first layer, a trained Dense that alone reads the input. Noether identity, for a generator A, antisymmetric on the
// inputs: <g_W, A W> = 0; in a plane i, k: <W[i, :], g_W[k, :]> = <W[k, :], g_W[i, :]>. The quadratic charge is identically 0;
// the conserved number is the angular momentum J = <m, A W>, m the momentum: with coupled decay J' = beta J, decoupled
// beta (1 - eta lam) J (angular_factor, optim/momentum.hpp), without momentum 0.
// Measured by noether/rotation.hpp. Source: theory.md section 1 #24, section 2. Test: tests/noether/rotation_test.cpp.
template <class Site = Layer<0>>
struct DataRotation {
  using site = Site;
};

// The rotation of input i towards input k: A = e_i e_k' - e_k e_i'.
struct Plane {
  int i, k;
};

namespace detail {

// The degree that a layer multiplies or adds up, 0: it is no polynomial.
template <class L>
inline constexpr int kPolynomialOf = [] {
  if constexpr (requires { L::kPolynomial; }) return L::kPolynomial;
  else return kIsAffine<L> || kIsReshape<L> ? 1 : 0;
}();

// Of the outputs in the inputs, 0 where they are no polynomial.
template <class... N>
consteval int degree_in_inputs(Nodes<N...>) {
  int degree[sizeof...(N) + 1] = {1}, node = 0;
  const auto add = [&]<class Node>(Node) {
    const int from = degree[Node::kFrom], other = Node::kSkip < 0 ? 0 : degree[Node::kSkip < 0 ? 0 : Node::kSkip];
    int& to = degree[++node];
    if constexpr (kIsJoin<typename Node::layer>) {
      if (__is_same(typename Node::layer, Multiply)) to = from + other;
      else to = from > other ? from : other;
      if (from == 0 || other == 0) to = 0;
    } else {
      to = from * kPolynomialOf<typename Node::layer>;
    }
  };
  (add(N{}), ...);
  return degree[sizeof...(N)];
}

template <class Net, int Site>
consteval bool reads_inputs() {
  using L = typename node_at<Net, Site>::layer;
  return kIsAffine<L> && kHasPlainWeights<L> && !kIsWindowed<L> && !kIsFrozen<L> && node_at<Net, Site>::kFrom == 0 &&
         kPlan<Net>.tensor[0].consumers == 1;
}

}  // namespace detail

// How many points around a circle stand for all its rotations, under a loss of this degree in the outputs (SquaredError: 2).
// Refuses a net whose outputs are no polynomial of its inputs.
template <class Net, int LossDegree = 2>
consteval int least_orbit() {
  constexpr int kDegree = detail::degree_in_inputs(typename Net::nodes{});
  static_assert(
      kDegree > 0,
      "emmy: no rotation of the data is a symmetry of this net: a finite batch stands for all rotations only "
      "where every layer is a polynomial (Dense, Identity, a product of two branches; kPolynomial of your own)");
  return LossDegree * kDegree + 1;
}

// The block that turns.
template <class Net, class Site>
consteval int block_of(DataRotation<Site>) {
  constexpr int kSite = kNodeOf<Net, Site>;
  static_assert(kSite >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  static_assert(detail::reads_inputs<Net, kSite>(),
                "emmy: DataRotation needs a trained Dense of plain weights that alone reads the input, once");
  static_assert(least_orbit<Net>() > 0);
  return kPlan<Net>.first_block[kSite];
}

}  // namespace emmy
