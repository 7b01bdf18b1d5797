// The report of a symmetry's charges on a device: plain data, and one line of text for a console or a UART. No heap, no
// printf, no libm. `emmy train --report` shows the same figures over time.
//   share[c] = sum over charges of |amount[c]|, over all causes' sum; signed amounts of units would cancel
// Test: tests/noether/report_test.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include <emmy/noether/ledger.hpp>

namespace emmy {

EMMY_INLINE constexpr const char* cause_name(Cause cause) noexcept {
  constexpr const char* kNames[kCauses] = {"decay",   "momentum", "breaking",   "discretisation",
                                           "noether", "rounding", "unmeasured", "epsilon"};
  return kNames[static_cast<int>(cause)];
}

// All charges of a symmetry since the last reset.
template <class S>
struct ChargeReport {
  int charges;
  S drift;                          // sum over charges of |after - before|
  S share[kCauses];                 // adding up to 1, all 0 where nothing moved
  S residual_ratio, noether_ratio;  // worst of a step over its rounding bound: above 1 a fault
};

template <class Symmetry, class Net, class Spec, class Mode>
constexpr ChargeReport<typename Net::scalar> report_of(const Ledger<Net, Spec, Mode>& ledger) noexcept {
  using S = typename Net::scalar;
  const auto size = [](S x) { return x < 0 ? -x : x; };
  ChargeReport<S> r{Ledger<Net, Spec, Mode>::template kUnitsOf<Symmetry>, 0, {}, 0, 0};
  S all = 0;
  for (int u = 0; u < r.charges; ++u) {
    const Budget<S> budget = ledger.template total<Symmetry>(u);
    r.drift += size(budget.drift());
    for (int c = 0; c < kCauses; ++c) {
      r.share[c] += size(budget.amount[c]);
      all += size(budget.amount[c]);
    }
  }
  for (S& share : r.share) share = all > 0 ? share / all : 0;
  const Extremes<S> worst = ledger.template extremes<Symmetry>();
  r.residual_ratio = worst.residual_ratio;
  r.noether_ratio = worst.noether_ratio;
  return r;
}

namespace detail {

// Text into a buffer that may be too short: counts on, writes what fits.
struct Text {
  char* to;
  std::size_t size, length = 0;

  constexpr void put(char c) noexcept {
    if (length + 1 < size) to[length] = c;
    ++length;
  }
  constexpr void put(const char* text) noexcept {
    for (; *text != 0; ++text) put(*text);
  }
  constexpr void put(std::uint32_t value) noexcept {
    std::uint32_t unit = 1;
    while (value / unit >= 10) unit *= 10;
    for (; unit > 0; unit /= 10) put(static_cast<char>('0' + value / unit % 10));
  }
  // Three digits: 12.3, 0.0123, 1.23e-5. The last one may be off by one.
  template <class S>
  constexpr void put_number(S value) noexcept {
    if (value != value) return put("nan");
    if (value < 0) put('-');
    S x = value < 0 ? -value : value;
    if (x - x != 0) return put("inf");
    if (x == 0) return put('0');
    int exponent = 0;
    for (; x >= S(10); x /= S(10)) ++exponent;
    for (; x < S(1); x *= S(10)) --exponent;
    auto digits = static_cast<std::uint32_t>(x * S(100) + S(0.5));
    if (digits >= 1000) digits /= 10, ++exponent;
    const bool plain = exponent >= -3 && exponent < 3;
    for (int zero = exponent; plain && zero < 0; ++zero) put(zero == exponent ? "0." : "0");
    const int point = plain ? exponent : 0;
    std::uint32_t unit = 100;
    for (int i = 0; i < 3; ++i, unit /= 10) {
      put(static_cast<char>('0' + digits / unit % 10));
      if (i == point && i < 2) put('.');
    }
    if (plain) return;
    put(exponent < 0 ? "e-" : "e");
    put(static_cast<std::uint32_t>(exponent < 0 ? -exponent : exponent));
  }
};

}  // namespace detail

// "name: 32 charges, drift 23.7: momentum 99.2 %, discretisation 0.829 %; residual 0.047, Noether 0.003 of the bound", ended
// by 0. Returns its length, as snprintf does: one that is not below `size` was cut off.
template <class S>
constexpr std::size_t format_report(const char* name, const ChargeReport<S>& r, char* buffer,
                                    std::size_t size) noexcept {
  detail::Text out{buffer, size};
  out.put(name);
  out.put(": ");
  out.put(static_cast<std::uint32_t>(r.charges));
  out.put(" charges, drift ");
  out.put_number(r.drift);
  const char* separator = ": ";
  for (int c = 0; c < kCauses; ++c) {
    if (!(r.share[c] > 0)) continue;
    out.put(separator);
    out.put(cause_name(static_cast<Cause>(c)));
    out.put(' ');
    out.put_number(S(100) * r.share[c]);
    out.put(" %");
    separator = ", ";
  }
  out.put("; residual ");
  out.put_number(r.residual_ratio);
  out.put(", Noether ");
  out.put_number(r.noether_ratio);
  out.put(" of the bound");
  if (size > 0) buffer[out.length < size ? out.length : size - 1] = 0;
  return out.length;
}

}  // namespace emmy
