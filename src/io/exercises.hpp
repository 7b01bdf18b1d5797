#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "io/dataset.hpp"
#include "io/error.hpp"

namespace emmy::io {

// Recordings of an accelerometer on the body: 3 axes at 50 Hz, 16384 to the g.
inline constexpr std::array<const char*, 4> kExercises = {"squat", "lunge", "jumpingjack", "other"};
inline constexpr int kOther = 3;
inline constexpr std::size_t kAxes = 3, kWindow = 128, kHop = 64, kTrainHop = 8;

struct Recording {
  std::string name;  // decides its place, and so the split it falls into
  int exercise = 0;  // of kExercises
  std::vector<std::int16_t> samples;
};

struct Recordings {
  std::vector<Recording> all;  // by name, each of at least one window
  std::size_t truncated = 0;   // hold fewer rows than their header states; used as far as they go
  std::size_t too_short = 0;   // left out: empty, or less than one window
};

// Every *.npy in the folder, named <anything>_<exercise>.npy. Refused: no such file there, another exercise in a name,
// a file that parse_npy refuses. The message names the file.
[[nodiscard]] Result<Recordings> read_exercises(const std::string& folder);

// `count` recordings of motions like those: a rhythm of its own for each exercise, idle time before and after, gravity
// in a slightly turned frame, noise, clipping at 2 g. The same seed gives the same samples on every machine (arithmetic
// only). Every second one is `other`: walking, shaking, standing about.
[[nodiscard]] Recordings draw_exercises(std::size_t count, std::uint64_t seed);

// Windows of kWindow samples, in g: one every kHop for the test, one every kTrainHop for training. Of each ten recordings
// of an exercise, in their order, those at split, split + 3 and split + 6 are for the test: each split has all days in both
// sets, and no recording is in two tests. idle_as_other labels windows in which the busiest axis deviates by less than 0.1 g (root mean square from
// its mean) as `other`: people stand about at both ends of a recording.
[[nodiscard]] TrainAndTest exercise_windows(const Recordings& recordings, int split, bool idle_as_other);

}  // namespace emmy::io
