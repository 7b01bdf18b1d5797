#include "report/experiments.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "report/page.hpp"

namespace emmy::report {
namespace {

const char* mark(bool good) { return good ? "good" : "bad"; }

std::string findings(const Experiment& e) {
  std::string out =
      "<table><tr><th>what</th><th class=\"n\">predicted</th><th class=\"n\">measured</th><th "
      "class=\"n\">bound</th></tr>";
  for (const Finding& f : e.finding)
    out += fmt::format(
        "<tr><td class=\"{}\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
        mark(f.holds), escaped(f.what), escaped(f.predicted), escaped(f.measured), escaped(f.bound));
  return out + "</table>";
}

std::string figure(const Experiment& e) {
  std::string keys;
  for (std::size_t l = 0; l < e.line.size(); ++l) keys += key(("k" + e.line[l].style).c_str(), escaped(e.line_name[l]));
  return card(escaped(e.axis), line_chart(e.title, e.x, e.line, e.log), keys);
}

}  // namespace

std::string to_html(const std::vector<Experiment>& experiments) {
  const auto passed = std::count_if(experiments.begin(), experiments.end(), [](const auto& e) { return e.passes; });
  std::string out = begin_page("Emmy reproduces");
  out += fmt::format("<p>{} of {} experiments pass.</p><section><h2>Experiments</h2><ul>", passed, experiments.size());
  for (const Experiment& e : experiments)
    out += fmt::format("<li class=\"{}\">{}<span class=\"soft\"> ({}; {})</span></li>", mark(e.passes),
                       escaped(e.title), escaped(e.name), escaped(e.paper));
  out += "</ul></section>";
  for (const Experiment& e : experiments)
    out += fmt::format(
        "<section><h2 class=\"{}\">{}</h2><p>{}</p><p class=\"soft\">{}: {}</p><div class=\"charts\">{}<div>{}"
        "</div></div></section>",
        mark(e.passes), escaped(e.title), escaped(e.claim), escaped(e.name), escaped(e.paper), figure(e), findings(e));
  return out + end_page();
}

std::string to_text(const Experiment& e) {
  std::string out = fmt::format("{}  {}: {} ({})\n", e.passes ? "pass" : "FAIL", e.name, e.title, e.paper);
  for (const Finding& f : e.finding)
    out +=
        fmt::format("  {} {:<56} {:>12} {:>12}   {}\n", f.holds ? " " : "!", f.what, f.predicted, f.measured, f.bound);
  return out;
}

}  // namespace emmy::report
