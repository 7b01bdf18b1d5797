// What the user asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace emmy::app {

// Whether the net learns from windows of recordings.
inline bool is_of_exercises(std::string_view net) { return net.substr(0, 9) == "exercises"; }

// Exit statuses of the command.
inline constexpr int kOk = 0, kFailed = 1, kBadInput = 2;

// What `emmy train --rule` takes. `memory`: what --momentum is to it, empty where it has none.
struct RuleOption {
  std::string_view name, memory;
  double learning_rate;  // unless --learning-rate is given
};
inline constexpr RuleOption kRules[] = {{"momentum", "momentum", 0.05},
                                        {"sgd", "", 0.05},
                                        {"nesterov", "momentum", 0.05},
                                        {"momentum-decoupled", "momentum", 0.05},
                                        {"momentum-clipped", "momentum", 0.05},
                                        {"adam", "beta 1", 0.001},
                                        {"adam-shared", "beta 1", 0.001},
                                        {"rmsprop", "", 0.001},
                                        {"lion", "beta 1", 0.0003},
                                        {"sign", "", 0.001}};
inline constexpr const RuleOption* rule_option(std::string_view name) {
  for (const RuleOption& r : kRules)
    if (r.name == name) return &r;
  return nullptr;
}

// What decides the course of a training run; saved with the model, so that resuming needs no options.
struct Recipe {
  std::string net = "digits";       // digits, digits-conv, digits-norm, exercises, exercises-gru, controller
  std::string constraint = "none";  // none, sparse, blocks, units, rank
  std::string rule = "momentum";    // one of kRules
  std::string schedule =
      "linear";  // linear or cosine (to 0 at the last epoch), cooldown (in the last quarter), constant
  int epochs = 20;
  int batch = 16;
  double learning_rate = 0.05;
  double momentum = 0.9;  // beta 1 of adam and lion
  double clip = 0.01;     // momentum-clipped: the largest entry of a gradient
  double decay = 0.0;     // of every weight that the constraint does not decay itself
  double strength = 0.0;  // decay of the constraint's factors
  double partner = 0.0;   // decay of the layer that could take over their weight
  int fine_tune = 0;      // epochs under the mask, after the certificate
  std::uint64_t seed = 1;
  int drawn = 4000;  // training digits or controller states, or recordings of exercises, drawn when there is no data
  int split = 0;     // of recordings into training and test
  double label_noise = 0;      // share of training labels that are drawn anew, each time a row is used
  bool governor = false;       // the learning rate follows the curvature; learning_rate is where it starts
  bool idle_as_other = false;  // exercises: windows in which nobody moves are of class other
};

inline bool in_range(double x, double low, double high) { return x >= low && x <= high; }  // false for NaN
// Has the net of this constraint no ledger?
inline bool is_bookless(std::string_view constraint) { return constraint == "blocks" || constraint == "rank"; }
// What is wrong with a recipe, empty if nothing.
[[nodiscard]] std::string complaint(const Recipe& recipe);

struct TrainOptions {
  Recipe recipe;
  std::string data, test, target, save, resume, json, report;
  std::optional<int> stop_after;  // epochs; the schedule still ends at recipe.epochs
  std::optional<int> epochs;      // as given, for --resume
  bool overrides_recipe = false;  // a recipe option was given with --resume
};

struct ExportOptions {
  std::string model, header;
  bool blocks = false;  // layers as BlockSparse where that pays
};

struct ReportOptions {
  std::string from;  // report.jsonl, or the folder of one
  std::string to;    // folder; empty: where it was read
};

struct FaultsOptions {
  long long flips = 100'000, clean = 1'000'000;  // in all
  std::uint64_t seed = 1;
  std::string page;  // Markdown, whose tables are written anew
};

struct ReproduceOptions {
  std::string page, only;  // HTML to write, the one experiment to run; empty: none, all
  std::string digits;      // folder of real digits: every constraint on them instead
  int seeds = 3;           // of each
  std::string save;        // folder for their folded nets; empty: none
  bool spoiled = false;    // for tests: every experiment must fail
};

struct BenchOptions {
  int rounds = 21;
  std::string workload, target, json;  // empty: all, EMMY_TARGET or else all, none
};

int run_train(const TrainOptions& options);
int run_bench(const BenchOptions& options);
int run_export(const ExportOptions& options);
int run_faults(const FaultsOptions& options);
int run_report(const ReportOptions& options);
int run_reproduce(const ReproduceOptions& options);

}  // namespace emmy::app
