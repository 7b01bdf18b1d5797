// The accuracy bars on real recordings of exercises, skipped where the files are missing.
#include "command.hpp"

namespace emmy::cli {
namespace {

constexpr const char* kSplits[] = {"0", "1", "2"};

class ExercisesData : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (std::filesystem::exists(EMMY_DATA "/exercises")) return;
    std::printf("SKIPPED: ../shared/data/exercises is not here\n");
    std::fflush(stdout);
    std::_Exit(77);
  }
  static void expect_bars(const char* net, const Words& more, double accuracy, double f1) {
    for (const char* split : kSplits) {
      const Json j = trained(Words{"--net", net, "--data", EMMY_DATA "/exercises", "--split", split} + more);
      expect_sound_books(j);
      EXPECT_GE(j.at("test_accuracy").get<double>(), accuracy) << net << ", split " << split;
      EXPECT_GE(j.at("macro_f1").get<double>(), f1) << net << ", split " << split;
      std::printf("%s, split %s%s: accuracy %.3f, macro-F1 %.3f", net, split,
                  more.empty() ? "" : ", idle windows as other", j.at("test_accuracy").get<double>(),
                  j.at("macro_f1").get<double>());
      if (more.empty()) {
        EXPECT_GE(j.at("recording_vote").get<double>(), 0.875) << net << ", split " << split;
        std::printf(", vote %.3f", j.at("recording_vote").get<double>());
      }
      std::printf("\n");
    }
  }
};

// 30 epochs at the defaults.
TEST_F(ExercisesData, Convolutions) { expect_bars("exercises", {}, 0.82, 0.78); }
TEST_F(ExercisesData, ConvolutionsIdleAsOther) { expect_bars("exercises", {"--idle-as-other"}, 0.87, 0.83); }

TEST_F(ExercisesData, GatedUnit) { expect_bars("exercises-gru", {}, 0.82, 0.78); }
TEST_F(ExercisesData, GatedUnitIdleAsOther) { expect_bars("exercises-gru", {"--idle-as-other"}, 0.87, 0.83); }

TEST_F(ExercisesData, EveryRecordingIsRead) {
  const std::string out =
      expect_done({"train", "--net", "exercises", "--data", EMMY_DATA "/exercises", "--epochs", "1"});
  EXPECT_NE(out.find("windows of 131 recordings (13 truncated, 3 too short and left out), split 0"), std::string::npos)
      << out;
}

}  // namespace
}  // namespace emmy::cli
