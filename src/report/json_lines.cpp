// A record as JSON lines, and back.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "report/record.hpp"

namespace emmy::report {
namespace {

using Json = nlohmann::json;
constexpr std::size_t kMostSymmetries = 64, kMostPoints = 100000;

// A whole number from 0 on; Json would cast any number.
std::int64_t whole(const Json& j) {
  if (!j.is_number_unsigned() || j.get<std::uint64_t>() > INT64_MAX)
    throw Json::other_error::create(501, "a step, size or count is not a whole number", &j);
  return j.get<std::int64_t>();
}

Json causes(const Causes& from) {
  Json out = Json::object();
  for (std::size_t c = 0; c < from.size(); ++c)
    if (from[c] != 0) out[kCauseName[c]] = from[c];
  return out;
}
Causes causes(const Json& from) {
  Causes out{};
  for (std::size_t c = 0; c < out.size(); ++c) out[c] = from.value(kCauseName[c], 0.0);
  return out;
}

Json of_charges(const Charges& c) {
  Json j = {{"measured", c.measured},
            {"predicted", c.predicted},
            {"drift", c.drift},
            {"largest", c.largest},
            {"amount", causes(c.amount)},
            {"total", causes(c.total)},
            {"moved", causes(c.moved)},
            {"residual", c.residual},
            {"residual_over_bound", c.residual_ratio},
            {"noether_over_bound", c.noether_ratio}};
  if (c.law_first > 0) j["law"] = {{"second_order", c.law_second}, {"first_order", c.law_first}};
  if (c.rotation > 0)
    j["rotation"] = {{"measured", c.rotation}, {"equilibrium", c.equilibrium}, {"time_constants", c.settled}};
  return j;
}
Charges charges(const Json& j) {
  Charges c{j.at("measured"),          j.at("predicted"),      j.at("drift"),
            j.at("largest"),           causes(j.at("amount")), causes(j.at("total")),
            causes(j.at("moved")),     j.at("residual"),       j.at("residual_over_bound"),
            j.at("noether_over_bound")};
  if (j.contains("law")) {
    c.law_second = j.at("law").at("second_order");
    c.law_first = j.at("law").at("first_order");
  }
  if (j.contains("rotation")) {
    const Json& turn = j.at("rotation");
    c.rotation = turn.at("measured");
    c.equilibrium = turn.at("equilibrium");
    c.settled = turn.at("time_constants");
  }
  return c;
}

void read_run(const Json& j, Record& r) {
  r.net = j.at("net");
  r.rule = j.at("rule");
  r.target = j.at("target");
  r.adaptive = j.at("adaptive");
  r.batch = static_cast<int>(whole(j.at("batch")));
  for (const Json& s : j.at("symmetries"))
    r.symmetry.push_back({s.at("name"), static_cast<int>(whole(s.at("charges"))), s.at("dead_biases")});
  for (const Json& m : j.at("memory")) r.memory.push_back({m.at("of"), whole(m.at("bytes"))});
}

// What is wrong with it, empty if nothing.
std::string read_point(const Json& j, Record& r) {
  Point p{whole(j.at("step")), j.at("loss"), j.at("learning_rate"), j.at("health"), {}, {}};
  if (j.contains("energy")) {
    const Json& e = j.at("energy");
    p.energy = {e.at("change"), e.at("slope"), e.at("end_slope"), e.at("flow")};
  }
  for (const Json& s : j.at("symmetries")) p.symmetry.push_back(charges(s));
  if (p.symmetry.size() != r.symmetry.size()) return "a point of another number of symmetries than the run";
  if (!r.point.empty() && p.step <= r.point.back().step) return "its step is not after that of the point before";
  r.point.push_back(std::move(p));
  return "";
}

// Reads one line, empty if all is well; `ended`: was it the results, the last?
std::string read_line(std::string_view line, std::size_t number, Record& r, bool& ended) {
  if (ended) return "is behind the results, which end a report";
  const Json j = Json::parse(line, nullptr, false);
  if (!j.is_object()) return "is not a JSON object";
  try {
    const std::string kind = j.value("line", "");
    if (number == 1) {
      if (kind != "run" || j.value("version", 0) != 1) return "is not the first line of an Emmy report";
      read_run(j, r);
      if (r.symmetry.size() > kMostSymmetries) return "has too many symmetries";
    } else if (kind == "point") {
      if (r.point.size() == kMostPoints) return "is a point too many";
      return read_point(j, r);
    } else if (kind == "result") {
      for (const Json& f : j.at("figures")) r.result.push_back({f.at("name"), f.at("text")});
      ended = true;
    } else {
      return "is neither a point nor a result";
    }
  } catch (const Json::exception&) {
    return "lacks a field of its line, or holds one of another kind";
  }
  return "";
}

}  // namespace

std::string to_json_lines(const Record& r) {
  Json run = {{"line", "run"},          {"version", 1},     {"net", r.net},           {"rule", r.rule},
              {"target", r.target},     {"batch", r.batch}, {"adaptive", r.adaptive}, {"symmetries", Json::array()},
              {"memory", Json::array()}};
  for (const Symmetry& s : r.symmetry)
    run["symmetries"].push_back({{"name", s.name}, {"charges", s.charges}, {"dead_biases", s.dead_biases}});
  for (const Bytes& b : r.memory) run["memory"].push_back({{"of", b.of}, {"bytes", b.count}});
  std::string out = run.dump() + "\n";
  for (const Point& p : r.point) {
    Json j = {{"line", "point"},    {"step", p.step},
              {"loss", p.loss},     {"learning_rate", p.learning_rate},
              {"health", p.health}, {"symmetries", Json::array()}};
    if (p.energy.known())
      j["energy"] = {{"change", p.energy.change},
                     {"slope", p.energy.slope},
                     {"end_slope", p.energy.end_slope},
                     {"flow", p.energy.flow}};
    for (const Charges& c : p.symmetry) j["symmetries"].push_back(of_charges(c));
    out += j.dump() + "\n";
  }
  Json result = {{"line", "result"}, {"figures", Json::array()}};
  for (const Figure& f : r.result) result["figures"].push_back({{"name", f.name}, {"text", f.text}});
  return out + result.dump() + "\n";
}

io::Result<Record> from_json_lines(std::string_view text, std::string_view name) {
  Record r;
  std::size_t number = 0;
  bool ended = false;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.empty() || line == "\r") continue;
    if (const std::string why = read_line(line, number, r, ended); !why.empty())
      return io::Error{fmt::format("{}:{}: {}", name, number, io::shown_path(why))};
  }
  if (r.point.empty()) return io::Error{fmt::format("{}: has no point of a run", name)};
  if (!ended) return io::Error{fmt::format("{}: is cut off: it lacks the results, its last line", name)};
  return r;
}

}  // namespace emmy::report
