// emmy_compare.<isa>: the training steps, inferences and matrix products of Emmy beside those of what a user would pick
// instead, all compiled for one instruction set and timed in one run.
//
//   emmy_compare.<isa> [--rounds N] [--workload NAME] [--json FILE]   N = 0: only checks that all compute the same
//
// NAME: a workload (W2, grow64, gemm_tn32), or all whose name continues with a number (W, grow, gemv, gemm ...). Prints one
// Markdown table a workload. Exit status: 1 if an opponent computes something else, 2 if called wrongly.
#include <bench/compare/growth.hpp>
#include <bench/compare/kernels.hpp>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

#include <timing/check.hpp>
#include <timing/peak.hpp>
#include <timing/rows.hpp>

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
const std::vector<Comparison>& comparisons() {
  static const std::vector<Comparison> all = [] {
    std::vector<Comparison> list;
#define EMMY_COMPARE_ENTRY(workload, trained, inferred) list.push_back({&workload, trained, inferred});
    EMMY_TIMING_NETS(EMMY_COMPARE_ENTRY)
    EMMY_TIMING_CONV_NETS(EMMY_COMPARE_ENTRY)
#undef EMMY_COMPARE_ENTRY
#define EMMY_COMPARE_ENTRY(workload) list.push_back({&workload, true, false});
    EMMY_COMPARE_GROWTH(EMMY_COMPARE_ENTRY)
#undef EMMY_COMPARE_ENTRY
    for_each_product([&](const Workload& w, auto, auto) { list.push_back({&w, false, true}); });
    return list;
  }();
  return all;
}

std::vector<const Opponent*> all_of(const Workload& workload, bool training) {
  std::vector<const Opponent*> found;
  const auto add = [&](std::span<const Opponent> list) {
    for (const Opponent& o : list)
      if (same(*o.workload, workload) && (training || o.infer != nullptr)) found.push_back(&o);
  };
#define X(name) add(opponents::name());
  EMMY_OPPONENTS
#undef X
  return found;
}

std::string title(const Opponent& o) {
  std::string text(o.name);
  if (!is_emmy(o)) return text;
  text += ", " + std::string(o.backend);
  if (o.rule != Rule::sgd) return text + ", " + variant_name(o.rule);
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
  const bool kernel = workload.kernel != Kernel::none;
  if (kernel) std::printf("\n%s %s, %.0f flops\n\n", workload.key, workload.name, flops);
  else
    std::printf("\n%s %s, batch %d, %s, %.0f flops a sample\n\n", workload.key, workload.name, workload.batch,
                training ? "training" : "inference", flops);
  std::printf("| | ns%s | GFLOP/s | of peak | time / Emmy [95 %%] | heap calls | heap bytes | RAM |\n",
              kernel ? "" : " a sample");
  std::printf("|---|---:|---:|---:|---|---:|---:|---:|\n");
  for (const Result& r : results) {
    const double ns = spread(r.nanoseconds).median;
    const Spread over = ratio(r, results.front());
    std::printf("| %s | %.1f | %.1f | %.0f %% | %.2f [%.2f, %.2f] | %g | %g | ", title(*r.opponent).c_str(), ns,
                flops / ns, 100 * flops / ns / peak, over.median, over.low, over.high, r.heap.calls, r.heap.bytes);
    const std::size_t bytes = training ? r.opponent->train_bytes : r.opponent->infer_bytes;
    std::printf(bytes > 0 ? "%zu |\n" : "|\n", bytes);
  }
  std::fflush(stdout);
}

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
      for (const Comparison& c : comparisons()) known = known || selects(value, *c.workload);
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

bool write(std::FILE* file, const std::vector<std::string>& rows) {
  const char* separator = "[\n  ";
  for (const std::string& row : rows) {
    std::fprintf(file, "%s%s", separator, row.c_str());
    separator = ",\n  ";
  }
  std::fprintf(file, "\n]\n");
  return std::fclose(file) == 0;
}

int run(const Options& options) {
  const auto wanted = [&](const Comparison& c) {
    return options.workload.empty() || selects(options.workload, *c.workload);
  };
  bool agree = true;
  for (const Comparison& c : comparisons())
    if (wanted(c)) agree = all_agree(all_of(*c.workload, c.trained), Data(*c.workload)) && agree;
  if (!agree || options.rounds == 0) return agree ? 0 : 1;
  const auto cannot_write = [&] {
    std::fprintf(stderr, "emmy_compare: cannot write %s: %s\n", options.json, std::strerror(errno));
    return 2;
  };
  std::FILE* file = nullptr;
  if (options.json != nullptr && (file = std::fopen(options.json, "w")) == nullptr) return cannot_write();

  const double peak = peak_gflops();
  std::printf("%s, %s, %d rounds; peak of one core %.1f GFLOP/s\n", EMMY_BENCH_COMPILER, EMMY_BENCH_FLAGS,
              options.rounds, peak);
  std::vector<std::string> rows;
  for (const Comparison& c : comparisons()) {
    if (!wanted(c)) continue;
    const Data data(*c.workload);
    for (const bool training : {true, false}) {
      if (!(training ? c.trained : c.inferred)) continue;
      const std::vector<Result> results = run_rounds(all_of(*c.workload, training), data, training, options.rounds);
      print_table(*c.workload, training, results, peak);
      for (const Result& own : results)
        if (is_emmy(*own.opponent))
          rows.push_back(json_row(own, results.front(), results, training, EMMY_COMPARE_ISA, peak));
    }
  }
  return file == nullptr || write(file, rows) ? 0 : cannot_write();
}

}  // namespace
}  // namespace compare

int main(int argc, char** argv) {
  compare::Options options;
  if (!compare::parse(argc, argv, options)) {
    std::fprintf(
        stderr,
        "usage: emmy_compare.%s [--rounds N] [--workload W1..W5, grow32..grow256, gemv|gemm|gemm_tn|gemm_nt<n>, or "
        "what stands before the number] [--json FILE]\n",
        EMMY_COMPARE_ISA);
    return 2;
  }
  return compare::run(options);
}
