// emmy faults
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>

#include "cli/faults_nets.hpp"
#include "cli/options.hpp"
#include "cli/refuse.hpp"
#include "cli/target.hpp"
#include "io/digits.hpp"
#include "io/file.hpp"

namespace emmy::app {
namespace {

using faults::Count;
using faults::kDetectors;
using faults::kNets;
using faults::kSites;

constexpr const char* kNetName[kNets] = {"64-32-10, ReLU", "64-32-16-10, leaky ReLU and ReLU",
                                         "8x8, conv 16 k3, ReLU, dense 10", "64-32-10, batch norm, ReLU"};
constexpr int kPairs = kSites * kNets - 3;  // sites of all nets: one of them has statistics
constexpr const char *kBegin = "<!-- emmy faults: begin -->\n", *kEnd = "<!-- emmy faults: end -->\n";

void add(Count& to, const Count& from) {
  to.flips += from.flips;
  to.harmful += from.harmful;
  for (int d = 0; d < kDetectors; ++d) {
    to.seen[d] += from.seen[d];
    to.harmful_seen[d] += from.harmful_seen[d];
  }
}
std::string share(long long part, long long of) {
  return of == 0 ? "-" : fmt::format("{:.1f}", 100.0 * static_cast<double>(part) / static_cast<double>(of));
}
std::string row(const std::string& name, const Count& c) {
  std::string out = fmt::format("| {} | {} | {} |", name, c.flips, c.harmful);
  for (const long long n : c.harmful_seen) out += fmt::format(" {} |", share(n, c.harmful));
  return out + fmt::format(" {} |\n", share(c.seen[kDetectors - 1], c.flips));
}

// The tables, in Markdown.
std::string tables(const faults::Result (&result)[kNets], const FaultsOptions& options) {
  const std::string columns =
      " | flips | harmful | charges | check sums | both | both, CRC of inputs | of all flips, by all |\n"
      "|---|---|---|---|---|---|---|---|\n";
  std::string sites, nets;
  Count all{};
  for (int s = 0; s < kSites; ++s) {
    Count site{};
    for (const auto& r : result) add(site, r.site[s]);
    sites += row(faults::kSiteName[s], site);
    add(all, site);
  }
  long long steps = 0, alarms = 0;
  float health = 0, outputs = 0;
  for (int n = 0; n < kNets; ++n) {
    Count net{};
    for (const Count& c : result[n].site) add(net, c);
    nets += row(kNetName[n], net);
    steps += result[n].steps;
    alarms += result[n].alarms;
    health = std::max(health, result[n].worst_health);
    outputs = std::max(outputs, result[n].worst_outputs);
  }
  return fmt::format(
      "`emmy faults --flips {} --clean {} --seed {}`: {} flips; of harmful ones found, in %:\n\n| flipped{}{}{}\n"
      "The same by net:\n\n| net{}{}\nClean steps: {}, false alarms {}; worst residual {:.3f} of its bound, worst sum "
      "of "
      "outputs {:.3f} of its own.\n",
      options.flips, options.clean, options.seed, all.flips, columns, sites, row("**all**", all), columns, nets, steps,
      alarms, health, outputs);
}

// The text of the page with the tables between its two marks; empty without them.
std::string with_tables(const std::string& page, const std::string& text) {
  const std::size_t begin = page.find(kBegin), end = page.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) return "";
  return page.substr(0, begin) + kBegin + "\n" + text + "\n" + page.substr(end);
}

}  // namespace

int run_faults(const FaultsOptions& options) {
  if (options.flips < 0 || options.flips > 100'000'000) return refuse("--flips is 0 to 100000000");
  if (options.clean < 0 || options.clean > 1'000'000'000) return refuse("--clean is 0 to 1000000000");
  std::string page;
  if (!options.page.empty()) {
    const auto bytes = io::read_file(options.page);
    if (!bytes) return refuse(bytes.error().message);
    page.assign(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    if (with_tables(page, "").empty())
      return refuse(io::shown_path(options.page) + ": has no lines <!-- emmy faults: begin --> and end");
  }
  const std::string wanted = wanted_target();
  const auto* table = find_table<faults::Campaign>(wanted.empty() ? nullptr : wanted.c_str());
  if (table == nullptr) return refuse(no_target<faults::Campaign>(wanted, "emmy faults"));
  const io::Dataset digits = io::draw_digits(2000, options.seed);
  faults::Result result[kNets] = {};
  for (int n = 0; n < kNets; ++n) {
    const faults::Task task{digits.x.data(),
                            digits.labels.data(),
                            static_cast<int>(digits.rows),
                            options.seed + static_cast<std::uint64_t>(n),
                            (options.flips + kPairs - 1) / kPairs,
                            (options.clean + kNets - 1) / kNets};
    table->run[n](task, result[n]);
  }
  const std::string text = tables(result, options);
  fmt::print("{}", text);
  if (!page.empty()) {
    const std::string whole = with_tables(page, text);
    if (const auto written = io::replace_file(options.page, std::as_bytes(std::span(whole))); !written)
      return refuse(written.error().message);
  }
  const bool alarmed = std::any_of(std::begin(result), std::end(result), [](const auto& r) { return r.alarms > 0; });
  return alarmed ? kFailed : kOk;
}

}  // namespace emmy::app
