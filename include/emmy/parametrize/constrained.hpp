// A linear constraint O' theta = 0 on the weights of a layer, reached by decay: DCS.
//
//   theta = (I - O O') phi + O s       s = u z, u one number (Joint)        decay lam on u, z  =  lam |O' theta|_2
//                                      s_k = u_k z_k (Elementwise)                             lam |O' theta|_1
//
// theta: all weights of the layer, biases too; O: orthonormal columns. Blocks: phi (as the layer's own), u, z. Decay acts on u and
// z; what a rule has for phi as well is plain decay of the rest (PerBlock::factor_decay gives the factors alone theirs).
// The constraint holds at a (local) optimum theta_c if, and for convex losses only if, lam > |O' grad L(theta_c)|, the norm as
// above; the certificate says so (parametrize/certificate.hpp): one group, or one for each column.
//
// O is a type with the number of its columns and one of
//   struct Tie {
//     static constexpr int kCount = 2;
//     static constexpr double at(int column, int row, int out) { ... }                     a function
//     static constexpr double columns[kCount][rows][outs] = {...};                         an array
//     static constexpr ConstraintEntry entries[] = {{column, row, out, value}, ...};       what is not zero
//   };
// rows as in the layer's blocks, one after the other: of a Dense input by input, then the bias. They are made orthonormal at compile
// time, in their order; columns that depend on each other do not compile, and Elementwise wants orthogonal ones (each cosine at most
// 2^-40, f32 2^-17), for others would not keep their meaning. A constraint that is known at run time only says kAtRunTime and where its columns are kept,
//   template <class Columns> static inline Columns columns{};
// and make_columns fills them. Source: theory.md section 4 (DCS). Test: tests/parametrize/constrained_test.cpp.
#pragma once

#include <emmy/core/status.hpp>
#include <emmy/kernels/reduce.hpp>
#include <emmy/kernels/rows.hpp>
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/materialised.hpp>
#include <emmy/parametrize/product.hpp>

namespace emmy {

struct Joint {};
struct Elementwise {};

template <class O, class Penalty = Joint>
struct Constrained {
  using constraint = O;
  static constexpr bool kMaterialises = true, kMultiplies = false, kRoundsZeros = true;
  static constexpr int kAmplifies = 1, kColumns = O::kCount;
  static constexpr bool kJoint = __is_same(Penalty, Joint);
  static constexpr int kScales = kJoint ? 1 : kColumns;  // entries of u
};

struct ConstraintEntry {
  int column, row, out;
  double value;
};

// Orthonormal columns in the layout of the weights. condition: the largest over the smallest length that Gram-Schmidt left of the
// normalised columns, 1 for orthogonal ones, NaN where an entry is NaN or Inf. skew: the largest |cosine| of two of them.
template <class S, int Size, int Count>
struct ConstraintColumns {
  static constexpr int kCount = Count;
  alignas(kAlign<S>) S data[Count][Size] = {};
  double condition = 0, skew = 0;
};
// The same without zeros.
template <class S, int Nonzeros, int Count>
struct SparseColumns {
  static constexpr int kCount = Count;
  int first[Count + 1] = {}, at[Nonzeros] = {};
  S value[Nonzeros] = {};
  double condition = 0, skew = 0;
};

namespace detail {

// Below this part of its length a column is one of those before it.
inline constexpr double kDependent = 1e-6;

constexpr double constant_root(double x) noexcept {
  if (!(x > 0)) return 0;
  double scale = 1, r = 1;
  while (x > 4) x /= 4, scale *= 2;
  while (x < 0.25) x *= 4, scale /= 2;
  for (int i = 0; i < 6; ++i) r = (r + x / r) / 2;
  return scale * r;
}

constexpr double constant_dot(const double* a, const double* b, int n) noexcept {
  double s = 0;
  for (int i = 0; i < n; ++i) s += a[i] * b[i];
  return s;
}

// Divides n values by a power of two, so that the largest is in [1, 2) and squares neither overflow nor vanish. False where one is
// NaN or Inf.
constexpr bool bring_near_one(double* v, int n) noexcept {
  double most = 0, scale = 1;
  for (int i = 0; i < n; ++i) {
    const double size = v[i] < 0 ? -v[i] : v[i];
    if (!(size <= __DBL_MAX__)) return false;
    most = size > most ? size : most;
  }
  if (!(most > 0)) return true;
  while (most / scale >= 2) scale *= 2;
  while (most / scale < 1) scale /= 2;
  for (int i = 0; i < n; ++i) v[i] /= scale;
  return true;
}

// Gram-Schmidt, twice a column, in place. The condition number, 0 where a column depends on those before it, NaN of one that is not
// finite. skew: the largest |cosine|.
template <int Size, int Count>
constexpr double orthonormalise(double (&columns)[Count][Size], double* skew = nullptr) noexcept {
  double least = 1, most = 0;
  for (int k = 0; k < Count; ++k) {
    double* const own = columns[k];
    if (!bring_near_one(own, Size)) return __builtin_nan("");
    const double length = constant_root(constant_dot(own, own, Size));
    if (!(length > 0)) return 0;
    for (int i = 0; i < Size; ++i) own[i] /= length;
    double left = 1;
    for (int pass = 0; pass < 2; ++pass) {
      for (int j = 0; j < k; ++j) {
        const double dot = constant_dot(columns[j], own, Size), cosine = dot < 0 ? -dot : dot;
        if (pass == 0 && skew != nullptr) *skew = cosine > *skew ? cosine : *skew;
        for (int i = 0; i < Size; ++i) own[i] -= dot * columns[j][i];
      }
      const double now = constant_root(constant_dot(own, own, Size));
      if (pass == 0) left = now;
      if (!(now > kDependent)) return 0;
      for (int i = 0; i < Size; ++i) own[i] /= now;
    }
    least = left < least ? left : least;
    most = left > most ? left : most;
  }
  return most / least;
}

template <class O>
inline constexpr bool kIsSparse = requires {
  O::entries[0].value;
};
template <class O>
inline constexpr bool kIsAtRunTime = requires {
  requires O::kAtRunTime;
};

template <class O, class M>
constexpr void read_columns(double (&columns)[O::kCount][M::kSize]) {
  if constexpr (kIsSparse<O>) {
    for (const ConstraintEntry& e : O::entries) columns[e.column][M::at(e.row, e.out)] += e.value;
  } else {
    for (int k = 0; k < O::kCount; ++k)
      for (int row = 0; row < M::kRows; ++row)
        for (int out = 0; out < M::kCols; ++out) {
          if constexpr (requires { O::columns[0][0][0]; }) columns[k][M::at(row, out)] = O::columns[k][row][out];
          else columns[k][M::at(row, out)] = O::at(k, row, out);
        }
  }
}

// Is it a constraint of this kind?
template <class P, class S, class C>
constexpr Status judge(const C& columns) noexcept {
  if (columns.condition != columns.condition) return Status::not_finite;
  if (!(columns.condition > 0)) return Status::rank_deficient;
  return P::kJoint || is_orthonormal(static_cast<S>(columns.skew), false) ? Status::ok : Status::not_orthonormal;
}

template <class O, class M>
consteval bool has_all_rows() {
  if constexpr (requires { O::columns[0][0][0]; })
    return sizeof(O::columns) == O::kCount * sizeof(O::columns[0]) &&
           sizeof(O::columns[0]) == M::kRows * sizeof(O::columns[0][0]) &&
           sizeof(O::columns[0][0]) == M::kCols * sizeof(O::columns[0][0][0]);
  return true;
}

template <class O, class M>
consteval bool names_weights() {
  if constexpr (kIsSparse<O>)
    for (const ConstraintEntry& e : O::entries)
      if (e.column < 0 || e.column >= O::kCount || e.row < 0 || e.row >= M::kRows || e.out < 0 || e.out >= M::kCols)
        return false;
  return true;
}

template <class O, class M>
constexpr auto dense_columns() noexcept {
  static_assert(names_weights<O, M>(), "emmy: this constraint has an entry that is no weight of the layer");
  static_assert(has_all_rows<O, M>(),
                "emmy: the array of this constraint's columns has kCount of them, each with a row for every input and "
                "one for the "
                "bias where there is one, and in it a value for every output");
  double work[O::kCount][M::kSize] = {};
  if constexpr (has_all_rows<O, M>()) read_columns<O, M>(work);
  ConstraintColumns<typename M::scalar, M::kSize, O::kCount> c;
  c.condition = orthonormalise(work, &c.skew);
  for (int k = 0; k < O::kCount; ++k)
    for (int i = 0; i < M::kSize; ++i) c.data[k][i] = static_cast<typename M::scalar>(work[k][i]);
  return c;
}
template <class O, class M>
inline constexpr auto kDense = dense_columns<O, M>();

template <class O, class M>
consteval auto sparse_columns() {
  constexpr int kNonzeros = [] {
    int count = 0;
    for (const auto& column : kDense<O, M>.data)
      for (const auto v : column) count += v != 0;
    return count;
  }();
  SparseColumns<typename M::scalar, kNonzeros, O::kCount> c;
  c.condition = kDense<O, M>.condition;
  c.skew = kDense<O, M>.skew;
  int n = 0;
  for (int k = 0; k < O::kCount; ++k) {
    for (int i = 0; i < M::kSize; ++i)
      if (kDense<O, M>.data[k][i] != 0) {
        c.at[n] = i;
        c.value[n++] = kDense<O, M>.data[k][i];
      }
    c.first[k + 1] = n;
  }
  return c;
}
template <class O, class M>
inline constexpr auto kSparse = sparse_columns<O, M>();

template <class O, class M>
EMMY_INLINE constexpr auto& columns_of() noexcept {
  if constexpr (kIsAtRunTime<O>) return O::template columns<ConstraintColumns<typename M::scalar, M::kSize, O::kCount>>;
  else if constexpr (kIsSparse<O>) return kSparse<O, M>;
  else return kDense<O, M>;
}

}  // namespace detail

template <class O, class Penalty, class M>
consteval auto blocks_of_parameters(Constrained<O, Penalty>, M) {
  using P = Constrained<O, Penalty>;
  if constexpr (!detail::kIsAtRunTime<O>) {
    static_assert(detail::judge<P, typename M::scalar>(detail::columns_of<O, M>()) == Status::ok,
                  "emmy: the columns of this constraint depend on each other, or are not orthogonal, which Elementwise "
                  "needs: made so they would be mixed");
  }
  return detail::joined(detail::in_role(M::kList, Role::latent),
                        Blocks<2>{{{1, P::kScales, Role::factor}, {1, P::kColumns, Role::factor}}});
}

// The charges u^2 - |z|^2, or of each column.
template <class O, class Penalty, int Blocks>
consteval auto balanced(Constrained<O, Penalty>, std::integral_constant<int, Blocks>) {
  constexpr Axis kUnit = __is_same(Penalty, Joint) ? Axis::row : Axis::column;
  return Parts<2>{{{Blocks, kUnit, 1}, {Blocks + 1, kUnit, -1}}};
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// Fills the columns of a constraint that is known at run time only, on the layer that Site names. condition tells how far the columns
// were from orthogonal, 0 where they depend on each other: Status::rank_deficient. Status::not_orthonormal: Elementwise, and they are not
// orthogonal. Status::not_finite: an entry is NaN or Inf. In these cases the layer is not constrained at all.
template <class Net, class Site>
Status make_columns(double& condition) noexcept {
  using C = ComposedSite<Net, Site>;
  using O = typename C::composition::constraint;
  auto& c = detail::columns_of<O, typename C::weights>();
  c = detail::dense_columns<O, typename C::weights>();
  condition = c.condition;
  const Status status = detail::judge<typename C::composition, typename Net::scalar>(c);
  if (status != Status::ok) c = {};
  return status;
}

namespace inner {

// O_k' w and w += a O_k.
template <class S, int Size, int Count>
EMMY_INLINE S column_dot(const ConstraintColumns<S, Size, Count>& c, int k, const S* w) noexcept {
  if constexpr (simd::kStrict) return ordered_dot(c.data[k], w, Size);
  // Whole vectors, so no `dot`: of its tail for other sizes g++ 12 -O1 warns that it never ends.
  auto sum = simd::zero<S>();
  for (int i = 0; i < Size; i += static_cast<int>(simd::lanes<S>()))
    sum = simd::mul_add(simd::load(c.data[k] + i), simd::load(w + i), sum);
  return simd::sum(sum);
}
template <class S, int Size, int Count>
EMMY_INLINE void add_column(const ConstraintColumns<S, Size, Count>& c, int k, S a, S* w) noexcept {
  for (int i = 0; i < Size; i += static_cast<int>(simd::lanes<S>()))
    simd::store(simd::mul_add(simd::set(a), simd::load(c.data[k] + i), simd::load(w + i)), w + i);
}
template <class S, int Nonzeros, int Count>
EMMY_INLINE S column_dot(const SparseColumns<S, Nonzeros, Count>& c, int k, const S* w) noexcept {
  S s = 0;
  for (int n = c.first[k]; n < c.first[k + 1]; ++n) s += c.value[n] * w[c.at[n]];
  return s;
}
template <class S, int Nonzeros, int Count>
EMMY_INLINE void add_column(const SparseColumns<S, Nonzeros, Count>& c, int k, S a, S* w) noexcept {
  for (int n = c.first[k]; n < c.first[k + 1]; ++n) w[c.at[n]] += a * c.value[n];
}
template <class S, int Size, int Count>
EMMY_INLINE S column_entry(const ConstraintColumns<S, Size, Count>& c, int k, int at) noexcept {
  return c.data[k][at];
}
template <class S, int Nonzeros, int Count>
EMMY_INLINE S column_entry(const SparseColumns<S, Nonzeros, Count>& c, int k, int at) noexcept {
  for (int n = c.first[k]; n < c.first[k + 1]; ++n)
    if (c.at[n] == at) return c.value[n];
  return 0;
}

// Where u and z are among the parameters.
template <class P, class M>
inline constexpr int kScaleAt = M::kSize;
template <class P, class M>
inline constexpr int kShareAt = M::kSize + padded<typename M::scalar>(P::kScales);

}  // namespace inner

template <class M, class O, class Penalty, class S>
EMMY_INLINE void compose(Constrained<O, Penalty>, const S* params, S* w) noexcept {
  using P = Constrained<O, Penalty>;
  const auto& columns = detail::columns_of<O, M>();
  const S *u = params + inner::kScaleAt<P, M>, *z = params + inner::kShareAt<P, M>;
  for (int i = 0; i < M::kSize; i += static_cast<int>(simd::lanes<S>())) simd::store(simd::load(params + i), w + i);
  for (int k = 0; k < P::kColumns; ++k)
    inner::add_column(columns, k, u[P::kJoint ? 0 : k] * z[k] - inner::column_dot(columns, k, w), w);
}

template <class M, class O, class Penalty, class S, class Visitor>
EMMY_INLINE void pull_back(Constrained<O, Penalty>, const S* params, S* g, Visitor& visitor) noexcept {
  using P = Constrained<O, Penalty>;
  const auto& columns = detail::columns_of<O, M>();
  const S *u = params + inner::kScaleAt<P, M>, *z = params + inner::kShareAt<P, M>;
  S gu[P::kScales] = {}, gz[P::kColumns];
  for (int k = 0; k < P::kColumns; ++k) {
    const S gs = inner::column_dot(columns, k, g);
    gz[k] = gs * u[P::kJoint ? 0 : k];
    gu[P::kJoint ? 0 : k] += gs * z[k];
    inner::add_column(columns, k, -gs, g);
  }
  inner::visit_blocks<0, M>(g, visitor);
  inner::visit_row<M::kBlocks, P::kScales>(gu, visitor);
  inner::visit_row<M::kBlocks + 1, P::kColumns>(gz, visitor);
}

// phi becomes (I - O O') W and u z = O' W with |u| = |z| / 4, so that neither u + z nor u - z is 0.
template <class M, class O, class Penalty, class S>
EMMY_INLINE void decompose(Constrained<O, Penalty>, S* params) noexcept {
  using P = Constrained<O, Penalty>;
  const auto& columns = detail::columns_of<O, M>();
  S *u = params + inner::kScaleAt<P, M>, *z = params + inner::kShareAt<P, M>;
  for (int k = 0; k < P::kColumns; ++k) {
    z[k] = inner::column_dot(columns, k, static_cast<const S*>(params));
    inner::add_column(columns, k, -z[k], params);
  }
  for (int k = 0; k < P::kScales; ++k) {
    const S size = root(euclidean_norm(z + k, P::kJoint ? P::kColumns : 1)) / S(2);
    u[k] = size > S(0) ? size : kFactorStart<S>;
  }
  for (int k = 0; k < P::kColumns; ++k) z[k] /= u[P::kJoint ? 0 : k];
}

// s = O' theta, a number a column: u z as it stands, no sum over weights, so exactly 0 once it is snapped.
template <class Site, class Net>
void constraint_values(const Params<Net>& params, typename Net::scalar* s) noexcept {
  using C = ComposedSite<Net, Site>;
  using P = typename C::composition;
  using M = typename C::weights;
  const auto* own = params.data + C::kOffset;
  for (int k = 0; k < P::kColumns; ++k)
    s[k] = own[inner::kScaleAt<P, M> + (P::kJoint ? 0 : k)] * own[inner::kShareAt<P, M> + k];
}

// ---- groups (parametrize/certificate.hpp): all columns together, or each by itself

template <class O, class Penalty, class M>
consteval int group_count(Constrained<O, Penalty>, M) {
  return Constrained<O, Penalty>::kScales;
}
template <class M, class O, class Penalty, class S>
EMMY_INLINE S group_size(Constrained<O, Penalty>, const S* params, int group) noexcept {
  using P = Constrained<O, Penalty>;
  const S u = params[inner::kScaleAt<P, M> + group];
  return euclidean_norm(&u, 1) * euclidean_norm(params + inner::kShareAt<P, M> + group, P::kJoint ? P::kColumns : 1);
}
template <class M, class O, class Penalty, class S>
EMMY_INLINE void clear_group(Constrained<O, Penalty>, S* data, int group) noexcept {
  using P = Constrained<O, Penalty>;
  data[inner::kScaleAt<P, M> + group] = 0;
  for (int k = 0; k < (P::kJoint ? P::kColumns : 1); ++k) data[inner::kShareAt<P, M> + group + k] = 0;
}
template <class M, class O, class Penalty, class S>
EMMY_INLINE S group_slope(Constrained<O, Penalty>, const S* g, int group) noexcept {
  using P = Constrained<O, Penalty>;
  const auto& columns = detail::columns_of<O, M>();
  S slope[P::kColumns];
  const int count = P::kJoint ? P::kColumns : 1;
  for (int k = 0; k < count; ++k) slope[k] = inner::column_dot(columns, group + k, g);
  return euclidean_norm(slope, count);
}

template <class M, class O, class Penalty>
EMMY_INLINE bool group_has_unit(Constrained<O, Penalty>, int group, int unit) noexcept {
  using P = Constrained<O, Penalty>;
  const auto& columns = detail::columns_of<O, M>();
  for (int k = 0; k < (P::kJoint ? P::kColumns : 1); ++k)
    for (int row = 0; row < M::kRows; ++row)
      if (inner::column_entry(columns, group + k, M::at(row, unit)) != 0) return true;
  return false;
}
// Columns that were not made, or were refused, constrain nothing.
template <class M, class O, class Penalty>
EMMY_INLINE Status group_status(Constrained<O, Penalty>) noexcept {
  return detail::columns_of<O, M>().condition > 0 ? Status::ok : Status::rank_deficient;
}

}  // namespace emmy::inline EMMY_TARGET
