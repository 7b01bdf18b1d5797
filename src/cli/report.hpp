// The charge report: for each symmetry how far its charges drifted, why, and how well the books close.
#pragma once

#include <string>
#include <vector>

#include <emmy/emmy.hpp>
#include <nlohmann/json_fwd.hpp>

namespace emmy::app {

struct ChargeReport {
  std::string symmetry;  // "Rescaling<Layer<1>>"
  int units = 0;
  double drift = 0;            // sum over units of |after - before|
  double share[kCauses] = {};  // of each cause in the motion, sums over units of |amount|, adding up to 1
  double amount[kCauses] = {};
  double worst_residual = 0;  // largest |measured change - budget| of one step
  double residual_ratio = 0;  // the same over its rounding bound
  double relative = 0;        // the same over the sum of squares it comes from
  double noether_ratio = 0;   // worst Noether residual over its rounding bound
};

template <int... Position>
std::string site_name(Layer<Position...>) {
  std::string text = "Layer<";
  const char* separator = "";
  ((text += separator, text += std::to_string(Position), separator = ", "), ...);
  return text + ">";
}
template <class Site>
std::string symmetry_name(Rescaling<Site>) {
  return "Rescaling<" + site_name(Site{}) + ">";
}
template <class Site>
std::string symmetry_name(ExpUnit<Site>) {
  return "ExpUnit<" + site_name(Site{}) + ">";
}
template <class Site>
std::string symmetry_name(FactorBalance<Site>) {
  return "FactorBalance<" + site_name(Site{}) + ">";
}
template <class Site>
std::string symmetry_name(Scale<Site>) {
  return "Scale<" + site_name(Site{}) + ">";
}
template <class Site>
std::string symmetry_name(Translation<Site>) {
  return "Translation<" + site_name(Site{}) + ">";
}

template <class Symmetry, class Led>
ChargeReport charge_report(const Led& ledger) {
  ChargeReport r;
  r.symmetry = symmetry_name(Symmetry{});
  r.units = Led::template kUnitsOf<Symmetry>;
  double moved = 0;
  for (int u = 0; u < r.units; ++u) {
    const auto& budget = ledger.template total<Symmetry>(u);
    const auto drift = static_cast<double>(budget.drift());
    r.drift += drift < 0 ? -drift : drift;
    for (int c = 0; c < kCauses; ++c) {
      const auto amount = static_cast<double>(budget.amount[c]);
      r.amount[c] += amount;
      r.share[c] += amount < 0 ? -amount : amount;
    }
  }
  for (const double s : r.share) moved += s;
  for (double& s : r.share) s = moved > 0 ? s / moved : 0;
  const auto worst = ledger.template extremes<Symmetry>();
  r.worst_residual = static_cast<double>(worst.residual);
  r.residual_ratio = static_cast<double>(worst.residual_ratio);
  r.relative = static_cast<double>(worst.relative);
  r.noether_ratio = static_cast<double>(worst.noether_ratio);
  return r;
}

template <class Led, class... Symmetry>
std::vector<ChargeReport> charge_reports(const Led& ledger, Symmetries<Symmetry...>) {
  return {charge_report<Symmetry>(ledger)...};
}

void print_charges(const std::vector<ChargeReport>& charges);
nlohmann::json to_json(const std::vector<ChargeReport>& charges);

}  // namespace emmy::app
