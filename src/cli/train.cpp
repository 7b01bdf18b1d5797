// emmy train
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <type_traits>

#include <fmt/core.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "cli/constraint.hpp"
#include "cli/folded.hpp"
#include "cli/refuse.hpp"
#include "cli/report.hpp"
#include "io/crc32.hpp"
#include "io/csv.hpp"
#include "io/digits.hpp"
#include "io/file.hpp"

namespace emmy::app {

namespace {

constexpr std::uint64_t kTrainDigits = 1, kTestDigits = 2;  // seeds of the drawn sets
constexpr std::size_t kDrawnTest = 1000;

bool in_range(double x, double low, double high) { return x >= low && x <= high; }  // false for NaN

// What is wrong with the recipe, empty if nothing.
std::string complaint(const Recipe& r) {
  if (r.constraint != "none" && r.constraint != "sparse" && r.constraint != "units")
    return "--constraint is none, sparse or units, not '" + r.constraint + "'";
  if (r.schedule != "linear" && r.schedule != "constant")
    return "--schedule is linear or constant, not '" + r.schedule + "'";
  if (r.epochs < 1 || r.epochs > 1000000) return "--epochs is 1 to 1000000";
  if (r.constraint == "none" ? r.batch != 1 && r.batch != 16 && r.batch != 64 : r.batch != 16)
    return r.constraint == "none" ? "--batch is 1, 16 or 64: every size is known at compile time"
                                  : "--batch is 16 with a constraint";
  if (!in_range(r.learning_rate, 0, 10)) return "--learning-rate is 0 to 10";
  if (!in_range(r.momentum, 0, 0.999)) return "--momentum is 0 to 0.999";
  if (!in_range(r.decay, 0, 1) || r.decay * r.learning_rate > 1)
    return "--decay is 0 to 1, times --learning-rate at most 1";
  if (!in_range(r.strength, 0, 1) || r.strength * r.learning_rate > 1)
    return "--strength is 0 to 1, times --learning-rate at most 1";
  if (!in_range(r.partner, 0, 1) || r.partner * r.learning_rate > 1)
    return "--partner-decay is 0 to 1, times --learning-rate at most 1";
  if (r.fine_tune < 0 || r.fine_tune > 1000000) return "--fine-tune is 0 to 1000000";
  if (r.drawn < 64 || r.drawn > 1000000) return "--draw is 64 to 1000000";
  return "";
}

// A file that is written must not be one that is read, however its path is spelled. A resumed run may be saved over.
std::string overwrites(const TrainOptions& o) {
  const auto same = [](const std::string& a, const std::string& b) {
    std::error_code error;
    return !a.empty() && !b.empty() && (a == b || std::filesystem::equivalent(a, b, error));
  };
  struct Pair {
    const char *written, *other;
    const std::string &to, &from;
  };
  for (const Pair& p : {Pair{"--save", "--json", o.save, o.json}, Pair{"--save", "--data", o.save, o.data},
                        Pair{"--save", "--test", o.save, o.test}, Pair{"--json", "--data", o.json, o.data},
                        Pair{"--json", "--test", o.json, o.test}, Pair{"--json", "--resume", o.json, o.resume}})
    if (same(p.to, p.from)) return fmt::format("{}: named by both {} and {}", io::shown_path(p.to), p.written, p.other);
  return "";
}

void clear_progress_bar() {
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\033[K");
}
void progress_bar(int epoch, int epochs) {
  if (isatty(STDERR_FILENO) == 0) return;
  constexpr int kWidth = 40;
  const int full = kWidth * epoch / epochs;
  fmt::print(stderr, "\r[{:=<{}}{: <{}}] {}/{}{}", "", full, "", kWidth - full, epoch, epochs,
             epoch == epochs ? "\r\033[K" : "");
  std::fflush(stderr);
}

// Tells one training set from another, so that no run goes on with the wrong one.
std::uint32_t checksum(const io::Dataset& data) {
  return io::crc32(std::as_bytes(std::span(data.labels)), io::crc32(std::as_bytes(std::span(data.x))));
}

// What a run that was really saved cannot hold; a generator with an even increment would not end.
bool plausible(const Progress& p) { return p.step >= 0 && p.epoch >= 0 && p.finished <= 1 && p.rng.increment % 2 == 1; }

template <class C>
io::Result<io::Done> save(const Session<C>& s, const std::string& path) {
  io::Checkpoint file{layout_hash<typename C::Net>(), {}};
  file.sections = {section_of_recipe(s.recipe()),
                   section_of("params", s.trainer->params),
                   section_of("buffers", s.trainer->buffers),
                   section_of("state", s.trainer->state),
                   section_of("ledger", *s.ledger),
                   section_of("progress", s.progress),
                   section_of("data", checksum(s.train_data()))};
  return io::write_checkpoint(path, file);
}

template <class C>
io::Result<io::Done> load(Session<C>& s, const io::Checkpoint& file, const std::string& path) {
  std::uint32_t data = 0;
  for (const auto& part :
       {read_section(file, path, "params", s.trainer->params), read_section(file, path, "buffers", s.trainer->buffers),
        read_section(file, path, "state", s.trainer->state), read_section(file, path, "ledger", *s.ledger),
        read_section(file, path, "progress", s.progress), read_section(file, path, "data", data)})
    if (!part) return part.error();
  if (!plausible(s.progress)) return io::Error{io::shown_path(path) + ": its progress is damaged"};
  for (const float w : s.trainer->params.data)
    if (!std::isfinite(w)) return io::Error{io::shown_path(path) + ": holds a weight that is not finite"};
  if (data != checksum(s.train_data()))
    return io::Error{io::shown_path(path) + ": was trained on other rows; give the same --data to go on with it"};
  return io::Done{};
}

template <class C>
void print_memory(const Session<C>& s) {
  using T = typename Table<C>::TrainerType;
  fmt::print("RAM: params {} B, buffers {} B, state {} B, scratch {} B, together {} B; ledger {} B\n",
             sizeof(s.trainer->params), kPlan<typename C::Net>.buffers > 0 ? sizeof(s.trainer->buffers) : 0,
             sizeof(s.trainer->state), sizeof(s.trainer->scratch), sizeof(T), sizeof(*s.ledger));
}

// Epochs from where the session stands to `until`; an error message if a step refuses.
template <class C>
std::string train_epochs(Session<C>& s, int until) {
  const Recipe& r = s.recipe();
  const std::int64_t total = r.epochs * s.steps_per_epoch();
  while (s.progress.epoch < until) {
    const auto result = s.epoch(r.learning_rate, s.progress.step, total, r.strength, r.partner);
    if (result.status != Status::ok)
      return fmt::format(
          "a training step was refused at step {}: {} (the weights are those before it); try a lower --learning-rate",
          s.progress.step, to_string(result.status));
    ++s.progress.epoch;
    const Score test = s.score(s.test_data());
    clear_progress_bar();
    fmt::print("epoch {:3d}  loss {:.4f}  test accuracy {:.2f} %\n", s.progress.epoch, result.loss,
               100 * test.accuracy);
    std::fflush(stdout);
    progress_bar(s.progress.epoch, r.epochs);
  }
  return "";
}

nlohmann::json to_json(const std::vector<ChargeReport>& charges) {
  nlohmann::json list = nlohmann::json::array();
  for (const ChargeReport& r : charges) {
    nlohmann::json causes, shares;
    for (int c = 0; c < kCauses; ++c) {
      causes[cause_name(c)] = r.amount[c];
      shares[cause_name(c)] = r.share[c];
    }
    list.push_back({{"symmetry", r.symmetry},
                    {"charges", r.units},
                    {"drift", r.drift},
                    {"amount", causes},
                    {"share", shares},
                    {"worst_residual", r.worst_residual},
                    {"residual_over_bound", r.residual_ratio},
                    {"residual_relative", r.relative},
                    {"noether_over_bound", r.noether_ratio}});
  }
  return list;
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
  const char* group = r.constraint == "units" ? "units" : "weights";
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
  }
  fmt::print("  test accuracy {:.2f} % before the removal, {:.2f} % after; {} of {} classes changed\n",
             100 * c.accuracy_before, 100 * c.accuracy_after, c.changed_by_removal, s.test_data().rows);
  fmt::print("  folded to 64-{}-10: {:.1f} % of the dense net's multiply-adds{}, {} of {} classes differ\n",
             exact.hidden, 100 * c.multiply_adds, r.constraint == "sparse" ? " where zero weights are skipped" : "",
             different, s.test_data().rows);
  out = {{"kind", r.constraint},
         {"strength", r.strength},
         {"groups", c.groups},
         {"collapsed", c.collapsed},
         {"removed", c.removed},
         {"removed_alive", c.removed_alive},
         {"certified_share", c.collapsed > 0 ? static_cast<double>(c.removed) / c.collapsed : 1.0},
         {"uncertified", c.uncertified},
         {"worst_margin", c.worst_margin},
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

template <class C>
int run(const TrainOptions& options, const Recipe& recipe, const Table<C>& table, const io::Checkpoint* resumed,
        io::Dataset train, io::Dataset test) {
  using Net = typename C::Net;
  if (train.rows < static_cast<std::size_t>(C::kBatch))
    return refuse(fmt::format("{}: {} rows do not fill a batch of {}", options.data, train.rows, C::kBatch));
  Session<C> s(recipe, table, std::move(train), std::move(test));
  if (resumed != nullptr) {
    if (resumed->layout_hash != layout_hash<Net>())
      return refuse(io::shown_path(options.resume) + ": was saved by another net");
    if (const auto loaded = load(s, *resumed, options.resume); !loaded) return refuse(loaded.error().message);
    fmt::print("resumed {} at epoch {} of {}\n", options.resume, s.progress.epoch, recipe.epochs);
  }
  fmt::print("net 64-{}-10, ReLU, softmax cross-entropy; batch {}; target {} ({})\n", kHidden, C::kBatch, table.target,
             table.backend);
  print_memory(s);
  const int until = std::min(recipe.epochs, options.stop_after.value_or(recipe.epochs));
  if (s.progress.finished != 0 && recipe.constraint != "none" && s.progress.epoch < until)
    return refuse(io::shown_path(options.resume) +
                  ": is finished, its groups removed and certified; more epochs would void the certificate");
  // Another target than the one that saved adds the same weights up in another order.
  if (resumed != nullptr && s.progress.epoch < until) s.ledger->resync();
  if (const std::string why = train_epochs(s, until); !why.empty()) {
    fmt::print(stderr, "emmy: {}\n", why);
    return kFailed;
  }
  nlohmann::json constraint = {{"kind", recipe.constraint}};
  if constexpr (!std::is_same_v<Net, DenseNet>) {
    if (s.progress.epoch >= recipe.epochs && !s.progress.finished)
      if (const std::string why = finish_constraint(s, constraint); !why.empty()) {
        fmt::print(stderr, "emmy: {}\n", why);
        return kFailed;
      }
  }
  s.progress.finished = s.progress.epoch >= recipe.epochs;

  const Score test_score = s.score(s.test_data()), train_score = s.score(s.train_data());
  const double step_us = s.timed_steps > 0 ? 1e6 * s.step_seconds / static_cast<double>(s.timed_steps) : 0;
  const auto charges = charge_reports(*s.ledger, symmetries_of<Net>{});
  print_charges(charges);
  fmt::print("  health: worst residual of any charge, identity or check sum in {} steps {:.3f} of its bound\n",
             s.ledger->measured, static_cast<double>(s.ledger->worst_health()));
  fmt::print("train loss {:.4f}, test accuracy {:.2f} % ({} of {}){}\n", train_score.loss, 100 * test_score.accuracy,
             test_score.correct, s.test_data().rows, step_us > 0 ? fmt::format(", {:.1f} us a step", step_us) : "");

  if (!options.save.empty()) {
    if (const auto saved = save(s, options.save); !saved) return refuse(saved.error().message);
    fmt::print("saved {}\n", options.save);
  }
  if (!options.json.empty()) {
    const nlohmann::json out = {{"test_accuracy", test_score.accuracy},
                                {"train_loss", train_score.loss},
                                {"target", table.target},
                                {"backend", table.backend},
                                {"bytes",
                                 {{"params", sizeof(s.trainer->params)},
                                  {"buffers", kPlan<Net>.buffers > 0 ? sizeof(s.trainer->buffers) : 0},
                                  {"state", sizeof(s.trainer->state)},
                                  {"scratch", sizeof(s.trainer->scratch)},
                                  {"trainer", sizeof(*s.trainer)},
                                  {"ledger", sizeof(*s.ledger)}}},
                                {"charges", to_json(charges)},
                                {"constraint", constraint},
                                {"worst_health", static_cast<double>(s.ledger->worst_health())},
                                {"steps", s.progress.step},
                                {"epochs", s.progress.epoch},
                                {"step_microseconds", step_us}};
    const std::string text = out.dump(2) + "\n";
    if (const auto written = io::replace_file(options.json, std::as_bytes(std::span(text))); !written)
      return refuse(written.error().message);
  }
  return kOk;
}

template <class C>
int run_on_target(const TrainOptions& options, const Recipe& recipe, const io::Checkpoint* resumed, io::Dataset train,
                  io::Dataset test) {
  std::string wanted = options.target;
  if (const char* from = std::getenv("EMMY_TARGET"); wanted.empty() && from != nullptr) wanted = from;
  const Table<C>* table = find_table<C>(wanted.empty() ? nullptr : wanted.c_str());
  if (table == nullptr) return refuse("this CPU or build has no target '" + wanted + "' (scalar, sse4, avx2, avx3)");
  return run(options, recipe, *table, resumed, std::move(train), std::move(test));
}

// The saved recipe, with what --resume may change of it.
std::string resume_recipe(const TrainOptions& options, Recipe& recipe) {
  if (options.overrides_recipe)
    return "--resume goes on with the saved options: only --epochs (constant schedule), --data, --test, --target, "
           "--stop-after, --save and --json may be given";
  if (options.epochs && *options.epochs != recipe.epochs) {
    if (recipe.schedule != "constant")
      return fmt::format(
          "{} was planned for {} epochs and its rate ends there; plan with --epochs N --stop-after K, or train with "
          "--schedule constant",
          io::shown_path(options.resume), recipe.epochs);
    recipe.epochs = *options.epochs;
  }
  return "";
}

}  // namespace

int run_train(const TrainOptions& options) {
  Recipe recipe = options.recipe;
  io::Checkpoint file;
  const bool resuming = !options.resume.empty();
  if (resuming) {
    auto read = io::read_checkpoint(options.resume, std::nullopt);
    if (!read) return refuse(read.error().message);
    file = std::move(*read);
    auto saved = read_recipe(file, options.resume);
    if (!saved) return refuse(saved.error().message);
    recipe = *saved;
    if (const std::string why = resume_recipe(options, recipe); !why.empty()) return refuse(why);
  }
  if (const std::string why = complaint(recipe); !why.empty())
    return refuse(resuming ? io::shown_path(options.resume) + ": " + why : why);
  if (options.stop_after && (*options.stop_after < 1 || *options.stop_after > recipe.epochs))
    return refuse(fmt::format("--stop-after is 1 to {}", recipe.epochs));
  if (options.data.empty() != options.test.empty())
    return refuse("--data and --test go together: training and test rows");
  if (const std::string why = overwrites(options); !why.empty()) return refuse(why);
  for (const std::string& path : {options.save, options.json})
    if (const std::string why = unwritable(path); !why.empty()) return refuse(why);

  io::Dataset train, test;
  if (options.data.empty()) {
    train = io::draw_digits(static_cast<std::size_t>(recipe.drawn), kTrainDigits);
    test = io::draw_digits(kDrawnTest, kTestDigits);
  } else {
    auto rows = io::read_csv(options.data);
    if (!rows) return refuse(rows.error().message);
    train = std::move(*rows);
    rows = io::read_csv(options.test);
    if (!rows) return refuse(rows.error().message);
    test = std::move(*rows);
  }
  fmt::print("data: {} training rows, {} test rows{}\n", train.rows, test.rows,
             options.data.empty() ? ", drawn by Emmy" : "");
  const io::Checkpoint* resumed = resuming ? &file : nullptr;
  if (recipe.constraint == "sparse")
    return run_on_target<Sparse16>(options, recipe, resumed, std::move(train), std::move(test));
  if (recipe.constraint == "units")
    return run_on_target<Units16>(options, recipe, resumed, std::move(train), std::move(test));
  if (recipe.batch == 1) return run_on_target<Dense1>(options, recipe, resumed, std::move(train), std::move(test));
  if (recipe.batch == 64) return run_on_target<Dense64>(options, recipe, resumed, std::move(train), std::move(test));
  return run_on_target<Dense16>(options, recipe, resumed, std::move(train), std::move(test));
}

}  // namespace emmy::app
