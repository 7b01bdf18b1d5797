// The emmy command.
#include <charconv>
#include <cstdio>
#include <exception>
#include <string>

#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "cli/golden.hpp"
#include "cli/options.hpp"

namespace {

using namespace emmy::app;

// Defaults that depend on the constraint, where the user gave none.
void fill_defaults(Recipe& r, const CLI::App& train) {
  const bool exercises = is_of_exercises(r.net), controller = r.net == "controller";
  const bool sparse = r.constraint == "sparse", units = r.constraint == "units", blocks = r.constraint == "blocks",
             rank = r.constraint == "rank";
  const auto given = [&](const char* name) { return train.get_option(name)->count() > 0; };
  if (!given("--epochs") && (sparse || units || blocks || rank)) r.epochs = 60;
  if (!given("--epochs") && exercises) r.epochs = 30;
  if (!given("--epochs") && controller) r.epochs = 160;
  if (!given("--decay") && exercises) r.decay = 1e-3;
  if (!given("--batch") && controller) r.batch = 32;
  if (!given("--draw") && exercises) r.drawn = 128;
  if (!given("--draw") && controller) r.drawn = 2000;
  if (!given("--learning-rate") && (sparse || blocks || r.net == "exercises-gru")) r.learning_rate = 0.1;
  if (!given("--schedule") && (blocks || rank)) r.schedule = "cosine";
  if (const RuleOption* rule = rule_option(r.rule); rule != nullptr && rule->name != "momentum") {
    if (!given("--learning-rate")) r.learning_rate = rule->learning_rate;
    if (!given("--momentum") && rule->memory.empty()) r.momentum = 0;
  }
  if (!given("--learning-rate") && r.governor) r.learning_rate = 1e-4;
  if (!given("--momentum") && r.governor) r.momentum = 0;
  if (!given("--schedule") && r.governor) r.schedule = "cooldown";
  if (!given("--strength")) r.strength = sparse ? 5e-4 : blocks ? 9e-4 : units || rank ? 5e-3 : 0.0;
  if (!given("--partner-decay"))
    r.partner = sparse ? r.strength : blocks ? r.strength * 5 / 9 : units ? r.strength / 16 : 0.0;
  if (!given("--fine-tune")) r.fine_tune = sparse || blocks ? 5 : 0;
}

// CLI11 would read 010 as octal 8.
std::string without_leading_zeros(std::string& text) {
  const std::size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  while (text.size() > sign + 1 && text[sign] == '0' && text[sign + 1] >= '0' && text[sign + 1] <= '9')
    text.erase(sign, 1);
  return "";
}

// CLI11 would take -1 and numbers beyond 64 bits for the largest seed.
std::string wrong_seed(const std::string& text) {
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  return error == std::errc{} && end == text.data() + text.size() ? ""
                                                                  : text + " is not a whole number from 0 to 2^64 - 1";
}

void add_train(CLI::App& app, TrainOptions& o) {
  Recipe& r = o.recipe;
  CLI::App* train = app.add_subcommand("train", "Train a small net and account for its Noether charges");
  train
      ->add_option("--net", r.net,
                   "digits (64-32-10 on 8x8 pixels), digits-conv (convolutions on them), digits-norm (batch norm), "
                   "exercises (convolutions on "
                   "windows of an accelerometer), exercises-gru (a gated unit on them) or controller (13-64-64-4, "
                   "states of a quadrotor to its motors)")
      ->capture_default_str();
  train->add_option("--data", o.data,
                    "digits: training rows as CSV, 64 values 0..16 and the digit; exercises: folder of NPY recordings "
                    "(default: Emmy draws some)");
  train->add_option("--test", o.test, "digits: test rows as CSV");
  train->add_option("--split", r.split, "exercises: which 30 % of the recordings are for the test, 0, 1 or 2")
      ->capture_default_str();
  train->add_flag("--idle-as-other", r.idle_as_other,
                  "exercises: windows in which nobody moves are of class other (busiest axis below 0.1 g rms)");
  train->add_option("--draw", r.drawn,
                    "Digits (default 4000), states (2000) or recordings (128, for training and test) to draw");
  train->add_option("--epochs", r.epochs, "Epochs (default 20; 60 with a constraint; exercises 30, controller 160)");
  train->add_option("--stop-after", o.stop_after,
                    "Stop after this epoch; the schedule still ends at --epochs (save, then --resume)");
  train
      ->add_option("--batch", r.batch,
                   "Batch size: 1, 16 or 64 for digits (16 with a constraint), 32 for controller, else 16")
      ->capture_default_str();
  train->add_option(
      "--learning-rate", r.learning_rate,
      "Learning rate at the start (default 0.05; 0.1 for sparse, blocks and exercises-gru, 0.001 for adam, rmsprop and "
      "sign, 0.0003 for lion)");
  train->add_flag(
      "--governor", r.governor,
      "The learning rate follows the curvature of the loss: plain steps, no momentum, schedule cooldown and a "
      "start at 0.0001 unless given");
  train
      ->add_option("--schedule", r.schedule,
                   "linear or cosine (to 0 at the last epoch; blocks and rank unless given), cooldown (to 0 in the "
                   "last quarter; "
                   "--governor unless given) or constant")
      ->capture_default_str();
  train
      ->add_option("--rule", r.rule,
                   "momentum; digits: sgd, nesterov, momentum-decoupled (decay is no part of the gradient), "
                   "momentum-clipped (entry by entry), adam, adam-shared (one second moment for what symmetries tie "
                   "together), rmsprop, lion or sign; digits-norm: adam or adam-shared")
      ->capture_default_str();
  train->add_option("--momentum", r.momentum, "Momentum (of adam and lion beta 1; sgd, rmsprop and sign have none)")
      ->capture_default_str();
  train->add_option("--clip", r.clip, "momentum-clipped: the largest entry of a gradient")->capture_default_str();
  train->add_option("--decay", r.decay,
                    "Weight decay of weights that no constraint decays (default 0; 0.001 for exercises)");
  train
      ->add_option("--label-noise", r.label_noise,
                   "Share of training labels, 0 to 1, that are drawn anew each time a row is used")
      ->capture_default_str();
  train->add_option("--seed", r.seed, "Seed of the initial weights and of the order of samples")
      ->check(wrong_seed)
      ->capture_default_str();
  train
      ->add_option(
          "--constraint", r.constraint,
          "none, sparse (weights of the first layer), blocks (of four of them), units (hidden units) or rank (of the "
          "first layer, at most 16)")
      ->capture_default_str();
  train->add_option(
      "--strength", r.strength,
      "Decay of the constraint's factors (default 0.0005 for sparse, 0.0009 for blocks, 0.005 for units and rank)");
  train->add_option("--partner-decay", r.partner,
                    "Decay of the layer next to the constrained one (default: the strength for sparse, 5/9 of it for "
                    "blocks, 1/16 for "
                    "units, 0 for rank)");
  train->add_option(
      "--fine-tune", r.fine_tune,
      "Epochs under the mask after the removal (default 5 for sparse and blocks, 0 for units; none for rank)");
  train->add_option("--target", o.target,
                    "scalar, sse4, avx2 or avx3 (default: EMMY_TARGET, else the best this CPU has)");
  train->add_option("--save", o.save, "Write the run to this file");
  train->add_option("--resume", o.resume, "Go on with a saved run, bit-exactly on the same target");
  train->add_option("--json", o.json, "Write the results as JSON to this file");
  train->add_option("--report", o.report,
                    "Write the course of the charges to this folder: report.html, .txt, .csv, .jsonl");
  for (const char* name : {"--draw", "--epochs", "--stop-after", "--batch", "--seed", "--fine-tune", "--split"})
    train->get_option(name)->transform(CLI::Validator(without_leading_zeros, ""));
  for (const char* name : {"--data", "--test", "--save", "--resume", "--json", "--report"})
    train->get_option(name)->check([name](const std::string& path) {
      return path.empty() ? fmt::format("{} needs the name of a {}", name,
                                        name == std::string_view("--report") ? "folder" : "file")
                          : std::string();
    });
}

CLI::App* add_faults(CLI::App& app, FaultsOptions& o) {
  CLI::App* faults =
      app.add_subcommand("faults", "Flip bits in four nets in training, and count which the ledger finds");
  faults->add_option("--flips", o.flips, "Flipped bits in all, over 11 places and four nets")->capture_default_str();
  faults->add_option("--clean", o.clean, "Steps without a fault in all, for false alarms")->capture_default_str();
  faults->add_option("--seed", o.seed, "Seed of nets, data and flips")->check(wrong_seed)->capture_default_str();
  faults->add_option("--page", o.page, "Markdown page to write the tables into (docs/faults.md)");
  for (const char* name : {"--flips", "--clean", "--seed"})
    faults->get_option(name)->transform(CLI::Validator(without_leading_zeros, ""));
  return faults;
}

CLI::App* add_reproduce(CLI::App& app, ReproduceOptions& o) {
  CLI::App* reproduce = app.add_subcommand("reproduce", "Run the papers' headline experiments on small data");
  reproduce->add_option("--page", o.page, "Write the figures as one HTML page to this file")
      ->check([](const std::string& path) { return path.empty() ? "--page needs the name of a file" : std::string(); });
  reproduce->add_option("--only", o.only, "Run this experiment alone: sparsity, low-rank, dcs ...");
  reproduce
      ->add_option("--digits", o.digits,
                   "Instead: every constraint on real digits, a row and bars each; the folder of optdigits.tra and "
                   "optdigits.tes")
      ->check(
          [](const std::string& path) { return path.empty() ? "--digits needs the name of a folder" : std::string(); });
  reproduce->add_option("--seeds", o.seeds, "Seeds of each row of --digits")->capture_default_str();
  reproduce->add_option("--save", o.save,
                        "Write the dense, units, blocks and elements nets of --digits to this folder, folded, as "
                        "models for emmy export, and "
                        "nets.hpp with the deployed net of each row");
  reproduce->add_flag("--spoil", o.spoiled, "Make every experiment otherwise than predicted: all must fail")->group("");
  return reproduce;
}

CLI::App* add_bench(CLI::App& app, BenchOptions& o) {
  CLI::App* bench = app.add_subcommand("bench", "Time small nets on this machine, every SIMD path side by side");
  bench->add_option("--rounds", o.rounds, "Loops of about 5 ms for each row; 0 only checks that all compute the same")
      ->transform(CLI::Validator(without_leading_zeros, ""))
      ->capture_default_str();
  bench->add_option("--workload", o.workload, "W1, W2, W3, W4 or W5 (default: all)");
  bench->add_option("--target", o.target, "scalar, sse4, avx2 or avx3 (default: EMMY_TARGET, else all this CPU has)");
  bench->add_option("--json", o.json, "Write the rows as JSON to this file")->check([](const std::string& path) {
    return path.empty() ? "--json needs the name of a file" : std::string();
  });
  return bench;
}

int run(int argc, char** argv) {
  CLI::App app{"Fixed-size neural networks that watch and enforce their symmetries", "emmy"};
  app.require_subcommand(1);
  app.set_version_flag("--version", EMMY_VERSION);
  TrainOptions train;
  ExportOptions model;
  GoldenOptions golden;
  BenchOptions timed;
  ReportOptions recorded;
  add_train(app, train);
  CLI::App* exporter = app.add_subcommand("export", "Write a saved run as a C++ header with its exact folded net");
  exporter->add_option("model", model.model, "File that `emmy train --save` wrote")->required();
  exporter->add_option("--header", model.header, "Header to write")->required();
  exporter->add_flag(
      "--blocks", model.blocks,
      "All hidden units, and only the weights of blocks of 4 outputs that are not zero, where they are below 2/3");
  CLI::App* reporter = app.add_subcommand("report", "Write the text and the page of a recorded run again");
  reporter->add_option("run", recorded.from, "report.jsonl of `emmy train --report`, or its folder")->required();
  reporter->add_option("--to", recorded.to, "Folder to write to (default: where the run is)");
  CLI::App* checker = app.add_subcommand("golden", "Run golden cases and compare");
  checker->add_option("files", golden.files, "Golden files (JSON)")->required();
  checker->add_option("--target", golden.target, "scalar or avx2 (default: the best of them that this CPU has)");
  FaultsOptions struck;
  const CLI::App* faults = add_faults(app, struck);
  const CLI::App* bench = add_bench(app, timed);
  ReproduceOptions repeated;
  const CLI::App* reproduce = add_reproduce(app, repeated);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForAllHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    std::string why = e.what();
    if (argc > 1 && argv[1][0] != '-' &&
        app.get_subcommands([&](const CLI::App* a) { return a->get_name() == argv[1]; }).empty())
      why = "there is no command '" + std::string(argv[1]) +
            "': train, export, report, golden, faults, reproduce or bench";
    for (char& c : why)
      if (c == '\n') c = ' ';
    std::fprintf(stderr, "emmy: %s (emmy --help)\n", why.c_str());
    return kBadInput;
  }
  if (CLI::App* sub = app.get_subcommand("train"); sub->parsed()) {
    if (sub->get_option("--epochs")->count() > 0) train.epochs = train.recipe.epochs;
    for (const char* name : {"--net", "--split", "--idle-as-other", "--draw", "--batch", "--learning-rate",
                             "--schedule", "--governor", "--rule", "--momentum", "--decay", "--seed", "--constraint",
                             "--strength", "--partner-decay", "--fine-tune", "--label-noise", "--clip"})
      train.overrides_recipe = train.overrides_recipe || sub->get_option(name)->count() > 0;
    for (const char* name : {"--strength", "--partner-decay", "--fine-tune"})
      if (train.recipe.constraint == "none" && train.resume.empty() && sub->get_option(name)->count() > 0) {
        std::fprintf(stderr, "emmy: %s needs --constraint sparse, blocks, units or rank\n", name);
        return kBadInput;
      }
    if (train.recipe.rule != "momentum-clipped" && train.resume.empty() && sub->get_option("--clip")->count() > 0) {
      std::fprintf(stderr, "emmy: --clip needs --rule momentum-clipped\n");
      return kBadInput;
    }
    for (const char* name : {"--split", "--idle-as-other"})
      if (!is_of_exercises(train.recipe.net) && train.resume.empty() && sub->get_option(name)->count() > 0) {
        std::fprintf(stderr, "emmy: %s needs --net exercises\n", name);
        return kBadInput;
      }
    fill_defaults(train.recipe, *sub);
    return run_train(train);
  }
  if (exporter->parsed()) return run_export(model);
  if (reporter->parsed()) return run_report(recorded);
  if (bench->parsed()) return run_bench(timed);
  if (faults->parsed()) return run_faults(struck);
  if (reproduce->parsed()) {
    for (const char* name : {"--seeds", "--save"})
      if (repeated.digits.empty() && reproduce->get_option(name)->count() > 0) {
        std::fprintf(stderr, "emmy: %s is for --digits\n", name);
        return kBadInput;
      }
    return run_reproduce(repeated);
  }
  return run_golden(golden);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int code = run(argc, argv);
    if (code != kOk || (std::fflush(stdout) == 0 && std::ferror(stdout) == 0)) return code;
    std::fprintf(stderr, "emmy: what it printed could not all be written\n");
    return kFailed;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "emmy: %s\n", e.what());
    return kFailed;
  }
}
