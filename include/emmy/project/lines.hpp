// Which weights a projection takes together, and sums over them: units, each a few lines of a few blocks, in the table of a charge
// (symmetry/symmetry.hpp).
//
//   Outputs<Site>   a unit for each output of the layer: column o of W and b[o] (of a convolution its channels, of a norm its gains)
//   Inputs<Site>    a unit for each of its inputs: all weights that it meets
//   Whole<Site>     W and b as one unit
//   a symmetry      the units of its charge: Scale<Site> before a norm, Rescaling<Site> ...
// Test: tests/project/sets_test.cpp.
#pragma once

#include <utility>

#include <emmy/kernels/reduce.hpp>
#include <emmy/kernels/rows.hpp>
#include <emmy/net/memory.hpp>
#include <emmy/symmetry/symmetries_of.hpp>

namespace emmy {

template <class Site>
struct Outputs {};
template <class Site>
struct Inputs {};
template <class Site>
struct Whole {};

namespace detail {
template <class Net, class Site>
consteval int projected_node() {
  constexpr int kNode = kNodeOf<Net, Site>;
  static_assert(kNode >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  static_assert(kPlan<Net>.first_block[kNode + 1] > kPlan<Net>.first_block[kNode],
                "emmy: this layer has no weights to project");
  return kNode;
}
}  // namespace detail

template <class Net, class Site>
consteval Charge lines_of(Outputs<Site>) {
  constexpr int kNode = detail::projected_node<Net, Site>();
  Charge c;
  c.units = node_at<Net, kNode>::out::kChannels;
  detail::add_incoming<Net, kNode>(c);
  return c;
}
template <class Net, class Site>
consteval Charge lines_of(Inputs<Site>) {
  constexpr int kNode = detail::projected_node<Net, Site>();
  Charge c;
  c.units = node_at<Net, kNode>::in::kChannels;
  detail::add_outgoing<Net, kNode>(c, {1, 1});
  return c;
}
template <class Net, class Site>
consteval Charge lines_of(Whole<Site>) {
  constexpr int kNode = detail::projected_node<Net, Site>();
  Charge c;
  detail::add_incoming<Net, kNode>(c);
  c.units = 1;
  c.is_whole = true;
  for (int p = 0; p < c.parts; ++p) {
    const PlannedBlock& block = kPlan<Net>.block[c.part[p].block];
    c.part[p].lines = c.part[p].axis == Axis::row ? block.rows : block.cols;
  }
  return c;
}
template <class Net, class Symmetry>
consteval Charge lines_of(Symmetry) requires requires {
  charges_of<Net>(Symmetry{});
}
{
  static_assert(decltype(charges_of<Net>(Symmetry{}))::kCount >= 1);
  return charges_of<Net>(Symmetry{}).charge[0];
}

template <class Net, class Units>
inline constexpr Charge kLines = lines_of<Net>(Units{});

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

// Part `Index` of the units of a table: how their lines lie in memory. Arrays a unit have kUnits values.
template <class Net, const Charge& kTable, int Index>
struct LinesOf {
  using S = typename Net::scalar;
  static constexpr ChargePart kPart = kTable.part[Index];
  static constexpr auto kBlock = kPlan<Net>.block[kPart.block];
  static constexpr bool kAlongRows = kBlock.in_memory(kPart.axis) == Axis::row;  // a line is a row of memory
  static constexpr int kCols = kBlock.line_length();                             // of a row of memory, without pads

  EMMY_INLINE static constexpr int unit_of(int line) noexcept { return kTable.unit_of(kPart, line); }

  // sum[u] += sum over the entries of unit u of a b
  static void add_dots(const S* a, const S* b, S* sum) noexcept {
    a += kBlock.offset, b += kBlock.offset;
    if constexpr (kAlongRows) {
      for (int r = 0; r < kBlock.lines; ++r)
        sum[unit_of(r)] += dot(a + r * kBlock.width, b + r * kBlock.width, static_cast<std::size_t>(kCols));
    } else {
      alignas(kAlign<S>) S column[kBlock.width];
      clear(column, kBlock.width);
      for (int r = 0; r < kBlock.lines; ++r)
        for_vectors([&](int c) EMMY_LAMBDA {
          const int at = r * kBlock.width + c;
          simd::store(simd::mul_add(simd::load(a + at), simd::load(b + at), simd::load(column + c)), column + c);
        });
      for (int c = 0; c < kCols; ++c) sum[unit_of(c)] += column[c];
    }
  }
  // sum[u] += sum over the entries of unit u of a
  static void add_sums(const S* a, S* total) noexcept {
    a += kBlock.offset;
    if constexpr (kAlongRows) {
      for (int r = 0; r < kBlock.lines; ++r)
        total[unit_of(r)] += sum(a + r * kBlock.width, static_cast<std::size_t>(kCols));
    } else {
      for (int r = 0; r < kBlock.lines; ++r)
        for (int c = 0; c < kCols; ++c) total[unit_of(c)] += a[r * kBlock.width + c];
    }
  }
  // data *= factor of its unit
  static void scale(const S* factor, S* data) noexcept {
    each(factor, data, [](auto f, auto v, int) EMMY_LAMBDA { return simd::mul(f, v); });
  }
  // data += factor of its unit times from, or times 1
  static void add_scaled(const S* factor, const S* from, S* data) noexcept {
    from += kBlock.offset;
    each(factor, data,
         [from](auto f, auto v, int at) EMMY_LAMBDA { return simd::mul_add(f, simd::load(from + at), v); });
  }
  static void shift(const S* amount, S* data) noexcept {
    each(amount, data, [](auto f, auto v, int) EMMY_LAMBDA { return simd::add(f, v); });
    for (int r = 0; r < kBlock.lines; ++r)
      for (int c = kCols; c < kBlock.width; ++c) data[kBlock.offset + r * kBlock.width + c] = S(0);
  }

  // The same of one unit alone: of a state, whose units meet each other. Strided.
  template <class F>
  EMMY_INLINE static void for_entries(int unit, F f) noexcept {
    if constexpr (kAlongRows) {
      for (int r = unit; r < kBlock.lines; r += kTable.units)
        for (int c = 0; c < kCols; ++c) f(kBlock.offset + r * kBlock.width + c);
    } else {
      for (int c = unit; c < kCols; c += kTable.units)
        for (int r = 0; r < kBlock.lines; ++r) f(kBlock.offset + r * kBlock.width + c);
    }
  }

 private:
  template <class F>
  EMMY_INLINE static void for_vectors(F f) noexcept {
    for (int c = 0; c < kBlock.width; c += static_cast<int>(simd::lanes<S>())) f(c);
  }
  template <class F>
  EMMY_INLINE static void each(const S* by_unit, S* data, F f) noexcept {
    data += kBlock.offset;
    alignas(kAlign<S>) S column[kAlongRows ? 1 : kBlock.width] = {};
    if constexpr (!kAlongRows)
      for (int c = 0; c < kCols; ++c) column[c] = by_unit[unit_of(c)];
    for (int r = 0; r < kBlock.lines; ++r)
      for_vectors([&](int c) EMMY_LAMBDA {
        const int at = r * kBlock.width + c;
        if constexpr (kAlongRows) simd::store(f(simd::set(by_unit[unit_of(r)]), simd::load(data + at), at), data + at);
        else simd::store(f(simd::load(column + c), simd::load(data + at), at), data + at);
      });
  }
};

// f(LinesOf) for each part.
template <class Net, const Charge& kTable, class F>
EMMY_INLINE void for_parts(F&& f) noexcept {
  [&]<int... I>(std::integer_sequence<int, I...>) EMMY_LAMBDA { (f(LinesOf<Net, kTable, I>{}), ...); }
  (std::make_integer_sequence<int, kTable.parts>{});
}

}  // namespace inner

}  // namespace emmy::inline EMMY_TARGET
