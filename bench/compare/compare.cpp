// emmy_compare: the training step of Emmy beside that of what a user would pick instead.
//
//   emmy_compare [--rounds N] [--json FILE]     N = 0: only checks that all opponents compute the same
//
// Prints one Markdown table a workload. Exit status: 1 if an opponent computes something else, 2 if called wrongly.
#include <bench/compare/check.hpp>
#include <bench/compare/rounds.hpp>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
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

std::vector<const Opponent*> all_of(const Workload& workload) {
  std::vector<const Opponent*> found;
  const auto add = [&](std::span<const Opponent> list) {
    for (const Opponent& o : list)
      if (o.workload == &workload) found.push_back(&o);
  };
#define X(name) add(opponents::name());
  EMMY_OPPONENTS
#undef X
  return found;
}

bool all_agree(const std::vector<const Opponent*>& opponents, const Data& data) {
  bool agree = true;
  for (const Opponent* o : opponents) {
    const Disagreement d = check(*o, data);
    if (agrees(d)) continue;
    agree = false;
    std::fprintf(
        stderr, "emmy_compare: %s, %s batch %d: weights off by %.1e (allowed %.0e), loss by %.1e (allowed %.0e)\n",
        o->name, o->workload->name, o->workload->batch, d.displacement, kAllowed.displacement, d.loss, kAllowed.loss);
  }
  return agree;
}

void print_table(const Workload& workload, const std::vector<Result>& results) {
  std::printf("\n%s, batch %d, %.0f flops a sample\n\n", workload.name, workload.batch, workload.flops());
  std::printf(
      "| step | ns a sample | GFLOP/s | time / first [10 %%, 90 %%] | heap calls |\n|---|---:|---:|---|---:|\n");
  for (const Result& r : results)
    std::printf("| %s | %.1f | %.1f | %.2f [%.2f, %.2f] | %g |\n", r.opponent->name, r.nanoseconds.median, r.gflops,
                r.ratio.median, r.ratio.low, r.ratio.high, r.heap_calls);
  std::fflush(stdout);
}

void write_rows(std::FILE* file, const Workload& workload, const std::vector<Result>& results, bool first) {
  for (const Result& r : results) {
    std::fprintf(file, "%s\n  {\"workload\": \"%s\", \"batch\": %d, \"opponent\": \"%s\",", first ? "" : ",",
                 workload.name, workload.batch, r.opponent->name);
    std::fprintf(file, " \"nanoseconds\": [%.3f, %.3f, %.3f], \"ratio\": [%.4f, %.4f, %.4f],", r.nanoseconds.low,
                 r.nanoseconds.median, r.nanoseconds.high, r.ratio.low, r.ratio.median, r.ratio.high);
    std::fprintf(file, " \"gflops\": %.3f, \"heap_calls\": %g}", r.gflops, r.heap_calls);
    first = false;
  }
}

struct Options {
  int rounds = 40;
  const char* json = nullptr;
};

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) return false;
    const std::string_view value = argv[i + 1];
    if (std::strcmp(argv[i], "--json") == 0) {
      options.json = argv[i + 1];
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
  bool agree = true;
  for (const Workload* w : kWorkloads) agree = all_agree(all_of(*w), Data(*w)) && agree;
  if (!agree || options.rounds == 0) return agree ? 0 : 1;

  std::FILE* json = nullptr;
  if (options.json != nullptr && (json = std::fopen(options.json, "w")) == nullptr) {
    std::fprintf(stderr, "emmy_compare: cannot write %s: %s\n", options.json, std::strerror(errno));
    return 2;
  }
  if (json != nullptr)
    std::fprintf(json, "{\"flags\": \"%s\", \"compiler\": \"%s\", \"rounds\": %d, \"rows\": [", EMMY_BENCH_FLAGS,
                 EMMY_BENCH_COMPILER, options.rounds);
  std::printf("%s, %s, %d rounds\n", EMMY_BENCH_COMPILER, EMMY_BENCH_FLAGS, options.rounds);
  for (const Workload* w : kWorkloads) {
    const Data data(*w);
    const std::vector<Result> results = run_rounds(all_of(*w), data, options.rounds);
    print_table(*w, results);
    if (json != nullptr) write_rows(json, *w, results, w == kWorkloads[0]);
  }
  if (json == nullptr) return 0;
  std::fprintf(json, "\n]}\n");
  return std::fclose(json) == 0 ? 0 : 2;
}

}  // namespace
}  // namespace compare

int main(int argc, char** argv) {
  compare::Options options;
  if (!compare::parse(argc, argv, options)) {
    std::fprintf(stderr, "usage: emmy_compare [--rounds N] [--json FILE]\n");
    return 2;
  }
  return compare::run(options);
}
