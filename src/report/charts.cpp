#include "report/charts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace emmy::report {
namespace {

constexpr double kWidth = 380, kHeight = 190, kLeft = 52, kRight = 10, kTop = 10, kBottom = 24;

// Where a value is drawn.
struct Axis {
  double low, high, from, to;
  bool log = false;
  double at(double v) const {
    const double share = log ? (std::log10(std::max(v, low)) - std::log10(low)) / (std::log10(high) - std::log10(low))
                             : (v - low) / (high - low);
    return from + (to - from) * std::clamp(share, 0.0, 1.0);
  }
};

// 1, 2 or 5 times a power of ten, so that about four fit into `range`.
double tick_of(double range) {
  const double raw = range / 4, power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double step : {1.0, 2.0, 5.0})
    if (step * power >= raw * 0.999) return step * power;
  return 10 * power;
}

std::string number(double v) {
  if (v != 0 && (std::fabs(v) >= 1e5 || std::fabs(v) < 1e-3)) {
    std::string text = fmt::format("{:.2g}", v);  // 2e-05 as 2e-5
    for (const char* zero : {"e-0", "e+0", "e+"})
      if (const auto found = text.find(zero); found != std::string::npos)
        text.replace(found, std::string_view(zero).size(), zero[1] == '-' ? "e-" : "e");
    return text;
  }
  return fmt::format("{:.4g}", v);
}

std::vector<double> ticks(const Axis& axis) {
  std::vector<double> all;
  if (axis.log) {
    const double first = std::ceil(std::log10(axis.low) - 1e-9), last = std::floor(std::log10(axis.high) + 1e-9);
    const double by = std::max(1.0, std::ceil((last - first) / 5));
    for (double e = last; e >= first; e -= by) all.push_back(std::pow(10.0, e));
    return all;
  }
  const double tick = tick_of(axis.high - axis.low);
  for (double k = std::ceil(axis.low / tick - 1e-6); k * tick <= axis.high + 1e-6 * tick; ++k)
    all.push_back(k == 0 ? 0 : k * tick);
  return all;
}

Axis across(const std::vector<double>& step) {
  const double low = step.empty() ? 0 : step.front(), high = step.empty() ? 1 : step.back();
  return {low, high > low ? high : low + 1, kLeft, kWidth - kRight};
}

std::string frame(const std::string& label, const Axis& x, const Axis& y, bool percent = false) {
  std::string out =
      fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">", kWidth, kHeight, escaped(label));
  for (const double t : ticks(y))
    out += fmt::format(
        "<path class=\"grid\" d=\"M{:.1f} {:.1f}H{:.1f}\"/><text x=\"{:.1f}\" y=\"{:.1f}\" class=\"end\">{}</text>",
        kLeft, y.at(t), kWidth - kRight, kLeft - 5, y.at(t) + 4,
        percent ? fmt::format("{:.0f} %", 100 * t) : number(t));
  for (const double t : ticks(x)) {
    const double at = x.at(t);
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\">{}</text>", at, kHeight - 6,
                       at > kWidth - 40 ? "end" : "mid", number(t));
  }
  return out;
}

// At most this many points of a chart, evenly.
constexpr std::size_t kMostDrawn = 240;
std::size_t stride(std::size_t points) { return (points + kMostDrawn - 1) / kMostDrawn; }

}  // namespace

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string line_chart(const std::string& label, const std::vector<double>& step, const std::vector<Line>& lines,
                       bool log, double bound) {
  double low = INFINITY, high = -INFINITY;
  const auto meet = [&](double v) {
    if (!std::isfinite(v) || (log && v <= 0)) return;
    low = std::min(low, v);
    high = std::max(high, v);
  };
  for (const Line& line : lines)
    for (const double v : line.y) meet(v);
  if (bound != 0) meet(bound);
  if (!log && !lines.empty()) {
    const double space = high > low ? 0.06 * (high - low) : low != 0 ? 0.1 * std::fabs(low) : 1;
    low -= space;
    high += space;
  }
  if (log && low < high) {
    low = std::max(std::pow(10.0, std::floor(std::log10(low))), high * 1e-9);
    high *= 1.5;
  }
  if (!(low < high)) {
    low = log ? 1e-3 : -1;
    high = log ? 1.5 : 1;
  }
  const Axis x = across(step), y{low, high, kHeight - kBottom, kTop, log};
  std::string out = frame(label, x, y);
  if (bound != 0)
    out += fmt::format("<path class=\"bound\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>", kLeft, y.at(bound), kWidth - kRight);
  for (const Line& line : lines) {
    const std::size_t by = stride(line.y.size()), first = step.size() - line.y.size();
    std::string path;
    for (std::size_t i = 0; i < line.y.size(); ++i)
      if (i % by == 0 || i + 1 == line.y.size())
        path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x.at(step[first + i]), y.at(line.y[i]));
    out += fmt::format("<path class=\"{}\" d=\"{}\"/>", line.style, path);
  }
  return out + "</svg>";
}

std::string share_chart(const std::string& label, const std::vector<double>& step, const std::vector<Causes>& share) {
  const Axis x = across(step), y{0, 1, kHeight - kBottom, kTop};
  std::string out = frame(label, x, y, true);
  const std::size_t by = stride(share.size());
  std::vector<double> floor(share.size(), 0), ceiling = floor;
  for (std::size_t c = 0; c < kCauseName.size(); ++c) {
    bool any = false;
    for (std::size_t i = 0; i < share.size(); ++i) {
      ceiling[i] = floor[i] + share[i][c];
      any = any || share[i][c] > 0.0005;
    }
    if (any) {
      std::string over, back;
      for (std::size_t i = by; i < share.size(); i += by) {
        const std::size_t last = std::min(i, share.size() - 1);
        over += fmt::format("{}{:.1f} {:.1f}H{:.1f}", over.empty() ? "M" : "L", x.at(step[last - by]),
                            y.at(ceiling[last]), x.at(step[last]));
        back = fmt::format("L{:.1f} {:.1f}H{:.1f}", x.at(step[last]), y.at(floor[last]), x.at(step[last - by])) + back;
      }
      out += fmt::format("<path class=\"area c{}\" d=\"{}{}Z\"/>", c, over, back);
    }
    floor = ceiling;
  }
  return out + "</svg>";
}

}  // namespace emmy::report
