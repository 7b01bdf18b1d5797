// As many independent charges as there are conservation laws: docs/symmetries.md.
#include <emmy/symmetry/symmetries_of.hpp>

#include <emmy/layers/glu.hpp>
#include <tests/reference/lie_algebra.hpp>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and symmetries
using reference::Blocks;
using reference::LieAlgebra;
using reference::Residue;
using reference::Span;
using reference::Vector;

template <class... L>
using Of = Net<Scalar<double>, L...>;

Residue residue_of(Ratio r) { return Residue(r.numerator) * reference::inverse(r.denominator); }

// The gradient of the charge of one unit.
Vector gradient_of(const Charge& charge, int unit, const Blocks& theta, const PlannedBlock* blocks) {
  Vector g;
  for (int b = 0; b < static_cast<int>(theta.size()); ++b) {
    const reference::Values& weights = theta[static_cast<std::size_t>(b)];
    const std::size_t first = g.size(), cols = static_cast<std::size_t>(blocks[b].cols);
    g.resize(first + weights.size());
    for (int i = 0; i < charge.parts; ++i) {
      const ChargePart& part = charge.part[i];
      if (part.block != b) continue;
      for (std::size_t k = 0; k < weights.size(); ++k) {
        if (charge.unit_of(part, static_cast<int>(part.axis == Axis::row ? k / cols : k % cols)) != unit) continue;
        const Residue slope = part.power == 2 ? 2 * reference::residue_of(weights[k]) : Residue(1);
        g[first + k] = g[first + k] + residue_of(part.weight) * slope;
      }
    }
  }
  return g;
}

using Gradients = std::vector<Vector>;

template <class NetType, class Symmetry>
Gradients gradients_of(Symmetry symmetry, const Blocks& theta, bool softmax) {
  Gradients all;
  const auto charges = charges_of<NetType>(symmetry);
  for (const Charge& charge : charges.charge)
    for (int unit = 0; unit < charge.units; ++unit)
      if (softmax || !charge.of_loss) all.push_back(gradient_of(charge, unit, theta, kPlan<NetType>.block));
  return all;
}

int independent(const std::vector<Gradients>& symmetries, std::size_t without) {
  Span span;
  for (std::size_t s = 0; s < symmetries.size(); ++s)
    for (const Vector& gradient : symmetries[s])
      if (s != without) span.add(gradient);
  return span.dimension();
}

// A row of the table in docs/symmetries.md.
struct Row {
  int parameters, dimension, charges;
};

void check(const LieAlgebra& algebra, const std::vector<Gradients>& symmetries, Row row) {
  const int charges = independent(symmetries, symmetries.size());
  EXPECT_TRUE(algebra.closed());
  EXPECT_EQ(algebra.parameters() - algebra.dimension(), charges) << "a charge is missing, or depends on others";
  for (std::size_t s = 0; s < symmetries.size(); ++s) {
    for (const Vector& gradient : symmetries[s])
      for (const Vector& field : algebra.fields()) ASSERT_EQ(dot(gradient, field).value, 0u) << "symmetry " << s;
    EXPECT_LT(independent(symmetries, s), charges) << "nothing lacks without symmetry " << s;
  }
  EXPECT_EQ(algebra.parameters(), row.parameters);
  EXPECT_EQ(algebra.dimension(), row.dimension);
  EXPECT_EQ(charges, row.charges);
}

template <class NetType>
void count(Row row, bool softmax = false) {
  Blocks shape;
  for (const PlannedBlock& b : kPlan<NetType>.block) shape.emplace_back(static_cast<std::size_t>(b.rows * b.cols));
  const LieAlgebra algebra(reference::model_of<NetType>(), shape, softmax, 7);
  std::vector<Gradients> symmetries;
  const auto add = [&](auto symmetry) {
    const Gradients gradients = gradients_of<NetType>(symmetry, algebra.theta(), softmax);
    if (!gradients.empty()) symmetries.push_back(gradients);
  };
  [&]<class... Symmetry>(Symmetries<Symmetry...>) { (add(Symmetry{}), ...); }(symmetries_of<NetType>{});
  check(algebra, symmetries, row);
}

TEST(Count, Relu) { count<Of<Input<3>, Dense<4, NoBias>, Relu, Dense<2, NoBias>>>({20, 16, 4}); }
TEST(Count, ReluWithBiases) { count<Of<Input<3>, Dense<4>, Relu, Dense<2>>>({26, 22, 4}); }
TEST(Count, TwoHiddenRelu) {
  count<Of<Input<3>, Dense<3, NoBias>, Relu, Dense<3, NoBias>, Relu, Dense<2, NoBias>>>({24, 18, 6});
}
TEST(Count, TwoHiddenReluWithBiases) { count<Of<Input<3>, Dense<3>, Relu, Dense<3>, Relu, Dense<2>>>({32, 26, 6}); }
TEST(Count, Softmax) { count<Of<Input<3>, Dense<4>, Relu, Dense<3>>>({31, 22, 9}, true); }
TEST(Count, Conv) { count<Of<Input<4, 2>, Conv1d<3, 2>, Relu, Flatten, Dense<2>>>({35, 32, 3}); }
TEST(Count, LayerNorm) { count<Of<Input<2>, Dense<4>, emmy::LayerNorm<WithBias, 0>, Relu, Dense<2>>>({30, 22, 8}); }
TEST(Count, RmsNorm) { count<Of<Input<2>, Dense<4>, emmy::RmsNorm<NoBias, 0>, Relu, Dense<2>>>({26, 21, 5}); }
TEST(Count, SwiGlu) { count<Of<Input<3>, Glu<4>, Dense<2>>>({34, 30, 4}); }
TEST(Count, ExpUnits) { count<Of<Input<3>, Dense<4>, Exp, Dense<2>>>({26, 22, 4}); }

}  // namespace
