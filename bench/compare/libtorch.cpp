// libtorch's C++ front end on one thread: modules, autograd, torch::optim::SGD.
#include <bench/compare/opponents.hpp>

#include <torch/torch.h>

#include <optional>

namespace compare {
namespace {

namespace nn = torch::nn;
namespace functional = torch::nn::functional;

struct Model {
  nn::Sequential net;
  std::vector<nn::Linear> linear;
  torch::Tensor labels;
  std::optional<torch::optim::SGD> sgd;

  explicit Model(const Workload& work) : labels(torch::empty({work.batch}, torch::kInt64)) {
    at::set_num_threads(1);
    for (int l = 0; l < work.layers; ++l) {
      linear.push_back(nn::Linear(work.size[l], work.size[l + 1]));
      net->push_back(linear.back());
      if (l + 1 == work.layers) break;
      if (work.activation == Activation::tanh) net->push_back(nn::Tanh());
      else net->push_back(nn::ReLU());
    }
    sgd.emplace(net->parameters(), torch::optim::SGDOptions(static_cast<double>(kRate)));
  }
};

torch::Tensor view(const float* data, int rows, int cols) {
  return torch::from_blob(const_cast<float*>(data), {rows, cols});
}

template <const Workload& Work>
struct Program {
  static Model& model() {
    static Model it(Work);
    return it;
  }
  static void reset(const float* weights) {
    const torch::NoGradGuard none;
    for (auto& l : model().linear)
      for (torch::Tensor tensor : {l->weight, l->bias}) {
        tensor.copy_(torch::from_blob(const_cast<float*>(weights), tensor.sizes()));
        weights += tensor.numel();
      }
  }
  static void read(float* weights) {
    const torch::NoGradGuard none;
    for (auto& l : model().linear)
      for (const torch::Tensor& tensor : {l->weight, l->bias}) {
        torch::from_blob(weights, tensor.sizes()).copy_(tensor);
        weights += tensor.numel();
      }
  }
  static float step(const Batch& b) {
    Model& m = model();
    m.sgd->zero_grad();
    const torch::Tensor y = m.net->forward(view(b.x, Work.batch, Work.size[0]));
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
    const torch::Tensor out = model().net->forward(view(x, Work.batch, Work.size[0]));
    memcpy(y, out.data_ptr<float>(), sizeof(float) * Work.batch * Work.outputs());
  }
};

}  // namespace

namespace opponents {
std::span<const Opponent> libtorch() { return rows<Program>("libtorch"); }
}  // namespace opponents
}  // namespace compare
