// libxsmm: a product compiled at run time for its size, called through its pointer. C = A B alone: its code for f32 knows
// no transposed operand. It is column-major, where row-major C = A B reads C' = B' A'.
#include <bench/compare/kernels.hpp>

#include <libxsmm.h>

namespace compare {
namespace {

template <int N>
struct Program : SquareProgram<Kernel::gemm, N> {
  using Squares<N>::a, Squares<N>::b, Squares<N>::c;
  static inline libxsmm_smmfunction multiply = nullptr;

  static void reset(const float* operands) {
    constexpr float kOne = 1.0f, kZero = 0.0f;
    constexpr int kFlags = LIBXSMM_GEMM_FLAG_NONE, kPrefetch = LIBXSMM_GEMM_PREFETCH_NONE;
    Squares<N>::reset(operands);
    multiply = libxsmm_smmdispatch(N, N, N, nullptr, nullptr, nullptr, &kOne, &kZero, &kFlags, &kPrefetch);
  }
  static void infer(const float*, float*) { multiply(b[0], a[0], c[0]); }
};

}  // namespace

namespace opponents {
std::span<const Opponent> libxsmm_kernels() {
  static const std::vector<Opponent> all = [] {
    std::vector<Opponent> list;
    for_each_product([&]<class Op, class N>(const Workload& workload, Op, N) {
      if constexpr (Op::value == Kernel::gemm) {
        using P = Program<N::value>;
        list.push_back({"libxsmm", &workload, P::reset, P::read, nullptr, P::infer});
      }
    });
    return list;
  }();
  return all;
}
}  // namespace opponents
}  // namespace compare
