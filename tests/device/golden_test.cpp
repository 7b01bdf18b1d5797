// Golden cases of the independent reference (shared/golden) on the board: losses, weights and the budget of the hidden
// units' balance, each within the case's f32 tolerance.
#include <golden_cases.hpp>

#include <emmy/emmy.hpp>
#include <tests/device/check.hpp>

#include <new>
#include <type_traits>

namespace {

template <class C, bool Deep = C::kLayers == 3>
struct NetOf {
  using type = emmy::Net<emmy::Input<C::kIn1>, emmy::Dense<C::kOut1>, emmy::Relu, emmy::Dense<C::kOut2>>;
};
template <class C>
struct NetOf<C, true> {
  using type = emmy::Net<emmy::Input<C::kIn1>, emmy::Dense<C::kOut1>, emmy::Relu, emmy::Dense<C::kOut2>, emmy::Relu,
                         emmy::Dense<C::kOut3>>;
};

template <class C>
auto rule_of() {
  const auto plain = [] {
    if constexpr (C::kMemory)
      return emmy::Momentum{static_cast<float>(C::eta), static_cast<float>(C::beta), static_cast<float>(C::lam)};
    else return emmy::Sgd{static_cast<float>(C::eta), static_cast<float>(C::lam)};
  }();
  if constexpr (C::clip > 0)
    return emmy::ClipByNorm<std::remove_const_t<decltype(plain)>>{plain, static_cast<float>(C::clip)};
  else return plain;
}

// f(layer, bias?, out, in, number): every weight with its index in the case's [out][in] arrays.
template <class Site, int In, int Out, class Params, class F>
void for_layer(Params& params, F f) {
  for (int o = 0; o < Out; ++o) {
    for (int i = 0; i < In; ++i) f(params.template weight<Site>(o, i), o * In + i, false);
    f(params.template bias<Site>(o), o, true);
  }
}

// One case after the other in the same memory: a microbit has 16 KiB.
alignas(64) constinit unsigned char memory[8 * 1024] = {};

template <class C>
void run() {
  using Net = typename NetOf<C>::type;
  using Rule = std::remove_const_t<decltype(rule_of<C>())>;
  using Target = std::conditional_t<C::kCrossEntropy, int, float>;
  using Loss = std::conditional_t<C::kCrossEntropy, emmy::CrossEntropy, emmy::SquaredError>;
  using Balance = emmy::Rescaling<emmy::Layer<1>>;
  constexpr int kIn = C::kIn1, kTargets = C::kCrossEntropy ? 1 : Net::kOutputs;
  struct Machine {
    emmy::Trainer<Net, Rule, C::kBatch> trainer;
    emmy::Ledger<Net> ledger;
  };
  static_assert(sizeof(Machine) <= sizeof memory && std::is_trivially_destructible_v<Machine>);
  auto& [trainer, ledger] = *new (memory) Machine{};
  check::begin(C::kName);
  const auto load = [](const double* w, const double* b) {
    return [w, b](float& value, int at, bool bias) { value = static_cast<float>(bias ? b[at] : w[at]); };
  };
  for_layer<emmy::Layer<0>, C::kIn1, C::kOut1>(trainer.params, load(C::W1, C::b1));
  for_layer<emmy::Layer<2>, C::kIn2, C::kOut2>(trainer.params, load(C::W2, C::b2));
  if constexpr (C::kLayers == 3) for_layer<emmy::Layer<4>, C::kIn3, C::kOut3>(trainer.params, load(C::W3, C::b3));

  for (int step = 0; step < C::kSteps; ++step) {
    float x[C::kBatch * kIn];
    Target y[C::kBatch * kTargets];
    for (int n = 0; n < C::kBatch; ++n) {
      const int from = (step * C::kBatch + n) % C::kSamples;
      for (int i = 0; i < kIn; ++i) x[n * kIn + i] = static_cast<float>(C::X[from * kIn + i]);
      for (int t = 0; t < kTargets; ++t) y[n * kTargets + t] = static_cast<Target>(C::targets[from * kTargets + t]);
    }
    const auto result = trainer.step(x, y, Loss{}, rule_of<C>(), ledger);
    CHECK(result.status == emmy::Status::ok);
    CHECK(ledger.health() <= 1.0f);
    CHECK_NEAR(static_cast<double>(result.loss), C::losses[step], C::kTolerance_losses);
  }
  const auto compare = [](const double* w, const double* b, double tolerance_w, double tolerance_b) {
    return [=](const float& value, int at, bool bias) {
      CHECK_NEAR(static_cast<double>(value), bias ? b[at] : w[at], bias ? tolerance_b : tolerance_w);
    };
  };
  for_layer<emmy::Layer<0>, C::kIn1, C::kOut1>(trainer.params,
                                               compare(C::final_W1, C::final_b1, C::kTolerance_W1, C::kTolerance_b1));
  for_layer<emmy::Layer<2>, C::kIn2, C::kOut2>(trainer.params,
                                               compare(C::final_W2, C::final_b2, C::kTolerance_W2, C::kTolerance_b2));
  if constexpr (C::kLayers == 3)
    for_layer<emmy::Layer<4>, C::kIn3, C::kOut3>(trainer.params,
                                                 compare(C::final_W3, C::final_b3, C::kTolerance_W3, C::kTolerance_b3));
  for (int u = 0; u < C::kOut1; ++u) {
    const auto& total = ledger.template total<Balance>(u);
    CHECK_NEAR(static_cast<double>(total[emmy::Cause::decay]), C::decay[u], C::kTolerance_decay);
    CHECK_NEAR(static_cast<double>(total[emmy::Cause::momentum]), C::momentum[u], C::kTolerance_momentum);
    CHECK_NEAR(static_cast<double>(total[emmy::Cause::breaking]), C::breaking[u], C::kTolerance_breaking);
    CHECK_NEAR(static_cast<double>(total[emmy::Cause::discretisation]), C::discretisation[u],
               C::kTolerance_discretisation);
    CHECK_NEAR(static_cast<double>(ledger.template charge<Balance>(u)), C::after[u], C::kTolerance_after);
  }
}

}  // namespace

int main() {
  run<golden::relu_gd>();
  run<golden::relu_sgd_minibatch>();
  run<golden::relu_hb_wd_minibatch>();
  run<golden::relu_clip>();
  run<golden::relu2_hb_wd>();
  run<golden::softmax_translation_hb_wd>();
  return check::end();
}
