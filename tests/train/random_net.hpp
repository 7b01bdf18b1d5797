// A net with drawn weights on a drawn batch, its loss and gradient, and what holds of any: slopes, charges, budgets.
#pragma once

#include <cmath>

#include <gtest/gtest.h>

#include <emmy/train/verbs.hpp>
#include <tests/train/fixture.hpp>

namespace fixture {

template <class N>
struct RandomNet : testing::Test {
  using Real = typename N::scalar;
  static constexpr int kBatch = 4;
  emmy::Params<N> params{};
  emmy::Buffers<N> buffers{};
  emmy::Scratch<N, kBatch, emmy::Train<emmy::BasicSgd<Real>>> scratch{};
  emmy::Gradient<N> g{};
  Data<N, kBatch> data{};
  emmy::Pcg32 rng{47};

  void SetUp() override {
    randomise(params, rng, 0.9);
    data.refill(rng, false);
  }
  Real loss() {
    const auto r = emmy::gradient<false>(params, buffers, scratch, data.x, data.values, emmy::SquaredError{}, kBatch,
                                         Real(1) / Real(kBatch), g);
    EXPECT_EQ(r.status, emmy::Status::ok);
    return r.loss;
  }

  // The gradient of every parameter is the slope of the loss; where a kink lies between the two losses nothing is asked.
  void expect_slopes() {
    const double step = sizeof(Real) == 4 ? 0x1p-9 : 0x1p-20, tolerance = sizeof(Real) == 4 ? 3e-3 : 1e-7;
    loss();
    const auto expected = g;
    int kinks = 0, checked = 0;
    for (const auto& block : emmy::kPlan<N>.block)
      for (int row = 0; row < block.rows; ++row)
        for (int col = 0; col < block.cols; ++col) {
          const int index = block.at(row, col);
          Real& weight = params.data[index];
          const Real kept = weight;
          weight = kept + Real(step);
          const double up = static_cast<double>(loss());
          weight = kept - Real(step);
          const double down = static_cast<double>(loss());
          weight = kept;
          const double at = static_cast<double>(loss()), own = static_cast<double>(expected.data[index]);
          ++checked;
          if (std::fabs(up - 2 * at + down) > 40 * step * step) ++kinks;
          else EXPECT_NEAR((up - down) / (2 * step), own, tolerance * (1 + std::fabs(own))) << block.node;
        }
    EXPECT_LE(kinks * 10, checked);
  }

  // Sum of weight <gradient, theta> of every unit of every charge of the net is 0.
  void expect_charges() {
    constexpr auto& charges = emmy::kCharges<N, emmy::WatchAll>;
    const double tolerance = sizeof(Real) == 4 ? 5e-7 : 1e-14;
    for (int state = 0; state < 100; ++state) {
      randomise(params, rng, 0.9);
      data.refill(rng, false);
      loss();
      for (const emmy::Charge& charge : charges.charge) {
        if (charge.of_loss) continue;
        double worst = 0, scale = 0;
        for (int unit = 0; unit < charge.units; ++unit) {
          double sum = 0, size = 0;
          for (int p = 0; p < charge.parts; ++p) {
            const emmy::ChargePart& part = charge.part[p];
            const auto& block = emmy::kPlan<N>.block[part.block];
            const double weight = static_cast<double>(part.weight.numerator) / part.weight.denominator;
            for (int i = 0; i < block.rows; ++i)
              for (int o = 0; o < block.cols; ++o) {
                if (charge.unit_of(part, part.axis == emmy::Axis::row ? i : o) != unit) continue;
                const int at = block.at(i, o);
                const double term = weight * static_cast<double>(g.data[at]) * static_cast<double>(params.data[at]);
                sum += term;
                size += std::fabs(term);
              }
          }
          worst = std::fmax(worst, std::fabs(sum));
          scale = std::fmax(scale, size);
        }
        EXPECT_LE(worst, tolerance * scale) << charge.incoming_node << " to " << charge.outgoing_node;
      }
    }
  }

  // A hundred steps with a ledger close.
  void expect_budgets() {
    emmy::Trainer<N, emmy::BasicMomentum<Real>, kBatch> trainer{};
    trainer.params = params;
    emmy::Ledger<N> ledger{};
    for (int k = 0; k < 100; ++k) {
      data.refill(rng, false);
      ASSERT_EQ(trainer
                    .step(data.x, data.values, emmy::SquaredError{},
                          emmy::BasicMomentum<Real>{Real(.01), Real(.9), Real(1e-3)}, ledger)
                    .status,
                emmy::Status::ok);
      ASSERT_LE(ledger.health(), 1) << k;
    }
    EXPECT_GT(ledger.worst_health(), 0);
  }
};

}  // namespace fixture
