// An update rule of emmy, with its wrappers, as numbers for the plain double loops of optimizers.hpp.
#pragma once

#include <cstddef>
#include <vector>

#include <emmy/optim/momentum.hpp>
#include <emmy/optim/rule.hpp>
#include <emmy/optim/sgd.hpp>
#include <emmy/train/per_block.hpp>
#include <tests/reference/net.hpp>
#include <tests/reference/optimizers.hpp>

namespace reference {

struct Rule {
  enum class Kind { sgd, momentum, nesterov } kind = Kind::sgd;
  enum class Clip { none, norm, tensor } clip = Clip::none;
  bool decoupled = false;
  double beta = 0, tau = 0, limit = 0;
  double reference_eta = 0;  // without PerBlock
  Values eta, lam;           // by block
  std::vector<bool> trained;
};

template <class Net, class R>
Rule plain_rule(Rule::Kind kind, const R& r) {
  Rule rule;
  rule.kind = kind;
  rule.reference_eta = double(r.learning_rate);
  for (int b = 0; b < emmy::kPlan<Net>.kBlocks; ++b) {
    rule.eta.push_back(double(r.learning_rate));
    rule.lam.push_back(double(r.weight_decay));
    rule.trained.push_back(emmy::kPlan<Net>.block[b].trained);
  }
  return rule;
}
template <class Net, class S>
Rule rule_of(const emmy::BasicSgd<S>& r) {
  return plain_rule<Net>(Rule::Kind::sgd, r);
}
template <class Net, class S, emmy::Decay kind>
Rule rule_of(const emmy::BasicMomentum<S, kind>& r) {
  Rule rule = plain_rule<Net>(Rule::Kind::momentum, r);
  rule.beta = double(r.momentum);
  rule.tau = double(r.dampening);
  rule.decoupled = kind == emmy::Decay::decoupled;
  return rule;
}
template <class Net, class S>
Rule rule_of(const emmy::BasicNesterov<S>& r) {
  Rule rule = plain_rule<Net>(Rule::Kind::nesterov, r);
  rule.beta = double(r.momentum);
  return rule;
}
template <class Net, class R>
Rule rule_of(const emmy::PerBlock<R, Net>& r) {
  Rule rule = rule_of<Net>(r.rule);
  for (std::size_t b = 0; b < rule.eta.size(); ++b) {
    rule.eta[b] = double(r.rates[b].learning_rate);
    rule.lam[b] = double(r.rates[b].weight_decay);
  }
  return rule;
}
template <class Net, class R>
Rule rule_of(const emmy::ClipByNorm<R>& r) {
  Rule rule = rule_of<Net>(r.rule);
  rule.clip = Rule::Clip::norm;
  rule.limit = double(r.limit);
  return rule;
}
template <class Net, class R>
Rule rule_of(const emmy::ClipByTensor<R>& r) {
  Rule rule = rule_of<Net>(r.rule);
  rule.clip = Rule::Clip::tensor;
  rule.limit = double(r.limit);
  return rule;
}

// Factors on the gradient, one a block.
inline Values clip_factors(const Rule& rule, const Blocks& g) {
  Values factor(g.size(), 1.0), square(g.size(), 0.0);
  double total = 0;
  for (std::size_t b = 0; b < g.size(); ++b) {
    if (rule.trained[b]) square[b] = square_norm(g[b].data(), static_cast<int>(g[b].size()));
    total += square[b];
  }
  if (rule.clip == Rule::Clip::none) return factor;
  for (std::size_t b = 0; b < g.size(); ++b)
    factor[b] = clip_factor(rule.clip == Rule::Clip::norm ? total : square[b], rule.limit);
  return factor;
}

// theta and buf one step on. g is the gradient before clipping.
inline void update(const Rule& rule, Blocks& theta, Blocks& buf, const Blocks& g) {
  const Values factor = clip_factors(rule, g);
  for (std::size_t b = 0; b < theta.size(); ++b) {
    if (!rule.trained[b]) continue;
    const double eta = rule.eta[b], lam = rule.lam[b];
    const int n = static_cast<int>(theta[b].size());
    Values scaled = g[b];
    for (double& v : scaled) v *= factor[b];
    double *w = theta[b].data(), *m = buf[b].data();
    if (rule.kind == Rule::Kind::sgd) sgd_update(w, scaled.data(), eta, lam, n);
    else if (rule.kind == Rule::Kind::nesterov) nesterov_update(w, m, scaled.data(), eta, rule.beta, lam, n);
    else if (rule.decoupled) momentum_decoupled_update(w, m, scaled.data(), eta, rule.beta, lam, rule.tau, n);
    else momentum_update(w, m, scaled.data(), eta, rule.beta, lam, rule.tau, n);
  }
}

}  // namespace reference
