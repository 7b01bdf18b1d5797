// Eigen with fixed-size matrices in its own column-major order, products without temporaries.
#include <bench/compare/kernels.hpp>

#include <Eigen/Dense>

namespace compare {
namespace {

template <Kernel Op, int N>
struct Program {
  using Square = Eigen::Matrix<float, N, N>;
  using Given = Eigen::Map<const Eigen::Matrix<float, N, N, N == 1 ? Eigen::ColMajor : Eigen::RowMajor>>;
  using Vector = Eigen::Matrix<float, N, 1>;
  using Result = std::conditional_t<Op == Kernel::gemv, Vector, Square>;
  static inline Square b;
  static inline Result a, c;

  static void reset(const float* operands) {
    b = Given(operands + N * N);
    if constexpr (Op == Kernel::gemv) {
      a = Eigen::Map<const Vector>(operands);
      b.transposeInPlace();  // W[out][in]
    } else {
      a = Given(operands);
    }
  }
  static void infer(const float*, float*) {
    if constexpr (Op == Kernel::gemv) c.noalias() = b * a;
    if constexpr (Op == Kernel::gemm) c.noalias() = a * b;
    if constexpr (Op == Kernel::gemm_tn) c.noalias() = a.transpose() * b;
    if constexpr (Op == Kernel::gemm_nt) c.noalias() = a * b.transpose();
  }
  static void read(float* result) {
    for (int i = 0; i < static_cast<int>(c.rows()); ++i)
      for (int j = 0; j < static_cast<int>(c.cols()); ++j) *result++ = c(i, j);
  }
};

}  // namespace

namespace opponents {
std::span<const Opponent> eigen_fixed_kernels() {
  static const std::vector<Opponent> all = product_rows<Program>("eigen_fixed");
  return all;
}
}  // namespace opponents
}  // namespace compare
