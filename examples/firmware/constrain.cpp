// A net that shrinks on the device: a product parametrisation with decay switches whole hidden units off, a certificate
// on the full data set says which of them may go, and what is left is folded into the smallest of the listed nets.
// The data set takes no memory: it is drawn again from its seed.
#include <emmy/emmy.hpp>
#include <platforms/text.hpp>

namespace app {

#if defined(EMMY_BOARD_RAM_KIB) && EMMY_BOARD_RAM_KIB < 32
constexpr int kHidden = 10, kSteps = 1500, kRows = 64;
#else
constexpr int kHidden = 16, kSteps = 4000, kRows = 128;
#endif
constexpr int kInputs = 6, kClasses = 4, kBatch = 4, kRowsRight = kRows * 9 / 10;
constexpr float kStrength = 0.02f, kTolerance = 1e-3f;

using Net = emmy::Net<emmy::Input<kInputs>, emmy::Dense<kHidden>, emmy::Relu,
                      emmy::Parametrized<emmy::Dense<kClasses>, emmy::ProductByInput>>;
using Plain = emmy::plain_of<Net>;
template <int Hidden>
using Small = emmy::Net<emmy::Input<kInputs>, emmy::Dense<Hidden>, emmy::Relu, emmy::Dense<kClasses>>;
using Site = emmy::Layer<2>;
using Rule = emmy::PerBlock<emmy::Momentum, Net>;

constinit emmy::Trainer<Net, Rule, kBatch> trainer{};
constinit emmy::Ledger<Net> ledger{};
constinit emmy::Params<Net> trained{};
constinit emmy::State<Net, Rule> trained_state{};
constinit emmy::Params<Plain> plain{};
constinit emmy::Gradient<Plain> full{};
constinit emmy::Scratch<Plain, kBatch, emmy::Train<emmy::Sgd>> scratch{};
constinit emmy::Buffers<Plain> buffers{};

// Which quadrant the first two inputs are in; the others say nothing.
int draw(emmy::Pcg32& rng, float* x) {
  for (int i = 0; i < kInputs; ++i) x[i] = 2 * rng.uniform() - 1;
  return (x[0] > 0 ? 1 : 0) + (x[1] > 0 ? 2 : 0);
}
emmy::Pcg32 data_set() { return emmy::Pcg32{4, 1}; }

// `rows` batches of the data set, from its first row on where it ends.
struct Batches {
  emmy::Pcg32 rng = data_set();
  int row = 0;
  float x[kBatch * kInputs];
  int labels[kBatch];
  void next() {
    if (row == kRows) *this = Batches{};
    for (int i = 0; i < kBatch; ++i) labels[i] = draw(rng, x + i * kInputs);
    row += kBatch;
  }
};

Rule rule(float rate) {
  Rule r{{.learning_rate = rate, .momentum = 0.9f}, {}};
  r.fill();
  for (int b = 0; b < emmy::kPlan<Net>.kBlocks; ++b) {
    const auto role = emmy::kPlan<Net>.block[b].role;
    // The first layer could take the weight over and decays too, a little.
    r.rates[b].weight_decay = role == emmy::Role::factor ? kStrength : role == emmy::Role::weight ? kStrength / 16 : 0;
  }
  return r;
}

void train(Batches& data, int steps, float rate, float last_rate) {
  for (int step = 0; step < steps; ++step) {
    data.next();
    const float done = static_cast<float>(step) / static_cast<float>(steps);
    const auto result =
        trainer.step(data.x, data.labels, emmy::CrossEntropy{}, rule(rate + (last_rate - rate) * done), ledger);
    if (result.status != emmy::Status::ok) emmy::platform::fault(emmy::to_string(result.status));
    if (!(ledger.health() <= 1.0f)) emmy::platform::fault("residual above its rounding bound");
  }
}

// The gradient of the plain weights over the whole data set.
void full_gradient() {
  emmy::fold(trainer.params, plain);
  full = {};
  Batches data;
  for (int row = 0; row < kRows; row += kBatch) {
    data.next();
    const auto result = emmy::gradient<true>(plain, buffers, scratch, data.x, data.labels, emmy::CrossEntropy{}, kBatch,
                                             1.0f / kRows, full);
    if (result.status != emmy::Status::ok) emmy::platform::fault(emmy::to_string(result.status));
  }
}

// Snaps the collapsed units, gives back those without a certificate, until all that stay away have one. Returns their
// number; `worst` is the smallest margin.
int certify(float& worst) {
  float size[kHidden], margin[kHidden], largest = 0;
  bool removed[kHidden];
  emmy::group_sizes<Site>(trainer.params, size);
  for (const float s : size) largest = s > largest ? s : largest;
  for (int u = 0; u < kHidden; ++u) removed[u] = size[u] < kTolerance * largest;
  trained = trainer.params;
  trained_state = trainer.state;
  for (bool again = true; again;) {
    trainer.params = trained;
    trainer.state = trained_state;
    for (int u = 0; u < kHidden; ++u)
      if (removed[u]) emmy::snap<Site>(trainer.params, trainer.state, u);
    full_gradient();
    const emmy::Status status = emmy::margins<Site, Net>(plain, full, kStrength, margin);
    if (status != emmy::Status::ok) emmy::platform::fault(emmy::to_string(status));
    again = false;
    for (int u = 0; u < kHidden; ++u)
      if (removed[u] && !(margin[u] > 0)) removed[u] = false, again = true;
  }
  int count = 0;
  worst = kStrength;
  for (int u = 0; u < kHidden; ++u) {
    count += removed[u];
    if (removed[u] && margin[u] < worst) worst = margin[u];
  }
  ledger.resync();
  return count;
}

template <class N>
void answers(const emmy::Params<N>& params, const float* x, float* y) {
  static constinit emmy::Scratch<N, kBatch, emmy::Infer> memory{};
  emmy::Buffers<N> none;
  if (emmy::infer(params, none, memory, x, y) != emmy::Status::ok) emmy::platform::fault("an answer is not finite");
}

int best(const float* y) {
  int at = 0;
  for (int o = 1; o < kClasses; ++o) at = y[o] > y[at] ? o : at;
  return at;
}
float distance(float a, float b) { return a > b ? a - b : b - a; }

// Right answers of `params` on the data set, and how far its outputs are from those of `other`.
template <class N, class M>
int right(const emmy::Params<N>& params, const emmy::Params<M>& other, float& apart, int& changed) {
  Batches data;
  int count = 0;
  for (int row = 0; row < kRows; row += kBatch) {
    float y[kBatch * kClasses], z[kBatch * kClasses];
    data.next();
    answers(params, data.x, y);
    answers(other, data.x, z);
    for (int i = 0; i < kBatch; ++i) {
      count += best(y + i * kClasses) == data.labels[i];
      changed += best(y + i * kClasses) != best(z + i * kClasses);
    }
    for (int i = 0; i < kBatch * kClasses; ++i) apart = distance(y[i], z[i]) > apart ? distance(y[i], z[i]) : apart;
  }
  return count;
}

// The smallest of the listed widths that the live units fit into; 0 if none does.
template <int Width, int... Wider>
int fold_to() {
  static constinit emmy::Params<Small<Width>> small{};
  int live = 0;
  if (emmy::fold_units(plain, small, live) == emmy::Status::ok) {
    float apart = 0;
    int changed = 0;
    const int count = right(small, plain, apart, changed);
    emmy::platform::print("folded: ", live, " live units in ", kInputs, "-", Width, "-", kClasses, ", weights ",
                          static_cast<int>(sizeof small), " B of ", static_cast<int>(sizeof plain), " B; ", count,
                          " of ", kRows, " right, outputs apart by ", apart, "\n");
    if (changed != 0 || !(apart <= 1e-4f)) emmy::platform::fault("the folded net is another function");
    if (count < kRowsRight) emmy::platform::fault("too few rows are right");
    return Width;
  }
  if constexpr (sizeof...(Wider) > 0) return fold_to<Wider...>();
  else return 0;
}

}  // namespace app

int main() {
  using namespace app;
  using emmy::platform::fault;
  using emmy::platform::print;
  emmy::Pcg32 rng{1};
  emmy::init(trainer.params, rng);
  Batches data;
  train(data, kSteps, 0.05f, 0.0f);

  static constinit emmy::Params<Plain> dense{};
  emmy::fold(trainer.params, dense);
  float worst = 0;
  const int removed = certify(worst);
  emmy::fold(trainer.params, plain);
  emmy::absorb_constant_units(plain);
  float apart = 0;
  int changed = 0;
  const int count = right(plain, dense, apart, changed);
  print("constrain: ", removed, " of ", kHidden, " units removed, each with a certificate, worst margin ",
        worst / kStrength, " of the strength; ", count, " of ", kRows, " right, ", changed,
        " answers changed, worst health ", ledger.worst_health(), "\n");
  if (removed < kHidden / 3) fault("too few units were removed");
  if (!(worst > 0)) fault("a unit was removed without a certificate");

  const int width = fold_to<4, 6, 8, 12>();
  if (width == 0 || width >= kHidden) fault("no listed net is wide enough");

  // A snapped unit stays away when training goes on: both gradients of its factors vanish with them.
  train(data, 50, 0.01f, 0.01f);
  float size[kHidden];
  emmy::group_sizes<Site>(trainer.params, size);
  int zeros = 0;
  for (const float s : size) zeros += s == 0;
  if (zeros != removed) fault("a removed unit came back");
  print("ok\n");
  return 0;
}
