// Two linear layers, or two sides of an attention head, to the balance q I (symmetry/balance.hpp), while their product stays as it is.
//
// With M = W'W + b'b of the first side and N = V V' of the second, units x units, the first lines are mixed by A, the second by A^-1:
// A symmetric and positive so that A^-1 N A^-1 - A M A = q I. That is N - X M X = q X for X = A^2:
//   q >= 0   X^-1 = N^-1/2 (q/2 + (N^1/2 M N^1/2 + q^2/4)^1/2) N^-1/2
//   q < 0    X    = M^-1/2 (-q/2 + (M^1/2 N M^1/2 + q^2/4)^1/2) M^-1/2
// two forms of one, neither of which subtracts. Roots by the one-sided Jacobi rotations of kernels/jacobi.hpp.
// Buffers of gradients are mixed by A^-1 and A; second moments by the squares of their entries, as if the gradients of different
// units were uncorrelated. Gradients are tangent already (Noether). Cost: some 10 units^3 a rotation sweep, for now and then.
// Status: not_finite; rank_deficient (the side whose root is divided by, or their product where q = 0, has not the rank of the units: with
// more units than inputs M has not); then nothing has moved. Memory: six matrices of units x units on the stack.
// Source: theory.md section 5. Test: tests/project/balance_test.cpp.
#pragma once

#include <emmy/kernels/jacobi.hpp>
#include <emmy/net/companions.hpp>
#include <emmy/project/lines.hpp>
#include <emmy/symmetry/balance.hpp>

namespace emmy {

// What the first lines are mixed by, and the second: A and A^-1.
template <class Net, class Site>
struct Mixing {
  using S = typename Net::scalar;
  static constexpr Charge kMatrix = matrix_of<Net>(Balance<Site>{});
  static_assert(!kMatrix.by_plane,
                "emmy: with rotary positions only turns of planes leave a head as it is: no matrix balances it");
  static_assert(kMatrix.units <= 64, "emmy: rebalance takes pairs of up to 64 units");
  static constexpr int kUnits = kMatrix.units, kStride = padded<S>(kUnits), kSize = kUnits * kStride;
  alignas(kAlign<S>) S to[kSize];
  alignas(kAlign<S>) S back[kSize];
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

// A symmetric matrix without negative eigenvalues by its eigenvectors, the rows of q.
template <int Units, class S>
struct Spectrum {
  static constexpr int kStride = padded<S>(Units), kSize = Units * kStride;
  alignas(kAlign<S>) S q[kSize];
  S value[Units];

  // Destroys m, whose two halves may differ by rounding.
  bool find(S* m) noexcept {
    for (int i = 0; i < Units; ++i)
      for (int j = 0; j < i; ++j)
        m[i * kStride + j] = m[j * kStride + i] = S(0.5) * (m[i * kStride + j] + m[j * kStride + i]);
    if (!is_finite(sum_squares(m, kSize)) || !orthogonalise<Units, Units>(m, q)) return false;
    for (int k = 0; k < Units; ++k) value[k] = root(sum_squares(m + k * kStride, Units));
    return true;
  }
  bool is_singular() const noexcept {
    constexpr S kLeast = S(16 * Units) * kRoundoff<S>;
    S most = 0, least = value[0];
    for (const S v : value) most = v > most ? v : most, least = v < least ? v : least;
    return !(least > kLeast * most);
  }
  // m = sum_k f(value_k) q_k' q_k
  template <class F>
  void make(F f, S* m) const noexcept {
    clear(m, kSize);
    for (int k = 0; k < Units; ++k)
      for (int i = 0; i < Units; ++i)
        add_scaled(f(value[k]) * q[k * kStride + i], q + k * kStride, kStride, m + i * kStride);
  }
};

// c = a b, Units x Units; c is neither.
template <int Units, class S>
EMMY_INLINE void product(const S* a, const S* b, S* c) noexcept {
  constexpr int kStride = padded<S>(Units);
  clear(c, Units * kStride);
  for (int i = 0; i < Units; ++i)
    for (int k = 0; k < Units; ++k) add_scaled(a[i * kStride + k], b + k * kStride, kStride, c + i * kStride);
}

// How the lines of part `Index` lie: entry e of unit i at first + i * unit + e * entry.
template <class Net, class Site, int Index>
struct MixedPart {
  using S = typename Net::scalar;
  using M = Mixing<Net, Site>;
  static constexpr ChargePart kPart = M::kMatrix.part[Index];
  static constexpr auto kBlock = kPlan<Net>.block[kPart.block];
  static constexpr bool kAlongRows = kBlock.in_memory(kPart.axis) == Axis::row;
  static constexpr bool kOfBias = kPart.count > 0 && kBlock.role == Role::bias;  // some of its columns
  static constexpr int kFrom = kBlock.offset + kPart.first * (kOfBias ? 1 : kBlock.width);
  static constexpr int kUnit = kAlongRows ? kBlock.width : 1, kEntry = kAlongRows ? 1 : kBlock.width;
  static constexpr int kEntries = kOfBias           ? 1
                                  : kAlongRows      ? kBlock.line_length()
                                  : kPart.count > 0 ? kPart.count
                                                    : kBlock.lines;
  static constexpr bool kIsFirst = kPart.weight.numerator < 0;

  // gram += lines lines'
  static void add_gram(const S* data, S* gram) noexcept {
    alignas(kAlign<S>) S line[M::kStride] = {};
    for (int e = 0; e < kEntries; ++e) {
      for (int i = 0; i < M::kUnits; ++i) line[i] = data[kFrom + i * kUnit + e * kEntry];
      for (int i = 0; i < M::kUnits; ++i) add_scaled(line[i], line, M::kStride, gram + i * M::kStride);
    }
  }
  // lines := m lines, m symmetric
  static void mix(const S* m, S* data) noexcept {
    alignas(kAlign<S>) S line[M::kStride];
    for (int e = 0; e < kEntries; ++e) {
      clear(line, M::kStride);
      for (int i = 0; i < M::kUnits; ++i)
        add_scaled(data[kFrom + i * kUnit + e * kEntry], m + i * M::kStride, M::kStride, line);
      for (int i = 0; i < M::kUnits; ++i) data[kFrom + i * kUnit + e * kEntry] = line[i];
    }
  }
};
template <class Net, class Site, class F>
EMMY_INLINE void for_mixed_parts(F f) noexcept {
  [&]<int... I>(std::integer_sequence<int, I...>) EMMY_LAMBDA { (f(MixedPart<Net, Site, I>{}), ...); }
  (std::make_integer_sequence<int, Mixing<Net, Site>::kMatrix.parts>{});
}

}  // namespace inner

// A and A^-1 for the balance q I. Moves nothing.
template <class Net, class Site>
Status find_mixing(const Params<Net>& params, typename Net::scalar q, Mixing<Net, Site>& mixing) noexcept {
  using S = typename Net::scalar;
  using M = Mixing<Net, Site>;
  constexpr int kUnits = M::kUnits, kSize = M::kSize;
  if (!is_finite(q * q)) return Status::not_finite;
  // Of the side that is divided by, and of the other.
  alignas(kAlign<S>) S own[kSize] = {}, other[kSize] = {}, half[kSize], work[kSize];
  inner::for_mixed_parts<Net, Site>(
      [&](auto part) EMMY_LAMBDA { part.add_gram(params.data, decltype(part)::kIsFirst == (q < S(0)) ? own : other); });
  inner::Spectrum<kUnits, S> spectrum;
  if (!spectrum.find(own)) return Status::not_finite;
  if (spectrum.is_singular()) return Status::rank_deficient;
  spectrum.make([](S v) { return root(v); }, half);
  inner::product<kUnits>(half, other, work);
  inner::product<kUnits>(work, half, other);  // own^1/2 other own^1/2
  spectrum.make([](S v) { return S(1) / root(v); }, half);
  if (!spectrum.find(other)) return Status::not_finite;
  if (q == S(0) && spectrum.is_singular()) return Status::rank_deficient;
  const S size = q < S(0) ? -q : q;
  spectrum.make([size](S v) { return S(0.5) * size + root(v + S(0.25) * size * size); }, own);
  inner::product<kUnits>(half, own, work);
  inner::product<kUnits>(work, half, own);
  if (!spectrum.find(own)) return Status::not_finite;
  spectrum.make([](S v) { return root(v); }, q < S(0) ? mixing.to : mixing.back);
  spectrum.make([](S v) { return S(1) / root(v); }, q < S(0) ? mixing.back : mixing.to);
  return Status::ok;
}

template <class Net, class Site>
Status rebalance(Params<Net>& params, typename Net::scalar q, Balance<Site>,
                 const Companions<typename Net::scalar>& companions = {}) noexcept {
  using M = Mixing<Net, Site>;
  M mixing, squared;
  if (!companions_finite<Net>(companions)) return Status::not_finite;
  if (const Status s = find_mixing(params, q, mixing); s != Status::ok) return s;
  for (int i = 0; i < M::kSize; ++i) {
    squared.to[i] = mixing.to[i] * mixing.to[i];
    squared.back[i] = mixing.back[i] * mixing.back[i];
  }
  inner::for_mixed_parts<Net, Site>([&](auto part) EMMY_LAMBDA {
    constexpr bool kIsFirst = decltype(part)::kIsFirst;
    part.mix(kIsFirst ? mixing.to : mixing.back, params.data);
    for (const auto& c : companions) {
      const M& by = c.power == -2 ? squared : mixing;
      part.mix(kIsFirst ? by.back : by.to, c.data);
    }
  });
  return Status::ok;
}
template <class Net, class Rule, class Site>
Status rebalance(Params<Net>& params, State<Net, Rule>& state, typename Net::scalar q, Balance<Site> pair) noexcept {
  const Status status = rebalance(params, q, pair, companions_of(state));
  if (status == Status::ok) refresh(state);
  return status;
}

}  // namespace emmy::inline EMMY_TARGET
