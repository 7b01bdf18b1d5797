// A copy of a matrix with rows and columns exchanged: by blocks in registers, four rows at a time, or one by one.
//
//   wt[o, i] = w[i, o]      w [In][OutPad], wt [Out][InPad], whose pads become zero; pads of w are not meant
//
// It moves values, so there is no error. Test: tests/kernels/gemm_test.cpp.
#pragma once

#include <type_traits>

#include <emmy/kernels/gemm.hpp>

namespace emmy::inline EMMY_TARGET {

template <int In, int Out, int InPad, int OutPad, class T>
EMMY_INLINE void transpose(const T* w, T* wt) noexcept {
  if constexpr (simd::kTransposes<T>) {
    constexpr int kLanes = kLanesOf<T>;
    static_assert(InPad >= covered<T, In>());  // a block writes whole vectors
    for_row_tiles<In, kLanes>([&](int i, auto rows) EMMY_LAMBDA {
      for_row_tiles<Out, kLanes>([&](int o, auto columns) EMMY_LAMBDA {
        with_vectors<T, kLanes>([&](auto&... v) EMMY_LAMBDA {
          const T* from = w + i * OutPad + o;
          T* to = wt + o * InPad + i;
          int row = 0, column = 0;
          ((row++ < decltype(rows)::value ? void(v = simd::load(from)) : void(), from += OutPad), ...);
          simd::transpose(v...);
          ((column++ < decltype(columns)::value ? simd::store(v, to) : void(), to += InPad), ...);
        });
      });
    });
    if constexpr (covered<T, In>() < InPad)
      for (int o = 0; o < Out; ++o) clear(wt + o * InPad + covered<T, In>(), InPad - covered<T, In>());
  } else {
    constexpr int kFours = simd::kHasColumns<T> ? In / 4 * 4 : 0;
    if constexpr (kFours > 0) {
      constexpr int kLanes = kLanesOf<T>, kWhole = Out / kLanes * kLanes;
      for (int i = 0; i < kFours; i += 4) {
        const T* row = w + i * OutPad;
        const auto columns = [&](int o, auto count) EMMY_LAMBDA {
          simd::store_columns<decltype(count)::value>(simd::load(row + o), simd::load(row + OutPad + o),
                                                      simd::load(row + 2 * OutPad + o),
                                                      simd::load(row + 3 * OutPad + o), wt + o * InPad + i, InPad);
        };
        for (int o = 0; o < kWhole; o += kLanes) columns(o, std::integral_constant<int, kLanes>{});
        if constexpr (kWhole < Out) columns(kWhole, std::integral_constant<int, Out - kWhole>{});
      }
    }
    for (int o = 0; o < Out; ++o) {
      if constexpr (kFours < In)
        for (int i = kFours; i < In; ++i) wt[o * InPad + i] = w[i * OutPad + o];
      for (int i = In; i < InPad; ++i) wt[o * InPad + i] = T(0);
    }
  }
}

}  // namespace emmy::inline EMMY_TARGET
