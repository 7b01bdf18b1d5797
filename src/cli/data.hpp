// Rows to train and to test with: read from files, or drawn.
#pragma once

#include "cli/nets.hpp"
#include "cli/options.hpp"
#include "io/dataset.hpp"
#include "io/error.hpp"

namespace emmy::app {

struct Data {
  io::TrainAndTest sets;
  std::string text;  // how many rows of what, in one line
};

[[nodiscard]] io::Result<Data> load(Source source, const TrainOptions& options, const Recipe& recipe);

// What counts beside the loss where classes are told apart.
struct Figures {
  double macro_f1 = 0;         // mean over classes of 2 hits / (rows of the class + rows taken for it)
  double vote = 0;             // share of recordings whose class most of its rows are taken for; of equals the first
  std::size_t recordings = 0;  // 0: rows come from no recordings, no vote
};
[[nodiscard]] Figures figures(const io::Dataset& data, const std::vector<int>& taken_for, int classes);

}  // namespace emmy::app
