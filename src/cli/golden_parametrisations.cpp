#include "cli/golden_parametrisations.hpp"

#include "cli/golden_field.hpp"
#include "cli/golden_own.hpp"

namespace emmy::golden {
namespace {

std::vector<Slot> operator+(std::vector<Slot> a, const std::vector<Slot>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
const std::vector<Slot> kRates{{"optimizer.eta", {}}, {"optimizer.lam", {}}, {"optimizer.steps", {}}};

// A quadratic form under a constraint of two columns; u has the shape of the kind.
ArrayCase constrained(const char* kind, bool holds, const std::vector<int>& u) {
  ArrayCase c{kind,
              holds ? "margin" : "holds",
              std::vector<Slot>{{"data.A", {6, 6}},
                                {"data.b", {6}},
                                {"constants.O", {6, 2}},
                                {"params.phi", {6}},
                                {"params.u", u},
                                {"params.z", {2}}} +
                  kRates,
              {{"first_losses", {10}}, {"theta", {6}}, {"constraint_value", {2}}, {"holds", {}}}};
  if (holds) c.made.push_back({"margin", u});
  return c;
}
// The results of a run under a path.
std::vector<Slot> noise_run(const std::string& path) {
  return {{path + "eta", {}},  {path + "u", {}},        {path + "w", {}},
          {path + "size", {}}, {path + "lyapunov", {}}, {path + "collapsed", {}}};
}
std::vector<Slot> syre_run(const std::string& path) {
  return {{path + "losses_at_1000s", {4}}, {path + "W", {4, 3}}, {path + "a", {4}}, {path + "spread", {}}};
}

// In the order of list_parametrisations.
const std::vector<ArrayCase>& cases() {
  static const std::vector<ArrayCase> all{
      {"matrix_factorisation",
       "sv_UV",
       std::vector<Slot>{{"params.U", {5, 5}}, {"params.V", {5, 5}}, {"data.M", {5, 5}}} + kRates,
       {{"sv_UV", {5}}, {"UVt", {5, 5}}, {"rank", {}}}},
      {"sparse_product",
       "support",
       std::vector<Slot>{{"params.F", {3, 6}}, {"data.A", {12, 6}}, {"data.y", {12}}} + kRates,
       {{"w", {6}}, {"gradient", {6}}, {"support", {6}}}},
      constrained("dcs_joint", true, {}),
      constrained("dcs_joint", false, {}),
      constrained("dcs_elementwise", true, {2}),
      {"dcs_group_outgoing",
       "removed",
       {{"params.W1", {8, 3}},
        {"params.b1", {8}},
        {"params.u", {8}},
        {"params.z", {2, 8}},
        {"params.b2", {2}},
        {"data.X", {24, 3}},
        {"data.Y", {24, 2}},
        {"optimizer.eta", {}},
        {"optimizer.lam", {}},
        {"optimizer.lam_in", {}},
        {"optimizer.steps", {}},
        {"constants.snap_below", {}}},
       {{"first_losses", {10}},
        {"removed", {8}},
        {"column_size", {8}},
        {"margin_removed", {8}},
        {"margin_deleted_by_hand", {8}},
        {"activation_rms", {8}},
        {"loss_after_snap", {}}}},
      {"scalar_pair_noise",
       "runs",
       {{"params.u", {}}, {"params.w", {}}, {"data.k", {3000}}, {"optimizer.etas", {2}}, {"optimizer.steps", {}}},
       noise_run("runs.0.") + noise_run("runs.1.")},
      {"syre", "syre",
       std::vector<Slot>{{"params.W", {4, 3}},
                         {"params.a", {4}},
                         {"data.X", {16, 3}},
                         {"data.y", {16}},
                         {"constants.W0", {4, 3}},
                         {"constants.a0", {4}}} +
           kRates,
       syre_run("plain.") + syre_run("syre.")},
  };
  return all;
}

Compute read(const Field& c) {
  for (std::size_t kind = 0; kind < cases().size(); ++kind) {
    if (!is_of(c, cases()[kind])) continue;
    // Products of two factors are trained nets with a certificate.
    if (c.at("kind").text() == "sparse_product" && c.at("constants").at("depth").integer(1, 1000) == 2) return {};
    if (c.has("optimizer") && c.at("optimizer").has("steps") && c.at("optimizer").at("steps").number() > 1e6)
      throw Unsupported("more than 1e6 steps");
    return read_arrays(c, cases()[kind], [kind](const char* target, bool single) {
      const auto* table = find_table<Parametrisations>(target);
      return single ? table->run_f32[kind] : table->run_f64[kind];
    });
  }
  return {};
}

}  // namespace

const OwnKind kParametrisations{read};

}  // namespace emmy::golden
