// emmy/layers/frozen.hpp: the layer computes as it does, its weights stay, and training stores nothing for them.
#include <emmy/layers/frozen.hpp>

#include <emmy/train/trainer.hpp>

#include <tests/train/fixture.hpp>

#include <type_traits>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>

#include <cstring>

namespace {

using emmy::Dense;
using emmy::Frozen;
using emmy::Input;
using emmy::Layer;
using emmy::Relu;

TEST(Frozen, BetweenLayersThatTrain) {
  support::check_net<4, Input<6>, Dense<9>, Relu, Frozen<Dense<5>>, Relu, Dense<3>>(31);
}
TEST(Frozen, First) { support::check_net<4, Input<6>, Frozen<Dense<9>>, Relu, Dense<5>, Relu, Dense<3>>(32); }
TEST(Frozen, Last) {
  support::check_net<4, Input<6>, Dense<9>, Relu, Dense<5>, Relu, Frozen<Dense<3, emmy::NoBias>>>(33);
}

// The plan does not carry deltas to where no weight needs them.
TEST(Frozen, NeedsNoDeltaBelow) {
  using Net = emmy::Net<Input<6>, Frozen<Dense<9>>, Relu, Frozen<Dense<5>>, Relu, Dense<3>>;
  constexpr auto& plan = emmy::kPlan<Net>;
  static_assert(!plan.needs_delta[0] && !plan.needs_delta[1] && !plan.needs_delta[3] && plan.needs_delta[5]);
  static_assert(!plan.block[0].trained && !plan.block[1].trained && plan.block[4].trained);
  SUCCEED();
}

TEST(Frozen, WeightsKeepTheirBitsWhileTheOthersTrain) {
  using Net = emmy::Net<Input<6>, Dense<9>, Relu, Frozen<Dense<5>>, Relu, Dense<3>>;
  static emmy::Trainer<Net, emmy::Momentum, 4> trainer{};
  support::Random random(34);
  auto blocks = reference::read_blocks<Net>(trainer.params.data);
  for (auto& block : blocks) {
    for (double& v : block) v = 0.7 * random();
  }
  reference::write_blocks<Net>(blocks, trainer.params.data);
  float x[4 * 6];
  for (float& v : x) v = static_cast<float>(random());
  const int labels[] = {0, 1, 2, 0};
  const auto before = reference::read_blocks<Net>(trainer.params.data);
  const emmy::Momentum rule{.learning_rate = 0.1f, .momentum = 0.9f, .weight_decay = 0.01f};
  float first = 0, last = 0;
  for (int s = 0; s < 50; ++s) {
    const auto [status, loss] = trainer.step(x, labels, emmy::CrossEntropy{}, rule);
    ASSERT_EQ(status, emmy::Status::ok);
    if (s == 0) first = loss;
    last = loss;
  }
  EXPECT_LT(last, 0.5f * first);
  const auto after = reference::read_blocks<Net>(trainer.params.data);
  constexpr auto& plan = emmy::kPlan<Net>;
  for (int b = 0; b < plan.kBlocks; ++b) {
    const auto k = static_cast<std::size_t>(b);
    if (plan.block[b].trained) EXPECT_NE(after[k], before[k]) << b;
    else EXPECT_EQ(after[k], before[k]) << b;
  }
}

// Nothing below the first layer that trains has a delta, so its units have no charge; the ledger must not read one.
TEST(FrozenFirst, IsNotWatchedAndRaisesNoAlarm) {
  using N =
      emmy::Net<emmy::Input<7>, emmy::Frozen<emmy::Dense<9>>, emmy::Relu, emmy::Dense<5>, emmy::Relu, emmy::Dense<3>>;
  static_assert(std::is_same_v<emmy::symmetries_of<N>,
                               emmy::Symmetries<emmy::Rescaling<emmy::Layer<3>>, emmy::Translation<emmy::Layer<4>>>>);
  emmy::Trainer<N, emmy::Momentum, 4> trainer{};
  emmy::Ledger<N> ledger{};
  fixture::Data<N, 4> data{};
  emmy::Pcg32 rng{107};
  fixture::randomise(trainer.params, rng, 0.8);
  for (int k = 0; k < 50; ++k) {
    data.refill(rng, false);
    ASSERT_EQ(
        trainer.step(data.x, data.label, emmy::CrossEntropy{}, emmy::Momentum{0.05f, 0.9f, 1e-3f, 0.0f}, ledger).status,
        emmy::Status::ok);
    ASSERT_LE(ledger.health(), 1.0f) << k;
  }
  EXPECT_GT(ledger.worst_health(), 0.0f);
}

}  // namespace
