// The recurrent weights of an Rnn or a Gru as a product: LowRank (parametrize/low_rank.hpp) has those of the input.
//
//   Parametrized<Rnn<Units>, LowRankStates<Rank>>    Wh = A B, of a Gru of each gate, with one A      decay lam on A, B  =  lam sum of
//                                                                                                    the singular values of Wh
//
// Wh is [Units][gates Units]. What is between is inside of a step, so there are no two layers: the product is made once a step, kind
// `materialise`. singular_basis, drop_rank and rank_margins take the Site of the layer. Charge: FactorBalance<Site>,
// |A[:, r]|^2 - |B[r, :]|^2; rescalings of units of degree 1 go through A and B.
// Blocks: Wx, A [Units][Rank], B [gates Rank][Units], the bias.
// Source: theory.md section 4 (rotation -> low rank). Test: tests/parametrize/constrained_test.cpp.
#pragma once

#include <emmy/parametrize/low_rank.hpp>
#include <emmy/parametrize/materialised.hpp>

namespace emmy {

template <int Rank>
struct LowRankStates {
  static_assert(Rank > 0, "emmy: LowRankStates<Rank> has a rank of at least 1");
  static constexpr bool kMaterialises = true, kMultiplies = false, kPairsStates = true;
  static constexpr int kAmplifies = 1, kRank = Rank;
};

template <int Rank, class M>
consteval auto blocks_of_parameters(LowRankStates<Rank>, M) {
  static_assert(M::kBlocks == 3, "emmy: LowRankStates takes an Rnn or a Gru");
  const auto& own = M::kList.block;
  return Blocks<4>{{own[0],
                    {M::kCols, Rank, Role::factor},
                    {own[M::kBlocks > 2 ? 1 : 0].rows / M::kCols * Rank, M::kCols, Role::factor},
                    own[M::kBlocks - 1]}};
}
template <int Rank, int Blocks>
consteval auto balanced(LowRankStates<Rank>, std::integral_constant<int, Blocks>) {
  return Parts<2>{{{1, Axis::column, 1}, {2, Axis::row, -1}}};
}

// Column j of B and row j of A are those of Wh.
template <int Units, class Activation, int Rank>
requires detail::kRescalesRnn<Activation>
consteval auto incoming(Parametrized<Rnn<Units, Activation>, LowRankStates<Rank>>) {
  return Parts<3>{{{0, Axis::column, 1}, {2, Axis::column, 1}, {3, Axis::column, 1}}};
}
template <class L, int Rank>
consteval auto outgoing(Parametrized<L, LowRankStates<Rank>>) {
  return Parts<1>{{{0, Axis::row, 1}}};
}
template <int Units, class Activation, int Rank>
requires detail::kRescalesRnn<Activation>
consteval auto recurring(Parametrized<Rnn<Units, Activation>, LowRankStates<Rank>>) {
  return Parts<1>{{{1, Axis::row, 1}}};
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
// Where the blocks of the parameters are, and how wide their rows.
template <class M, int Rank>
struct StatesBlocks {
  using S = typename M::scalar;
  static constexpr auto w = M::kTable.block[1];
  static constexpr int kUnits = M::kCols, kGates = w.rows / kUnits, kWide = w.width, kNarrow = padded<S>(Rank),
                       kA = w.offset, kB = kA + kUnits * kNarrow, kBias = kB + kGates * Rank * kWide,
                       kBehind = w.offset + w.lines * w.width;  // the bias of the layer
};
}  // namespace inner

template <class M, int Rank, class S>
EMMY_INLINE void compose(LowRankStates<Rank>, const S* params, S* w) noexcept {
  using At = inner::StatesBlocks<M, Rank>;
  const int lanes = static_cast<int>(simd::lanes<S>());
  for (int i = 0; i < At::w.offset; i += lanes) simd::store(simd::load(params + i), w + i);
  for (int gate = 0; gate < At::kGates; ++gate)
    for (int j = 0; j < At::kUnits; ++j) {
      S* const row = w + At::w.offset + (gate * At::kUnits + j) * At::kWide;
      clear(row, At::kWide);
      for (int r = 0; r < Rank; ++r)
        add_scaled(params[At::kA + j * At::kNarrow + r], params + At::kB + (gate * Rank + r) * At::kWide, At::kWide,
                   row);
    }
  for (int i = At::kBehind; i < M::kSize; i += lanes)
    simd::store(simd::load(params + At::kBias + i - At::kBehind), w + i);
}
template <class M, int Rank, class S, class Visitor>
EMMY_INLINE void pull_back(LowRankStates<Rank>, const S* params, S* g, Visitor& visitor) noexcept {
  using At = inner::StatesBlocks<M, Rank>;
  using One = std::integral_constant<int, 1>;
  const S* const slope = g + At::w.offset;  // [gates units][kWide]
  alignas(kAlign<S>) S gb[At::kGates * Rank * At::kWide] = {};
  for (int i = 0; i < At::w.first_row; ++i)
    visitor.template rows<0>(i, One{}, static_cast<const S*>(g + i * At::kWide));
  // B and A are read before the visitor may change them.
  for (int gate = 0; gate < At::kGates; ++gate)
    for (int j = 0; j < At::kUnits; ++j)
      for (int r = 0; r < Rank; ++r)
        add_scaled(params[At::kA + j * At::kNarrow + r], slope + (gate * At::kUnits + j) * At::kWide, At::kWide,
                   gb + (gate * Rank + r) * At::kWide);
  for (int j = 0; j < At::kUnits; ++j) {
    alignas(kAlign<S>) S ga[At::kNarrow] = {};
    for (int gate = 0; gate < At::kGates; ++gate)
      for (int r = 0; r < Rank; ++r)
        ga[r] += ordered_dot(slope + (gate * At::kUnits + j) * At::kWide,
                             params + At::kB + (gate * Rank + r) * At::kWide, At::kWide);
    visitor.template rows<1>(j, One{}, static_cast<const S*>(ga));
  }
  for (int r = 0; r < At::kGates * Rank; ++r)
    visitor.template rows<2>(r, One{}, static_cast<const S*>(gb + r * At::kWide));
  for (int i = At::kBehind; i < M::kSize; i += At::kWide)
    visitor.template rows<3>((i - At::kBehind) / At::kWide, One{}, static_cast<const S*>(g + i));
}
// `init` draws A and B.
template <class M, int Rank, class S>
EMMY_INLINE void decompose(LowRankStates<Rank>, S*) noexcept {}

}  // namespace emmy::inline EMMY_TARGET
