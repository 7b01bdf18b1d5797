// emmy reproduce
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "cli/options.hpp"
#include "cli/refuse.hpp"
#include "cli/reproduce_constraints.hpp"
#include "cli/reproduce_digits.hpp"
#include "cli/reproduce_dynamics.hpp"
#include "cli/reproduce_equivariance.hpp"
#include "cli/target.hpp"
#include "io/controller.hpp"
#include "io/digits.hpp"
#include "io/file.hpp"
#include "report/experiments.hpp"

namespace emmy::app {
namespace {

using reproduce::Check;
using reproduce::Constraints;
using reproduce::Dynamics;
using reproduce::Equivariance;
using reproduce::Relation;
using reproduce::Result;

constexpr const char *kZiyin = "Ziyin, arXiv 2309.16932", *kTanaka = "Tanaka, Kunin, arXiv 2105.02716";
// In the order of the tables: Constraints, Dynamics, Equivariance.
constexpr About kAbout[] = {
    {"sparsity", "Rescaling makes sparsity", kZiyin,
     "Weights that are products u z, with weight decay lam on both, end as the LASSO with penalty lam: the same "
     "support, the same weights. Reference: coordinate descent.",
     "weights, one by one"},
    {"low-rank", "Rotation makes low rank", kZiyin,
     "U V with decay lam on both keeps the singular values (s - lam)+ of what it learns; (U + 1)(V + 1), which has no "
     "such symmetry, keeps its rank.",
     "singular values, the largest first"},
    {"dcs", "Any linear constraint by decay (DCS)", kZiyin,
     "O't = u z with decay lam on the factors holds exactly where lam is above |O' grad L| at the constrained optimum, "
     "and not below; the certificate says which.",
     "decay over its threshold"},
    {"depth", "Penalties of deep products", "Ziyin, Wang, arXiv 2210.01212 (depth 2)",
     "Decay lam on D factors of w is (lam D / 2) |w|^(2/D); from D = 3 on zero is a local minimum at every decay.",
     "target of a weight, and what decay 0.05 leaves of it"},
    {"syre", "Offsets remove symmetries (syre)", "Ziyin et al., arXiv 2408.15495",
     "Equal units stay equal for ever; with decay around fixed random offsets they come apart and learn.", "steps"},
    {"noise", "Gradient noise collapses weights", kZiyin,
     "A mirror collapses where the mean of log |1 - eta h| over the noise turns negative: the critical learning rate.",
     "learning rate over the critical one"},
    {"kinetic", "Who moves the charges", kTanaka,
     "Plain steps move rescaling charges at second order in the rate only, momentum by what it remembers, RMSProp and "
     "Adam by their preconditioner, and not where one unit shares one second moment.",
     "steps; sum over units of the change of a charge"},
    {"equilibrium", "Equilibrium of normalised layers", kTanaka,
     "Weights in front of a norm turn by sqrt(2 eta lam / (1 + beta)) a step, whatever the loss and the data; their "
     "squared norm follows an exact recursion.",
     "steps"},
    {"balance", "Balance bounds linear layers", "Gluch, Urbanke, arXiv 2104.05508",
     "Plain steps move the difference of two layers' squared norms by at most eta^2 sum |g|^2, which descent keeps "
     "below 2 eta times the fall of the loss; bounded balance and product bound both layers.",
     "steps"},
    {"energy", "The loss as energy of the tangent kernel",
     "Jacot et al., arXiv 1806.07572; time symmetry of 2105.02716",
     "The loss falls by delta' K delta a unit of time, K = J J' the tangent kernel, which is |g|^2.", "steps"},
    {"ensembling", "Permutation makes ensembles", kZiyin,
     "Eight tanh units that learn one: with decay they become one unit, eight times.", "log10 of the decay"},
    {"plasticity", "Loss of plasticity over tasks", "Ziyin et al., arXiv 2408.15495",
     "Drawn digits whose pixels change places twelve times. Without decay later tasks are learnt worse; decay alone "
     "kills units; decay around offsets does neither.",
     "tasks"},
    {"equivariance", "A mirror halves the loss", "theory.md section 5; Lee et al., CDC 2010 (the controller)",
     "A net that commutes with the left-right mirror of a quadrotor learns its controller with half the multiply-adds "
     "and half the test loss of a plain net, or as well from 60 % of the data.",
     "steps"}};
constexpr std::size_t kExperiments = Constraints::kExperiments + Dynamics::kExperiments + Equivariance::kExperiments;
static_assert(std::size(kAbout) == kExperiments);

std::string number(double v) { return fmt::format("{:.5g}", v); }

}  // namespace

report::Experiment shown(const About& about, const Result& r) {
  report::Experiment e{about.name, about.title, about.paper, about.claim, about.axis, passes(r), r.log, {}, {}, {}, {}};
  for (int c = 0; c < r.checks; ++c) {
    const Check& check = r.check[c];
    const bool near = check.relation == Relation::near;
    e.finding.push_back({check.what, near ? number(check.predicted) : "", number(check.measured),
                         (near                                  ? "+- "
                          : check.relation == Relation::at_most ? "<= "
                                                                : ">= ") +
                             number(check.bound),
                         holds(check)});
  }
  if (r.status != Status::ok) e.finding.push_back({"status", "ok", to_string(r.status), "", false});
  e.x.assign(r.x, r.x + r.points);
  for (int c = 0; c < r.curves; ++c) {
    e.line.push_back({r.curve[c].style, {r.curve[c].y, r.curve[c].y + r.points}});
    e.line_name.emplace_back(r.curve[c].name);
  }
  return e;
}

namespace {

// Runs the experiments of the tables that are asked for; why not, or empty.
std::string run_experiments(const ReproduceOptions& options, std::vector<report::Experiment>& done) {
  std::string names;
  bool known = options.only.empty();
  for (const About& about : kAbout) {
    names += (names.empty() ? "" : ", ") + std::string(about.name);
    known = known || options.only == about.name;
  }
  if (!known) return "there is no experiment '" + options.only + "': " + names;
  const std::string wanted = wanted_target();
  const char* const target = wanted.empty() ? nullptr : wanted.c_str();
  const auto* constraints = find_table<Constraints>(target);
  const auto* dynamics = find_table<Dynamics>(target);
  const auto* equivariance = find_table<Equivariance>(target);
  if (constraints == nullptr || dynamics == nullptr || equivariance == nullptr)
    return no_target<Constraints, Dynamics, Equivariance>(wanted, "emmy reproduce");
  std::vector<reproduce::Run> runs(std::begin(constraints->run), std::end(constraints->run));
  runs.insert(runs.end(), std::begin(dynamics->run), std::end(dynamics->run));
  runs.insert(runs.end(), std::begin(equivariance->run), std::end(equivariance->run));
  const io::Dataset digits = io::draw_digits(400, 5);
  const io::Dataset states = io::draw_controller(reproduce::Lessons::kStates, 7);
  const reproduce::Task task{
      options.spoiled, digits.x.data(),      digits.labels.data(),         static_cast<int>(digits.rows),
      states.x.data(), states.values.data(), static_cast<int>(states.rows)};
  for (std::size_t e = 0; e < kExperiments; ++e) {
    if (!options.only.empty() && options.only != kAbout[e].name) continue;
    Result result;
    runs[e](task, result);
    done.push_back(shown(kAbout[e], result));
    fmt::print("{}", report::to_text(done.back()));
  }
  return "";
}

}  // namespace

int run_reproduce(const ReproduceOptions& options) {
  if (const std::string why = unwritable(options.page); !why.empty()) return refuse(why);
  std::vector<report::Experiment> done;
  const std::string why = options.digits.empty() ? run_experiments(options, done) : reproduce_digits(options, done);
  if (!why.empty()) return refuse(why);
  const auto passed = static_cast<std::size_t>(
      std::count_if(done.begin(), done.end(), [](const report::Experiment& e) { return e.passes; }));
  fmt::print("{} of {} experiments pass\n", passed, done.size());
  if (!options.page.empty()) {
    const std::string page = report::to_html(done);
    if (const auto written = io::replace_file(options.page, std::as_bytes(std::span(page))); !written)
      return refuse(written.error().message);
  }
  return passed == done.size() ? kOk : kFailed;
}

}  // namespace emmy::app
