// Which recipes `emmy train` takes.
#include <string>

#include <fmt/core.h>
#include <emmy/noether/energy.hpp>

#include "cli/nets.hpp"
#include "cli/options.hpp"

namespace emmy::app {

namespace {
constexpr int kSplits = 3, kMostRecordings = 10000;
constexpr double kLeastGoverned = static_cast<double>(RateGovernor{}.least);
}  // namespace

std::string complaint(const Recipe& r) {
  const bool bookless = is_bookless(r.constraint);  // of the batch size of the others
  const int wanted = with_configuration(r.net, r.rule, bookless ? "units" : r.constraint, r.batch, 0,
                                        []<class C>(C) { return C::kBatch; });
  if (wanted == 0)
    return "--net is digits, digits-conv, digits-norm, exercises, exercises-gru or controller, not '" + r.net + "'";
  if (r.constraint != "none" && r.constraint != "sparse" && r.constraint != "units" && !bookless)
    return "--constraint is none, sparse, blocks, units or rank, not '" + r.constraint + "'";
  if (r.schedule != "linear" && r.schedule != "cosine" && r.schedule != "cooldown" && r.schedule != "constant")
    return "--schedule is linear, cosine, cooldown or constant, not '" + r.schedule + "'";
  if (r.epochs < 1 || r.epochs > 1000000) return "--epochs is 1 to 1000000";
  const bool digits = r.net == Dense16::kName;
  const RuleOption* rule = rule_option(r.rule);
  if (rule == nullptr) {
    std::string names;
    for (const RuleOption& each : kRules) names += fmt::format("{}{}", names.empty() ? "" : ", ", each.name);
    return "--rule is one of " + names + ", not '" + r.rule + "'";
  }
  const bool adam = r.rule == "adam" || r.rule == "adam-shared";
  if (r.rule != "momentum" && !(digits && r.constraint == "none") && !(adam && r.net == NormDigits::kName))
    return "--rule " + r.rule + " is for --net digits without a constraint" + (adam ? ", or digits-norm" : "");
  if (rule->memory.empty() && r.momentum != 0) return "--momentum is not for --rule " + r.rule + ": it has none";
  if (r.rule == "momentum-clipped" && !in_range(r.clip, 1e-30, 1e30)) return "--clip is above 0";
  if (!digits && r.constraint != "none") return "--constraint " + r.constraint + " is for --net digits";
  if (r.batch != wanted && !digits)
    return fmt::format("--batch is {} for --net {}: it is known at compile time", wanted, r.net);
  if (r.batch != wanted)
    return r.constraint == "none" && r.rule == "momentum"
               ? "--batch is 1, 16 or 64: every size is known at compile time"
               : "--batch is 16 with a constraint or another rule than momentum";
  if (!in_range(r.learning_rate, 0, 10)) return "--learning-rate is 0 to 10";
  if (r.governor && r.constraint != "none") return "--governor is for --constraint none";
  if (r.governor && (r.momentum != 0 || (r.rule != "momentum" && r.rule != "sgd")))
    return "--governor is for plain steps: --rule sgd, or momentum with --momentum 0";
  if (r.governor && !in_range(r.learning_rate, kLeastGoverned, 1))
    return "--governor starts from a --learning-rate of 1e-9 to 1";
  if (!in_range(r.momentum, 0, 0.999)) return "--momentum is 0 to 0.999";
  if (!in_range(r.decay, 0, 1) || r.decay * r.learning_rate > 1)
    return "--decay is 0 to 1, times --learning-rate at most 1";
  if (!in_range(r.label_noise, 0, 1)) return "--label-noise is 0 to 1";
  if (r.label_noise > 0 && r.net == Controller::kName) return "--label-noise is for nets that tell classes apart";
  if (!in_range(r.strength, 0, 1) || r.strength * r.learning_rate > 1)
    return "--strength is 0 to 1, times --learning-rate at most 1";
  if (!in_range(r.partner, 0, 1) || r.partner * r.learning_rate > 1)
    return "--partner-decay is 0 to 1, times --learning-rate at most 1";
  if (r.fine_tune < 0 || r.fine_tune > 1000000) return "--fine-tune is 0 to 1000000";
  if (r.fine_tune > 0 && r.constraint == "rank") return "--fine-tune is not for --constraint rank";
  if (r.drawn < 64 || r.drawn > 1000000) return "--draw is 64 to 1000000";
  if (is_of_exercises(r.net) && r.drawn > kMostRecordings)
    return fmt::format("--draw is 64 to {} recordings", kMostRecordings);
  if (r.split < 0 || r.split >= kSplits) return fmt::format("--split is 0 to {}", kSplits - 1);
  return "";
}

}  // namespace emmy::app
