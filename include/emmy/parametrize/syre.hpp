// Symmetry removal: weights = parameters + a fixed offset, decay on the parameters alone.
//
//   theta = phi + theta_0,   loss(phi + theta_0) + (lam / 2) |phi|^2
//
// No mirror of the loss is one of the decay then, so units that a symmetry would keep equal or dead come apart. Offset is a type
// with  static constexpr double at(int row, int out)  (rows as in the layer's blocks, of a Dense input by input, then the bias) or
// RandomOffset, which keeps nothing: each number is made from its place when it is needed.
// Source: theory.md section 4 (syre). Test: tests/parametrize/materialised_test.cpp.
#pragma once

#include <cstdint>

#include <emmy/parametrize/materialised.hpp>

namespace emmy {

template <class Offset>
struct Syre {
  static constexpr bool kMaterialises = true, kMultiplies = false;
  static constexpr int kAmplifies = 1;
};

// Uniform in (-Numerator / Denominator, Numerator / Denominator): the variance is a third of the square.
template <int Numerator, int Denominator, int Seed = 1>
struct RandomOffset {
  template <class S = double>
  static constexpr S at(int row, int out) noexcept {
    // The finaliser of MurmurHash3 on place and seed; 24 bits are exact in either scalar.
    std::uint32_t h = static_cast<std::uint32_t>(row) * 0x9e3779b9u + static_cast<std::uint32_t>(out) * 0x85ebca6bu +
                      static_cast<std::uint32_t>(Seed);
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    h ^= h >> 16;
    return (S(h >> 8) * S(0x1p-23) - S(1) + S(0x1p-24)) * S(Numerator) / S(Denominator);
  }
};

template <class Offset, class M>
consteval auto blocks_of_parameters(Syre<Offset>, M) {
  return detail::in_role(M::kList, Role::latent);
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <class M, class Offset, class S>
EMMY_INLINE void compose(Syre<Offset>, const S* params, S* w) noexcept {
  for (int i = 0; i < M::kSize; ++i) w[i] = params[i];
  for (int row = 0; row < M::kRows; ++row)
    for (int out = 0; out < M::kCols; ++out) {
      if constexpr (requires { Offset::template at<S>(row, out); })
        w[M::at(row, out)] += Offset::template at<S>(row, out);
      else w[M::at(row, out)] += static_cast<S>(Offset::at(row, out));
    }
}
template <class M, class Offset, class S, class Visitor>
EMMY_INLINE void pull_back(Syre<Offset>, const S*, S* g, Visitor& visitor) noexcept {
  inner::visit_blocks<0, M>(static_cast<const S*>(g), visitor);
}
template <class M, class Offset, class S>
EMMY_INLINE void decompose(Syre<Offset>, S*) noexcept {}

}  // namespace emmy::inline EMMY_TARGET
