#include "report/page.hpp"

#include <fmt/format.h>

#include "report/charts.hpp"

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
td.n,th.n{text-align:right}td.n{white-space:nowrap}@media(max-width:34rem){table{font-size:.74rem}td,th{padding-right:.3rem}td.n{white-space:normal}}.bar{background:var(--pale);height:.7rem;border-radius:2px;min-width:1px}
)";

}  // namespace

std::string begin_page(const std::string& title) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"/><title>{0}</title><style>{1}</style></head><body><main>"
      "<h1>{0}</h1>",
      escaped(title), kStyle);
}
std::string end_page() { return "</main></body></html>\n"; }

std::string card(const std::string& title, const std::string& chart, const std::string& key) {
  return fmt::format("<div><h3>{}</h3>{}<div class=\"key\">{}</div></div>", title, chart, key);
}
std::string key(const char* style, const std::string& text) {
  return fmt::format("<span><i class=\"{}\"></i>{}</span>", style, text);
}

}  // namespace emmy::report
