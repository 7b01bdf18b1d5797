// A net on a board and the same net in double: weights [in][out] and biases, layer by layer. `reference` stands for a
// function of the test that fills `slope` from `theta`, `x` and `labels` and returns the loss (cross-entropy). Frozen weights have
// no slope and stay.
#pragma once

#include <emmy/emmy.hpp>
#include <tests/device/check.hpp>

template <class Net, int Batch>
struct Twin {
  static constexpr auto& plan = emmy::kPlan<Net>;
  emmy::Trainer<Net, emmy::Momentum, Batch> trainer = {};
  emmy::Gradient<Net> gradient = {};
  float x[Batch * Net::kInputs] = {};
  int labels[Batch] = {};
  double theta[plan.weights] = {}, slope[plan.weights] = {}, buf[plan.weights] = {};

  // f(padded index, plain index, is it trained) for every weight.
  template <class F>
  static void for_weights(F f) {
    int n = 0;
    for (const auto& block : plan.block)
      for (int i = 0; i < block.rows; ++i)
        for (int o = 0; o < block.cols; ++o) f(block.at(i, o), n++, block.trained);
  }

  void start(std::uint64_t seed) {
    emmy::Pcg32 rng{seed};
    trainer = {};
    emmy::init(trainer.params, rng, emmy::Uniform<float>{0.6f});
    for (float& v : x) v = 2 * rng.uniform() - 1;
    for_weights([&](int at, int n, bool) {
      float& weight = trainer.params.data[at];
      if (weight == 0) weight = rng.uniform() - 0.5f;  // the way back of an adapter
      theta[n] = static_cast<double>(weight);
    });
    for (double& v : buf) v = 0;
  }

  void gradients(double (*reference)()) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      start(seed);
      const double loss = reference();
      const auto result = emmy::gradient<false>(trainer.params, trainer.buffers, trainer.scratch, x, labels,
                                                emmy::CrossEntropy{}, Batch, 1.0f / Batch, gradient);
      CHECK(result.status == emmy::Status::ok);
      CHECK_NEAR(static_cast<double>(result.loss), loss, 1e-6);
      for_weights([&](int at, int n, bool trained) {
        if (trained) CHECK_NEAR(static_cast<double>(gradient.data[at]), slope[n], 1e-6);
      });
    }
  }

  // Gradients, then steps whose ledger stays healthy.
  template <class Led>
  void check_all(double (*reference)(), Led& ledger) {
    check::begin("gradients");
    gradients(reference);
    check::begin("steps");
    steps(reference, ledger, [&] { CHECK(ledger.health() > 0 && ledger.health() <= 1); });
  }
  // The whole of a test.
  template <class Led>
  int run(double (*reference)(), Led& ledger) {
    check_all(reference, ledger);
    return check::end();
  }

  // Ten steps with momentum and decay; `after` is called after each.
  template <class Led, class F>
  void steps(double (*reference)(), Led& ledger, F after) {
    constexpr double kRate = 0.125, kBeta = 0.75, kDecay = 0.0625;
    const emmy::Momentum rule{.learning_rate = kRate, .momentum = kBeta, .weight_decay = kDecay};
    start(6);
    for (int step = 0; step < 10; ++step) {
      const double loss = reference();
      for_weights([&](int, int n, bool trained) {
        if (!trained) return;
        buf[n] = kBeta * buf[n] + slope[n] + kDecay * theta[n];
        theta[n] -= kRate * buf[n];
      });
      const auto result = trainer.step(x, labels, emmy::CrossEntropy{}, rule, ledger);
      CHECK(result.status == emmy::Status::ok);
      CHECK_NEAR(static_cast<double>(result.loss), loss, 1e-5);
      after();
    }
    for_weights([&](int at, int n, bool) {
      CHECK_NEAR(static_cast<double>(trainer.params.data[at]), theta[n], 1e-5);
      CHECK_NEAR(static_cast<double>(trainer.state.buf[at]), buf[n], 1e-5);
    });
  }
};
