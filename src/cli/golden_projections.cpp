#include "cli/golden_projections.hpp"

#include "cli/golden_field.hpp"
#include "cli/golden_own.hpp"

namespace emmy::golden {
namespace {

// W1, b1, W2, b2 of a net under a path.
std::vector<Slot> two_layers(const std::string& path, int in, int hidden, int out) {
  return {{path + "W1", {hidden, in}}, {path + "b1", {hidden}}, {path + "W2", {out, hidden}}, {path + "b2", {out}}};
}
std::vector<Slot> operator+(std::vector<Slot> a, const std::vector<Slot>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// In the order of kProjectionRuns.
const std::vector<ArrayCase>& cases() {
  static const std::vector<ArrayCase> all{
      {"mlp1_tanh", "gap",
       two_layers("params.", 4, 5, 3) +
           std::vector<Slot>{{"data.X", {8, 4}}, {"data.Y", {8, 3}}, {"optimizer.eta", {}}, {"optimizer.steps", {}}},
       std::vector<Slot>{{"loss", {}}} + two_layers("gradient.", 4, 5, 3) + std::vector<Slot>{{"gradient_gap", {}}} +
           two_layers("final.", 4, 5, 3) + std::vector<Slot>{{"gap", {}}}},
      {"project_rebalance",
       "factor",
       {{"data.a", {6}}, {"data.b", {6}}, {"data.q", {6}}},
       {{"factor", {6}}, {"charge_error", {}}}},
      {"project_rebalance_deep", "rnn_charge_error",
       two_layers("params.", 4, 5, 4) + std::vector<Slot>{{"params.W3", {3, 4}},
                                                          {"params.Wx", {4, 3}},
                                                          {"params.Wh", {4, 4}},
                                                          {"params.b", {4}},
                                                          {"params.Wo", {2, 4}},
                                                          {"data.X", {6, 4}},
                                                          {"data.q1", {5}},
                                                          {"data.q2", {4}},
                                                          {"data.q_rnn", {4}},
                                                          {"optimizer.sweeps", {}}},
       two_layers("", 4, 5, 4) + std::vector<Slot>{{"W3", {3, 4}},
                                                   {"function_error", {}},
                                                   {"charge_error_after_sweep_1_2_5_10", {4}},
                                                   {"charge_error", {}},
                                                   {"Wx", {4, 3}},
                                                   {"Wh", {4, 4}},
                                                   {"b", {4}},
                                                   {"Wo", {2, 4}},
                                                   {"rnn_charge_error", {}}}},
      {"project_linear_rebalance",
       "A",
       {{"params.W1", {3, 5}}, {"params.W2", {4, 3}}, {"constants.q", {}}},
       {{"A", {3, 3}}, {"W1", {3, 5}}, {"W2", {4, 3}}, {"charge_error", {}}, {"product_error", {}}}},
      {"project_hard",
       "mirror",
       {{"data.theta", {6}},
        {"data.g", {6}},
        {"data.M", {4, 3}},
        {"data.G", {4, 3}},
        {"constants.n", {6}},
        {"constants.keep", {}},
        {"constants.groups", {6}},
        {"constants.rank", {}},
        {"constants.step", {}}},
       {{"mirror", {6}},
        {"mirror_grad", {6}},
        {"reflect", {6}},
        {"topk", {6}},
        {"topk_grad", {6}},
        {"tied", {6}},
        {"tied_grad", {6}},
        {"centred", {6}},
        {"rank1", {4, 3}},
        {"rank1_tangent_grad", {4, 3}},
        {"sphere_tangent_grad", {4, 3}},
        {"sphere_retract", {4, 3}}}},
      {"equivariant_mlp1_relu", "projected",
       two_layers("params.", 4, 8, 4) + std::vector<Slot>{{"data.X", {6, 4}},
                                                          {"data.Y", {6, 4}},
                                                          {"constants.perm_io", {4, 4}},
                                                          {"constants.perm_hidden", {4, 8}},
                                                          {"optimizer.eta", {}},
                                                          {"optimizer.steps", {}}},
       two_layers("projected.", 4, 8, 4) + two_layers("first_gradient.", 4, 8, 4) +
           two_layers("first_gradient_projected.", 4, 8, 4) +
           std::vector<Slot>{
               {"losses", {kBySteps}}, {"equivariance_error_after", {}}, {"equivariance_error_before", {}}} +
           two_layers("final.", 4, 8, 4)},
  };
  return all;
}

Compute read(const Field& c) {
  for (std::size_t kind = 0; kind < cases().size(); ++kind)
    if (is_of(c, cases()[kind]))
      return read_arrays(c, cases()[kind], [kind](const char* target, bool single) {
        const auto* table = find_table<Projections>(target);
        return single ? table->run_f32.of[kind] : table->run_f64.of[kind];
      });
  return {};
}

}  // namespace

const OwnKind kProjections{read};

}  // namespace emmy::golden
