#include "cli/golden.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <optional>
#include <utility>

#include "cli/golden_case.hpp"
#include "cli/golden_table.hpp"
#include "cli/target.hpp"

namespace emmy::golden {
namespace {

// A case tied to a compiled kind.
struct Job {
  const Case* about;
  const Runner* runner = nullptr;  // null: unsupported, or the case computes itself
  std::string unsupported;
  std::vector<const Param*> block;  // by block of the net
  std::vector<int> charge;          // for each charge definition, which of the ledger's

  [[nodiscard]] bool runs() const { return runner != nullptr || about->compute; }
};

enum class State { passed, failed, unsupported };
struct Verdict {
  State state;
  std::string text;
};
struct Counts {
  int passed = 0, failed = 0, unsupported = 0;
};

std::string shape_text(const std::vector<int>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

bool has_shape(const Array& array, const BlockName& block) {
  if (array.shape.size() == 2) return array.shape[0] == block.cols && array.shape[1] == block.rows;
  return array.shape.size() == 1 && std::min(block.rows, block.cols) == 1 &&
         array.shape[0] == std::max(block.rows, block.cols);
}

// The parameter of each block; a reason where the case has others than the compiled net.
std::string bind_params(const Case& c, const Description& d, std::vector<const Param*>& block) {
  for (int b = 0; b < d.blocks; ++b) {
    const auto found =
        std::find_if(c.params.begin(), c.params.end(), [&](const Param& p) { return p.name == d.block[b].name; });
    if (found == c.params.end()) return fmt::format("no parameter {}", d.block[b].name);
    if (!has_shape(found->value, d.block[b]))
      return fmt::format("{} is {}; compiled in is [{}, {}]", found->name, shape_text(found->value.shape),
                         d.block[b].cols, d.block[b].rows);
    block.push_back(&*found);
  }
  if (static_cast<int>(c.params.size()) != d.blocks) return "more parameters than the compiled net has";
  if (c.inputs.shape[1] != d.inputs) return fmt::format("{} inputs; compiled in are {}", c.inputs.shape[1], d.inputs);
  if (d.batch > 0 && (c.inputs.shape[0] != d.batch || c.optimizer.batch != d.batch))
    return fmt::format("a batch of {} in {} samples; compiled in is one of {}", c.optimizer.batch, c.inputs.shape[0],
                       d.batch);
  if (c.labels.empty() && c.outputs.shape[1] != d.outputs)
    return fmt::format("{} outputs; compiled in are {}", c.outputs.shape[1], d.outputs);
  return "";
}

// All of its blocks as one unit.
bool is_whole(const ChargeDefinition& definition) {
  return definition.type == "total" && definition.blocks[0].power == 2;
}

// A definition as parts of blocks: unit `axis` of W[out][in] is a column or row of the block [in][out].
std::optional<std::vector<PartOf>> parts_of(const ChargeDefinition& definition, const Description& d,
                                            const std::vector<const Param*>& block) {
  std::vector<PartOf> parts;
  for (const Block& b : definition.blocks) {
    const auto found = std::find_if(block.begin(), block.end(), [&](const Param* p) { return p->name == b.param; });
    const auto at = static_cast<int>(found - block.begin());
    if (b.group != definition.blocks[0].group) return std::nullopt;
    if (is_whole(definition)) parts.push_back({at, true, b.s, b.power});
    else if (definition.type == "unit" || definition.type == "gram") parts.push_back({at, b.axis == 0, b.s, b.power});
    else if (definition.type == "total" && d.block[at].rows == 1) parts.push_back({at, false, b.s, b.power});
    else return std::nullopt;
  }
  return parts;
}

bool same_parts(const ChargeOf& charge, std::vector<PartOf> parts) {
  std::vector<PartOf> own(charge.part, charge.part + charge.parts);
  const auto order = [](const PartOf& a, const PartOf& b) {
    return std::pair(a.block, a.by_column) < std::pair(b.block, b.by_column);
  };
  std::sort(own.begin(), own.end(), order);
  std::sort(parts.begin(), parts.end(), order);
  return std::equal(own.begin(), own.end(), parts.begin(), parts.end(), [](const PartOf& a, const PartOf& b) {
    return a.block == b.block && a.by_column == b.by_column && a.weight == b.weight && a.power == b.power;
  });
}

// Which charge of the ledger is the defined one? -1 for none.
int find_charge(const ChargeDefinition& definition, const Description& d, const std::vector<const Param*>& block,
                bool shift_invariant) {
  const auto parts = parts_of(definition, d, block);
  if (!parts) return -1;
  for (int c = 0; c < d.charges; ++c)
    if (d.charge[c].group == definition.blocks[0].group && d.charge[c].is_whole == is_whole(definition) &&
        d.charge[c].is_matrix == (definition.type == "gram") && (shift_invariant || !d.charge[c].of_loss) &&
        same_parts(d.charge[c], *parts))
      return c;
  return -1;
}

// Ties a case to its kind, or finds out why Emmy cannot run it.
io::Result<Job> prepare(const Case& c, const std::vector<const Runner*>& runners) {
  Job job{&c, nullptr, c.unsupported, {}, {}};
  if (!job.unsupported.empty() || c.compute) return job;
  const Runner* runner = nullptr;
  for (const Runner* r : runners) {
    if (c.kind != r->about.kind || r->about.adaptive != (c.optimizer.kind == "adam")) continue;
    job.block.clear();
    job.unsupported = bind_params(c, r->about, job.block);
    if (job.unsupported.empty() && c.epsilon != r->about.epsilon)
      job.unsupported = fmt::format("no net with epsilon {} is compiled in", c.epsilon);
    if (job.unsupported.empty() &&
        !std::equal(c.angles.begin(), c.angles.end(), r->about.angle, r->about.angle + r->about.angles))
      job.unsupported = "no net with such rope_angles is compiled in";
    if (!job.unsupported.empty()) continue;
    runner = r;
    break;
  }
  if (runner == nullptr) return job;
  const Description& d = runner->about;
  for (const int label : c.labels)
    if (label >= d.outputs)
      return io::Error{fmt::format("{}: case {}: data.labels has a label beyond {}", c.file, c.name, d.outputs - 1)};
  if (c.optimizer.clip > 0 &&
      (c.optimizer.kind == "nag" || d.adaptive || (c.optimizer.kind == "hb" && !d.clips_momentum))) {
    job.unsupported = fmt::format("clip with {} is not compiled in", c.optimizer.kind);
    return job;
  }
  for (const ChargeDefinition& definition : c.charges) {
    job.charge.push_back(find_charge(definition, d, job.block, !c.labels.empty()));
    if (job.charge.back() >= 0) continue;
    job.unsupported = fmt::format("no charge of the ledger is {}", io::shown_path(definition.name));
    return job;
  }
  job.runner = runner;
  return job;
}

Task make_task(const Job& job) {
  const Case& c = *job.about;
  const Optimizer& o = c.optimizer;
  Task task{};
  task.rule = o.kind == "gd"     ? RuleKind::sgd
              : o.kind == "nag"  ? RuleKind::nesterov
              : o.kind == "adam" ? (o.shares ? RuleKind::shared_adam : RuleKind::adam)
              : o.decoupled      ? RuleKind::momentum_decoupled
                                 : RuleKind::momentum;
  task.beta1 = o.beta1;
  task.beta2 = o.beta2;
  task.epsilon = o.epsilon;
  task.clip = o.clip <= 0 ? Clip::none : o.clips_by_tensor ? Clip::by_tensor : Clip::by_norm;
  task.clip_limit = o.clip;
  task.learning_rate = o.eta;
  task.weight_decay = o.lam;
  task.momentum = o.beta;
  task.dampening = o.tau;
  task.batch = o.batch;
  task.steps = o.steps;
  task.samples = c.inputs.shape[0];
  task.x = c.inputs.values.data();
  task.y = c.outputs.values.data();
  task.labels = c.labels.empty() ? nullptr : c.labels.data();
  for (std::size_t b = 0; b < job.block.size(); ++b) {
    const Param& p = *job.block[b];
    task.param[b] = {p.value.values.data(), p.buffer.values.empty() ? nullptr : p.buffer.values.data(), p.eta, p.lam};
  }
  return task;
}

void name_charges(const Job& job, const Results& r, Computed& computed) {
  static constexpr const char* kCauses[Results::kCauses] = {"decay", "momentum", "breaking", "discretisation",
                                                            "noether"};
  for (std::size_t i = 0; i < job.charge.size(); ++i) {
    const std::string prefix = "charges." + job.about->charges[i].name + ".";
    const ChargeOf& charge = job.runner->about.charge[job.charge[i]];
    const auto units = [&](const double* values) {
      return std::vector<double>(values + charge.first_unit, values + charge.first_unit + charge.units);
    };
    computed[prefix + "before"] = units(r.before);
    computed[prefix + "after_one"] = units(r.after_one);
    computed[prefix + "after"] = units(r.after);
    for (int cause = 0; cause < Results::kCauses; ++cause)
      computed[prefix + "budget." + kCauses[cause]] = units(r.budget[cause]);
    computed[prefix + "budget.epsilon"] = units(r.epsilon);
    if (job.runner->about.adaptive) {
      computed[prefix + "memory"] = units(r.memory);
      computed[prefix + "ksb"] = units(r.kinetic);
    }
    computed[prefix + "max_noether"] = {r.max_noether[job.charge[i]]};
    computed[prefix + "max_residual"] = {r.max_residual[job.charge[i]]};
  }
}

// Runs a case; every number that it gives by the path that golden files use.
Outcome compute(const Job& job, Outcome (*run)(const Task&, Results&) noexcept, Computed& computed) {
  const Task task = make_task(job);
  const Description& d = job.runner->about;
  Results r{};
  std::vector<double>& losses = computed["losses"];
  losses.resize(static_cast<std::size_t>(task.steps));
  r.losses = losses.data();
  std::vector<std::vector<double>> final_values, buffers, gradients;
  for (const Param* p : job.block) {
    final_values.emplace_back(p->value.values.size());
    buffers.emplace_back(p->value.values.size());
    gradients.emplace_back(p->value.values.size());
  }
  for (std::size_t b = 0; b < job.block.size(); ++b) {
    r.final[b] = final_values[b].data();
    r.final_buf[b] = buffers[b].data();
    r.final_gradient[b] = gradients[b].data();
  }
  const Outcome outcome = run(task, r);
  for (std::size_t b = 0; b < job.block.size(); ++b) {
    computed["final." + job.block[b]->name] = final_values[b];
    if (task.rule != RuleKind::sgd) computed["final_buf." + job.block[b]->name] = buffers[b];
    if (job.block[b]->name == "bk") computed["key_bias_gradient_at_end"] = gradients[b];
  }
  computed["final_full_loss"] = {r.final_full_loss};
  if (task.clip != Clip::none) computed["steps_clipped"] = {static_cast<double>(r.steps_clipped)};
  name_charges(job, r, computed);
  if (d.angular > 0 && task.rule != RuleKind::sgd) {
    computed["angular_before"].assign(r.angular_before, r.angular_before + d.angular);
    computed["angular_after"].assign(r.angular_after, r.angular_after + d.angular);
    computed["angular_factor_per_step"] = {r.angular_factor};
  }
  if (!d.certified) return outcome;
  // The kind's support are the weights above 1e-6; its margin is that of the removed ones, 0 for the others.
  auto &support = computed["support"], &margin = computed["margin"];
  computed["w"].assign(r.weight, r.weight + d.inputs);
  computed["gradient"].assign(r.gradient, r.gradient + d.inputs);
  for (int i = 0; i < d.inputs; ++i) {
    const bool stays = r.weight[i] > 1e-6 || r.weight[i] < -1e-6;
    support.push_back(stays ? 1 : 0);
    margin.push_back(stays ? 0 : r.margin[i]);
  }
  return outcome;
}

Verdict compare(const Case& c, const Computed& computed, double Expectation::*tolerance) {
  double worst = -1;
  std::string where, missed;
  int misses = 0;
  for (const Expectation& e : c.expected) {
    const auto found = computed.find(e.path);
    if (found == computed.end()) return {State::unsupported, "nothing computes expected." + io::shown_path(e.path)};
    if (found->second.size() != e.values.size())
      return {State::failed,
              fmt::format("{}: {} values, expected {}", io::shown_path(e.path), found->second.size(), e.values.size())};
    for (std::size_t i = 0; i < e.values.size(); ++i) {
      const double got = found->second[i],
                   error = (got > e.values[i] ? got - e.values[i] : e.values[i] - got) / (e.*tolerance);
      if (!(error <= 1)) ++misses;
      if (error <= worst || std::isnan(worst)) continue;
      worst = error;
      where = io::shown_path(e.path);
      missed =
          fmt::format("{}[{}] = {:.15g}, expected {:.15g}, tolerance {:.3g}", where, i, got, e.values[i], e.*tolerance);
    }
  }
  if (misses > 0) return {State::failed, fmt::format("{} of its numbers; the worst {}", misses, missed)};
  return {State::passed, fmt::format("{:.2g} of the tolerance at {}", worst, where)};
}

Verdict judge(const Job& job, const char* target, bool single) {
  if (!job.runs()) return {State::unsupported, job.unsupported};
  Computed computed;
  const Outcome outcome = job.about->compute
                              ? job.about->compute(target, single, computed)
                              : compute(job, single ? job.runner->run_f32 : job.runner->run_f64, computed);
  if (outcome.status == Status::bad_rate) return {State::unsupported, "Emmy refuses these rates"};
  if (outcome.status != Status::ok)
    return {State::failed, fmt::format("step {}: {}", outcome.step, to_string(outcome.status))};
  return compare(*job.about, computed, single ? &Expectation::tolerance_f32 : &Expectation::tolerance_f64);
}

std::string describe(const char* scalar, const Verdict& verdict, Counts& counts) {
  switch (verdict.state) {
    case State::passed: ++counts.passed; return fmt::format("{} ok ({})", scalar, verdict.text);
    case State::failed: ++counts.failed; return fmt::format("{} FAILED ({})", scalar, verdict.text);
    case State::unsupported: break;
  }
  ++counts.unsupported;
  return fmt::format("{} unsupported ({})", scalar, verdict.text);
}

void print_totals(const char* scalar, const Counts& counts) {
  fmt::print("{}: {} passed, {} failed, {} unsupported\n", scalar, counts.passed, counts.failed, counts.unsupported);
}

int complain(const std::string& message) {
  fmt::print(stderr, "emmy golden: {}\n", message);
  return 2;
}

// The compiled kinds for a target; none where it is not there.
std::vector<const Runner*> find_runners(const char* target) {
  std::vector<const Runner*> all{find_table<Mlp1Relu>(target),
                                 find_table<Mlp1Adaptive>(target),
                                 find_table<Mlp1Wide>(target),
                                 find_table<Mlp2Adaptive>(target),
                                 find_table<Mlp1Leaky>(target),
                                 find_table<Mlp1Exp>(target),
                                 find_table<Mlp1ReluSquared>(target),
                                 find_table<Mlp2Relu>(target),
                                 find_table<ProductUnitRelu>(target),
                                 find_table<SparseProduct>(target),
                                 find_table<Conv1dChannels>(target),
                                 find_table<LayerNormScale>(target),
                                 find_table<LayerNormBias>(target),
                                 find_table<LayerNormEpsilon32>(target),
                                 find_table<LayerNormEpsilon64>(target),
                                 find_table<LayerNormEpsilon128>(target),
                                 find_table<RmsNormScale>(target),
                                 find_table<BatchNormScale>(target),
                                 find_table<BatchNormEpsilon32>(target),
                                 find_table<BatchNormEpsilon64>(target),
                                 find_table<BatchNormEpsilon128>(target),
                                 find_table<SwiGluKind>(target),
                                 find_table<Linear3>(target),
                                 find_table<LoraKind>(target),
                                 find_table<RnnRelu>(target),
                                 find_table<AttentionKind>(target),
                                 find_table<AttentionRope>(target)};
  if (std::find(all.begin(), all.end(), nullptr) != all.end()) all.clear();
  return all;
}

int complain_of_target(const std::string& wanted) {
  std::vector<std::string> there;
  for (const char* name : {"scalar", "sse4", "avx2", "avx3"})
    if (!find_runners(name).empty()) there.emplace_back(name);
  return complain(fmt::format("this CPU or build has no golden nets for target {} (it has {})", io::quoted(wanted),
                              fmt::join(there, ", ")));
}

int run_files(const app::GoldenOptions& options) {
  const std::string wanted = app::wanted_target(options.target);
  const std::vector<const Runner*> runners = find_runners(wanted.empty() ? nullptr : wanted.c_str());
  if (runners.empty()) return complain_of_target(wanted);
  if (options.files.empty()) return complain("no file of golden cases");
  std::vector<Case> cases;
  for (const std::string& file : options.files) {
    auto read = read_cases(file);
    if (!read) return complain(read.error().message);
    std::move(read->begin(), read->end(), std::back_inserter(cases));
  }
  std::vector<Job> jobs;
  for (const Case& c : cases) {
    auto job = prepare(c, runners);
    if (!job) return complain(job.error().message);
    jobs.push_back(std::move(*job));
  }
  Counts f64, f32;
  fmt::print("target: {} ({})\n", runners[0]->target, runners[0]->backend);
  for (const Job& job : jobs) {
    const std::string name = options.files.size() > 1 ? job.about->file + ": " + job.about->name : job.about->name;
    const std::string first = describe("f64", judge(job, runners[0]->target, false), f64),
                      second = describe("f32", judge(job, runners[0]->target, true), f32);
    if (!job.runs()) fmt::print("{:<30} unsupported: {}\n", name, io::shown_path(job.unsupported));
    else fmt::print("{:<30} {}; {}\n", name, first, second);
  }
  print_totals("f64", f64);
  print_totals("f32", f32);
  return f64.failed + f32.failed > 0 ? 1 : 0;
}

}  // namespace
}  // namespace emmy::golden

namespace emmy::app {

int run_golden(const GoldenOptions& options) { return golden::run_files(options); }

}  // namespace emmy::app
