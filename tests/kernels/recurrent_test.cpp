// emmy/kernels/recurrent.hpp: states and deltas position by position, within the documented errors of what came before.
#include <emmy/kernels/recurrent.hpp>
#include <emmy/layers/activations.hpp>

#include <gtest/gtest.h>
#include <tests/reference/recurrent.hpp>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace {

using support::Fenced;
using support::fill_padded;
using support::kRoundoff;
using support::Random;
using support::unpadded;
using Real = long double;
using Values = std::vector<Real>;

template <class T>
class Recurrent : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(Recurrent, Types);

// One size of the kernels. Their checks are compiled once a scalar.
template <class T>
struct Case {
  int batch, positions, in, stride, units;  // stride: of the rows of x that forward reads
  bool rectifies;                           // the Rnn's activation is a ReLU, else tanh
  bool adds;                                // dx is added to what is there; below is a ReLU
  void (*rnn_forward)(const T* x, const T* wx, const T* wh, const T* b, T* y);
  void (*rnn_deltas)(const T* wh, const T* y, T* dy, T* work);
  void (*gru_forward)(const T* x, const T* wx, const T* wh, const T* b, T* y, T* planes);
  void (*gru_deltas)(const T* wh, const T* y, T* dy, T* planes, T* work);
  void (*gru_backward)(const T* wx, const T* planes, const T* x, T* dx, T* work);
  void (*gradient)(const T* y, const T* dy, T* dwh);  // of Wh
};
template <class T, int Batch, int Positions, int In, int Stride, int Units, class Activation, bool kAdd>
Case<T> make_case() {
  return {Batch,
          Positions,
          In,
          Stride,
          Units,
          std::is_same_v<Activation, emmy::Relu>,
          kAdd,
          [](const T* x, const T* wx, const T* wh, const T* b, T* y) {
            emmy::rnn_forward<Batch, Positions, In, Stride, Units>(x, wx, wh, b, y, Activation{});
          },
          [](const T* wh, const T* y, T* dy, T* work) {
            emmy::rnn_deltas<Batch, Positions, Units>(wh, y, dy, work, Activation{});
          },
          [](const T* x, const T* wx, const T* wh, const T* b, T* y, T* planes) {
            emmy::gru_forward<Batch, Positions, In, Stride, Units>(x, wx, wh, b, y, planes);
          },
          [](const T* wh, const T* y, T* dy, T* planes, T* work) {
            emmy::gru_deltas<Batch, Positions, Units>(wh, y, dy, planes, work);
          },
          [](const T* wx, const T* planes, const T* x, T* dx, T* work) {
            if constexpr (kAdd)
              emmy::gru_backward<true, Batch * Positions, In, Units>(wx, planes, x, dx, work, emmy::Relu{});
            else emmy::gru_backward<false, Batch * Positions, In, Units>(wx, planes, x, dx, work, nullptr);
          },
          [](const T* y, const T* dy, T* dwh) {
            constexpr int kPad = emmy::padded<T>(Units);
            int rows = 0;
            emmy::recurrent_gradient_rows<Batch, Positions, Units>(y, dy, [&](int row, auto m, const T* g) {
              rows += decltype(m)::value;
              for (int k = 0; k < decltype(m)::value * kPad; ++k) dwh[row * kPad + k] = g[k];
            });
            ASSERT_EQ(rows, Units);
            emmy::recurrent_gradient_tiles<Batch, Positions, Units>(y, dy, [&](int row, int col, auto v) {
              alignas(emmy::kAlign<T>) T lanes[kPad];
              emmy::simd::store(v, lanes);
              for (int l = 0; l < static_cast<int>(emmy::simd::lanes<T>()); ++l)
                ASSERT_EQ(lanes[l], dwh[row * kPad + col + l]) << "the same in vectors";
            });
          }};
}

// Rows of weights and of values, padded, with their numbers.
template <class T>
struct Padded {
  int rows, cols, stride;
  Fenced<T> data;
  Padded(int r, int c, Random* random)
      : rows(r), cols(c), stride(emmy::padded<T>(c)), data(static_cast<std::size_t>(r * emmy::padded<T>(c)), 0) {
    if (random != nullptr) fill_padded(data.data(), rows, cols, stride, *random);
  }
  Values values() const { return unpadded<Real>(data.data(), rows, cols, stride); }
  void expect_zero_pads() const {
    for (int r = 0; r < rows; ++r) {
      for (int c = cols; c < stride; ++c) ASSERT_EQ(data.data()[r * stride + c], T(0)) << "pad lane";
    }
    ASSERT_TRUE(data.intact());
  }
};

Real sigmoid(Real a) { return 1 / (1 + std::exp(-a)); }

template <class T>
void check(const Case<T>& k, std::size_t gap) {
  const int rows = k.batch * k.positions, T_ = k.positions, U = k.units, pad = emmy::padded<T>(k.in);
  Random random(static_cast<std::uint64_t>(rows * 1000 + U * 10 + k.in));
  Padded<T> whole(rows, k.in, &random), wx(3 * k.in, U, &random), wh(3 * U, U, &random), b(4, U, &random),
      y(rows, U, nullptr), dy(rows, U, &random), planes(4 * rows, U, nullptr), dx(rows, k.in, &random),
      dwh(U, U, nullptr);
  Fenced<T> work(static_cast<std::size_t>(3 * U * std::max(emmy::padded<T>(U), pad)));
  // Rows of padded length come with their pads, others end at the fence.
  Fenced<T> x(static_cast<std::size_t>(k.stride == pad ? rows * pad : (rows - 1) * k.stride + k.in), gap);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < (k.stride == pad ? pad : k.in); ++c)
      x.data()[r * k.stride + c] = whole.data.data()[r * pad + c];
  }
  const Values xs = whole.values(), wxs = wx.values(), whs = wh.values(), bs = b.values(), given = dy.values(),
               old = dx.values();
  const Real w = kRoundoff<T>, terms = k.in + U + 2;
  Values h;  // as the kernel made them
  const auto at = [&](const Values& v, int row, int u) { return v[static_cast<std::size_t>(row * U + u)]; };
  // A pre-activation and its error.
  struct Sum {
    Real value, error;
  };
  const auto sum_of = [&](int gate, int row, int u, bool of_x, bool of_h, int bias) {
    Real size = 0, value = at(bs, bias, u);
    size = std::fabs(value);
    if (of_x) value += reference::product(xs.data() + row * k.in, wxs.data() + gate * k.in * U, k.in, U, u, size);
    if (of_h && row % T_ > 0)
      value += reference::product(h.data() + (row - 1) * U, whs.data() + gate * U * U, U, U, u, size);
    return Sum{value, terms * w * size};
  };
  // What the deltas of the next position bring to state u.
  const auto back = [&](const Values& d, int row, int gate, int u, Real& size) {
    Real sum = 0;
    for (int o = 0; o < U; ++o) {
      const Real term = at(d, row + 1, o) * whs[static_cast<std::size_t>((gate * U + u) * U + o)];
      sum += term;
      size += std::fabs(term);
    }
    return sum;
  };

  // ---- Rnn
  k.rnn_forward(x.data(), wx.data.data(), wh.data.data(), b.data.data(), y.data.data());
  y.expect_zero_pads();
  h = y.values();
  for (int row = 0; row < rows; ++row) {
    for (int u = 0; u < U; ++u) {
      const Sum a = sum_of(0, row, u, true, true, 0);
      const Real want = k.rectifies ? std::fmax(a.value, Real(0)) : std::tanh(a.value);
      ASSERT_LE(std::fabs(at(h, row, u) - want), a.error + 6 * w * std::fabs(want)) << U << ", row " << row;
    }
  }
  Padded<T> da(rows, U, nullptr);
  std::copy(dy.data.data(), dy.data.data() + dy.data.size(), da.data.data());
  k.rnn_deltas(wh.data.data(), y.data.data(), da.data.data(), work.data());
  da.expect_zero_pads();
  const Values d = da.values();
  for (int row = 0; row < rows; ++row) {
    for (int u = 0; u < U; ++u) {
      Real size = std::fabs(at(given, row, u)), want = at(given, row, u);
      if (row % T_ + 1 < T_) want += back(d, row, 0, u, size);
      const Real state = at(h, row, u), slope = k.rectifies ? Real(state > 0) : 1 - state * state;
      ASSERT_LE(std::fabs(at(d, row, u) - want * slope), (U + 5) * w * size) << U << ", row " << row;
    }
  }
  k.gradient(y.data.data(), da.data.data(), dwh.data.data());
  dwh.expect_zero_pads();
  const Values g = dwh.values();
  for (int i = 0; i < U; ++i) {
    for (int u = 0; u < U; ++u) {
      Real want = 0, size = 0;
      for (int row = 0; row < rows; ++row) {
        const Real term = row % T_ > 0 ? at(h, row - 1, i) * at(d, row, u) : 0;
        want += term;
        size += std::fabs(term);
      }
      ASSERT_LE(std::fabs(at(g, i, u) - want), rows * w * size);
    }
  }

  // ---- Gru: planes n, r, z, q
  k.gru_forward(x.data(), wx.data.data(), wh.data.data(), b.data.data(), y.data.data(), planes.data.data());
  y.expect_zero_pads();
  h = y.values();
  const Values kept = planes.values();
  const auto plane = [&](const Values& v, int p, int row, int u) { return at(v, p * rows + row, u); };
  for (int row = 0; row < rows; ++row) {
    for (int u = 0; u < U; ++u) {
      const Sum ar = sum_of(0, row, u, true, true, 0), az = sum_of(1, row, u, true, true, 1),
                an = sum_of(2, row, u, true, false, 2), q = sum_of(2, row, u, false, true, 3);
      const Real n = plane(kept, 0, row, u), r = plane(kept, 1, row, u), z = plane(kept, 2, row, u),
                 made = plane(kept, 3, row, u), last = row % T_ > 0 ? at(h, row - 1, u) : 0;
      ASSERT_LE(std::fabs(r - sigmoid(ar.value)), ar.error / 4 + 6 * w * sigmoid(ar.value)) << "r";
      ASSERT_LE(std::fabs(z - sigmoid(az.value)), az.error / 4 + 6 * w * sigmoid(az.value)) << "z";
      ASSERT_LE(std::fabs(made - q.value), q.error) << "q";
      const Real want = std::tanh(an.value + r * made);
      ASSERT_LE(std::fabs(n - want),
                an.error + 2 * w * (std::fabs(an.value) + std::fabs(r * made)) + 6 * w * std::fabs(want))
          << "n";
      ASSERT_LE(std::fabs(at(h, row, u) - ((1 - z) * n + z * last)), 3 * w * (std::fabs(n) + std::fabs(last))) << "h";
    }
  }
  Padded<T> dh(rows, U, nullptr);
  std::copy(dy.data.data(), dy.data.data() + dy.data.size(), dh.data.data());
  k.gru_deltas(wh.data.data(), y.data.data(), dh.data.data(), planes.data.data(), work.data());
  dh.expect_zero_pads();
  planes.expect_zero_pads();
  const Values e = dh.values(), deltas = planes.values();
  const auto delta_plane = [&](int p) {
    return Values(deltas.begin() + p * rows * U, deltas.begin() + (p + 1) * rows * U);
  };
  const Values dn = delta_plane(0), dr = delta_plane(1), dz = delta_plane(2), dq = delta_plane(3);
  for (int row = 0; row < rows; ++row) {
    for (int u = 0; u < U; ++u) {
      const Real n = plane(kept, 0, row, u), r = plane(kept, 1, row, u), z = plane(kept, 2, row, u),
                 q = plane(kept, 3, row, u), last = row % T_ > 0 ? at(h, row - 1, u) : 0, own = at(e, row, u);
      Real want = at(given, row, u), size = std::fabs(want);
      if (row % T_ + 1 < T_) {
        const Real carried = at(e, row + 1, u) * plane(kept, 2, row + 1, u);
        want += carried;
        size += std::fabs(carried);
        want += back(dr, row, 0, u, size) + back(dz, row, 1, u, size) + back(dq, row, 2, u, size);
      }
      ASSERT_LE(std::fabs(own - want), (3 * U + 3) * w * size) << "dh, row " << row;
      const Real scale = 12 * w * std::fabs(own);
      ASSERT_LE(std::fabs(at(dn, row, u) - own * (1 - z) * (1 - n * n)), scale);
      ASSERT_LE(std::fabs(at(dq, row, u) - own * (1 - z) * (1 - n * n) * r), scale);
      ASSERT_LE(std::fabs(at(dr, row, u) - own * (1 - z) * (1 - n * n) * q * r * (1 - r)), scale * std::fabs(q));
      ASSERT_LE(std::fabs(at(dz, row, u) - own * (last - n) * z * (1 - z)), scale * (std::fabs(last) + std::fabs(n)));
    }
  }
  k.gru_backward(wx.data.data(), planes.data.data(), whole.data.data(), dx.data.data(), work.data());
  dx.expect_zero_pads();
  const Values moved = dx.values();
  const Values* of_gate[] = {&dr, &dz, &dn};
  for (int row = 0; row < rows; ++row) {
    for (int i = 0; i < k.in; ++i) {
      const auto place = static_cast<std::size_t>(row * k.in + i);
      Real want = 0, size = 0;
      for (int gate = 0; gate < 3; ++gate) {
        for (int u = 0; u < U; ++u) {
          const Real term = at(*of_gate[gate], row, u) * wxs[static_cast<std::size_t>((gate * k.in + i) * U + u)];
          want += term;
          size += std::fabs(term);
        }
      }
      if (k.adds) want = old[place] + (xs[place] > 0 ? want : 0);
      ASSERT_LE(std::fabs(moved[place] - want), 3 * U * w * size + (k.adds ? w * std::fabs(want) : 0));
    }
  }
  ASSERT_TRUE(x.intact() && wx.data.intact() && wh.data.intact() && b.data.intact() && whole.data.intact() &&
              work.intact() && y.data.intact() && dy.data.intact());
}

TYPED_TEST(Recurrent, OneSample) {
  using T = TypeParam;
  using emmy::Relu;
  using emmy::Tanh;
  constexpr int kLanes = support::kLanes<T>;
  check(make_case<T, 1, 1, 3, 3, 1, Tanh, false>(), 0);
  check(make_case<T, 1, 5, 1, 1, 3, Relu, true>(), 1);
  check(make_case<T, 1, 4, kLanes + 1, kLanes + 1, kLanes - 1, Tanh, true>(), 3);
  check(make_case<T, 1, 3, 5, emmy::padded<T>(5), kLanes, Relu, false>(), 0);
  check(make_case<T, 1, 3, 2, 2, 2 * kLanes + 3, Tanh, false>(), 7);
}
TYPED_TEST(Recurrent, SeveralSamples) {
  using T = TypeParam;
  using emmy::Relu;
  using emmy::Tanh;
  constexpr int kLanes = support::kLanes<T>;
  check(make_case<T, 2, 1, 2, 2, 5, Relu, false>(), 0);
  check(make_case<T, 3, 4, 3, 3, kLanes + 1, Tanh, true>(), 5);
  check(make_case<T, 7, 2, 4, emmy::padded<T>(4), 4, Relu, true>(), 0);
}

template <class T, int Cols, int Stride>
void check_last() {
  constexpr int kPad = emmy::padded<T>(Cols), kRows = 6;
  Random random(3);
  Padded<T> whole(kRows, Cols, &random), y(2, Cols, nullptr), dy(2, Cols, &random), dx(kRows, Cols, &random);
  Fenced<T> x(Stride == kPad ? kRows * kPad : (kRows - 1) * Stride + Cols, 5);
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < (Stride == kPad ? kPad : Cols); ++c) x.data()[r * Stride + c] = whole.data.data()[r * kPad + c];
  }
  const Values xs = whole.values(), d = dy.values(), old = dx.values();
  emmy::last_forward<2, 3, Cols, Stride>(static_cast<const T*>(x.data()), y.data.data());
  y.expect_zero_pads();
  const Values got = y.values();
  const auto expect = [&](const Values& moved, bool adds) {
    for (int k = 0; k < kRows * Cols; ++k) {
      const auto at = static_cast<std::size_t>(k);
      const int row = k / Cols, c = k % Cols;
      const Real own = row % 3 == 2 && (!adds || xs[at] > 0) ? d[static_cast<std::size_t>(row / 3 * Cols + c)] : 0;
      ASSERT_EQ(moved[at], static_cast<Real>(static_cast<T>(own + (adds ? old[at] : 0)))) << row << ' ' << c;
      if (row % 3 == 2) {
        ASSERT_EQ(got[static_cast<std::size_t>(row / 3 * Cols + c)], xs[at]);
      }
    }
    dx.expect_zero_pads();
  };
  emmy::last_backward<true, 2, 3, Cols>(static_cast<const T*>(whole.data.data()), static_cast<const T*>(dy.data.data()),
                                        dx.data.data(), emmy::Relu{});
  expect(dx.values(), true);
  emmy::last_backward<false, 2, 3, Cols>(static_cast<const T*>(whole.data.data()),
                                         static_cast<const T*>(dy.data.data()), dx.data.data(), nullptr);
  expect(dx.values(), false);
  ASSERT_TRUE(x.intact());
}
TYPED_TEST(Recurrent, LastRow) {
  check_last<TypeParam, 3, 3>();
  check_last<TypeParam, support::kLanes<TypeParam>, support::kLanes<TypeParam>>();
  check_last<TypeParam, 2 * support::kLanes<TypeParam> + 1,
             emmy::padded<TypeParam>(2 * support::kLanes<TypeParam> + 1)>();
}

}  // namespace
