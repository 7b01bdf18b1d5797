// emmy_compare.<isa>: the training steps and inferences of Emmy beside those of what a user would pick instead, all compiled
// for one instruction set and timed in one run.
//
//   emmy_compare.<isa> [--rounds N] [--workload W1|W2|W3|W4] [--json FILE]   N = 0: only checks that all compute the same
//
// Prints one Markdown table a workload. Exit status: 1 if an opponent computes something else, 2 if called wrongly.
#include <bench/compare/check.hpp>
#include <bench/compare/peak.hpp>
#include <bench/compare/rounds.hpp>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

namespace compare {
// EMMY_OPPONENTS is X(name) for each opponent of bench/CMakeLists.txt.
namespace opponents {
#define X(name) std::span<const Opponent> name();
EMMY_OPPONENTS
#undef X
}  // namespace opponents

namespace {

struct Comparison {
  const Workload* workload;
  bool trained, inferred;
};
constexpr Comparison kComparisons[] = {
#define EMMY_COMPARE_ENTRY(workload, trained, inferred) {&workload, trained, inferred},
    EMMY_COMPARE_WORKLOADS(EMMY_COMPARE_ENTRY)
#undef EMMY_COMPARE_ENTRY
};

std::vector<const Opponent*> all_of(const Workload& workload, bool training) {
  std::vector<const Opponent*> found;
  const auto add = [&](std::span<const Opponent> list) {
    for (const Opponent& o : list)
      if (o.workload == &workload && (training || o.infer != nullptr)) found.push_back(&o);
  };
#define X(name) add(opponents::name());
  EMMY_OPPONENTS
#undef X
  return found;
}

bool is_emmy(const Opponent& o) { return !o.backend.empty(); }
std::string title(const Opponent& o) {
  std::string text(o.name);
  if (!is_emmy(o)) return text;
  text += ", " + std::string(o.backend);
  return o.ledger == "none" ? text : text + ", charges: " + std::string(o.ledger);
}

bool all_agree(const std::vector<const Opponent*>& opponents, const Data& data) {
  bool agree = true;
  for (const Opponent* o : opponents) {
    const Disagreement d = check(*o, data);
    if (agrees(d)) continue;
    agree = false;
    std::fprintf(
        stderr,
        "emmy_compare: %s, %s batch %d: weights off by %.1e (allowed %.0e), loss %.1e (%.0e), outputs %.1e (%.0e)\n",
        title(*o).c_str(), o->workload->key, o->workload->batch, d.displacement, kAllowed.displacement, d.loss,
        kAllowed.loss, d.outputs, kAllowed.outputs);
  }
  return agree;
}

void print_table(const Workload& workload, bool training, const std::vector<Result>& results, double peak) {
  const double flops = workload.flops(training);
  std::printf("\n%s %s, batch %d, %s, %.0f flops a sample\n\n", workload.key, workload.name, workload.batch,
              training ? "training" : "inference", flops);
  std::printf(
      "| | ns a sample | GFLOP/s | of peak | time / Emmy [95 %%] | heap calls |\n|---|---:|---:|---:|---|---:|\n");
  for (const Result& r : results) {
    const double ns = spread(r.nanoseconds).median;
    const Spread over = ratio(r, results.front());
    std::printf("| %s | %.1f | %.1f | %.0f %% | %.2f [%.2f, %.2f] | %g |\n", title(*r.opponent).c_str(), ns, flops / ns,
                100 * flops / ns / peak, over.median, over.low, over.high, r.heap_calls);
  }
  std::fflush(stdout);
}

// A row for each Emmy, with all opponents' time over its own; nothing without a file.
class Json {
 public:
  explicit Json(std::FILE* file) : file_(file) {
    if (file_ != nullptr) std::fprintf(file_, "[");
  }
  void rows(const Workload& w, bool training, const std::vector<Result>& results, double peak) {
    if (file_ == nullptr) return;
    for (const Result& own : results) {
      if (!is_emmy(*own.opponent)) continue;
      const double ns = spread(own.nanoseconds).median, gflops = w.flops(training) / ns;
      std::fprintf(file_, "%s\n  {\"workload\": \"%s\", \"batch\": %d, \"mode\": \"%s\", \"variant\": \"default\",",
                   first_ ? "" : ",", w.key, w.batch, training ? "train" : "infer");
      std::fprintf(file_, " \"isa\": \"%s\", \"backend\": \"%s\", \"scalar_type\": \"f32\", \"ledger\": \"%s\",",
                   EMMY_COMPARE_ISA, std::string(own.opponent->backend).c_str(),
                   std::string(own.opponent->ledger).c_str());
      std::fprintf(file_, " \"ns\": %.3f, \"gflops\": %.3f, \"peak_fraction\": %.4f, \"heap_calls\": %g,", ns, gflops,
                   gflops / peak, own.heap_calls);
      spread_of("over_bare", ratio(own, results.front()));
      std::fprintf(file_, ", \"opponents\": {");
      bool first = true;
      for (const Result& other : results) {
        if (is_emmy(*other.opponent)) continue;
        if (!first) std::fprintf(file_, ", ");
        first = false;
        const Spread s = ratio(other, own);
        std::fprintf(file_, "\"%s\": {\"ratio_median\": %.4f, \"ratio_low\": %.4f, \"ratio_high\": %.4f}",
                     std::string(other.opponent->name).c_str(), s.median, s.low, s.high);
      }
      std::fprintf(file_, "}}");
      first_ = false;
    }
  }
  bool close() {
    if (file_ == nullptr) return true;
    std::fprintf(file_, "\n]\n");
    return std::fclose(file_) == 0;
  }

 private:
  void spread_of(const char* name, const Spread& s) {
    std::fprintf(file_, " \"%s\": [%.4f, %.4f, %.4f]", name, s.low, s.median, s.high);
  }
  std::FILE* file_;
  bool first_ = true;
};

struct Options {
  int rounds = 21;
  const char* json = nullptr;
  std::string_view workload = {};
};

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) return false;
    const std::string_view value = argv[i + 1];
    if (std::strcmp(argv[i], "--json") == 0) {
      options.json = argv[i + 1];
    } else if (std::strcmp(argv[i], "--workload") == 0) {
      bool known = false;
      for (const Comparison& c : kComparisons) known = known || value == c.workload->key;
      if (!known) return false;
      options.workload = value;
    } else if (std::strcmp(argv[i], "--rounds") == 0) {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), options.rounds);
      if (error != std::errc{} || end != value.data() + value.size() || options.rounds < 0 || options.rounds > 100000)
        return false;
    } else {
      return false;
    }
  }
  return true;
}

int run(const Options& options) {
  const auto wanted = [&](const Comparison& c) {
    return options.workload.empty() || options.workload == c.workload->key;
  };
  bool agree = true;
  for (const Comparison& c : kComparisons)
    if (wanted(c)) agree = all_agree(all_of(*c.workload, true), Data(*c.workload)) && agree;
  if (!agree || options.rounds == 0) return agree ? 0 : 1;

  std::FILE* file = nullptr;
  if (options.json != nullptr && (file = std::fopen(options.json, "w")) == nullptr) {
    std::fprintf(stderr, "emmy_compare: cannot write %s: %s\n", options.json, std::strerror(errno));
    return 2;
  }
  const double peak = peak_gflops();
  std::printf("%s, %s, %d rounds; peak of one core %.1f GFLOP/s\n", EMMY_BENCH_COMPILER, EMMY_BENCH_FLAGS,
              options.rounds, peak);
  Json json(file);
  for (const Comparison& c : kComparisons) {
    if (!wanted(c)) continue;
    const Data data(*c.workload);
    for (const bool training : {true, false}) {
      if (!(training ? c.trained : c.inferred)) continue;
      const std::vector<Result> results = run_rounds(all_of(*c.workload, training), data, training, options.rounds);
      print_table(*c.workload, training, results, peak);
      json.rows(*c.workload, training, results, peak);
    }
  }
  return json.close() ? 0 : 2;
}

}  // namespace
}  // namespace compare

int main(int argc, char** argv) {
  compare::Options options;
  if (!compare::parse(argc, argv, options)) {
    std::fprintf(stderr, "usage: emmy_compare.%s [--rounds N] [--workload W1|W2|W3|W4] [--json FILE]\n",
                 EMMY_COMPARE_ISA);
    return 2;
  }
  return compare::run(options);
}
