// Golden cases as read from a file, checked for completeness but not yet tied to a compiled kind.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/golden_run.hpp"
#include "io/error.hpp"

namespace emmy::golden {

// A row-major array; no shape: a single number.
struct Array {
  std::vector<int> shape;
  std::vector<double> values;
};

// Of three dimensions, channels before positions, it becomes two, positions before channels as Emmy has them:
// [n][c][p] -> [n][p c].
[[nodiscard]] Array channels_last(const Array& array);
// Windows with positions before samples: [p][n][c] -> [n][p c].
[[nodiscard]] Array samples_first(const Array& array);
// Matrices with inputs before outputs: [in][out] -> [out][in].
[[nodiscard]] Array outputs_first(const Array& array);

struct Param {
  std::string name;
  Array value;
  Array buffer;  // of the momentum at the start; no values: zero
  double eta, lam;
};

struct Block {
  std::string param;
  double s;
  int axis, power, group;
};
struct ChargeDefinition {
  std::string name, type;  // "unit", "total", "gram"
  std::vector<Block> blocks;
};

struct Optimizer {
  std::string kind;  // "gd", "hb", "nag", "adam"
  double eta, lam, beta, tau;
  double beta1, beta2, epsilon;  // of adam
  bool shares;                   // one second moment a unit of the first charge
  bool decoupled;
  double clip;  // 0: none
  bool clips_by_tensor;
  int batch, steps;
};

// One number or array to compare.
struct Expectation {
  std::string path;  // "losses", "final.W1", "charges.rescale.budget.decay"
  std::vector<double> values;
  double tolerance_f64, tolerance_f32;
};

// Every number that a case gives by the path that golden files use.
using Computed = std::map<std::string, std::vector<double>>;

// Runs a case in f64 or f32 on a target.
using Compute = std::function<Outcome(const char* target, bool single, Computed&)>;

struct Case {
  std::string file, name, kind;
  std::string unsupported;  // why the rest was not read; empty: it was
  Optimizer optimizer;
  std::vector<Param> params;
  Array inputs;                // [samples][inputs]
  Array outputs;               // [samples][outputs], or no values
  std::vector<int> labels;     // or none
  double epsilon = 0;          // of its norm
  std::vector<double> angles;  // of its rotary positions
  std::vector<ChargeDefinition> charges;
  std::vector<Expectation> expected;
  Compute compute;  // by its kind's own runner (golden_own.hpp), which has read the rest; empty: a net that is trained
};

// All cases of a file, in its order; arrays of three dimensions by channels_last, windows by samples_first, those of attention by outputs_first. Fields that only explain a case (about, needs, seed, set, variant) are not read.
// The error names file, case and field.
[[nodiscard]] io::Result<std::vector<Case>> read_cases(const std::string& path);

}  // namespace emmy::golden
