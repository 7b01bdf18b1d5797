// The law of the ledger over 1,000 steps with momentum, decay and clipping: no residual above its bound, a budget that
// adds up to the change of the charges, the report of it in words, and a flipped bit that is seen in the next step. Then the meters of train/meters.hpp and
// capacity.hpp, beside what they show in double on the host.
#include <emmy/emmy.hpp>
#include <emmy/train/capacity.hpp>
#include <emmy/train/net_constraint.hpp>
#include <tests/device/check.hpp>

namespace {

using Net = emmy::Net<emmy::Input<6>, emmy::Dense<9>, emmy::LeakyRelu<1, 8>, emmy::Dense<4>>;
using Rule = emmy::ClipByNorm<emmy::Momentum>;
using Balance = emmy::Rescaling<emmy::Layer<1>>;
using Shift = emmy::Translation<emmy::Layer<2>>;
constexpr int kBatch = 2, kSteps = 1000, kHidden = 9;

constinit emmy::Trainer<Net, Rule, kBatch> trainer{};
constinit emmy::Ledger<Net> ledger{};
constinit float x[kBatch * 6] = {};
constinit int labels[kBatch] = {};

// |incoming|^2 + b^2 - |outgoing|^2 of one unit, in double.
double balance(int unit) {
  const auto square = [](float v) { return static_cast<double>(v) * static_cast<double>(v); };
  double q = square(trainer.params.bias<emmy::Layer<0>>(unit));
  for (int i = 0; i < 6; ++i) q += square(trainer.params.weight<emmy::Layer<0>>(unit, i));
  for (int o = 0; o < 4; ++o) q -= square(trainer.params.weight<emmy::Layer<2>>(o, unit));
  return q;
}

void draw(emmy::Pcg32& rng) {
  for (int s = 0; s < kBatch; ++s) {
    labels[s] = static_cast<int>(rng.below(4));
    for (int i = 0; i < 6; ++i) x[s * 6 + i] = 2 * rng.uniform() - 1 + (i == labels[s] ? 1.5f : 0.0f);
  }
}

// Is `part` in `text`?
bool has(const char* text, const char* part) {
  for (; *text != 0; ++text) {
    int i = 0;
    while (part[i] != 0 && text[i] == part[i]) ++i;
    if (part[i] == 0) return true;
  }
  return false;
}

// ---- Meters: a figure each, of a net that four of its eight units make

template <class S>
using Metered = emmy::Net<emmy::Scalar<S>, emmy::Input<5>, emmy::Dense<8>, emmy::Tanh, emmy::Dense<3>>;
using Site = emmy::Layer<0>;
constexpr int kUnits = 8, kColumns = 5 + 1 + 3, kRows = 6;

struct Figures {
  double lambda = 0, error = 0;                 // least_curvature
  double distance = 0, exponent = 0, rate = 0;  // of the mirror; of noise that meets it
  double size[kUnits] = {}, rank = 0;
  int dead = 0, live = 0, distinct = 0;
  double charge = 0, held = 0;  // of a constraint over two layers in training
  bool ok = false, rang = false, refused = false;
};

// What the memory of all of them is.
template <class S>
struct Meters {
  emmy::Params<Metered<S>> params;
  emmy::Buffers<Metered<S>> buffers;
  emmy::Scratch<Metered<S>, kRows, emmy::Train<emmy::BasicSgd<S>>> scratch;
  emmy::CurvatureMeter<Metered<S>, kColumns> curvature;
  emmy::MirrorEntry<S> entry[2 * kColumns];
  emmy::CriticalRateMeter<S, 24> rates;
  emmy::LyapunovMeter<S> lyapunov;
  emmy::NetConstraint<Metered<S>, kColumns> constraint;
  emmy::State<Metered<S>, emmy::BasicSgd<S>> state;
  S in[kRows * 5], out[kRows * 3];
};
template <class S>
constinit Meters<S> meters{};

template <class S>
Figures figures() {
  Meters<S>& m = meters<S>;
  m.rates = {S(0.02), S(1.25)};
  Figures f;
  emmy::Pcg32 rng{29};
  emmy::init(m.params, rng);
  for (S& v : m.in) v = S(2 * rng.uniform() - 1);
  for (S& v : m.out) v = S(6 * rng.uniform() - 3);
  const emmy::CollapseAlarm<S> alarm{S(0.7), emmy::capacity<Site>(m.params, S(1e-3))};
  for (int i = 0; i < 5; ++i) m.params.template weight<Site>(5, i) = m.params.template weight<Site>(2, i);  // a copy
  for (int dead = 6; dead < 8; ++dead)
    for (int o = 0; o < 3; ++o) m.params.template weight<emmy::Layer<2>>(o, dead) *= S(0x1p-14);
  const auto now = emmy::capacity<Site>(m.params, S(1e-3));
  f.live = now.live;
  f.distinct = now.distinct;
  f.rank = static_cast<double>(now.rank);
  f.rang = alarm.note(now);
  S size[kUnits];
  emmy::unit_sizes<Site>(m.params, size);
  for (int j = 0; j < kUnits; ++j) f.size[j] = static_cast<double>(size[j]);
  f.dead = emmy::dead_units<Site>(m.params, S(1e-3));

  auto mirror = emmy::swap_of_units<Metered<S>, Site>(1, 3, 1, m.entry);
  S s[kColumns];
  const auto away = emmy::mirror_distance(m.params, mirror, s);
  f.distance = static_cast<double>(away.value);
  const auto slopes = [&](const emmy::Params<Metered<S>>& at, emmy::Gradient<Metered<S>>& g) {
    return emmy::gradient<false>(at, m.buffers, m.scratch, m.in, m.out, emmy::SquaredError{}, kRows, S(1) / kRows, g)
        .status;
  };
  const S step = sizeof(S) == 4 ? S(0x1p-8) : S(0x1p-17);
  const auto least = emmy::least_curvature(m.curvature, m.params, mirror, slopes, step, 200);
  f.lambda = static_cast<double>(least.lambda);
  f.error = static_cast<double>(least.error);
  f.ok = away.status == emmy::Status::ok && least.status == emmy::Status::ok;
  for (int t = 0; t < 400; ++t) {
    const S h = S(4 * rng.uniform() - 2.1f);
    emmy::note_curvature(m.lyapunov, S(0.25), h, S(0.01));
    emmy::note_curvature(m.rates, h, S(0.01));
  }
  f.exponent = static_cast<double>(m.lyapunov.exponent());
  f.rate = static_cast<double>(emmy::critical_rate(m.rates));
  // Units 1 and 3 are to become one, on both sides of them.
  auto& c = m.constraint;
  c.mirror = mirror;
  f.ok = f.ok && emmy::begin_constraint(c, m.params) == emmy::Status::ok;
  const S before = c.u[0];
  for (int t = 0; t < 40; ++t) {
    emmy::constrained_weights(c, m.params);
    f.ok = f.ok && slopes(c.weights, m.curvature.g) == emmy::Status::ok &&
           emmy::apply_constrained(c, m.params, m.state, m.curvature.g, emmy::BasicSgd<S>{S(0.05)},
                                   emmy::Rates<S>{S(0.05), S(0.5)}) == emmy::Status::ok;
  }
  f.charge = static_cast<double>(emmy::constraint_charge(c, 0));
  f.held = static_cast<double>(c.u[0] / before);
  m.entry[3].value *= S(1.001);
  f.refused = emmy::mirror_distance(m.params, mirror, s).status == emmy::Status::not_orthonormal;
  return f;
}

void check_meters(const Figures& f, double tolerance) {
  // In double on the host (`ctest -R device.ledger.host`, which checks them to 1e-9).
  constexpr double kSize[kUnits] = {0.488801215532, 1.34587143989,  1.68909911283,     0.709444149583,
                                    1.05753337346,  0.979971511384, 7.53936678404e-05, 0.00010139961245};
  CHECK(f.ok && f.rang && f.refused);
  CHECK(f.dead == 2 && f.live == 6 && f.distinct == 5);
  for (int j = 0; j < kUnits; ++j) CHECK_NEAR(f.size[j], kSize[j], tolerance * kSize[j]);
  CHECK_NEAR(f.rank, 3.92273571452, tolerance);
  CHECK_NEAR(f.distance, 0.215213699698, tolerance);
  CHECK_NEAR(f.exponent, -0.0141125010948, tolerance);
  CHECK_NEAR(f.rate, 0.166331851318, tolerance);
  CHECK_NEAR(f.lambda, -0.948682271523, tolerance);
  CHECK(f.error < 1e-3);
  CHECK_NEAR(f.charge, -0.4701222004, tolerance);
  CHECK_NEAR(f.held, 0.514765937964, tolerance);
}

}  // namespace

int main() {
  emmy::Pcg32 rng{11};
  emmy::init(trainer.params, rng);
  const Rule rule{{.learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 0.01f}, 0.5f};
  double before[kHidden];
  for (int u = 0; u < kHidden; ++u) before[u] = balance(u);

  check::begin("1,000 steps");
  float first = 0, last = 0, worst = 0;
  for (int step = 0; step < kSteps; ++step) {
    draw(rng);
    const auto result = trainer.step(x, labels, emmy::CrossEntropy{}, rule, ledger);
    if (!CHECK(result.status == emmy::Status::ok) || !CHECK(ledger.health() <= 1.0f)) break;
    worst = ledger.health() > worst ? ledger.health() : worst;
    (step < kSteps / 2 ? first : last) += result.loss / (kSteps / 2);
  }
  CHECK_NEAR(static_cast<double>(ledger.worst_health()), static_cast<double>(worst), 0.0);
  CHECK(last < first);
  emmy::platform::print("loss ", first, " then ", last, ", worst health ", worst, "\n");

  check::begin("the budget is the change");
  bool decays = false, remembers = false, shifts = false;
  for (int u = 0; u < kHidden; ++u) {
    const auto& total = ledger.total<Balance>(u);
    const double now = balance(u);
    CHECK_NEAR(static_cast<double>(ledger.charge<Balance>(u)), now, 1e-5 * (1 + check::size(now)));
    CHECK_NEAR(static_cast<double>(total.drift()), now - before[u], 1e-4);
    decays = decays || total[emmy::Cause::decay] != 0;
    remembers = remembers || total[emmy::Cause::momentum] != 0;
    CHECK(total[emmy::Cause::breaking] == 0 || check::size(static_cast<double>(total[emmy::Cause::breaking])) < 1e-4);
    CHECK(total[emmy::Cause::unmeasured] == 0);
  }
  for (int u = 0; u <= kHidden; ++u) shifts = shifts || ledger.total<Shift>(u).drift() != 0;
  CHECK(decays && remembers && shifts);

  check::begin("the report is what the ledger says");
  const auto said = emmy::report_of<Balance>(ledger);
  double all = 0, drift = 0;
  for (const float share : said.share) all += static_cast<double>(share);
  for (int u = 0; u < kHidden; ++u) drift += check::size(static_cast<double>(ledger.total<Balance>(u).drift()));
  CHECK(said.charges == kHidden && said.residual_ratio <= 1 && said.residual_ratio > 0);
  CHECK_NEAR(all, 1.0, 1e-6);
  CHECK_NEAR(static_cast<double>(said.drift), drift, 1e-5 * drift);
  char line[192];
  const std::size_t length = emmy::format_report("units", said, line, sizeof line);
  CHECK(length < sizeof line && line[length] == 0);
  CHECK(has(line, "units: 9 charges, drift ") && has(line, "decay ") && has(line, " %; residual 0.") &&
        has(line, " of the bound"));
  emmy::platform::print(static_cast<const char*>(line), "\n");

  check::begin("a flipped bit is seen");
  float& weight = trainer.params.weight<emmy::Layer<0>>(3, 2);
  weight = std::bit_cast<float>(std::bit_cast<std::uint32_t>(weight) ^ (1u << 21));
  draw(rng);
  CHECK(trainer.step(x, labels, emmy::CrossEntropy{}, rule, ledger).status == emmy::Status::ok);
  CHECK(ledger.health() > 1.0f);
  draw(rng);
  CHECK(trainer.step(x, labels, emmy::CrossEntropy{}, rule, ledger).status == emmy::Status::ok);
  CHECK(ledger.health() <= 1.0f);  // and not for ever

  check::begin("meters");
  check_meters(figures<float>(), 1e-4);
#ifndef __ARM_ARCH_PROFILE
  check_meters(figures<double>(), 1e-9);
#endif
  return check::end();
}
