// The same, for whichever CPU the program meets.
#include <cstdio>

#include "nets.hpp"

constinit emmy::Trainer<app::Net, emmy::Momentum, 2> trainer{};

int main() {
  const float x[8] = {1, 0, 1, 0, 0, 1, 0, 1};
  const int labels[2] = {0, 1};
  emmy::Pcg32 rng{42};
  emmy::init(trainer.params, rng);
  const auto* table = emmy::find_table<app::Config>(nullptr);
  const emmy::Momentum rule{.learning_rate = 0.1f, .momentum = 0.9f};
  emmy::NoLedger none;
  float loss = 1;
  for (int step = 0; step < 100; ++step) loss = table->step(trainer, x, labels, rule, none).loss;
  std::printf("%s %s\n", loss < 0.1f ? "works" : "has not learnt", table->target);
}
