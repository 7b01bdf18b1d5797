// Compiled by export_test.cpp together with a header that emmy export wrote, which comes in as EXPORTED.
#include EXPORTED

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace {

using namespace emmy_model;

#ifdef PAIR  // two layers in the place of the first one
constexpr int kSite = 1;
constexpr auto& kBias = blocks::kBias1;
constexpr auto& kHeadBias = blocks::kBias3;
#else
constexpr int kSite = 0;
constexpr auto& kBias = blocks::kBias0;
constexpr auto& kHeadBias = blocks::kBias2;
#endif
constexpr float kFirst = kParams.bias<emmy::Layer<kSite>>(0);  // a constant expression: the whole object is one
static_assert(kFirst == kBias[0]);
static_assert(alignof(decltype(kParams)) >= 16);
static_assert(kPairs == 16);

constexpr int kIn = 64, kOut = 10, kHidden = sizeof(kBias) / sizeof(float);

// W[i, o] of a layer from its array.
template <int Out, class Bias>
double weight(emmy::Dense<Out, Bias>, const float* w, int i, int o) {
  return static_cast<double>(w[i * Out + o]);
}
template <int Out, class Pattern, class Bias>
double weight(emmy::BlockSparse<Out, Pattern, Bias>, const float* w, int i, int o) {
  int k = 0;
  for (int row = 0; row < o / 4; ++row) k += Pattern::kCount[row];
  for (int n = 0; n < Pattern::kCount[o / 4]; ++n)
    if (Pattern::kInput[k + n] == i) return static_cast<double>(w[4 * (k + n) + o % 4]);
  return 0;
}
constexpr emmy::node_at<Net, kSite>::layer kFirstLayer{};
constexpr emmy::node_at<Net, kSite + 2>::layer kSecondLayer{};
#ifdef PAIR
double first(int i, int j) {
  constexpr int kRank = sizeof(blocks::kWeights0) / sizeof(float) / kIn;
  double w = 0;
  for (int r = 0; r < kRank; ++r)
    w += static_cast<double>(blocks::kWeights0[i * kRank + r]) * weight(kFirstLayer, blocks::kWeights1, r, j);
  return w;
}
double second(int j, int o) { return weight(kSecondLayer, blocks::kWeights3, j, o); }
#else
double first(int i, int j) { return weight(kFirstLayer, blocks::kWeights0, i, j); }
double second(int j, int o) { return weight(kSecondLayer, blocks::kWeights2, j, o); }
#endif

// The net as plain loops over the blocks.
void reference(const float* x, double* y) {
  double h[kHidden];
  for (int j = 0; j < kHidden; ++j) {
    h[j] = static_cast<double>(kBias[j]);
    for (int i = 0; i < kIn; ++i) h[j] += static_cast<double>(x[i]) * first(i, j);
    h[j] = std::max(h[j], 0.0);
  }
  for (int o = 0; o < kOut; ++o) {
    y[o] = static_cast<double>(kHeadBias[o]);
    for (int j = 0; j < kHidden; ++j) y[o] += h[j] * second(j, o);
  }
}

}  // namespace

// Line 1: width and backend. Line 2: the stated outputs. Status 1 where a pair is off by more than 1e-5 of its row.
int main() {
  static emmy::Scratch<Net, 1, emmy::Infer> scratch;
  static emmy::Buffers<Net> buffers;
  double worst = 0;
  for (int p = 0; p < kPairs; ++p) {
    float y[kOut];
    double exact[kOut], largest = 0;
    if (emmy::infer<Net, 1>(kParams, buffers, scratch, kInputs + p * kIn, y) != emmy::Status::ok) return 2;
    reference(kInputs + p * kIn, exact);
    for (const double v : exact) largest = std::max(largest, std::abs(v));
    if (!(largest > 0)) return 3;
    for (int o = 0; o < kOut; ++o) {
      const auto stated = static_cast<double>(kOutputs[p * kOut + o]);
      worst = std::max(
          {worst, std::abs(static_cast<double>(y[o]) - stated) / largest, std::abs(exact[o] - stated) / largest});
    }
  }
  std::printf("%d %s %.3g\n", kHidden, EMMY_BACKEND_NAME, worst);
  for (const float v : kOutputs) std::printf("%.9g ", static_cast<double>(v));
  std::printf("\n");
  return worst <= 1e-5 ? 0 : 1;
}
