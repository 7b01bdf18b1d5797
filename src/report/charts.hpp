// Charts as inline SVG, which scale with the page and take their colours from its style sheet.
#pragma once

#include <string>
#include <vector>

#include "report/record.hpp"

namespace emmy::report {

struct Line {
  std::string style;  // class of the page's style sheet
  std::vector<double> y;
};

// Lines over steps. `log`: a logarithmic axis; `bound`: a dashed line there, where it is not 0.
[[nodiscard]] std::string line_chart(const std::string& label, const std::vector<double>& step,
                                     const std::vector<Line>& lines, bool log = false, double bound = 0);

// Shares that add up to 1, of each interval that ends at a step (the first has none), stacked in the order of the causes.
[[nodiscard]] std::string share_chart(const std::string& label, const std::vector<double>& step,
                                      const std::vector<Causes>& share);

// Text with &, <, > and quotes as entities.
[[nodiscard]] std::string escaped(const std::string& text);

}  // namespace emmy::report
