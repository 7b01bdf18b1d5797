#include <bench/compare/kernels.hpp>

#include <cblas.h>

namespace compare {
namespace {

template <Kernel Op, int N>
struct Program : SquareProgram<Op, N> {
  using Squares<N>::a, Squares<N>::b, Squares<N>::c;

  static void infer(const float*, float*) {
    constexpr auto kOfA = Op == Kernel::gemm_tn ? CblasTrans : CblasNoTrans;
    constexpr auto kOfB = Op == Kernel::gemm_nt ? CblasTrans : CblasNoTrans;
    if constexpr (Op == Kernel::gemv)
      cblas_sgemv(CblasRowMajor, CblasTrans, N, N, 1.0f, b[0], N, a[0], 1, 0.0f, c[0], 1);
    else cblas_sgemm(CblasRowMajor, kOfA, kOfB, N, N, N, 1.0f, a[0], N, b[0], N, 0.0f, c[0], N);
  }
};

}  // namespace

namespace opponents {
std::span<const Opponent> openblas_kernels() {
  static const std::vector<Opponent> all = product_rows<Program>("openblas");
  return all;
}
}  // namespace opponents
}  // namespace compare
