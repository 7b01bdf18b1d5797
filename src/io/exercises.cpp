#include "io/exercises.hpp"

#include <algorithm>
#include <cmath>
#include <emmy/core/random.hpp>
#include <filesystem>
#include <numeric>

#include "io/npy.hpp"

namespace emmy::io {
namespace {

// A sequence of the generator, apart from those of other uses of the same seed.
constexpr std::uint64_t kDrawing = 0x6d6f74696f6e;
constexpr double kCountsPerG = 16384, kIdle = 0.1;
constexpr std::size_t kRows = kWindow * kAxes;

// The exercise that a file's name ends with, -1 where it is none of them.
int exercise_of(const std::string& stem) {
  const std::string last = stem.substr(stem.rfind('_') + 1);
  const auto found = std::find(kExercises.begin(), kExercises.end(), last);
  return found == kExercises.end() ? -1 : static_cast<int>(found - kExercises.begin());
}

double uniform(Pcg32& rng, double low, double high) { return low + (high - low) * static_cast<double>(rng.uniform()); }

// A sine as far as drawing goes, of period 1, from arithmetic alone.
double wave(double turns) {
  const double t = turns + 0.25 - std::floor(turns + 0.25);
  const double u = t < 0.5 ? 4 * t - 1 : 3 - 4 * t;
  return u * (1.5 - 0.5 * u * u);
}

// What a body does: a fundamental and its overtone on each axis, in g.
struct Motion {
  double hertz = 0;
  double strength[kAxes] = {}, overtone[kAxes] = {}, phase[kAxes] = {};
  double noise = 0.01;
};

Motion motion_of(int exercise, Pcg32& rng) {
  Motion m;
  const double s = uniform(rng, 0.8, 1.2);
  switch (exercise) {
    case 0:  // squat: slow, straight up and down
      m = {uniform(rng, 0.45, 0.6), {0.10 * s, 0.45 * s, 0.12 * s}, {0.03, 0.15 * s, 0.05}, {0, 0, 0.25}, 0.02};
      break;
    case 1:  // lunge: slower, forward and back, a knock at each foot
      m = {uniform(rng, 0.3, 0.45), {0.15 * s, 0.25 * s, 0.40 * s}, {0.05, 0.25 * s, 0.20 * s}, {0.5, 0, 0.1}, 0.03};
      break;
    case 2:  // jumping jack: fast, beyond what the sensor holds
      m = {uniform(rng, 1.0, 1.3), {0.5 * s, 1.6 * s, 0.3 * s}, {0.2 * s, 0.8 * s, 0.1}, {0.25, 0, 0.5}, 0.05};
      break;
    default:
      switch (rng.below(3)) {
        case 0:  // walking
          m = {uniform(rng, 1.6, 2.1), {0.15 * s, 0.25 * s, 0.15 * s}, {0.05, 0.10, 0.08}, {0.5, 0, 0.25}, 0.04};
          break;
        case 1:  // shaking the device
          m = {uniform(rng, 2.5, 4), {0.9 * s, 0.3 * s, 0.7 * s}, {0.2, 0.1, 0.2}, {0, 0.3, 0.6}, 0.1};
          break;
        default:  // standing about
          m = {uniform(rng, 0.1, 0.2), {0.03, 0.02, 0.03}, {}, {0, 0.2, 0.4}, 0.01};
      }
  }
  return m;
}

Recording draw_recording(int exercise, Pcg32& rng) {
  Recording r;
  r.exercise = exercise;
  const std::size_t length = 500 + rng.below(501), before = rng.below(120), after = rng.below(120);
  const Motion m = motion_of(exercise, rng);
  const double gravity[kAxes] = {uniform(rng, -0.25, 0.25), uniform(rng, 0.9, 1), uniform(rng, -0.25, 0.25)};
  double turns = uniform(rng, 0, 1);
  r.samples.reserve(length * kAxes);
  for (std::size_t i = 0; i < length; ++i) {
    turns += m.hertz / 50 * uniform(rng, 0.85, 1.15);
    const bool idle = i < before || i >= length - after;
    for (std::size_t a = 0; a < kAxes; ++a) {
      const double moved = m.strength[a] * wave(turns + m.phase[a]) + m.overtone[a] * wave(2 * turns + m.phase[a]);
      const double noise = (idle ? 0.01 : m.noise) * (uniform(rng, -1, 1) + uniform(rng, -1, 1));
      const double counts = kCountsPerG * (gravity[a] + (idle ? 0 : moved) + noise);
      r.samples.push_back(static_cast<std::int16_t>(std::clamp(counts, -32768.0, 32767.0)));
    }
  }
  return r;
}

double busiest_deviation(const float* window) {
  double busiest = 0;
  for (std::size_t a = 0; a < kAxes; ++a) {
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < kWindow; ++i) sum += static_cast<double>(window[i * kAxes + a]);
    const double mean = sum / kWindow;
    for (std::size_t i = 0; i < kWindow; ++i) {
      const double d = static_cast<double>(window[i * kAxes + a]) - mean;
      squares += d * d;
    }
    busiest = std::max(busiest, squares / kWindow);
  }
  return std::sqrt(busiest);
}

void append_windows(Dataset& data, const Recording& recording, int number, std::size_t hop, bool idle_as_other) {
  for (std::size_t at = 0; (at + kWindow) * kAxes <= recording.samples.size(); at += hop) {
    for (std::size_t i = 0; i < kRows; ++i)
      data.x.push_back(static_cast<float>(recording.samples[at * kAxes + i]) / static_cast<float>(kCountsPerG));
    const bool idle = idle_as_other && busiest_deviation(data.x.data() + data.rows * kRows) < kIdle;
    data.labels.push_back(idle ? kOther : recording.exercise);
    data.recording.push_back(number);
    ++data.rows;
  }
}

}  // namespace

Result<Recordings> read_exercises(const std::string& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->path().extension() == ".npy") files.push_back(at->path());
  if (error) return Error{shown_path(folder) + ": cannot be read as a folder of recordings: " + error.message()};
  if (files.empty()) return Error{shown_path(folder) + ": holds no *.npy"};
  std::sort(files.begin(), files.end());
  Recordings found;
  for (const std::filesystem::path& file : files) {
    Recording r;
    r.name = file.stem().string();
    r.exercise = exercise_of(r.name);
    if (r.exercise < 0)
      return Error{shown_path(file.string()) +
                   ": its name ends in no exercise (_squat, _lunge, _jumpingjack or _other before .npy)"};
    if (std::filesystem::file_size(file, error) == 0 && !error) {
      ++found.too_short;
      continue;
    }
    auto table = read_npy(file.string(), kAxes);
    if (!table) return table.error();
    found.truncated += table->rows() < table->stated_rows;
    r.samples = std::move(table->values);
    if (r.samples.size() < kRows) ++found.too_short;
    else found.all.push_back(std::move(r));
  }
  if (found.all.empty()) return Error{shown_path(folder) + ": no recording has " + std::to_string(kWindow) + " rows"};
  return found;
}

Recordings draw_exercises(std::size_t count, std::uint64_t seed) {
  Pcg32 rng{seed, kDrawing};
  Recordings drawn;
  for (std::size_t i = 0; i < count; ++i) {
    drawn.all.push_back(draw_recording(i % 2 == 1 ? kOther : static_cast<int>(i / 2 % kOther), rng));
    drawn.all.back().name = std::to_string(i);
  }
  return drawn;
}

TrainAndTest exercise_windows(const Recordings& recordings, int split, bool idle_as_other) {
  const std::vector<Recording>& all = recordings.all;
  std::vector<bool> for_test(all.size());
  for (int exercise = 0; exercise < static_cast<int>(kExercises.size()); ++exercise) {
    int member = 0;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].exercise == exercise) {
        const int of_ten = member++ % 10;
        for_test[i] = of_ten < 9 && of_ten % 3 == split;
      }
  }
  TrainAndTest sets;
  sets.train.features = sets.test.features = kRows;
  for (std::size_t i = 0; i < all.size(); ++i)
    append_windows(for_test[i] ? sets.test : sets.train, all[i], static_cast<int>(i), for_test[i] ? kHop : kTrainHop,
                   idle_as_other);
  return sets;
}

}  // namespace emmy::io
