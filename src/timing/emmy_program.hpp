// Emmy's program for a workload, by the headers alone. Each file that includes it has its own, for one target and backend.
#pragma once

#include <limits>
#include <type_traits>
#include <utility>

#include <emmy/emmy.hpp>

#include "timing/workload.hpp"

namespace emmy::timing {
namespace {

// Net<Input<..>, Dense<..>, activation, Dense<..> ...> of a workload.
template <class... Layers>
struct List {
  template <const Workload& Work, int I>
  static auto with() {
    using Active = std::conditional_t<Work.activation == Activation::tanh, Tanh, Relu>;
    using Next = Dense<Work.size[I + 1]>;
    if constexpr (I + 1 == Work.layers) return std::type_identity<Net<Layers..., Next>>{};
    else return List<Layers..., Next, Active>::template with<Work, I + 1>();
  }
};
template <const Workload& Work>
using NetOf = typename decltype(List<Input<Work.size[0]>>::template with<Work, 0>())::type;

// f(weight of params, weight of the workload)
template <const Workload& Work, class Params, class Weight, class F>
void for_each_weight(Params& params, Weight* w, F f) {
  const auto dense = [&]<class Site>(Site, int out, int in) {
    for (int o = 0; o < out; ++o)
      for (int i = 0; i < in; ++i) f(params.template weight<Site>(o, i), *w++);
    for (int o = 0; o < out; ++o) f(params.template bias<Site>(o), *w++);
  };
  [&]<int... I>(std::integer_sequence<int, I...>) { (dense(Layer<2 * I>{}, Work.size[I + 1], Work.size[I]), ...); }
  (std::make_integer_sequence<int, Work.layers>{});
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
