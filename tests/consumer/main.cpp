// A user's program: learns to tell two vectors apart.
#include <cstdio>

#include "nets.hpp"

constinit emmy::Trainer<app::Net, emmy::Momentum, 2> trainer{};

int main() {
  const float x[8] = {1, 0, 1, 0, 0, 1, 0, 1};
  const int labels[2] = {0, 1};
  emmy::Pcg32 rng{42};
  emmy::init(trainer.params, rng);
  const emmy::Momentum rule{.learning_rate = 0.1f, .momentum = 0.9f};
  float loss = 1;
  for (int step = 0; step < 100; ++step) {
    const auto result = trainer.step(x, labels, emmy::CrossEntropy{}, rule);
    if (result.status != emmy::Status::ok) return 1;
    loss = result.loss;
  }
  std::puts(loss < 0.1f ? "works" : "has not learnt");
}
