// Reads a ledger at a constant number of moments of a training run, for its report.
#pragma once

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <emmy/noether/bounds.hpp>
#include <emmy/noether/learning_dynamics.hpp>

#include "cli/report.hpp"
#include "report/record.hpp"

namespace emmy::app {

static_assert(kCauses == report::kCauses);

// Only reads: a run is the same with and without.
class Recording {
 public:
  static constexpr std::int64_t kPoints = 120;

  // Before the first step, number `step` + 1.
  template <class Led>
  void start(const Led& ledger, std::int64_t step, std::int64_t last_step) {
    interval_ = std::max<std::int64_t>(1, (last_step - step + kPoints - 1) / kPoints);
    last_ = last_step;
    each(ledger, typename Led::symmetries{}, [&]<class Symmetry>(Symmetry, std::vector<Unit>& units) {
      units.resize(Led::template kUnitsOf<Symmetry>);
      record.symmetry.push_back(
          {symmetry_name(Symmetry{}), static_cast<int>(units.size()), kDeadBiases<Symmetry, Led>});
      for (std::size_t u = 0; u < units.size(); ++u) units[u].from = units[u].last = totals<Symmetry>(ledger, u);
    });
  }
  // Is a moment read behind the step after `done` of them?
  [[nodiscard]] bool ends_interval(std::int64_t done) const { return steps_ + 1 == interval_ || done + 1 == last_; }
  // After step number `step`. The first one also tells what the charges were before it.
  template <class Led>
  void step(const Led& ledger, std::int64_t step, double loss, const ScaleRates<double>& rates) {
    if (record.point.empty()) add_point(ledger, {step - 1, loss, rates.learning_rate, 0, {}, {}});
    turn(ledger, rates);
    sum_ += loss;
    ++steps_;
    health_ = std::max(health_, finite(ledger.health()));
    if (steps_ < interval_ && step != last_) return;
    add_point(ledger, {step, sum_ / static_cast<double>(steps_), rates.learning_rate, health_, energy, {}});
    energy = {};
    sum_ = health_ = 0;
    steps_ = 0;
  }

  // How large the weights of each rescaled unit are, and what its charge allows. Behind the last step.
  template <class Led, class Params>
  void add_bounds(const Led& ledger, const Params& params) {
    each(ledger, typename Led::symmetries{}, [&]<class Symmetry>(Symmetry, std::vector<Unit>& units) {
      if constexpr (Symmetry::kKind == Kind::rescaling) {
        double most = 0, charge = 0, start = 0, size = 0;
        for (std::size_t u = 0; u < units.size(); ++u) {
          const Sides<double> now = sides<typename Led::net>(charges_of<typename Led::net>(Symmetry{}).charge[0],
                                                             params, static_cast<int>(u));
          most = std::max({most, now.incoming, now.outgoing});
          charge = std::max(charge, std::fabs(now.incoming - now.outgoing));
          start = std::max(start, std::fabs(units[u].start));
          size = std::max(size, std::sqrt(now.incoming * now.outgoing));
        }
        record.result.push_back(
            {"weights of " + symmetry_name(Symmetry{}),
             fmt::format(
                 "|in|^2 or |out|^2 of a unit at most {:.4g}; bound (|q| + sqrt(q^2 + 4 |in|^2 |out|^2))/2 of the "
                 "largest charge and size {:.4g}, of the largest charge at the start {:.4g}",
                 most, sides_of_unit(charge, size).incoming, sides_of_unit(start, size).incoming)});
      }
    });
  }

  report::Record record;
  bool heavy_ball = true;  // its law is that of ScaleRecursion
  report::Energy energy;   // of the step that ends the interval, to be set before `step`

 private:
  struct Unit {
    report::Causes from{}, last{};     // its budget at the start, at the last point
    double start = 0;                  // its charge
    RotationMeter<double> rotation{};  // of a Scale
    ScaleRecursion<double> law{};      // of a quadratic charge, and what its second order adds up to
    double second = 0;
  };
  template <class S>
  static double finite(S value) {
    const auto x = static_cast<double>(value);
    return std::isfinite(x) ? x : x < 0 ? -1e30 : 1e30;
  }
  template <class Symmetry, class Led>
  static report::Causes totals(const Led& ledger, std::size_t unit) {
    const auto budget = ledger.template total<Symmetry>(static_cast<int>(unit));
    report::Causes all;
    for (std::size_t c = 0; c < all.size(); ++c) all[c] = finite(budget.amount[c]);
    return all;
  }
  template <class Symmetry, class Led>
  static constexpr bool kDeadBiases = Symmetry::kKind ==
                                      Kind::translation&& charges_of<typename Led::net>(Symmetry{}).charge[0].by_unit;

  // Squares of the weights on either side of a unit.
  template <class Net>
  static Sides<double> sides(const Charge& charge, const Params<Net>& params, int unit) {
    Sides<double> sum{0, 0};
    for (int p = 0; p < charge.parts; ++p) {
      const ChargePart& part = charge.part[p];
      const PlannedBlock& block = kPlan<Net>.block[part.block];
      for (int i = 0; i < block.rows; ++i)
        for (int o = 0; o < block.cols; ++o) {
          if (charge.unit_of(part, part.axis == Axis::row ? i : o) != unit) continue;
          const auto w = static_cast<double>(params.data[block.at(i, o)]);
          (part.is_incoming ? sum.incoming : sum.outgoing) += w * w;
        }
    }
    return sum;
  }
  template <class Symmetry>
  static constexpr bool kQuadratic = Symmetry::kKind == Kind::scale || Symmetry::kKind == Kind::rescaling;

  // f(symmetry, its units) for each.
  template <class Led, class... Symmetry, class F>
  void each(const Led&, Symmetries<Symmetry...>, F f) {
    units_.resize(sizeof...(Symmetry));
    std::size_t s = 0;
    (f(Symmetry{}, units_[s++]), ...);
  }
  template <class Led>
  void add_point(const Led& ledger, report::Point point) {
    const bool first = record.point.empty();
    each(ledger, typename Led::symmetries{}, [&]<class Symmetry>(Symmetry, std::vector<Unit>& units) {
      point.symmetry.push_back(first ? at_start<Symmetry>(ledger, units) : at_present<Symmetry>(ledger, units));
      if constexpr (Symmetry::kKind == Kind::scale)
        if (!first) add_rotation(units, point.symmetry.back());
    });
    record.point.push_back(std::move(point));
  }
  // How far the weights turned, of charges that are their squared norm.
  template <class Led>
  void turn(const Led& ledger, const ScaleRates<double>& rates) {
    if (!heavy_ball) return;
    if (rates.weight_decay > 0) settled_ += 1 / rates.time_constant();
    each(ledger, typename Led::symmetries{}, [&]<class Symmetry>(Symmetry, std::vector<Unit>& units) {
      if constexpr (kQuadratic<Symmetry>)
        for (std::size_t u = 0; u < units.size(); ++u) {
          const double charge = finite(ledger.template charge<Symmetry>(static_cast<int>(u)));
          units[u].second += units[u].law.observe(charge, rates);
          if constexpr (Symmetry::kKind == Kind::scale) units[u].rotation.step(charge, rates);
        }
    });
  }
  void add_rotation(std::vector<Unit>& units, report::Charges& c) const {
    double measured = 0, predicted = 0;
    for (Unit& unit : units) {
      if (!(unit.rotation.size > 0)) continue;
      measured += unit.rotation.measured() / static_cast<double>(units.size());
      predicted += unit.rotation.predicted() / static_cast<double>(units.size());
      unit.rotation.clear();
    }
    c.rotation = std::sqrt(std::max(measured, 0.0));
    c.equilibrium = std::sqrt(predicted);
    c.settled = settled_;
  }
  // What the step that was just taken started from.
  template <class Symmetry, class Led>
  static report::Charges at_start(const Led& ledger, std::vector<Unit>& units) {
    report::Charges c;
    for (std::size_t u = 0; u < units.size(); ++u) {
      const report::Causes now = totals<Symmetry>(ledger, u);
      units[u].start = finite(ledger.template charge<Symmetry>(static_cast<int>(u)));
      for (std::size_t k = 0; k < now.size(); ++k) units[u].start -= now[k] - units[u].from[k];
      c.measured += units[u].start;
      units[u].rotation.start(units[u].start);
      units[u].law = {units[u].start, 0};
    }
    c.predicted = c.measured;
    return c;
  }
  template <class Symmetry, class Led>
  report::Charges at_present(const Led& ledger, std::vector<Unit>& units) {
    report::Charges c;
    for (std::size_t u = 0; u < units.size(); ++u) {
      Unit& unit = units[u];
      const report::Causes now = totals<Symmetry>(ledger, u);
      const double charge = finite(ledger.template charge<Symmetry>(static_cast<int>(u)));
      c.measured += charge;
      c.predicted += unit.start;
      c.drift += std::fabs(charge - unit.start);
      c.largest = std::max(c.largest, std::fabs(charge - unit.start));
      if (kQuadratic<Symmetry> && !kHasFactors<typename Led::net> && heavy_ball) {  // factors decay at their own rate
        c.law_second += std::fabs(unit.second);
        c.law_first += std::fabs(charge - unit.start - unit.second);
      }
      for (std::size_t k = 0; k < now.size(); ++k) {
        const double amount = now[k] - unit.from[k];
        c.amount[k] += amount;
        c.total[k] += std::fabs(amount);
        c.moved[k] += std::fabs(now[k] - unit.last[k]);
        if (k != static_cast<std::size_t>(Cause::noether) && k != static_cast<std::size_t>(Cause::rounding))
          c.predicted += amount;
      }
      unit.last = now;
    }
    const auto worst = ledger.template extremes<Symmetry>();
    c.residual = finite(worst.residual);
    c.residual_ratio = finite(worst.residual_ratio);
    c.noether_ratio = finite(worst.noether_ratio);
    return c;
  }

  std::vector<std::vector<Unit>> units_;  // by symmetry
  std::int64_t interval_ = 1, last_ = 0, steps_ = 0;
  double sum_ = 0, health_ = 0, settled_ = 0;
};

}  // namespace emmy::app
