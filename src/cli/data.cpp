#include "cli/data.hpp"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "io/controller.hpp"
#include "io/csv.hpp"
#include "io/digits.hpp"
#include "io/exercises.hpp"

namespace emmy::app {

namespace {

constexpr std::uint64_t kTrainRows = 1, kTestRows = 2;  // seeds of the drawn sets
constexpr std::size_t kDrawnTest = 1000;
constexpr const char* kDrawnByEmmy = ", drawn by Emmy";

std::string counted(const io::TrainAndTest& sets, const char* rest) {
  return fmt::format("{} training rows, {} test rows{}", sets.train.rows, sets.test.rows, rest);
}

io::Result<Data> load_digits(const TrainOptions& o, std::size_t drawn) {
  Data data;
  if (o.data.empty()) {
    data.sets = {io::draw_digits(drawn, kTrainRows), io::draw_digits(kDrawnTest, kTestRows)};
  } else {
    auto train = io::read_csv(o.data), test = io::read_csv(o.test);
    if (!train) return train.error();
    if (!test) return test.error();
    data.sets = {std::move(*train), std::move(*test)};
  }
  data.text = counted(data.sets, o.data.empty() ? kDrawnByEmmy : "");
  return data;
}

io::Result<Data> load_exercises(const TrainOptions& o, const Recipe& recipe) {
  io::Recordings recordings;
  std::string rest = kDrawnByEmmy;
  if (o.data.empty()) {
    recordings = io::draw_exercises(static_cast<std::size_t>(recipe.drawn), kTrainRows);
  } else {
    auto read = io::read_exercises(o.data);
    if (!read) return read.error();
    recordings = std::move(*read);
    rest = fmt::format(" ({} truncated, {} too short and left out)", recordings.truncated, recordings.too_short);
  }
  Data data;
  data.sets = io::exercise_windows(recordings, recipe.split, recipe.idle_as_other);
  const std::string windows = counted(data.sets, recipe.idle_as_other ? ", idle ones as other" : "");
  data.text =
      fmt::format("{}; windows of {} recordings{}, split {}", windows, recordings.all.size(), rest, recipe.split);
  if (data.sets.train.rows == 0 || data.sets.test.rows == 0)
    return io::Error{io::shown_path(o.data) + ": too few recordings for training and test"};
  return data;
}

}  // namespace

io::Result<Data> load(Source source, const TrainOptions& options, const Recipe& recipe) {
  const auto drawn = static_cast<std::size_t>(recipe.drawn);
  if (source == Source::digits) return load_digits(options, drawn);
  if (source == Source::exercises) return load_exercises(options, recipe);
  Data data;
  data.sets = {io::draw_controller(drawn, kTrainRows), io::draw_controller(kDrawnTest, kTestRows)};
  data.text = counted(data.sets, kDrawnByEmmy);
  return data;
}

Figures figures(const io::Dataset& data, const std::vector<int>& taken_for, int classes) {
  const auto n = static_cast<std::size_t>(classes);
  std::vector<double> hits(n), rows(n), taken(n);
  for (std::size_t i = 0; i < data.rows; ++i) {
    const auto is = static_cast<std::size_t>(data.labels[i]), as = static_cast<std::size_t>(taken_for[i]);
    ++rows[is];
    ++taken[as];
    hits[is] += is == as;
  }
  Figures f;
  for (std::size_t c = 0; c < n; ++c)
    if (hits[c] > 0) f.macro_f1 += 2 * hits[c] / (rows[c] + taken[c]) / classes;
  std::vector<int> votes(n);
  for (std::size_t i = 0; i < data.recording.size(); ++i) {
    ++votes[static_cast<std::size_t>(taken_for[i])];
    if (i + 1 < data.rows && data.recording[i + 1] == data.recording[i]) continue;
    f.vote += std::max_element(votes.begin(), votes.end()) - votes.begin() == data.labels[i];
    ++f.recordings;
    votes.assign(n, 0);
  }
  if (f.recordings > 0) f.vote /= static_cast<double>(f.recordings);
  return f;
}

}  // namespace emmy::app
