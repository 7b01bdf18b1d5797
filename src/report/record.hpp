// What a report is made of: a training run at a constant number of moments. Plain data, written and read as JSON lines.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "io/error.hpp"

namespace emmy::report {

inline constexpr int kCauses = 8;  // of emmy::Cause, in its order
inline constexpr std::array<const char*, kCauses> kCauseName = {"decay",   "momentum", "breaking",   "discretisation",
                                                                "noether", "rounding", "unmeasured", "epsilon"};
using Causes = std::array<double, kCauses>;

// The charges of one symmetry, all units together.
struct Charges {
  double measured = 0;                           // sum over units
  double predicted = 0;                          // what it was at the start and all that the law moved it by since
  double drift = 0;                              // sum over units of |now - start|
  double largest = 0;                            // the largest of them
  Causes amount{};                               // change since the start, by cause
  Causes total{};                                // the same as sum over units of |amount|
  Causes moved{};                                // since the last point: sum over units of |amount|
  double residual = 0;                           // worst |measured change - budget| of a step until now
  double residual_ratio = 0, noether_ratio = 0;  // the same, and the worst Noether residual, over the rounding bound
  // Of the heavy ball's law, since the start: sum over units of |eta^2 B(buf', buf')| and of |2 eta (beta P + lam Q)|.
  double law_second = 0, law_first = 0;
  // Of a Scale: rms rotation a step since the last point, what it is in equilibrium, time constants since the start.
  double rotation = 0, equilibrium = 0, settled = 0;
};

// One step, its batch evaluated before and behind it: what it did to the loss and the slopes g'D at its ends, D the step;
// and -eta |g|^2 = -eta delta' K delta, what a time eta of gradient flow begins with, K the tangent kernel. 0: not looked at.
struct Energy {
  double change = 0, slope = 0, end_slope = 0, flow = 0;

  [[nodiscard]] bool known() const { return slope != 0; }
  [[nodiscard]] double trapezoid() const { return (slope + end_slope) / 2; }
  // Rate times curvature along the step, of one that goes downhill: above 2 it raised the loss.
  [[nodiscard]] double kappa_loss() const { return 2 * (1 - change / slope); }
  [[nodiscard]] double kappa_gradient() const { return 1 - end_slope / slope; }
};

struct Point {
  std::int64_t step = 0;
  double loss = 0;           // mean over the steps since the last point
  double learning_rate = 0;  // of the last step
  double health = 0;         // worst of all residuals since the last point, over its bound
  Energy energy;             // of the last step
  std::vector<Charges> symmetry;
};

struct Symmetry {
  std::string name;  // Rescaling<Layer<1>>
  int charges = 0;
  bool dead_biases = false;  // the charges are biases without a gradient
};

struct Bytes {
  std::string of;
  std::int64_t count = 0;
};
struct Figure {
  std::string name, text;
};

struct Record {
  std::string net, rule, target;
  bool adaptive = false;  // does each weight have a preconditioner of its own?
  int batch = 0;
  std::vector<Symmetry> symmetry;
  std::vector<Bytes> memory;
  std::vector<Point> point;    // the first is the start, before any step
  std::vector<Figure> result;  // at the end
};

// As shares that add up to 1, all 0 where nothing moved; of a whole run those of `total` at its end.
[[nodiscard]] Causes shares(const Causes& moved);
[[nodiscard]] Causes shares(const Record& record, std::size_t symmetry);

// What moved the charges of a symmetry, with its figure, in one line.
[[nodiscard]] std::string diagnosis(const Record& record, std::size_t symmetry);

// Rotation a step of a Scale over the points behind three time constants, or, where there are none, of the last point.
struct Rotation {
  double measured = 0, equilibrium = 0;  // equilibrium 0: no weight decay
  double settled = 0;                    // time constants until the end
};
[[nodiscard]] Rotation rotation(const Record& record, std::size_t symmetry);
// The shares of the two terms of the heavy ball's law, in a sentence; empty for linear charges, blocks of unequal rates, rules of
// another law and runs without momentum.
[[nodiscard]] std::string law_text(const Record& record, std::size_t symmetry);
// How well the energy law foretold the loss of the steps that were looked at, in a sentence; empty where none was.
[[nodiscard]] std::string energy_text(const Record& record);
// In a sentence; empty for other symmetries.
[[nodiscard]] std::string rotation_text(const Record& record, std::size_t symmetry);

// The forms of a report. JSON lines: the run, a line a point, the results.
[[nodiscard]] std::string to_text(const Record& record);
[[nodiscard]] std::string to_csv(const Record& record);
[[nodiscard]] std::string to_json_lines(const Record& record);
[[nodiscard]] std::string to_html(const Record& record);

// Reads what to_json_lines wrote; `name` stands for the file in messages: `report.jsonl:3: ...`.
[[nodiscard]] io::Result<Record> from_json_lines(std::string_view text, std::string_view name);

// In the order of the texts that write_all makes.
inline constexpr const char* kFiles[] = {"report.txt", "report.csv", "report.jsonl", "report.html"};
// Writes these files to a folder, which is made where it is not there.
[[nodiscard]] io::Result<io::Done> write_all(const Record& record, const std::string& folder);
// Reads a file, or report.jsonl of a folder.
[[nodiscard]] io::Result<Record> read(const std::string& path);

}  // namespace emmy::report
