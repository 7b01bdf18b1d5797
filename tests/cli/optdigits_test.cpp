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

// Every constraint with its bars, and each row failing where nothing is constrained and one epoch is all.
TEST_F(Optdigits, EveryConstraint) {
  if (!has_target("avx2")) GTEST_SKIP() << "no AVX2";
  const Folder folder;
  const std::string out =
      expect_done({"reproduce", "--digits", EMMY_DATA "/optdigits", "--save", folder.path("models")});
  EXPECT_NE(out.find("9 of 9 experiments pass\n"), std::string::npos) << out;
  std::printf("%s", out.c_str());
  expect_done({"export", folder.path("models/blocks-2.model"), "--blocks", "--header", folder.path("model.hpp")});
  EXPECT_NE(folder.get("model.hpp").find("emmy::BlockSparse<32"), std::string::npos);
  const Outcome spoiled = emmy({"reproduce", "--digits", EMMY_DATA "/optdigits", "--seeds", "1", "--spoil"});
  EXPECT_EQ(spoiled.status, 1) << spoiled.err;
  EXPECT_NE(spoiled.out.find("0 of 9 experiments pass\n"), std::string::npos) << spoiled.out;
}

// 9,996 steps by each rule: what moves the balances of the hidden units and the sums of the logits' weights, and what is left
// unexplained (real_data.md section 4).
TEST_F(Optdigits, WhatMovesTheChargesByRule) {
  struct Run {
    double unexplained, discretisation, breaking, law, sums, loss;
  };
  const auto after = [](const std::string& text, const std::string& word, std::size_t from = 0) {
    const std::size_t at = text.find(word, from);
    return at == std::string::npos ? 0 : std::stod(text.substr(at + word.size()));
  };
  const auto run = [&](const Words& options) {
    const Folder folder;
    const std::string out = expect_done(Words{"train", "--data", kTrain, "--test", kTest, "--schedule", "constant",
                                              "--epochs", "42", "--report", folder.path("run")} +
                                        options);
    const std::string text = folder.get("run/report.txt");
    const std::size_t first = text.find("moved by "), second = text.find("; drift ", first);
    const std::string moved = text.substr(first, text.find('\n', first) - first);
    double loss = 0;
    for (std::size_t at = out.find("  loss "); at != std::string::npos; at = out.find("  loss ", at + 1))
      loss += after(out, "  loss ", at) / 42;
    return Run{after(moved, "rounding ") + after(moved, "unmeasured "),
               after(moved, "discretisation "),
               after(moved, "breaking "),
               after(text, "eta^2 B(buf', buf') "),
               after(text, " in all, ", second),
               loss};
  };
  const Run sgd = run({"--momentum", "0"}), heavy = run({"--learning-rate", "0.005"}), adam = run({"--rule", "adam"}),
            shared = run({"--rule", "adam-shared"}), nesterov = run({"--rule", "nesterov", "--learning-rate", "0.005"}),
            decoupled = run({"--rule", "momentum-decoupled", "--learning-rate", "0.005", "--decay", "0.001"}),
            clipped = run({"--rule", "momentum-clipped", "--learning-rate", "0.005"}),
            rmsprop = run({"--rule", "rmsprop"}), lion = run({"--rule", "lion"}), sign = run({"--rule", "sign"});
  const std::pair<const char*, Run> all[] = {
      {"sgd", sgd},   {"momentum", heavy},  {"nesterov", nesterov},  {"momentum-decoupled", decoupled},
      {"adam", adam}, {"rmsprop", rmsprop}, {"adam-shared", shared}, {"momentum-clipped", clipped},
      {"lion", lion}, {"sign", sign}};
  for (const auto& [name, r] : all) EXPECT_LE(r.unexplained, 0.1) << name;
  EXPECT_GE(sgd.discretisation, 99.9);
  EXPECT_NEAR(heavy.law, 5.3, 0.5);
  EXPECT_GE(adam.breaking, 80);
  EXPECT_LE(shared.breaking, 1e-3);
  EXPECT_LE(shared.loss, adam.loss);
  for (const Run& r : {sgd, heavy, nesterov, shared}) EXPECT_LT(r.sums, 1e-3);
  for (const Run& r : {adam, rmsprop, lion, sign, clipped}) EXPECT_GT(r.sums, 1);
  for (const auto& [name, r] : all)
    std::printf(
        "%s: discretisation %.3g %%, breaking %.3g %%, unexplained %.2g %%, law %.3g %%, sums moved %.2g, mean "
        "loss %.4f\n",
        name, r.discretisation, r.breaking, r.unexplained, r.law, r.sums, r.loss);
}

}  // namespace
}  // namespace emmy::cli
