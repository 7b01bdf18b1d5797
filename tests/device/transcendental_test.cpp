// exp, log, tanh, sigmoid of the board's backend in units in the last place, and at their limits.
#include <emmy/core/random.hpp>
#include <emmy/kernels/transcendental.hpp>
#include <tests/device/check.hpp>
#include <tests/device/reference.hpp>

#include <limits>

namespace {

namespace simd = emmy::simd;
constexpr int kMost = 64, kRounds = 100;
alignas(64) float in[kMost], out[kMost];
emmy::Pcg32 rng{3};

// The distance of neighbours of `x` in float, above the smallest normal.
double ulp(double x) {
  const auto exponent = static_cast<int>(std::bit_cast<std::uint64_t>(check::size(x)) >> 52) - 1023;
  return reference::power_of_two((exponent < -126 ? -126 : exponent) - 23);
}

template <class Function>
void apply(Function function) {
  simd::store(function(simd::load(in)), out);
}

template <class Function, class Reference>
void accuracy(const char* name, Function function, Reference wanted, float low, float high, double bound) {
  double worst = 0;
  const int lanes = static_cast<int>(simd::lanes<float>());
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kMost; ++i) in[i] = low + (high - low) * rng.uniform();
    apply(function);
    for (int i = 0; i < (lanes < 4 ? lanes : 4); ++i) {
      const double exact = wanted(check::wide(in[i])), error = check::size(check::wide(out[i]) - exact) / ulp(exact);
      worst = error > worst || error != error ? error : worst;
    }
  }
  emmy::platform::print("- ", name, " from ", low, " to ", high, ": ", static_cast<float>(worst), " ulp, allowed ",
                        static_cast<float>(bound), "\n");
  check::count(worst <= bound, name, 0);
}

template <class Function>
void limit(const char* name, Function function, float x, float wanted) {
  for (float& v : in) v = x;
  asm volatile("" ::
                   : "memory");  // not a vector made from one number: clang 19 then turns gt(a, b) into lt(b, a), and
                                 // MVE's lt holds for NaN
  apply(function);
  if (wanted != wanted) check::count(out[0] != out[0], name, 0);
  else check::same_bits(out[0], wanted, name, 0);
}

// The logarithm of one number has the bits of the vector's.
template <class T>
void log_of_one() {
  if constexpr (emmy::transcendental::kHasLogOfOne) {
    namespace one = emmy::transcendental;
    const auto check = [](T x) {
      T lanes[emmy::padded<T>(1)];
      emmy::simd::store(emmy::log_of_normal(emmy::simd::set(x)), lanes);
      CHECK_BITS(one::log_of_one(x), lanes[0]);
    };
    for (T x = 1; x < 40; x += T(0.0371)) check(x);
    for (T x = T(0x1p-126); x < T(0x1p120); x *= T(1.37)) check(x);
    constexpr T kNotFinite[] = {std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()};
    for (const T x : kNotFinite) CHECK(one::log_of_one(x) != one::log_of_one(x));
  }
}

}  // namespace

int main() {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  const auto exp = [](auto v) { return emmy::exp(v); };
  const auto log = [](auto v) { return emmy::log(v); };
  const auto tanh = [](auto v) { return emmy::tanh(v); };
  const auto sigmoid = [](auto v) { return emmy::sigmoid(v); };
  accuracy("exp", exp, reference::exp, -1.0f, 1.0f, 1.5);
  accuracy("exp", exp, reference::exp, -87.0f, 88.0f, 1.5);
  accuracy("log", log, reference::log, 0.5f, 2.0f, 1.5);
  accuracy("log", log, reference::log, 1e-30f, 1e4f, 1.5);
  accuracy("tanh", tanh, reference::tanh, -1.0f, 1.0f, 3);
  accuracy("tanh", tanh, reference::tanh, -12.0f, 12.0f, 3);
  accuracy("tanh", tanh, reference::tanh, -1e-3f, 1e-3f, 3);
  accuracy("sigmoid", sigmoid, reference::sigmoid, -2.0f, 2.0f, 3);
  accuracy("sigmoid", sigmoid, reference::sigmoid, -80.0f, 20.0f, 3);
  limit("exp", exp, 0.0f, 1.0f);
  limit("exp", exp, 89.0f, kInfinity);
  limit("exp", exp, -kInfinity, 0.0f);
  limit("exp", exp, kNan, kNan);
  limit("log", log, 1.0f, 0.0f);
  limit("log", log, 0.0f, -kInfinity);
  limit("log", log, -1.0f, kNan);
  limit("log", log, kInfinity, kInfinity);
  limit("tanh", tanh, -0.0f, -0.0f);
  limit("tanh", tanh, kInfinity, 1.0f);
  limit("tanh", tanh, -30.0f, -1.0f);
  limit("tanh", tanh, kNan, kNan);
  limit("sigmoid", sigmoid, 0.0f, 0.5f);
  limit("sigmoid", sigmoid, -kInfinity, 0.0f);
  limit("sigmoid", sigmoid, kInfinity, 1.0f);
  log_of_one<float>();
  return check::end();
}
