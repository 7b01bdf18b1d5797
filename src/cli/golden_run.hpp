// What a compiled kind of golden case takes and gives: plain data, the same for every target. See golden_table.hpp.
#pragma once

#include <emmy/core/status.hpp>

namespace emmy::golden {

// A block of the net: the parameter array that it is called in golden cases. Matrices are [cols][rows] there.
struct BlockName {
  const char* name;
  int rows, cols;
};

// A charge of the ledger, as a sum over parts.
struct PartOf {
  int block;
  bool by_column;  // unit = column of the block, else its row
  double weight;
  int power;
};
struct ChargeOf {
  static constexpr int kMaxParts = 8;
  int first_unit, units;
  bool of_loss;    // needs a loss that ignores a number added to all outputs
  bool is_whole;   // one unit of all lines of its blocks
  bool is_matrix;  // a balance matrix: its units are the entries, row by row
  int group;       // neighbours that make one unit
  int parts;
  PartOf part[kMaxParts];
};

struct Description {
  static constexpr int kMaxBlocks = 8, kMaxCharges = 8, kMaxUnits = 48, kMaxWeights = 16, kMaxAngles = 16;
  const char* kind;
  int inputs, outputs, blocks;
  BlockName block[kMaxBlocks];
  int charges;
  ChargeOf charge[kMaxCharges];
  double epsilon;       // of its norm
  int batch;            // the only one that it takes, 0: any
  bool clips_momentum;  // clips with momentum too, not only without
  bool certified;       // ends with a certificate instead of charges
  bool adaptive;        // trains by rules with a preconditioner, and no others
  int angular;          // entries of the angular momentum, that of its first balance matrix
  int rows;             // of an input that a case counts as samples
  int angles;           // of its rotary positions, position by position
  double angle[kMaxAngles];
};

enum class RuleKind { sgd, momentum, momentum_decoupled, nesterov, adam, shared_adam };
enum class Clip { none, by_norm, by_tensor };

// One case in numbers. Arrays belong to the caller; `labels` null: targets are y.
struct Task {
  RuleKind rule;
  Clip clip;
  double clip_limit, learning_rate, weight_decay, momentum, dampening;
  double beta1, beta2, epsilon;  // of Adam
  int batch, steps, samples;
  const double* x;
  const double* y;
  const int* labels;
  struct Param {
    const double* value;
    const double* buffer;  // of the momentum at the start, null: zero
    double learning_rate, weight_decay;
  } param[Description::kMaxBlocks];
};

// Arrays by unit of the ledger or by charge; `losses`, `final`, `final_buf` and `final_gradient` belong to the caller.
struct Results {
  static constexpr int kCauses = 5;  // decay, momentum, breaking, discretisation, noether
  double* losses;
  double* final[Description::kMaxBlocks];
  double* final_buf[Description::kMaxBlocks];
  double* final_gradient[Description::kMaxBlocks];  // of all data, after the last step
  double final_full_loss;
  int steps_clipped;
  double before[Description::kMaxUnits], after_one[Description::kMaxUnits], after[Description::kMaxUnits];
  double budget[kCauses][Description::kMaxUnits], epsilon[Description::kMaxUnits];
  double memory[Description::kMaxUnits], kinetic[Description::kMaxUnits];  // adaptive kinds
  double max_noether[Description::kMaxCharges], max_residual[Description::kMaxCharges];
  double angular_before[Description::kMaxUnits], angular_after[Description::kMaxUnits], angular_factor;
  double weight[Description::kMaxWeights], gradient[Description::kMaxWeights],
      margin[Description::kMaxWeights];  // certified kinds
};

// How a run ended, and the step that did not work (`steps`: the evaluation after the last one).
struct Outcome {
  Status status;
  int step;
};

struct Runner {
  const char* target;
  const char* backend;
  Description about;
  Outcome (*run_f64)(const Task&, Results&) noexcept;
  Outcome (*run_f32)(const Task&, Results&) noexcept;
};

}  // namespace emmy::golden
