// emmy bench
#include <span>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <fmt/format.h>

#include "cli/bench_nets.hpp"
#include "cli/options.hpp"
#include "cli/refuse.hpp"
#include "cli/target.hpp"
#include "io/file.hpp"
#include "timing/check.hpp"
#include "timing/rows.hpp"

namespace emmy::app {

namespace {

using timing::Opponent;
using Path = const Table<Bench>*;

// The SIMD paths asked for that this CPU and build have, the widest first.
std::vector<Path> find_paths(const std::string& target) {
  std::vector<Path> found;
  for (const char* name : {"avx3", "avx2", "sse4", "scalar"})
    if (const Path path = find_table<Bench>(name); path != nullptr && (target.empty() || target == name))
      found.push_back(path);
  return found;
}

bool all_agree(const std::vector<Path>& paths, const std::vector<std::size_t>& chosen) {
  bool agree = true;
  for (const std::size_t i : chosen) {
    const timing::Data data(*paths[0]->programs()[i].workload);
    for (const Path path : paths) {
      const Opponent& program = path->programs()[i];
      const timing::Disagreement d = timing::check(program, data);
      if (timing::agrees(d)) continue;
      agree = false;
      fmt::print(stderr, "emmy: {} of batch {} on {}: weights off by {:.1e}, loss {:.1e}, outputs {:.1e}\n",
                 program.workload->key, program.workload->batch, path->target, d.displacement, d.loss, d.outputs);
    }
  }
  return agree;
}

void print_row(const timing::Result& own, const timing::Result& first, bool training, Path path, double peak) {
  const Opponent& o = *own.opponent;
  const timing::Workload& w = *o.workload;
  const double ns = timing::spread(own.nanoseconds).median, gflops = w.flops(training) / ns;
  const timing::Spread over = timing::ratio(own, first);
  fmt::print("| {} {}{} | {} | {} | {} | {:.1f} | {:.1f} | {:.0f} % | {:.2f} [{:.2f}, {:.2f}] | {:g} | {} |\n", w.key,
             w.name, o.ledger == "none" ? "" : ", charges predicted", w.batch, training ? "train" : "infer",
             path->target, ns, gflops, 100 * gflops / peak, over.median, over.low, over.high, own.heap.calls,
             training ? o.train_bytes : o.infer_bytes);
}

std::string as_json(const std::vector<std::string>& rows) {
  return fmt::format("[\n  {}\n]\n", fmt::join(rows, ",\n  "));
}

}  // namespace

int run_bench(const BenchOptions& options) {
  constexpr int kMaxRounds = 100000;
  if (options.rounds < 0 || options.rounds > kMaxRounds) return refuse(fmt::format("--rounds is 0 to {}", kMaxRounds));
  const std::string wanted = wanted_target(options.target);
  const std::vector<Path> paths = find_paths(wanted);
  if (paths.empty())
    return refuse(no_target_among(wanted, "emmy bench", [](const char* name) { return !find_paths(name).empty(); }));
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < paths[0]->programs().size(); ++i)
    if (options.workload.empty() || options.workload == paths[0]->programs()[i].workload->key) chosen.push_back(i);
  if (chosen.empty()) return refuse("--workload is W1, W2, W3, W4 or W5, not '" + options.workload + "'");
  if (const std::string why = unwritable(options.json); !why.empty()) return refuse(why);

  if (!all_agree(paths, chosen)) return kFailed;
  std::vector<std::string> names;
  for (const Path path : paths) names.emplace_back(path->target);
  fmt::print("{}: all compute the same\n", fmt::join(names, ", "));
  std::vector<std::string> rows;
  if (options.rounds > 0) {
    std::vector<double> peak;
    for (const Path path : paths) peak.push_back(path->peak());
    fmt::print(
        "\n| net | batch | mode | target | ns a sample | GFLOP/s | of peak | time / {} [95 %] | heap calls | RAM |\n",
        names[0]);
    fmt::print("|---|---:|---|---|---:|---:|---:|---|---:|---:|\n");
    for (const std::size_t i : chosen) {
      std::vector<const Opponent*> programs;
      for (const Path path : paths) programs.push_back(&path->programs()[i]);
      const timing::Data data(*programs[0]->workload);
      for (const bool training : {true, false}) {
        if (!training && programs[0]->infer == nullptr) continue;
        const std::vector<timing::Result> results = timing::run_rounds(programs, data, training, options.rounds);
        for (std::size_t p = 0; p < paths.size(); ++p) {
          print_row(results[p], results[0], training, paths[p], peak[p]);
          rows.push_back(timing::json_row(results[p], results[0], results, training, names[p], peak[p]));
        }
        std::fflush(stdout);
      }
    }
  }
  if (options.json.empty()) return kOk;
  const std::string text = as_json(rows);
  const auto written = io::replace_file(options.json, std::as_bytes(std::span(text)));
  return written ? kOk : refuse(written.error().message);
}

}  // namespace emmy::app
