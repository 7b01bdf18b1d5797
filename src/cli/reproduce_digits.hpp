// What the two halves of emmy reproduce share, and the second one: every constraint on real digits.
#pragma once

#include <string>
#include <vector>

#include "cli/options.hpp"
#include "cli/reproduce.hpp"
#include "report/experiments.hpp"

namespace emmy::app {

struct About {
  const char *name, *title, *paper, *claim, *axis;
};

[[nodiscard]] report::Experiment shown(const About& about, const reproduce::Result& result);

// Prints the table of all constraints on the digits of options.digits and adds a row's bars to `done`; why not, or empty.
[[nodiscard]] std::string reproduce_digits(const ReproduceOptions& options, std::vector<report::Experiment>& done);

}  // namespace emmy::app
