// A report as text, as a table, and as files.
#include <fmt/format.h>

#include <filesystem>
#include <span>

#include "io/file.hpp"
#include "report/record.hpp"

namespace emmy::report {

std::string to_text(const Record& r) {
  std::string out = fmt::format("net     {}\nrule    {}; batch {}\ntarget  {}\n", r.net, r.rule, r.batch, r.target);
  if (!r.point.empty()) {
    const Point& end = r.point.back();
    double health = 0;
    for (const Point& p : r.point) health = p.health > health ? p.health : health;
    out += fmt::format("steps   {} to {}, {} points\n", r.point.front().step, end.step, r.point.size());
    if (r.point.size() > 1) out += fmt::format("loss    {:.4g} to {:.4g}\n", r.point[1].loss, end.loss);
    out += fmt::format("health  worst residual of any charge, identity or check sum {:.3f} of its rounding bound\n",
                       health);
  }
  if (const std::string energy = energy_text(r); !energy.empty()) out += fmt::format("energy  {}\n", energy);
  for (const Figure& f : r.result) out += fmt::format("{}: {}\n", f.name, f.text);
  out += "memory  ";
  for (std::size_t i = 0; i < r.memory.size(); ++i)
    out += fmt::format("{}{} {} B", i == 0 ? "" : ", ", r.memory[i].of, r.memory[i].count);
  out += '\n';
  for (std::size_t s = 0; s < r.symmetry.size() && !r.point.empty(); ++s) {
    const Charges& from = r.point.front().symmetry[s];
    const Charges& to = r.point.back().symmetry[s];
    out += fmt::format("\n{}: {} charges\n  {}\n", r.symmetry[s].name, r.symmetry[s].charges, diagnosis(r, s));
    out += fmt::format("  sum {:.6g} to {:.6g}, predicted {:.6g}; drift {:.4g} in all, {:.3g} of one charge\n",
                       from.measured, to.measured, to.predicted, to.drift, to.largest);
    const Causes share = shares(r, s);
    if (const std::string law = law_text(r, s); !law.empty()) out += fmt::format("  {}\n", law);
    if (const std::string turn = rotation_text(r, s); !turn.empty()) out += fmt::format("  {}\n", turn);
    out += "  moved by";
    const char* separator = " ";
    for (std::size_t c = 0; c < share.size(); ++c)
      if (share[c] > 0) {
        out += fmt::format("{}{} {:.3g} %", separator, kCauseName[c], 100 * share[c]);
        separator = ", ";
      }
    out += fmt::format(
        "{}\n  worst residual of a step {:.2g}, {:.3f} of its rounding bound; Noether residual {:.3f} of its bound\n",
        *separator == ' ' ? " nothing" : "", to.residual, to.residual_ratio, to.noether_ratio);
  }
  return out;
}

std::string to_csv(const Record& r) {
  std::string out = "step,loss,learning_rate,health,symmetry,measured,predicted,drift,largest";
  for (const char* name : kCauseName) out += fmt::format(",{}", name);
  for (const char* name : kCauseName) out += fmt::format(",total_{}", name);
  for (const char* name : kCauseName) out += fmt::format(",moved_{}", name);
  out += ",residual,residual_over_bound,noether_over_bound,rotation,rotation_in_equilibrium,time_constants";
  out += ",step_change,step_slope,step_end_slope,step_flow\n";
  for (const Point& p : r.point)
    for (std::size_t s = 0; s < p.symmetry.size(); ++s) {
      const Charges& c = p.symmetry[s];
      out += fmt::format("{},{:.9g},{:.9g},{:.9g},\"{}\",{:.9g},{:.9g},{:.9g},{:.9g}", p.step, p.loss, p.learning_rate,
                         p.health, r.symmetry[s].name, c.measured, c.predicted, c.drift, c.largest);
      for (const double a : c.amount) out += fmt::format(",{:.9g}", a);
      for (const double a : c.total) out += fmt::format(",{:.9g}", a);
      for (const double a : c.moved) out += fmt::format(",{:.9g}", a);
      out += fmt::format(",{:.9g},{:.9g},{:.9g},{:.9g},{:.9g},{:.9g}", c.residual, c.residual_ratio, c.noether_ratio,
                         c.rotation, c.equilibrium, c.settled);
      out += fmt::format(",{:.9g},{:.9g},{:.9g},{:.9g}\n", p.energy.change, p.energy.slope, p.energy.end_slope,
                         p.energy.flow);
    }
  return out;
}

io::Result<io::Done> write_all(const Record& record, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!std::filesystem::is_directory(folder, error))
    return io::Error{io::shown_path(folder) + ": cannot be made a folder"};
  const std::string texts[] = {to_text(record), to_csv(record), to_json_lines(record), to_html(record)};
  static_assert(std::size(texts) == std::size(kFiles));
  for (std::size_t i = 0; i < std::size(kFiles); ++i)
    if (auto done =
            io::replace_file((std::filesystem::path(folder) / kFiles[i]).string(), std::as_bytes(std::span(texts[i])));
        !done)
      return done;
  return io::Done{};
}

io::Result<Record> read(const std::string& path) {
  std::error_code error;
  const bool folder = std::filesystem::is_directory(path, error);
  const std::string file = folder ? (std::filesystem::path(path) / "report.jsonl").string() : path;
  auto bytes = io::read_file(file);
  if (!bytes) return bytes.error();
  return from_json_lines({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, io::shown_path(file));
}

}  // namespace emmy::report
