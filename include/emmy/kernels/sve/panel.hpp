// SVE panels (see panel.hpp) where the length of a vector is a constant: up to eight rows from one address, x by lane, rounds of
// 32 rows.
// g++ 12 counts an index for each load and store and takes a vector for each x: 10 instructions for two vectors of the update
// in 512 bits; here 6.8.
#pragma once

#include <emmy/simd/simd.hpp>

#define EMMY_HAS_PANELS

namespace emmy::inline EMMY_TARGET {

inline constexpr int kPanelStep = __ARM_FEATURE_SVE_BITS / 32, kWidestPanel = 4 * kPanelStep, kPanelRows = 32;
inline constexpr int kHeldGroup = 0;
void add_row_of_group() = delete;
void update_row_of_group() = delete;
void add_to_row_of_group() = delete;
void update_rectified_group() = delete;

// The vectors of a row where rows are within reach of one address, which is from -8 to 7 vectors: eight short ones or four.
consteval int panel_step(int, int stride) { return stride <= 4 * kPanelStep ? stride / kPanelStep : 0; }
consteval int panel_rest(int n) { return n % kPanelRows; }

// z0-z3 hold the sums or v, z4-z7 eight values of x, or of d and v, z16-z19 a row, z20-z23 x where it is held. What belongs to vector j is assembled where the panel
// has it.
// clang-format off
#define EMMY_VECTOR(j, text) ".if %c[vectors] > " #j "\n" text "\n.endif\n"
#define EMMY_VECTORS(f, row, x) f(0, 16, row, x) f(1, 17, row, x) f(2, 18, row, x) f(3, 19, row, x)
#define EMMY_LOAD(j, w, row, x)                                              \
  EMMY_VECTOR(j, "ld1w {z" #w ".s}, p0/z, [%[w], #(" row "*%c[step]+" #j "), mul vl]")
#define EMMY_STORE(j, w, row, x)                                             \
  EMMY_VECTOR(j, "st1w {z" #w ".s}, p0, [%[w], #(" row "*%c[step]+" #j "), mul vl]")
#define EMMY_LOAD_SUMS(j, w, row, p) EMMY_VECTOR(j, "ld1w {z" #j ".s}, p0/z, [%[" p "], #" #j ", mul vl]")
#define EMMY_STORE_SUMS(j, w, row, p) EMMY_VECTOR(j, "st1w {z" #j ".s}, p0, [%[" p "], #" #j ", mul vl]")
#define EMMY_LOAD_ROW(j, w, row, p) EMMY_VECTOR(j, "ld1w {z" #w ".s}, p0/z, [%[" p "], #" #j ", mul vl]")
#define EMMY_STORE_ROW(j, w, row, p) EMMY_VECTOR(j, "st1w {z" #w ".s}, p0, [%[" p "], #" #j ", mul vl]")
#define EMMY_ADD_PRODUCT(j, w, row, x) EMMY_VECTOR(j, "fmla z" #j ".s, z" #w ".s, " x)
#define EMMY_TAKE_PRODUCT(j, w, row, x) EMMY_VECTOR(j, "fmls z" #w ".s, z" #j ".s, " x)
#define EMMY_TAKE_HELD(j, w, row, x) EMMY_VECTOR(j, "fmls z" #w ".s, z2" #j ".s, " x)
#define EMMY_LOAD_HELD(j, w, row, p) EMMY_VECTOR(j, "ld1w {z2" #j ".s}, p0/z, [%[" p "], #" #j ", mul vl]")
#define EMMY_TAKE(j, w, row, x) EMMY_VECTOR(j, "fsub z" #w ".s, z" #w ".s, z" #j ".s")
#define EMMY_CLEAR(j, w, row, x) EMMY_VECTOR(j, "mov z" #j ".s, #0")
#define EMMY_SCALE(j, w, row, x) EMMY_VECTOR(j, "fmul z" #j ".s, z" #j ".s, z4.s")
#define EMMY_NEXT ".if !%c[step]\nadd %[w], %[w], %[stride]\n.endif\n"
#define EMMY_FORWARD_ROW(row, x, v)                                          \
  EMMY_VECTORS(EMMY_LOAD, row, x)                                            \
  EMMY_VECTORS(EMMY_ADD_PRODUCT, row, x)                                     \
  EMMY_NEXT
#define EMMY_UPDATE_ROW(row, x, v)                                           \
  EMMY_VECTORS(EMMY_LOAD, row, x)                                            \
  EMMY_VECTORS(EMMY_TAKE_PRODUCT, row, x)                                    \
  EMMY_VECTORS(EMMY_STORE, row, x)                                           \
  EMMY_NEXT

#define EMMY_BACK_ROW(row, d, v)                                             \
  EMMY_VECTORS(EMMY_LOAD, row, d)                                            \
  EMMY_VECTORS(EMMY_ADD_PRODUCT, row, d)                                     \
  EMMY_VECTORS(EMMY_TAKE_HELD, row, v)                                       \
  EMMY_VECTORS(EMMY_STORE, row, v)                                           \
  EMMY_NEXT
#define EMMY_RECTIFY(j, w, row, x) EMMY_VECTOR(j, "fmax z" #j ".s, p0/m, z" #j ".s, #0.0")
#define EMMY_BLOCK(j, w, row, x) /* where x is not positive */               \
  EMMY_VECTOR(j, "fcmgt p1.s, p0/z, z2" #j ".s, #0.0\nsel z" #j ".s, p1, z" #j ".s, z4.s")

// Row k of eight, from the address of row [base], or of row [base] + 4 behind the first four.
#define EMMY_EARLY(k) "(" #k "-%c[base])"
#define EMMY_LATE(k) "(" #k "-%c[base]-%c[moved])"
// Rows within reach follow each other: they are whole vectors apart.
#define EMMY_MOVE(rows) "addvl %[w], %[w], #(%c[step]*(" rows "))\n"
#define EMMY_PASS_FOUR ".if %c[moved]\n" EMMY_MOVE("4") ".endif\n"
#define EMMY_REST(k, text) ".if %c[rest] > " #k "\n" text ".endif\n"
// Eight values that are `at` bytes from p on; as many as are left: no other may be read.
#define EMMY_EIGHT(z, z4, p, at)                                             \
  "ld1rqw {" z ".s}, p0/z, [%[" p "], #" at "]\n"                            \
  "ld1rqw {" z4 ".s}, p0/z, [%[" p "], #" at "+16]\n"
#define EMMY_LAST_FOUR(z, more, at)                                          \
  ".if %c[rest] >= 4+" more "\n"                                            \
  "ld1rqw {" z ".s}, p0/z, [" at "]\n"                                      \
  ".elseif %c[rest] > " more "\n"                                           \
  "ptrue p1.s, vl%c[last]\n"                                                \
  "ld1rqw {" z ".s}, p1/z, [" at "]\n"                                      \
  ".endif\n"
#define EMMY_LAST(z, z4, p, at)                                              \
  EMMY_LAST_FOUR(z, "0", "%[" p "], #" at) EMMY_LAST_FOUR(z4, "4", "%[" p "], #" at "+16")
#define EMMY_X(read, at) read("z4", "z5", "x", at)
#define EMMY_PASS_X(bytes) "add %[x], %[x], #" bytes "\n"
#define EMMY_D_AND_V(read, at) read("z4", "z5", "d", at) read("z6", "z7", "v", at)
#define EMMY_PASS_D_AND_V(bytes) "add %[d], %[d], #" bytes "\nadd %[v], %[v], #" bytes "\n"

#define EMMY_EIGHT_ROWS(row)                                                 \
  row(EMMY_EARLY(0), "z4.s[0]", "z6.s[0]") row(EMMY_EARLY(1), "z4.s[1]", "z6.s[1]")                \
  row(EMMY_EARLY(2), "z4.s[2]", "z6.s[2]") row(EMMY_EARLY(3), "z4.s[3]", "z6.s[3]")                \
  EMMY_PASS_FOUR                                                             \
  row(EMMY_LATE(4), "z5.s[0]", "z7.s[0]") row(EMMY_LATE(5), "z5.s[1]", "z7.s[1]")                  \
  row(EMMY_LATE(6), "z5.s[2]", "z7.s[2]") row(EMMY_LATE(7), "z5.s[3]", "z7.s[3]")                  \
  ".if %c[step]\n" EMMY_MOVE("8-%c[moved]") ".endif\n"
// Rows by 32, then what is left of them; `values` says what comes with a row, `pass` goes on there.
#define EMMY_ROWS(row, values, pass)                                         \
  ".if %c[step]\n" EMMY_MOVE("%c[base]") ".endif\n"                         \
  "subs %w[n], %w[n], #32\n"                                                 \
  "b.lt 2f\n"                                                                \
  "1:\n"                                                                     \
  values(EMMY_EIGHT, "0") EMMY_EIGHT_ROWS(row)                               \
  values(EMMY_EIGHT, "32") EMMY_EIGHT_ROWS(row)                              \
  values(EMMY_EIGHT, "64") EMMY_EIGHT_ROWS(row)                              \
  values(EMMY_EIGHT, "96") EMMY_EIGHT_ROWS(row)                              \
  pass("128")                                                                \
  "subs %w[n], %w[n], #32\n"                                                 \
  "b.ge 1b\n"                                                                \
  "2:\n"                                                                     \
  ".if %c[eight] > 0\n" values(EMMY_EIGHT, "0") EMMY_EIGHT_ROWS(row) ".endif\n"  \
  ".if %c[eight] > 1\n" values(EMMY_EIGHT, "32") EMMY_EIGHT_ROWS(row) ".endif\n" \
  ".if %c[eight] > 2\n" values(EMMY_EIGHT, "64") EMMY_EIGHT_ROWS(row) ".endif\n" \
  values(EMMY_LAST, "32*%c[eight]")                                          \
  EMMY_REST(0, row(EMMY_EARLY(0), "z4.s[0]", "z6.s[0]"))                                \
  EMMY_REST(1, row(EMMY_EARLY(1), "z4.s[1]", "z6.s[1]"))                                \
  EMMY_REST(2, row(EMMY_EARLY(2), "z4.s[2]", "z6.s[2]"))                                \
  EMMY_REST(3, row(EMMY_EARLY(3), "z4.s[3]", "z6.s[3]"))                                \
  EMMY_REST(4, EMMY_PASS_FOUR row(EMMY_LATE(4), "z5.s[0]", "z7.s[0]"))                  \
  EMMY_REST(5, row(EMMY_LATE(5), "z5.s[1]", "z7.s[1]"))                                 \
  EMMY_REST(6, row(EMMY_LATE(6), "z5.s[2]", "z7.s[2]"))
#define EMMY_CONSTANTS                                                       \
  [vectors] "i"(Cols / kPanelStep), [step] "i"(Step), [eight] "i"(Rest / 8), [rest] "i"(Rest % 8), \
  [last] "i"(Rest % 4), [base] "i"(Step > 2 ? 2 : 4), [moved] "i"(Step > 2 ? 4 : 0), \
  [stride] "ir"(stride_operand<Step>(static_cast<std::ptrdiff_t>(stride) * 4))
#define EMMY_CLOBBERED "memory", "cc", "p0", "p1", "z0", "z1", "z2", "z3", "z4", "z5", "z16", "z17", "z18", "z19"

#define EMMY_HAS_RECTIFIED_PANELS
template <int Cols, int Rest, int Step, bool Rectified = false>
EMMY_OUTLINE void multiply_panel(const float* start, const float* x, const float* w, int n, int stride,
                                 float* y) noexcept {
  __asm__ volatile(
      "ptrue p0.s\n"
      EMMY_VECTORS(EMMY_LOAD_SUMS, "", "start")
      EMMY_ROWS(EMMY_FORWARD_ROW, EMMY_X, EMMY_PASS_X)
      ".if %c[rectified]\n"
      EMMY_VECTORS(EMMY_RECTIFY, 0, 0)
      ".endif\n"
      EMMY_VECTORS(EMMY_STORE_SUMS, 0, "y")
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n)
      : [start] "r"(start), [y] "r"(y), [rectified] "i"(Rectified), EMMY_CONSTANTS
      : EMMY_CLOBBERED);
}

template <int Cols, int Rest, int Step>
EMMY_OUTLINE void update_panel(float* w, const float* x, const float* dy, float scale, int n, int stride,
                               float* bias) noexcept {
  __asm__ volatile(
      "ptrue p0.s\n"
      "mov z4.s, %s[scale]\n"
      EMMY_VECTORS(EMMY_LOAD_SUMS, 0, "dy")
      EMMY_VECTORS(EMMY_SCALE, 0, 0)
      "cbz %[bias], 5f\n"
      EMMY_VECTORS(EMMY_LOAD_ROW, 0, "bias")
      EMMY_VECTORS(EMMY_TAKE, 0, 0)
      EMMY_VECTORS(EMMY_STORE_ROW, 0, "bias")
      "5:\n"
      EMMY_ROWS(EMMY_UPDATE_ROW, EMMY_X, EMMY_PASS_X)
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n)
      : [dy] "r"(dy), [scale] "w"(scale), [bias] "r"(bias),
        EMMY_CONSTANTS
      : EMMY_CLOBBERED);
}

// dots[o] = sum_{i < n} d[i] w[i stride + o], where Rectified only if x[o] > 0, else 0, and w[i stride + o] -= v[i] x[o] in the same pass.
#define EMMY_HAS_BACK_PANELS
template <int Cols, int Rest, int Step, bool Rectified = false>
EMMY_OUTLINE void back_panel(float* w, const float* x, const float* d, const float* v, int n, int stride,
                             float* dots) noexcept {
  __asm__ volatile(
      "ptrue p0.s\n"
      EMMY_VECTORS(EMMY_LOAD_HELD, 0, "x")
      EMMY_VECTORS(EMMY_CLEAR, 0, 0)
      EMMY_ROWS(EMMY_BACK_ROW, EMMY_D_AND_V, EMMY_PASS_D_AND_V)
      ".if %c[rectified]\n"
      "mov z4.s, #0\n"
      EMMY_VECTORS(EMMY_BLOCK, 0, 0)
      ".endif\n"
      EMMY_VECTORS(EMMY_STORE_SUMS, 0, "dots")
      : [d] "+&r"(d), [v] "+&r"(v), [w] "+&r"(w), [n] "+&r"(n)
      : [x] "r"(x), [dots] "r"(dots), [rectified] "i"(Rectified), EMMY_CONSTANTS
      : EMMY_CLOBBERED, "z6", "z7", "z20", "z21", "z22", "z23");
}
// clang-format on

#undef EMMY_VECTOR
#undef EMMY_VECTORS
#undef EMMY_LOAD
#undef EMMY_STORE
#undef EMMY_LOAD_SUMS
#undef EMMY_STORE_SUMS
#undef EMMY_LOAD_ROW
#undef EMMY_STORE_ROW
#undef EMMY_ADD_PRODUCT
#undef EMMY_TAKE_PRODUCT
#undef EMMY_TAKE_HELD
#undef EMMY_LOAD_HELD
#undef EMMY_CLEAR
#undef EMMY_TAKE
#undef EMMY_SCALE
#undef EMMY_NEXT
#undef EMMY_FORWARD_ROW
#undef EMMY_UPDATE_ROW
#undef EMMY_BACK_ROW
#undef EMMY_RECTIFY
#undef EMMY_BLOCK
#undef EMMY_EARLY
#undef EMMY_LATE
#undef EMMY_MOVE
#undef EMMY_PASS_FOUR
#undef EMMY_REST
#undef EMMY_EIGHT
#undef EMMY_LAST_FOUR
#undef EMMY_LAST
#undef EMMY_X
#undef EMMY_PASS_X
#undef EMMY_D_AND_V
#undef EMMY_PASS_D_AND_V
#undef EMMY_EIGHT_ROWS
#undef EMMY_ROWS
#undef EMMY_CONSTANTS
#undef EMMY_CLOBBERED

}  // namespace emmy::inline EMMY_TARGET
