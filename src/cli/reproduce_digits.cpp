// emmy reproduce --digits: what every constraint makes of one net on real digits, against the net without, and the bars for that.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "cli/constrained_nets.hpp"
#include "cli/constraint.hpp"
#include "cli/net_text.hpp"
#include "cli/refuse.hpp"
#include "cli/reproduce_digits.hpp"
#include "cli/target.hpp"
#include "io/csv.hpp"
#include "io/file.hpp"

namespace emmy::app {
namespace {

constexpr int kAll = kInputs * kHidden + kHidden * kClasses;  // multiply-adds of the dense net
constexpr const char* kTarget = "avx2";  // of the figures in docs/constraints.md, unless EMMY_TARGET says otherwise

enum class Kind { dense, units, blocks, elements, rank, mirror, invariant };
// How a net is trained: the rate falls to 0 along half a cosine; then, where something is removed, again under the mask.
struct Form {
  Kind kind;
  const char *name, *title;
  double rate, strength, partner;  // decay of what is constrained, of the layer next to it
  double masked;                   // rate of the epochs under the mask; 0: none
};
constexpr int kEpochs = 60, kMasked = 5;
constexpr Form kForms[] = {
    {Kind::dense, "dense", "no constraint", 0.05, 0, 0, 0},
    {Kind::dense, "dense-fast", "no constraint, twice the rate", 0.1, 0, 0, 0},
    {Kind::units, "units", "W2[j, :] = u_j Z[j, :], not trained on", 0.05, 5e-3, 5e-3 / 16, 0},
    {Kind::blocks, "blocks", "blocks of 4 outputs of W1", 0.1, 9e-4, 5e-4, 0.08},
    {Kind::elements, "elements", "weights of W1", 0.1, 5e-4, 5e-4, 0.08},
    {Kind::elements, "few-elements", "the same, fewer", 0.1, 1e-3, 2.5e-4, 0.05},
    {Kind::rank, "rank", "W1 = U V, 16 directions at first", 0.05, 5e-3, 0, 0.01},
    {Kind::mirror, "mirror", "hidden units in mirrored pairs, head free", 0.05, 0, 0, 0},
    {Kind::invariant, "invariant", "the same with a head that does not see left from right", 0.05, 0, 0, 0}};
constexpr About about(const Form& form) {
  return {form.name, form.title, "docs/constraints.md",
          "64-32-10 on real digits: 60 epochs, then 5 under the mask of what was removed; dense and mirrored nets 65. "
          "Over the seeds: test accuracy, %.",
          "seed"};
}

// What one seed gave.
struct Seed {
  std::string refused;
  double accuracy = 0;               // of the net as deployed
  double multiply_adds = 0;          // share of the dense net's
  int parameters = 0, bytes = 0;     // as deployed; bytes of f32 in flash
  int left = kHidden, of = kHidden;  // groups, directions or units that are not zero
  int live = kHidden;                // units
  int removed = 0;
  double certified = 1, still = 1;  // share of what collapsed; of the zeros, with the final weights
  double margin = 1;                // the worst of what collapsed, in units of the strength
  NetText net;                      // as deployed, where it is to be saved

  void dense(int weights, int biases) {
    multiply_adds = static_cast<double>(weights) / kAll;
    parameters = weights + biases;
    bytes = 4 * parameters;
  }
};

// The first layer stored as groups of `Group` neighbouring outputs with one bit for each that tells whether it is there.
template <int Group>
void count_groups(const Params<DenseNet>& plain, Seed& seed) {
  seed.live = live_units<DenseNet, 2>(plain);
  seed.left = 0;
  seed.of = kInputs * kHidden / Group;
  for (int i = 0; i < kInputs; ++i)
    for (int j = 0; j < kHidden; j += Group) {
      bool any = false;
      for (int k = j; k < j + Group; ++k)
        any = any || (plain.weight<Layer<0>>(k, i) != 0.0f && unit_is_live<DenseNet, 2>(plain, k));
      seed.left += any;
    }
  seed.dense(seed.left * Group + seed.live * kClasses, seed.live + kClasses);
  seed.bytes += seed.of / 8;
}

template <class C>
bool train(Session<C>& s, int epochs, double rate, double strength, double partner, Seed& seed) {
  std::int64_t done = 0;
  for (int e = 0; e < epochs; ++e)
    if (const auto r = s.epoch(rate, done, epochs * s.steps_per_epoch(), strength, partner); r.status != Status::ok) {
      seed.refused = to_string(r.status);
      return false;
    }
  return true;
}

// The share of groups that are zero, and stay so by the gradient on all data.
template <class C>
double still_certified(Session<C>& s) {
  using Site = ConstrainedSite<typename C::Net>;
  constexpr int kCount = Groups<typename C::Net, Site>::kCount;
  std::vector<float> size(kCount), margin(kCount);
  group_sizes<Site>(s.trainer->params, size.data());
  Gradient<DenseNet> full;
  if (!s.full_gradient(full)) return 0;
  Params<DenseNet> plain;
  fold(s.trainer->params, plain);
  const Status status =
      margins<Site, typename C::Net>(plain, full, static_cast<float>(s.recipe().strength), margin.data());
  if (status != Status::ok && status != Status::not_differentiable) return 0;
  int zeros = 0, held = 0;
  for (std::size_t g = 0; g < kCount; ++g)
    if (size[g] == 0) ++zeros, held += margin[g] > 0;
  return zeros > 0 ? static_cast<double>(held) / zeros : 1;
}

void find_rank(Session<LowRank16>& s, Seed& seed) {
  const RankReport c = certify_rank(s);
  seed.refused = c.refused;
  seed.left = c.rank;
  seed.of = c.of;
  seed.removed = c.of - c.rank;
  seed.margin = c.worst_margin;
  seed.certified = seed.removed > 0 ? static_cast<double>(c.certified) / seed.removed : 1;
  seed.dense((kInputs + kHidden) * c.rank + kHidden * kClasses, kHidden + kClasses);
}

// As a model of `emmy train` without a constraint, for emmy export.
std::string save(const Params<DenseNet>& plain, const std::string& path) {
  const auto saved =
      io::write_checkpoint(path, {layout_hash<DenseNet>(), {section_of_recipe({}), section_of("params", plain)}});
  return saved ? "" : saved.error().message;
}

template <class C>
Seed measure(const Form& form, const Table<C>& table, std::uint64_t number, const ReproduceOptions& options,
             const io::TrainAndTest& sets) {
  constexpr bool kGroups = __is_same(C, Units16) || __is_same(C, Blocks16) || __is_same(C, Sparse16),
                 kRank = __is_same(C, LowRank16), kFolds = kGroups || __is_same(C, Dense16);
  Seed seed;
  Recipe recipe;
  recipe.seed = number;
  recipe.schedule = "cosine";
  recipe.strength = form.strength;
  Session<C> s(recipe, table, sets);
  const int epochs = options.spoiled ? 1 : kGroups || kRank ? kEpochs : kEpochs + kMasked;
  if (!train(s, epochs, form.rate, options.spoiled ? 0 : form.strength, form.partner, seed)) return seed;
  if constexpr (kRank) find_rank(s, seed);
  if constexpr (kGroups) {
    const ConstraintReport c = certify(s);
    seed.removed = c.removed;
    seed.certified = c.collapsed > 0 ? static_cast<double>(c.removed) / c.collapsed : 0;
    seed.margin = c.uncertified.empty() ? c.worst_margin : c.worst_uncertified;
  }
  if (form.masked > 0 && !train(s, kMasked, form.masked, 0, 0, seed)) return seed;
  if constexpr (kGroups) seed.still = still_certified(s);

  std::vector<int> taken;
  if constexpr (kFolds) {
    const Params<DenseNet> plain = folded(*s.trainer);
    const Folded exact = fold_to_live(plain);
    taken = classes(exact, s.test_data());
    if (!options.save.empty()) {
      seed.refused = save(plain, fmt::format("{}/{}-{}.model", options.save, form.name, number));
      constexpr bool kBlocks = __is_same(C, Blocks16);
      seed.net = text_of(kBlocks ? keep_units(plain) : exact, kBlocks);
    }
    if constexpr (__is_same(C, Sparse16)) count_groups<1>(plain, seed);
    else if constexpr (__is_same(C, Blocks16)) count_groups<kBlock>(plain, seed);
    else {
      seed.left = seed.live = exact.hidden;
      seed.dense((kInputs + kClasses) * exact.hidden, exact.hidden + kClasses);
    }
  } else {
    taken = s.classes(s.test_data());
    constexpr int kPairs = kHidden / 2;  // halves of sums and of differences; the even head folds to a Dense
    if constexpr (!kRank) seed.dense(2 * kPairs * kInputs / 2 + kHidden * kClasses, kPairs + kClasses);
    if (!options.save.empty()) {
      if constexpr (kRank) {
        seed.net = text_of(fold_pair(s.trainer->params, folded(*s.trainer)), false);
      } else {
        Params<MirrorNet> plain;
        fold(s.trainer->params, plain);
        seed.net = text_of(plain);
      }
    }
  }
  int right = 0;
  for (std::size_t r = 0; r < taken.size(); ++r) right += taken[r] == s.test_data().labels[r];
  seed.accuracy = static_cast<double>(right) / static_cast<double>(s.test_data().rows);
  return seed;
}

struct Tables {
  const Table<Dense16>* dense;
  const Table<Units16>* units;
  const Table<Sparse16>* sparse;
  const Table<ConstrainedNets>* others;

  explicit Tables(const char* target)
      : dense(find_table<Dense16>(target)),
        units(find_table<Units16>(target)),
        sparse(find_table<Sparse16>(target)),
        others(find_table<ConstrainedNets>(target)) {}
};
Seed measure(const Form& form, const Tables& tables, std::uint64_t seed, const ReproduceOptions& options,
             const io::TrainAndTest& sets) {
  const auto one = [&]<class C>(const Table<C>& table) { return measure(form, table, seed, options, sets); };
  switch (form.kind) {
    case Kind::dense: return one(*tables.dense);
    case Kind::units: return one(*tables.units);
    case Kind::blocks: return one(tables.others->blocks);
    case Kind::elements: return one(*tables.sparse);
    case Kind::rank: return one(tables.others->low_rank);
    case Kind::mirror: return one(tables.others->mirror);
    case Kind::invariant: break;
  }
  return one(tables.others->invariant);
}

// The seeds of a row.
struct Row {
  std::vector<Seed> seed;

  template <class Member>
  double least(Member m) const {
    return static_cast<double>((*std::ranges::min_element(seed, {}, m)).*m);
  }
  template <class Member>
  double most(Member m) const {
    return static_cast<double>((*std::ranges::max_element(seed, {}, m)).*m);
  }
  double mean() const {
    double sum = 0;
    for (const Seed& s : seed) sum += s.accuracy;
    return sum / static_cast<double>(seed.size());
  }
  // One number where all are the same.
  std::string each(int Seed::*m) const {
    std::string text = std::to_string(seed[0].*m);
    if (least(m) == most(m)) return text;
    for (std::size_t n = 1; n < seed.size(); ++n) text += ", " + std::to_string(seed[n].*m);
    return text;
  }
};

// Bars: docs/constraints.md, "On real digits".
void check(const Form& form, const Row& row, double dense, reproduce::Result& out) {
  const double multiply_adds = 100 * row.most(&Seed::multiply_adds), behind = 100 * (dense - row.mean());
  const auto shrinks = [&](double share, double points) {
    out.at_most("multiply-adds, % of dense, the most", multiply_adds, share);
    out.at_most("mean accuracy below dense, points", behind, points);
  };
  const auto certified = [&] {
    out.at_least("certified share of what collapsed, %, the least", 100 * row.least(&Seed::certified), 95);
  };
  const auto accurate = [&](double share) {
    out.at_least("test accuracy, %, the least", 100 * row.least(&Seed::accuracy), share);
  };
  switch (form.kind) {
    case Kind::dense: return accurate(95.5);
    case Kind::units:
      out.at_least("units removed of 32, the least", row.least(&Seed::removed), 12);
      accurate(95.5);
      return certified();
    case Kind::blocks: shrinks(51, 0.3); return certified();
    case Kind::elements:
      if (form.strength < 1e-3) shrinks(34, 0.7);
      else shrinks(25, 0.9);
      return certified();
    case Kind::rank: out.at_most("rank, the most", row.most(&Seed::left), 9); return shrinks(50, 0.3);
    case Kind::mirror: shrinks(57, 0.8); return accurate(95.2);
    case Kind::invariant: shrinks(57, 2.5); return accurate(92.5);
  }
}

// The nets that are deployed, of each row that of the seed with the most weights: nets.hpp, for tools/digits-table.sh.
struct Header {
  std::string nets, names;

  void add(const Form& form, const Row& row) {
    std::string name = form.name;
    std::ranges::replace(name, '-', '_');
    const auto largest = std::ranges::max_element(row.seed, {}, [](const Seed& seed) { return seed.net.weights; });
    names += fmt::format(" X({})", name);
    nets += fmt::format("// {}: {}, seed {}\nnamespace {} {{\n{}}}\n\n", form.name, largest->net.shape,
                        largest - row.seed.begin() + 1, name, definitions(largest->net));
  }
  std::string write(const std::string& folder) const {
    const std::string text = fmt::format(
        "// Written by emmy reproduce --digits --save: the net of each row, and {} input and output pairs to check it "
        "with.\n#pragma once\n\n#include <emmy/emmy.hpp>\n#include <emmy/layers/mirrored.hpp>\n\n#define "
        "EMMY_MODELS(X){}\n\nnamespace emmy_models {{\n\n{}\n{}}}  // namespace emmy_models\n",
        checked_inputs().rows, names, inputs_text(), nets);
    const auto written = io::replace_file(folder + "/nets.hpp", std::as_bytes(std::span(text)));
    return written ? "" : written.error().message;
  }
};

std::string table_line(const Form& form, const Row& row) {
  const bool asks = form.strength > 0, groups = asks && form.kind != Kind::rank;
  const auto share = [](bool shown, double v) { return shown ? fmt::format("{:.1f}", 100 * v) : std::string("-"); };
  const char* const what = form.kind == Kind::blocks     ? "blocks"
                           : form.kind == Kind::elements ? "weights"
                           : form.kind == Kind::rank     ? "directions"
                                                         : "units";
  std::string left = fmt::format("{} of {} {}", row.each(&Seed::left), row.seed[0].of, what);
  if (row.seed[0].of > kHidden) left += fmt::format("; {} units", row.each(&Seed::live));
  return fmt::format("| {} | {:.2f} / {:.2f} | {:.0f} | {:.1f} | {:.0f} | {} | {} | {} | {} |\n", form.name,
                     100 * row.least(&Seed::accuracy), 100 * row.mean(), row.most(&Seed::parameters),
                     100 * row.most(&Seed::multiply_adds), row.most(&Seed::bytes),
                     share(asks, row.least(&Seed::certified)), share(groups, row.least(&Seed::still)),
                     asks ? fmt::format("{:.2f}", row.least(&Seed::margin)) : "-", left);
}

}  // namespace

std::string reproduce_digits(const ReproduceOptions& options, std::vector<report::Experiment>& done) {
  std::string names;
  bool known = options.only.empty();
  for (const Form& form : kForms) {
    names += (names.empty() ? "" : ", ") + std::string(form.name);
    known = known || options.only == form.name;
  }
  if (!known) return "--digits has no row '" + options.only + "': " + names;
  if (options.seeds < 1 || options.seeds > reproduce::Curve::kMostPoints)
    return fmt::format("--seeds is 1 to {}", reproduce::Curve::kMostPoints);
  auto train_rows = io::read_csv(options.digits + "/optdigits.tra"),
       test_rows = io::read_csv(options.digits + "/optdigits.tes");
  if (!train_rows) return train_rows.error().message;
  if (!test_rows) return test_rows.error().message;
  if (train_rows->rows < static_cast<std::size_t>(Dense16::kBatch) || test_rows->rows == 0)
    return io::shown_path(options.digits) + ": too few rows";
  if (const std::string why = unwritable_folder(options.save); !why.empty()) return why;
  const std::string asked = wanted_target(), target = asked.empty() ? kTarget : asked;
  const Tables tables(target.c_str());
  if (tables.dense == nullptr || tables.units == nullptr || tables.sparse == nullptr || tables.others == nullptr)
    return no_target<Dense16, Units16, Sparse16, ConstrainedNets>(target, "emmy reproduce --digits");
  if (std::error_code error; !options.save.empty()) std::filesystem::create_directory(options.save, error);
  const io::TrainAndTest sets{std::move(*train_rows), std::move(*test_rows)};

  fmt::print(
      "{} training rows, {} test rows, {} seeds; of several values of a cell the worst\n\n"
      "| constraint | test accuracy, least / mean, % | parameters | multiply-adds, % | weights in flash, B | "
      "certified, % | "
      "with the final weights, % | worst margin / decay | not zero, by seed |\n|---|---|---|---|---|---|---|---|---|\n",
      sets.train.rows, sets.test.rows, options.seeds);
  double dense = -1;
  Row reference;
  Header header;
  for (const Form& form : kForms) {
    const bool wanted = options.only.empty() || options.only == form.name;
    if (!wanted && form.kind != Kind::dense) continue;
    Row row;
    reproduce::Result result;
    for (int n = 1; n <= options.seeds; ++n) {
      row.seed.push_back(measure(form, tables, static_cast<std::uint64_t>(n), options, sets));
      if (!row.seed.back().refused.empty()) return std::string(form.name) + ": " + row.seed.back().refused;
    }
    if (form.kind == Kind::dense && row.mean() > dense) dense = row.mean(), reference = row;
    fmt::print("{}", table_line(form, row));
    std::fflush(stdout);
    if (!options.save.empty()) header.add(form, row);
    if (!wanted) continue;
    check(form, row, dense, result);
    result.name_curves("dense", "under the constraint");
    for (std::size_t n = 0; n < row.seed.size(); ++n)
      result.point(static_cast<double>(n + 1), 100 * reference.seed[n].accuracy, 100 * row.seed[n].accuracy);
    done.push_back(shown(about(form), result));
  }
  fmt::print("\n");
  if (!options.save.empty())
    if (const std::string why = header.write(options.save); !why.empty()) return why;
  for (const report::Experiment& e : done) fmt::print("{}", report::to_text(e));
  return "";
}

}  // namespace emmy::app
