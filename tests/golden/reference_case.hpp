// A golden case of kind mlp1_relu (4-5-3) from plain double loops: its own backward pass and update, and the budget in
// booking order as differences of whole updates, where the library books block by block.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <tests/reference/activations.hpp>
#include <tests/reference/dense.hpp>
#include <tests/reference/losses.hpp>
#include <tests/reference/optimizers.hpp>

namespace golden_test {

using Json = nlohmann::ordered_json;
using Values = std::vector<double>;

inline constexpr int kIn = 4, kHidden = 5, kOut = 3, kBlocks = 4;
inline constexpr int kRows[kBlocks] = {kIn, 1, kHidden, 1}, kCols[kBlocks] = {kHidden, kHidden, kOut, kOut};
inline constexpr const char* kNames[kBlocks] = {"W1", "b1", "W2", "b2"};

struct Plan {
  std::string rule = "gd";  // gd, hb, nag
  bool decoupled = false, cross_entropy = false, by_tensor = false;
  double eta = 0.0625, lam = 0, beta = 0, tau = 0, clip = 0;
  double eta_of[kBlocks] = {0.0625, 0.0625, 0.0625, 0.0625}, lam_of[kBlocks] = {0, 0, 0, 0};
  int batch = 8, steps = 12, samples = 8;

  Plan& rates(double rate, double decay) {
    eta = rate;
    lam = decay;
    std::fill_n(eta_of, kBlocks, rate);
    std::fill_n(lam_of, kBlocks, decay);
    return *this;
  }
};

struct Weights {
  Values block[kBlocks];  // [in][out]
};
struct Part {
  int block;
  bool by_column;  // unit = column
  double s;
};
struct ChargeSum {
  const char* name;
  int units, power;
  std::vector<Part> parts;
};
inline const std::vector<ChargeSum>& charges() {
  static const std::vector<ChargeSum> all{{"rescale", kHidden, 2, {{0, true, 1}, {1, true, 1}, {2, false, -1}}},
                                          {"softmax_weights", kHidden, 1, {{2, false, 1}}},
                                          {"softmax_bias", 1, 1, {{3, false, 1}}}};
  return all;
}

// sum s a b over the entries of each unit; power 1: sum s a
inline Values form(const ChargeSum& q, const Weights& a, const Weights& b) {
  Values sum(static_cast<std::size_t>(q.units), 0.0);
  for (const Part& p : q.parts)
    for (int i = 0; i < kRows[p.block]; ++i)
      for (int o = 0; o < kCols[p.block]; ++o) {
        const auto at = static_cast<std::size_t>(i * kCols[p.block] + o);
        sum[static_cast<std::size_t>(p.by_column ? o : i)] +=
            p.s * a.block[p.block][at] * (q.power == 2 ? b.block[p.block][at] : 1.0);
      }
  return sum;
}

class ReferenceCase {
 public:
  explicit ReferenceCase(const Plan& setup) : s_(setup), x_(draw(s_.samples * kIn, 1)), y_(draw(s_.samples * kOut, 1)) {
    for (int n = 0; n < s_.samples; ++n) labels_.push_back(n * 2 % kOut);
    for (int b = 0; b < kBlocks; ++b) {
      const int size = kRows[b] * kCols[b];
      theta_.block[b] = draw(size, b % 2 == 0 ? 0.5 : 0.25);
      buf_.block[b].assign(static_cast<std::size_t>(size), 0.0);
    }
  }

  Json make() {
    Json c = inputs();
    Json losses = Json::array(), before = all_charges(theta_), after_one;
    for (const ChargeSum& q : charges())
      budget_.push_back({q, std::vector<Values>(5, Values(static_cast<std::size_t>(q.units), 0.0)), 0, 0});
    for (int t = 0; t < s_.steps; ++t) {
      Weights g;
      losses.push_back(gradient(t * s_.batch, s_.batch, g));
      step(g);
      if (t == 0) after_one = all_charges(theta_);
    }
    Weights unused;
    Json e;
    e["losses"] = losses;
    e["final_full_loss"] = gradient(0, s_.samples, unused);
    e["final"] = json_of(theta_);
    if (s_.rule != "gd") e["final_buf"] = json_of(buf_);
    if (s_.clip > 0) e["steps_clipped"] = clipped_;
    static const char* const kCauses[] = {"decay", "momentum", "breaking", "discretisation", "noether"};
    const Json after = all_charges(theta_);
    for (const Booked& b : budget_) {
      if (b.charge.power == 1 && !s_.cross_entropy) continue;
      Json& q = e["charges"][b.charge.name];
      q["before"] = before[b.charge.name];
      for (std::size_t k = 0; k < 5; ++k) q["budget"][kCauses[k]] = b.cause[k];
      q["budget"]["epsilon"] = Values(static_cast<std::size_t>(b.charge.units), 0.0);
      q["max_noether"] = b.noether;
      q["max_residual"] = b.residual;
      q["after_one"] = after_one[b.charge.name];
      q["after"] = after[b.charge.name];
    }
    c["expected"] = e;
    c["reference_only"] = Json::array();
    add_tolerances(c, e, "");
    return c;
  }

 private:
  struct Booked {
    ChargeSum charge;
    std::vector<Values> cause;
    double noether, residual;
  };

  // Multiples of 2^-10: exact in f32 too.
  Values draw(int count, double scale) {
    Values v;
    for (int i = 0; i < count; ++i) {
      seed_ = seed_ * 6364136223846793005ULL + 1442695040888963407ULL;
      v.push_back(scale * (static_cast<double>(seed_ >> 53) / 1024.0 - 1.0));
    }
    return v;
  }

  static Json transposed(const Values& v, int rows, int cols) {
    if (rows == 1) return v;
    Json all = Json::array();
    for (int o = 0; o < cols; ++o) {
      Values line;
      for (int i = 0; i < rows; ++i) line.push_back(v[static_cast<std::size_t>(i * cols + o)]);
      all.push_back(line);
    }
    return all;
  }
  static Json json_of(const Weights& w) {
    Json all;
    for (int b = 0; b < kBlocks; ++b) all[kNames[b]] = transposed(w.block[b], kRows[b], kCols[b]);
    return all;
  }
  static Json all_charges(const Weights& w) {
    Json all;
    for (const ChargeSum& q : charges()) all[q.name] = form(q, w, w);
    return all;
  }
  static Json rows_of(const Values& v, int cols) {
    return transposed(transpose(v, cols), cols, static_cast<int>(v.size()) / cols);
  }
  static Values transpose(const Values& v, int cols) {
    const int rows = static_cast<int>(v.size()) / cols;
    Values t(v.size());
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < cols; ++c)
        t[static_cast<std::size_t>(c * rows + r)] = v[static_cast<std::size_t>(r * cols + c)];
    return t;
  }

  Json inputs() const {
    Json c{{"kind", "mlp1_relu"}, {"constants", Json::object()}, {"loss", s_.cross_entropy ? "ce" : "mse"}};
    c["shapes"] = {{"W1", {kHidden, kIn}}, {"b1", {kHidden}}, {"W2", {kOut, kHidden}}, {"b2", {kOut}}};
    c["params"] = json_of(theta_);
    c["data"]["X"] = rows_of(x_, kIn);
    if (s_.cross_entropy) c["data"]["labels"] = labels_;
    else c["data"]["Y"] = rows_of(y_, kOut);
    Json& o = c["optimizer"];
    o = {{"kind", s_.rule},
         {"eta", s_.eta},
         {"lam", s_.lam},
         {"beta", s_.beta},
         {"tau", s_.tau},
         {"decay", s_.decoupled ? "decoupled" : "coupled"},
         {"clip", s_.clip > 0 ? Json(s_.clip) : Json()},
         {"clip_kind", s_.by_tensor ? "tensor" : "global"},
         {"batch", s_.batch},
         {"steps", s_.steps}};
    for (int b = 0; b < kBlocks; ++b) {
      o["eta_of"][kNames[b]] = s_.eta_of[b];
      o["lam_of"][kNames[b]] = s_.lam_of[b];
    }
    c["charges"] = Json::array();
    for (const ChargeSum& q : charges()) {
      if (q.power == 1 && !s_.cross_entropy) continue;
      Json definition{{"name", q.name}, {"type", q.units > 1 ? "unit" : "total"}, {"blocks", Json::array()}};
      for (const Part& p : q.parts)
        definition["blocks"].push_back({{"param", kNames[p.block]},
                                        {"s", p.s},
                                        {"axis", p.by_column || kRows[p.block] == 1 ? 0 : 1},
                                        {"power", q.power},
                                        {"group", 1}});
      c["charges"].push_back(definition);
    }
    return c;
  }

  // Batch loss, and g = its gradient.
  double gradient(int first, int count, Weights& g) const {
    Values x, y;
    std::vector<int> labels;
    for (int i = 0; i < count; ++i) {
      const int from = (first + i) % s_.samples;
      x.insert(x.end(), x_.begin() + from * kIn, x_.begin() + (from + 1) * kIn);
      y.insert(y.end(), y_.begin() + from * kOut, y_.begin() + (from + 1) * kOut);
      labels.push_back(labels_[static_cast<std::size_t>(from)]);
    }
    const auto size = [&](int width) { return static_cast<std::size_t>(count * width); };
    Values z(size(kHidden)), a(size(kHidden)), out(size(kOut)), d_out(size(kOut)), d_a(size(kHidden), 0.0),
        d_z(size(kHidden), 0.0);
    if (s_.cross_entropy) reference::one_hot(y.data(), labels.data(), count, kOut);
    for (int b = 0; b < kBlocks; ++b) g.block[b].assign(theta_.block[b].size(), 0.0);
    const Weights& w = theta_;
    reference::dense_forward(z.data(), x.data(), w.block[0].data(), w.block[1].data(), count, kIn, kHidden);
    reference::leaky_relu_forward(a.data(), z.data(), 0.0, count * kHidden);
    reference::dense_forward(out.data(), a.data(), w.block[2].data(), w.block[3].data(), count, kHidden, kOut);
    if (s_.cross_entropy) reference::cross_entropy_backward(d_out.data(), out.data(), y.data(), count, kOut);
    else reference::squared_error_backward(d_out.data(), out.data(), y.data(), count, kOut);
    reference::dense_backward(d_a.data(), g.block[2].data(), g.block[3].data(), d_out.data(), a.data(),
                              w.block[2].data(), count, kHidden, kOut);
    reference::leaky_relu_backward(d_z.data(), d_a.data(), z.data(), 0.0, count * kHidden);
    reference::dense_backward(nullptr, g.block[0].data(), g.block[1].data(), d_z.data(), x.data(), w.block[0].data(),
                              count, kIn, kHidden);
    return s_.cross_entropy ? reference::cross_entropy_forward(out.data(), y.data(), count, kOut)
                            : reference::squared_error_forward(out.data(), y.data(), count, kOut);
  }

  // One update from theta_, buf_ with gradient g (already clipped), decay and memory switched on or off.
  void update(Weights& theta, Weights& buf, const Weights& g, bool decays, bool remembers) const {
    const double beta = remembers ? s_.beta : 0.0;
    for (int b = 0; b < kBlocks; ++b) {
      double *w = theta.block[b].data(), *m = buf.block[b].data();
      const double *d = g.block[b].data(), eta = s_.eta_of[b], lam = decays ? s_.lam_of[b] : 0.0;
      const int n = static_cast<int>(theta.block[b].size());
      if (s_.rule == "gd") reference::sgd_update(w, d, eta, lam, n);
      else if (s_.rule == "nag") reference::nesterov_update(w, m, d, eta, beta, lam, n);
      else if (s_.decoupled) reference::momentum_decoupled_update(w, m, d, eta, beta, lam, s_.tau, n);
      else reference::momentum_update(w, m, d, eta, beta, lam, s_.tau, n);
    }
  }

  // Clips g; the factor that all blocks share.
  double clip(Weights& g) {
    if (s_.clip <= 0) return 1;
    double square[kBlocks], total = 0, least = 1, shared = 1;
    for (int b = 0; b < kBlocks; ++b)
      total += square[b] = reference::square_norm(g.block[b].data(), static_cast<int>(g.block[b].size()));
    if (!s_.by_tensor) shared = std::min(1.0, s_.clip / std::sqrt(total));
    for (int b = 0; b < kBlocks; ++b) {
      const double factor = s_.by_tensor ? std::min(1.0, s_.clip / std::sqrt(square[b])) : shared;
      for (double& v : g.block[b]) v *= factor;
      least = std::min(least, factor);
    }
    clipped_ += least < 1;
    return shared;
  }

  void step(Weights g) {
    const Weights raw = g, old = theta_;
    const double share = s_.eta * (1 - s_.tau) * clip(g);
    Weights full = theta_, still = theta_, plain = theta_, buf = buf_, spare = buf_, d0 = theta_;
    update(full, buf, g, true, true);
    update(still, spare, g, false, true);
    spare = buf_;
    update(plain, spare, g, false, false);
    for (int b = 0; b < kBlocks; ++b)
      for (std::size_t i = 0; i < d0.block[b].size(); ++i) d0.block[b][i] = plain.block[b][i] - old.block[b][i];
    for (Booked& b : budget_) {
      const Values q = form(b.charge, old, old), q_full = form(b.charge, full, full),
                   q_still = form(b.charge, still, still), q_plain = form(b.charge, plain, plain),
                   along = form(b.charge, raw, old), first = form(b.charge, d0, old), second = form(b.charge, d0, d0);
      for (std::size_t u = 0; u < q.size(); ++u) {
        const bool square = b.charge.power == 2;
        const double n = square ? along[u] : along[u] / 2, moved = square ? 2 * first[u] : first[u];
        const double cause[] = {q_full[u] - q_still[u], q_still[u] - q_plain[u], moved + 2 * share * n,
                                square ? second[u] : 0.0, -2 * share * n};
        double sum = 0;
        for (std::size_t k = 0; k < 5; ++k) {
          b.cause[k][u] += cause[k];
          sum += cause[k];
        }
        b.noether = std::max(b.noether, std::abs(n));
        b.residual = std::max(b.residual, std::abs(q_full[u] - q[u] - sum));
      }
    }
    theta_ = full;
    if (s_.rule != "gd") buf_ = buf;
  }

  static void add_tolerances(Json& c, const Json& at, const std::string& path) {
    if (at.is_object()) {
      for (const auto& [key, value] : at.items()) add_tolerances(c, value, path.empty() ? key : path + "." + key);
      return;
    }
    const Json flat = at.flatten();
    double largest = 1;
    for (const auto& [key, value] : flat.items()) largest = std::max(largest, std::abs(value.get<double>()));
    c["tol_f64"][path] = 1e-11 * largest;
    c["tol_f32"][path] = 2e-5 * largest;
  }

  Plan s_;
  std::uint64_t seed_ = 12345;
  Values x_, y_;
  std::vector<int> labels_;
  Weights theta_, buf_;
  std::vector<Booked> budget_;
  int clipped_ = 0;
};

}  // namespace golden_test
