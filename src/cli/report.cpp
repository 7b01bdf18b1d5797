#include "cli/report.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace emmy::app {

void print_charges(const std::vector<ChargeReport>& charges) {
  fmt::print("charges\n");
  for (const ChargeReport& r : charges) {
    fmt::print("  {}: {} charges, drift {:.4g}", r.symmetry, r.units, r.drift);
    const char* separator = ": ";
    for (int c = 0; c < kCauses; ++c)
      if (r.share[c] > 0) {
        fmt::print("{}{} {:.3g} %", separator, cause_name(static_cast<Cause>(c)), 100 * r.share[c]);
        separator = ", ";
      }
    fmt::print(
        "\n    worst residual of a step {:.2g} = {:.3f} of its rounding bound ({:.1g} relative); Noether residual "
        "{:.3f} of its bound\n",
        r.worst_residual, r.residual_ratio, r.relative, r.noether_ratio);
  }
}

nlohmann::json to_json(const std::vector<ChargeReport>& charges) {
  nlohmann::json list = nlohmann::json::array();
  for (const ChargeReport& r : charges) {
    nlohmann::json causes, shares;
    for (int c = 0; c < kCauses; ++c) {
      causes[cause_name(static_cast<Cause>(c))] = r.amount[c];
      shares[cause_name(static_cast<Cause>(c))] = r.share[c];
    }
    list.push_back({{"symmetry", r.symmetry},
                    {"charges", r.units},
                    {"drift", r.drift},
                    {"amount", causes},
                    {"share", shares},
                    {"worst_residual", r.worst_residual},
                    {"residual_over_bound", r.residual_ratio},
                    {"residual_relative", r.relative},
                    {"noether_over_bound", r.noether_ratio}});
  }
  return list;
}

}  // namespace emmy::app
