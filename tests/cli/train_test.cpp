// emmy train: what it prints and writes, on digits that Emmy draws.
#include <cli/nets.hpp>

#include "command.hpp"

namespace emmy::cli {
namespace {

constexpr const char* kTargets[] = {"scalar", "sse4", "avx2", "avx3"};
constexpr const char* kBytes[] = {"params", "buffers", "state", "scratch", "trainer", "ledger"};

template <class C>
std::vector<std::size_t> sizes() {
  using T = typename Table<C>::TrainerType;
  return {sizeof(T::params), kPlan<typename C::Net>.buffers > 0 ? sizeof(T::buffers) : 0,
          sizeof(T::state),  sizeof(T::scratch),
          sizeof(T),         sizeof(typename C::Ledger)};
}

// The RAM line of the output and the bytes of the JSON against sizeof.
template <class C>
void expect_sizes(const std::string& out, const Json& j) {
  const auto n = sizes<C>();
  for (std::size_t i = 0; i < n.size(); ++i)
    EXPECT_EQ(j.at("bytes").at(kBytes[i]).template get<std::size_t>(), n[i]) << kBytes[i];
  std::string line = std::string("RAM: params ") + std::to_string(n[0]) + " B, buffers " + std::to_string(n[1]) +
                     " B, state " + std::to_string(n[2]) + " B, scratch " + std::to_string(n[3]) + " B, together " +
                     std::to_string(n[4]) + " B; ledger " + std::to_string(n[5]) + " B\n";
  EXPECT_NE(out.find(line), std::string::npos) << line << out;
}

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

TEST(Train, DefaultRunReachesTheBarAndReports) {
  const Folder folder;
  for (const char* seed : {"1", "2", "3"}) {
    const std::string out = expect_done({"train", "--seed", seed, "--json", folder.path("j")});
    const Json j = folder.json("j");
    const double accuracy = j.at("test_accuracy");
    std::printf("drawn digits, 20 epochs, seed %s: test accuracy %.2f %%, train loss %.4f\n", seed, 100 * accuracy,
                j.at("train_loss").get<double>());
    EXPECT_GE(accuracy, 0.94);
    EXPECT_LE(accuracy, 1);
    EXPECT_GT(j.at("train_loss").get<double>(), 0);
    EXPECT_LT(j.at("train_loss").get<double>(), 0.2);
    EXPECT_EQ(j.at("epochs"), 20);
    EXPECT_EQ(j.at("steps"), 20 * (4000 / 16));
    EXPECT_EQ(j.at("constraint").at("kind"), "none");
    EXPECT_EQ(symmetries(j), (Words{"Rescaling<Layer<1>>", "Translation<Layer<2>>"}));
    expect_sound_books(j);
    expect_sizes<app::Dense16>(out, j);
    EXPECT_EQ(times(out, "epoch "), 20U) << out;
    for (const char* part : {"4000 training rows, 1000 test rows", "Rescaling<Layer<1>>: 32 charges",
                             "Translation<Layer<2>>: 33 charges", "of its rounding bound", "us a step"})
      EXPECT_NE(out.find(part), std::string::npos) << part << "\n" << out;
    char last[64];
    std::snprintf(last, sizeof last, "test accuracy %.2f %% (", 100 * accuracy);
    EXPECT_NE(out.find(last), std::string::npos) << last << "\n" << out;
  }
}

// From far too low a rate, without tuning.
TEST(Train, AGovernorFindsTheRate) {
  const Folder folder;
  const std::string out = expect_done({"train", "--governor", "--json", folder.path("j")});
  const Json j = folder.json("j");
  const double accuracy = j.at("test_accuracy"), rate = j.at("governed_rate");
  std::printf("governed from 0.0001: test accuracy %.2f %%, learning rate %.3g\n", 100 * accuracy, rate);
  EXPECT_GE(accuracy, 0.94);
  EXPECT_GT(rate, 0.02);
  EXPECT_LT(rate, 2);
  expect_sound_books(j);
  EXPECT_EQ(times(out, "  governed rate "), 20U) << out;
}

// Each batch tells of its own labels, wrong ones too; and too few steps are none.
TEST(Train, AGovernorThatLearntNothingSaysSo) {
  for (const Words& words : {Words{"--label-noise", "0.5"}, Words{"--batch", "64", "--epochs", "2"}}) {
    const Outcome o = emmy(Words{"train", "--governor"} + words);
    EXPECT_EQ(o.status, 0);
    EXPECT_NE(o.err.find("the governed rate needs"), std::string::npos) << shown(words) << o.out << o.err;
  }
}

TEST(Train, EveryBatchSizeHasItsOwnMemory) {
  const Folder folder;
  const auto check = [&]<class C>(C, const char* batch, const char* rate, double bar) {
    const std::string out =
        expect_done({"train", "--epochs", "3", "--batch", batch, "--learning-rate", rate, "--json", folder.path("j")});
    const Json j = folder.json("j");
    expect_sizes<C>(out, j);
    expect_sound_books(j);
    EXPECT_EQ(j.at("steps"), 3 * (4000 / C::kBatch));
    EXPECT_GE(j.at("test_accuracy").get<double>(), bar);
  };
  check(app::Dense1{}, "1", "0.005", 0.9);
  check(app::Dense16{}, "16", "0.05", 0.9);
  check(app::Dense64{}, "64", "0.1", 0.8);
}

TEST(Train, EveryTargetLearnsTheSame) {
  const Folder folder;
  std::vector<double> accuracies;
  for (const char* target : kTargets) {
    if (!has_target(target)) {
      std::printf("target %s: not here, must be refused\n", target);
      expect_refused({"train", "--target", target, "--json", folder.path("refused")},
                     std::string("no target '") + target + "'", folder);
      continue;
    }
    const Words words = {"train", "--epochs", "4", "--target", target, "--json", folder.path("j")};
    const std::string out = expect_done(words, "nonsense, which --target overrides");
    const Json j = folder.json("j");
    EXPECT_EQ(j.at("target"), target);
    EXPECT_EQ(j.at("backend"), std::string(target) == "scalar" ? "scalar" : "highway");
    EXPECT_NE(out.find(std::string("target ") + std::string(target) + " (" + j.at("backend").get<std::string>() + ")"),
              std::string::npos)
        << out;
    expect_sizes<app::Dense16>(out, j);
    expect_sound_books(j);
    accuracies.push_back(j.at("test_accuracy"));
    std::printf("target %s: test accuracy %.2f %%\n", target, 100 * accuracies.back());
  }
  const auto [low, high] = std::minmax_element(accuracies.begin(), accuracies.end());
  EXPECT_LE(*high - *low, 0.01);
  EXPECT_GE(*low, 0.9);
}

TEST(Train, TargetComesFromTheEnvironmentOrIsTheBest) {
  const Folder folder;
  std::string best;
  for (const char* target : kTargets)
    if (has_target(target)) {
      best = target;
      EXPECT_EQ(trained({"--epochs", "1"}, target).at("target"), target);
    }
  EXPECT_EQ(trained({"--epochs", "1"}).at("target"), best);
  const Outcome o = emmy({"train", "--json", folder.path("j")}, "avx9");
  EXPECT_EQ(o.status, 2);
  EXPECT_NE(o.err.find("no target 'avx9'"), std::string::npos) << o.err;
  EXPECT_EQ(folder.files(), 0);
}

TEST(Train, TwoRunsAreOneRun) {
  const Folder folder;
  const auto save = [&](const char* name, const Words& more) {
    expect_done(Words{"train", "--epochs", "2", "--save", folder.path(name)} + more);
    return folder.get(name);
  };
  const std::string first = save("a", {});
  ASSERT_FALSE(first.empty());
  EXPECT_TRUE(save("b", {}) == first);
  EXPECT_FALSE(save("c", {"--seed", "2"}) == first);
  EXPECT_FALSE(save("d", {"--momentum", "0.8"}) == first);
  // The same digits from files: values and order are those of the drawn ones.
  const std::string data = folder.put("data.csv", joined(drawn_lines(4000, 1))),
                    test = folder.put("test.csv", joined(drawn_lines(1000, 2)));
  EXPECT_TRUE(save("e", {"--data", data, "--test", test}) == first);
}

TEST(Train, OptionsReachTheTraining) {
  const Json plain = trained({"--epochs", "3"}), decayed = trained({"--epochs", "3", "--decay", "0.01"}),
             slow = trained({"--epochs", "3", "--momentum", "0"}), few = trained({"--epochs", "3", "--draw", "1000"}),
             steady = trained({"--epochs", "3", "--schedule", "constant"});
  const auto share = [](const Json& j, const char* cause) {
    return j.at("charges").at(0).at("share").at(cause).get<double>();
  };
  EXPECT_EQ(share(plain, "decay"), 0);
  EXPECT_GT(share(decayed, "decay"), 0.01);
  EXPECT_GT(share(plain, "momentum"), 0.5);
  EXPECT_LT(share(slow, "momentum"), 1e-4);  // 0 but for the rounding of its sums
  EXPECT_EQ(few.at("steps"), 3 * (1000 / 16));
  EXPECT_NE(steady.at("train_loss"), plain.at("train_loss"));
}

TEST(Train, UnitsAreRemovedWithACertificate) {
  const Folder folder;
  const std::string out = expect_done(
      {"train", "--constraint", "units", "--epochs", "12", "--strength", "0.02", "--json", folder.path("j")});
  const Json j = folder.json("j"), c = j.at("constraint");
  expect_sound_books(j);
  expect_sizes<app::Units16>(out, j);
  EXPECT_EQ(symmetries(j), (Words{"Rescaling<Layer<1>>", "FactorBalance<Layer<2>>"}));
  EXPECT_EQ(c.at("kind"), "units");
  EXPECT_EQ(c.at("groups"), 32);
  std::printf("units: %d of 32 removed, %d alive, worst margin %.3f, folded to %d\n", c.at("removed").get<int>(),
              c.at("removed_alive").get<int>(), c.at("worst_margin").get<double>(), c.at("folded_hidden").get<int>());
  EXPECT_GE(c.at("removed").get<int>(), 5);
  EXPECT_EQ(c.at("margins").size(), c.at("removed").get<std::size_t>());
  for (const Json& margin : c.at("margins")) EXPECT_GT(margin.get<double>(), 0);
  EXPECT_EQ(c.at("collapsed").get<std::size_t>(), c.at("removed").get<std::size_t>() + c.at("uncertified").size());
  EXPECT_LE(c.at("folded_hidden").get<int>(), 32 - c.at("removed").get<int>());
  EXPECT_EQ(c.at("folded_different"), 0);
  EXPECT_GE(j.at("test_accuracy").get<double>(), 0.85);
  EXPECT_EQ(c.at("accuracy_after"), j.at("test_accuracy"));
}

TEST(Train, WeightsAreRemovedWithACertificateAndFineTuned) {
  const Folder folder;
  const std::string out = expect_done({"train", "--constraint", "sparse", "--epochs", "12", "--strength", "0.003",
                                       "--fine-tune", "2", "--json", folder.path("j")});
  const Json j = folder.json("j"), c = j.at("constraint");
  expect_sound_books(j);
  expect_sizes<app::Sparse16>(out, j);
  EXPECT_EQ(c.at("kind"), "sparse");
  EXPECT_EQ(c.at("groups"), 64 * 32);
  std::printf("sparse: %d of 2048 removed, %zu not certified, %.3f of the multiply-adds\n", c.at("removed").get<int>(),
              c.at("uncertified").size(), c.at("multiply_adds").get<double>());
  EXPECT_GE(c.at("removed").get<int>(), 500);
  for (const Json& margin : c.at("margins")) EXPECT_GT(margin.get<double>(), 0);
  EXPECT_EQ(c.at("collapsed").get<std::size_t>(), c.at("removed").get<std::size_t>() + c.at("uncertified").size());
  EXPECT_LT(c.at("multiply_adds").get<double>(), 1 - 0.8 * c.at("removed").get<double>() / 2368);
  EXPECT_EQ(c.at("folded_different"), 0);
  EXPECT_EQ(c.at("fine_tune_epochs"), 2);
  EXPECT_EQ(c.at("accuracy_fine_tuned"), j.at("test_accuracy"));
  EXPECT_EQ(j.at("steps"), 12 * 250);
}

TEST(Train, BlocksAndARankEndWithACertificate) {
  const Folder folder;
  expect_done({"train", "--constraint", "blocks", "--epochs", "12", "--strength", "0.003", "--json", folder.path("j")});
  const Json c = folder.json("j").at("constraint");
  EXPECT_EQ(c.at("kind"), "blocks");
  EXPECT_EQ(c.at("groups"), 512);
  EXPECT_GE(c.at("removed").get<int>(), 100);
  for (const Json& margin : c.at("margins")) EXPECT_GT(margin.get<double>(), 0);
  EXPECT_LT(c.at("multiply_adds").get<double>(), 1 - 3.2 * c.at("removed").get<double>() / 2368);
  EXPECT_EQ(c.at("folded_different"), 0);
  expect_done({"train", "--constraint", "rank", "--epochs", "12", "--json", folder.path("j")});
  const Json rank = folder.json("j").at("constraint");
  EXPECT_EQ(rank.at("rank").get<int>() + rank.at("removed").get<int>(), 16);
  EXPECT_GE(rank.at("removed").get<int>(), 3);
  EXPECT_GE(rank.at("certified_share").get<double>(), 0.6);
  EXPECT_GT(folder.json("j").at("test_accuracy").get<double>(), 0.9);
}

// Too weak a strength removes nothing: the certificate says by how much, and which would do.
TEST(Train, TellsWhatStrengthWouldDo) {
  const Folder folder;
  for (const char* constraint : {"units", "blocks", "rank"}) {
    const std::string out = expect_done({"train", "--constraint", constraint, "--epochs", "3", "--strength", "1e-5",
                                         "--fine-tune", "0", "--json", folder.path("j")});
    const Json c = folder.json("j").at("constraint");
    EXPECT_EQ(c.at("removed"), 0) << constraint;
    EXPECT_GT(c.at("suggested_strength").get<double>(), 1e-5) << constraint;
    EXPECT_LT(c.at("suggested_strength").get<double>(), 0.1) << constraint;
    EXPECT_NE(out.find("nothing collapsed: 0 would hold for"), std::string::npos) << out;
    EXPECT_NE(out.find("to be there in 3 epochs try --strength 0."), std::string::npos) << out;
  }
  // And it does.
  const auto rank = [&](const std::string& strength) {
    expect_done({"train", "--constraint", "rank", "--epochs", "12", "--strength", strength.c_str(), "--json",
                 folder.path("j")});
    return folder.json("j").at("constraint");
  };
  const Json weak = rank("0.0001");
  EXPECT_EQ(weak.at("removed"), 0);
  EXPECT_GE(rank(std::to_string(weak.at("suggested_strength").get<double>())).at("removed").get<int>(), 1);
}

// Whatever the rate, the books hold numbers, or the run says at which step it stopped and writes nothing.
TEST(Train, DivergenceIsReportedOrHarmless) {
  for (const char* constraint : {"none", "units", "sparse"})
    for (const char* rate : {"1", "9", "10"}) {
      const Folder folder;
      const Words words = {"train",  "--epochs",       "3",      "--learning-rate", rate, "--constraint", constraint,
                           "--json", folder.path("j"), "--save", folder.path("m")};
      const Outcome o = emmy(words);
      if (o.status == 0) {
        EXPECT_EQ(o.err, "");
        EXPECT_FALSE(holds_null(folder.json("j"))) << shown(words);
        EXPECT_EQ(o.out.find("nan"), std::string::npos) << o.out;
        EXPECT_EQ(o.out.find("inf"), std::string::npos) << o.out;
      } else {
        EXPECT_EQ(o.status, 1) << shown(words);
        EXPECT_EQ(std::count(o.err.begin(), o.err.end(), '\n'), 1) << o.err;
        EXPECT_NE(o.err.find("refused at step"), std::string::npos) << o.err;
        EXPECT_EQ(folder.files(), 0) << shown(words);
      }
    }
  // A rate that overflows for sure: the refusal is reached.
  const Folder folder;
  const Outcome o = emmy({"train", "--learning-rate", "10", "--momentum", "0.999", "--schedule", "constant",
                          "--constraint", "sparse", "--json", folder.path("j")});
  EXPECT_EQ(o.status, 1) << o.out;
  EXPECT_NE(o.err.find("refused at step"), std::string::npos) << o.err;
  EXPECT_EQ(folder.files(), 0);
}

}  // namespace
}  // namespace emmy::cli
