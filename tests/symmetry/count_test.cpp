// As many independent charges as there are conservation laws: docs/symmetries.md.
#include <emmy/symmetry/balance.hpp>
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

// The gradient of the sum over parts of weight times the product of lines i and j: of the charge of a unit, i = j, or of an
// entry of a balance matrix.
Vector gradient_of(const Charge& charge, int i, int j, const Blocks& theta, const PlannedBlock* blocks) {
  Vector g;
  for (int b = 0; b < static_cast<int>(theta.size()); ++b) {
    const int cols = blocks[b].cols;
    const reference::Values& weights = theta[static_cast<std::size_t>(b)];
    const std::size_t first = g.size();
    g.resize(first + weights.size());
    for (int p = 0; p < charge.parts; ++p) {
      const ChargePart& part = charge.part[p];
      if (part.block != b) continue;
      const bool by_row = part.axis == Axis::row;
      const int apart = (j - i) * (by_row ? cols : 1);
      const auto add = [&](int to, int other) {
        Residue& slope = g[first + static_cast<std::size_t>(to)];
        slope = slope + residue_of(part.weight) *
                            reference::residue_of(part.power == 2 ? weights[static_cast<std::size_t>(other)] : 0.5);
      };
      if (part.count > 0) {  // some rows, or columns of a bias
        const bool of_bias = blocks[b].role == Role::bias;
        const int lines = of_bias ? 1 : part.count, from = part.first * (of_bias ? 1 : cols);
        for (int k = 0; k < (by_row ? cols : lines); ++k) {
          const int at = from + (by_row ? i * cols + k : k * cols + i);
          add(at, at + apart);
          add(at + apart, at);
        }
        continue;
      }
      for (int k = 0; k < blocks[b].rows * cols; ++k) {
        if (charge.unit_of(part, by_row ? k / cols : k % cols) != i) continue;
        add(k, k + apart);
        add(k + apart, k);
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
      if (softmax || !charge.of_loss) all.push_back(gradient_of(charge, unit, unit, theta, kPlan<NetType>.block));
  return all;
}
template <class NetType, class Site>
Gradients gradients_of(Balance<Site> balance, const Blocks& theta, bool) {
  Gradients all;
  const Charge matrix = matrix_of<NetType>(balance);
  for (int i = 0; i < matrix.units; ++i)
    for (int j = 0; j <= i; ++j) {
      if (matrix.by_plane && (i != j || i % 2 != 0)) continue;
      all.push_back(gradient_of(matrix, i, j, theta, kPlan<NetType>.block));
      if (!matrix.by_plane) continue;
      const Vector odd = gradient_of(matrix, i + 1, i + 1, theta, kPlan<NetType>.block);
      for (std::size_t k = 0; k < odd.size(); ++k) all.back()[k] = all.back()[k] + odd[k];
    }
  return all;
}

int independent(const std::vector<Gradients>& sites, std::size_t without) {
  Span span;
  for (std::size_t s = 0; s < sites.size(); ++s)
    for (const Vector& gradient : sites[s])
      if (s != without) span.add(gradient);
  return span.dimension();
}

// A row of the table in docs/symmetries.md.
struct Row {
  int parameters, dimension, charges;
};

void check(const LieAlgebra& algebra, const std::vector<Gradients>& sites, Row row) {
  const int charges = independent(sites, sites.size());
  EXPECT_TRUE(algebra.closed());
  EXPECT_EQ(algebra.parameters() - algebra.dimension(), charges) << "a charge is missing, or depends on others";
  for (std::size_t s = 0; s < sites.size(); ++s) {
    for (const Vector& gradient : sites[s])
      for (const Vector& field : algebra.fields()) ASSERT_EQ(dot(gradient, field).value, 0u) << "site " << s;
    EXPECT_EQ(independent(sites, s) < charges, !sites[s].empty()) << "nothing lacks without site " << s;
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
  std::vector<Gradients> sites(NetType::kNodes);
  const auto add = [&](auto symmetry) {
    Gradients& site = sites[static_cast<std::size_t>(kNodeOf<NetType, typename decltype(symmetry)::site>)];
    for (const Vector& g : gradients_of<NetType>(symmetry, algebra.theta(), softmax)) site.push_back(g);
  };
  const auto add_all = [&]<class... Symmetry>(Symmetries<Symmetry...>) { (add(Symmetry{}), ...); };
  add_all(symmetries_of<NetType>{});
  add_all(balances_of<NetType>{});
  check(algebra, sites, row);
}

TEST(Count, TwoLinear) { count<Of<Input<3>, Dense<2, NoBias>, Dense<3, NoBias>>>({12, 9, 3}); }
TEST(Count, ThreeLinear) { count<Of<Input<3>, Dense<2, NoBias>, Dense<2, NoBias>, Dense<3, NoBias>>>({16, 10, 6}); }
TEST(Count, ThreeLinearWithBiases) { count<Of<Input<3>, Dense<2>, Dense<2>, Dense<3>>>({23, 17, 6}); }
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
TEST(Count, BatchNorm) { count<Of<Input<2>, Dense<4>, emmy::BatchNorm<WithBias, 0>, Relu, Dense<2>>>({30, 18, 12}); }
TEST(Count, WeightNorm) { count<Of<Input<3>, Parametrized<Dense<4>, WeightNorm>, Relu, Dense<2>>>({30, 22, 8}); }
TEST(Count, SwiGlu) { count<Of<Input<3>, Glu<4>, Dense<2>>>({34, 30, 4}); }
TEST(Count, Attention) { count<Of<Input<3, 2>, Attention<1, 2>>>({24, 16, 8}); }
TEST(Count, AttentionBetweenUnits) {
  count<Of<Input<3, 2>, Dense<2>, Relu, Attention<2, 1, Causal>, Relu, Dense<1>>>({33, 23, 10});
}
TEST(Count, Rope) { count<Of<Input<3, 2>, Attention<1, 2, Rope<>>>>({24, 20, 4}); }
TEST(Count, ExpUnits) { count<Of<Input<3>, Dense<4>, Exp, Dense<2>>>({26, 22, 4}); }

}  // namespace
