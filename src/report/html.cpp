// A report as one HTML page: no script, no address, light and dark.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/charts.hpp"
#include "report/page.hpp"
#include "report/record.hpp"

namespace emmy::report {
namespace {

std::vector<double> steps_of(const Record& r) {
  std::vector<double> all;
  for (const Point& p : r.point) all.push_back(static_cast<double>(p.step));
  return all;
}
// f(point) for the points from `first` on.
template <class F>
std::vector<double> each(const Record& r, std::size_t first, F f) {
  std::vector<double> all;
  for (std::size_t i = first; i < r.point.size(); ++i) all.push_back(f(r.point[i]));
  return all;
}

std::string memory_table(const Record& r) {
  std::int64_t most = 1, all = 0;
  for (const Bytes& b : r.memory) most = std::max(most, b.count), all += b.count;
  std::string out = "<table>";
  for (const Bytes& b : r.memory)
    out += fmt::format(
        "<tr><td>{}</td><td class=\"n\">{} B</td><td style=\"width:50%\"><div class=\"bar\" "
        "style=\"width:{:.1f}%\"></div></td></tr>",
        escaped(b.of), b.count, 100.0 * static_cast<double>(b.count) / static_cast<double>(most));
  return out + fmt::format("<tr><td>together</td><td class=\"n\">{} B</td><td></td></tr></table>", all);
}

std::string causes_table(const Record& r, std::size_t s) {
  const Causes share = shares(r, s);
  std::string out = "<table><tr><th>cause</th><th class=\"n\">moved the sum by</th><th class=\"n\">share</th></tr>";
  for (std::size_t c = 0; c < share.size(); ++c)
    if (share[c] > 0)
      out += fmt::format("<tr><td>{}</td><td class=\"n\">{:.4g}</td><td class=\"n\">{:.3g} %</td></tr>", kCauseName[c],
                         r.point.back().symmetry[s].amount[c], 100 * share[c]);
  return out + "</table>";
}

std::string of_symmetry(const Record& r, std::size_t s, const std::vector<double>& step) {
  const Charges& from = r.point.front().symmetry[s];
  const Charges& to = r.point.back().symmetry[s];
  const std::string name = escaped(r.symmetry[s].name);
  const auto charges = [&](const Point& p) -> const Charges& { return p.symmetry[s]; };
  std::vector<Causes> share;
  for (const Point& p : r.point) share.push_back(shares(charges(p).moved));
  std::string causes;
  for (std::size_t c = 0; c < kCauseName.size(); ++c)
    if (std::any_of(share.begin(), share.end(), [&](const Causes& at) { return at[c] > 0.005; }))
      causes += key(fmt::format("c{}", c).c_str(), kCauseName[c]);
  std::string out = fmt::format(
      "<section><h2>{}</h2><p>{}</p><p class=\"soft\">{} charges, together {:.6g} at the start and {:.6g} at the end; "
      "predicted {:.6g}. The largest change of one is {:.3g}.</p>{}{}<div class=\"charts\">",
      name, escaped(diagnosis(r, s)), r.symmetry[s].charges, from.measured, to.measured, to.predicted, to.largest,
      law_text(r, s).empty() ? "" : fmt::format("<p class=\"soft\">{}</p>", escaped(law_text(r, s))),
      rotation_text(r, s).empty() ? "" : fmt::format("<p>{}</p>", escaped(rotation_text(r, s))));
  out += card("Change of the sum of charges",
              line_chart(name + ": change of the charges, measured and predicted", step,
                         {{"wide", each(r, 0, [&](const Point& p) { return charges(p).predicted - from.measured; })},
                          {"main", each(r, 0, [&](const Point& p) { return charges(p).measured - from.measured; })}}),
              key("kmain", "measured") + key("kwide", "predicted by the law"));
  out += card("Causes, share of each interval", share_chart(name + ": shares of causes", step, share), causes);
  out += card("Residual over its rounding bound, worst until then",
              line_chart(name + ": residual over its bound", step,
                         {{"second", each(r, 1, [&](const Point& p) { return charges(p).noether_ratio; })},
                          {"main", each(r, 1, [&](const Point& p) { return charges(p).residual_ratio; })}},
                         true, 1),
              key("kmain", "budget") + key("ksecond", "Noether identity") + key("kbound", "bound: a fault above"));
  if (to.rotation > 0)
    out += card("Rotation of the weights a step",
                line_chart(name + ": rotation a step", step,
                           {{"wide", each(r, 1, [&](const Point& p) { return charges(p).equilibrium; })},
                            {"main", each(r, 1, [&](const Point& p) { return charges(p).rotation; })}}),
                key("kmain", "measured, rms, radians") + key("kwide", "in equilibrium"));
  return out + "<div>" + causes_table(r, s) + "</div></div></section>";
}

}  // namespace

std::string to_html(const Record& r) {
  const std::vector<double> step = steps_of(r);
  std::string out = begin_page("Emmy report");
  out += fmt::format("<p>{}</p><p class=\"soft\">{}; batch {}; target {}; steps {} to {}</p>", escaped(r.net),
                     escaped(r.rule), r.batch, escaped(r.target), r.point.empty() ? 0 : r.point.front().step,
                     r.point.empty() ? 0 : r.point.back().step);
  out += "<section><h2>Diagnosis</h2><ul>";
  double health = 0;
  for (const Point& p : r.point) health = std::max(health, p.health);
  out += fmt::format(
      "<li class=\"{}\">Worst residual of any charge, identity or check sum: {:.3f} of its rounding bound</li>",
      health > 1 ? "bad" : "good", health);
  for (std::size_t s = 0; s < r.symmetry.size() && !r.point.empty(); ++s)
    out += fmt::format("<li><b>{}</b>{}{}</li>", escaped(r.symmetry[s].name), escaped(diagnosis(r, s)),
                       rotation_text(r, s).empty() ? "" : "<br/>" + escaped(rotation_text(r, s)));
  out += "</ul></section><section><h2>Run</h2>";
  for (const Figure& f : r.result) out += fmt::format("<p>{}: {}</p>", escaped(f.name), escaped(f.text));
  out += "<div class=\"charts three\">";
  out += card("Training loss",
              line_chart("training loss", step, {{"main", each(r, 1, [](const Point& p) { return p.loss; })}}),
              key("kmain", "mean of each interval"));
  out += card("Health",
              line_chart("worst residual over its bound", step,
                         {{"main", each(r, 1, [](const Point& p) { return p.health; })}}, true, 1),
              key("kmain", "worst residual of each interval") + key("kbound", "bound: a fault above"));
  if (const std::string energy = energy_text(r); !energy.empty())
    out +=
        card("Energy: change of the loss by one step",
             line_chart("change of the loss of its own batch by one step, measured and by the trapezoid of its slopes",
                        step,
                        {{"wide", each(r, 1, [](const Point& p) { return p.energy.trapezoid(); })},
                         {"main", each(r, 1, [](const Point& p) { return p.energy.change; })}}),
             key("kmain", "measured, the last step of each interval") + key("kwide", "trapezoid")) +
        fmt::format("<div><h3>Energy law</h3><p class=\"soft\">{}</p></div>", escaped(energy));
  out += fmt::format("<div><h3>Memory</h3>{}</div></div></section>", memory_table(r));
  for (std::size_t s = 0; s < r.symmetry.size() && !r.point.empty(); ++s) out += of_symmetry(r, s, step);
  return out + "<p class=\"soft\">Steps run from left to right in every chart.</p>" + end_page();
}

}  // namespace emmy::report
