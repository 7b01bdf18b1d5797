// The nets of emmy reproduce --digits --save, trained, with weights in flash: EMMY_BENCH_NETS is their nets.hpp. Each is checked with the
// outputs that came with it; tools/blocks_table.py links emmy_bench_infer_<net> alone for flash and counts its instructions.
#include EMMY_BENCH_NETS

#include <bench/arm/export.hpp>
#include <platforms/text.hpp>

namespace {

template <class Net>
EMMY_INLINE int infer(const emmy::Params<Net>& params, emmy::Scratch<Net, 1, emmy::Infer>& scratch, const float* x,
                      float* y) {
  emmy::Buffers<Net> none;
  return static_cast<int>(emmy::infer<Net, 1>(params, none, scratch, x, y));
}

// Infer is called by its name, which count_instructions.py looks for.
template <class Net, int (*Infer)(const float*, float*), int Count>
int check(const char* name, const float (&want)[Count]) {
  constexpr int kClasses = Count / emmy_models::kPairs, kInputs = Net::kInputs;
  float worst = 0, largest = 0;
  for (int p = 0; p < emmy_models::kPairs; ++p) {
    float y[kClasses];
    if (Infer(emmy_models::kInputs + p * kInputs, y) != 0) return 1;
    for (int o = 0; o < kClasses; ++o) {
      const float wanted = want[p * kClasses + o], off = y[o] > wanted ? y[o] - wanted : wanted - y[o];
      worst = off > worst ? off : worst;
      largest = wanted > largest ? wanted : largest;
    }
  }
  emmy::platform::print("emmy_bench_infer_", name, " calls ", emmy_models::kPairs, "\n", name, " off by ", worst, "\n");
  return worst < 1e-5f * largest ? 0 : 1;
}

}  // namespace

#define EMMY_BENCH_NET(name)                                                        \
  namespace {                                                                       \
  constinit emmy::Scratch<emmy_models::name::Net, 1, emmy::Infer> scratch_##name{}; \
  }                                                                                 \
  EMMY_BENCH_EXPORT int emmy_bench_infer_##name(const float* x, float* y) {         \
    return infer(emmy_models::name::kParams, scratch_##name, x, y);                 \
  }
EMMY_MODELS(EMMY_BENCH_NET)

int main() {
#define EMMY_BENCH_CHECK(name) \
  +check<emmy_models::name::Net, emmy_bench_infer_##name>(#name, emmy_models::name::kOutputs)
  return 0 EMMY_MODELS(EMMY_BENCH_CHECK);
}
