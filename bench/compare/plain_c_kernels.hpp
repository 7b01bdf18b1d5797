// The loops that one writes first, with sizes known to the compiler, so that the innermost runs along rows.
#pragma once

#include <bench/compare/kernels.hpp>

namespace compare {
namespace {

template <Kernel Op, int N>
struct PlainProgram : SquareProgram<Op, N> {
  using Squares<N>::a, Squares<N>::b, Squares<N>::c;

  static void reset(const float* operands) {
    Squares<N>::reset(operands);
    if constexpr (Op == Kernel::gemv)  // W[out][in]
      for (int o = 0; o < N; ++o)
        for (int i = 0; i < N; ++i) b[o][i] = operands[(N + i) * N + o];
  }
  static void infer(const float*, float*) {
    if constexpr (Op == Kernel::gemv || Op == Kernel::gemm_nt) {
      for (int i = 0; i < (Op == Kernel::gemv ? 1 : N); ++i)
        for (int j = 0; j < N; ++j) {
          float sum = 0.0f;
          for (int k = 0; k < N; ++k) sum += a[i][k] * b[j][k];
          c[i][j] = sum;
        }
    } else if constexpr (Op == Kernel::gemm) {
      for (int i = 0; i < N; ++i) {
        for (int j = 0; j < N; ++j) c[i][j] = 0.0f;
        for (int k = 0; k < N; ++k)
          for (int j = 0; j < N; ++j) c[i][j] += a[i][k] * b[k][j];
      }
    } else {
      for (int i = 0; i < N; ++i)
        for (int j = 0; j < N; ++j) c[i][j] = 0.0f;
      for (int k = 0; k < N; ++k)
        for (int i = 0; i < N; ++i)
          for (int j = 0; j < N; ++j) c[i][j] += a[k][i] * b[k][j];
    }
  }
};

}  // namespace
}  // namespace compare
