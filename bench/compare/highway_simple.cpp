#define HWY_COMPILE_ONLY_STATIC
#include <hwy/highway.h>

#include <bench/compare/simple_loops.hpp>

namespace compare {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
struct Highway {
  using D = hn::ScalableTag<float>;
  using V = hn::Vec<D>;
  static constexpr int lanes = static_cast<int>(hn::MaxLanes(D()));
  static V load(const float* p) { return hn::LoadU(D(), p); }
  static void store(V v, float* p) { hn::StoreU(v, D(), p); }
  static V set(float x) { return hn::Set(D(), x); }
  static V zero() { return hn::Zero(D()); }
  static V fma(V a, V b, V c) { return hn::MulAdd(a, b, c); }
  static float sum(V v) { return hn::GetLane(hn::SumOfLanes(D(), v)); }
};
template <int In, int Out, int Samples, Activation Act>
using Layer = SimpleLayer<Highway, In, Out, Samples, Act>;
template <const Workload& Work>
using Program = LayerProgram<Work, Layer>;

}  // namespace

namespace opponents {
std::span<const Opponent> highway_simple() { return rows<Program>("highway_simple"); }
}  // namespace opponents
}  // namespace compare
