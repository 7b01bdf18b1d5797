// A report as one HTML page: no script, no address, light and dark.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/charts.hpp"
#include "report/record.hpp"

namespace emmy::report {
namespace {

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--page:#f6f6f4;--card:#fff;--ink:#1c1c1a;--soft:#5c5c58;--line:#deded9;--good:#1a7f37;--bad:#c62828;--pale:#9ec5ee}
@media(prefers-color-scheme:dark){:root{--page:#151517;--card:#1e1e21;--ink:#ececea;--soft:#a3a3a0;--line:#37373b;--good:#4cc36b;--bad:#ff6b61;--pale:#2f5f94}}
*{box-sizing:border-box}
body{margin:0;padding:1rem;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:64rem;margin:0 auto}
h1{font-size:1.5rem;margin:.25rem 0 0}h2{font-size:1.1rem;margin:0 0 .25rem;overflow-wrap:anywhere}h3{font-size:.95rem;margin:0 0 .25rem}
p{margin:.25rem 0}.soft{color:var(--soft);font-size:.9rem}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1rem;margin:1rem 0}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1.25rem;margin-top:.75rem}
.three{grid-template-columns:repeat(auto-fit,minmax(min(100%,18rem),1fr))}.charts>div{min-width:0}
svg{display:block;width:100%;height:auto}
svg text{font:11.5px system-ui,sans-serif;fill:var(--soft)}.mid{text-anchor:middle}.end{text-anchor:end}
path{fill:none}.grid{stroke:var(--line)}.bound{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:5 4}
.main{stroke:var(--ink);stroke-width:1.5}.wide{stroke:var(--pale);stroke-width:5;stroke-linecap:round;stroke-linejoin:round}.second{stroke:#2b8fd6;stroke-width:1.5}
.area{stroke:none;shape-rendering:crispEdges}
.c0{fill:#d55e00;background:#d55e00}.c1{fill:#0072b2;background:#0072b2}.c2{fill:#cc79a7;background:#cc79a7}.c3{fill:#009e73;background:#009e73}
.c4{fill:#e69f00;background:#e69f00}.c5{fill:#8a8a8a;background:#8a8a8a}.c6{fill:#c9bd2f;background:#c9bd2f}.c7{fill:#56b4e9;background:#56b4e9}
.key{display:flex;flex-wrap:wrap;gap:.15rem .9rem;font-size:.82rem;color:var(--soft);margin-top:.25rem}
.key i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.35em}
.key .kmain{background:var(--ink);height:.15em;vertical-align:.3em}.key .kwide{background:var(--pale)}.key .ksecond{background:#2b8fd6;height:.15em;vertical-align:.3em}.key .kbound{background:var(--bad);height:.15em;vertical-align:.3em}
ul{list-style:none;margin:.5rem 0 0;padding:0}li{padding:.4rem 0;border-top:1px solid var(--line)}
li b{display:block;overflow-wrap:anywhere}.good::before{content:"\2713\00a0";color:var(--good)}.bad::before{content:"\2717\00a0";color:var(--bad)}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}td,th{padding:.2rem .6rem .2rem 0;text-align:left;font-weight:normal;border-top:1px solid var(--line)}th{color:var(--soft)}
td.n,th.n{text-align:right}td.n{white-space:nowrap}.bar{background:var(--pale);height:.7rem;border-radius:2px;min-width:1px}
)";

std::string card(const std::string& title, const std::string& chart, const std::string& key) {
  return fmt::format("<div><h3>{}</h3>{}<div class=\"key\">{}</div></div>", title, chart, key);
}
std::string key(const char* style, const std::string& text) {
  return fmt::format("<span><i class=\"{}\"></i>{}</span>", style, text);
}

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
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"/>";
  out += fmt::format(
      "<title>Emmy report</title><style>{}</style></head><body><main><h1>Emmy report</h1><p>{}</p><p "
      "class=\"soft\">{}; batch {}; target {}; steps {} to {}</p>",
      kStyle, escaped(r.net), escaped(r.rule), r.batch, escaped(r.target), r.point.empty() ? 0 : r.point.front().step,
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
  out += fmt::format("<div><h3>Memory</h3>{}</div></div></section>", memory_table(r));
  for (std::size_t s = 0; s < r.symmetry.size() && !r.point.empty(); ++s) out += of_symmetry(r, s, step);
  return out + "<p class=\"soft\">Steps run from left to right in every chart.</p></main></body></html>\n";
}

}  // namespace emmy::report
