#include <xsimd/xsimd.hpp>

#include <bench/compare/simple_loops.hpp>

namespace compare {
namespace {

struct Xsimd {
  using V = xsimd::batch<float>;
  static constexpr int lanes = static_cast<int>(V::size);
  static V load(const float* p) { return V::load_unaligned(p); }
  static void store(V v, float* p) { v.store_unaligned(p); }
  static V set(float x) { return V(x); }
  static V zero() { return V(0.0f); }
  static V fma(V a, V b, V c) { return xsimd::fma(a, b, c); }
  static float sum(V v) { return xsimd::hadd(v); }
};
template <int In, int Out, int Samples, Activation Act>
using Layer = SimpleLayer<Xsimd, In, Out, Samples, Act>;
template <const Workload& Work>
using Program = LayerProgram<Work, Layer>;

}  // namespace

namespace opponents {
std::span<const Opponent> xsimd_simple() { return rows<Program>("xsimd_simple"); }
}  // namespace opponents
}  // namespace compare
