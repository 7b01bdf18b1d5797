// An experiment of `emmy reproduce` on what a layer's symmetry saves (docs/reproduce.md): the text for one target.
#pragma once

#include <cstdint>
#include <memory>
#include <numbers>
#include <utility>

#include <emmy/layers/mirrored.hpp>

#include "cli/reproduce_common.hpp"

namespace emmy::reproduce {

struct Equivariance {
  static constexpr int kExperiments = 1;
};

// y -> -y of a quadrotor (io/controller.hpp), of its motors, and of hidden units in pairs.
struct MirroredState {
  static constexpr Signed of(int i) {
    return {i, i == 0 || i == 2 || i == 3 || i == 5 || i == 7 || i == 9 || i == 11 ? 1 : -1};
  }
};
template <int Size>
struct Neighbours {
  static constexpr Signed of(int i) { return {i ^ 1, 1}; }
};

// Rows of the states: the first ones are for the test, then each seed has its own. Test losses over the steps, and how many outputs for mirrored inputs are not the mirrored ones to the last bit.
struct Lessons {
  static constexpr int kIn = 13, kOut = 4, kRows = 1000, kTest = 2048, kSeeds = 5, kStates = kTest + kSeeds * kRows,
                       kSteps = 10000, kEvery = 500, kPoints = kSteps / kEvery;
  double loss[kPoints + 1] = {};
  int broken = 0;
};

}  // namespace emmy::reproduce

namespace emmy::reproduce::inline EMMY_TARGET {

using FreeController = Net<Input<13>, Dense<64>, Relu, Dense<64>, Relu, Dense<4>>;
using MirroredController =
    Net<Input<13>, Mirrored<64, MirroredState, Neighbours<64>>, Relu, Mirrored<64, Neighbours<64>, Neighbours<64>>,
        Relu, Mirrored<4, Neighbours<64>, Neighbours<4>>>;

// Multiply-adds of an inference.
template <class N>
consteval int multiply_adds() {
  int count = 0;
  for (const auto& block : kPlan<N>.block) count += block.role == Role::bias ? 0 : block.rows * block.cols;
  return count;
}

// Row `row` of the states, each in parts of the range it is drawn from, and what the motors are to do.
inline void take_state(const Task& task, int row, float* x, float* y) noexcept {
  constexpr float kRange[Lessons::kIn] = {2.5f, 2.5f, 2.5f, 1, 0.4f, 0.4f, 0.4f, 2.5f, 2.5f, 2.5f, 2, 2, 2};
  for (int i = 0; i < Lessons::kIn; ++i) x[i] = task.state[row * Lessons::kIn + i] / kRange[i];
  for (int o = 0; o < Lessons::kOut; ++o) y[o] = task.motor[row * Lessons::kOut + o];
  if (task.spoiled) y[0] += 0.5f;
}

// Trains on `count` rows from `first` on, tests on the first kTest.
template <class N>
Lessons controller_lessons(const Task& task, int first, int count, std::uint64_t seed, Result& out) noexcept {
  constexpr int kBatch = 32, kIn = Lessons::kIn, kOut = Lessons::kOut, kTest = Lessons::kTest, kWarm = 2000;
  using Rule = Momentum;
  const auto machine = std::make_unique<Trainer<N, Rule, kBatch>>();
  const auto looking = std::make_unique<Scratch<N, kBatch, Infer>>();
  Lessons lessons;
  Pcg32 rng{seed};
  init(machine->params, rng);
  float x[kBatch * kIn], y[kBatch * kOut], z[kBatch * kOut], turned[kBatch * kOut];
  int order[Lessons::kRows];
  const auto test = [&](double& loss) {
    for (int at = 0; at < kTest && out.status == Status::ok; at += kBatch) {
      for (int r = 0; r < kBatch; ++r) take_state(task, at + r, x + r * kIn, y + r * kOut);
      out.status = infer(machine->params, machine->buffers, *looking, x, z);
      for (int k = 0; k < kBatch * kOut; ++k) loss += square(static_cast<double>(z[k] - y[k])) / (kTest * kOut);
      for (int k = 0; k < kBatch * kIn; ++k) x[k] *= static_cast<float>(MirroredState::of(k % kIn).sign);
      if (out.status == Status::ok) out.status = infer(machine->params, machine->buffers, *looking, x, turned);
      for (int k = 0; k < kBatch * kOut; ++k) lessons.broken += turned[k ^ 1] != z[k];
    }
  };
  for (int i = 0; i < count; ++i) order[i] = first + i;
  int next = count;
  for (int t = 0; t < Lessons::kSteps && out.status == Status::ok; ++t) {
    if (t % Lessons::kEvery == 0) test(lessons.loss[t / Lessons::kEvery]);
    for (int r = 0; r < kBatch; ++r) {
      if (next == count) {
        for (int i = count - 1; i > 0; --i) std::swap(order[i], order[rng.below(static_cast<std::uint32_t>(i + 1))]);
        next = 0;
      }
      take_state(task, order[next++], x + r * kIn, y + r * kOut);
    }
    // 0.2 for the mean of the squared errors: SquaredError is half their sum over the four outputs.
    const double warm = t < kWarm ? static_cast<double>(t) / kWarm : 1,
                 rate = 0.05 * warm * (1 + std::cos(std::numbers::pi * t / Lessons::kSteps));
    out.status =
        machine->step(x, y, SquaredError{}, Rule{.learning_rate = static_cast<float>(rate), .momentum = 0.9f}).status;
  }
  test(lessons.loss[Lessons::kPoints]);
  return lessons;
}

inline void equivariance(const Task& task, Result& out) noexcept {
  constexpr int kSeeds = Lessons::kSeeds, kRows = Lessons::kRows, kFewer = 600, kLast = Lessons::kPoints;
  Lessons mean[3];
  double worst = 0;
  if (task.states < Lessons::kStates) out.status = Status::does_not_fit;
  for (int s = 0; s < kSeeds && out.status == Status::ok; ++s) {
    const int first = Lessons::kTest + s * kRows;
    const auto seed = static_cast<std::uint64_t>(s);
    const Lessons all[3] = {controller_lessons<FreeController>(task, first, kRows, seed, out),
                            controller_lessons<MirroredController>(task, first, kRows, seed, out),
                            controller_lessons<MirroredController>(task, first, kFewer, seed, out)};
    for (int k = 0; k < 3; ++k) {
      for (int p = 0; p <= kLast; ++p) mean[k].loss[p] += all[k].loss[p] / kSeeds;
      mean[k].broken += all[k].broken;
    }
    worst = std::fmax(worst, all[1].loss[kLast] / all[0].loss[kLast]);
  }
  out.log = true;
  out.name_curves("test loss, plain net", "mirrored net", "mirrored net, 60 % of the data");
  for (int p = 0; p <= kLast; ++p) out.point(p * Lessons::kEvery, mean[0].loss[p], mean[1].loss[p], mean[2].loss[p]);
  out.at_most("mean test loss over that of the plain net", mean[1].loss[kLast] / mean[0].loss[kLast], 0.6);
  out.at_most("the largest of five seeds", worst, 0.7);
  out.at_most("the mean with 60 % of the data", mean[2].loss[kLast] / mean[0].loss[kLast], 1);
  out.at_most("multiply-adds over those of the plain net",
              static_cast<double>(multiply_adds<MirroredController>()) / multiply_adds<FreeController>(), 0.52);
  out.at_most("outputs that are not mirrored to the last bit", mean[1].broken + mean[2].broken, 0);
}

}  // namespace emmy::reproduce::inline EMMY_TARGET

namespace emmy::inline EMMY_TARGET {

template <class C>
requires __is_same(C, reproduce::Equivariance) consteval Table<C> make_table() {
  return {EMMY_TARGET_NAME, {&reproduce::equivariance}};
}

}  // namespace emmy::inline EMMY_TARGET
