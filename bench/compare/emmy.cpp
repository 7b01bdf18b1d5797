// Emmy by its static headers: without a ledger, and with all charges predicted or measured. Compiled once for each
// backend; EMMY_COMPARE_NAME is the name of its list.
#include <bench/compare/workload.hpp>

#include <emmy/emmy.hpp>

#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

namespace compare {
namespace {

// Net<Input<..>, Dense<..>, activation, Dense<..> ...> of a workload.
template <class... Layers>
struct List {
  template <const Workload& Work, int I>
  static auto with() {
    using Active = std::conditional_t<Work.activation == Activation::tanh, emmy::Tanh, emmy::Relu>;
    using Next = emmy::Dense<Work.size[I + 1]>;
    if constexpr (I + 1 == Work.layers) return std::type_identity<emmy::Net<Layers..., Next>>{};
    else return List<Layers..., Next, Active>::template with<Work, I + 1>();
  }
};
template <const Workload& Work>
using NetOf = typename decltype(List<emmy::Input<Work.size[0]>>::template with<Work, 0>())::type;

// f(weight of params, weight of the workload)
template <const Workload& Work, class Params, class Weight, class F>
void for_each_weight(Params& params, Weight* w, F f) {
  const auto dense = [&]<class Site>(Site, int out, int in) {
    for (int o = 0; o < out; ++o)
      for (int i = 0; i < in; ++i) f(params.template weight<Site>(o, i), *w++);
    for (int o = 0; o < out; ++o) f(params.template bias<Site>(o), *w++);
  };
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (dense(emmy::Layer<2 * I>{}, Work.size[I + 1], Work.size[I]), ...);
  }
  (std::make_integer_sequence<int, Work.layers>{});
}

template <const Workload& Work, class Ledger>
struct Program {
  using Net = NetOf<Work>;
  static inline constinit emmy::Trainer<Net, emmy::Sgd, Work.batch> trainer{};
  static inline constinit emmy::Scratch<Net, Work.batch, emmy::Infer> scratch{};
  static inline constinit Ledger ledger{};

  static void reset(const float* weights) {
    for_each_weight<Work>(trainer.params, weights, [](float& own, float given) { own = given; });
    trainer.state = {};
    ledger = {};
  }
  static void read(float* weights) {
    for_each_weight<Work>(trainer.params, weights, [](float own, float& asked) { asked = own; });
  }
  static float step(const Batch& b) {
    constexpr emmy::Sgd rule{.learning_rate = kRate};
    const auto result = [&] {
      if constexpr (Work.loss == Loss::cross_entropy)
        return trainer.step(b.x, b.labels, emmy::CrossEntropy{}, rule, ledger);
      else return trainer.step(b.x, b.target, emmy::SquaredError{}, rule, ledger);
    }();
    return result.status == emmy::Status::ok ? result.loss : std::numeric_limits<float>::quiet_NaN();
  }
  static void infer(const float* x, float* y) {
    if (emmy::infer(trainer.params, trainer.buffers, scratch, x, y) != emmy::Status::ok)
      y[0] = std::numeric_limits<float>::quiet_NaN();
  }
};

template <const Workload& Work>
void add(std::vector<Opponent>& all) {
  using Net = NetOf<Work>;
  const auto row = [&]<class Ledger>(std::type_identity<Ledger>, const char* ledger) {
    using P = Program<Work, Ledger>;
    const bool bare = std::is_same_v<Ledger, emmy::NoLedger>;
    all.push_back({"emmy", &Work, P::reset, P::read, P::step, bare ? P::infer : nullptr, EMMY_BACKEND_NAME, ledger});
  };
  row(std::type_identity<emmy::NoLedger>{}, "none");
  row(std::type_identity<emmy::Ledger<Net, emmy::WatchAll, emmy::Predict>>{}, "predict");
  row(std::type_identity<emmy::Ledger<Net, emmy::WatchAll, emmy::Measure>>{}, "measure");
}

}  // namespace

namespace opponents {
std::span<const Opponent> EMMY_COMPARE_NAME() {
  static const std::vector<Opponent> all = [] {
    std::vector<Opponent> list;
#define EMMY_COMPARE_ADD(workload, trained, inferred) add<workload>(list);
    EMMY_COMPARE_WORKLOADS(EMMY_COMPARE_ADD)
#undef EMMY_COMPARE_ADD
    return list;
  }();
  return all;
}
}  // namespace opponents
}  // namespace compare
