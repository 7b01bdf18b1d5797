// A row of a matrix against vectors v... that are held in registers (the step of a tiny net):
//
//   add_row(x, p, v...)       v[k] += x p[k]
//   update_row(p, x, v...)    p[k] += x v[k]
//   add_to_row(p, v...)       p[k] += v[k]
//   update_through<F>(p, x, v...)    v[k] = F'(v[k]) x p[k] and p[k] += x v[k], both from the old values; v the
//                                    outputs of F, whose derivative is taken from them
//
// p and v end where the last vector does. In groups of kHeldGroup vectors, which a target loads and stores at once
// (panel.hpp), and one by one. Test: tests/kernels/held_row_test.cpp.
#pragma once

#include <emmy/kernels/elementwise.hpp>
#include <emmy/kernels/gemm.hpp>
#include <emmy/kernels/panel.hpp>

namespace emmy {
struct Relu;  // layers/activations.hpp
}

namespace emmy::inline EMMY_TARGET {

namespace inner {
template <class T>
inline constexpr int kGroup = kHasPanels<T>&& kHeldGroup > 0 ? kHeldGroup : 1;

// f(first, constant<first>...) for each group of indices of the pack, f(first, constant<first>) for those left.
template <int Group, int First, int Count, class F>
EMMY_INLINE void for_groups(F&& f) noexcept {
  constexpr int kNow = Count - First >= Group ? Group : 1;
  if constexpr (First < Count) {
    f(std::integral_constant<int, First>{}, std::make_integer_sequence<int, kNow>{});
    for_groups<Group, First + kNow, Count>(f);
  }
}
}  // namespace inner

template <class T, class... V>
EMMY_INLINE void add_row(T x, const T* p, V&... v) noexcept {
  inner::for_groups<inner::kGroup<T>, 0, static_cast<int>(sizeof...(V))>([&]<int First, int... I>(
      std::integral_constant<int, First>, std::integer_sequence<int, I...>) EMMY_LAMBDA {
    const T* from = p + First * static_cast<int>(simd::lanes<T>());
    if constexpr (sizeof...(I) > 1) {
      add_row_of_group(x, from, pick<First + I>(v...)...);
    } else {
      auto& held = pick<First>(v...);
      held = simd::mul_add(simd::set(x), simd::load(from), held);
    }
  });
}

template <class T, class... V>
EMMY_INLINE void update_row(T* p, T x, V&... v) noexcept {
  inner::for_groups<inner::kGroup<T>, 0, static_cast<int>(sizeof...(V))>([&]<int First, int... I>(
      std::integral_constant<int, First>, std::integer_sequence<int, I...>) EMMY_LAMBDA {
    T* to = p + First * static_cast<int>(simd::lanes<T>());
    if constexpr (sizeof...(I) > 1) update_row_of_group(to, x, pick<First + I>(v...)...);
    else simd::store(simd::mul_add(simd::set(x), pick<First>(v...), simd::load(static_cast<const T*>(to))), to);
  });
}

template <class T, class... V>
EMMY_INLINE void add_to_row(T* p, V&... v) noexcept {
  inner::for_groups<inner::kGroup<T>, 0, static_cast<int>(sizeof...(V))>([&]<int First, int... I>(
      std::integral_constant<int, First>, std::integer_sequence<int, I...>) EMMY_LAMBDA {
    T* to = p + First * static_cast<int>(simd::lanes<T>());
    if constexpr (sizeof...(I) > 1) add_to_row_of_group(to, pick<First + I>(v...)...);
    else simd::store(simd::add(simd::load(static_cast<const T*>(to)), pick<First>(v...)), to);
  });
}

template <class F, class T, class... V>
EMMY_INLINE void update_through(T* p, T x, V&... v) noexcept {
  inner::for_groups<inner::kGroup<T>, 0, static_cast<int>(sizeof...(V))>([&]<int First, int... I>(
      std::integral_constant<int, First>, std::integer_sequence<int, I...>) EMMY_LAMBDA {
    T* to = p + First * static_cast<int>(simd::lanes<T>());
    constexpr bool kGrouped = sizeof...(I) > 1 && __is_same(F, Relu);
    if constexpr (kGrouped) {
      update_rectified_group(to, x, pick<First + I>(v...)...);
    } else {
      const auto one = [&](T* at, auto& held) EMMY_LAMBDA {
        const auto old = simd::load(static_cast<const T*>(at));
        const auto through = through_output(F{}, held, simd::mul(simd::set(x), old));
        simd::store(simd::mul_add(simd::set(x), held, old), at);
        held = through;
      };
      ((one(to, pick<First + I>(v...)), to += simd::lanes<T>()), ...);
    }
  });
}

}  // namespace emmy::inline EMMY_TARGET
