// The end of a constrained run: what was removed and certified, in words and in JSON.
#pragma once

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "cli/constrained_nets.hpp"
#include "cli/constraint.hpp"
#include "cli/folded.hpp"

namespace emmy::app {

// Where nothing collapsed: what strength would have made it.
inline void print_suggestion(const char* group, int number, double threshold, double suggested, int epochs) {
  fmt::print(
      "  nothing collapsed: 0 would hold for {} {} alone above {:.2g}, all else as it is; to be there in {} epochs try "
      "--strength {:.2g}\n",
      group, number, threshold, epochs, suggested);
}

inline void print_nothing_left(const char* group) {
  fmt::print("  no {} is left: the strength is above all that the data hold up; try a smaller --strength\n", group);
}

// A rank: what was dropped and certified.
inline std::string finish_constraint(Session<LowRank16>& s, nlohmann::json& out) {
  const double before = s.score(s.test_data()).accuracy;
  const RankReport c = certify_rank(s);
  if (!c.refused.empty()) return "no certificate: " + c.refused;
  const double strength = s.recipe().strength, after = s.score(s.test_data()).accuracy;
  const int gone = c.of - c.rank;
  fmt::print("constraint rank, strength {:g}\n", strength);
  fmt::print("  {} of {} directions dropped, {} of them certified on all {} training rows; rank {}\n", gone, c.of,
             c.certified, s.train_data().rows, c.rank);
  if (gone > 0)
    fmt::print("  margin strength - |gradient| of the dropped: at least {:.3f} of the strength\n", c.worst_margin);
  if (c.rank == 0) print_nothing_left("direction");
  if (c.certified < gone)
    fmt::print("  {} are not certified: try --strength {:.2g}\n", gone - c.certified, c.suggested);
  if (gone == 0 && c.suggested > 0)
    print_suggestion("direction", c.of - 1, c.threshold, c.suggested, s.recipe().epochs);
  fmt::print(
      "  test accuracy {:.2f} % before, {:.2f} % after; as 64-{}-32-10 {:.1f} % of the dense net's multiply-adds\n",
      100 * before, 100 * after, c.rank, 100 * c.multiply_adds);
  out = {{"kind", "rank"},
         {"strength", strength},
         {"groups", c.of},
         {"rank", c.rank},
         {"removed", gone},
         {"certified_share", gone > 0 ? static_cast<double>(c.certified) / gone : 1.0},
         {"worst_margin", c.worst_margin},
         {"suggested_strength", c.certified < gone || gone == 0 ? c.suggested : 0},
         {"accuracy_before", before},
         {"accuracy_after", after},
         {"multiply_adds", c.multiply_adds}};
  return "";
}

// Snap, certificate, folding and fine-tuning of a constrained net; fills the JSON's "constraint".
template <class C>
std::string finish_constraint(Session<C>& s, nlohmann::json& out) {
  const Recipe& r = s.recipe();
  const ConstraintReport c = certify(s);
  const Params<DenseNet> plain = folded(*s.trainer);
  const Folded exact = fold_to_live(plain);
  const std::vector<int> of_exact = classes(exact, s.test_data()), of_net = s.classes(s.test_data());
  int different = 0;
  for (std::size_t i = 0; i < of_net.size(); ++i) different += of_net[i] != of_exact[i];
  const bool units = r.constraint == "units";
  const char* group = units ? "units" : r.constraint == "blocks" ? "blocks" : "weights";
  fmt::print("constraint {}, strength {:g}\n", r.constraint, r.strength);
  fmt::print(
      "  {} of {} {} collapsed; {} removed and certified on all {} training rows, {} of them still alive before\n",
      c.collapsed, c.groups, group, c.removed, s.train_data().rows, c.removed_alive);
  if (c.removed > 0)
    fmt::print("  margin strength - |gradient| of the removed: at least {:.3f} of the strength\n", c.worst_margin);
  if (!c.uncertified.empty()) {
    fmt::print("  collapsed, not certified, left as they are: {} (worst margin {:.2f})", c.uncertified.size(),
               c.worst_uncertified);
    for (std::size_t i = 0; i < c.uncertified.size() && i < 12; ++i)
      fmt::print("{} {}", i == 0 ? ":" : ",", c.uncertified[i]);
    fmt::print("{}\n", c.uncertified.size() > 12 ? ", ... (all in --json)" : "");
    if (c.suggested > 0)
      fmt::print("  all of them would be certified as things are at --strength {:.2g}\n", c.suggested);
  }
  const char* one = units ? "unit" : r.constraint == "blocks" ? "block" : "weight";
  if (c.collapsed == c.groups) print_nothing_left(one);
  if (c.smallest >= 0 && c.suggested > 0) print_suggestion(one, c.smallest, c.threshold, c.suggested, r.epochs);
  fmt::print("  test accuracy {:.2f} % before the removal, {:.2f} % after; {} of {} classes changed\n",
             100 * c.accuracy_before, 100 * c.accuracy_after, c.changed_by_removal, s.test_data().rows);
  fmt::print("  folded to 64-{}-10: {:.1f} % of the dense net's multiply-adds{}, {} of {} classes differ\n",
             exact.hidden, 100 * c.multiply_adds, units ? "" : " where zero weights are skipped", different,
             s.test_data().rows);
  out = {{"kind", r.constraint},
         {"strength", r.strength},
         {"groups", c.groups},
         {"collapsed", c.collapsed},
         {"removed", c.removed},
         {"removed_alive", c.removed_alive},
         {"certified_share", c.collapsed > 0 ? static_cast<double>(c.removed) / c.collapsed : 1.0},
         {"uncertified", c.uncertified},
         {"worst_margin", c.worst_margin},
         {"suggested_strength", c.suggested},
         {"margins", c.margin},
         {"accuracy_before", c.accuracy_before},
         {"accuracy_after", c.accuracy_after},
         {"changed_by_removal", c.changed_by_removal},
         {"multiply_adds", c.multiply_adds},
         {"folded_hidden", exact.hidden},
         {"folded_different", different},
         {"certificate_of", r.fine_tune > 0 ? "the weights before fine-tuning" : "the final weights"},
         {"fine_tune_epochs", r.fine_tune}};
  std::int64_t done = 0;
  for (int e = 0; e < r.fine_tune; ++e) {
    const auto result = s.epoch(r.learning_rate / 2, done, r.fine_tune * s.steps_per_epoch(), 0, 0);
    if (result.status != Status::ok) return fmt::format("a fine-tuning step was refused: {}", to_string(result.status));
  }
  if (r.fine_tune > 0) {
    const double accuracy = s.score(s.test_data()).accuracy;
    out["accuracy_fine_tuned"] = accuracy;
    fmt::print(
        "  after {} more epochs under the mask: test accuracy {:.2f} % (all above is of the weights before them)\n",
        r.fine_tune, 100 * accuracy);
  }
  return "";
}

}  // namespace emmy::app
