// Emmy's program for a workload, by the headers alone. Each file that includes it has its own, for one target and backend.
#pragma once

#include <limits>
#include <type_traits>
#include <utility>

#include <emmy/emmy.hpp>

#include "timing/workload.hpp"

namespace emmy::timing {
namespace {

// Net<Input<..>, Dense<..>, activation, Dense<..> ...> of a workload, its stages before the first Dense.
template <class... Layers>
struct List {
  template <const Workload& Work, int I>
  static auto with() {
    using Active = std::conditional_t<Work.activation == Activation::tanh, Tanh, Relu>;
    if constexpr (I < Work.stages) {
      constexpr Stage kOwn = Work.stage[I];
      using Conv = Conv1d<kOwn.channels, kOwn.kernel>;
      using Pool = MaxPool<kOwn.pool>;
      if constexpr (I + 1 == Work.stages)
        return List<Layers..., Conv, Active, Pool, Flatten>::template with<Work, I + 1>();
      else return List<Layers..., Conv, Active, Pool>::template with<Work, I + 1>();
    } else {
      using Next = Dense<Work.affine(I).out>;
      if constexpr (I + 1 == Work.affines()) return std::type_identity<Net<Layers..., Next>>{};
      else return List<Layers..., Next, Active>::template with<Work, I + 1>();
    }
  }
};
template <const Workload& Work>
auto net_of() {
  if constexpr (Work.stages > 0) return List<Input<Work.positions, Work.channels>>::template with<Work, 0>();
  else return List<Input<Work.size[0]>>::template with<Work, 0>();
}
template <const Workload& Work>
using NetOf = typename decltype(net_of<Work>())::type;
// The layer with the weights of affine I.
template <const Workload& Work, int I>
using SiteOf = Layer<(I < Work.stages ? 3 * I : 3 * Work.stages + (Work.stages > 0) + 2 * (I - Work.stages))>;

// f(weight of params, weight of the workload)
template <const Workload& Work, class Params, class Weight, class F>
void for_each_weight(Params& params, Weight* w, F f) {
  const auto layer = [&]<class Site>(Site, const Affine& own) {
    const int in = own.step > 0 ? own.step : own.in;
    for (int o = 0; o < own.out; ++o)
      for (int i = 0; i < own.in; ++i) f(params.template weight<Site>(o, i % in, i / in), *w++);
    for (int o = 0; o < own.out; ++o) f(params.template bias<Site>(o), *w++);
  };
  [&]<int... I>(std::integer_sequence<int, I...>) { (layer(SiteOf<Work, I>{}, Work.affine(I)), ...); }
  (std::make_integer_sequence<int, Work.affines()>{});
}

template <Rule>
struct RuleOf {
  static constexpr Sgd value{.learning_rate = kRate};
};
template <>
struct RuleOf<Rule::lazy> {
  static constexpr Lazy<Sgd> value{{.learning_rate = kRate}};
};
template <>
struct RuleOf<Rule::momentum> {
  static constexpr Momentum value{.learning_rate = kRate, .momentum = kMomentum};
};
template <>
struct RuleOf<Rule::nesterov> {
  static constexpr Nesterov value{.learning_rate = kRate, .momentum = kMomentum};
};

template <const Workload& Work, class Ledger = NoLedger, Rule kRule = Rule::sgd>
struct EmmyProgram {
  using Net = NetOf<Work>;
  static constexpr auto rule = RuleOf<kRule>::value;
  static inline constinit Trainer<Net, std::remove_const_t<decltype(rule)>, Work.batch> trainer{};
  static inline constinit Scratch<Net, Work.batch, Infer> scratch{};
  static inline constinit Ledger ledger{};

  static void reset(const float* weights) {
    for_each_weight<Work>(trainer.params, weights, [](float& own, float given) { own = given; });
    trainer.state = {};
    ledger = {};
  }
  static void read(float* weights) {
    if constexpr (requires { trainer.flush(); }) trainer.flush();
    for_each_weight<Work>(trainer.params, weights, [](float own, float& asked) { asked = own; });
  }
  static float step(const Batch& b) {
    const auto result = [&] {
      if constexpr (Work.loss == Loss::cross_entropy) return trainer.step(b.x, b.labels, CrossEntropy{}, rule, ledger);
      else return trainer.step(b.x, b.target, SquaredError{}, rule, ledger);
    }();
    return result.status == Status::ok ? result.loss : std::numeric_limits<float>::quiet_NaN();
  }
  static void infer(const float* x, float* y) {
    if (emmy::infer(trainer.params, trainer.buffers, scratch, x, y) != Status::ok)
      y[0] = std::numeric_limits<float>::quiet_NaN();
  }
  template <bool kInferred>
  static constexpr Opponent row(const char* ledger_name = "none") {
    constexpr std::size_t kLedger = std::is_empty_v<Ledger> ? 0 : sizeof(Ledger);
    Opponent o{
        "emmy", &Work, reset, read, step, nullptr, EMMY_BACKEND_NAME, ledger_name, kRule, sizeof trainer + kLedger};
    if constexpr (kInferred) {
      o.infer = infer;
      o.infer_bytes = sizeof trainer.params + sizeof scratch;
    }
    return o;
  }
};

}  // namespace
}  // namespace emmy::timing
