// Training steps of normalised and recurrent nets in Emmy and in libtorch (one thread, autograd, torch::optim::SGD): the same
// weights, the same samples, rounds in turns in one process. Not among the workloads of compare.cpp, since no other library
// here has these layers.
//   apt-get install libtorch-dev; cmake --preset release -B build/bench -DEMMY_BUILD_BENCH=ON -DEMMY_COMPARE_ISAS=avx3
//   cmake --build build/bench --target emmy_torch_layers && taskset -c 1 build/bench/bench/emmy_torch_layers
// Prints a row a net and batch: nanoseconds of a step, libtorch's over Emmy's as median and quartiles of 21 rounds. Fails where
// losses after 50 steps differ. The instructions of the same steps are held by gates.avx2 (bench/counts), without a clock.
#include <emmy/emmy.hpp>

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

namespace {

namespace nn = torch::nn;
constexpr float kRate = 0.01f;
constexpr int kRounds = 21, kClasses = 10;

struct Normed64 {
  static constexpr int kInputs = 64;
  static constexpr bool kRecurrent = false;
};
template <class Norm>
struct Normed : Normed64 {
  using Net = emmy::Net<emmy::Input<64>, emmy::Dense<32>, Norm, emmy::Relu, emmy::Dense<kClasses>>;
};
struct Batched : Normed<emmy::BatchNorm<>> {
  static constexpr const char* kName = "64-32-10, batch norm, ReLU";
  static void add_norm(nn::Sequential& net) { net->push_back(nn::BatchNorm1d(32)); }
};
struct Layered : Normed<emmy::LayerNorm<>> {
  static constexpr const char* kName = "64-32-10, layer norm, ReLU";
  static void add_norm(nn::Sequential& net) { net->push_back(nn::LayerNorm(nn::LayerNormOptions({32}))); }
};
struct Recurrent {
  static constexpr int kInputs = 16 * 8;
  static constexpr bool kRecurrent = true;
  static constexpr const char* kName = "16 x 8, tanh RNN 32, last state, 10";
  using Net = emmy::Net<emmy::Input<16, 8>, emmy::Rnn<32, emmy::Tanh>, emmy::Last, emmy::Dense<kClasses>>;
};

template <class Site, class Net>
void copy(const emmy::Params<Net>& from, torch::Tensor weight, torch::Tensor bias) {
  const torch::NoGradGuard none;
  for (int o = 0; o < weight.size(0); ++o) {
    for (int i = 0; i < weight.size(1); ++i) weight[o][i] = from.template weight<Site>(o, i);
    bias[o] = from.template bias<Site>(o);
  }
}

template <class Work, int Batch>
struct Torch {
  nn::Sequential net;
  nn::RNN rnn{nullptr};
  nn::Linear first{nullptr}, last{nullptr};
  torch::Tensor x, labels;
  std::unique_ptr<torch::optim::SGD> sgd;

  Torch(const emmy::Params<typename Work::Net>& from, const std::vector<float>& inputs, const std::vector<int>& given)
      : labels(torch::empty({Batch}, torch::kInt64)) {
    at::set_num_threads(1);
    std::vector<torch::Tensor> trained;
    if constexpr (Work::kRecurrent) {
      rnn = nn::RNN(nn::RNNOptions(8, 32).nonlinearity(torch::kTanh).batch_first(true));
      last = nn::Linear(32, kClasses);
      auto named = rnn->named_parameters();
      copy<emmy::Layer<0>>(from, named["weight_ih_l0"], named["bias_ih_l0"]);
      const torch::NoGradGuard none;
      for (int o = 0; o < 32; ++o)
        for (int i = 0; i < 32; ++i) named["weight_hh_l0"][o][i] = from.template recurrent_weight<emmy::Layer<0>>(o, i);
      named["bias_hh_l0"].zero_();  // one bias is enough
      named["bias_hh_l0"].set_requires_grad(false);
      copy<emmy::Layer<2>>(from, last->weight, last->bias);
      trained = {named["weight_ih_l0"], named["weight_hh_l0"], named["bias_ih_l0"], last->weight, last->bias};
      x = torch::from_blob(const_cast<float*>(inputs.data()), {Batch, 16, 8}).clone();
    } else {
      first = nn::Linear(64, 32);
      last = nn::Linear(32, kClasses);
      copy<emmy::Layer<0>>(from, first->weight, first->bias);
      copy<emmy::Layer<3>>(from, last->weight, last->bias);
      net->push_back(first);
      Work::add_norm(net);
      net->push_back(nn::ReLU());
      net->push_back(last);
      trained = net->parameters();
      x = torch::from_blob(const_cast<float*>(inputs.data()), {Batch, 64}).clone();
    }
    for (int s = 0; s < Batch; ++s) labels[s] = given[static_cast<std::size_t>(s)];
    sgd = std::make_unique<torch::optim::SGD>(trained, torch::optim::SGDOptions(static_cast<double>(kRate)));
  }
  float step() {
    sgd->zero_grad();
    torch::Tensor y;
    if constexpr (Work::kRecurrent) y = last->forward(std::get<1>(rnn->forward(x)).squeeze(0));
    else y = net->forward(x);
    const torch::Tensor loss = nn::functional::cross_entropy(y, labels);
    loss.backward();
    sgd->step();
    return loss.template item<float>();
  }
};

template <class F>
double nanoseconds(int count, F f) {
  const auto from = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) f();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - from).count() / count;
}

template <class Work, int Batch>
bool compare() {
  using Net = typename Work::Net;
  const auto trainer = std::make_unique<emmy::Trainer<Net, emmy::Sgd, Batch>>();
  emmy::Pcg32 rng{3};
  emmy::init(trainer->params, rng);
  std::vector<float> x(static_cast<std::size_t>(Batch) * Work::kInputs);
  std::vector<int> labels(Batch);
  for (float& v : x) v = static_cast<float>(rng.below(2000)) / 1000.0f - 1.0f;
  for (int& l : labels) l = static_cast<int>(rng.below(kClasses));
  Torch<Work, Batch> torch(trainer->params, x, labels);
  const emmy::Sgd rule{.learning_rate = kRate};
  float loss = 0, other = 0;
  const auto own = [&] { loss = trainer->step(x.data(), labels.data(), emmy::CrossEntropy{}, rule).loss; };
  const auto theirs = [&] { other = torch.step(); };
  for (int i = 0; i < 50; ++i) own(), theirs();
  if (!(std::fabs(loss - other) <= 1e-4f * (1 + std::fabs(loss)))) {
    std::printf("%s, batch %d: losses %g and %g\n", Work::kName, Batch, double(loss), double(other));
    return false;
  }
  const int count = std::max(20, static_cast<int>(2e6 / nanoseconds(20, own))), fewer = std::max(5, count / 50);
  std::vector<double> ratio, ns;
  for (int r = 0; r < kRounds; ++r) {
    ns.push_back(nanoseconds(count, own));
    ratio.push_back(nanoseconds(fewer, theirs) / ns.back());
  }
  std::sort(ratio.begin(), ratio.end());
  std::sort(ns.begin(), ns.end());
  std::printf("| %s | %d | %.0f | %.1f (%.1f to %.1f) |\n", Work::kName, Batch, ns[kRounds / 2], ratio[kRounds / 2],
              ratio[kRounds / 4], ratio[3 * kRounds / 4]);
  return true;
}

}  // namespace

int main() {
  std::printf("| net | batch | Emmy, ns a step | libtorch / Emmy (quartiles) |\n|---|---|---|---|\n");
  const bool same = compare<Batched, 2>() & compare<Batched, 64>() & compare<Layered, 1>() & compare<Layered, 64>() &
                    compare<Recurrent, 1>() & compare<Recurrent, 64>();
  return same ? 0 : 1;
}
