// emmy report
#include <fmt/core.h>

#include <filesystem>

#include "cli/options.hpp"
#include "cli/refuse.hpp"
#include "report/record.hpp"

namespace emmy::app {

int run_report(const ReportOptions& options) {
  const auto record = report::read(options.from);
  if (!record) return refuse(record.error().message);
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path to = options.to;
  if (to.empty())
    to = fs::is_directory(options.from, error) ? fs::path(options.from) : fs::path(options.from).parent_path();
  if (to.empty()) to = fs::current_path(error);
  if (const std::string why = unwritable_folder(to.string(), report::kFiles); !why.empty()) return refuse(why);
  if (const auto written = report::write_all(*record, to.string()); !written) return refuse(written.error().message);
  fmt::print("{}\nwrote {}\n", report::to_text(*record), (to / "report.html").string());
  return kOk;
}

}  // namespace emmy::app
