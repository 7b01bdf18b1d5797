// Exact differentiation and linear algebra: numbers modulo a prime, nilpotent directions on top of them, spans of vectors.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace reference {

// An integer modulo the prime p = 2^61 - 1.
struct Residue {
  static constexpr std::uint64_t kPrime = (std::uint64_t{1} << 61) - 1;
  std::uint64_t value = 0;  // < p

  constexpr Residue() = default;
  constexpr Residue(int i) : value(i < 0 ? kPrime - static_cast<std::uint64_t>(-i) : static_cast<std::uint64_t>(i)) {}
  static constexpr Residue of(std::uint64_t v) {
    Residue r;
    r.value = v % kPrime;
    return r;
  }

  friend constexpr bool operator==(Residue a, Residue b) { return a.value == b.value; }
  friend constexpr Residue operator+(Residue a, Residue b) { return of(a.value + b.value); }
  friend constexpr Residue operator-(Residue a, Residue b) { return of(a.value + kPrime - b.value); }
  friend constexpr Residue operator*(Residue a, Residue b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{a.value} * b.value;  // 2^61 = 1
    return of((static_cast<std::uint64_t>(product) & kPrime) + static_cast<std::uint64_t>(product >> 61));
  }
};
constexpr Residue power(Residue base, std::uint64_t exponent) {
  Residue result = 1;
  for (; exponent > 0; exponent /= 2, base = base * base)
    if (exponent % 2 != 0) result = result * base;
  return result;
}
constexpr Residue inverse(Residue a) { return power(a, Residue::kPrime - 2); }
// Where there is one: p = 3 (mod 4).
constexpr Residue square_root(Residue a) { return power(a, (Residue::kPrime + 1) / 4); }

// A value with its mixed derivatives along directions e_0, e_1, ... of square 0: term[m] is the coefficient of the product
// of the e_i with bit i set in m. f(a + v e) = f(a) + f'(a) v e, so every new direction differentiates once more, exactly.
class Jet {
 public:
  static constexpr int kDirections = 5;

  Jet() = default;
  Jet(int i) : Jet(Residue(i)) {}
  Jet(Residue r) { term_[0] = r; }

  Residue value() const { return term_[0]; }
  // Of what has no value, and of all that is made of it: a root that does not exist modulo p, a function at its kink.
  static Jet undefined() {
    Jet none;
    none.defined_ = false;
    return none;
  }
  bool defined() const { return defined_; }
  // a + v e, e a direction that neither has.
  friend Jet moved(const Jet& a, const Jet& v, int direction) {
    Jet sum = a;
    sum.count_ = std::size_t{2} << direction;
    for (std::size_t m = 0; m < v.count_; ++m) sum.term_[m + sum.count_ / 2] = v.term_[m];
    return sum;
  }
  // The two sides of it: without e, and what e multiplies.
  Jet at(int direction) const { return part(0, std::size_t{1} << direction); }
  Jet along(int direction) const { return part(std::size_t{1} << direction, std::size_t{1} << direction); }

  friend Jet operator+(const Jet& a, const Jet& b) {
    Jet sum = a;
    sum.count_ = std::max(a.count_, b.count_);
    sum.defined_ = a.defined_ && b.defined_;
    for (std::size_t m = 0; m < b.count_; ++m) sum.term_[m] = a.term_[m] + b.term_[m];
    return sum;
  }
  friend Jet operator-(const Jet& a, const Jet& b) { return a + Jet(-1) * b; }
  friend Jet operator*(const Jet& a, const Jet& b) {
    Jet product;
    product.count_ = std::max(a.count_, b.count_);
    product.defined_ = a.defined_ && b.defined_;
    for (std::size_t m = 0; m < a.count_; ++m) {
      if (a.term_[m] == Residue(0)) continue;
      for (std::size_t k = 0; k < b.count_; ++k)
        if ((m & k) == 0) product.term_[m | k] = product.term_[m | k] + a.term_[m] * b.term_[k];
    }
    return product;
  }
  friend Jet operator/(const Jet& a, const Jet& b) {
    const Residue one_over = inverse(b.value());
    return a * one_over * series(b * one_over, [](int) { return Residue(-1); });
  }
  Jet& operator+=(const Jet& b) { return *this = *this + b; }

  // One of the two square roots, if there are any.
  friend Jet root(const Jet& x) {
    const Residue r = square_root(x.value());
    Jet y = r * series(x * inverse(x.value()), [](int k) { return Residue(3 - 2 * k) * inverse(2 * k); });
    y.defined_ = x.defined_ && r * r == x.value();
    return y;
  }
  // e^x, where e^(value of x) is `exponential`.
  friend Jet exp_from(const Jet& x, Residue exponential) {
    return exponential * series(x - x.value() + 1, [](int k) { return inverse(k); });
  }

 private:
  // sum_k c_k n^k, n = y - 1 nilpotent, c_0 = 1 and c_k = ratio(k) c_(k-1).
  template <class Ratio>
  static Jet series(const Jet& y, Ratio ratio) {
    const Jet n = y - 1;
    Jet sum = 1, term = 1;
    for (int k = 1; k <= kDirections; ++k) sum += term = Jet(ratio(k)) * term * n;
    return sum;
  }
  Jet part(std::size_t first, std::size_t count) const {
    Jet p;
    p.count_ = count;
    for (std::size_t m = 0; m < count && first + m < count_; ++m) p.term_[m] = term_[first + m];
    return p;
  }

  std::array<Residue, std::size_t{1} << kDirections> term_{};  // zero from count_ on
  std::size_t count_ = 1;
  bool defined_ = true;
};

using Vector = std::vector<Residue>;

inline Residue dot(const Vector& a, const Vector& b) {
  Residue sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum = sum + a[i] * b[i];
  return sum;
}

// The span of the vectors that were added, in echelon form.
class Span {
 public:
  // Was it outside?
  bool add(Vector v) {
    for (const auto& [pivot, row] : rows_) subtract(v, row, v[pivot]);
    for (std::size_t i = 0; i < v.size(); ++i) {
      if (v[i] == Residue(0)) continue;
      const Residue scale = inverse(v[i]);
      for (Residue& e : v) e = e * scale;
      rows_.push_back({i, v});
      return true;
    }
    return false;
  }
  int dimension() const { return static_cast<int>(rows_.size()); }

 private:
  struct Row {
    std::size_t pivot;
    Vector entries;  // 1 at the pivot
  };
  static void subtract(Vector& v, const Vector& row, Residue times) {
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = v[i] - times * row[i];
  }
  std::vector<Row> rows_;
};

}  // namespace reference
