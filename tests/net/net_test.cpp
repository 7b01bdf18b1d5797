// emmy/net/net.hpp: how a list of layers becomes nodes, shapes and names.
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/layers/frozen.hpp>
#include <emmy/net/net.hpp>

#include <gtest/gtest.h>

#include <type_traits>

namespace {

using emmy::Dense;
using emmy::Input;
using emmy::Layer;
using emmy::Named;
using emmy::Net;
using emmy::Relu;
using emmy::Residual;
using emmy::Shape;

template <class N, int I>
using layer_at = typename emmy::node_at<N, I>::layer;
template <class N, int I>
using site_at = typename emmy::node_at<N, I>::site;

TEST(Net, ThreadsShapesThroughAChain) {
  using N = Net<Input<64>, Dense<32>, Relu, Dense<10>>;
  static_assert(N::kNodes == 3 && N::kInputs == 64 && N::kOutputs == 10);
  static_assert(std::is_same_v<N::scalar, float> && std::is_same_v<N::input, Shape<64>> &&
                std::is_same_v<N::output, Shape<10>>);
  static_assert(std::is_same_v<emmy::node_at<N, 0>::in, Shape<64>> &&
                std::is_same_v<emmy::node_at<N, 0>::out, Shape<32>>);
  static_assert(std::is_same_v<emmy::node_at<N, 1>::in, Shape<32>> &&
                std::is_same_v<emmy::node_at<N, 1>::out, Shape<32>>);
  static_assert(std::is_same_v<layer_at<N, 1>, Relu> && std::is_same_v<layer_at<N, 2>, Dense<10>>);
  static_assert(std::is_same_v<site_at<N, 0>, Layer<0>> && std::is_same_v<site_at<N, 2>, Layer<2>>);
  static_assert(emmy::node_at<N, 2>::kFrom == 2 && emmy::node_at<N, 2>::kSkip == -1);
  static_assert(std::is_empty_v<N>, "a net is a description");
  SUCCEED();  // the compiler has checked it
}

TEST(Net, ScalarAndTwoDimensions) {
  using N = Net<emmy::Scalar<double>, Input<4, 5, 3>, Dense<8>, Relu, Dense<2>>;
  static_assert(std::is_same_v<N::scalar, double> && std::is_same_v<N::output, Shape<4, 5, 2>>);
  static_assert(N::kInputs == 60 && N::kOutputs == 40);
  SUCCEED();
}

TEST(Net, ResidualBecomesItsLayersAndASum) {
  using N = Net<Input<6>, Dense<4>, Residual<Dense<7>, Relu, Dense<4>>, Relu, Dense<2>>;
  static_assert(N::kNodes == 7);
  static_assert(std::is_same_v<layer_at<N, 4>, emmy::Add> && emmy::node_at<N, 4>::kFrom == 4 &&
                emmy::node_at<N, 4>::kSkip == 1);
  static_assert(std::is_same_v<site_at<N, 1>, Layer<1, 0>> && std::is_same_v<site_at<N, 3>, Layer<1, 2>>);
  static_assert(std::is_same_v<site_at<N, 4>, Layer<1>> && std::is_same_v<site_at<N, 5>, Layer<2>>,
                "the sum has the position of the Residual");
  static_assert(emmy::node_at<N, 1>::kFrom == 1 && emmy::node_at<N, 5>::kFrom == 5);
  SUCCEED();
}

TEST(Net, ResidualInAResidual) {
  using N = Net<Input<6>, Residual<Relu, Residual<Dense<6>>, Dense<6>>, Dense<2>>;
  static_assert(N::kNodes == 6);
  static_assert(std::is_same_v<site_at<N, 1>, Layer<0, 1, 0>>);
  static_assert(std::is_same_v<layer_at<N, 2>, emmy::Add> && emmy::node_at<N, 2>::kFrom == 2 &&
                emmy::node_at<N, 2>::kSkip == 1);
  static_assert(std::is_same_v<layer_at<N, 4>, emmy::Add> && emmy::node_at<N, 4>::kFrom == 4 &&
                emmy::node_at<N, 4>::kSkip == 0);
  SUCCEED();
}

struct Body;
struct Head;
struct Block;
struct Nobody;

TEST(Net, TagsNameLayersBesideTheirPositions) {
  using N =
      Net<Input<6>, Named<Body, Dense<4>>, Relu, Named<Block, Residual<Dense<4>>>, Named<Head, emmy::Frozen<Dense<2>>>>;
  static_assert(std::is_same_v<layer_at<N, 0>, Dense<4>> && std::is_same_v<layer_at<N, 4>, emmy::Frozen<Dense<2>>>);
  static_assert(emmy::kNodeOf<N, Body> == 0 && emmy::kNodeOf<N, Layer<0>> == 0);
  static_assert(emmy::kNodeOf<N, Block> == 3 && emmy::kNodeOf<N, Layer<2>> == 3 && emmy::kNodeOf<N, Layer<2, 0>> == 2);
  static_assert(emmy::kNodeOf<N, Head> == 4 && emmy::kNodeOf<N, Layer<3>> == 4);
  static_assert(emmy::kNodeOf<N, Nobody> == -1 && emmy::kNodeOf<N, Layer<4>> == -1 && emmy::kNodeOf<N, Layer<>> == -1);
  SUCCEED();
}

}  // namespace
