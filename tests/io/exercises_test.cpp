// Recordings of exercises: folders, windows, splits, and what Emmy draws.
#include "io/exercises.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "temporary_folder.hpp"

namespace emmy::io {
namespace {

using namespace std::string_literals;

// An NPY file whose header states `stated` rows and which holds `rows`, every value 16384 (1 g).
std::string npy(std::size_t stated, std::size_t rows) {
  const std::string header = "{'descr': '<i2', 'fortran_order': False, 'shape': (" + std::to_string(stated) + ", 3), }";
  std::string bytes = "\x93NUMPY\x01\x00"s + static_cast<char>(header.size()) + '\0' + header;
  for (std::size_t i = 0; i < rows * kAxes; ++i) bytes += "\x00\x40"s;
  return bytes;
}

TEST(Exercises, FoldersOfRecordings) {
  const TemporaryFolder folder;
  (void)folder.put("b_squat.npy", npy(200, 200));
  (void)folder.put("a_other.npy", npy(1000, 300));
  (void)folder.put("c_lunge.npy", npy(1000, 127));
  (void)folder.put("d_lunge.npy", "");
  (void)folder.put("notes.txt", "no recording");
  const auto found = read_exercises(folder.path());
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->all.size(), 2U);
  EXPECT_EQ(found->all[0].name, "a_other");
  EXPECT_EQ(found->all[0].exercise, kOther);
  EXPECT_EQ(found->all[0].samples.size(), 300 * kAxes);
  EXPECT_EQ(found->all[1].exercise, 0);
  EXPECT_EQ(found->truncated, 2U);
  EXPECT_EQ(found->too_short, 2U);
}

TEST(Exercises, FoldersThatAreNone) {
  const auto refused = [](const std::string& path, const std::string& why) {
    const auto found = read_exercises(path);
    ASSERT_FALSE(found) << why;
    EXPECT_EQ(found.error().message.find(why), 0U) << found.error().message;
  };
  const TemporaryFolder folder;
  refused(folder.path("absent"), folder.path("absent") + ": cannot be read as a folder");
  refused(folder.path(), folder.path() + ": holds no *.npy");
  (void)folder.put("a_squat.npy", npy(9, 9));
  refused(folder.path(), folder.path() + ": no recording has 128 rows");
  (void)folder.put("b_swim.npy", npy(200, 200));
  refused(folder.path(), folder.path("b_swim.npy") + ": its name ends in no exercise");
  (void)folder.put("b_swim.npy", "");
  refused(folder.path(), folder.path("b_swim.npy") + ": its name ends in no exercise");
  std::filesystem::remove(folder.path("b_swim.npy"));
  (void)folder.put("b_squat.npy", "text");
  refused(folder.path(), folder.path("b_squat.npy") + ": is no NPY file");
}

// The first of its exercise: for the test in split 0, for training in split 1.
TEST(Exercises, WindowsOverlap) {
  Recordings one;
  one.all.push_back({"r", 1, {}});
  for (int i = 0; i < 255 * 3; ++i) one.all[0].samples.push_back(static_cast<std::int16_t>(64 * (i % 512 - 256)));
  const auto check = [&](const Dataset& w, std::size_t rows, std::size_t hop) {
    ASSERT_EQ(w.rows, rows);
    EXPECT_EQ(w.labels, std::vector<int>(rows, 1));
    EXPECT_EQ(w.recording, std::vector<int>(rows, 0));
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < kWindow * kAxes; ++i)
        ASSERT_EQ(w.x[r * kWindow * kAxes + i], static_cast<float>(one.all[0].samples[r * hop * kAxes + i]) / 16384);
  };
  const TrainAndTest tested = exercise_windows(one, 0, false), trained = exercise_windows(one, 1, false);
  EXPECT_EQ(tested.train.rows, 0U);
  EXPECT_EQ(trained.test.rows, 0U);
  check(tested.test, 2, 64);  // the third would need 256 samples
  check(trained.train, 16, 8);
}

// The busiest axis swings by `counts` to both sides of its mean: that is its deviation.
TEST(Exercises, IdleWindows) {
  for (const auto& [counts, idle] : {std::pair{1638, true}, {1639, false}}) {
    Recordings one;
    one.all.push_back({"r", 2, {}});
    for (int i = 0; i < 128; ++i)
      for (const int v : {16384, 8000 + (i % 2 == 0 ? counts : -counts), i % 2})
        one.all[0].samples.push_back(static_cast<std::int16_t>(v));
    EXPECT_EQ(exercise_windows(one, 1, true).train.labels[0], idle ? kOther : 2) << counts;
    EXPECT_EQ(exercise_windows(one, 1, false).train.labels[0], 2);
  }
}

TEST(Exercises, SplitsByRecordingAndExercise) {
  const Recordings drawn = draw_exercises(120, 1);
  std::set<int> tested;
  for (int split = 0; split < 3; ++split) {
    const TrainAndTest sets = exercise_windows(drawn, split, false);
    const std::set<int> train(sets.train.recording.begin(), sets.train.recording.end()),
        test(sets.test.recording.begin(), sets.test.recording.end());
    EXPECT_EQ(train.size() + test.size(), 120U);  // none in both
    int count[4] = {};
    for (const int r : test) ++count[drawn.all[static_cast<std::size_t>(r)].exercise];
    EXPECT_EQ(count[0], 6);
    EXPECT_EQ(count[1], 6);
    EXPECT_EQ(count[2], 6);
    EXPECT_EQ(count[kOther], 18);
    EXPECT_TRUE(std::is_sorted(sets.test.recording.begin(), sets.test.recording.end()));
    EXPECT_EQ(exercise_windows(drawn, split, false).test.x, sets.test.x);
    tested.insert(test.begin(), test.end());
  }
  EXPECT_EQ(tested.size(), 3U * 36);  // none twice
}

TEST(Exercises, DrawnRecordings) {
  const Recordings some = draw_exercises(8, 3), more = draw_exercises(12, 3), others = draw_exercises(8, 4);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(some.all[i].samples, more.all[i].samples);
    EXPECT_NE(some.all[i].samples, others.all[i].samples);
    EXPECT_GE(some.all[i].samples.size(), 500 * kAxes);
  }
  const std::vector<std::int16_t>& jump = more.all[4].samples;  // 0 squat, 2 lunge, 4 jumping jack
  EXPECT_EQ(more.all[4].exercise, 2);
  EXPECT_EQ(*std::max_element(jump.begin(), jump.end()), 32767);
}

}  // namespace
}  // namespace emmy::io
