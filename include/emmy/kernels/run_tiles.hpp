// The register tile of gemm.hpp over runs of terms whose number and lengths are known at run time only: what the windows at an edge
// of an image see. Layouts and error as there, with the terms of all runs. Test: tests/kernels/conv2d_test.cpp.
#pragma once

#include <emmy/kernels/gemm.hpp>

namespace emmy::inline EMMY_TARGET {

// The left operand of a tile: one number in all lanes, or a vector beside that of the right one.
struct Broadcast {
  template <class T>
  EMMY_INLINE auto operator()(const T* a, std::size_t) const noexcept {
    return simd::set(*a);
  }
};
struct Lanes {
  template <class T>
  EMMY_INLINE auto operator()(const T* a, std::size_t n) const noexcept {
    return simd::load(a + n * simd::lanes<T>());
  }
};

// c[m, n] = start(m, n) + sum_{k < K} a[k ak + m am] b[k bs + n lanes], handed to finish(m, n, c). The sum goes over all
// runs: runs(run) calls run(a, b, K) for each, in one place of its text.
template <class T, int M, int N, class Left = Broadcast, class Runs, class Start, class Finish>
EMMY_INLINE void tile_of_runs(std::size_t am, std::size_t ak, std::size_t bs, Runs&& runs, Start&& start,
                              Finish&& finish, Left a_at = {}) noexcept {
  with_vectors<T, M * N>([&](auto&... c) EMMY_LAMBDA {
    [&]<int... I>(std::integer_sequence<int, I...>) EMMY_LAMBDA {
      ((c = start(I / N, I % N)), ...);
      runs([&](const T* left, const T* right, std::size_t K) EMMY_LAMBDA {
        for (std::size_t k = 0; k < K; ++k) {
          with_vectors<T, N>([&](auto&... bk) EMMY_LAMBDA {
            std::size_t n = 0;
            ((bk = simd::load(right + k * bs + n++ * simd::lanes<T>())), ...);
            ((c = simd::mul_add(a_at(left + (k * ak + I / N * am), I % N), pick<I % N>(bk...), c)),
             ...);  // c and I in step
          });
        }
      });
      (finish(I / N, I % N, c), ...);
    }
    (std::make_integer_sequence<int, M * N>{});
  });
}

// finish(row, col, start(row, col) + sum_k a[row am + k ak] b[k Padded + col ..]) for each of Rows rows and each vector
// of a padded row, in tiles of N vectors.
template <class T, int Rows, int Padded, int N = kTileVectors, class Runs, class Start, class Finish>
EMMY_INLINE void gemm_of_runs(std::size_t am, std::size_t ak, Runs&& runs, Start&& start, Finish&& finish) noexcept {
  const int lanes = static_cast<int>(simd::lanes<T>());
  for_panels<T, Padded, N>([&](int col, auto n_) EMMY_LAMBDA {
    for_row_tiles<Rows, tile_rows<T, Rows, decltype(n_)::value>()>([&](int row, auto m_) EMMY_LAMBDA {
      tile_of_runs<T, decltype(m_)::value, decltype(n_)::value>(
          am, ak, Padded,
          [&](auto&& run) EMMY_LAMBDA {
            runs([&](const T* a, const T* b, std::size_t K)
                     EMMY_LAMBDA { run(a + static_cast<std::size_t>(row) * am, b + col, K); });
          },
          [&](int m, int n) EMMY_LAMBDA { return start(row + m, col + n * lanes); },
          [&](int m, int n, auto c) EMMY_LAMBDA { finish(row + m, col + n * lanes, c); });
    });
  });
}

// dW in tiles, never stored as a matrix: put(row, m, col, v) gets the vectors of row + m of g[i, o] =
// sum_r x[r ldx + i] dy[r Padded + o], r over all runs; end(row, constant<M>) follows those of M rows.
template <class T, int In, int Padded, class Runs, class Put, class End>
EMMY_INLINE void gradient_tiles_of_runs(std::size_t ldx, Runs&& runs, Put&& put, End&& end) noexcept {
  const int lanes = static_cast<int>(simd::lanes<T>());
  for_gradient_row_tiles<T, In, Padded>([&](int row, auto m_) EMMY_LAMBDA {
    for_panels<T, Padded, kTileVectors>([&](int col, auto n_) EMMY_LAMBDA {
      tile_of_runs<T, decltype(m_)::value, decltype(n_)::value>(
          1, ldx, Padded,
          [&](auto&& run) EMMY_LAMBDA {
            runs([&](const T* x, const T* dy, std::size_t K) EMMY_LAMBDA { run(x + row, dy + col, K); });
          },
          [&](int, int) EMMY_LAMBDA { return simd::zero<T>(); },
          [&](int m, int n, auto c) EMMY_LAMBDA { put(row, m, col + n * lanes, c); });
    });
    end(row, m_);
  });
}
// The same in whole rows: visit(row, constant<M>, g) gets M rows of g in rows of Padded scalars.
template <class T, int In, int Padded, class Runs, class Visit>
EMMY_INLINE void gradient_rows_of_runs(std::size_t ldx, Runs&& runs, Visit&& visit) noexcept {
  alignas(kAlign<T>) T g[gradient_tile_rows<T, In, Padded>() * Padded];
  gradient_tiles_of_runs<T, In, Padded>(
      ldx, runs, [&](int, int m, int col, auto v) EMMY_LAMBDA { simd::store(v, g + m * Padded + col); },
      [&](int row, auto m_) EMMY_LAMBDA {
        EMMY_GRADIENT_HOOK(g, decltype(m_)::value * Padded);
        visit(row, m_, static_cast<const T*>(g));
      });
}

}  // namespace emmy::inline EMMY_TARGET
