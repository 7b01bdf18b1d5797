// What `emmy bench` and bench/compare rest on: the check finds programs that compute something else, spreads are those
// of order statistics, heap use is counted.
#include <gtest/gtest.h>

#include <timing/check.hpp>
#include <timing/emmy_program.hpp>
#include <timing/rows.hpp>

#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace emmy::timing {
namespace {

constexpr const Workload& kNet = kW1<4>;
using Right = EmmyProgram<kNet>;

bool passes(const Opponent& o) { return agrees(check(o, Data(*o.workload))); }

TEST(Check, RightPrograms) {
  EXPECT_TRUE(passes(Right::row<true>()));
  EXPECT_TRUE(passes(EmmyProgram<kW2<1>>::row<true>()));
  EXPECT_TRUE(passes(EmmyProgram<kW5<1>>::row<true>()));
  EXPECT_TRUE((passes(EmmyProgram<kNet, NoLedger, Rule::momentum>::row<true>())));
  EXPECT_TRUE((passes(EmmyProgram<kNet, NoLedger, Rule::nesterov>::row<true>())));
}

TEST(Check, WrongPrograms) {
  const Opponent right = Right::row<true>();
  Opponent o = right;
  o.rule = Rule::momentum;  // says so, but is not
  EXPECT_FALSE(passes(o));
  o = EmmyProgram<kNet, NoLedger, Rule::nesterov>::row<true>();
  o.rule = Rule::momentum;
  EXPECT_FALSE(passes(o));
  o = right;
  o.step = [](const Batch& b) { return Right::step(b) * 1.0001f; };
  EXPECT_FALSE(passes(o));
  o.step = [](const Batch& b) { return Right::step(b), std::numeric_limits<float>::quiet_NaN(); };
  EXPECT_FALSE(passes(o));
  o = right;
  o.infer = [](const float* x, float* y) { Right::infer(x, y), y[kNet.batch - 1] += 1e-3f; };
  EXPECT_FALSE(passes(o));
  o = right;
  o.read = [](float* w) { Right::read(w), w[kNet.weights() - 1] += 1e-3f; };
  EXPECT_FALSE(passes(o));
  o.read = [](float* w) { Right::read(w), w[0] = std::numeric_limits<float>::quiet_NaN(); };
  EXPECT_FALSE(passes(o));
  using Convolution = EmmyProgram<kW5<1>>;
  o = Convolution::row<true>();
  o.read = [](float* w) { Convolution::read(w), std::swap(w[0], w[6]); };  // two positions of one channel
  EXPECT_FALSE(passes(o));
}

// A kernel of 3 x 3 matrices; Wrong: A instead of its transpose.
inline constexpr Workload kProduct{"gemm_tn3",          "C = A' B",     1, 0, {3}, Activation::none,
                                   Loss::squared_error, Kernel::gemm_tn};
float operands[18];
template <bool Wrong>
void multiplied(float* c) {
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      c[3 * i + j] = 0;
      for (int k = 0; k < 3; ++k) c[3 * i + j] += operands[Wrong ? 3 * i + k : 3 * k + i] * operands[9 + 3 * k + j];
    }
}
TEST(Check, Kernels) {
  Opponent o{"loops",           &kProduct, [](const float* given) { std::copy_n(given, 18, operands); },
             multiplied<false>, nullptr,   [](const float*, float*) {}};
  EXPECT_TRUE(passes(o));
  o.read = multiplied<true>;
  EXPECT_FALSE(passes(o));
}

TEST(Rounds, Spread) {
  std::vector<double> values;
  for (int i = 21; i > 0; --i) values.push_back(i);
  const Spread s =
      spread(values);  // the 6th and the 16th hold the median in 97 % of cases, the 7th and the 15th in 92 %
  EXPECT_EQ(s.median, 11);
  EXPECT_EQ(s.low, 6);
  EXPECT_EQ(s.high, 16);
  EXPECT_EQ(spread({5}).low, 5);
}

TEST(Rounds, HeapUseAndRow) {
  static void* volatile held = nullptr;  // or the compiler sees that nobody needs the memory
  Opponent greedy = Right::row<true>();
  greedy.infer = [](const float* x, float* y) {
    held = std::malloc(40);
    std::free(held);
    Right::infer(x, y);
  };
  const Opponent right = Right::row<true>();
  const Data data(kNet);
  const std::vector<Result> results = run_rounds({&right, &greedy}, data, false, 2);
  EXPECT_EQ(results[0].heap.calls, 0);
  EXPECT_EQ(results[0].heap.bytes, 0);
  EXPECT_EQ(results[1].heap.calls, 1);
  EXPECT_EQ(results[1].heap.bytes, 40);
  greedy.name = "greedy";
  greedy.backend = {};
  const auto row = nlohmann::json::parse(json_row(results[0], results[0], results, false, "scalar", 1.0));
  EXPECT_EQ(row.at("workload"), "W1");
  EXPECT_EQ(row.at("batch"), 4);
  EXPECT_EQ(row.at("mode"), "infer");
  EXPECT_EQ(row.at("variant"), "default");
  EXPECT_EQ(row.at("opponents").size(), 1u);
  const auto& ratios = row.at("opponents").at("greedy");
  EXPECT_LE(ratios.at("ratio_low"), ratios.at("ratio_median"));
  EXPECT_LE(ratios.at("ratio_median"), ratios.at("ratio_high"));
}

}  // namespace
}  // namespace emmy::timing
