// Products of one row of x with a panel of a matrix, in assembly where a compiler leaves too much on the table.
//
//   multiply_panel<Cols>(start, x, w, n, stride, y)         y[o] = start[o] + sum_{i < n} x[i] w[i stride + o], o < Cols
//   update_panel<Cols>(w, x, dy, scale, n, stride, bias)    w[i stride + o] -= x[i] v[o], bias[o] -= v[o], v = scale dy
//
// in the order of i, products fused where the target fuses; the update gives the bits of the portable text
// (update_sweep.hpp). bias may be null. One function serves all layers with panels of its width, for flash. Cols: multiples
// of kPanelStep up to kWidestPanel. Rest: panel_rest(n), what the text must know of n; where it is 0 on Cortex-M and NEON, n is
// a number of rounds of rows and not 0. Step: panel_step(Cols, stride), not 0 where a stride that is known makes a shorter
// loop. f32 only; not in strict text, nor on targets without: the portable text does all there.
// Tests: tests/kernels/affine_test.cpp and update_sweep_test.cpp (NEON, SVE of a known length), narrow_test.cpp (64-bit Arm),
// backward_sweep_test.cpp (SVE), tests/device/kernels_test.cpp (Cortex-M).
#pragma once

#include <type_traits>

#include <emmy/simd/simd.hpp>

namespace emmy::inline EMMY_TARGET {
// The bytes of a stride, an "ir" operand: nothing where Step says all; else in a register, whatever the compiler knows of them,
// since an instruction takes few constants.
template <int Step, class Bytes>
EMMY_INLINE Bytes stride_operand(Bytes bytes) noexcept {
  if constexpr (Step > 0) return 0;
  __asm__("" : "+r"(bytes));
  return bytes;
}
}  // namespace emmy::inline EMMY_TARGET

#if defined(EMMY_STRICT)
#elif defined(EMMY_BACKEND_SCALAR) && defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M' && defined(__ARM_FP) && \
    defined(__ARM_FEATURE_FMA)
#include <emmy/kernels/cortex_m/panel.hpp>
#elif defined(EMMY_BACKEND_HELIUM) && defined(__OPTIMIZE__)  // -O0 keeps too many registers to itself
#include <emmy/kernels/helium/panel.hpp>
#elif defined(EMMY_BACKEND_HIGHWAY) && defined(__aarch64__) && !defined(__ARM_FEATURE_SVE)
#include <emmy/kernels/aarch64/panel.hpp>
#elif defined(EMMY_BACKEND_HIGHWAY) && defined(__ARM_FEATURE_SVE_BITS) && __ARM_FEATURE_SVE_BITS > 0
#include <emmy/kernels/sve/panel.hpp>
#elif defined(EMMY_BACKEND_HIGHWAY) && defined(__arm__) && defined(__ARM_NEON) && !defined(__ARM_VFPV4__)
#include <emmy/kernels/armv7/panel.hpp>
#endif

namespace emmy::inline EMMY_TARGET {

// On the text of one node of a net: a function of its own, unless it is little more than calls of panels.
#if defined(EMMY_HAS_PANELS)
#define EMMY_NODE EMMY_INLINE
#else
#define EMMY_NODE EMMY_OUTLINE
#endif

#if defined(EMMY_HAS_PANELS)
template <class T>
inline constexpr bool kHasPanels = sizeof(T) == 4;
#else
template <class T>
inline constexpr bool kHasPanels = false;
inline constexpr int kPanelStep = 1, kWidestPanel = 1, kPanelRows = 1, kHeldGroup = 0;
consteval int panel_step(int, int) { return 0; }
consteval int panel_rest(int) { return 0; }
template <int Cols, int Rest, int Step, class T>
void multiply_panel(const T* start, const T* x, const T* w, int n, int stride, T* y) noexcept;
template <int Cols, int Rest, int Step, class T>
void update_panel(T* w, const T* x, const T* dy, T scale, int n, int stride, T* bias) noexcept;
void add_row_of_group() = delete;
void update_row_of_group() = delete;
void add_to_row_of_group() = delete;
void update_rectified_group() = delete;
#endif

// Where it is there, multiply_panel of rows that are as wide as the panel, follow each other and are wider than others:
//   multiply_wide_rows<Cols>(start, x, w, n, y)   kWidestPanel < Cols <= kWidestRow
#if !defined(EMMY_HAS_WIDE_ROWS)
inline constexpr int kWidestRow = 0;
template <int Cols, int Rest, class T>
void multiply_wide_rows(const T* start, const T* x, const T* w, int n, T* y) noexcept;
#endif

// What some targets have besides: the dots of rows with one vector, and a ReLU of a row, forward and backward.
#if defined(EMMY_HAS_DOTS)
template <class T>
inline constexpr bool kHasDots = kHasPanels<T>;
#else
template <class T>
inline constexpr bool kHasDots = false;
inline constexpr int kWidestDots = 0;
template <int Cols, int Rest, int Step, class T>
void dot_panel(const T* w, const T* v, int n, int stride, T* dots) noexcept;
#endif
// And panels with a ReLU, <.., true>: multiply_panel of what it writes; back_panel through the one that made x, dots[o] = 0 where
// not x[o] > 0; dot_panel(.., dots, y) where not y[i] > 0.
#if defined(EMMY_HAS_RECTIFIED_PANELS)
template <class T>
inline constexpr bool kHasRectifiedPanels = kHasPanels<T>;
#else
template <class T>
inline constexpr bool kHasRectifiedPanels = false;
#endif
// Or, in one pass, dots[o] = sum_{i < n} d[i] w[i stride + o] and w[i stride + o] -= v[i] x[o].
#if defined(EMMY_HAS_BACK_PANELS)
template <class T>
inline constexpr bool kHasBackPanels = kHasPanels<T>;
#else
template <class T>
inline constexpr bool kHasBackPanels = false;
template <int Cols, int Rest, int Step, bool Rectified, class T>
void back_panel(T* w, const T* x, const T* d, const T* v, int n, int stride, T* dots) noexcept;
#endif
#if defined(EMMY_HAS_RECTIFIED_ROWS)
template <class T>
inline constexpr bool kHasRectifiedRows = kHasPanels<T>;
#else
template <class T>
inline constexpr bool kHasRectifiedRows = false;
template <class T>
void rectify_row(T* y, int n) noexcept;
template <class T>
void rectify_delta(T* dx, const T* y, int n) noexcept;
#endif
// And the step of a tiny net, forward and update, where the weights lie as in Params: rows w[i Cols + o], i < Inputs, and
// biases b as one more row, then u[o].
//   rectified_units(w, x, units)                 the sum of u[o] relu(b[o] + sum_i x[i] w[i Cols + o]) / kUnitsScale
//   update_rectified_units(w, u, x, step, units) with d[o] the old u[o] where the unit is positive, else 0:
//                                                w[i Cols + o] += step x[i] d[o], b[o] += step d[o], u[o] += step relu[o]
// units[Cols]: the outputs / kUnitsScale. 1 < Cols <= kMostUnits, Inputs <= kMostUnitInputs.
#if defined(EMMY_HAS_RECTIFIED_UNITS)
template <class T>
inline constexpr bool kHasRectifiedUnits = kHasPanels<T>;
#else
template <class T>
inline constexpr bool kHasRectifiedUnits = false;
inline constexpr int kMostUnits = 0, kMostUnitInputs = 0;
inline constexpr float kUnitsScale = 1;
template <int Cols, int Inputs, class T>
T rectified_units(const T* w, const T* x, T* units) noexcept;
template <int Cols, int Inputs, class T>
void update_rectified_units(T* w, T* u, const T* x, T step, const T* units) noexcept;
#endif
#if defined(EMMY_HAS_ROW_SQUARES)
template <class T>
inline constexpr bool kHasRowSquares = kHasPanels<T>;
#else
template <class T>
inline constexpr bool kHasRowSquares = false;
template <class T>
T row_squares(const T* p, int n) noexcept;
#endif

// f(col, constant<Width>) over Cols columns in as few panels as there can be, of widths as equal as can be.
template <int Cols, class F>
EMMY_INLINE void for_row_panels(F&& f) noexcept {
  constexpr int kSteps = (Cols + kPanelStep - 1) / kPanelStep, kMost = kWidestPanel / kPanelStep,
                kPanels = (kSteps + kMost - 1) / kMost;
  constexpr int kNarrow = kSteps / kPanels * kPanelStep, kWider = kSteps % kPanels, kWide = kNarrow + kPanelStep;
  int col = 0;
  if constexpr (kWider > 0)
    for (; col < kWider * kWide; col += kWide) f(col, std::integral_constant<int, kWide>{});
  for (; col < kSteps * kPanelStep; col += kNarrow) f(col, std::integral_constant<int, kNarrow>{});
}

}  // namespace emmy::inline EMMY_TARGET
