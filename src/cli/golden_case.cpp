#include "cli/golden_case.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "cli/golden_field.hpp"
#include "cli/golden_own.hpp"
#include "io/file.hpp"

namespace emmy::golden {
namespace {

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_attention(const Field& c) { return c.at("kind").text() == "attention"; }

// Everything in `expected` that a program is to compute, with its tolerances.
void collect_expected(const Field& c, const Field& at, const std::string& path,
                      const std::vector<std::string>& reference_only, std::vector<Expectation>& all) {
  if (std::find(reference_only.begin(), reference_only.end(), path) != reference_only.end()) return;
  if (at.is_object()) {
    for (const auto& [key, value] : at.members())
      collect_expected(c, value, path.empty() ? key : path + "." + key, reference_only, all);
    return;
  }
  if (at.is_list_of_objects()) {
    int row = 0;
    for (const Field& value : at.elements())
      collect_expected(c, value, fmt::format("{}.{}", path, row++), reference_only, all);
    return;
  }
  if (at.is_truth_value()) {  // has no tolerance
    all.push_back({path, {at.truth_value() ? 1.0 : 0.0}, 0.5, 0.5});
    return;
  }
  const bool is_weight = path.compare(0, 6, "final.") == 0 || path.compare(0, 10, "final_buf.") == 0;
  const Array turned = is_weight && is_attention(c) ? outputs_first(at.array()) : channels_last(at.array());
  all.push_back({path, turned.values, c.at("tol_f64").at(path).number(1e-300, 1e300),
                 c.at("tol_f32").at(path).number(1e-300, 1e300)});
}

// A key that this program does not know, or known too late to run the case.
void refuse_unknown(const Field& object, std::initializer_list<std::string_view> known,
                    const std::vector<std::string>& ignored = {}) {
  for (const auto& [key, value] : object.members())
    if (!is_one_of(key, known) && std::find(ignored.begin(), ignored.end(), key) == ignored.end())
      throw Unsupported(value.path());
}

// `known`: what can be expected; none: whatever the case's own runner computes.
void read_expected(const Field& c, std::initializer_list<std::string_view> known, Case& out) {
  std::vector<std::string> reference_only;
  for (const Field& path : c.at("reference_only").elements()) reference_only.push_back(path.text());
  const Field expected = c.at("expected");
  if (known.size() > 0) refuse_unknown(expected, known, reference_only);
  collect_expected(c, expected, "", reference_only, out.expected);
  expected.require(!out.expected.empty(), "has nothing to compare");
}

Array read_param(const Field& c, const std::string& name, const Field& value) {
  Array read = value.array();
  value.require(c.at("shapes").at(name).array(1).values == std::vector<double>(read.shape.begin(), read.shape.end()),
                "has another shape than shapes." + name);
  value.require(read.shape.size() < 3 || c.at("kind").text() == "conv1d", "has more than two dimensions");
  return is_attention(c) ? outputs_first(read) : channels_last(read);
}

void read_optimizer(const Field& o, Optimizer& out) {
  refuse_unknown(
      o, {"kind", "eta", "lam", "beta", "tau", "decay", "clip", "clip_kind", "batch", "steps", "eta_of", "lam_of"},
      out.kind == "adam" ? std::vector<std::string>{"b1", "b2", "eps", "second_moment"} : std::vector<std::string>{});
  out.eta = o.at("eta").number();
  out.lam = o.at("lam").number();
  out.beta = o.at("beta").number();
  out.tau = o.at("tau").number();
  const std::string decay = o.at("decay").text(), clip_kind = o.at("clip_kind").text();
  out.decoupled = decay == "decoupled";
  out.clip = o.at("clip").is_null() ? 0 : o.at("clip").number(0, 1e300);
  out.clips_by_tensor = clip_kind == "tensor";
  out.batch = o.at("batch").integer(1, 1'000'000);
  out.steps = o.at("steps").integer(1, 10'000'000);
  if (!is_one_of(decay, {"coupled", "decoupled"})) throw Unsupported("decay " + decay);
  if (!is_one_of(clip_kind, {"global", "tensor"})) throw Unsupported("clip_kind " + clip_kind);
  if (out.kind == "nag" && out.decoupled && out.lam != 0) throw Unsupported("nag with decoupled decay");
  if (out.kind != "hb" && out.tau != 0) throw Unsupported(out.kind + " with dampening");
  if (out.kind != "adam") return;
  out.beta1 = o.at("b1").number();
  out.beta2 = o.at("b2").number();
  out.epsilon = o.at("eps").number();
  const std::string second = o.at("second_moment").text();
  if (!is_one_of(second, {"element", "unit"})) throw Unsupported("second_moment " + second);
  out.shares = second == "unit";
}

void read_charges(const Field& c, Case& out) {
  for (const Field& definition : c.at("charges").elements()) {
    ChargeDefinition& charge = out.charges.emplace_back();
    charge.name = definition.at("name").text();
    charge.type = definition.at("type").text();
    for (const Field& b : definition.at("blocks").elements()) {
      const std::string param = b.at("param").text();
      const auto found =
          std::find_if(out.params.begin(), out.params.end(), [&](const Param& p) { return p.name == param; });
      b.at("param").require(found != out.params.end(), "names no parameter");
      const int rank = static_cast<int>(found->value.shape.size());
      const int axis = b.at("axis").integer(0, rank - 1);
      charge.blocks.push_back({param, b.at("s").number(), rank == 2 && is_attention(c) ? 1 - axis : axis,
                               b.at("power").integer(1, 2), b.at("group").integer(1, 1'000'000)});
    }
    definition.at("blocks").require(!charge.blocks.empty(), "is empty");
  }
}

// One window: its positions, which cases call samples, are one input.
void read_window(const Field& c, Case& out) {
  const int positions = out.inputs.shape[0];
  c.at("optimizer").at("batch").require(out.optimizer.batch == positions, "is not the number of positions");
  for (Array* rows : {&out.inputs, &out.outputs}) rows->shape = {1, static_cast<int>(rows->values.size())};
  out.optimizer.batch = 1;
  const double scale = c.at("constants").at("scale").number(0, 1),
               size = c.at("params").at("bk").array(1).shape[0] * scale * scale;
  if (size < 1 - 1e-12 || size > 1 + 1e-12) throw Unsupported("a scale that is not 1 / sqrt of the head's size");
  if (c.at("constants").has("rope_angles")) out.angles = c.at("constants").at("rope_angles").array(2).values;
}

// The kinds of KINDS in golden.py: trained on X with Y or labels.
void read_training(const Field& c, Case& out) {
  read_optimizer(c.at("optimizer"), out.optimizer);
  read_expected(c,
                {"losses", "final_full_loss", "final", "final_buf", "charges", "steps_clipped", "angular_before",
                 "angular_after", "angular_factor_per_step", "key_bias_gradient_at_end"},
                out);
  const Field o = c.at("optimizer");
  for (const auto& [name, shape] : c.at("shapes").members()) static_cast<void>(c.at("params").at(name));  // there?
  for (const auto& [name, value] : c.at("params").members()) {
    Param& p = out.params.emplace_back();
    p = {name, read_param(c, name, value), {}, o.at("eta_of").at(name).number(), o.at("lam_of").at(name).number()};
    if (!c.has("buf0")) continue;
    p.buffer = channels_last(c.at("buf0").at(name).array());
    c.at("buf0").at(name).require(p.buffer.shape == p.value.shape, "has another shape than params." + name);
  }
  if (out.kind == "lora") out.params.push_back({"W0", c.at("constants").at("W0").array(2), {}, 0, 0});
  const Field data = c.at("data");
  const std::size_t rank = out.kind == "conv1d" ? 3 : 2;
  out.inputs = out.kind == "rnn_relu" ? samples_first(data.at("X").array(3)) : channels_last(data.at("X").array(rank));
  const std::string loss = c.at("loss").text();
  if (loss == "mse") {
    out.outputs = channels_last(data.at("Y").array(rank));
    data.at("Y").require(out.outputs.shape[0] == out.inputs.shape[0], "has another number of samples than data.X");
  } else if (loss == "ce") {
    for (const Field& label : data.at("labels").elements()) out.labels.push_back(label.integer(0, 1'000'000));
    data.at("labels").require(static_cast<int>(out.labels.size()) == out.inputs.shape[0],
                              "has another number of samples than data.X");
  } else {
    throw Unsupported("loss " + loss);
  }
  if (out.kind == "attention") read_window(c, out);
  if (is_one_of(out.kind, {"layernorm", "rmsnorm", "batchnorm"}))
    out.epsilon = c.at("constants").at("eps_norm").number(0, 1);
  read_charges(c, out);
}

// Factors F[0], F[1] ... of a linear regression on A, y: full-batch descent with decay on every factor.
void read_sparse(const Field& c, Case& out) {
  const Field o = c.at("optimizer");
  if (out.optimizer.kind != "gd") throw Unsupported("optimizer " + out.optimizer.kind);
  refuse_unknown(o, {"kind", "eta", "lam", "steps"});
  read_expected(c, {"w", "gradient", "support", "margin"}, out);
  out.inputs = c.at("data").at("A").array(2);
  out.outputs = c.at("data").at("y").array(1);
  c.at("data").at("y").require(out.outputs.shape[0] == out.inputs.shape[0],
                               "has another number of samples than data.A");
  out.outputs.shape.push_back(1);
  out.optimizer.eta = o.at("eta").number();
  out.optimizer.lam = o.at("lam").number();
  out.optimizer.batch = out.inputs.shape[0];
  out.optimizer.steps = o.at("steps").integer(1, 10'000'000);
  const Field factors = c.at("params").at("F");
  const Array all = read_param(c, "F", factors);
  factors.require(all.shape.size() == 2, "has no two dimensions");
  c.at("constants")
      .at("depth")
      .require(c.at("constants").at("depth").integer(1, 1000) == all.shape[0],
               "is not the number of factors in params.F");
  const auto width = static_cast<std::size_t>(all.shape[1]);
  for (std::size_t k = 0; k < static_cast<std::size_t>(all.shape[0]); ++k) {
    const auto first = all.values.begin() + static_cast<std::ptrdiff_t>(k * width);
    out.params.push_back({fmt::format("F.{}", k),
                          {{all.shape[1]}, {first, first + all.shape[1]}},
                          {},
                          out.optimizer.eta,
                          out.optimizer.lam});
  }
}

void read_case(const Field& c, Case& out) {
  out.kind = c.at("kind").text();
  c.at("optimizer").require(c.at("optimizer").is_object(), "is not an object");
  try {
    for (const OwnKind* own : kOwnKinds) {
      out.compute = own->read(c);
      if (!out.compute) continue;
      read_expected(c, {}, out);
      return;
    }
    const bool trains = is_one_of(out.kind, {"mlp1_relu", "mlp1_leaky", "mlp1_exp", "mlp1_relu_squared", "mlp2_relu",
                                             "product_unit_relu", "swiglu", "linear3", "lora", "conv1d", "layernorm",
                                             "rmsnorm", "batchnorm", "rnn_relu", "attention"});
    if (!trains && out.kind != "sparse_product") throw Unsupported("kind " + out.kind);
    out.optimizer.kind = c.at("optimizer").at("kind").text();
    if (!is_one_of(out.optimizer.kind, {"gd", "hb", "nag", "adam"}))
      throw Unsupported("optimizer " + out.optimizer.kind);
    if (trains) read_training(c, out);
    else read_sparse(c, out);
  } catch (const Unsupported& reason) {
    out.unsupported = reason.what();
  }
}

// "line 3, column 14" of a byte, counted from 1.
std::string position(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, byte > 0 ? byte - 1 : 0);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t start = before.rfind('\n');
  return fmt::format("line {}, column {}", line,
                     start == std::string_view::npos ? before.size() + 1 : before.size() - start);
}

}  // namespace

Array channels_last(const Array& array) {
  if (array.shape.size() != 3) return array;
  const int channels = array.shape[1], positions = array.shape[2];
  Array turned{{array.shape[0], positions * channels}, {}};
  for (int n = 0; n < array.shape[0]; ++n)
    for (int p = 0; p < positions; ++p)
      for (int c = 0; c < channels; ++c)
        turned.values.push_back(array.values[static_cast<std::size_t>((n * channels + c) * positions + p)]);
  return turned;
}

Array samples_first(const Array& array) {
  const int positions = array.shape[0], samples = array.shape[1], channels = array.shape[2];
  Array turned{{samples, positions * channels}, {}};
  for (int n = 0; n < samples; ++n)
    for (int p = 0; p < positions; ++p)
      for (int c = 0; c < channels; ++c)
        turned.values.push_back(array.values[static_cast<std::size_t>((p * samples + n) * channels + c)]);
  return turned;
}

Array outputs_first(const Array& array) {
  if (array.shape.size() != 2) return array;
  const int rows = array.shape[0], cols = array.shape[1];
  Array turned{{cols, rows}, {}};
  for (int o = 0; o < cols; ++o)
    for (int i = 0; i < rows; ++i) turned.values.push_back(array.values[static_cast<std::size_t>(i * cols + o)]);
  return turned;
}

io::Result<std::vector<Case>> read_cases(const std::string& path) {
  const auto bytes = io::read_file(path);
  if (!bytes) return bytes.error();
  const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  const std::string shown = io::shown_path(path);
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::parse_error& error) {
    return io::Error{fmt::format("{}: not JSON at {}", shown, position(text, error.byte))};
  } catch (const Json::exception&) {
    return io::Error{shown + ": a number is too large"};
  }
  if (!json.is_object() || json.empty()) return io::Error{shown + ": no object of cases by name"};
  std::vector<Case> cases;
  for (const auto& [name, value] : json.items()) {
    Case& c = cases.emplace_back();
    c.file = shown;
    c.name = io::shown_path(name);
    try {
      read_case(Field(value, ""), c);
    } catch (const Bad& complaint) {
      return io::Error{fmt::format("{}: case {}: {}", shown, c.name, io::shown_path(complaint.what()))};
    }
  }
  return cases;
}

}  // namespace emmy::golden
