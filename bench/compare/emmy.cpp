// Emmy by its static headers: without a ledger (the base of all ratios), and with all charges measured or predicted.
#include <bench/compare/workload.hpp>

#include <emmy/emmy.hpp>

#include <limits>

namespace compare {
namespace {

using Net = emmy::Net<emmy::Input<64>, emmy::Dense<32>, emmy::Relu, emmy::Dense<10>>;
using Hidden = emmy::Layer<0>;
using Output = emmy::Layer<2>;

// f(weight of params, weight of the workload)
template <class Params, class Weight, class F>
void for_each_weight(Params& params, Weight* w, F f) {
  const auto dense = [&]<class Site>(Site, int out, int in) {
    for (int o = 0; o < out; ++o)
      for (int i = 0; i < in; ++i) f(params.template weight<Site>(o, i), *w++);
    for (int o = 0; o < out; ++o) f(params.template bias<Site>(o), *w++);
  };
  dense(Hidden{}, 32, 64);
  dense(Output{}, 10, 32);
}

template <const Workload& Work, class Ledger>
struct Program {
  static_assert(Work.size[0] == 64 && Work.size[1] == 32 && Work.size[2] == 10);
  static inline constinit emmy::Trainer<Net, emmy::Sgd, Work.batch> trainer{};
  static inline constinit Ledger ledger{};

  static void reset(const float* weights) {
    for_each_weight(trainer.params, weights, [](float& own, float given) { own = given; });
    trainer.state = {};
    ledger = {};
  }
  static void read(float* weights) {
    for_each_weight(trainer.params, weights, [](float own, float& asked) { asked = own; });
  }
  static float step(const Batch& b) {
    const auto [status, loss] =
        trainer.step(b.x, b.labels, emmy::CrossEntropy{}, emmy::Sgd{.learning_rate = kRate}, ledger);
    return status == emmy::Status::ok ? loss : std::numeric_limits<float>::quiet_NaN();
  }
};

template <class Mode>
using Charges = emmy::Ledger<Net, emmy::WatchAll, Mode>;

#define EMMY_NAMED(text) "Emmy " EMMY_TARGET_NAME text
constexpr Opponent kAll[] = {
    opponent<Program<kDigits1, emmy::NoLedger>>(EMMY_NAMED(""), kDigits1),
    opponent<Program<kDigits1, Charges<emmy::Predict>>>(EMMY_NAMED(", charges predicted"), kDigits1),
    opponent<Program<kDigits1, Charges<emmy::Measure>>>(EMMY_NAMED(", charges measured"), kDigits1),
    opponent<Program<kDigits16, emmy::NoLedger>>(EMMY_NAMED(""), kDigits16),
    opponent<Program<kDigits16, Charges<emmy::Predict>>>(EMMY_NAMED(", charges predicted"), kDigits16),
    opponent<Program<kDigits16, Charges<emmy::Measure>>>(EMMY_NAMED(", charges measured"), kDigits16),
};

}  // namespace

namespace opponents {
std::span<const Opponent> emmy() { return kAll; }
}  // namespace opponents
}  // namespace compare
