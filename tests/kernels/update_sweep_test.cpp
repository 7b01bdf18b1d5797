// emmy/kernels/update_sweep.hpp: every rule against its double loop, and what the meter and the range say of the step.
#include <emmy/kernels/outer_sweep.hpp>
#include <emmy/optim/momentum.hpp>
#include <emmy/optim/sgd.hpp>

#include <gtest/gtest.h>
#include <tests/reference/optimizers.hpp>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

namespace {

namespace simd = emmy::simd;
using support::Fenced;
using support::fill_padded;
using support::kRoundoff;
using support::Random;

constexpr double kRate = 0.125, kBeta = 0.875, kDecay = 0.0625, kDampening = 0.25, kClip = 0.5;

// A rule and what one step of it does to n weights, in double.
template <class C, class T>
struct Subject {
  C coefficients;
  bool has_memory;
  void (*reference)(double* w, double* buf, const double* g, int n);
};
template <class T>
auto sgd() {
  const emmy::BasicSgd<T> rule{.learning_rate = T(kRate), .weight_decay = T(kDecay)};
  return Subject<emmy::SgdCoefficients<T>, T>{
      emmy::coefficients(rule, T(kClip)), false,
      [](double* w, double*, const double* g, int n) { reference::sgd_update(w, g, kRate, kDecay, n); }};
}
template <class T>
auto momentum() {
  const emmy::BasicMomentum<T> rule{
      .learning_rate = T(kRate), .momentum = T(kBeta), .weight_decay = T(kDecay), .dampening = T(kDampening)};
  return Subject<emmy::MomentumCoefficients<T>, T>{
      emmy::coefficients(rule, T(kClip)), true, [](double* w, double* buf, const double* g, int n) {
        reference::momentum_update(w, buf, g, kRate, kBeta, kDecay, kDampening, n);
      }};
}
template <class T>
auto momentum_decoupled() {
  const emmy::BasicMomentum<T, emmy::Decay::decoupled> rule{
      .learning_rate = T(kRate), .momentum = T(kBeta), .weight_decay = T(kDecay), .dampening = T(kDampening)};
  return Subject<emmy::MomentumCoefficients<T>, T>{
      emmy::coefficients(rule, T(kClip)), true, [](double* w, double* buf, const double* g, int n) {
        reference::momentum_decoupled_update(w, buf, g, kRate, kBeta, kDecay, kDampening, n);
      }};
}
template <class T>
auto nesterov() {
  const emmy::BasicNesterov<T> rule{.learning_rate = T(kRate), .momentum = T(kBeta), .weight_decay = T(kDecay)};
  return Subject<emmy::NesterovCoefficients<T>, T>{emmy::coefficients(rule, T(kClip)), true,
                                                   [](double* w, double* buf, const double* g, int n) {
                                                     reference::nesterov_update(w, buf, g, kRate, kBeta, kDecay, n);
                                                   }};
}
template <class T>
auto frozen() {
  return Subject<emmy::FrozenCoefficients<T>, T>{{}, false, [](double*, double*, const double*, int) {}};
}

// The sums over one line, by name.
template <class T>
struct Sums {
  T tt, nn, gt, gg, t1, n1, g1, ut, uu, u1;
};
template <class MeterType, class T, int Count>
Sums<T> sums_at(const MeterType& meter, const T (&sums)[MeterType::kProducts][Count], int at) {
  const auto sum = [&](emmy::LineSum p) { return p < meter.kProducts ? sums[p][at] : T(0); };
  return {sum(emmy::kTt), sum(emmy::kNn), sum(emmy::kGt), sum(emmy::kGg), sum(emmy::kT1),
          sum(emmy::kN1), sum(emmy::kG1), sum(emmy::kUt), sum(emmy::kUu), sum(emmy::kU1)};
}

// One instance of the sweep: M rows of Cols scalars; sums of rows and columns go to arrays of Sums.
template <class C, class T>
struct SweepCase {
  int rows, cols;
  bool measures_rows, measures_columns;
  void (*run)(const C& c, T* theta, T* buf, const T* g, Sums<T>* row, Sums<T>* column, emmy::SweepRange<T>& range,
              int sweeps);
};
// `sweeps` times M rows into the same meter, as the tiles of one block are.
constexpr int kMostSweeps = 5;
template <class C, class T, int M, int Cols, bool Rows, bool Columns, bool Factor>
void run_sweep(const C& c, T* theta, T* buf, const T* g, Sums<T>* row, Sums<T>* column, emmy::SweepRange<T>& range,
               int sweeps) {
  emmy::Meter<T, Cols, Rows ? M * kMostSweeps : 0, Columns, C::kMotion> meter;
  for (int s = 0; s < sweeps; ++s) {
    const int at = s * M * Cols;
    emmy::sweep_rows<Cols, M, Factor>(c, theta + at, C::kBuffered ? buf + at : buf, g + at, meter, s * M, range);
  }
  if constexpr (Rows) {
    for (int m = 0; m < M * sweeps; ++m) row[m] = sums_at(meter, meter.row, m);
    for (const auto& sums : meter.row)  // pads, and rows that were not swept
      for (int m = M * sweeps; m < meter.kKept; ++m) EXPECT_EQ(sums[m], T(0));
  }
  if constexpr (Columns) {
    for (int o = 0; o < Cols; ++o) column[o] = sums_at(meter, meter.column, o);
  }
}
template <int M, int Pads, bool Rows, bool Columns, bool Factor = false, class C, class T>
SweepCase<C, T> sweep_case(const Subject<C, T>&) {
  constexpr int kCols = Pads * support::kLanes<T>;
  return {M, kCols, Rows, Columns, &run_sweep<C, T, M, kCols, Rows, Columns, Factor>};
}

// A sum of products of two quantities along a line, and the sum of their absolute values.
struct Line {
  double tt = 0, nn = 0, gt = 0, gg = 0, t1 = 0, n1 = 0, g1 = 0, ut = 0, uu = 0, u1 = 0;
  void add(double t, double n, double g, double u) {
    tt += t * t, nn += n * n, gt += g * t, gg += g * g, t1 += t, n1 += n, g1 += g, ut += u * t, uu += u * u, u1 += u;
  }
};

// own: roundings of theta, theta' and g are none, they are what the kernel read and wrote; u has some of its own.
template <class T>
void compare(const Sums<T>& got, const Line& want, const Line& size, double roundings, bool memory, const char* what,
             std::size_t at) {
  const double w = kRoundoff<T> * 1.0001, own = sizeof(T) == 8 ? 2.0 : 1.0;  // in f64 the reference errs as much
  const auto near = [&](T value, double expected, double magnitude, double more, const char* name) {
    EXPECT_LE(std::fabs(static_cast<double>(value) - expected), own * (roundings + more) * w * magnitude)
        << name << " of " << what << ' ' << at;
  };
  near(got.tt, want.tt, size.tt, 0, "tt");
  near(got.nn, want.nn, size.nn, 0, "nn");
  near(got.gt, want.gt, size.gt, 0, "gt");
  near(got.gg, want.gg, size.gg, 0, "gg");
  near(got.t1, want.t1, size.t1, 0, "t1");
  near(got.n1, want.n1, size.n1, 0, "n1");
  near(got.g1, want.g1, size.g1, 0, "g1");
  if (!memory) return;
  near(got.ut, want.ut, size.ut, 6, "ut");
  near(got.uu, want.uu, size.uu, 12, "uu");
  near(got.u1, want.u1, size.u1, 6, "u1");
}

template <class C, class T>
void check_sweep(const Subject<C, T>& subject, const SweepCase<C, T>& kernel, int sweeps) {
  const auto rows = static_cast<std::size_t>(kernel.rows * sweeps), cols = static_cast<std::size_t>(kernel.cols);
  const int used = kernel.cols - 3;  // the last lanes are a pad: they stay zero
  Random random(rows * 100 + cols);
  Fenced<T> theta(rows * cols), buf(rows * cols), g(rows * cols);
  fill_padded(theta.data(), static_cast<int>(rows), used, kernel.cols, random);
  fill_padded(buf.data(), static_cast<int>(rows), used, kernel.cols, random);
  fill_padded(g.data(), static_cast<int>(rows), used, kernel.cols, random);
  std::vector<double> t(theta.data(), theta.data() + theta.size()), b(buf.data(), buf.data() + buf.size()), d(g.size());
  const std::vector<double> before = t, memory = b;
  for (std::size_t k = 0; k < d.size(); ++k) d[k] = kClip * static_cast<double>(g[k]);  // the clip is a factor on g
  std::vector<Sums<T>> row(rows), column(cols);
  emmy::SweepRange<T> range{};
  kernel.run(subject.coefficients, theta.data(), subject.has_memory ? buf.data() : nullptr, g.data(), row.data(),
             column.data(), range, sweeps);
  ASSERT_TRUE(theta.intact() && buf.intact() && g.intact());
  subject.reference(t.data(), b.data(), d.data(), static_cast<int>(t.size()));

  double top = 0, top_memory = 0;
  std::vector<Line> row_sum(rows), row_size(rows), column_sum(cols), column_size(cols);
  for (std::size_t k = 0; k < t.size(); ++k) {
    const double now = static_cast<double>(theta[k]), held = static_cast<double>(buf[k]);
    const double size = std::fabs(before[k]) + std::fabs(memory[k]) + std::fabs(d[k]);
    ASSERT_LE(std::fabs(now - t[k]), 8 * kRoundoff<T> * size) << k;
    ASSERT_LE(std::fabs(held - b[k]), 8 * kRoundoff<T> * size) << k;
    if (k % cols >= static_cast<std::size_t>(used)) {
      ASSERT_TRUE(now == 0 && held == 0) << "pad lane " << k;
    }
    top = std::fmax(top, std::fabs(now));
    top_memory = std::fmax(top_memory, std::fabs(held));
    const double u = static_cast<double>(subject.coefficients.k) * before[k] - t[k],
                 u_size = std::fabs(memory[k]) + 2 * std::fabs(d[k]);
    const double grad = static_cast<double>(g[k]);
    for (auto [line, scale] :
         {std::pair{&row_sum[k / cols], &row_size[k / cols]}, {&column_sum[k % cols], &column_size[k % cols]}}) {
      line->add(before[k], now, grad, u);
      scale->add(std::fabs(before[k]), std::fabs(now), std::fabs(grad), u_size);
    }
  }
  EXPECT_EQ(static_cast<double>(range.theta), top);
  EXPECT_EQ(static_cast<double>(range.memory), subject.has_memory ? top_memory : 0.0);
  // The documented roundings of a sum.
  const double lanes = static_cast<double>(simd::lanes<T>());
  const double by_row = static_cast<double>(cols) / lanes + std::log2(lanes) + 2,
               by_column = static_cast<double>(rows) + 2;
  for (std::size_t r = 0; r < rows && kernel.measures_rows; ++r)
    compare(row[r], row_sum[r], row_size[r], by_row, subject.has_memory, "row", r);
  for (std::size_t c = 0; c < cols && kernel.measures_columns; ++c)
    compare(column[c], column_sum[c], column_size[c], by_column, subject.has_memory, "column", c);
}

template <class T>
class UpdateSweep : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(UpdateSweep, Types);

template <class S>
void check_rule(const S& subject) {
  check_sweep(subject, sweep_case<emmy::kTileRows, 1, false, false>(subject), 2);
  check_sweep(subject, sweep_case<1, 3, true, false>(subject), 5);
  check_sweep(subject, sweep_case<3, 2, true, true>(subject), 3);
  check_sweep(subject, sweep_case<5, 1, false, true>(subject), 2);
}

TYPED_TEST(UpdateSweep, Sgd) { check_rule(sgd<TypeParam>()); }
TYPED_TEST(UpdateSweep, Momentum) { check_rule(momentum<TypeParam>()); }
TYPED_TEST(UpdateSweep, MomentumDecoupled) { check_rule(momentum_decoupled<TypeParam>()); }
TYPED_TEST(UpdateSweep, Nesterov) { check_rule(nesterov<TypeParam>()); }
TYPED_TEST(UpdateSweep, FrozenIsMeasuredAndStays) { check_rule(frozen<TypeParam>()); }

// ---- one sample: theta - x v^T and bias - v without a gradient, v = a0 dy

template <class T>
struct OuterCase {
  int rows, cols;
  bool measures_rows, measures_columns;
  void (*outer)(T k, T a0, T* theta, const T* x, const T* dy, T* bias);
  // What a measured step does with a bias, and with weights: their sums are measured too.
  void (*measured_bias)(T k, T a0, T* theta, const T* v);
  void (*measured)(T k, T* theta, const T* x, const T* dy, const T* v, Sums<T>* row, Sums<T>* column);
  // The same of a step by the law: of the sums nn, n1 (columns: of few rows) and gg; and of those with tt and t1.
  void (*by_law)(T k, T a0, T* theta, const T* x, const T* dy, Sums<T>* row, Sums<T>* column);
  void (*by_law_from_before)(T k, T a0, T* theta, const T* x, const T* dy, Sums<T>* row, Sums<T>* column);
};
template <class T, int Rows, int Cols>
void run_outer(T k, T a0, T* theta, const T* x, const T* dy, T* bias) {
  emmy::sweep_outer<Cols, Rows>(k, a0, theta, x, dy, bias);
}
template <class T, int Cols>
void run_measured_bias(T k, T a0, T* theta, const T* v) {
  constexpr int kStride = emmy::padded<T>(Cols);
  emmy::Meter<T, kStride, 1, true, emmy::Motion::plain> meter;
  emmy::SweepRange<T> range{};
  const T one = 1;
  emmy::sweep_rows<kStride, 1, false>(emmy::SgdCoefficients<T>{k, a0}, theta, static_cast<T*>(nullptr), v, meter, 0,
                                      range, emmy::Outer<T>{&one, v});
}
template <class T, int Rows, int Cols, bool ByRows, bool ByColumns>
void run_measured(T k, T* theta, const T* x, const T* dy, const T* v, Sums<T>* row, Sums<T>* column) {
  constexpr int kStride = emmy::padded<T>(Cols);
  emmy::Meter<T, kStride, ByRows ? Rows : 0, ByColumns, emmy::Motion::plain> meter;
  int done = 0;
  bool in_turn = true;
  emmy::measure_outer<Rows, Cols>(
      k, theta, emmy::SummedRow<T>{x, std::accumulate(x, x + Rows, T(0)), std::inner_product(x, x + Rows, x, T(0))},
      emmy::summed_row<Cols, kStride>(dy), v, meter, [](int m) { return m; }, [&](int m) { in_turn &= m == done++; });
  EXPECT_TRUE(in_turn);
  EXPECT_EQ(done, ByRows ? Rows : 0);
  if constexpr (ByRows) {
    for (int m = 0; m < Rows; ++m) row[m] = sums_at(meter, meter.row, m);
  }
  if constexpr (ByColumns) {
    for (int o = 0; o < kStride; ++o) column[o] = sums_at(meter, meter.column, o);
  }
}

template <class T, int Rows, int Cols, bool ByRows, bool ByColumns, bool Before>
void run_by_law(T k, T a0, T* theta, const T* x, const T* dy, Sums<T>* row, Sums<T>* column) {
  constexpr int kStride = emmy::padded<T>(Cols);
  using LawMeter = emmy::Meter<T, kStride, ByRows ? Rows : 0, ByColumns, emmy::Motion::plain,
                               emmy::Sums::squares_and_sums, false, Before>;
  LawMeter meter;
  for (auto& sums : meter.row)
    for (T& sum : sums) sum = T(7);  // all that is booked must be written
  for (auto& sums : meter.column)
    for (T& sum : sums) sum = T(7);
  constexpr bool kLinearColumns = Rows <= 10;
  emmy::sweep_outer<Rows, Cols, kLinearColumns>(
      k, a0, theta, emmy::SquaredRow<T>{x, std::inner_product(x, x + Rows, x, T(0))}, x,
      emmy::SquaredRow<T>{dy, std::inner_product(dy, dy + Cols, dy, T(0))}, meter);
  const auto put = [](Sums<T>& to, const auto& sums, std::size_t at, bool linear) {
    to.nn = sums[LawMeter::place(emmy::kNn)][at];
    to.gg = sums[LawMeter::place(emmy::kGg)][at];
    if (linear) to.n1 = sums[LawMeter::place(emmy::kN1)][at];
    if constexpr (Before) {
      to.tt = sums[LawMeter::place(emmy::kTt)][at];
      if (linear) to.t1 = sums[LawMeter::place(emmy::kT1)][at];
    }
  };
  if constexpr (ByRows) {
    for (std::size_t m = 0; m < Rows; ++m) put(row[m], meter.row, m, true);
    for (std::size_t p = 0; p < LawMeter::kProducts; ++p)  // booked in whole vectors
      for (std::size_t m = Rows; m % emmy::simd::lanes<T>() != 0; ++m) EXPECT_EQ(meter.row[p][m], T(0)) << p;
  }
  if constexpr (ByColumns) {
    for (std::size_t o = 0; o < emmy::covered<T, Cols>(); ++o) put(column[o], meter.column, o, kLinearColumns);
  }
}

template <class T>
void check_outer(const OuterCase<T>& kernel, T k, bool biased, std::size_t gap) {
  const auto rows = static_cast<std::size_t>(kernel.rows),
             cols = static_cast<std::size_t>(emmy::padded<T>(kernel.cols));  // with pads, that must stay 0
  const T a0 = T(0.3);
  Random random(rows * 100 + cols);
  Fenced<T> theta(rows * cols, gap), bias(cols, gap), x(rows, gap + 1), dy(cols, gap + 2), v(cols);
  support::fill_padded(theta.data(), kernel.rows, kernel.cols, emmy::padded<T>(kernel.cols), random);
  for (Fenced<T>* p : {&bias, &dy})
    support::fill_padded(p->data(), 1, kernel.cols, emmy::padded<T>(kernel.cols), random);
  support::fill(x.data(), x.size(), random);
  for (std::size_t o = 0; o < cols; ++o) v[o] = a0 * dy[o];
  std::vector<T> measured(theta.data(), theta.data() + theta.size()), measured_bias(bias.data(), bias.data() + cols);
  const std::vector<T> before = measured, bias_before = measured_bias;
  std::vector<Sums<T>> row(rows), column(cols);
  kernel.measured(k, measured.data(), x.data(), dy.data(), v.data(), row.data(), column.data());
  kernel.measured_bias(k, a0, measured_bias.data(), v.data());
  kernel.outer(k, a0, theta.data(), x.data(), dy.data(), biased ? bias.data() : nullptr);
  ASSERT_TRUE(theta.intact() && bias.intact() && x.intact() && dy.intact());
  for (std::size_t at = 0; at < rows * cols; ++at) {
    const double decayed = static_cast<double>(k) * static_cast<double>(before[at]),
                 taken = static_cast<double>(x[at / cols]) * static_cast<double>(v[at % cols]);
    ASSERT_LE(std::fabs(static_cast<double>(theta[at]) - (decayed - taken)),
              3 * kRoundoff<T> * (std::fabs(decayed) + std::fabs(taken)))
        << rows << 'x' << cols << " at " << at;
    ASSERT_EQ(theta[at], measured[at]) << "not the bits of a measured step";
  }
  std::vector<Line> row_sum(rows), row_size(rows), column_sum(cols), column_size(cols);
  for (std::size_t at = 0; at < rows * cols; ++at) {
    const double t = static_cast<double>(before[at]), n = static_cast<double>(theta[at]),
                 g = static_cast<double>(x[at / cols]) * static_cast<double>(dy[at % cols]);
    for (Line* line : {&row_sum[at / cols], &column_sum[at % cols]}) line->add(t, n, g, 0);
    for (Line* line : {&row_size[at / cols], &column_size[at % cols]})
      line->add(std::fabs(t), std::fabs(n), std::fabs(g), 0);
  }
  // A factor that is outside of the sum is summed and multiplied itself.
  for (std::size_t r = 0; r < rows && kernel.measures_rows; ++r)
    compare(row[r], row_sum[r], row_size[r], static_cast<double>(cols) + 8, false, "row", r);
  for (std::size_t o = 0; o < cols && kernel.measures_columns; ++o)
    compare(column[o], column_sum[o], column_size[o], static_cast<double>(rows) + 8, false, "column", o);
  for (const auto step : {kernel.by_law, kernel.by_law_from_before}) {
    std::vector<T> by_law = before;
    step(k, a0, by_law.data(), x.data(), dy.data(), row.data(), column.data());
    for (std::size_t at = 0; at < rows * cols; ++at)
      ASSERT_EQ(theta[at], by_law[at]) << "not the bits of a step by the law";
    for (std::size_t r = 0; r < rows && kernel.measures_rows; ++r)
      compare(row[r], row_sum[r], row_size[r], static_cast<double>(cols) + 8, false, "row by the law", r);
    for (std::size_t o = 0; o < cols && kernel.measures_columns; ++o)
      compare(column[o], column_sum[o], column_size[o], static_cast<double>(rows) + 8, false, "column by the law", o);
  }
  for (std::size_t o = 0; o < cols; ++o) {
    const double decayed = static_cast<double>(k) * static_cast<double>(bias_before[o]);
    const double wanted = biased ? decayed - static_cast<double>(v[o]) : static_cast<double>(bias_before[o]);
    ASSERT_LE(std::fabs(static_cast<double>(bias[o]) - wanted),
              3 * kRoundoff<T> * (std::fabs(decayed) + std::fabs(static_cast<double>(v[o]))));
    if (biased) {
      ASSERT_EQ(bias[o], measured_bias[o]) << "not the bits of a measured step";
    }
  }
}

TYPED_TEST(UpdateSweep, OneSampleGivesTheBitsOfAMeasuredStep) {
  using T = TypeParam;
  support::for_each_size<1, 11>([](auto rows) {
    constexpr int kRows = decltype(rows)::value,
                  kCols = kRows % 2 == 0 ? support::kLanes<T> * (1 + kRows % 3) : 7 * kRows % 40 + 1;
    const auto check = [](auto by_rows, auto by_columns) {
      constexpr bool kByRows = decltype(by_rows)::value, kByColumns = decltype(by_columns)::value;
      const OuterCase<T> kernel{kRows,
                                kCols,
                                kByRows,
                                kByColumns,
                                &run_outer<T, kRows, kCols>,
                                &run_measured_bias<T, kCols>,
                                &run_measured<T, kRows, kCols, kByRows, kByColumns>,
                                &run_by_law<T, kRows, kCols, kByRows, kByColumns, false>,
                                &run_by_law<T, kRows, kCols, kByRows, kByColumns, true>};
      for (std::size_t gap = 0; gap < 16; ++gap)
        for (const bool biased : {false, true}) {
          check_outer<T>(kernel, T(1), biased, gap);
          check_outer<T>(kernel, T(0.9), biased, gap);
        }
    };
    // The whole meter, half of it: all of a few sizes, in turn of others.
    if constexpr (kRows <= 3 || kRows % 3 == 0) check(std::true_type{}, std::true_type{});
    if constexpr (kRows <= 3 || kRows % 3 == 1) check(std::true_type{}, std::false_type{});
    if constexpr (kRows <= 3 || kRows % 3 == 2) check(std::false_type{}, std::true_type{});
  });
  // Rounds of rows, and panels of every width.
  const auto rounds = []<int Rows, int Cols>() {
    check_outer<T>({Rows, Cols, true, true, &run_outer<T, Rows, Cols>, &run_measured_bias<T, Cols>,
                    &run_measured<T, Rows, Cols, true, true>, &run_by_law<T, Rows, Cols, true, true, false>,
                    &run_by_law<T, Rows, Cols, true, true, true>},
                   T(1), true, Cols % 16);
  };
  support::for_each_size<1, 10>([&](auto width) {
    constexpr int kCols = 4 * decltype(width)::value - 1;
    rounds.template operator()<(kCols < 20 ? 8 : 16), kCols>();
  });
  rounds.template operator()<29, 7>();
  rounds.template operator()<64, 19>();
}

// ---- one sample, a rule with memory: the bits of the sweep of a gradient that exists

template <class C, class T>
struct MemoryCase {
  int rows, cols;
  void (*sweep)(const C& c, T* theta, T* buf, const T* g);
  void (*outer)(const C& c, T* theta, T* buf, const T* x, const T* dy);
};
template <class C, class T, int Rows, int Cols>
void run_sweep_without_sums(const C& c, T* theta, T* buf, const T* g) {
  constexpr int kStride = emmy::padded<T>(Cols);
  emmy::Meter<T, kStride, 0, false, emmy::Motion::linear> meter;
  emmy::SweepRange<T> range{};
  for (int m = 0; m < Rows; ++m) {
    const int at = m * kStride;
    emmy::sweep_rows<kStride, 1, false>(c, theta + at, buf + at, g + at, meter, 0, range);
  }
}
template <class C, class T, int Rows, int Cols>
void run_outer_memory(const C& c, T* theta, T* buf, const T* x, const T* dy) {
  emmy::sweep_outer<Cols>(c, theta, buf, Rows, x, dy);
}

template <class C, class T>
void check_outer_memory(const MemoryCase<C, T>& kernel, const C& c, std::size_t gap) {
  const auto rows = static_cast<std::size_t>(kernel.rows),
             stride = static_cast<std::size_t>(emmy::padded<T>(kernel.cols)), count = rows * stride;
  Random random(count + gap);
  Fenced<T> theta(count, gap), buf(count, gap + 1), x(rows, gap + 2), dy(stride, gap + 3);
  support::fill_padded(theta.data(), kernel.rows, kernel.cols, static_cast<int>(stride), random);
  support::fill_padded(buf.data(), kernel.rows, kernel.cols, static_cast<int>(stride), random);
  support::fill_padded(dy.data(), 1, kernel.cols, static_cast<int>(stride), random);
  support::fill(x.data(), x.size(), random);
  if (rows > 2) x[1] = T(0);  // no gradient: the buffer of a row decays
  buf[0] = T(1e-30);          // and one so small that it is forgotten
  std::vector<T> g(count), swept(theta.data(), theta.data() + count), memory(buf.data(), buf.data() + count);
  for (std::size_t at = 0; at < count; ++at) g[at] = x[at / stride] * dy[at % stride];
  kernel.sweep(c, swept.data(), memory.data(), g.data());
  kernel.outer(c, theta.data(), buf.data(), x.data(), dy.data());
  ASSERT_TRUE(theta.intact() && buf.intact() && x.intact() && dy.intact());
  for (std::size_t at = 0; at < count; ++at) {
    ASSERT_EQ(theta[at], swept[at]) << kernel.rows << 'x' << kernel.cols << " at " << at;
    ASSERT_EQ(buf[at], memory[at]) << kernel.rows << 'x' << kernel.cols << " at " << at;
  }
}
template <int Rows, int Cols, class T, class Rule>
void check_outer_rule(const Rule& rule, std::size_t gap) {
  const auto c = coefficients(rule, T(1));
  using C = std::remove_const_t<decltype(c)>;
  check_outer_memory<C, T>({Rows, Cols, &run_sweep_without_sums<C, T, Rows, Cols>, &run_outer_memory<C, T, Rows, Cols>},
                           c, gap);
}

TYPED_TEST(UpdateSweep, OneSampleWithMemoryGivesTheBitsOfASweep) {
  using T = TypeParam;
  support::for_each_size<1, 11>([](auto rows) {
    constexpr int kRows = decltype(rows)::value,
                  kCols = kRows % 2 == 0 ? support::kLanes<T> * (1 + kRows % 3) : 7 * kRows % 40 + 1;
    for (std::size_t gap = 0; gap < 16; gap += 5)
      for (const T decay : {T(0), T(kDecay)}) {
        const T rate = T(kRate), beta = T(kBeta);
        check_outer_rule<kRows, kCols, T>(
            emmy::BasicMomentum<T>{.learning_rate = rate, .momentum = beta, .weight_decay = decay}, gap);
        check_outer_rule<kRows, kCols, T>(
            emmy::BasicMomentum<T>{.learning_rate = rate, .momentum = beta, .dampening = T(kDampening)}, gap);
        check_outer_rule<kRows, kCols, T>(
            emmy::BasicMomentum<T, emmy::Decay::decoupled>{
                .learning_rate = rate, .momentum = beta, .weight_decay = decay},
            gap);
        check_outer_rule<kRows, kCols, T>(
            emmy::BasicNesterov<T>{.learning_rate = rate, .momentum = beta, .weight_decay = decay}, gap);
      }
  });
}

// What a step leaves is what the next one finds: of the same weights every path gives the same sums, bit for bit.
template <class T, int Rows, int Cols>
void check_same_sums() {
  Random random(Rows);
  std::vector<T> theta(Rows * Cols), g(Rows * Cols), x(Rows), v(Cols);
  for (auto* p : {&theta, &x, &v}) support::fill(p->data(), p->size(), random);
  std::vector<Sums<T>> row(Rows), column(Cols);
  run_measured<T, Rows, Cols, true, true>(T(0.9), theta.data(), x.data(), v.data(), v.data(), row.data(),
                                          column.data());
  emmy::Meter<T, Cols, Rows, true, emmy::Motion::plain> meter;
  emmy::SweepRange<T> range{};
  emmy::for_row_tiles<Rows, emmy::kTileRows>([&](int m, auto rows) {
    emmy::sweep_rows<Cols, decltype(rows)::value, false>(emmy::SgdCoefficients<T>{T(1), T(1)}, theta.data() + m * Cols,
                                                         static_cast<T*>(nullptr), g.data() + m * Cols, meter, m,
                                                         range);
  });
  for (int m = 0; m < Rows; ++m) {
    const Sums<T> next = sums_at(meter, meter.row, m), left = row[static_cast<std::size_t>(m)];
    ASSERT_EQ(left.nn, next.tt) << Rows << " rows, " << m;
    ASSERT_EQ(left.n1, next.t1) << Rows << " rows, " << m;
  }
  for (int o = 0; o < Cols; ++o) {
    const Sums<T> next = sums_at(meter, meter.column, o), left = column[static_cast<std::size_t>(o)];
    ASSERT_EQ(left.nn, next.tt) << Rows << " rows, column " << o;
    ASSERT_EQ(left.n1, next.t1) << Rows << " rows, column " << o;
  }
}
TYPED_TEST(UpdateSweep, EveryPathGivesTheSameSumsOfWeights) {
  using T = TypeParam;
  support::for_each_size<1, 19>([](auto rows) {
    check_same_sums<T, decltype(rows)::value, support::kLanes<T>*(1 + decltype(rows)::value % 3)>();
  });
}

TYPED_TEST(UpdateSweep, RowsOfEveryTile) {
  using T = TypeParam;
  const auto subject = sgd<T>();
  support::for_each_size<1, emmy::kTileRows>(
      [&](auto rows) { check_sweep(subject, sweep_case<decltype(rows)::value, 1, true, true>(subject), 1); });
}

// A gradient in tiles: the bits of its rows, in weights, buffers and the sums of columns.
template <int M, int N, emmy::Sums Kept, class C, class T>
void check_tiles(const Subject<C, T>& subject, std::size_t gap) {
  constexpr int kCols = 2 * N * support::kLanes<T>, kTiles = 3;
  const int lanes = static_cast<int>(simd::lanes<T>());
  constexpr std::size_t kCount = kTiles * M * kCols;
  Random random(kCount + gap);
  Fenced<T> theta(kCount, gap), buf(kCount, gap + 1), g(kCount, gap + 2);
  for (Fenced<T>* p : {&theta, &buf, &g}) fill_padded(p->data(), kTiles * M, kCols - 3, kCols, random);
  std::vector<T> swept(theta.data(), theta.data() + kCount), memory(buf.data(), buf.data() + kCount);
  const auto at = [](T* p, int i) { return C::kBuffered ? p + i : nullptr; };
  emmy::Meter<T, kCols, 0, true, C::kMotion, Kept> by_rows, by_tiles;
  for (auto& sums : by_tiles.column)
    for (T& sum : sums) sum = T(7);  // the first tile sets them
  emmy::NoRange none;
  for (int m = 0; m < kTiles * M; ++m)
    emmy::sweep_rows<kCols, 1, false>(subject.coefficients, swept.data() + m * kCols, at(memory.data(), m * kCols),
                                      static_cast<const T*>(g.data()) + m * kCols, by_rows, 0, none);
  for (int row = 0; row < kTiles * M; row += M)
    for (int col = 0; col < kCols; col += N * lanes)
      emmy::with_vectors<T, M * N>([&](auto&... v) {
        const int first = row * kCols + col;
        int i = 0;
        ((v = simd::load(static_cast<const T*>(g.data()) + first + i / N * kCols + i % N * lanes), ++i), ...);
        emmy::sweep_tile<kCols, M, N>(subject.coefficients, theta.data() + first, at(buf.data(), first), by_tiles,
                                      row == 0, col, v...);
      });
  ASSERT_TRUE(theta.intact() && buf.intact() && g.intact());
  EXPECT_EQ(std::memcmp(theta.data(), swept.data(), kCount * sizeof(T)), 0) << M << 'x' << N;
  EXPECT_EQ(std::memcmp(buf.data(), memory.data(), kCount * sizeof(T)), 0) << M << 'x' << N;
  EXPECT_EQ(std::memcmp(by_tiles.column, by_rows.column, sizeof by_rows.column), 0) << M << 'x' << N;
}
template <class S>
void check_tiles_of(const S& subject) {
  for (std::size_t gap = 0; gap < 16; gap += 3) {
    check_tiles<1, 1, emmy::Sums::law>(subject, gap);
    check_tiles<3, 2, emmy::Sums::squares>(subject, gap);
    check_tiles<5, 1, emmy::Sums::squares_and_sums>(subject, gap);
    check_tiles<emmy::kTileRows, emmy::kTileVectors, emmy::Sums::squares_and_sums>(subject, gap);
  }
}
TYPED_TEST(UpdateSweep, TilesGiveTheBitsOfRows) {
  check_tiles_of(sgd<TypeParam>());
  check_tiles_of(momentum<TypeParam>());
  check_tiles_of(nesterov<TypeParam>());
}

TYPED_TEST(UpdateSweep, FrozenWeightsKeepTheirBits) {
  using T = TypeParam;
  const auto subject = frozen<T>();
  const auto kernel = sweep_case<3, 2, true, true>(subject);
  std::vector<T> theta(static_cast<std::size_t>(3 * kernel.cols), T(-0.0)), g(theta.size(), T(1));
  theta[5] = std::numeric_limits<T>::denorm_min();
  theta[7] = T(-3);
  const std::vector<T> before = theta;
  std::vector<Sums<T>> row(3), column(static_cast<std::size_t>(kernel.cols));
  emmy::SweepRange<T> range{};
  kernel.run(subject.coefficients, theta.data(), nullptr, g.data(), row.data(), column.data(), range, 1);
  EXPECT_EQ(std::memcmp(theta.data(), before.data(), theta.size() * sizeof(T)), 0);
  EXPECT_EQ(range.theta, T(3));
  EXPECT_EQ(row[0].tt, row[0].nn);
  EXPECT_EQ(column[7].t1, T(-3));
}

TYPED_TEST(UpdateSweep, RangeKeepsWhatItHas) {
  using T = TypeParam;
  const auto subject = momentum<T>();
  const auto kernel = sweep_case<1, 3, true, false>(subject);
  std::vector<T> theta(static_cast<std::size_t>(kernel.cols), T(1)), buf(theta.size(), T(1)), g(theta.size(), T(1));
  std::vector<Sums<T>> row(1), column(theta.size());
  emmy::SweepRange<T> range{T(50), T(60)};
  kernel.run(subject.coefficients, theta.data(), buf.data(), g.data(), row.data(), column.data(), range, 1);
  EXPECT_EQ(range.theta, T(50));
  EXPECT_EQ(range.memory, T(60));
}

// A factor of a product shrinks to 1e-18 and no further, whatever side of zero it lands on; one that is 0 is free.
TYPED_TEST(UpdateSweep, FactorsAreHeldAboveTheSmallest) {
  using T = TypeParam;
  constexpr T kSmallest = emmy::kSmallestFactor<T>;
  const auto subject = sgd<T>();
  const auto kernel = sweep_case<1, 1, true, true, true>(subject), plain = sweep_case<1, 1, true, true, false>(subject);
  const auto n = static_cast<std::size_t>(kernel.cols);
  std::vector<T> theta(n, T(0)), g(n, T(0));
  const T step = T(kRate) * T(kClip);
  theta[0] = kSmallest;  // decay alone
  theta[1] = -kSmallest;
  theta[2] = T(4e-18), g[2] = T(4.1e-18) / step;  // lands at about -0.35e-18
  theta[3] = T(1), g[3] = T(0.5) / step;          // far away: no help
  theta[4] = T(0), g[4] = T(1e-19) / step;        // exactly 0: free to move
  theta[5] = T(2e-18);
  std::vector<T> loose = theta;
  std::vector<Sums<T>> row(1), column(n);
  emmy::SweepRange<T> range{};
  kernel.run(subject.coefficients, theta.data(), nullptr, g.data(), row.data(), column.data(), range, 1);
  EXPECT_EQ(theta[0], kSmallest);
  EXPECT_EQ(theta[1], -kSmallest);
  EXPECT_EQ(theta[2], -kSmallest);
  EXPECT_LT(std::fabs(theta[4]), kSmallest);
  EXPECT_NE(theta[4], T(0));
  for (std::size_t k = 6; k < n; ++k) EXPECT_EQ(theta[k], T(0));
  plain.run(subject.coefficients, loose.data(), nullptr, g.data(), row.data(), column.data(), range, 1);
  EXPECT_LT(loose[0], kSmallest);
  EXPECT_EQ(theta[3], loose[3]);
  EXPECT_EQ(theta[4], loose[4]);
  EXPECT_EQ(theta[5], loose[5]);
  // It takes any number of steps without a denormal.
  for (int s = 0; s < 10000; ++s)
    kernel.run(subject.coefficients, theta.data(), nullptr, g.data(), row.data(), column.data(), range, 1);
  EXPECT_EQ(theta[0], kSmallest);
  EXPECT_EQ(theta[5], kSmallest);
}

// Without a gradient the buffer decays geometrically; it must arrive at 0, not at a denormal number.
TYPED_TEST(UpdateSweep, AnIdleBufferReachesZero) {
  using T = TypeParam;
  emmy::BasicMomentum<T> rule{.learning_rate = T(0.1), .momentum = T(0.9)};
  const Subject<emmy::MomentumCoefficients<T>, T> subject{emmy::coefficients(rule, T(1)), true, nullptr};
  const auto kernel = sweep_case<1, 3, true, false>(subject);
  std::vector<T> theta(static_cast<std::size_t>(kernel.cols), T(1)), buf(theta.size(), T(1)), g(theta.size(), T(0));
  std::vector<Sums<T>> row(1), column(theta.size());
  emmy::SweepRange<T> range{};
  int steps = 0;
  while (buf[0] != T(0) && steps < 20000) {
    ASSERT_GE(buf[0], std::numeric_limits<T>::min());
    kernel.run(subject.coefficients, theta.data(), buf.data(), g.data(), row.data(), column.data(), range, 1);
    ++steps;
  }
  EXPECT_EQ(buf[0], T(0));
  EXPECT_EQ(buf.back(), T(0));
}

}  // namespace
