// Projections onto sets and their tangent maps against plain double loops on W[out][in] and b[out]: idempotent, the differential of
// the projection by differences, refusals that move nothing, pads that stay zero.
#include <emmy/project/entries.hpp>
#include <emmy/project/rank.hpp>

#include <algorithm>
#include <functional>

#include <gtest/gtest.h>
#include <tests/reference/net.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>
#include <tests/train/fixture.hpp>

namespace {

using namespace emmy;  // the names of nets

constexpr int kIn = 6, kHidden = 9, kOut = 3;
template <class S>
using Plain = Net<Scalar<S>, Input<kIn>, Dense<kHidden>, LayerNorm<WithBias, 0>, Relu, Dense<kOut>>;
using First = Layer<0>;
using Last = Layer<3>;

using Vector = std::vector<double>;

template <class S>
double near() {
  return 40 * support::kRoundoff<S>;
}
double distance(const Vector& a, const Vector& b) {
  double most = 0;
  for (std::size_t k = 0; k < a.size(); ++k) most = std::fmax(most, std::fabs(a[k] - b[k]));
  return most;
}
double dot_of(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}

// The entries of a layer: W[o][i] row by row, then b.
template <class Site, class N>
Vector entries(const Params<N>& p) {
  constexpr int kOuts = std::is_same_v<Site, First> ? kHidden : kOut,
                kIns = std::is_same_v<Site, First> ? kIn : kHidden;
  Vector all;
  for (int o = 0; o < kOuts; ++o)
    for (int i = 0; i < kIns; ++i) all.push_back(static_cast<double>(p.template weight<Site>(o, i)));
  for (int o = 0; o < kOuts; ++o) all.push_back(static_cast<double>(p.template bias<Site>(o)));
  return all;
}

// A projection and its tangent map at a place, on the entries of the first layer.
struct Reference {
  std::function<Vector(const Vector& theta)> project;
  std::function<Vector(const Vector& theta, const Vector& g)> tangent;
};

template <class S, class Set>
void check(const Set& set, const Reference& reference, bool bit_for_bit, bool linear = false) {
  using N = Plain<S>;
  Params<N> params{}, g{};
  Pcg32 rng{9};
  fixture::randomise(params, rng, 1);
  fixture::randomise(g, rng, 1);
  const Vector theta = entries<First>(params), direction = entries<First>(g), want = reference.project(theta);
  const Vector others = entries<Last>(params);
  State<N, BasicMomentum<S>> state{};
  std::copy(std::begin(g.data), std::end(g.data), state.buf);
  state.largest.assign(0, S(1), S(1));

  ASSERT_EQ(project(set, params, state), Status::ok);
  EXPECT_GT(distance(theta, want), 0.1) << "nothing to do";
  EXPECT_LT(distance(entries<First>(params), want), near<S>());
  EXPECT_EQ(entries<Last>(params), others);
  EXPECT_FALSE(state.largest.known()) << "the bound is that of other weights";
  Params<N> twice = params;
  ASSERT_EQ(project(set, twice), Status::ok);
  if (bit_for_bit) EXPECT_EQ(std::memcmp(&twice, &params, sizeof twice), 0);
  else EXPECT_LT(distance(entries<First>(twice), entries<First>(params)), near<S>());
  Params<N> clean = params;  // the same logical values with zero pads
  std::memset(&clean, 0, sizeof clean);
  reference::write_blocks<N>(reference::read_blocks<N>(params.data), clean.data);
  EXPECT_EQ(std::memcmp(&clean, &params, sizeof clean), 0) << "pads";

  // The tangent map at the projected weights, of a gradient and of the buffer.
  ASSERT_EQ(tangent(set, params, g.data), Status::ok);
  const Vector along = reference.tangent(want, direction);
  EXPECT_LT(distance(entries<First>(g), along), 10 * near<S>());
  EXPECT_EQ(std::memcmp(g.data, state.buf, sizeof g.data), 0);
  EXPECT_GT(distance(along, direction), 0.05);
  ASSERT_EQ(tangent(set, params, g.data), Status::ok);
  EXPECT_LT(distance(entries<First>(g), along), 10 * near<S>());
  // What is not finite moves nothing.
  const Params<N> weights = params;
  state.buf[1] = g.data[1] = static_cast<S>(std::nan(""));
  std::copy(std::begin(g.data), std::end(g.data), twice.data);
  EXPECT_EQ(tangent(set, params, g.data), Status::not_finite);
  EXPECT_EQ(std::memcmp(&twice, &g, sizeof g), 0);
  EXPECT_EQ(project(set, params, state), Status::not_finite);
  EXPECT_EQ(std::memcmp(&weights, &params, sizeof params), 0);
  if (linear) return;
  // It is the differential of the projection there.
  const double h = 1e-5;
  Vector up = want, down = want;
  for (std::size_t k = 0; k < want.size(); ++k) up[k] += h * along[k], down[k] -= h * along[k];
  up = reference.project(up), down = reference.project(down);
  for (std::size_t k = 0; k < want.size(); ++k) EXPECT_NEAR((up[k] - down[k]) / (2 * h), along[k], 1e-7);
}

template <class S, class Set>
void refuses(const Set& set, Status status, double bad = 0.5) {
  using N = Plain<S>;
  Params<N> params{};
  Pcg32 rng{9};
  fixture::randomise(params, rng, 1);
  params.template weight<First>(2, 3) = static_cast<S>(bad);
  const Params<N> before = params;
  EXPECT_EQ(project(set, params), status);
  EXPECT_EQ(std::memcmp(&before, &params, sizeof params), 0);
}

template <class S>
struct Sets : testing::Test {};
TYPED_TEST_SUITE(Sets, support::Scalars);

// ---- by unit

// Of every unit its entries, as indices: W[o][:] and b[o], or W[:][i], or all.
using Groups = std::vector<std::vector<int>>;
Groups outputs() {
  Groups all;
  for (int o = 0; o < kHidden; ++o) {
    all.emplace_back();
    for (int i = 0; i < kIn; ++i) all.back().push_back(o * kIn + i);
    all.back().push_back(kHidden * kIn + o);
  }
  return all;
}
Groups inputs() {
  Groups all(kIn);
  for (int o = 0; o < kHidden; ++o)
    for (int i = 0; i < kIn; ++i) all[static_cast<std::size_t>(i)].push_back(o * kIn + i);
  return all;
}
Groups whole() {
  Groups all(1);
  for (int e = 0; e < kHidden * (kIn + 1); ++e) all[0].push_back(e);
  return all;
}
Vector pick(const Vector& v, const std::vector<int>& group) {
  Vector some;
  for (const int e : group) some.push_back(v[static_cast<std::size_t>(e)]);
  return some;
}
// Group by group w := f(|w|) w.
template <class F>
std::function<Vector(const Vector&)> scaled(const Groups& groups, F f) {
  return [=](Vector v) {
    for (const auto& group : groups) {
      const Vector w = pick(v, group);
      const double by = f(std::sqrt(dot_of(w, w)));
      for (const int e : group) v[static_cast<std::size_t>(e)] *= by;
    }
    return v;
  };
}
// g - (w' g / w' w) w where `of` says so.
template <class F>
std::function<Vector(const Vector&, const Vector&)> radial(const Groups& groups, F of) {
  return [=](const Vector& theta, Vector g) {
    for (const auto& group : groups) {
      const Vector w = pick(theta, group);
      const double along = dot_of(w, pick(g, group)), square = dot_of(w, w);
      if (!of(std::sqrt(square), along)) continue;
      for (const int e : group) g[static_cast<std::size_t>(e)] -= along / square * theta[static_cast<std::size_t>(e)];
    }
    return g;
  };
}
bool always(double, double) { return true; }

TYPED_TEST(Sets, Spheres) {
  using S = TypeParam;
  const auto to = [](double r) { return [r](double size) { return r / size; }; };
  check<S>(Sphere<Outputs<First>, S>{S(0.75)}, {scaled(outputs(), to(0.75)), radial(outputs(), always)}, true);
  check<S>(Sphere<Inputs<First>, S>{S(2)}, {scaled(inputs(), to(2)), radial(inputs(), always)}, true);
  check<S>(Sphere<Whole<First>, S>{S(1)}, {scaled(whole(), to(1)), radial(whole(), always)}, true);
  check<S>(Sphere<Scale<First>, S>{S(3)}, {scaled(whole(), to(3)), radial(whole(), always)}, true);
  refuses<S>(Sphere<Whole<First>, S>{S(0)}, Status::infeasible);
  refuses<S>(Sphere<Whole<First>, S>{static_cast<S>(std::nan(""))}, Status::infeasible);
  refuses<S>(Sphere<Outputs<First>, S>{S(1)}, Status::not_finite, std::nan(""));
  Params<Plain<S>> zero{};
  EXPECT_EQ(project(Sphere<Outputs<First>, S>{S(1)}, zero), Status::infeasible);
}

TYPED_TEST(Sets, Balls) {
  using S = TypeParam;
  for (const double r : {1.25, 0.5}) {
    const auto reference = scaled(outputs(), [r](double size) { return size > r ? r / size : 1; });
    check<S>(
        Ball<Outputs<First>, S>{static_cast<S>(r)},
        {reference, radial(outputs(), [r](double size, double along) { return size > r * (1 - 1e-6) && along < 0; })},
        true, true);
  }
  refuses<S>(Ball<Outputs<First>, S>{S(-1)}, Status::infeasible);
  refuses<S>(Ball<Outputs<First>, S>{S(1)}, Status::not_finite, INFINITY);
}

TYPED_TEST(Sets, ProximalStep) {
  using S = TypeParam;
  Params<Plain<S>> params{};
  Pcg32 rng{9};
  fixture::randomise(params, rng, 1);
  const Vector want =
      scaled(outputs(), [](double size) { return std::fmax(0, 1 - 1.5 / size); })(entries<First>(params));
  ASSERT_EQ((shrink<Outputs<First>>(S(1.5), params)), Status::ok);
  EXPECT_LT(distance(entries<First>(params), want), near<S>());
  EXPECT_GT(std::count(want.begin(), want.end(), 0.0), kIn) << "a unit that has gone";
  const Params<Plain<S>> before = params;
  EXPECT_EQ((shrink<Outputs<First>>(S(-1), params)), Status::infeasible);
  EXPECT_EQ(std::memcmp(&before, &params, sizeof params), 0);
}

// Each input's weights, and the biases, without their mean: before a LayerNorm.
TYPED_TEST(Sets, Centred) {
  const auto centre = [](Vector v) {
    for (int i = 0; i <= kIn; ++i) {
      const auto at = [&](int o) -> double& {
        return v[static_cast<std::size_t>(i < kIn ? o * kIn + i : kHidden * kIn + o)];
      };
      double mean = 0;
      for (int o = 0; o < kHidden; ++o) mean += at(o) / kHidden;
      for (int o = 0; o < kHidden; ++o) at(o) -= mean;
    }
    return v;
  };
  check<TypeParam>(emmy::Centred<First>{}, {centre, [centre](const Vector&, const Vector& g) { return centre(g); }},
                   false);
  refuses<TypeParam>(emmy::Centred<First>{}, Status::not_finite, std::nan(""));
}

// ---- by entry

// theta - O O' theta of columns as plain vectors.
Vector without(Vector v, const std::vector<Vector>& columns, double times = 1) {
  const Vector from = v;
  for (const Vector& column : columns) {
    const double along = dot_of(column, from);
    for (std::size_t k = 0; k < v.size(); ++k) v[k] -= times * along * column[k];
  }
  return v;
}

TYPED_TEST(Sets, Mirrors) {
  using S = TypeParam;
  constexpr int kEntries = kHidden * (kIn + 1);
  // Two pairs, one of them of a weight with a bias, and a dense column that is orthogonal to them.
  const S half = static_cast<S>(std::sqrt(0.5));
  const S up[] = {half, -half}, down[] = {half, half};
  const int first[] = {1, 8}, second[] = {3, kEntries - 2};
  S dense[kEntries] = {};
  double square = 0;
  for (int k = 10; k < kEntries - 5; ++k) dense[k] = static_cast<S>(k % 5 - 1.5), square += std::pow(k % 5 - 1.5, 2);
  for (S& v : dense) v = static_cast<S>(static_cast<double>(v) / std::sqrt(square));
  const MirrorColumn<S> columns[] = {{up, first, 2}, {dense, nullptr, kEntries}, {down, second, 2}};
  std::vector<Vector> plain(3, Vector(kEntries));
  for (std::size_t k = 0; k < 2; ++k)
    plain[0][std::size_t(first[k])] = static_cast<double>(up[k]),
    plain[2][std::size_t(second[k])] = static_cast<double>(down[k]);
  for (std::size_t k = 0; k < kEntries; ++k) plain[1][k] = static_cast<double>(dense[k]);
  const MirrorSurface<S, First> mirror{columns, 3};
  check<S>(mirror,
           {[&](const Vector& v) { return without(v, plain); },
            [&](const Vector&, const Vector& g) { return without(g, plain); }},
           false);
  Params<Plain<S>> params{};
  Pcg32 rng{9};
  fixture::randomise(params, rng, 1);
  const Vector want = without(entries<First>(params), plain, 2);
  ASSERT_EQ(reflect(mirror, params), Status::ok);
  EXPECT_LT(distance(entries<First>(params), want), near<S>());
  // Over two layers: the first weight of the one tied to the first of the other.
  const int across[] = {0, kEntries};
  const MirrorColumn<S> tie{up, across, 2};
  const double mean = static_cast<double>(params.template weight<First>(0, 0) + params.template weight<Last>(0, 0)) / 2;
  ASSERT_EQ(project(MirrorSurface<S, First, Last>{&tie, 1}, params), Status::ok);
  EXPECT_NEAR((params.template weight<First>(0, 0)), mean, near<S>());
  EXPECT_NEAR((params.template weight<Last>(0, 0)), mean, near<S>());

  const S longer[] = {half, S(0.9)};
  const int twice[] = {1, 1}, beyond[] = {1, kEntries}, shared[] = {1, 3};
  const auto with = [&](const S* value, const int* index) {
    const MirrorColumn<S> pair[] = {{up, first, 2}, {value, index, 2}};
    return std::vector<MirrorColumn<S>>(pair, pair + 2);
  };
  const auto bad = [&](const S* value, const int* index, Status status) {
    const auto pair = with(value, index);
    refuses<S>(MirrorSurface<S, First>{pair.data(), 2}, status);
  };
  bad(longer, second, Status::not_orthonormal);
  bad(up, shared, Status::not_orthonormal);
  bad(up, twice, Status::out_of_range);
  bad(up, beyond, Status::out_of_range);
  refuses<S>(mirror, Status::not_finite, std::nan(""));
}

TYPED_TEST(Sets, TiedGroups) {
  constexpr int kEntries = kHidden * (kIn + 1), kGroups = 4;
  int group[kEntries];
  for (int e = 0; e < kEntries; ++e) group[e] = e % 7 < kGroups ? e % 7 : -1;
  const auto tie = [&](Vector v) {
    double sum[kGroups] = {}, count[kGroups] = {};
    for (std::size_t e = 0; e < kEntries; ++e)
      if (group[e] >= 0) sum[group[e]] += v[e], ++count[group[e]];
    for (std::size_t e = 0; e < kEntries; ++e)
      if (group[e] >= 0) v[e] = sum[group[e]] / count[group[e]];
    return v;
  };
  const TiedEntries<kGroups, First> tied{group};
  check<TypeParam>(tied, {tie, [&](const Vector&, const Vector& g) { return tie(g); }}, true);
  refuses<TypeParam>(tied, Status::not_finite, INFINITY);
  group[11] = kGroups;
  refuses<TypeParam>(tied, Status::out_of_range);
}

TYPED_TEST(Sets, TopK) {
  const auto keep = [](const Vector& theta, Vector v, int count) {
    std::vector<std::size_t> order(theta.size());
    for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
    std::stable_sort(order.begin(), order.end(),
                     [&](auto a, auto b) { return std::fabs(theta[a]) > std::fabs(theta[b]); });
    for (std::size_t k = static_cast<std::size_t>(count); k < order.size(); ++k) v[order[k]] = 0;
    return v;
  };
  for (const int count : {1, 10, 40})
    check<TypeParam>(emmy::TopK<First>{count},
                     {[&](const Vector& v) { return keep(v, v, count); },
                      [&](const Vector& theta, const Vector& g) { return keep(theta, g, count); }},
                     true);
  // Of equal sizes the first.
  Params<Plain<TypeParam>> params{};
  for (int o = 0; o < kHidden; ++o)
    for (int i = 0; i < kIn; ++i) params.template weight<First>(o, i) = TypeParam(i % 2 == 0 ? 1 : -1);
  ASSERT_EQ(project(emmy::TopK<First>{8}, params), Status::ok);
  const Vector v = entries<First>(params);
  for (std::size_t k = 0; k < v.size(); ++k) EXPECT_EQ(v[k] != 0, k < 8);
  ASSERT_EQ(project(emmy::TopK<First>{0}, params), Status::ok);
  EXPECT_EQ(entries<First>(params), Vector(v.size()));
  refuses<TypeParam>(emmy::TopK<First>{-1}, Status::out_of_range);
  refuses<TypeParam>(emmy::TopK<First>{kHidden * (kIn + 1) + 1}, Status::out_of_range);
  refuses<TypeParam>(emmy::TopK<First>{3}, Status::not_finite, std::nan(""));
}

// Six inputs: a group of four and one of two, which keeps both.
TYPED_TEST(Sets, TwoOfFour) {
  const auto keep = [](const Vector& theta, Vector v) {
    for (int o = 0; o < kHidden; ++o) {
      const auto at = [&](int i) { return static_cast<std::size_t>(o * kIn + i); };
      std::vector<int> order{0, 1, 2, 3};
      std::stable_sort(order.begin(), order.end(),
                       [&](int a, int b) { return std::fabs(theta[at(a)]) > std::fabs(theta[at(b)]); });
      v[at(order[2])] = v[at(order[3])] = 0;
    }
    return v;
  };
  check<TypeParam>(NofM<2, 4, First>{}, {[&](const Vector& v) { return keep(v, v); }, keep}, true);
  refuses<TypeParam>(NofM<2, 4, First>{}, Status::not_finite, INFINITY);
  // Of equal sizes the first.
  Params<Plain<TypeParam>> params{};
  for (int o = 0; o < kHidden; ++o)
    for (int i = 0; i < kIn; ++i) params.template weight<First>(o, i) = TypeParam(i % 2 == 0 ? 1 : -1);
  ASSERT_EQ(project(NofM<2, 4, First>{}, params), Status::ok);
  for (int i = 0; i < kIn; ++i) EXPECT_EQ((params.template weight<First>(5, i)) != 0, i < 2 || i >= 4);
}

// The best rank-r matrix by power iterations on W W', each vector taken out before the next.
struct Leading {
  std::vector<Vector> u, v;  // unit vectors
  std::vector<double> s;
};
Leading leading(const Vector& w, int rank) {
  Leading found;
  Vector rest(w.begin(), w.begin() + kHidden * kIn);
  for (int r = 0; r < rank; ++r) {
    Vector v(kIn, 1), u(kHidden);
    double s = 0;
    for (int k = 0; k < 3000; ++k) {
      for (std::size_t o = 0; o < kHidden; ++o) u[o] = dot_of({&rest[o * kIn], &rest[o * kIn] + kIn}, v);
      std::fill(v.begin(), v.end(), 0.0);
      const double size = std::sqrt(dot_of(u, u));
      for (double& x : u) x /= size;
      for (std::size_t o = 0; o < kHidden; ++o)
        for (std::size_t i = 0; i < kIn; ++i) v[i] += rest[o * kIn + i] * u[o];
      s = std::sqrt(dot_of(v, v));
      for (double& x : v) x /= s;
    }
    for (std::size_t o = 0; o < kHidden; ++o)
      for (std::size_t i = 0; i < kIn; ++i) rest[o * kIn + i] -= s * u[o] * v[i];
    found.u.push_back(u), found.v.push_back(v), found.s.push_back(s);
  }
  return found;
}

TYPED_TEST(Sets, Rank) {
  constexpr int kRank = 2;
  const auto project = [](Vector w) {
    const Leading l = leading(w, kRank);
    for (std::size_t o = 0; o < kHidden; ++o)
      for (std::size_t i = 0; i < kIn; ++i) {
        w[o * kIn + i] = 0;
        for (std::size_t r = 0; r < kRank; ++r) w[o * kIn + i] += l.s[r] * l.u[r][o] * l.v[r][i];
      }
    return w;
  };
  const auto tangent = [](const Vector& w, Vector g) {
    const Leading l = leading(w, kRank);
    // G - (I - UU') G (I - VV')
    Vector rest(g.begin(), g.begin() + kHidden * kIn);
    for (std::size_t r = 0; r < kRank; ++r)
      for (std::size_t i = 0; i < kIn; ++i) {
        double along = 0;
        for (std::size_t o = 0; o < kHidden; ++o) along += l.u[r][o] * rest[o * kIn + i];
        for (std::size_t o = 0; o < kHidden; ++o) rest[o * kIn + i] -= l.u[r][o] * along;
      }
    for (std::size_t r = 0; r < kRank; ++r)
      for (std::size_t o = 0; o < kHidden; ++o) {
        const double along = dot_of({&rest[o * kIn], &rest[o * kIn] + kIn}, l.v[r]);
        for (std::size_t i = 0; i < kIn; ++i) rest[o * kIn + i] -= along * l.v[r][i];
      }
    for (std::size_t k = 0; k < rest.size(); ++k) g[k] -= rest[k];
    return g;
  };
  check<TypeParam>(emmy::Rank<kRank, First>{}, {project, tangent}, false);
  refuses<TypeParam>(emmy::Rank<kRank, First>{}, Status::not_finite, std::nan(""));
  using N = Plain<TypeParam>;
  Params<N> params{}, g{};
  Pcg32 rng{9};
  fixture::randomise(params, rng, 1);
  fixture::randomise(g, rng, 1);
  ASSERT_EQ(emmy::project(emmy::Rank<1, First>{}, params), Status::ok);
  const Params<N> before = g;
  EXPECT_EQ(emmy::tangent(emmy::Rank<kRank, First>{}, params, g.data), Status::rank_deficient);
  EXPECT_EQ(std::memcmp(&before, &g, sizeof g), 0);
}

}  // namespace
