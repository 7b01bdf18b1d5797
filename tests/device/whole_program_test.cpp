// One net alone in a program that the compiler sees whole (-fwhole-program, as link-time optimisation does): it then knows
// every size that reaches the assembly of kernels/<target>/panel.hpp, and may give one register to all operands of one
// value. 16 inputs and 4 outputs make the number of rows equal to the bytes of a row.
#include <emmy/emmy.hpp>
#include <tests/device/check.hpp>

namespace {

using Net = emmy::Net<emmy::Input<16>, emmy::Dense<4>>;
using check::wide;
constexpr float kRate = 0.125f;

emmy::Trainer<Net, emmy::Sgd, 1> trainer{};
double w[16][4], b[4];

}  // namespace

int main() {
  check::begin("a step in a whole program");
  using Site = emmy::Layer<0>;
  emmy::Pcg32 rng{3};
  emmy::init(trainer.params, rng);
  for (int o = 0; o < 4; ++o) {
    b[o] = wide(trainer.params.bias<Site>(o));
    for (int i = 0; i < 16; ++i) w[i][o] = wide(trainer.params.weight<Site>(o, i));
  }
  float x[16], target[4];
  for (int step = 0; step < 20; ++step) {
    for (float& v : x) v = 2 * rng.uniform() - 1;
    for (float& v : target) v = 2 * rng.uniform() - 1;
    const auto r = trainer.step(x, target, emmy::SquaredError{}, emmy::Sgd{.learning_rate = kRate});
    CHECK(r.status == emmy::Status::ok);
    double loss = 0, dy[4];
    for (int o = 0; o < 4; ++o) {
      double y = b[o];
      for (int i = 0; i < 16; ++i) y += wide(x[i]) * w[i][o];
      dy[o] = y - wide(target[o]);
      loss += dy[o] * dy[o] / 2;
    }
    CHECK_NEAR(wide(r.loss), loss, 1e-5 * (1 + loss));
    for (int o = 0; o < 4; ++o) {
      b[o] -= wide(kRate) * dy[o];
      for (int i = 0; i < 16; ++i) w[i][o] -= wide(kRate) * dy[o] * wide(x[i]);
    }
  }
  for (int o = 0; o < 4; ++o) {
    CHECK_NEAR(wide(trainer.params.bias<Site>(o)), b[o], 1e-5);
    for (int i = 0; i < 16; ++i) CHECK_NEAR(wide(trainer.params.weight<Site>(o, i)), w[i][o], 1e-5);
  }
  return check::end();
}
