// Experiments of `emmy reproduce` on what symmetries constrain weights to (Ziyin, 2309.16932): the text for one target.
#pragma once

#include <emmy/parametrize/certificate.hpp>
#include <emmy/parametrize/deep_product.hpp>
#include <emmy/parametrize/low_rank.hpp>
#include <emmy/parametrize/syre.hpp>

#include "cli/reproduce_common.hpp"

namespace emmy::reproduce {

struct Constraints {
  static constexpr int kExperiments = 6;
};

// Three orthogonal columns: three equal weights, and a sum of four that is 0.
struct ThreeTies {
  static constexpr int kCount = 3;
  static constexpr double columns[kCount][8][1] = {{{1}, {-1}, {0}, {0}, {0}, {0}, {0}, {0}},
                                                   {{1}, {1}, {-2}, {0}, {0}, {0}, {0}, {0}},
                                                   {{0}, {0}, {0}, {1}, {1}, {1}, {1}, {0}}};
};
// t' A t / 2 - b' t of all outputs of a batch of one output.
struct QuadraticForm {};
struct Quadratic {
  static constexpr int kSize = 8;
  double a[kSize][kSize], b[kSize];
};
template <int Cols>
EMMY_INLINE Status check_targets(QuadraticForm, const Quadratic*, int) noexcept {
  return Status::ok;
}

}  // namespace emmy::reproduce

namespace emmy::reproduce::inline EMMY_TARGET {

template <int Rows, int Cols, class T>
EMMY_INLINE T loss_and_delta(QuadraticForm, const T* y, const Quadratic* target, int, T, T* dy) noexcept {
  static_assert(Rows == Quadratic::kSize && Cols == 1);
  constexpr int kStride = padded<T>(1);
  T value[Rows], loss = 0;  // dy may be y
  for (int i = 0; i < Rows; ++i) value[i] = y[i * kStride];
  for (int i = 0; i < Rows; ++i) {
    T slope = 0;
    for (int j = 0; j < Rows; ++j) slope += target->a[i][j] * value[j];
    loss += (T(0.5) * slope - target->b[i]) * value[i];
    for (int o = 0; o < kStride; ++o) dy[i * kStride + o] = o == 0 ? slope - target->b[i] : T(0);
  }
  return loss;
}

// W = U * Z of a regression with five true weights of a hundred, against the LASSO.
inline void sparsity(const Task& task, Result& out) noexcept {
  constexpr int kIn = 100, kSamples = 60, kTrue = 5, kSteps = 100000;
  constexpr const char* kWhat[3][3] = {
      {"largest |w - lasso|, lam 0.06", "weights not 0, lam 0.06", "certified share of zeros, lam 0.06"},
      {"largest |w - lasso|, lam 0.12", "weights not 0, lam 0.12", "certified share of zeros, lam 0.12"},
      {"largest |w - lasso|, lam 0.3", "weights not 0, lam 0.3", "certified share of zeros, lam 0.3"}};
  constexpr double kDecay[3] = {0.06, 0.12, 0.3};
  using N = Net<Scalar<double>, Input<kIn>, Parametrized<Dense<1, NoBias>, Product>>;
  using Plain = plain_of<N>;
  using Rule = BasicSgd<double>;
  double x[kSamples * kIn], y[kSamples];
  Pcg32 rng{2309};
  fill_normal(rng, x);
  for (int r = 0; r < kSamples; ++r) {
    y[r] = 0.3 * normal(rng);
    for (int k = 0; k < kTrue; ++k) y[r] += (k % 2 == 0 ? 1.0 : -0.7) * x[r * kIn + 20 * k];
  }
  out.name_curves("LASSO, lam 0.06", "product with decay");
  for (int run = 0; run < 3; ++run) {
    Trainer<N, Rule, kSamples> trainer{};
    Pcg32 start{7};
    init(trainer.params, start);
    const double lam = kDecay[run];
    for (int t = 0; t < kSteps && out.status == Status::ok; ++t)
      out.status = trainer.step(x, y, SquaredError{}, Rule{0.05, task.spoiled ? 1.02 * lam : lam}).status;
    double size[kIn], margin[kIn], reference[kIn];
    group_sizes<Layer<0>>(trainer.params, size);
    for (int i = 0; i < kIn; ++i)
      if (size[i] < 1e-6) snap<Layer<0>>(trainer.params, trainer.state, i);
    Params<Plain> plain{};
    Gradient<Plain> full{};
    fold(trainer.params, plain);
    if (const Status s = slope_of<Plain, kSamples>(plain, x, y, SquaredError{}, 1.0 / kSamples, full).status;
        s != Status::ok)
      out.status = s;
    if (const Status s = margins<Layer<0>, N>(plain, full, lam, margin); s != Status::ok) out.status = s;
    lasso<kSamples>(x, y, lam, reference);
    double apart = 0;
    int support = 0, agree = 0, zeros = 0, certified = 0;
    for (int i = 0; i < kIn; ++i) {
      const double w = plain.template weight<Layer<0>>(0, i);
      apart = std::fmax(apart, magnitude(w - reference[i]));
      support += reference[i] != 0;
      agree += reference[i] != 0 && w != 0;
      agree -= reference[i] == 0 && w != 0;
      zeros += w == 0;
      certified += w == 0 && margin[i] > 0;
      if (run == 0) out.point(i, reference[i], w);
    }
    out.at_most(kWhat[run][0], apart, 1e-6);
    out.near(kWhat[run][1], support, agree, 0);
    out.at_least(kWhat[run][2], zeros > 0 ? static_cast<double>(certified) / zeros : 0, 1);
  }
}

// |U V - M|^2 / 2 with decay on U and V; with U + 1 and V + 1 in their place.
inline void low_rank(const Task& task, Result& out) noexcept {
  constexpr int kSize = 12, kSteps = 20000;
  constexpr double kValue[kSize] = {3.0, 2.6, 2.2, 1.9, 1.6, 1.35, 1.05, 0.8, 0.45, 0.35, 0.1, 0.05};
  constexpr double kDecay[3] = {0.2, 0.6, 1.2};
  constexpr const char* kWhat[3][2] = {{"largest error of a singular value, lam 0.2", "rank, lam 0.2"},
                                       {"largest error of a singular value, lam 0.6", "rank, lam 0.6"},
                                       {"largest error of a singular value, lam 1.2", "rank, lam 1.2"}};
  using N = Net<Scalar<double>, Input<kSize>, LowRank<Dense<kSize, NoBias>, kSize>>;
  using R = Net<Scalar<double>, Input<kSize>, Residual<Dense<kSize, NoBias>>, Residual<Dense<kSize, NoBias>>>;
  using Rule = BasicSgd<double>;
  double left[kSize][kSize], right[kSize][kSize], target[kSize * kSize] = {}, x[kSize * kSize];
  Pcg32 rng{12};
  for (int k = 0; k < kSize; ++k) fill_normal(rng, left[k]), fill_normal(rng, right[k]);
  if (!(detail::orthonormalise(left) > 0) || !(detail::orthonormalise(right) > 0)) out.status = Status::rank_deficient;
  for (int k = 0; k < kSize; ++k)
    for (int i = 0; i < kSize * kSize; ++i) target[i] += kValue[k] * left[k][i / kSize] * right[k][i % kSize];
  units<kSize>(x);
  NoLedger none;
  const auto train = [&](auto& params, double lam) {
    using Trained = std::remove_reference_t<decltype(params)>;
    [&]<class Own>(Params<Own>& p) {
      State<Own, Rule> state{};
      Gradient<Own> g{};
      for (int t = 0; t < kSteps && out.status == Status::ok; ++t) {
        out.status = slope_of<Own, kSize>(p, x, target, SquaredError{}, 1.0, g).status;
        if (out.status == Status::ok) out.status = apply(p, state, g, Rule{0.05, lam}, none);
      }
    }(static_cast<Trained&>(params));
  };
  out.name_curves("(s - lam)+, lam 0.6", "singular values of U V", "the same of (U + 1)(V + 1)");
  double shown[2][kSize];
  for (int run = 0; run < 3; ++run) {
    Params<N> params{};
    Pcg32 start{8};
    init(params, start);
    train(params, task.spoiled ? 1.02 * kDecay[run] : kDecay[run]);
    double value[kSize], worst = 0;
    singular_basis<Layer<0>>(params, value);
    int expected = 0;
    for (int k = 0; k < kSize; ++k) {
      const double left_over = std::fmax(kValue[k] - kDecay[run], 0);
      worst = std::fmax(worst, magnitude(value[k] - left_over));
      expected += left_over > 0;
      if (run == 1) shown[0][k] = value[k];
    }
    out.at_most(kWhat[run][0], worst, 1e-9);
    out.near(kWhat[run][1], expected, drop_rank<Layer<0>>(params, value, 1e-3), 0);
  }
  for (const double lam : {1.2, 0.6}) {
    Params<R> residual{};
    Pcg32 start{8};
    init(residual, start);
    for (double& v : residual.data) v *= 0.1;
    train(residual, lam);
    Params<N> whole{};
    for (int i = 0; i < kSize; ++i)
      for (int o = 0; o < kSize; ++o) {
        const double one = i == o ? 1 : 0;
        whole.template weight<Layer<0>>(o, i) = one + residual.data[kPlan<R>.block[0].at(i, o)];
        whole.template weight<Layer<1>>(o, i) = one + residual.data[kPlan<R>.block[1].at(i, o)];
      }
    singular_basis<Layer<0>>(whole, shown[1]);
    const int rank = drop_rank<Layer<0>>(whole, shown[1], 1e-3);
    if (lam > 1) out.near("rank of (U + 1)(V + 1), lam 1.2", kSize, rank, 0);
  }
  for (int k = 0; k < kSize; ++k) out.point(k + 1, std::fmax(kValue[k] - 0.6, 0), shown[0][k], shown[1][k]);
}

// A quadratic with decay on the factors of O' t, above and below the threshold of the constrained optimum.
struct DcsRun {
  double threshold, apart, value, margin;
};
template <class Penalty>
DcsRun constrained(const Quadratic& form, double part, Result& out) noexcept {
  constexpr int kSize = Quadratic::kSize, kCount = ThreeTies::kCount, kSteps = 20000;
  using N = Net<Scalar<double>, Input<kSize>, Parametrized<Dense<1, NoBias>, Constrained<ThreeTies, Penalty>>>;
  using Plain = plain_of<N>;
  using Rule = PerBlock<BasicSgd<double>, N>;
  double columns[kCount][kSize], best[kSize], along[kCount], x[kSize * kSize];
  for (int k = 0; k < kCount; ++k)
    for (int i = 0; i < kSize; ++i) columns[k][i] = ThreeTies::columns[k][i][0];
  static_cast<void>(detail::orthonormalise(columns));
  constrained_optimum(form.a, form.b, columns, best, along);
  DcsRun run{};
  for (const double v : along)
    run.threshold = __is_same(Penalty, Joint) ? std::hypot(run.threshold, v) : std::fmax(run.threshold, magnitude(v));
  const double lam = part * run.threshold;
  units<kSize>(x);
  Trainer<N, Rule, kSize> trainer{};
  for (int k = 0; k < Constrained<ThreeTies, Penalty>::kScales; ++k) block_of(trainer.params, 1)[k] = 0.5;
  for (int k = 0; k < kCount; ++k) block_of(trainer.params, 2)[k] = 0.3;
  Rule rule{{0.05, 0}, {}};
  rule.fill();
  rule.template constrain<Layer<0>>(lam);
  for (int t = 0; t < kSteps && out.status == Status::ok; ++t)
    out.status = trainer.step(x, &form, QuadraticForm{}, rule).status;
  double size[kCount], value[kCount], margin[kCount];
  group_sizes<Layer<0>>(trainer.params, size);
  for (int g = 0; g < Groups<N, Layer<0>>::kCount; ++g)
    if (size[g] < 1e-6) snap<Layer<0>>(trainer.params, trainer.state, g);
  constraint_values<Layer<0>>(trainer.params, value);
  for (const double v : value) run.value = std::hypot(run.value, v);
  Params<Plain> plain{};
  Gradient<Plain> full{};
  fold(trainer.params, plain);
  for (int i = 0; i < kSize; ++i)
    run.apart = std::fmax(run.apart, magnitude(plain.template weight<Layer<0>>(0, i) - best[i]));
  // The certificate of the constrained optimum itself.
  for (int i = 0; i < kSize; ++i) plain.template weight<Layer<0>>(0, i) = best[i];
  const Status s = slope_of<Plain, kSize>(plain, x, &form, QuadraticForm{}, 1.0, full).status;
  if (s != Status::ok) out.status = s;
  if (const Status m = margins<Layer<0>, N>(plain, full, lam, margin); m != Status::ok) out.status = m;
  run.margin = margin[0];
  for (int g = 1; g < Groups<N, Layer<0>>::kCount; ++g) run.margin = std::fmin(run.margin, margin[g]);
  return run;
}
inline void dcs(const Task& task, Result& out) noexcept {
  Quadratic form{};
  Pcg32 rng{8};
  double root[Quadratic::kSize][Quadratic::kSize];
  for (auto& row : root) fill_normal(rng, row);
  fill_normal(rng, form.b, 2);
  for (int i = 0; i < Quadratic::kSize; ++i)
    for (int j = 0; j < Quadratic::kSize; ++j)
      form.a[i][j] = (i == j) + detail::constant_dot(root[i], root[j], Quadratic::kSize) / Quadratic::kSize;
  out.name_curves("threshold", "|O't|, joint", "|O't|, element-wise");
  for (const double part : {0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.05, 1.1, 1.2, 1.3}) {
    const double now = task.spoiled && part == 1.1 ? 0.8 : part;
    const DcsRun joint = constrained<Joint>(form, now, out), each = constrained<Elementwise>(form, now, out);
    out.point(part, 0, joint.value, each.value);
    if (part == 1.1) {
      out.near("|O't| after snap, joint, 1.1 of the threshold", 0, joint.value, 0);
      out.at_most("largest |t - constrained optimum|, joint, 1.1", joint.apart, 1e-9);
      out.at_least("margin of the certificate, joint, 1.1", joint.margin, 1e-3);
      out.near("|O't| after snap, element-wise, 1.1", 0, each.value, 0);
      out.at_most("largest |t - constrained optimum|, element-wise, 1.1", each.apart, 1e-9);
      out.at_least("margin of the certificate, element-wise, 1.1", each.margin, 1e-3);
    } else if (part == 0.9) {
      out.at_least("|O't|, joint, 0.9 of the threshold", joint.value, 1e-2);
      out.at_most("margin of the certificate, joint, 0.9", joint.margin, -1e-3);
      out.at_least("|O't|, element-wise, 0.9", each.value, 1e-2);
      out.at_most("margin of the certificate, element-wise, 0.9", each.margin, -1e-3);
    }
  }
}

// (w - t)^2 / 2 of many targets t at once, w of Depth factors with decay lam: what is left of w.
template <int Depth, int Size>
void shrink(double lam, double start, const double (&target)[Size], double (&w)[Size], double& stationary,
            double& squares, Result& out) noexcept {
  using N = Net<Scalar<double>, Input<Size>, Parametrized<Dense<1, NoBias>, ProductOfDepth<Depth>>>;
  static_assert(kPlan<N>.block[0].turned);
  using Rule = BasicSgd<double>;
  constexpr double kDecay = 0.05;
  Params<N> params{};
  State<N, Rule> state{};
  Gradient<N> g{};
  NoLedger none;
  Params<plain_of<N>> plain{};
  double x[Size * Size];
  units<Size>(x);
  for (int k = 0; k < Depth; ++k)
    for (int i = 0; i < Size; ++i)
      block_of(params, k)[i] = start > 0 ? start : std::pow(target[i], 1.0 / Depth) * (k == 0 ? 1.1 : 1);
  for (int t = 0; t < 20000 && out.status == Status::ok; ++t) {
    out.status = slope_of<N, Size>(params, x, target, SquaredError{}, 1.0, g).status;
    if (out.status == Status::ok) out.status = apply(params, state, g, Rule{0.05, lam}, none);
  }
  fold(params, plain);
  stationary = squares = 0;
  for (int i = 0; i < Size; ++i) {
    w[i] = plain.template weight<Layer<0>>(0, i);
    if (!(w[i] > 1e-6)) continue;
    double sum = 0;
    for (int k = 0; k < Depth; ++k) sum += square(block_of(params, k)[i]);
    stationary = std::fmax(stationary, magnitude(target[i] - w[i] - kDecay * std::pow(w[i], 2.0 / Depth - 1)));
    squares = std::fmax(squares, magnitude(sum - Depth * std::pow(w[i], 2.0 / Depth)));
  }
}
inline void depth(const Task& task, Result& out) noexcept {
  constexpr int kTargets = 24;
  const double lam = task.spoiled ? 0.051 : 0.05;
  double target[kTargets], w[3][kTargets], stationary[3], squares[3];
  for (int i = 0; i < kTargets; ++i) target[i] = 0.04 * (i + 1);
  shrink<2>(lam, 0, target, w[0], stationary[0], squares[0], out);
  shrink<3>(lam, 0, target, w[1], stationary[1], squares[1], out);
  shrink<4>(lam, 0, target, w[2], stationary[2], squares[2], out);
  out.name_curves("depth 2: soft threshold", "depth 3", "depth 4");
  for (int i = 0; i < kTargets; ++i) out.point(target[i], w[0][i], w[1][i], w[2][i]);
  constexpr const char* kWhat[3][2] = {
      {"slope of the loss + lam |w|^(2/D - 1), D = 2", "sum of squares - D |w|^(2/D), D = 2"},
      {"slope of the loss + lam |w|^(2/D - 1), D = 3", "sum of squares - D |w|^(2/D), D = 3"},
      {"slope of the loss + lam |w|^(2/D - 1), D = 4", "sum of squares - D |w|^(2/D), D = 4"}};
  for (int d = 0; d < 3; ++d) {
    out.at_most(kWhat[d][0], stationary[d], 1e-9);
    out.at_most(kWhat[d][1], squares[d], 1e-9);
  }
  const double one[2] = {1, 1};
  double small[2][2], unused;
  shrink<2>(lam, 0.01, one, small[0], unused, unused, out);
  shrink<3>(lam, 0.01, one, small[1], unused, unused, out);
  out.near("w of the target 1 from factors of 0.01, D = 2", 0.95, small[0][0], 1e-9);
  out.near("the same, D = 3: 0 is a local minimum", 0, small[1][0], 1e-9);
}

// Four equal tanh units, as they are and with offsets.
template <class N>
void part_units(const double* x, const double* y, double nudge, double (&loss)[Curve::kMostPoints], double& spread,
                Result& out) noexcept {
  constexpr int kUnits = 4, kIn = 3, kSamples = 16, kSteps = 20000;
  using Rule = BasicSgd<double>;
  Trainer<N, Rule, kSamples> trainer{};
  for (int j = 0; j < kUnits; ++j) {
    for (int i = 0; i < kIn; ++i)
      trainer.params.data[kPlan<N>.block[0].at(i, j)] = 0.3 - 0.2 * i + (j == 0 ? nudge : 0);
    block_of(trainer.params, 1)[j] = 0.25;
  }
  for (int t = 0; t < kSteps && out.status == Status::ok; ++t) {
    const auto r = trainer.step(x, y, SquaredError{}, Rule{0.1, 1e-5});
    out.status = r.status;
    if (t % (kSteps / 200) == 0) loss[t / (kSteps / 200)] = r.loss;
  }
  Params<plain_of<N>> plain{};
  fold(trainer.params, plain);
  spread = 0;
  for (int j = 1; j < kUnits; ++j)
    for (int i = 0; i < kIn; ++i)
      spread =
          std::fmax(spread, magnitude(plain.template weight<Layer<0>>(j, i) - plain.template weight<Layer<0>>(0, i)));
}
inline void syre(const Task& task, Result& out) noexcept {
  using First = Dense<4, NoBias>;
  using Last = Dense<1, NoBias>;
  using Plain = Net<Scalar<double>, Input<3>, First, Tanh, Last>;
  using Apart = Net<Scalar<double>, Input<3>, Parametrized<First, Syre<RandomOffset<1, 50, 1>>>, Tanh,
                    Parametrized<Last, Syre<RandomOffset<1, 50, 2>>>>;
  static_assert(kPlan<Plain>.block[1].turned && kPlan<Apart>.block[1].turned);
  double x[16 * 3], y[16], loss[2][Curve::kMostPoints], spread[2];
  Pcg32 rng{22};
  fill_normal(rng, x);
  for (int r = 0; r < 16; ++r)
    y[r] = std::tanh(2 * x[3 * r] - x[3 * r + 1]) - std::tanh(x[3 * r + 1] + 1.5 * x[3 * r + 2]);
  part_units<Plain>(x, y, task.spoiled ? 1e-3 : 0, loss[0], spread[0], out);
  part_units<Apart>(x, y, 0, loss[1], spread[1], out);
  out.name_curves("loss, plain", "loss, offsets (syre)");
  out.log = true;
  for (int i = 0; i < Curve::kMostPoints; ++i) out.point(100.0 * i, loss[0][i], loss[1][i]);
  out.near("largest difference of weights of two units, plain", 0, spread[0], 0);
  out.at_least("the same with offsets", spread[1], 0.1);
  out.at_most("loss with offsets / plain loss", loss[1][199] / loss[0][199], 0.5);
}

// (u w - k)^2 / 2 with k normal, of mean 0.1 and deviation 1: what the rate does to small u and w.
inline void noise_collapse(const Task& task, Result& out) noexcept {
  constexpr double kMean = 0.1;
  constexpr int kPairs = 300000, kRates = 17, kRuns = 100, kSteps = 6000;
  using N = Net<Scalar<double>, Input<1>, Parametrized<Dense<1, NoBias>, Product>>;
  using Rule = BasicSgd<double>;
  const double deviation = task.spoiled ? 1.2 : 1, one = 1, half = std::sqrt(0.5);
  const double critical = critical_rate_of_normal(kMean, 1);
  const MirrorEntry<double> entry[] = {{0, kPlan<N>.block[0].offset, half}, {0, kPlan<N>.block[1].offset, half}};
  CriticalRateMeter<double, kRates> meter{critical / 2, std::pow(4.0, 1.0 / (kRates - 1))};
  CurvatureMeter<N, 1> curvature{};
  curvature.direction[0] = 1;
  Params<N> origin{};
  Pcg32 rng{6};
  for (int t = 0; t < kPairs && out.status == Status::ok; ++t) {
    const double noise = deviation * normal(rng);
    for (const double k : {kMean + noise, kMean - noise}) {  // in pairs: half of the variance is gone
      const auto slope = [&](const Params<N>& params, Gradient<N>& g) {
        return slope_of<N, 1>(params, &one, &k, SquaredError{}, 1.0, g).status;
      };
      const Status s = curvature_along(curvature, origin, Mirror<double>{entry, 2, 1}, slope, 0x1p-20);
      if (s != Status::ok) out.status = s;
      note_curvature(meter, curvature.along[0], 0.0);
    }
  }
  out.near("critical learning rate, from curvatures", critical, critical_rate(meter), 0.01 * critical);
  out.name_curves("predicted", "collapsed share of 100 runs");
  for (const double part : {0.5, 0.65, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6}) {
    int collapsed = 0;
    for (int run = 0; run < kRuns && out.status == Status::ok; ++run) {
      Trainer<N, Rule, 1> trainer{};
      double &u = *block_of(trainer.params, 0), &w = *block_of(trainer.params, 1);
      u = 0.3, w = 0.35;
      for (int t = 0; t < kSteps && out.status == Status::ok; ++t) {
        const double k = kMean + deviation * normal(rng);
        out.status = trainer.step(&one, &k, SquaredError{}, Rule{part * critical, 0}).status;
      }
      collapsed += magnitude(u * w) < 1e-6;
    }
    const double share = static_cast<double>(collapsed) / kRuns;
    out.point(part, part > 1 ? 1 : part < 1 ? 0 : 0.5, share);
    if (part == 0.5) out.at_most("collapsed share at 0.5 of the critical rate", share, 0.1);
    if (part == 0.8) out.at_most("the same at 0.8", share, 0.5);
    if (part == 1.2) out.at_least("the same at 1.2", share, 0.8);
    if (part == 1.6) out.at_least("the same at 1.6", share, 0.98);
  }
}

}  // namespace emmy::reproduce::inline EMMY_TARGET

namespace emmy::inline EMMY_TARGET {

template <class C>
requires __is_same(C, reproduce::Constraints) consteval Table<C> make_table() {
  return {EMMY_TARGET_NAME,
          {&reproduce::sparsity, &reproduce::low_rank, &reproduce::dcs, &reproduce::depth, &reproduce::syre,
           &reproduce::noise_collapse}};
}

}  // namespace emmy::inline EMMY_TARGET
