// A net of branches against double loops: an adapter beside a frozen layer, a skip, a sum and a gated unit, with the activations that
// look at their input; loss and gradient, then steps with momentum and decay whose charges keep their budgets.
#include <tests/device/reference.hpp>
#include <tests/device/twin.hpp>

namespace {

using emmy::Branch, emmy::Dense;
using Net =
    emmy::Net<emmy::Input<4>, emmy::Lora<Dense<5>, 2>, emmy::GeluTanh, emmy::Residual<Dense<3>, emmy::Silu, Dense<5>>,
              emmy::Parallel<emmy::Add, Branch<Dense<4>, emmy::Tanh>, Branch<Dense<4, emmy::NoBias>>>, emmy::Glu<6>,
              Dense<3>>;
constexpr int kBatch = 3;
constexpr int kIn = 4 * 5 + 5 + 4 * 2 + 2 * 5, kSkip = 5 * 3 + 3 + 3 * 5 + 5, kSum = 5 * 4 + 4 + 5 * 4,
              kGate = 2 * 4 * 6;
static_assert(emmy::kPlan<Net>.weights == kIn + kSkip + kSum + kGate + 6 * 3 + 3);

constinit Twin<Net, kBatch> twin{.labels = {2, 0, 1}};
constinit emmy::Ledger<Net> ledger{};

// A row of Cols channels a sample.
template <int Cols>
struct Rows {
  static constexpr int kSize = kBatch * Cols;
  double at[kSize];

  template <class F>
  void set(F f) {
    for (int i = 0; i < kSize; ++i) at[i] = f(i);
  }
};
// y = x w + b, b null where there is none; and its gradients.
template <int In, int Out>
void dense(const Rows<In>& x, const double* w, const double* b, Rows<Out>& y) {
  reference::dense(x.at, w, b, y.at, kBatch, In, Out);
}
template <int In, int Out>
void dense_backward(const Rows<In>& x, const double* w, const Rows<Out>& dy, double* dw, double* db, Rows<In>& dx) {
  reference::dense_backward(x.at, w, dy.at, dw, db, dx.at, kBatch, In, Out);
}

double reference_gradient() {
  static Rows<4> in, left, right, sum, d_sum, d_left, d_gated, d_in;
  static Rows<2> low, d_low;
  static Rows<5> frozen, adapted, bent, after, d_after, d_bent, d_other;
  static Rows<3> inner, soft, d_inner, out;
  static Rows<6> up, gate, gated, d_up, d_gate, d_product;
  const double *frozen_w = twin.theta, *frozen_b = frozen_w + 20, *down_w = frozen_b + 5, *up_w = down_w + 8,
               *w1 = twin.theta + kIn, *b1 = w1 + 15, *w2 = b1 + 3, *b2 = w2 + 15, *w3 = w1 + kSkip, *b3 = w3 + 20,
               *w4 = b3 + 4, *w5 = w3 + kSum, *w6 = w5 + 24, *w7 = w6 + 24, *b7 = w7 + 18;
  double *d_down_w = twin.slope + 25, *d_up_w = d_down_w + 8, *dw1 = twin.slope + kIn, *db1 = dw1 + 15, *dw2 = db1 + 3,
         *db2 = dw2 + 15, *dw3 = dw1 + kSkip, *db3 = dw3 + 20, *dw4 = db3 + 4, *dw5 = dw3 + kSum, *dw6 = dw5 + 24,
         *dw7 = dw6 + 24, *db7 = dw7 + 18;
  double* const no_bias = nullptr;
  in.set([](int i) { return static_cast<double>(twin.x[i]); });
  dense(in, frozen_w, frozen_b, frozen);
  dense(in, down_w, no_bias, low);
  dense(low, up_w, no_bias, adapted);
  adapted.set([](int i) { return adapted.at[i] + frozen.at[i]; });
  bent.set([](int i) { return reference::gelu(adapted.at[i]); });
  dense(bent, w1, b1, inner);
  soft.set([](int i) { return reference::silu(inner.at[i]); });
  dense(soft, w2, b2, after);
  after.set([](int i) { return after.at[i] + bent.at[i]; });
  dense(after, w3, b3, left);
  left.set([](int i) { return reference::tanh(left.at[i]); });
  dense(after, w4, no_bias, right);
  sum.set([](int i) { return left.at[i] + right.at[i]; });
  dense(sum, w5, no_bias, up);
  dense(sum, w6, no_bias, gate);
  gated.set([](int i) { return up.at[i] * reference::silu(gate.at[i]); });
  dense(gated, w7, b7, out);
  const double loss = reference::cross_entropy(out.at, twin.labels, kBatch, 3);  // out becomes its gradient
  dense_backward(gated, w7, out, dw7, db7, d_product);
  d_up.set([](int i) { return d_product.at[i] * reference::silu(gate.at[i]); });
  d_gate.set([](int i) { return d_product.at[i] * up.at[i] * reference::silu_slope(gate.at[i]); });
  dense_backward(sum, w5, d_up, dw5, no_bias, d_sum);
  dense_backward(sum, w6, d_gate, dw6, no_bias, d_gated);
  d_sum.set([](int i) { return d_sum.at[i] + d_gated.at[i]; });
  d_left.set([](int i) { return d_sum.at[i] * (1 - left.at[i] * left.at[i]); });
  dense_backward(after, w3, d_left, dw3, db3, d_after);
  dense_backward(after, w4, d_sum, dw4, no_bias, d_other);
  d_after.set([](int i) { return d_after.at[i] + d_other.at[i]; });
  dense_backward(soft, w2, d_after, dw2, db2, d_inner);
  d_inner.set([](int i) { return d_inner.at[i] * reference::silu_slope(inner.at[i]); });
  dense_backward(bent, w1, d_inner, dw1, db1, d_bent);
  d_bent.set([](int i) { return (d_bent.at[i] + d_after.at[i]) * reference::gelu_slope(adapted.at[i]); });
  dense_backward(low, up_w, d_bent, d_up_w, no_bias, d_low);
  dense_backward(in, down_w, d_low, d_down_w, no_bias, d_in);
  return loss;
}

}  // namespace

int main() { return twin.run(reference_gradient, ledger); }
