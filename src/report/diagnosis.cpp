// From shares of causes to a sentence.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/record.hpp"

namespace emmy::report {
namespace {

enum : std::size_t { kDecay, kMomentum, kBreaking, kDiscretisation, kNoether, kRounding, kUnmeasured, kEpsilon };

std::string percent(double share) { return fmt::format("{:.3g} %", 100 * share); }

// "; also momentum 12 %": every other cause from 5 % on.
std::string others(const Causes& share, std::size_t first) {
  std::string text;
  for (std::size_t c = 0; c < share.size(); ++c)
    if (c != first && share[c] >= 0.05)
      text += fmt::format("{}{} {}", text.empty() ? "; also " : ", ", kCauseName[c], percent(share[c]));
  return text;
}

std::string breaking(const Record& record, double share) {
  if (!record.adaptive)
    return fmt::format("{} breaking: rates that differ between blocks, frozen weights or clipping by tensor or element",
                       percent(share));
  return fmt::format("{} kinetic breaking: {}; block-shared Adam (--rule adam-shared) keeps this charge",
                     percent(share), record.rule.substr(0, record.rule.find(',')));
}

// Have biases without a gradient gone further than one step of the rate? A preconditioner divides rounding by its own size.
bool rounding_amplified(const Record& record, std::size_t symmetry) {
  return record.adaptive && record.symmetry[symmetry].dead_biases &&
         record.point.back().symmetry[symmetry].largest > record.point.front().learning_rate;
}

}  // namespace

Causes shares(const Causes& moved) {
  double all = 0;
  for (const double m : moved) all += m;
  Causes share{};
  for (std::size_t c = 0; c < share.size(); ++c) share[c] = all > 0 ? moved[c] / all : 0;
  return share;
}

Causes shares(const Record& record, std::size_t symmetry) {
  return record.point.empty() ? Causes{} : shares(record.point.back().symmetry[symmetry].total);
}

Rotation rotation(const Record& record, std::size_t symmetry) {
  if (record.point.empty()) return {};
  const Charges& end = record.point.back().symmetry[symmetry];
  if (end.settled < 3) return {end.rotation, end.equilibrium, end.settled};
  Rotation r{0, 0, end.settled};
  double points = 0;
  for (const Point& p : record.point) {
    const Charges& c = p.symmetry[symmetry];
    if (c.settled < 3) continue;
    r.measured += c.rotation * c.rotation;
    r.equilibrium += c.equilibrium * c.equilibrium;
    ++points;
  }
  return {std::sqrt(r.measured / points), std::sqrt(r.equilibrium / points), r.settled};
}

std::string law_text(const Record& record, std::size_t symmetry) {
  if (record.point.empty()) return "";
  const Charges& end = record.point.back().symmetry[symmetry];
  const double all = end.law_second + end.law_first;
  // Without momentum its booked part is rounding.
  if (all == 0 || end.total[kMomentum] < 1e-5 * all || end.total[kBreaking] > 0) return "";
  return fmt::format("law of the heavy ball: eta^2 B(buf', buf') {:.3g} %, -2 eta (beta P + lambda Q) {:.3g} %",
                     100 * end.law_second / all, 100 * end.law_first / all);
}

std::string energy_text(const Record& record) {
  double steps = 0, change = 0, size = 0, first_off = 0, off = 0, flow = 0;
  std::vector<double> kappa;
  for (const Point& p : record.point) {
    const Energy& e = p.energy;
    if (!e.known()) continue;
    ++steps;
    change += e.change;
    size += std::fabs(e.change);
    first_off += std::fabs(e.change - e.slope);
    off += std::fabs(e.change - e.trapezoid());
    flow += e.flow;
    if (e.slope < 0) kappa.push_back(e.kappa_gradient());
  }
  if (steps == 0 || size == 0) return "";
  std::string text = fmt::format(
      "{} steps moved the loss of their own batch by {:.4g}; foretold to {:.3g} % by the trapezoid of their slopes, to "
      "{:.3g} % to first order; gradient flow, -eta |g|^2 = -eta delta' K delta: {:.4g}",
      steps, change, 100 * off / size, 100 * first_off / size, flow);
  if (kappa.empty()) return text;
  const auto middle = kappa.begin() + static_cast<std::ptrdiff_t>(kappa.size() / 2);
  std::nth_element(kappa.begin(), middle, kappa.end());
  return text + fmt::format("; rate times curvature {:.3g} (median of {} steps downhill)", *middle, kappa.size());
}

std::string rotation_text(const Record& record, std::size_t symmetry) {
  const Rotation r = rotation(record, symmetry);
  if (r.measured == 0) return "";
  const std::string turn = fmt::format("rotation a step {:.4g} (rms)", r.measured);
  const double size = record.point.back().symmetry[symmetry].measured / record.symmetry[symmetry].charges;
  const std::string rate = fmt::format("effective learning rate {:.3g}", record.point.back().learning_rate / size);
  if (record.adaptive) return fmt::format("{}; {}", turn, rate);
  if (r.equilibrium == 0) return fmt::format("{}; without decay the norm only grows; {}", turn, rate);
  if (r.settled < 3)
    return fmt::format("{}, {:.4g} in equilibrium; not settled: {:.2g} of three time constants; {}", turn,
                       r.equilibrium, r.settled, rate);
  return fmt::format(
      "{}, {:.4g} predicted, sqrt(2 eta lambda/(1+beta)): {:+.2f} %, after three of {:.3g} time constants; {}", turn,
      r.equilibrium, 100 * (r.measured / r.equilibrium - 1), r.settled, rate);
}

std::string diagnosis(const Record& record, std::size_t symmetry) {
  if (record.point.size() < 2) return "no step was taken";
  const Charges& end = record.point.back().symmetry[symmetry];
  if (end.residual_ratio > 1)
    return fmt::format("residual {:.3g} times its rounding bound: a fault, or weights changed from outside",
                       end.residual_ratio);
  if (end.noether_ratio > 1)
    return fmt::format("Noether residual {:.3g} times its rounding bound: the gradient is not one of this loss",
                       end.noether_ratio);
  const Causes share = shares(record, symmetry);
  const auto most = static_cast<std::size_t>(std::max_element(share.begin(), share.end()) - share.begin());
  if (share[most] <= 0) return "conserved: nothing moved";
  const std::string also = others(share, most);
  if (rounding_amplified(record, symmetry) && share[kDecay] < 0.5)
    return fmt::format(
        "biases drift {:.2g} with zero gradient: {} in f32 amplifies rounding; freeze them or project the gradient",
        end.largest, record.rule.substr(0, record.rule.find(',')));
  if (record.symmetry[symmetry].dead_biases && share[kNoether] + share[kRounding] > share[kDecay])
    return fmt::format("conserved: no bias moved by more than {:.2g}, by rounding in a gradient that is zero",
                       end.largest);
  if (share[kNoether] + share[kRounding] > 0.5)
    return fmt::format("conserved: no charge moved by more than {:.2g}, {} of it rounding", end.largest,
                       percent(share[kNoether] + share[kRounding]));
  switch (most) {
    case kDecay: return fmt::format("decay {}: weight decay pulls the charge to zero{}", percent(share[most]), also);
    case kMomentum:
      return fmt::format("momentum {}: what the buffer remembers of earlier steps, {}{}", percent(share[most]),
                         share[kDecay] > 0 ? "their decay with them" : "second order in the learning rate", also);
    case kBreaking: return breaking(record, share[most]) + also;
    case kDiscretisation:
      return fmt::format("discretisation {}: second order in the learning rate, gone in gradient flow{}",
                         percent(share[most]), also);
    case kEpsilon:
      return fmt::format("epsilon {}: the norm's epsilon keeps it from being quite scale invariant{}",
                         percent(share[most]), also);
    default:
      return fmt::format("unmeasured {}: change between measured steps, or weights set from outside{}",
                         percent(share[most]), also);
  }
}

}  // namespace emmy::report
