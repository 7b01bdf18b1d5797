// Products of square matrices, named gemv<n>, gemm<n>, gemm_tn<n> (C = A' B), gemm_nt<n> (C = A B'): y = x W, forward, dW
// and dX of a layer. A program is a type Program<kernel, n> with static reset(operands), infer(ignored, ignored) and
// read(c), as timing/workload.hpp says; it may hold the operands in any order.
#pragma once

#include <bench/compare/opponents.hpp>

#include <utility>
#include <vector>

namespace compare {
namespace {

#ifdef EMMY_COMPARE_BRIEF
using Sizes = std::integer_sequence<int, 1, 7, 24>;
#else
using Sizes = std::integer_sequence<int, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 32, 48, 64, 96, 128,
                                    192, 256>;
#endif

template <Kernel Op, int N>
struct ProductKey {
  char text[12] = {};
  constexpr ProductKey() {
    const char* word = Op == Kernel::gemv      ? "gemv"
                       : Op == Kernel::gemm    ? "gemm"
                       : Op == Kernel::gemm_tn ? "gemm_tn"
                                               : "gemm_nt";
    char* to = text;
    while (*word != '\0') *to++ = *word++;
    for (int unit = 100; unit > 0; unit /= 10)
      if (N >= unit) *to++ = static_cast<char>('0' + N / unit % 10);
  }
};
template <Kernel Op, int N>
inline constexpr ProductKey<Op, N> kProductKey{};

constexpr const char* formula(Kernel op) {
  return op == Kernel::gemv      ? "y = x W"
         : op == Kernel::gemm    ? "C = A B"
         : op == Kernel::gemm_tn ? "C = A' B"
                                 : "C = A B'";
}
template <Kernel Op, int N>
inline constexpr Workload kProduct{kProductKey<Op, N>.text, formula(Op),         1, 0, {N},
                                   Activation::none,        Loss::squared_error, Op};

// f(workload, constant Op, constant N) for each product.
template <class F>
void for_each_product(F f) {
  const auto sizes = [&]<Kernel Op, int... N>(std::integral_constant<Kernel, Op> op, std::integer_sequence<int, N...>) {
    (f(kProduct<Op, N>, op, std::integral_constant<int, N>{}), ...);
  };
  sizes(std::integral_constant<Kernel, Kernel::gemv>{}, Sizes{});
  sizes(std::integral_constant<Kernel, Kernel::gemm>{}, Sizes{});
  sizes(std::integral_constant<Kernel, Kernel::gemm_tn>{}, Sizes{});
  sizes(std::integral_constant<Kernel, Kernel::gemm_nt>{}, Sizes{});
}

template <template <Kernel, int> class Program>
std::vector<Opponent> product_rows(std::string_view name, std::string_view backend = {}, std::string_view ledger = {}) {
  std::vector<Opponent> all;
  for_each_product([&]<class Op, class N>(const Workload& workload, Op, N) {
    using P = Program<Op::value, N::value>;
    all.push_back({name, &workload, P::reset, P::read, nullptr, P::infer, backend, ledger});
  });
  return all;
}

// Operands and result as C has them, for programs that take those.
template <int N>
struct Squares {
  alignas(64) static inline float a[N][N], b[N][N], c[N][N];

  static void reset(const float* operands) {
    for (int i = 0; i < N * N; ++i) a[i / N][i % N] = operands[i];
    for (int i = 0; i < N * N; ++i) b[i / N][i % N] = operands[N * N + i];
  }
};
template <Kernel Op, int N>
struct SquareProgram : Squares<N> {
  static void read(float* result) {
    for (int i = 0; i < (Op == Kernel::gemv ? N : N * N); ++i) result[i] = Squares<N>::c[i / N][i % N];
  }
};

}  // namespace
}  // namespace compare
