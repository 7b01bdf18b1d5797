// A net is a type, and the type is only a description: it threads shapes through layers and numbers the nodes.
#pragma once

#include <type_traits>

#include <emmy/core/shape.hpp>
#include <emmy/layers/layer.hpp>

namespace emmy {

// The scalar of a net: Net<Scalar<double>, Input<4>, ...>; without it float.
template <class S>
struct Scalar {};

// One step of the flattened net. Tensor 0 is the input, node i makes tensor i + 1.
//   kFrom   the tensor it reads; kSkip  the second one (Add, Multiply), else -1
//   Site    Layer<position...>;  Tag    the user's name, else void
template <class LayerType, class InShape, class OutShape, int From, int Skip, class SiteType, class TagType>
struct Node {
  using layer = LayerType;
  using in = InShape;
  using out = OutShape;
  using site = SiteType;
  using tag = TagType;
  static constexpr int kFrom = From;
  static constexpr int kSkip = Skip;
};

template <class... Node>
struct Nodes {
  static constexpr int kCount = sizeof...(Node);
};

namespace detail {

template <class Prefix, int Position>
struct Extend;
template <int... Prefix, int Position>
struct Extend<Layer<Prefix...>, Position> {
  using type = Layer<Prefix..., Position>;
};

// Threads shapes through Layers. Done: nodes so far; Shape, Tensor: what the next layer reads.
template <class Done, class InShape, int Tensor, class Prefix, int Position, class Tag, class... Layers>
struct Thread;

template <class... Done, class InShape, int Tensor, class Prefix, int Position>
struct Thread<Nodes<Done...>, InShape, Tensor, Prefix, Position, void> {
  using nodes = Nodes<Done...>;
  using shape = InShape;
  static constexpr int kTensor = Tensor;
};

template <class... Done, class InShape, int Tensor, class Prefix, int Position, class Tag, class L, class... Rest>
struct Thread<Nodes<Done...>, InShape, Tensor, Prefix, Position, Tag, L, Rest...>
    : Thread<Nodes<Done..., Node<L, InShape, output_shape<L, InShape>, Tensor, -1,
                                 typename Extend<Prefix, Position>::type, Tag>>,
             output_shape<L, InShape>, static_cast<int>(sizeof...(Done)) + 1, Prefix, Position + 1, void, Rest...> {};

template <class... Done, class InShape, int Tensor, class Prefix, int Position, class Outer, class Tag, class L,
          class... Rest>
struct Thread<Nodes<Done...>, InShape, Tensor, Prefix, Position, Outer, Named<Tag, L>, Rest...>
    : Thread<Nodes<Done...>, InShape, Tensor, Prefix, Position, Tag, L, Rest...> {};

// A tag names the first layer of a sequence.
template <class... Done, class InShape, int Tensor, class Prefix, int Position, class Tag, class First, class... Inner,
          class... Rest>
struct Thread<Nodes<Done...>, InShape, Tensor, Prefix, Position, Tag, Sequence<First, Inner...>, Rest...>
    : Thread<Nodes<Done...>, InShape, Tensor, Prefix, Position, Tag, First, Inner..., Rest...> {};

// The node that joins tensors From and Skip.
template <class Inner, class Join, class InShape, int From, int Skip, class Site, class Tag>
struct Close;
template <class... Done, class Join, class InShape, int From, int Skip, class Site, class Tag>
struct Close<Nodes<Done...>, Join, InShape, From, Skip, Site, Tag> {
  using nodes = Nodes<Done..., Node<Join, InShape, InShape, From, Skip, Site, Tag>>;
};

template <class... Done, class InShape, int Tensor, class Prefix, int Position, class Tag, class... Inner,
          class... Rest>
struct Thread<Nodes<Done...>, InShape, Tensor, Prefix, Position, Tag, Residual<Inner...>, Rest...> {
  using site = typename Extend<Prefix, Position>::type;
  using inner = Thread<Nodes<Done...>, InShape, Tensor, site, 0, void, Inner...>;
  static_assert(std::is_same_v<typename inner::shape, InShape>,
                "emmy: the layers of a Residual must give back the shape they got (y = x + f(x))");
  using closed = typename Close<typename inner::nodes, Add, InShape, inner::kTensor, Tensor, site, Tag>::nodes;
  using rest = Thread<closed, InShape, closed::kCount, Prefix, Position + 1, void, Rest...>;
  using nodes = typename rest::nodes;
  using shape = typename rest::shape;
  static constexpr int kTensor = rest::kTensor;
};

template <class... Done, class InShape, int Tensor, class Prefix, int Position, class Tag, class Join, class... A,
          class... B, class... Rest>
struct Thread<Nodes<Done...>, InShape, Tensor, Prefix, Position, Tag, Parallel<Join, Branch<A...>, Branch<B...>>,
              Rest...> {
  static_assert(
      kIsJoin<Join>,
      "emmy: a Parallel takes Add or Multiply and two branches: Parallel<Multiply, Branch<...>, Branch<...>>");
  static_assert(sizeof...(A) + sizeof...(B) > 0, "emmy: a Parallel needs a layer in one of its branches");
  using site = typename Extend<Prefix, Position>::type;
  using first = Thread<Nodes<Done...>, InShape, Tensor, typename Extend<site, 0>::type, 0, void, A...>;
  using second = Thread<typename first::nodes, InShape, Tensor, typename Extend<site, 1>::type, 0, void, B...>;
  using out = typename first::shape;
  static_assert(std::is_same_v<out, typename second::shape>,
                "emmy: the branches of a Parallel must make the same shape: they are added or multiplied");
  using closed = typename Close<typename second::nodes, Join, out, first::kTensor, second::kTensor, site, Tag>::nodes;
  using rest = Thread<closed, out, closed::kCount, Prefix, Position + 1, void, Rest...>;
  using nodes = typename rest::nodes;
  using shape = typename rest::shape;
  static constexpr int kTensor = rest::kTensor;
};

template <class S, class InShape, class... Layers>
struct Chain {
  static_assert(std::is_same_v<S, float> || std::is_same_v<S, double>, "emmy: the scalar of a net is float or double");
  static_assert(sizeof...(Layers) > 0, "emmy: a Net needs at least one layer after its Input");
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M' && !defined(EMMY_ALLOW_DOUBLE)
  static_assert(std::is_same_v<S, float>, "emmy: double on Cortex-M is emulated; define EMMY_ALLOW_DOUBLE to use it");
#elif defined(EMMY_BACKEND_HIGHWAY) && defined(__arm__)
  static_assert(std::is_same_v<S, float>,
                "emmy: Armv7's NEON has no double; use Net<...> in f32 or EMMY_BACKEND_SCALAR");
#endif
  using scalar = S;
  using threaded = Thread<Nodes<>, InShape, 0, Layer<>, 0, void, Layers...>;
  using nodes = typename threaded::nodes;
  using input = InShape;
  using output = typename threaded::shape;
  static constexpr int kNodes = nodes::kCount;
  static constexpr int kInputs = input::kSize;
  static constexpr int kOutputs = output::kSize;
};

template <int I, class List>
struct NodeAt;
template <int I, class First, class... Rest>
struct NodeAt<I, Nodes<First, Rest...>> : NodeAt<I - 1, Nodes<Rest...>> {};
template <class First, class... Rest>
struct NodeAt<0, Nodes<First, Rest...>> {
  using type = First;
};
}  // namespace detail

// Net<Input<64>, Dense<32>, Relu, Dense<10>>: widths are written once; see layer.hpp for what may stand in it.
template <class... Layers>
struct Net {
  static_assert(sizeof...(Layers) == 0 && sizeof...(Layers) > 0,
                "emmy: a Net starts with Input<...> (or Scalar<S>, Input<...>)");
};
template <int... Dims, class... Layers>
struct Net<Input<Dims...>, Layers...> : detail::Chain<float, Shape<Dims...>, Layers...> {};
template <class S, int... Dims, class... Layers>
struct Net<Scalar<S>, Input<Dims...>, Layers...> : detail::Chain<S, Shape<Dims...>, Layers...> {};

template <class Net, int I>
using node_at = typename detail::NodeAt<I, typename Net::nodes>::type;

namespace detail {
template <class Site, class... N>
consteval int find_node(Nodes<N...>) {
  int at = 0, found = -1;
  ((std::is_same_v<Site, typename N::site> || std::is_same_v<Site, typename N::tag> ? void(found = at++) : void(at++)),
   ...);
  return found;
}
}  // namespace detail

// The node that Site (Layer<...> or a tag) names, -1 where the net has none.
template <class Net, class Site>
inline constexpr int kNodeOf = detail::find_node<Site>(typename Net::nodes{});

}  // namespace emmy
