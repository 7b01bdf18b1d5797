// The page of `emmy reproduce`: experiments with what was predicted and measured, and a figure each. Plain data.
#pragma once

#include <string>
#include <vector>

#include "report/charts.hpp"

namespace emmy::report {

struct Finding {
  std::string what, predicted, measured, bound;
  bool holds = false;
};
struct Experiment {
  std::string name, title, paper, claim, axis;  // axis: what runs from left to right
  bool passes = false, log = false;
  std::vector<Finding> finding;
  std::vector<double> x;
  std::vector<Line> line;
  std::vector<std::string> line_name;
};

// One HTML page that stands alone.
[[nodiscard]] std::string to_html(const std::vector<Experiment>& experiments);
// The same as lines of text, without the figures.
[[nodiscard]] std::string to_text(const Experiment& e);

}  // namespace emmy::report
