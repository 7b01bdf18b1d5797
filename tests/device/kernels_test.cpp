// Products and update sweep of the board's backend at sizes around its number of lanes, against plain double loops.
#include <emmy/core/random.hpp>
#include <emmy/kernels/affine.hpp>
#include <emmy/kernels/block_sparse.hpp>
#include <emmy/kernels/column.hpp>
#include <emmy/kernels/held_row.hpp>
#include <emmy/kernels/inspect.hpp>
#include <emmy/kernels/outer_sweep.hpp>
#include <emmy/kernels/softmax.hpp>
#include <emmy/layers/activations.hpp>
#include <emmy/optim/momentum.hpp>
#include <emmy/optim/sgd.hpp>
#include <tests/device/check.hpp>
#include <tests/device/reference.hpp>
#include <tests/support/drawn_blocks.hpp>

namespace {

constexpr double kUnit = 0x1p-24;  // half an ulp of 1
#if defined(EMMY_BOARD_RAM_KIB) && EMMY_BOARD_RAM_KIB < 32
constexpr int kMost = 72;  // of a matrix; larger products are left out
#else
constexpr int kMost = 18 * emmy::padded<float>(18);
#endif

emmy::Pcg32 rng{7};
alignas(64) float x[kMost], w[kMost], y[kMost], work[kMost];
alignas(64) float b[64], gradient[kMost];
double xs[kMost], ws[kMost], ys[kMost], bs[64], out[kMost], sizes[kMost], dw[kMost], db[64];

// rows x cols random numbers in rows of `stride`, zero in the pad lanes; the same, unpadded, in double.
void fill(float* p, double* q, int rows, int cols, int stride) {
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < stride; ++c) {
      const float value = c < cols ? 2 * rng.uniform() - 1 : 0.0f;
      p[r * stride + c] = value;
      if (c < cols) q[r * cols + c] = static_cast<double>(value);
    }
}

// rows x cols of p in rows of `stride` are q within `terms` roundings of the sizes; pad lanes are zero.
void compare(const char* what, const float* p, const double* q, int rows, int cols, int stride, double terms) {
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < stride; ++c) {
      const double wanted = c < cols ? q[r * cols + c] : 0, size = c < cols ? sizes[r * cols + c] : 0;
      if (!check::near(static_cast<double>(p[r * stride + c]), wanted, terms * kUnit * size, what, cols)) return;
    }
}

template <int Rows, int In, int Out>
void products() {
  constexpr int kIn = emmy::padded<float>(In), kOut = emmy::padded<float>(Out);
  if constexpr (Rows * kIn <= kMost && Rows * kOut <= kMost && In * kOut <= kMost && Out * kIn <= kMost) {
    // y = relu(x w + b)
    fill(x, xs, Rows, In, In);
    fill(w, ws, In, Out, kOut);
    fill(b, bs, 1, Out, kOut);
    emmy::affine_forward<Rows, In, In, Out>(x, w, b, y, emmy::Relu{});
    reference::dense(xs, ws, bs, out, Rows, In, Out);
    for (int i = 0; i < Rows * Out; ++i) out[i] = out[i] > 0 ? out[i] : 0, sizes[i] = In + 1;
    compare("forward", y, out, Rows, Out, kOut, In + 1);

    // dw = x^T dy, db = sum of dy, with dy in y
    fill(y, ys, Rows, Out, kOut);
    reference::dense_backward(xs, ws, ys, out, bs, nullptr, Rows, In, Out);
    emmy::for_gradient_rows<In, kOut, Rows>(x, In, static_cast<const float*>(y),
                                            [&](int row, auto count, const float* g) {
                                              for (int i = 0; i < decltype(count)::value * kOut; ++i)
                                                gradient[row * kOut + i] = g[i];
                                            });
    for (int i = 0; i < In * Out; ++i) sizes[i] = Rows;
    compare("dw", gradient, out, In, Out, kOut, Rows);
    emmy::bias_gradient<kOut, Rows>(static_cast<const float*>(y), [&](const float* g) {
      for (int o = 0; o < kOut; ++o) gradient[o] = g[o];
    });
    compare("db", gradient, bs, 1, Out, kOut, Rows);

    // dx = dy w^T relu'(x), x in padded rows; then once more on top
    fill(x, xs, Rows, In, kIn);
    reference::dense_backward(xs, ws, ys, dw, db, out, Rows, In, Out);
    for (int i = 0; i < Rows * In; ++i) out[i] = xs[i] > 0 ? out[i] : 0, sizes[i] = Out;
    const auto* weights = static_cast<const float*>(w);
    emmy::affine_backward<false, Rows, In, Out>(weights, static_cast<const float*>(y), static_cast<const float*>(x),
                                                gradient, work, emmy::Relu{});
    compare("dx", gradient, out, Rows, In, kIn, Out + 6);
    emmy::affine_backward<true, Rows, In, Out>(weights, static_cast<const float*>(y), static_cast<const float*>(x),
                                               gradient, work, emmy::Relu{});
    for (int i = 0; i < Rows * In; ++i) out[i] *= 2;
    compare("dx added", gradient, out, Rows, In, kIn, 3 * Out + 12);
  }
}

// NaN of either sign passes a ReLU, fused or not; what is not positive becomes 0.
template <int Out>
void rectified() {
  constexpr int kIn = 4;
  const float nan = __builtin_nanf(""), infinite = __builtin_inff();
  const float values[] = {nan, __builtin_copysignf(nan, -1.0f), infinite, -infinite, -0.0f, 0.0f, -0x1p-149f};
  for (int first = 0; first < 7; ++first) {
    for (int i = 0; i < kIn; ++i) x[i] = 0;
    for (int i = 0; i < kIn * emmy::padded<float>(Out); ++i) w[i] = 0;
    for (int o = 0; o < emmy::padded<float>(Out); ++o) b[o] = o < Out ? values[(first + o) % 7] : 0.0f;
    emmy::affine_forward<1, kIn, kIn, Out>(static_cast<const float*>(x), static_cast<const float*>(w), b, y,
                                           emmy::Relu{});
    for (int o = 0; o < Out; ++o) {
      if (b[o] != b[o]) CHECK(y[o] != y[o]);
      else CHECK(y[o] == (b[o] > 0 ? b[o] : 0.0f));
    }
  }
}

// A row in place and not, with what is beyond it, one of its numbers far below the others, then not finite.
template <int Cols>
void softmax() {
  constexpr int kStride = emmy::padded<float>(Cols);
  const float nan = __builtin_nanf(""), infinite = __builtin_inff();
  const float last[] = {0, -200, -infinite, infinite, nan};
  for (const float value : last) {
    fill(x, xs, 1, Cols, kStride);
    for (int o = 0; o < Cols; ++o) x[o] *= 8;
    x[Cols - 1] = Cols == 1 ? x[0] : value == 0 ? x[Cols - 1] : value;
    for (int o = Cols; o < kStride; ++o) x[o] = nan;  // pads may hold anything
    y[kStride] = 3;
    const auto row = emmy::softmax_row<Cols>(static_cast<const float*>(x), y);
    CHECK_BITS(y[kStride], 3);
    float largest = x[0];
    for (int o = 1; o < Cols; ++o) largest = x[o] > largest ? x[o] : largest;
    double sum = 0;
    for (int o = 0; o < Cols; ++o) {
      const auto e = emmy::exp_of_negative(emmy::simd::set(x[o] - largest));
      sum += out[o] = static_cast<double>(emmy::simd::first_of(e));
      sizes[o] = 1;
    }
    if (Cols > 1 && (value == infinite || value != value)) {
      // What the loss, largest + log(sum), inherits. clang 19 vectorizes four columns for the M55 so that e^NaN is 0.
      CHECK(row.sum != row.sum || row.largest - row.largest != 0);
      continue;
    }
    CHECK_BITS(row.largest, largest);
    check::near(static_cast<double>(row.sum), sum, Cols * kUnit * sum, "sum", Cols);
    for (int o = 0; o < Cols; ++o) out[o] /= sum;
    compare("softmax", y, out, 1, Cols, kStride, Cols + 3);
    emmy::softmax_row<Cols>(static_cast<const float*>(x), x);
    compare("softmax in place", x, out, 1, Cols, kStride, Cols + 3);
  }
}

// What bounds a row: the sum of its squares, without what is beyond it.
template <int Cols>
void squares() {
  fill(x, xs, 1, Cols, Cols);
  x[Cols] = __builtin_nanf("");
  double sum = 0;
  for (int i = 0; i < Cols; ++i) sum += xs[i] * xs[i];
  emmy::Inspection<float> seen{};
  emmy::inspect<1, Cols, Cols, false>(static_cast<const float*>(x), static_cast<float*>(nullptr), seen);
  check::near(static_cast<double>(seen.squares), sum, (Cols + 1) * kUnit * sum, "squares", Cols);
  x[Cols - 1] = __builtin_inff();
  seen = {};
  emmy::inspect<1, Cols, Cols, false>(static_cast<const float*>(x), static_cast<float*>(nullptr), seen);
  CHECK(!(seen.squares - seen.squares == 0));
}

// M rows of Cols scalars under a rule: theta', buf' and all sums of rows and columns.
template <int M, int Cols, class Rule>
void sweep(const Rule& rule, double k, double rate, double beta, double stored) {
  constexpr bool kMemory = Rule::kHasMemory;
  fill(w, ws, M, Cols, Cols);
  fill(x, xs, M, Cols, Cols);
  if constexpr (kMemory) fill(y, ys, M, Cols, Cols);
  const auto c = emmy::coefficients(rule, 1.0f);
  emmy::Meter<float, Cols, M, true, kMemory ? emmy::Motion::linear : emmy::Motion::plain> meter{};
  emmy::SweepRange<float> range{};
  emmy::sweep_rows<Cols, M, false>(c, w, y, static_cast<const float*>(x), meter, 0, range);
  double wanted_rows[M][5] = {}, wanted_columns[Cols][5] = {}, top = 0;
  for (int i = 0; i < M * Cols; ++i) {
    const double memory = kMemory ? beta * ys[i] + xs[i] : xs[i], u = rate * memory, next = k * ws[i] - u;
    CHECK_NEAR(static_cast<double>(w[i]), next, 4 * kUnit * (1 + check::size(memory)));
    if (kMemory) CHECK_NEAR(static_cast<double>(y[i]), memory + stored * ws[i], 6 * kUnit);
    const double terms[] = {ws[i] * ws[i], next * next, xs[i] * ws[i], xs[i] * xs[i], xs[i]};
    for (int t = 0; t < 5; ++t) wanted_rows[i / Cols][t] += terms[t], wanted_columns[i % Cols][t] += terms[t];
    top = check::size(next) > top ? check::size(next) : top;
  }
  CHECK_NEAR(static_cast<double>(range.theta), top, 8 * kUnit);
  constexpr emmy::LineSum kSums[] = {emmy::kTt, emmy::kNn, emmy::kGt, emmy::kGg, emmy::kG1};
  for (int t = 0; t < 5; ++t) {
    for (int m = 0; m < M; ++m)
      CHECK_NEAR(static_cast<double>(meter.row[kSums[t]][m]), wanted_rows[m][t], 6.0 * Cols * (Cols + 4) * kUnit);
    for (int o = 0; o < Cols; ++o)
      CHECK_NEAR(static_cast<double>(meter.column[kSums[t]][o]), wanted_columns[o][t], 6.0 * M * (M + 4) * kUnit);
  }
}

// One sample: w[i, o] = k w[i, o] - x_i v_o, b[o] = k b[o] - v_o, v = a0 dy, with dy in y.
template <int Rows, int Out>
void outer(float k, bool biased) {
  constexpr int kOut = emmy::padded<float>(Out);
  constexpr float kRate = 0.125f;
  fill(w, ws, Rows, Out, kOut);
  fill(b, bs, 1, Out, kOut);
  fill(x, xs, 1, Rows, Rows);
  fill(y, ys, 1, Out, kOut);
  emmy::sweep_outer<Out, Rows>(k, kRate, w, static_cast<const float*>(x), static_cast<const float*>(y),
                               biased ? b : nullptr);
  const double kept = static_cast<double>(k);
  for (int i = 0; i < Rows * Out; ++i) {
    out[i] = kept * ws[i] - xs[i / Out] * static_cast<double>(kRate) * ys[i % Out];
    sizes[i] = 2;
  }
  compare("outer", w, out, Rows, Out, kOut, 3);
  for (int o = 0; o < Out; ++o) out[o] = biased ? kept * bs[o] - static_cast<double>(kRate) * ys[o] : bs[o];
  compare("outer, bias", b, out, 1, Out, kOut, 3);
}
template <int Rows, int Out>
void outers() {
  if constexpr (Rows * emmy::padded<float>(Out) <= kMost) {
    outer<Rows, Out>(1.0f, true);
    outer<Rows, Out>(1.0f, false);
    outer<Rows, Out>(0.75f, true);
  }
}

// A layer with one output: y = relu(x w + b), dx = dy w relu'(x), g = sum dy x.
template <int Rows, int In>
void column() {
  constexpr int kIn = emmy::padded<float>(In), kOne = emmy::padded<float>(1);
  if constexpr (Rows * kIn <= kMost && Rows * kOne <= kMost) {
    fill(x, xs, Rows, In, In);
    fill(w, ws, 1, In, kIn);
    fill(b, bs, 1, 1, kOne);
    emmy::column_forward<Rows, In, In>(static_cast<const float*>(x), static_cast<const float*>(w),
                                       static_cast<const float*>(b), y, emmy::Relu{});
    reference::dense(xs, ws, bs, out, Rows, In, 1);
    for (int r = 0; r < Rows; ++r) out[r] = out[r] > 0 ? out[r] : 0, sizes[r] = In + 1;
    compare("column, forward", y, out, Rows, 1, kOne, In + 1);
    fill(y, ys, Rows, 1, kOne);
    reference::dense_backward(xs, ws, ys, out, bs, nullptr, Rows, In, 1);
    emmy::column_gradient<In, In, Rows>(static_cast<const float*>(x), static_cast<const float*>(y),
                                        [&](const float* g) {
                                          for (int i = 0; i < kIn; ++i) gradient[i] = g[i];
                                        });
    for (int i = 0; i < In; ++i) sizes[i] = Rows;
    compare("column, dw", gradient, out, 1, In, kIn, Rows + 1);
    fill(x, xs, Rows, In, kIn);
    reference::dense_backward(xs, ws, ys, dw, db, out, Rows, In, 1);
    for (int i = 0; i < Rows * In; ++i) out[i] = xs[i] > 0 ? out[i] : 0, sizes[i] = 1;
    emmy::column_backward<false, Rows, In>(static_cast<const float*>(w), static_cast<const float*>(y),
                                           static_cast<const float*>(x), gradient, emmy::Relu{});
    compare("column, dx", gradient, out, Rows, In, kIn, 2);
  }
}

// Rows against Count vectors in registers.
template <int Count>
void held() {
  const int n = Count * static_cast<int>(emmy::simd::lanes<float>());
  const auto hold = [&](auto f) {
    emmy::with_vectors<float, Count>([&](auto&... v) {
      float* at = x;
      ((v = emmy::simd::load(static_cast<const float*>(at)), at += emmy::simd::lanes<float>()), ...);
      f(v...);
      at = y;
      ((emmy::simd::store(v, at), at += emmy::simd::lanes<float>()), ...);
    });
  };
  constexpr float kX = -0.375f;
  for (int i = 0; i < n; ++i) sizes[i] = 2;
  fill(x, xs, 1, n, n);
  fill(w, ws, 1, n, n);
  hold([&](auto&... v) { emmy::add_row(kX, static_cast<const float*>(w), v...); });
  for (int i = 0; i < n; ++i) out[i] = xs[i] + static_cast<double>(kX) * ws[i];
  compare("held, add", y, out, 1, n, n, 2);
  hold([&](auto&... v) { emmy::update_row(w, kX, v...); });
  for (int i = 0; i < n; ++i) out[i] = ws[i] + static_cast<double>(kX) * xs[i];
  compare("held, update", w, out, 1, n, n, 2);
  fill(w, ws, 1, n, n);
  hold([&](auto&... v) { emmy::add_to_row(w, v...); });
  for (int i = 0; i < n; ++i) out[i] = ws[i] + xs[i];
  compare("held, add to", w, out, 1, n, n, 2);
  fill(w, ws, 1, n, n);
  for (int i = 0; i < n; ++i)
    if (xs[i] < 0) x[i] = 0, xs[i] = 0;
  hold([&](auto&... v) { emmy::update_through<emmy::Relu>(w, kX, v...); });
  for (int i = 0; i < n; ++i) out[i] = ws[i] + static_cast<double>(kX) * xs[i];
  compare("held, through relu: weights", w, out, 1, n, n, 2);
  for (int i = 0; i < n; ++i) out[i] = xs[i] > 0 ? static_cast<double>(kX) * ws[i] : 0;
  compare("held, through relu", y, out, 1, n, n, 2);
}

// A tiny net's units, forward and update; one of them is exactly 0 and must stay untouched.
template <int Cols, int Inputs>
void units() {
  if constexpr (emmy::kHasRectifiedUnits<float>) {
    constexpr int kRows = Inputs + 2, kZero = Cols / 2;  // rows, biases, outgoing weights
    constexpr double kScale = static_cast<double>(emmy::kUnitsScale), kStep = 0.375;
    fill(x, xs, 1, Inputs, Inputs);
    fill(w, ws, kRows, Cols, Cols);
    for (int r = 0; r <= Inputs; ++r) w[r * Cols + kZero] = 0, ws[r * Cols + kZero] = 0;
    double dot = 0, size = 0;
    for (int o = 0; o < Cols; ++o) {
      double h = ws[Inputs * Cols + o];
      for (int i = 0; i < Inputs; ++i) h += xs[i] * ws[i * Cols + o];
      bs[o] = h > 0 ? h : 0;
      const double u = ws[(Inputs + 1) * Cols + o];
      dot += bs[o] * u;
      size += (Inputs + 1) * (u < 0 ? -u : u);
    }
    const float got = emmy::rectified_units<Cols, Inputs>(w, x, y);
    check::near(kScale * static_cast<double>(got), dot, (Inputs + Cols + 2) * kUnit * size, "units, dot", Cols);
    for (int o = 0; o < Cols; ++o) out[o] = bs[o] / kScale, sizes[o] = (Inputs + 1) / kScale;
    compare("units", y, out, 1, Cols, Cols, Inputs + 1);

    emmy::update_rectified_units<Cols, Inputs>(w, w + (Inputs + 1) * Cols, x, static_cast<float>(kStep), y);
    for (int r = 0; r < kRows; ++r)
      for (int o = 0; o < Cols; ++o) {
        const double u = ws[(Inputs + 1) * Cols + o], d = bs[o] > 0 ? kStep * u : 0;
        const double moved = r < Inputs ? xs[r] * d : r == Inputs ? d : kStep * bs[o];
        out[r * Cols + o] = ws[r * Cols + o] + moved;
        sizes[r * Cols + o] = Inputs + 3;
      }
    compare("units, update", w, out, kRows, Cols, Cols, 3);
  }
}
template <int Cols>
void units_of_inputs() {
  units<Cols, 1>(), units<Cols, 2 + Cols % 5>();
}

template <int M, int Cols>
void sweeps() {
  constexpr double kRate = 0.125, kDecay = 0.25, kBeta = 0.875;
  sweep<M, Cols>(emmy::Sgd{.learning_rate = kRate, .weight_decay = kDecay}, 1 - kRate * kDecay, kRate, 0, 0);
  sweep<M, Cols>(emmy::Momentum{.learning_rate = kRate, .momentum = kBeta, .weight_decay = kDecay}, 1 - kRate * kDecay,
                 kRate, kBeta, kDecay);
}

// y = relu(x w + b), w of blocks of four outputs; what is beyond the last output is NaN.
#if defined(EMMY_BOARD_RAM_KIB) && EMMY_BOARD_RAM_KIB < 32
constexpr int kMostBlocks = 16;
#else
constexpr int kMostBlocks = 260;
#endif
alignas(64) float blocks[4 * kMostBlocks];
template <int In, int Out, int Percent, bool Bias>
void sparse_blocks() {
  using Pattern = support::DrawnBlocks<In, Out, Percent>;
  constexpr int kOut = emmy::padded<float>(Out);
  if constexpr (Pattern::kBlocks <= kMostBlocks && In <= kMost && kOut <= 64) {
    static_assert(emmy::fits<Pattern>(In, Out));
    fill(x, xs, 1, In, In);
    fill(b, bs, 1, Out, kOut);
    for (int o = 0; o < Out; ++o) out[o] = Bias ? bs[o] : 0, sizes[o] = In + 1;
    for (float& v : blocks) v = __builtin_nanf("");
    for (int row = 0, k = 0; row < Pattern::kRows; ++row)
      for (int i = 0; i < In; ++i) {
        if (!Pattern::has(row, i)) continue;
        float* const block = blocks + 4 * emmy::block_place<Pattern>(k++);
        for (int c = 0; c < 4 && 4 * row + c < Out; ++c) {
          block[c] = 2 * rng.uniform() - 1;
          out[4 * row + c] += xs[i] * check::wide(block[c]);
        }
      }
    for (int o = 0; o < Out; ++o) out[o] = out[o] > 0 ? out[o] : 0;
    y[kOut] = 3;
    emmy::block_sparse_forward<Pattern, Bias, 1, In, In, Out>(
        static_cast<const float*>(x), static_cast<const float*>(blocks), static_cast<const float*>(b), y, emmy::Relu{});
    compare("blocks", y, out, 1, Out, kOut, In + 1);
    CHECK_BITS(y[kOut], 3);
  }
}

}  // namespace

int main() {
  check::begin("products, one row");
  products<1, 1, 1>();
  products<1, 3, 4>();
  products<1, 5, 3>();
  products<1, 8, 5>();
  products<1, 17, 9>();
  products<2, 4, 8>();
  // Every width of a panel, and rows that divide into two widths (kernels/panel.hpp).
  products<1, 5, 1>(), products<1, 4, 2>(), products<1, 5, 6>(), products<1, 6, 7>(), products<1, 5, 8>();
  products<1, 4, 10>(), products<1, 3, 11>(), products<1, 5, 12>(), products<1, 4, 13>(), products<1, 2, 16>();
  products<1, 4, 17>(), products<1, 5, 18>(), products<1, 9, 14>(), products<1, 8, 15>(), products<1, 16, 16>();
  products<1, 8, 10>(), products<1, 12, 4>(), products<1, 17, 12>(), products<1, 7, 19>(), products<1, 8, 20>();
  check::begin("products with blocks of four outputs");
  sparse_blocks<5, 4, 0, true>(), sparse_blocks<1, 1, 100, false>(), sparse_blocks<3, 2, 100, true>();
  sparse_blocks<6, 3, 60, false>(), sparse_blocks<7, 9, 60, true>(), sparse_blocks<9, 6, 30, true>();
  sparse_blocks<64, 32, 43, true>(), sparse_blocks<51, 17, 100, false>(), sparse_blocks<70, 7, 80, true>();
  sparse_blocks<300, 6, 40, true>(), sparse_blocks<260, 3, 100, true>();
  check::begin("a ReLU of NaN and infinities");
  rectified<4>(), rectified<7>(), rectified<12>();
  check::begin("rows of a softmax");
  softmax<1>(), softmax<2>(), softmax<3>(), softmax<4>(), softmax<7>(), softmax<8>(), softmax<10>(), softmax<17>();
  check::begin("sums of squares");
  squares<1>(), squares<5>(), squares<15>(), squares<16>(), squares<17>(), squares<20>(), squares<32>(), squares<47>();
  check::begin("products, several rows");
  products<3, 4, 7>();
  products<4, 3, 5>();
  products<5, 9, 4>();
  products<7, 8, 16>();
  products<8, 16, 17>();
  check::begin("one output");
  column<1, 1>(), column<1, 3>(), column<1, 4>(), column<1, 9>(), column<1, 16>(), column<2, 5>(), column<4, 8>();
  column<5, 13>(), column<7, 17>();
  check::begin("rows against registers");
  held<1>(), held<2>(), held<3>(), held<4>();
#if !defined(__ARM_FEATURE_MVE)  // which has eight registers
  held<7>(), held<8>(), held<9>(), held<16>();
#endif
  check::begin("rectified units");
  units_of_inputs<2>(), units_of_inputs<3>(), units_of_inputs<4>(), units_of_inputs<5>(), units_of_inputs<6>();
  units_of_inputs<7>(), units_of_inputs<8>(), units_of_inputs<9>(), units_of_inputs<10>(), units_of_inputs<11>();
  units_of_inputs<12>(), units_of_inputs<13>(), units_of_inputs<14>(), units_of_inputs<15>(), units_of_inputs<16>();
  check::begin("updates of one sample");
  outers<1, 1>(), outers<3, 4>(), outers<5, 3>(), outers<4, 9>(), outers<8, 10>(), outers<7, 10>(), outers<6, 12>(),
      outers<9, 13>();
  outers<2, 16>(), outers<5, 17>(), outers<4, 18>(), outers<8, 13>(), outers<8, 15>(), outers<16, 16>();
  check::begin("update sweeps");
  constexpr int kPad = emmy::padded<float>(1);
  sweeps<1, kPad>();
  sweeps<3, kPad>();
  sweeps<5, 2 * kPad>();
  return check::end();
}
