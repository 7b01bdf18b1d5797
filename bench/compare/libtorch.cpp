// libtorch's C++ front end on one thread: modules, autograd, torch::optim::SGD.
#include <bench/compare/opponents.hpp>

#include <torch/torch.h>

#include <optional>

namespace compare {
namespace {

namespace nn = torch::nn;
namespace functional = torch::nn::functional;

// Weights [out][channel][position] here, [out][position][channel] in a workload: those of a convolution, and of the first
// Linear behind one.
struct Weights {
  torch::Tensor weight, bias;
  int positions;

  std::vector<int64_t> given() const {
    return {weight.size(0), positions, weight.numel() / weight.size(0) / positions};
  }
  torch::Tensor as_given() const {
    const std::vector<int64_t> size = given();
    return weight.view({size[0], size[2], size[1]}).transpose(1, 2);
  }
};

struct Model {
  nn::Sequential net;
  std::vector<Weights> layers;
  torch::Tensor labels;
  std::optional<torch::optim::SGD> sgd;

  explicit Model(const Workload& work) : labels(torch::empty({work.batch}, torch::kInt64)) {
    at::set_num_threads(1);
    for (int l = 0; l < work.affines(); ++l) {
      const Affine own = work.affine(l);
      if (l < work.stages) {
        const int kernel = work.stage[l].kernel;
        nn::Conv1d conv(nn::Conv1dOptions(own.in / kernel, own.out, kernel));
        net->push_back(conv);
        layers.push_back({conv->weight, conv->bias, kernel});
      } else {
        if (work.stages > 0 && l == work.stages) net->push_back(nn::Flatten());
        nn::Linear linear(own.in, own.out);
        net->push_back(linear);
        layers.push_back({linear->weight, linear->bias,
                          work.stages > 0 && l == work.stages ? own.in / work.stage[work.stages - 1].channels : 1});
      }
      if (l + 1 == work.affines()) break;
      if (work.activation == Activation::tanh) net->push_back(nn::Tanh());
      else net->push_back(nn::ReLU());
      if (own.pool > 1) net->push_back(nn::MaxPool1d(own.pool));
    }
    sgd.emplace(net->parameters(), torch::optim::SGDOptions(static_cast<double>(kRate)));
  }
};

torch::Tensor view(const float* data, int rows, int cols) {
  return torch::from_blob(const_cast<float*>(data), {rows, cols});
}

template <const Workload& Work>
torch::Tensor inputs(const float* x) {
  if constexpr (Work.stages == 0) return view(x, Work.batch, Work.size[0]);
  else return torch::from_blob(const_cast<float*>(x), {Work.batch, Work.positions, Work.channels}).transpose(1, 2);
}

template <const Workload& Work>
struct Program {
  static Model& model() {
    static Model it(Work);
    return it;
  }
  static void reset(const float* weights) {
    const torch::NoGradGuard none;
    for (Weights& l : model().layers) {
      l.as_given().copy_(torch::from_blob(const_cast<float*>(weights), l.given()));
      weights += l.weight.numel();
      l.bias.copy_(torch::from_blob(const_cast<float*>(weights), l.bias.sizes()));
      weights += l.bias.numel();
    }
  }
  static void read(float* weights) {
    const torch::NoGradGuard none;
    for (const Weights& l : model().layers) {
      torch::from_blob(weights, l.given()).copy_(l.as_given());
      weights += l.weight.numel();
      torch::from_blob(weights, l.bias.sizes()).copy_(l.bias);
      weights += l.bias.numel();
    }
  }
  static float step(const Batch& b) {
    Model& m = model();
    m.sgd->zero_grad();
    const torch::Tensor y = m.net->forward(inputs<Work>(b.x));
    torch::Tensor loss;
    if constexpr (Work.loss == Loss::cross_entropy) {
      int64_t* label = m.labels.data_ptr<int64_t>();  // torch has them in 64 bits
      for (int s = 0; s < Work.batch; ++s) label[s] = b.labels[s];
      loss = functional::cross_entropy(y, m.labels);
    } else {
      loss = 0.5 * Work.outputs() * functional::mse_loss(y, view(b.target, Work.batch, Work.outputs()));
    }
    loss.backward();
    m.sgd->step();
    return loss.item<float>();
  }
  static void infer(const float* x, float* y) {
    const c10::InferenceMode mode;
    const torch::Tensor out = model().net->forward(inputs<Work>(x));
    memcpy(y, out.data_ptr<float>(), sizeof(float) * Work.batch * Work.outputs());
  }
};

}  // namespace

namespace opponents {
std::span<const Opponent> libtorch() { return rows<Program, true>("libtorch"); }
}  // namespace opponents
}  // namespace compare
