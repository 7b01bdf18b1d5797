// emmy train
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <span>
#include <type_traits>

#include <fmt/core.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "cli/data.hpp"
#include "cli/finish.hpp"
#include "cli/refuse.hpp"
#include "cli/report.hpp"
#include "cli/tables.hpp"
#include "cli/target.hpp"
#include "io/crc32.hpp"
#include "io/file.hpp"
#include "report/record.hpp"

namespace emmy::app {

namespace {

template <class C>
constexpr bool kHasBooks = kIsLedger<typename C::Ledger>;
// Do charges follow the recursion of ScaleRates?
template <class Rule>
constexpr bool kIsHeavyBall = __is_same(plain_rule<Rule>, Momentum) || __is_same(plain_rule<Rule>, Sgd);
template <class C>
constexpr std::size_t kLedgerBytes = kHasBooks<C> ? sizeof(typename C::Ledger) : 0;

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
  return io::crc32(std::as_bytes(std::span(data.values)),
                   io::crc32(std::as_bytes(std::span(data.labels)), io::crc32(std::as_bytes(std::span(data.x)))));
}

// What a run that was really saved cannot hold; a generator with an even increment would not end.
bool plausible(const Progress& p) {
  return p.step >= 0 && p.epoch >= 0 && p.finished <= 1 && p.rng.increment % 2 == 1 && in_range(p.learning_rate, 0, 10);
}

template <class C>
io::Result<io::Done> save(const Session<C>& s, const std::string& path) {
  io::Checkpoint file{layout_hash<typename C::Net>(), {}};
  file.sections = {section_of_recipe(s.recipe()),
                   section_of("params", s.trainer->params),
                   section_of("buffers", s.trainer->buffers),
                   section_of("state", s.trainer->state),
                   section_of("progress", s.progress),
                   section_of("data", checksum(s.train_data()))};
  if (s.governor() != nullptr)
    file.sections.push_back(section_of("governor", std::array{s.governor()->falls, s.governor()->bends}));
  if constexpr (kHasBooks<C>) file.sections.insert(file.sections.begin() + 4, section_of("ledger", *s.ledger));
  return io::write_checkpoint(path, file);
}

template <class C>
io::Result<io::Done> restore(Session<C>& s, const io::Checkpoint& file, const std::string& path) {
  std::uint32_t data = 0;
  const auto books = [&]() -> io::Result<io::Done> {
    if constexpr (kHasBooks<C>) return read_section(file, path, "ledger", *s.ledger);
    else return io::Done{};
  };
  std::array<float, 2> sums{};  // of a governor
  const auto governor = [&]() -> io::Result<io::Done> {
    if (s.governor() == nullptr) return io::Done{};
    return read_section(file, path, "governor", sums);
  };
  for (const auto& part :
       {read_section(file, path, "params", s.trainer->params), read_section(file, path, "buffers", s.trainer->buffers),
        read_section(file, path, "state", s.trainer->state), books(), read_section(file, path, "progress", s.progress),
        governor(), read_section(file, path, "data", data)})
    if (!part) return part.error();
  if (!plausible(s.progress)) return io::Error{io::shown_path(path) + ": its progress is damaged"};
  if (RateGovernor* g = s.governor(); g != nullptr) {
    g->learning_rate = static_cast<float>(s.progress.learning_rate);
    g->falls = sums[0];
    g->bends = sums[1];
    if (!(g->learning_rate >= g->least && g->falls >= 0 && std::isfinite(g->falls) && std::isfinite(g->bends)))
      return io::Error{io::shown_path(path) + ": its governor is damaged"};
  }
  for (const float w : s.trainer->params.data)
    if (!std::isfinite(w)) return io::Error{io::shown_path(path) + ": holds a weight that is not finite"};
  if constexpr (kPlan<typename C::Net>.buffers > 0) {
    for (const float v : s.trainer->buffers.data)
      if (!std::isfinite(v)) return io::Error{io::shown_path(path) + ": holds statistics that are not finite"};
  }
  if (data != checksum(s.train_data()))
    return io::Error{io::shown_path(path) + ": was trained on other rows; give the same --data to go on with it"};
  return io::Done{};
}

// What activations, their gradients and what layers keep and work with would take in training with a buffer each.
template <class C>
constexpr std::size_t one_buffer_each() {
  using Net = typename C::Net;
  std::size_t scalars = 0;
  for (int t = 1; t <= kPlan<Net>.kNodes; ++t) {
    const PlannedTensor& tensor = kPlan<Net>.tensor[t];
    scalars += 2 * static_cast<std::size_t>(C::kBatch * tensor.positions * padded<float>(tensor.channels));
  }
  [&]<class... N>(Nodes<N...>) {
    ((scalars += detail::kept_of<typename N::layer, float, typename N::in, C::kBatch>() +
                 detail::work_of<typename N::layer, float, typename N::in, C::kBatch>()),
     ...);
  }(typename Net::nodes{});
  return scalars * sizeof(float);
}

template <class C>
void print_memory(const Session<C>& s) {
  using T = typename Table<C>::TrainerType;
  fmt::print("RAM: params {} B, buffers {} B, state {} B, scratch {} B, together {} B; ledger {} B\n",
             sizeof(s.trainer->params), kPlan<typename C::Net>.buffers > 0 ? sizeof(s.trainer->buffers) : 0,
             sizeof(s.trainer->state), sizeof(s.trainer->scratch), sizeof(T), kLedgerBytes<C>);
  fmt::print("  scratch with a buffer for each activation, each gradient and each layer's own: {} B\n",
             one_buffer_each<C>());
}

// What the run is, for its report.
template <class C>
void describe(const Session<C>& s, report::Record& record) {
  const Recipe& r = s.recipe();
  record.net = C::kText;
  const std::string_view memory = rule_option(r.rule)->memory;
  record.rule = r.rule;
  if (memory == r.rule) record.rule += fmt::format(" {:g}", r.momentum);
  else if (!memory.empty()) record.rule += fmt::format(", {} {:g}", memory, r.momentum);
  if (Session<C>::kClipsByValue) record.rule += fmt::format(", entries clipped at {:g}", r.clip);
  record.rule += fmt::format(", learning rate {:g} ({}{}), decay {:g}", r.learning_rate, r.schedule,
                             r.governor ? ", governed from there" : "", r.decay);
  if (r.constraint != "none") record.rule += fmt::format(", constraint {} of strength {:g}", r.constraint, r.strength);
  if (r.label_noise > 0) record.rule += fmt::format(", label noise {:g}", r.label_noise);
  record.target = fmt::format("{} ({})", s.table().target, s.table().backend);
  record.batch = C::kBatch;
  record.adaptive = kPreconditioned<typename C::Rule>;
  const auto bytes = [](std::size_t count) { return static_cast<std::int64_t>(count); };
  record.memory = {{"params", bytes(sizeof(s.trainer->params))},
                   {"buffers", kPlan<typename C::Net>.buffers > 0 ? bytes(sizeof(s.trainer->buffers)) : 0},
                   {"state", bytes(sizeof(s.trainer->state))},
                   {"scratch", bytes(sizeof(s.trainer->scratch))},
                   {"ledger", bytes(kLedgerBytes<C>)}};
}
// Writes it; why not, or empty.
std::string write_report(const report::Record& record, const std::string& folder) {
  if (const auto written = report::write_all(record, folder); !written) return written.error().message;
  fmt::print("wrote {}\n", (std::filesystem::path(folder) / "report.html").string());
  return "";
}

template <class C>
std::string shown(const Score& test) {
  return Session<C>::kLabels ? fmt::format("test accuracy {:.2f} %", 100 * test.accuracy)
                             : fmt::format("test mean squared error {:.5f}", test.mean_squared_error);
}

// Epochs from where the session stands to `until`; an error message if a step refuses.
template <class C>
std::string train_epochs(Session<C>& s, int until) {
  const Recipe& r = s.recipe();
  const std::int64_t total = r.epochs * s.steps_per_epoch();
  const int begin = s.progress.epoch;
  double first = 0, last = 0;
  while (s.progress.epoch < until) {
    const auto result = s.epoch(r.learning_rate, s.progress.step, total, r.strength, r.partner);
    if (result.status != Status::ok)
      return fmt::format(
          "a training step was refused at step {}: {} (the weights are those before it); try a lower --learning-rate",
          s.progress.step, to_string(result.status));
    ++s.progress.epoch;
    last = result.loss;
    if (s.progress.epoch == 1) first = last;
    if (r.governor) s.progress.learning_rate = s.learning_rate();
    const Score test = s.score(s.test_data());
    clear_progress_bar();
    fmt::print("epoch {:3d}  loss {:.4f}  {}{}\n", s.progress.epoch, result.loss, shown<C>(test),
               r.governor ? fmt::format("  governed rate {:.3g}", s.learning_rate()) : "");
    std::fflush(stdout);
    progress_bar(s.progress.epoch, r.epochs);
  }
  // Only of a whole run: the end of one that is resumed learns little.
  if (r.governor && begin == 0 && until > 1 && last > 0.9 * first)
    fmt::print(
        stderr,
        "emmy: the loss was {:.4f} in the first epoch and is {:.4f}: the governed rate needs some hundred steps to "
        "grow, and runs away where most of a gradient is noise; take more epochs, a larger --batch or a fixed "
        "rate\n",
        first, last);
  return "";
}

// Figures of windows cut from recordings. Where idle windows count as `other`, a recording has no class of its own.
template <class C>
void print_figures(Session<C>& s, nlohmann::json& test) {
  const Figures f = figures(s.test_data(), s.classes(s.test_data()), Session<C>::kOutputs);
  test["macro_f1"] = f.macro_f1;
  fmt::print("macro-F1 {:.3f}", f.macro_f1);
  if (!s.recipe().idle_as_other) {
    test["recording_vote"] = f.vote;
    fmt::print(", vote of the windows right for {:.1f} % of {} recordings", 100 * f.vote, f.recordings);
  }
  fmt::print("\n");
}

template <class C>
int run(const TrainOptions& options, const Recipe& recipe, const Table<C>& table, const io::Checkpoint* resumed,
        io::TrainAndTest sets) {
  using Net = typename C::Net;
  if (sets.train.rows < static_cast<std::size_t>(C::kBatch))
    return refuse(fmt::format("{}: {} rows do not fill a batch of {}", options.data, sets.train.rows, C::kBatch));
  Session<C> s(recipe, table, std::move(sets));
  if (resumed != nullptr) {
    if (resumed->layout_hash != layout_hash<Net>())
      return refuse(io::shown_path(options.resume) + ": was saved by another net");
    if (const auto loaded = restore(s, *resumed, options.resume); !loaded) return refuse(loaded.error().message);
    fmt::print("resumed {} at epoch {} of {}\n", options.resume, s.progress.epoch, recipe.epochs);
  }
  fmt::print("net {}; batch {}; target {} ({})\n", C::kText, C::kBatch, table.target, table.backend);
  print_memory(s);
  const int until = std::min(recipe.epochs, options.stop_after.value_or(recipe.epochs));
  if (s.progress.finished != 0 && recipe.constraint != "none" && s.progress.epoch < until)
    return refuse(io::shown_path(options.resume) +
                  ": is finished, its groups removed and certified; more epochs would void the certificate");
  // Another target than the one that saved adds the same weights up in another order.
  if constexpr (kHasBooks<C>) {
    if (resumed != nullptr && s.progress.epoch < until) s.ledger->resync();
    if (!options.report.empty()) {
      s.record();
      describe(s, s.recording->record);
      s.recording->heavy_ball = kIsHeavyBall<typename C::Rule>;
      s.recording->start(*s.ledger, s.progress.step, until * s.steps_per_epoch());
    }
  }
  if (const std::string why = train_epochs(s, until); !why.empty()) {
    fmt::print(stderr, "emmy: {}\n", why);
    if (s.recording && !s.recording->record.point.empty()) {
      s.recording->record.result.push_back({"stopped", why});
      if (const std::string other = write_report(s.recording->record, options.report); !other.empty())
        return refuse(other);
    }
    return kFailed;
  }
  const std::unique_ptr<Recording> recording = std::move(s.recording);  // what follows is no training by the recipe
  nlohmann::json constraint = {{"kind", recipe.constraint}};
  if constexpr (C::kConstrained) {
    if (s.progress.epoch >= recipe.epochs && !s.progress.finished)
      if (const std::string why = finish_constraint(s, constraint); !why.empty()) {
        fmt::print(stderr, "emmy: {}\n", why);
        return kFailed;
      }
  }
  s.progress.finished = s.progress.epoch >= recipe.epochs;

  const Score test_score = s.score(s.test_data()), train_score = s.score(s.train_data());
  const double step_us = s.timed_steps > 0 ? 1e6 * s.step_seconds / static_cast<double>(s.timed_steps) : 0;
  nlohmann::json books;
  if constexpr (kHasBooks<C>) {
    const auto charges = charge_reports(*s.ledger, typename C::Ledger::symmetries{});
    print_charges(charges);
    fmt::print("  health: worst residual of any charge, identity or check sum in {} steps {:.3f} of its bound\n",
               s.ledger->measured, static_cast<double>(s.ledger->worst_health()));
    books = {{"charges", to_json(charges)}, {"worst_health", static_cast<double>(s.ledger->worst_health())}};
  }
  fmt::print("train loss {:.4f}, {}{}{}\n", train_score.loss, shown<C>(test_score),
             Session<C>::kLabels ? fmt::format(" ({} of {})", test_score.correct, s.test_data().rows) : "",
             step_us > 0 ? fmt::format(", {:.1f} us a step", step_us) : "");
  if (recording) {
    recording->record.result = {
        {"train loss", fmt::format("{:.4f}", train_score.loss)},
        Session<C>::kLabels
            ? report::Figure{"test accuracy", fmt::format("{:.2f} %", 100 * test_score.accuracy)}
            : report::Figure{"test mean squared error", fmt::format("{:.5f}", test_score.mean_squared_error)}};
    if constexpr (kHasBooks<C>)
      if (!recording->record.point.empty()) recording->add_bounds(*s.ledger, s.trainer->params);
    if (recording->record.point.empty()) fmt::print("no step was taken: no report\n");
    else if (const std::string why = write_report(recording->record, options.report); !why.empty()) return refuse(why);
  }
  nlohmann::json test;
  if constexpr (!Session<C>::kLabels) {
    test["test_mean_squared_error"] = test_score.mean_squared_error;
  } else {
    test["test_accuracy"] = test_score.accuracy;
    if constexpr (C::kSource == Source::exercises) print_figures(s, test);
  }

  if (!options.save.empty()) {
    if (const auto saved = save(s, options.save); !saved) return refuse(saved.error().message);
    fmt::print("saved {}\n", options.save);
  }
  if (!options.json.empty()) {
    nlohmann::json out = {{"net", C::kName},
                          {"train_loss", train_score.loss},
                          {"target", table.target},
                          {"backend", table.backend},
                          {"bytes",
                           {{"params", sizeof(s.trainer->params)},
                            {"buffers", kPlan<Net>.buffers > 0 ? sizeof(s.trainer->buffers) : 0},
                            {"state", sizeof(s.trainer->state)},
                            {"scratch", sizeof(s.trainer->scratch)},
                            {"one_buffer_each", one_buffer_each<C>()},
                            {"trainer", sizeof(*s.trainer)},
                            {"ledger", kLedgerBytes<C>}}},
                          {"constraint", constraint},
                          {"steps", s.progress.step},
                          {"epochs", s.progress.epoch},
                          {"step_microseconds", step_us}};
    if (recipe.governor) out["governed_rate"] = s.learning_rate();
    out.update(test);
    if constexpr (kHasBooks<C>) out.update(books);
    const std::string text = out.dump(2) + "\n";
    if (const auto written = io::replace_file(options.json, std::as_bytes(std::span(text))); !written)
      return refuse(written.error().message);
  }
  return kOk;
}

template <class C>
int run_on_target(const TrainOptions& options, const Recipe& recipe, const io::Checkpoint* resumed) {
  const std::string wanted = wanted_target(options.target);
  const Table<C>* table = table_for<C>(wanted.empty() ? nullptr : wanted.c_str());
  if (table == nullptr)
    return refuse(no_target_among(wanted,
                                  kHasBooks<C> ? "--net " + std::string(C::kName) + ", --rule " + recipe.rule
                                               : "--constraint " + recipe.constraint,
                                  [](const char* name) { return table_for<C>(name) != nullptr; }));
  auto data = load(C::kSource, options, recipe);
  if (!data) return refuse(data.error().message);
  fmt::print("data: {}\n", data->text);
  return run(options, recipe, *table, resumed, std::move(data->sets));
}

// The saved recipe, with what --resume may change of it.
std::string resume_recipe(const TrainOptions& options, Recipe& recipe) {
  if (options.overrides_recipe)
    return "--resume goes on with the saved options: only --epochs (constant schedule), --data, --test, --target, "
           "--stop-after, --save, --json and --report may be given";
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

// What is wrong with --data and --test, empty if nothing.
std::string wrong_files(const TrainOptions& o, const std::string& net) {
  if (net == Controller::kName)
    return o.data.empty() && o.test.empty() ? ""
                                            : "--net controller takes no --data and no --test: Emmy draws its rows";
  if (is_of_exercises(net))
    return o.test.empty() ? "" : "--net " + net + " takes no --test: --split parts the recordings of --data";
  return o.data.empty() == o.test.empty() ? "" : "--data and --test go together: training and test rows";
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
  if (const std::string why = wrong_files(options, recipe.net); !why.empty()) return refuse(why);
  if (const std::string why = overwrites(options); !why.empty()) return refuse(why);
  for (const std::string& path : {options.save, options.json})
    if (const std::string why = unwritable(path); !why.empty()) return refuse(why);
  if (const std::string why = unwritable_folder(options.report, report::kFiles); !why.empty()) return refuse(why);

  if (is_bookless(recipe.constraint) && !options.report.empty())
    return refuse("--report is of charges: the nets of --constraint blocks and rank have no ledger");
  const auto run = [&]<class C>(C) { return run_on_target<C>(options, recipe, resuming ? &file : nullptr); };
  if (recipe.constraint == "blocks") return run(Blocks16{});
  if (recipe.constraint == "rank") return run(LowRank16{});
  return with_configuration(recipe.net, recipe.rule, recipe.constraint, recipe.batch, kBadInput, run);
}

}  // namespace emmy::app
