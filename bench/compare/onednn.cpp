// oneDNN: inner_product primitives made once for each layer and executed in every step, one layout of the weights for
// all three; loss and update in plain loops.
#include <bench/compare/layers.hpp>

#include <dnnl.hpp>

#include <unordered_map>

namespace compare {
namespace {

dnnl::engine& engine() {
  static dnnl::engine it(dnnl::engine::kind::cpu, 0);
  return it;
}
dnnl::stream& stream() {
  static dnnl::stream it(engine());
  return it;
}

template <int In, int Out, int Samples, Activation Act>
struct Layer {
  using memory = dnnl::memory;
  using desc = memory::desc;
  alignas(64) float b[Out], y[Samples * Out], db[Out];
  memory w, dw, plain, x_, y_, b_, dy_, dx_, db_;
  dnnl::inner_product_forward product;
  dnnl::inner_product_backward_data product_data;
  dnnl::inner_product_backward_weights product_weights;
  std::unordered_map<int, memory> forward_arguments, data_arguments, weights_arguments;

  Layer() {
    constexpr auto f32 = memory::data_type::f32;
    const desc x({Samples, In}, f32, memory::format_tag::nc), out({Samples, Out}, f32, memory::format_tag::nc),
        bias({Out}, f32, memory::format_tag::x), any({Out, In}, f32, memory::format_tag::any),
        rows({Out, In}, f32, memory::format_tag::oi);
    dnnl::primitive_attr attributes;
    if constexpr (Act != Activation::none) {
      dnnl::post_ops after;
      after.append_eltwise(
          1.0f, Act == Activation::relu ? dnnl::algorithm::eltwise_relu : dnnl::algorithm::eltwise_tanh, 0.0f, 0.0f);
      attributes.set_post_ops(after);
    }
    const dnnl::inner_product_forward::primitive_desc forward({dnnl::prop_kind::forward_training, x, any, bias, out},
                                                              attributes, engine());
    const desc layout = forward.weights_desc();
    product = dnnl::inner_product_forward(forward);
    product_data = dnnl::inner_product_backward_data({{x, layout, out}, engine(), forward});
    product_weights = dnnl::inner_product_backward_weights({{x, layout, bias, out}, engine(), forward});
    w = memory(layout, engine());
    dw = memory(layout, engine());
    plain = memory(rows, engine());
    x_ = memory(x, engine(), nullptr);
    dx_ = memory(x, engine(), nullptr);
    y_ = memory(out, engine(), y);
    dy_ = memory(out, engine(), nullptr);
    b_ = memory(bias, engine(), b);
    db_ = memory(bias, engine(), db);
    forward_arguments = {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_BIAS, b_}, {DNNL_ARG_DST, y_}};
    data_arguments = {{DNNL_ARG_DIFF_SRC, dx_}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DIFF_DST, dy_}};
    weights_arguments = {
        {DNNL_ARG_SRC, x_}, {DNNL_ARG_DIFF_WEIGHTS, dw}, {DNNL_ARG_DIFF_BIAS, db_}, {DNNL_ARG_DIFF_DST, dy_}};
  }

  const float* take(const float* weights) {
    memcpy(plain.get_data_handle(), weights, sizeof(float) * In * Out);
    dnnl::reorder(plain, w).execute(stream(), plain, w);
    memcpy(b, weights + In * Out, sizeof b);
    return weights + (In + 1) * Out;
  }
  float* give(float* weights) {
    dnnl::reorder(w, plain).execute(stream(), w, plain);
    stream().wait();
    memcpy(weights, plain.get_data_handle(), sizeof(float) * In * Out);
    memcpy(weights + In * Out, b, sizeof b);
    return weights + (In + 1) * Out;
  }
  const float* outputs() const { return y; }
  const float* forward(const float* x) {
    x_.set_data_handle(const_cast<float*>(x));
    product.execute(stream(), forward_arguments);
    return y;
  }
  void backward(const float* x, float* delta, float* below) {
    for (int i = 0; i < Samples * Out; ++i) {
      if constexpr (Act == Activation::relu) delta[i] = y[i] > 0.0f ? delta[i] : 0.0f;
      if constexpr (Act == Activation::tanh) delta[i] *= 1.0f - y[i] * y[i];
    }
    x_.set_data_handle(const_cast<float*>(x));
    dy_.set_data_handle(delta);
    if (below != nullptr) {
      dx_.set_data_handle(below);
      product_data.execute(stream(), data_arguments);
    }
    product_weights.execute(stream(), weights_arguments);
    constexpr float kStep = kRate / static_cast<float>(Samples);
    float* theta = static_cast<float*>(w.get_data_handle());
    const float* g = static_cast<const float*>(dw.get_data_handle());
    const size_t count = w.get_desc().get_size() / sizeof(float);
    for (size_t i = 0; i < count; ++i) theta[i] -= kStep * g[i];
    for (int o = 0; o < Out; ++o) b[o] -= kStep * db[o];
  }
};

template <const Workload& Work>
using Program = LayerProgram<Work, Layer>;

}  // namespace

namespace opponents {
std::span<const Opponent> onednn() { return rows<Program>("onednn"); }
}  // namespace opponents
}  // namespace compare
