// The accuracy bars on real digits (optdigits), skipped where the files are missing.
#include <numeric>

#include "command.hpp"

namespace emmy::cli {
namespace {

constexpr const char* kSeeds[] = {"1", "2", "3"};

class Optdigits : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (const std::string& file : {kTrain, kTest})
      if (!std::filesystem::exists(file)) {
        std::printf("SKIPPED: ../shared/data/optdigits is not here\n");
        std::fflush(stdout);
        std::_Exit(77);
      }
  }
  static Json digits(const Words& words) {
    Json j = trained(Words{"--data", kTrain, "--test", kTest} + words);
    expect_sound_books(j);
    return j;
  }
  static double mean(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  }

  static inline const std::string kTrain = EMMY_DATA "/optdigits/optdigits.tra",
                                  kTest = EMMY_DATA "/optdigits/optdigits.tes";
};

// 20 epochs at the defaults, on every target that this CPU has.
TEST_F(Optdigits, Dense) {
  for (const char* target : {"scalar", "sse4", "avx2", "avx3"}) {
    if (!has_target(target)) {
      std::printf("dense, %s: not here\n", target);
      continue;
    }
    std::vector<double> accuracy;
    for (const char* seed : kSeeds) {
      const Json j = digits({"--seed", seed, "--target", target});
      EXPECT_EQ(j.at("target"), target);
      accuracy.push_back(j.at("test_accuracy"));
      EXPECT_GE(accuracy.back(), 0.955) << target << ", seed " << seed;
    }
    EXPECT_GE(mean(accuracy), 0.958) << target;
    std::printf("dense, %s: test accuracy %.2f, %.2f, %.2f %%, mean %.2f %%\n", target, 100 * accuracy[0],
                100 * accuracy[1], 100 * accuracy[2], 100 * mean(accuracy));
  }
}

TEST_F(Optdigits, Units) {
  std::vector<double> removed;
  for (const char* seed : kSeeds) {
    const Json j = digits({"--constraint", "units", "--strength", "0.005", "--epochs", "60", "--seed", seed}),
               c = j.at("constraint");
    removed.push_back(c.at("removed"));
    std::printf(
        "units, seed %s: %d of 32 removed, %d alive before, worst margin %.3f, test accuracy %.2f %%, folded to %d\n",
        seed, c.at("removed").get<int>(), c.at("removed_alive").get<int>(), c.at("worst_margin").get<double>(),
        100 * j.at("test_accuracy").get<double>(), c.at("folded_hidden").get<int>());
    EXPECT_GE(removed.back(), 12);
    EXPECT_GE(c.at("removed_alive").get<int>(), 5);
    EXPECT_GE(j.at("test_accuracy").get<double>(), 0.955);
    EXPECT_EQ(c.at("fine_tune_epochs"), 0);
    EXPECT_EQ(c.at("folded_different"), 0);
    EXPECT_EQ(c.at("changed_by_removal"), 0);
    EXPECT_GE(c.at("worst_margin").get<double>(), 0.3);
    EXPECT_LE(c.at("folded_hidden").get<double>(), 32 - removed.back());
  }
  EXPECT_GE(mean(removed), 15);
}

TEST_F(Optdigits, Sparse) {
  for (const char* seed : kSeeds) {
    const Json dense = digits({"--epochs", "65", "--learning-rate", "0.1", "--seed", seed}),
               j = digits({"--constraint", "sparse", "--strength", "0.0005", "--learning-rate", "0.1", "--epochs", "60",
                           "--fine-tune", "5", "--seed", seed}),
               c = j.at("constraint");
    const double of_dense = dense.at("test_accuracy"), tuned = c.at("accuracy_fine_tuned");
    std::printf(
        "sparse, seed %s: %.1f %% of the multiply-adds, test accuracy %.2f %% (dense %.2f %%), %d of %d zeroed weights "
        "certified\n",
        seed, 100 * c.at("multiply_adds").get<double>(), 100 * tuned, 100 * of_dense, c.at("removed").get<int>(),
        c.at("collapsed").get<int>());
    EXPECT_LE(c.at("multiply_adds").get<double>(), 0.34);
    EXPECT_GE(tuned, of_dense - 0.007);
    EXPECT_GE(c.at("certified_share").get<double>(), 0.95);
    EXPECT_EQ(c.at("uncertified").size(), c.at("collapsed").get<std::size_t>() - c.at("removed").get<std::size_t>());
  }
}

}  // namespace
}  // namespace emmy::cli
