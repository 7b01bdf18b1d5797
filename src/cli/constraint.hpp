// After training under a constraint: which groups collapsed, which of them are certified, and what was removed.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <emmy/parametrize/low_rank.hpp>

#include "cli/session.hpp"

namespace emmy::app {

struct ConstraintReport {
  int groups = 0;
  int collapsed = 0;        // below 1e-3 of the largest; all of them, and nothing removed, where that is below 1e-6
  int removed = 0;          // collapsed and certified: exact zeros now
  int removed_alive = 0;    // of those, units that still fire (> 1 % of the rows) or weights with a live input and unit
  double worst_margin = 0;  // of the removed, in units of the strength
  double worst_uncertified = 0;
  std::vector<int> uncertified;                    // collapsed, not certified: left as they are
  std::vector<double> margin;                      // of each removed group, in units of the strength
  double accuracy_before = 0, accuracy_after = 0;  // on the test set, at the removal
  int changed_by_removal = 0;                      // test rows whose class changed
  double multiply_adds = 1;                        // share that is left
  // What is not certified would be above `threshold`, with the weights as they are, and at the strength `suggested`. Where nothing
  // collapsed: the one of the smallest groups that asks for least, by itself with all else as it is; -1: none was tried.
  double threshold = 0, suggested = 0;
  int smallest = -1;
};

// How far above the threshold a group is gone, to 1e-3, by the end of a run of so many steps: its size falls by
// (1 - eta (strength - threshold))^2 a step.
inline double above_threshold(const Recipe& r, std::int64_t steps) {
  const double rate = r.learning_rate / (1 - r.momentum) * (r.schedule == "constant" ? 1 : 0.5);
  return std::log(1e3) / (2 * rate * static_cast<double>(steps));
}

// The layer that is parametrised.
template <class Net>
using ConstrainedSite = std::conditional_t<__is_same(Net, UnitsNet), Layer<2>, Layer<0>>;
// Neighbouring hidden units that a group of it meets.
template <class G>
constexpr int kUnitsOfGroup = 1;
template <class G>
requires requires { G::composition::kBlock; }
constexpr int kUnitsOfGroup<G> = G::composition::kBlock;

// Rows of the training set on which hidden unit j fires, in plain arithmetic.
template <class C>
std::vector<int> firing_rows(const Session<C>& s) {
  Params<DenseNet> plain;
  fold(s.trainer->params, plain);
  std::vector<int> fires(kHidden);
  const io::Dataset& data = s.train_data();
  for (std::size_t r = 0; r < data.rows; ++r)
    for (int j = 0; j < kHidden; ++j) {
      double z = static_cast<double>(plain.template bias<Layer<0>>(j));
      for (int i = 0; i < kInputs; ++i)
        z += static_cast<double>(data.x[r * kInputs + static_cast<std::size_t>(i)]) *
             static_cast<double>(plain.template weight<Layer<0>>(j, i));
      fires[static_cast<std::size_t>(j)] += z > 0;
    }
  return fires;
}

// The deployed weights: plain, with units that only send a constant absorbed.
template <class TrainerType>
Params<DenseNet> folded(const TrainerType& trainer) {
  Params<DenseNet> plain;
  fold(trainer.params, plain);
  absorb_constant_units(plain);
  return plain;
}

// The share of the dense net's multiply-adds that is left: weights that are not zero and whose unit sends something on.
inline double multiply_adds(const Params<DenseNet>& plain) {
  int left = 0;
  for (int j = 0; j < kHidden; ++j) {
    if (!unit_is_live<DenseNet, 2>(plain, j)) continue;
    for (int i = 0; i < kInputs; ++i) left += plain.weight<Layer<0>>(j, i) != 0.0f;
    for (int o = 0; o < kClasses; ++o) left += plain.weight<Layer<2>>(o, j) != 0.0f;
  }
  return static_cast<double>(left) / (kInputs * kHidden + kHidden * kClasses);
}

// Snaps what collapsed, takes margins on the full training set with everything else final, gives back what is not
// certified and repeats until all that is removed is certified.
template <class C>
ConstraintReport certify(Session<C>& s) {
  using Net = typename C::Net;
  using Site = ConstrainedSite<Net>;
  using G = Groups<Net, Site>;
  constexpr int kCount = G::kCount;
  constexpr float kTolerance = 1e-3f;
  ConstraintReport report;
  report.groups = kCount;
  report.accuracy_before = s.score(s.test_data()).accuracy;
  const std::vector<int> before = s.classes(s.test_data()), fires = firing_rows(s);

  std::vector<float> size(kCount), margin(kCount);
  group_sizes<Site>(s.trainer->params, size.data());
  const float largest = *std::max_element(size.begin(), size.end());
  std::vector<bool> removed(kCount);
  for (int g = 0; g < kCount; ++g)
    removed[static_cast<std::size_t>(g)] = size[static_cast<std::size_t>(g)] < kTolerance * largest;
  report.collapsed = static_cast<int>(std::count(removed.begin(), removed.end(), true));
  if (largest < 1e-6f) {  // the strength left nothing to compare with
    report.collapsed = kCount;
    report.accuracy_after = report.accuracy_before;
    return report;
  }

  // A unit that never fired still has the bias 0 that it began with, and without weights would be at the kink of its ReLU, where there
  // is no certificate. Just below 0 it is as dead as before, and stays so.
  if constexpr (!__is_same(Net, UnitsNet))
    for (int j = 0; j < kHidden; ++j)
      if (float& bias = s.trainer->params.template bias<Layer<0>>(j);
          fires[static_cast<std::size_t>(j)] == 0 && bias == 0.0f)
        bias = -0x1p-100f;
  const auto params = s.trainer->params;
  const auto state = s.trainer->state;
  const auto lambda = static_cast<float>(s.recipe().strength);
  Gradient<typename Session<C>::Plain> full;
  auto plain = std::make_unique<Params<typename Session<C>::Plain>>();
  // Margins with exactly the groups in `removed` at zero, of a group at a kink -infinity; false if the data gives no finite gradient.
  const auto take_margins = [&] {
    s.trainer->params = params;
    s.trainer->state = state;
    for (int g = 0; g < kCount; ++g)
      if (removed[static_cast<std::size_t>(g)]) snap<Site>(s.trainer->params, s.trainer->state, g);
    if (!s.full_gradient(full)) return false;
    fold(s.trainer->params, *plain);
    const Status status = margins<Site, Net>(*plain, full, lambda, margin.data());
    return status == Status::ok || status == Status::not_differentiable;
  };
  // What is not certified is given back; what then is certified after all is tried again, a few times.
  std::vector<bool> uncertified(kCount);
  for (int retries = 4;;) {
    if (!take_margins()) return report;
    bool given_back = false, tried_again = false;
    for (std::size_t g = 0; g < kCount; ++g)
      if (removed[g] && !(margin[g] > 0)) {
        removed[g] = false;
        uncertified[g] = given_back = true;
      }
    if (given_back) continue;
    if (retries-- == 0) break;
    for (std::size_t g = 0; g < kCount; ++g)
      if (uncertified[g] && margin[g] > 0) {
        uncertified[g] = false;
        removed[g] = tried_again = true;
      }
    if (!tried_again) break;
  }
  for (std::size_t g = 0; g < kCount; ++g)
    if (uncertified[g]) {
      report.uncertified.push_back(static_cast<int>(g));
      report.worst_uncertified = std::min(report.worst_uncertified, static_cast<double>(margin[g] / lambda));
    }
  if (const auto v = verdict(report.worst_uncertified * s.recipe().strength, s.recipe().strength);
      !report.uncertified.empty() && std::isfinite(v.suggested_decay))
    report.threshold = v.threshold, report.suggested = v.suggested_decay;
  // Of the smallest groups that the data say anything of; not a dead unit's, whose gradient is 0.
  if (report.collapsed == 0) {
    constexpr int kTried = 8, kLooked = std::min(64, kCount);
    std::vector<int> order(kCount);
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + kLooked, order.end(), [&](int a, int b) {
      return size[static_cast<std::size_t>(a)] < size[static_cast<std::size_t>(b)];
    });
    const double slowest = above_threshold(s.recipe(), s.recipe().epochs * s.steps_per_epoch());
    float most = std::isfinite(slowest) ? -std::numeric_limits<float>::infinity() : lambda;  // no step moves: no answer
    for (int n = 0, tried = 0; n < kLooked && tried < kTried; ++n) {
      const auto g = static_cast<std::size_t>(order[static_cast<std::size_t>(n)]);
      removed[g] = true;
      if (take_margins() && margin[g] < lambda) {
        ++tried;
        if (margin[g] > most) {
          most = margin[g];
          report.smallest = static_cast<int>(g);
          const auto v = verdict(static_cast<double>(most), s.recipe().strength);
          report.threshold = v.threshold, report.suggested = v.suggested_decay + slowest;
        }
      }
      removed[g] = false;
    }
    s.trainer->params = params;
    s.trainer->state = state;
  }
  if constexpr (kIsLedger<typename C::Ledger>) s.ledger->resync();

  const int rows = static_cast<int>(s.train_data().rows);
  std::vector<bool> input_is_live(kInputs);
  for (std::size_t i = 0; i < s.train_data().x.size(); ++i)
    if (s.train_data().x[i] != 0.0f) input_is_live[i % kInputs] = true;
  report.worst_margin = 1;
  for (std::size_t g = 0; g < kCount; ++g) {
    if (!removed[g]) continue;
    ++report.removed;
    report.margin.push_back(static_cast<double>(margin[g] / lambda));
    report.worst_margin = std::min(report.worst_margin, report.margin.back());
    constexpr std::size_t kSize = kUnitsOfGroup<G>, kOfInput = kHidden / kSize;
    constexpr bool kOfUnits = __is_same(Net, UnitsNet);
    const auto* first = fires.data() + (kOfUnits ? g : g % kOfInput * kSize);
    const bool unit_is_live = *std::max_element(first, first + kSize) * 100 > rows;
    report.removed_alive += unit_is_live && (kOfUnits || input_is_live[g / kOfInput]);
  }
  report.multiply_adds = multiply_adds(folded(*s.trainer));
  const std::vector<int> after = s.classes(s.test_data());
  for (std::size_t r = 0; r < after.size(); ++r) report.changed_by_removal += after[r] != before[r];
  report.accuracy_after = s.score(s.test_data()).accuracy;
  return report;
}

// The same of LowRank for the first layer: directions of the singular basis, of which those below 1e-3 of the largest become zero.
// Certified are as many of them as the gradient, outside of what is left, has no singular value above the strength for.
struct RankReport {
  std::string refused;
  int rank = 0, of = 0, certified = 0;
  // The strength that would certify them; where none was dropped, that would drop the smallest.
  double threshold = 0, suggested = 0;
  double worst_margin = 1;  // of those dropped, in units of the strength; where none was, of the smallest
  double multiply_adds = 1;
};
template <class C>
RankReport certify_rank(Session<C>& s) {
  using Pair = inner::LinearPair<typename C::Net, Layer<0>>;
  constexpr int kRank = Pair::kRank;
  auto& params = s.trainer->params;
  RankReport report;
  float value[kRank], margin[kRank];
  singular_basis<Layer<0>>(params, s.trainer->state, value);
  report.of = kRank;
  report.rank = drop_rank<Layer<0>>(params, s.trainer->state, value, 1e-3f * value[0]);
  const int gone = kRank - report.rank;
  const auto kept = params;
  if (gone == 0) drop_rank<Layer<0>>(params, value, value[kRank - 1]);
  auto plain = std::make_unique<Params<typename Session<C>::Plain>>();
  auto full = std::make_unique<Gradient<typename Session<C>::Plain>>();
  fold(params, *plain);
  const auto lambda = static_cast<float>(s.recipe().strength);
  if (!s.full_gradient(*full) || rank_margins<Layer<0>>(params, *plain, *full, lambda, margin) != Status::ok)
    report.refused = "no gradient on all data, or at a kink";
  else {
    for (int r = 0; r < gone; ++r) report.certified += margin[r] > 0;
    if (lambda > 0) report.worst_margin = std::min(1.0, static_cast<double>(margin[0] / lambda));
    const auto v = verdict(static_cast<double>(margin[0]), s.recipe().strength);
    report.threshold = v.threshold, report.suggested = v.suggested_decay;
    if (const double slowest = above_threshold(s.recipe(), s.recipe().epochs * s.steps_per_epoch()); gone == 0)
      report.suggested = std::isfinite(slowest) ? v.suggested_decay + slowest : 0;
  }
  params = kept;
  report.multiply_adds = static_cast<double>((kInputs + kHidden) * report.rank + kHidden * kClasses) /
                         (kInputs * kHidden + kHidden * kClasses);
  return report;
}

}  // namespace emmy::app
