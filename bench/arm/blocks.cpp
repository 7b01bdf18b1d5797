// The nets of docs/constraints.md that a constraint makes of 64-32-10, with weights in flash: dense, without the zero ones of its blocks of
// four, without 14 or 16 of its units, with a first layer of rank 9 and with one of mirrored pairs. Weights and pattern are drawn. It checks each against plain loops; tools/blocks_table.py
// links emmy_bench_infer_<net> alone for flash and counts its instructions.
#include <emmy/emmy.hpp>
#include <emmy/layers/mirrored.hpp>

#include <cstdint>

#include <bench/arm/export.hpp>
#include <platforms/text.hpp>

namespace bench {

constexpr int kInputs = 64, kHidden = 32, kClasses = 10;
// 50.8 % of the multiply-adds: (4 kBlocks + kHidden kClasses) / ((kInputs + kClasses) kHidden)
constexpr int kBlocks = 221, kAll = kInputs * kHidden / 4;

struct Random {
  unsigned state = 7;
  constexpr unsigned below(unsigned n) {
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % n;
  }
  constexpr float weight() { return (static_cast<float>(below(2001)) - 1000.0f) * 0x1p-12f; }
};

// kBlocks of all blocks, any of them as likely as the others.
struct Drawn {
  std::uint8_t count[kHidden / 4] = {}, input[kBlocks] = {};
};
consteval Drawn draw() {
  Drawn d;
  Random random;
  for (int k = 0, n = 0; k < kAll; ++k)
    if (static_cast<int>(random.below(static_cast<unsigned>(kAll - k))) < kBlocks - n) {
      ++d.count[k / kInputs];
      d.input[n++] = static_cast<std::uint8_t>(k % kInputs);
    }
  return d;
}
constexpr Drawn kDrawn = draw();
struct Pattern {
  static constexpr const auto& kCount = kDrawn.count;
  static constexpr const auto& kInput = kDrawn.input;
};

using Blocks = emmy::Net<emmy::Input<kInputs>, emmy::BlockSparse<kHidden, Pattern>, emmy::Relu, emmy::Dense<kClasses>>;
template <int Live>
using Units = emmy::Net<emmy::Input<kInputs>, emmy::Dense<Live>, emmy::Relu, emmy::Dense<kClasses>>;
using Dense = Units<kHidden>;
using Rank = emmy::Net<emmy::Input<kInputs>, emmy::Dense<9, emmy::NoBias>, emmy::Dense<kHidden>, emmy::Relu,
                       emmy::Dense<kClasses>>;
struct LeftRight {  // of an image of 8 x 8
  static constexpr emmy::Signed of(int i) { return {i / 8 * 8 + 7 - i % 8, 1}; }
};
struct SwapPairs {
  static constexpr emmy::Signed of(int j) { return {kHidden - 1 - j, 1}; }
};
using Mirror =
    emmy::Net<emmy::Input<kInputs>, emmy::Mirrored<kHidden, LeftRight, SwapPairs>, emmy::Relu, emmy::Dense<kClasses>>;

template <class Net>
consteval emmy::Params<Net> weights() {
  emmy::Params<Net> params{};
  Random random;
  for (const auto& b : emmy::kPlan<Net>.block)
    for (int i = 0; i < b.rows; ++i)
      for (int o = 0; o < b.cols; ++o) params.data[b.at(i, o)] = random.weight();
  return params;
}
constexpr emmy::Params<Dense> kDense = weights<Dense>();
constexpr emmy::Params<Blocks> kSparse = weights<Blocks>();
constexpr emmy::Params<Units<18>> kUnits18 = weights<Units<18>>();
constexpr emmy::Params<Units<16>> kUnits16 = weights<Units<16>>();
constexpr emmy::Params<Rank> kRank = weights<Rank>();
constexpr emmy::Params<Mirror> kMirror = weights<Mirror>();

constinit emmy::Scratch<Dense, 1, emmy::Infer> dense{};
constinit emmy::Scratch<Blocks, 1, emmy::Infer> blocks{};
constinit emmy::Scratch<Units<18>, 1, emmy::Infer> units18{};
constinit emmy::Scratch<Units<16>, 1, emmy::Infer> units16{};
constinit emmy::Scratch<Rank, 1, emmy::Infer> rank{};
constinit emmy::Scratch<Mirror, 1, emmy::Infer> mirror{};

template <class Net>
EMMY_INLINE int infer(const emmy::Params<Net>& params, emmy::Scratch<Net, 1, emmy::Infer>& scratch, const float* x,
                      float* y) {
  emmy::Buffers<Net> none;
  return static_cast<int>(emmy::infer<Net, 1>(params, none, scratch, x, y));
}

}  // namespace bench

EMMY_BENCH_EXPORT int emmy_bench_infer_dense(const float* x, float* y) {
  return bench::infer(bench::kDense, bench::dense, x, y);
}
EMMY_BENCH_EXPORT int emmy_bench_infer_blocks(const float* x, float* y) {
  return bench::infer(bench::kSparse, bench::blocks, x, y);
}
EMMY_BENCH_EXPORT int emmy_bench_infer_units18(const float* x, float* y) {
  return bench::infer(bench::kUnits18, bench::units18, x, y);
}
EMMY_BENCH_EXPORT int emmy_bench_infer_units16(const float* x, float* y) {
  return bench::infer(bench::kUnits16, bench::units16, x, y);
}
EMMY_BENCH_EXPORT int emmy_bench_infer_rank(const float* x, float* y) {
  return bench::infer(bench::kRank, bench::rank, x, y);
}
EMMY_BENCH_EXPORT int emmy_bench_infer_mirror(const float* x, float* y) {
  return bench::infer(bench::kMirror, bench::mirror, x, y);
}

namespace {

using namespace bench;
using emmy::platform::print;

// W[i, o] and b[o] of the first layer.
template <class Net>
double first_weight(const emmy::Params<Net>& params, int o, int i) {
  return static_cast<double>(params.template weight<emmy::Layer<0>>(o, i));
}
double first_weight(const emmy::Params<Blocks>& params, int o, int i) {
  int k = 0;
  for (int row = 0; row < o / 4; ++row) k += Pattern::kCount[row];
  for (int n = 0; n < Pattern::kCount[o / 4]; ++n, ++k)
    if (Pattern::kInput[k] == i) return static_cast<double>(params.data[4 * emmy::block_place<Pattern>(k) + o % 4]);
  return 0;
}
double first_weight(const emmy::Params<Rank>& params, int o, int i) {
  double sum = 0;
  for (int r = 0; r < emmy::kPlan<Rank>.tensor[1].channels; ++r)
    sum += static_cast<double>(params.weight<emmy::Layer<0>>(r, i)) *
           static_cast<double>(params.weight<emmy::Layer<1>>(o, r));
  return sum;
}
// Of sums and of differences of a pair, (V + U) / 2 to the unit of its own side, (V - U) / 2 to the other.
double first_weight(const emmy::Params<Mirror>& params, int o, int i) {
  const bool right = i % 8 > 3, second = o >= kHidden / 2;
  const int from = i / 8 * 4 + (right ? 7 - i % 8 : i % 8), to = second ? kHidden - 1 - o : o;
  const auto at = [&](int b) {
    const auto& block = emmy::kPlan<Mirror>.block[b];
    return static_cast<double>(params.data[block.at(from, to)]);
  };
  return (right == second ? at(0) + at(1) : at(0) - at(1)) / 2;
}
template <class Net>
double first_bias(const emmy::Params<Net>& params, int o) {
  return static_cast<double>(params.template bias<emmy::Layer<__is_same(Net, Rank) ? 1 : 0>>(o));
}
double first_bias(const emmy::Params<Mirror>& params, int o) {
  return static_cast<double>(
      params.data[emmy::kPlan<Mirror>.block[2].offset + (o < kHidden / 2 ? o : kHidden - 1 - o)]);
}

template <class Net>
int check(const char* name, const emmy::Params<Net>& params, int (*infer)(const float*, float*)) {
  constexpr int kHead = Net::kNodes - 1, kWidth = emmy::kPlan<Net>.tensor[kHead].channels, kInferences = 20;
  Random random{3};
  double worst = 0;
  for (int n = 0; n < kInferences; ++n) {
    float x[kInputs], y[kClasses];
    double h[kWidth];
    for (float& v : x) v = random.weight() * 4;
    if (infer(x, y) != 0) return 1;
    for (int j = 0; j < kWidth; ++j) {
      h[j] = first_bias(params, j);
      for (int i = 0; i < kInputs; ++i) h[j] += static_cast<double>(x[i]) * first_weight(params, j, i);
      h[j] = h[j] > 0 ? h[j] : 0;
    }
    for (int o = 0; o < kClasses; ++o) {
      double sum = static_cast<double>(params.template bias<emmy::Layer<kHead>>(o)) - static_cast<double>(y[o]);
      for (int j = 0; j < kWidth; ++j)
        sum += h[j] * static_cast<double>(params.template weight<emmy::Layer<kHead>>(o, j));
      worst = sum > worst ? sum : -sum > worst ? -sum : worst;
    }
  }
  print("emmy_bench_infer_", name, " calls ", kInferences, "\n", name, " off by ", static_cast<float>(worst), "\n");
  return worst < 1e-5 ? 0 : 1;  // outputs are about 1
}

}  // namespace

int main() {
  return check("dense", kDense, emmy_bench_infer_dense) + check("blocks", kSparse, emmy_bench_infer_blocks) +
         check("units18", kUnits18, emmy_bench_infer_units18) + check("units16", kUnits16, emmy_bench_infer_units16) +
         check("rank", kRank, emmy_bench_infer_rank) + check("mirror", kMirror, emmy_bench_infer_mirror);
}
