// The text of the golden cases of parametrisations, for run-time dispatch: one object a target.
#pragma once

#include <emmy/parametrize/certificate.hpp>
#include <emmy/parametrize/constrained.hpp>
#include <emmy/parametrize/deep_product.hpp>
#include <emmy/parametrize/low_rank.hpp>
#include <emmy/parametrize/syre.hpp>
#include <emmy/train/dispatch.hpp>
#include <emmy/train/meters.hpp>
#include <emmy/train/trainer.hpp>

namespace emmy::golden {

inline constexpr int kParametrisationKinds = 8;

struct Parametrisations {};

// y' A y / 2 - b' y of all outputs of a batch of one output.
struct QuadraticForm {};
template <class S, int Size>
struct Quadratic {
  S a[Size][Size], b[Size];
};
template <int Cols, class S, int Size>
EMMY_INLINE Status check_targets(QuadraticForm, const Quadratic<S, Size>*, int) noexcept {
  return Status::ok;
}

// Columns and offsets that a case brings.
template <class S, class Penalty>
struct CaseColumns {
  static constexpr int kCount = 2;
  static constexpr bool kAtRunTime = true;
  template <class Columns>
  static inline Columns columns{};
  static inline const double* given = nullptr;
  static double at(int column, int row, int) noexcept { return given[row * kCount + column]; }
};
// As cases have matrices: [out][in].
template <int In>
struct CaseOffset {
  static inline const double* given = nullptr;
  static double at(int row, int out) noexcept { return given[out * In + row]; }
};

}  // namespace emmy::golden

namespace emmy {

template <>
struct Table<golden::Parametrisations> {
  using Run = Status (*)(const double* const* given, double* const* made) noexcept;
  const char* target;
  const char* backend;
  Run run_f64[golden::kParametrisationKinds], run_f32[golden::kParametrisationKinds];
};

}  // namespace emmy

namespace emmy::golden::inline EMMY_TARGET {

template <int Rows, int Cols, class T, int Size>
EMMY_INLINE T loss_and_delta(QuadraticForm, const T* y, const Quadratic<T, Size>* target, int, T, T* dy) noexcept {
  static_assert(Rows == Size && Cols == 1);
  constexpr int kStride = padded<T>(1);
  T value[Size], loss = 0;
  for (int i = 0; i < Size; ++i) value[i] = y[i * kStride];
  for (int i = 0; i < Size; ++i) {
    T slope = 0;
    for (int j = 0; j < Size; ++j) slope += target->a[i][j] * value[j];
    loss += (T(0.5) * slope - target->b[i]) * value[i];
    for (int o = 0; o < kStride; ++o) dy[i * kStride + o] = o == 0 ? slope - target->b[i] : T(0);
  }
  return loss;
}

template <class To>
EMMY_INLINE void take(const double* from, To* to, int count) noexcept {
  for (int i = 0; i < count; ++i) to[i] = static_cast<To>(from[i]);
}
template <class From>
EMMY_INLINE void give(const From* from, double* to, int count) noexcept {
  for (int i = 0; i < count; ++i) to[i] = static_cast<double>(from[i]);
}
template <class N>
EMMY_INLINE typename N::scalar* block_of(Params<N>& params, int block) noexcept {
  return params.data + kPlan<N>.block[block].offset;
}
// The unit matrix as inputs: outputs are weights.
template <class S, int Size>
EMMY_INLINE void units(S (&x)[Size * Size]) noexcept {
  for (int i = 0; i < Size * Size; ++i) x[i] = S(i % (Size + 1) == 0);
}
template <class N, int Batch, class Target, class Loss>
StepResult<typename N::scalar> slope_of(const Params<N>& params, const typename N::scalar* x, const Target* target,
                                        Loss loss, typename N::scalar scale, Gradient<N>& g) noexcept {
  Buffers<N> buffers{};
  Scratch<N, Batch, Train<BasicSgd<typename N::scalar>>> scratch{};
  return gradient<false>(params, buffers, scratch, x, target, loss, Batch, scale, g);
}

// Decay on U and V of |U V' - M|^2 / 2. Given: U, V, M, eta, lam, steps. Made: sv_UV, UVt, rank.
template <class S>
Status low_rank(const double* const* given, double* const* made) noexcept {
  constexpr int kSize = 5;
  using N = Net<Scalar<S>, Input<kSize>, LowRank<Dense<kSize, NoBias>, kSize>>;
  Params<N> params{};
  State<N, BasicSgd<S>> state{};
  Gradient<N> g{};
  NoLedger none;
  S x[kSize * kSize], target[kSize * kSize];
  units<S, kSize>(x);
  take(given[2], target, kSize * kSize);
  for (int i = 0; i < kSize; ++i)
    for (int r = 0; r < kSize; ++r) {
      params.template weight<Layer<0>>(r, i) = S(given[0][i * kSize + r]);
      params.template weight<Layer<1>>(i, r) = S(given[1][i * kSize + r]);
    }
  for (int t = 0; t < static_cast<int>(given[5][0]); ++t) {
    if (const auto r = slope_of<N, kSize>(params, x, target, SquaredError{}, S(1), g); r.status != Status::ok)
      return r.status;
    if (const Status s = apply(params, state, g, BasicSgd<S>{S(given[3][0]), S(given[4][0])}, none); s != Status::ok)
      return s;
  }
  Params<plain_of<N>> product{};
  fold(params, product);
  for (int i = 0; i < kSize; ++i)
    for (int o = 0; o < kSize; ++o)
      made[1][i * kSize + o] = static_cast<double>(product.template weight<Layer<0>>(o, i));
  S value[kSize];
  singular_basis<Layer<0>>(params, value);
  give(value, made[0], kSize);
  made[2][0] = drop_rank<Layer<0>>(params, value, S(1e-3));
  return Status::ok;
}

// w = F[0] F[1] F[2] of a regression. Given: F, A, y, eta, lam, steps. Made: w, gradient, support.
template <class S>
Status deep_factor(const double* const* given, double* const* made) noexcept {
  constexpr int kSize = 6, kSamples = 12;
  using N = Net<Scalar<S>, Input<kSize>, Parametrized<Dense<1, NoBias>, ProductOfDepth<3>>>;
  using Plain = plain_of<N>;
  static_assert(kPlan<N>.block[1].turned);
  Trainer<N, BasicSgd<S>, kSamples> trainer{};
  S x[kSamples * kSize], y[kSamples];
  for (int k = 0; k < 3; ++k) take(given[0] + k * kSize, block_of(trainer.params, k), kSize);
  take(given[1], x, kSamples * kSize);
  take(given[2], y, kSamples);
  for (int t = 0; t < static_cast<int>(given[5][0]); ++t)
    if (const auto r = trainer.step(x, y, SquaredError{}, BasicSgd<S>{S(given[3][0]), S(given[4][0])});
        r.status != Status::ok)
      return r.status;
  Params<Plain> plain{};
  Gradient<Plain> g{};
  fold(trainer.params, plain);
  const auto r = slope_of<Plain, kSamples>(plain, x, y, SquaredError{}, S(1) / S(kSamples), g);
  give(plain.data, made[0], kSize);
  give(g.data, made[1], kSize);
  for (int i = 0; i < kSize; ++i) made[2][i] = plain.data[i] > S(1e-6) || plain.data[i] < S(-1e-6);
  return r.status;
}

// theta' A theta / 2 - b' theta under O' theta = 0. Given: A, b, O, phi, u, z, eta, lam, steps. Made: first_losses, theta,
// constraint_value, holds (1: every column is exactly 0 after the snap) and, where the case says so, margin.
template <class S, class Penalty, bool Holds>
Status constrained(const double* const* given, double* const* made) noexcept {
  constexpr int kSize = 6;
  using O = CaseColumns<S, Penalty>;
  using N = Net<Scalar<S>, Input<kSize>, Parametrized<Dense<1, NoBias>, Constrained<O, Penalty>>>;
  using Plain = plain_of<N>;
  using Rule = PerBlock<BasicSgd<S>, N>;
  Trainer<N, Rule, kSize> trainer{};
  Quadratic<S, kSize> form{};
  S x[kSize * kSize], value[O::kCount], margin[O::kCount];
  double condition = 0;
  O::given = given[2];
  if (const Status s = make_columns<N, Layer<0>>(condition); s != Status::ok) return s;
  for (int i = 0; i < kSize; ++i) take(given[0] + i * kSize, form.a[i], kSize);
  take(given[1], form.b, kSize);
  units<S, kSize>(x);
  take(given[3], block_of(trainer.params, 0), kSize);
  take(given[4], block_of(trainer.params, 1), Constrained<O, Penalty>::kScales);
  take(given[5], block_of(trainer.params, 2), O::kCount);
  Rule rule{{S(given[6][0]), S(0)}, {}};
  rule.fill();
  rule.template constrain<Layer<0>>(S(given[7][0]));
  for (int t = 0; t < static_cast<int>(given[8][0]); ++t) {
    const auto r = trainer.step(x, &form, QuadraticForm{}, rule);
    if (r.status != Status::ok) return r.status;
    if (t < 10) made[0][t] = static_cast<double>(r.loss);
  }
  S size[O::kCount];
  group_sizes<Layer<0>>(trainer.params, size);
  for (int g = 0; g < Groups<N, Layer<0>>::kCount; ++g)
    if (size[g] < S(1e-6)) snap<Layer<0>>(trainer.params, trainer.state, g);
  constraint_values<Layer<0>>(trainer.params, value);
  Params<Plain> plain{};
  Gradient<Plain> full{};
  fold(trainer.params, plain);
  auto r = slope_of<Plain, kSize>(plain, x, &form, QuadraticForm{}, S(1), full);
  give(plain.data, made[1], kSize);
  give(value, made[2], O::kCount);
  if (r.status == Status::ok) r.status = margins<Layer<0>, N>(plain, full, S(given[7][0]), margin);
  made[3][0] = 1;
  for (const S v : value)
    if (v != S(0)) made[3][0] = 0;
  if constexpr (Holds) give(margin, made[4], Groups<N, Layer<0>>::kCount);
  return r.status;
}

// Groups on what units of a ReLU net send on. Given: W1, b1, u, z, b2, X, Y, eta, lam, lam_in, steps, snap_below. Made: first_losses,
// removed, column_size, margin_removed, margin_deleted_by_hand, activation_rms, loss_after_snap.
template <class S>
Status outgoing_groups(const double* const* given, double* const* made) noexcept {
  constexpr int kIn = 3, kHidden = 8, kOut = 2, kSamples = 24;
  using N = Net<Scalar<S>, Input<kIn>, Dense<kHidden>, Relu, Parametrized<Dense<kOut>, ProductByInput>>;
  using Plain = plain_of<N>;
  using Rule = PerBlock<BasicSgd<S>, N>;
  using Site = Layer<2>;
  Trainer<N, Rule, kSamples> trainer{};
  S x[kSamples * kIn], y[kSamples * kOut];
  take(given[5], x, kSamples * kIn);
  take(given[6], y, kSamples * kOut);
  for (int j = 0; j < kHidden; ++j)
    for (int i = 0; i < kIn; ++i) trainer.params.template weight<Layer<0>>(j, i) = S(given[0][j * kIn + i]);
  take(given[1], block_of(trainer.params, 1), kHidden);
  take(given[2], block_of(trainer.params, 2), kHidden);
  for (int j = 0; j < kHidden; ++j)
    for (int o = 0; o < kOut; ++o) trainer.params.data[kPlan<N>.block[3].at(j, o)] = S(given[3][o * kHidden + j]);
  take(given[4], block_of(trainer.params, 4), kOut);
  const S eta = S(given[7][0]), lambda = S(given[8][0]), below = S(given[11][0]);
  Rule rule{{eta, S(0)}, {}};
  rule.fill();
  rule.template layer<Layer<0>>({eta, S(given[9][0])});
  rule.template constrain<Site>(lambda);
  for (int t = 0; t < static_cast<int>(given[10][0]); ++t) {
    const auto r = trainer.step(x, y, SquaredError{}, rule);
    if (r.status != Status::ok) return r.status;
    if (t < 10) made[0][t] = static_cast<double>(r.loss);
  }
  S size[kHidden], margin[kHidden];
  group_sizes<Site>(trainer.params, size);
  give(size, made[2], kHidden);
  for (int j = 0; j < kHidden; ++j) {
    made[1][j] = size[j] < below;
    if (size[j] < below) snap<Site>(trainer.params, trainer.state, j);
  }
  Params<Plain> plain{};
  Gradient<Plain> full{};
  const auto take_margins = [&]() {
    fold(trainer.params, plain);
    auto r = slope_of<Plain, kSamples>(plain, x, y, SquaredError{}, S(1) / S(kSamples), full);
    if (r.status == Status::ok) r.status = margins<Site, N>(plain, full, lambda, margin);
    return r;
  };
  const auto after = take_margins();
  made[6][0] = static_cast<double>(after.loss);
  for (int j = 0; j < kHidden; ++j) made[3][j] = made[1][j] > 0 ? static_cast<double>(margin[j]) : 0.0;
  const auto kept = trainer.params;
  for (int j = 0; j < kHidden; ++j) {
    made[4][j] = 0;
    if (made[1][j] > 0) continue;
    trainer.params = kept;
    snap<Site>(trainer.params, trainer.state, j);
    if (const auto r = take_margins(); r.status != Status::ok) return r.status;
    made[4][j] = static_cast<double>(margin[j]);
  }
  using Hidden = Net<Scalar<S>, Input<kIn>, Dense<kHidden>, Relu>;
  Params<Hidden> hidden{};
  for (int i = 0; i < kPlan<Hidden>.params; ++i) hidden.data[i] = kept.data[i];
  Buffers<Hidden> buffers{};
  Scratch<Hidden, kSamples, Infer> scratch{};
  S a[kSamples * kHidden];
  if (const Status s = infer(hidden, buffers, scratch, x, a); s != Status::ok) return s;
  for (int j = 0; j < kHidden; ++j) {
    S squares = 0;
    for (int r = 0; r < kSamples; ++r) squares += a[r * kHidden + j] * a[r * kHidden + j];
    made[5][j] = static_cast<double>(root(squares / S(kSamples)));
  }
  return after.status;
}

// (u w - k_t)^2 / 2 at two rates. Given: u, w, k, etas, steps. Made: eta, u, w, size, lyapunov, collapsed (size below
// 1e-6) of each.
template <class S>
Status mirror_noise(const double* const* given, double* const* made) noexcept {
  using N = Net<Scalar<S>, Input<1>, Parametrized<Dense<1, NoBias>, Product>>;
  const S one = 1, half = root(S(0.5)), step = sizeof(S) == 4 ? S(0x1p-10) : S(0x1p-20);
  for (int run = 0; run < 2; ++run, made += 6) {
    const S eta = S(given[3][run]);
    Trainer<N, BasicSgd<S>, 1> trainer{};
    S &u = *block_of(trainer.params, 0), &w = *block_of(trainer.params, 1);
    u = S(given[0][0]), w = S(given[1][0]);
    LyapunovMeter<S> lyapunov{};
    CurvatureMeter<N, 1> meter{};
    meter.direction[0] = 1;
    const MirrorEntry<S> entry[] = {{0, kPlan<N>.block[0].offset, half}, {0, kPlan<N>.block[1].offset, half}};
    for (int t = 0; t < static_cast<int>(given[4][0]); ++t) {
      const S k = S(given[2][t]);
      const auto slope = [&](const Params<N>& params, Gradient<N>& g) {
        return slope_of<N, 1>(params, &one, &k, SquaredError{}, S(1), g).status;
      };
      if (const Status s = curvature_along(meter, trainer.params, Mirror<S>{entry, 2, 1}, slope, step); s != Status::ok)
        return s;
      note_curvature(lyapunov, eta, meter.along[0], S(0));
      if (const auto r = trainer.step(&one, &k, SquaredError{}, BasicSgd<S>{eta}); r.status != Status::ok)
        return r.status;
    }
    made[0][0] = static_cast<double>(eta);
    made[1][0] = static_cast<double>(u);
    made[2][0] = static_cast<double>(w);
    made[3][0] = static_cast<double>(root(u * u + w * w));
    made[4][0] = static_cast<double>(lyapunov.exponent());
    made[5][0] = made[3][0] < 1e-6;
  }
  return Status::ok;
}

// Four equal units, first as they are, then with offsets. Given: W, a, X, y, W0, a0, eta, lam, steps. Made: losses_at_1000s, W, a,
// spread of each.
template <class S, class N>
Status part_units(const double* const* given, double* const* made) noexcept {
  constexpr int kIn = 3, kUnits = 4, kSamples = 16;
  using Plain = plain_of<N>;
  Trainer<N, BasicSgd<S>, kSamples> trainer{};
  S x[kSamples * kIn], y[kSamples];
  take(given[2], x, kSamples * kIn);
  take(given[3], y, kSamples);
  for (int j = 0; j < kUnits; ++j)
    for (int i = 0; i < kIn; ++i) trainer.params.data[kPlan<N>.block[0].at(i, j)] = S(given[0][j * kIn + i]);
  take(given[1], block_of(trainer.params, 1), kUnits);
  for (int t = 0; t < static_cast<int>(given[8][0]); ++t) {
    const auto r = trainer.step(x, y, SquaredError{}, BasicSgd<S>{S(given[6][0]), S(given[7][0])});
    if (r.status != Status::ok) return r.status;
    if (t % 1000 == 999 && t < 4000) made[0][t / 1000] = static_cast<double>(r.loss);
  }
  Params<Plain> plain{};
  fold(trainer.params, plain);
  S spread = 0;
  for (int j = 0; j < kUnits; ++j) {
    for (int i = 0; i < kIn; ++i) {
      const S w = plain.template weight<Layer<0>>(j, i), apart = w - plain.template weight<Layer<0>>(0, i);
      made[1][j * kIn + i] = static_cast<double>(w);
      if (apart > spread) spread = apart;
      if (-apart > spread) spread = -apart;
    }
    made[2][j] = static_cast<double>(plain.template weight<Layer<2>>(0, j));
  }
  made[3][0] = static_cast<double>(spread);
  return Status::ok;
}
template <class S>
Status syre_escape(const double* const* given, double* const* made) noexcept {
  using First = Dense<4, NoBias>;
  using Last = Dense<1, NoBias>;
  CaseOffset<3>::given = given[4];
  CaseOffset<4>::given = given[5];
  if (const Status s = part_units<S, Net<Scalar<S>, Input<3>, First, Tanh, Last>>(given, made); s != Status::ok)
    return s;
  return part_units<S, Net<Scalar<S>, Input<3>, Parametrized<First, Syre<CaseOffset<3>>>, Tanh,
                           Parametrized<Last, Syre<CaseOffset<4>>>>>(given, made + 4);
}

}  // namespace emmy::golden::inline EMMY_TARGET

namespace emmy::inline EMMY_TARGET {

template <class S, class Run>
consteval void list_parametrisations(Run (&run)[golden::kParametrisationKinds]) {
  const Run all[] = {&golden::low_rank<S>,
                     &golden::deep_factor<S>,
                     &golden::constrained<S, Joint, true>,
                     &golden::constrained<S, Joint, false>,
                     &golden::constrained<S, Elementwise, true>,
                     &golden::outgoing_groups<S>,
                     &golden::mirror_noise<S>,
                     &golden::syre_escape<S>};
  for (int kind = 0; kind < golden::kParametrisationKinds; ++kind) run[kind] = all[kind];
}

template <class C>
requires __is_same(C, golden::Parametrisations) consteval Table<C> make_table() {
  Table<C> table{EMMY_TARGET_NAME, EMMY_BACKEND_NAME, {}, {}};
  list_parametrisations<double>(table.run_f64);
  list_parametrisations<float>(table.run_f32);
  return table;
}

}  // namespace emmy::inline EMMY_TARGET
