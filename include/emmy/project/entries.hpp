// Weights onto a set, entry by entry: mirrors, ties, sparsity.
//
// Entries of sites are counted site by site, block by block, a matrix W[out, in] row by row and then b: entry o in + i is W[o, i].
//
//   MirrorSurface<Site...>{column, columns}   theta - O (O' theta), O orthonormal        tangent: the same map of g
//   TiedEntries<Groups, Site...>{group}       the mean of each group                     tangent: the mean of g
//   TopK<Site...>{keep}                the `keep` largest |theta|, others 0       tangent: g where theta is kept
//   NofM<N, M, Site>{}                 of each M inputs in a row of an output the N largest (2:4), others 0; not the bias   tangent: likewise
//
// None keeps the net's function. Of equal sizes the first is kept. project is idempotent; of TiedEntries, TopK and NofM bit for bit. Verbs as
// in project/sets.hpp. Status: not_finite; not_orthonormal (O'O is not I up to 2^-40, f32 2^-17); out_of_range (an index that is
// none, or not above the one before, a group that is none, keep outside 0 .. entries); then nothing has moved.
// Source: theory.md section 5. Test: tests/project/sets_test.cpp.
#pragma once

#include <cstdint>
#include <type_traits>

#include <emmy/project/sets.hpp>

namespace emmy {

// One column of O: value[k] at entry index[k], ascending; index null: all entries, count of them.
template <class S>
struct MirrorColumn {
  const S* value;
  const int* index;
  int count;
};
template <class S, class... Site>
struct MirrorSurface {
  const MirrorColumn<S>* column;
  int columns;
};
// group[entry] < 0: free.
template <int Groups, class... Site>
struct TiedEntries {
  const int* group;
};
template <class... Site>
struct TopK {
  int keep;
};
template <int N, int M, class Site>
struct NofM {
  static_assert(N >= 1 && N < M, "emmy: NofM<N, M, Site> keeps N of M, 1 <= N < M");
};

// The entries of sites, and where they lie in Params.
template <class Net, class... Site>
struct Entries {
  static constexpr int kCount = [] {
    int count = 0;
    const auto add = [&](int node) {
      for (int b = kPlan<Net>.first_block[node]; b < kPlan<Net>.first_block[node + 1]; ++b)
        count += kPlan<Net>.block[b].rows * kPlan<Net>.block[b].cols;
    };
    (add(detail::projected_node<Net, Site>()), ...);
    return count;
  }();
  // f(entry, offset) in their order, until it returns false.
  template <class F>
  EMMY_INLINE static constexpr void for_each(F f) noexcept {
    int entry = 0;
    bool goes_on = true;
    const auto visit = [&](int node) {
      for (int b = kPlan<Net>.first_block[node]; b < kPlan<Net>.first_block[node + 1]; ++b) {
        const PlannedBlock& block = kPlan<Net>.block[b];
        for (int c = 0; c < block.cols; ++c)
          for (int r = 0; r < block.rows && goes_on; ++r) goes_on = f(entry++, block.at(r, c));
      }
    };
    (visit(kNodeOf<Net, Site>), ...);
  }
  EMMY_INLINE static constexpr int offset(int entry) noexcept {
    int found = 0;
    const auto seek = [&](int node) {
      for (int b = kPlan<Net>.first_block[node]; b < kPlan<Net>.first_block[node + 1]; ++b) {
        const PlannedBlock& block = kPlan<Net>.block[b];
        const int size = block.rows * block.cols;
        if (entry >= 0 && entry < size) found = block.at(entry % block.rows, entry / block.rows);
        entry -= size;
      }
    };
    (seek(kNodeOf<Net, Site>), ...);
    return found;
  }
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

template <class S>
using BitsOf = std::conditional_t<sizeof(S) == 4, std::uint32_t, std::uint64_t>;
// |x| as a whole number that grows with it.
template <class S>
EMMY_INLINE BitsOf<S> bits_of_size(S x) noexcept {
  return __builtin_bit_cast(BitsOf<S>, x) << 1 >> 1;
}

template <class E, class S>
EMMY_INLINE bool entries_finite(const S* data) noexcept {
  bool finite = true;
  E::for_each([&](int, int at) { return finite = is_finite(data[at]); });
  return finite;
}

// ---- mirrors

// f(value, entry) for each entry of a column.
template <class S, class F>
EMMY_INLINE void for_column(const MirrorColumn<S>& column, F f) noexcept {
  for (int k = 0; k < column.count; ++k) f(column.value[k], column.index == nullptr ? k : column.index[k]);
}
template <class S>
S column_product(const MirrorColumn<S>& a, const MirrorColumn<S>& b) noexcept {
  S sum = 0;
  int k = 0;
  for_column(a, [&](S value, int entry) EMMY_LAMBDA {
    const auto entry_of = [&](int at) { return b.index == nullptr ? at : b.index[at]; };
    while (k < b.count && entry_of(k) < entry) ++k;
    if (k < b.count && entry_of(k) == entry) sum += value * b.value[k];
  });
  return sum;
}
template <class E, class S>
Status check_columns(const MirrorColumn<S>* column, int columns) noexcept {
  for (int a = 0; a < columns; ++a) {
    int last = -1;
    bool fits = column[a].count >= 0;
    for_column(column[a], [&](S, int entry) EMMY_LAMBDA {
      fits = fits && entry > last && entry < E::kCount;
      last = entry;
    });
    if (!fits) return Status::out_of_range;
    for (int b = 0; b <= a; ++b)
      if (!detail::is_orthonormal(column_product(column[a], column[b]), a == b)) return Status::not_orthonormal;
  }
  return Status::ok;
}
// data - times O (O' data)
template <class S, class... Site, class Net>
Status mirror(const MirrorSurface<S, Site...>& set, S times, const Params<Net>&, S* data) noexcept {
  using E = Entries<Net, Site...>;
  if (const Status s = check_columns<E>(set.column, set.columns); s != Status::ok) return s;
  if (!entries_finite<E>(data)) return Status::not_finite;
  for (int a = 0; a < set.columns; ++a) {
    S along = 0;
    for_column(set.column[a], [&](S value, int entry) EMMY_LAMBDA { along += value * data[E::offset(entry)]; });
    for_column(set.column[a], [&](S value, int entry) EMMY_LAMBDA { data[E::offset(entry)] -= times * along * value; });
  }
  return Status::ok;
}

// ---- sparsity

// The `keep` largest: f(offset, kept) for every entry.
template <class E, class S, class F>
EMMY_INLINE void for_largest(const S* data, int keep, F f) noexcept {
  using Bits = BitsOf<S>;
  Bits least = 0;  // the largest bound that `keep` entries reach
  for (int bit = 8 * static_cast<int>(sizeof(S)) - 2; bit >= 0 && keep > 0; --bit) {
    const Bits wanted = static_cast<Bits>(least | Bits(1) << bit);
    int count = 0;
    E::for_each([&](int, int at) {
      count += bits_of_size(data[at]) >= wanted;
      return true;
    });
    if (count >= keep) least = wanted;
  }
  int equal = keep;  // of those that are as large as the bound
  E::for_each([&](int, int at) {
    equal -= bits_of_size(data[at]) > least;
    return true;
  });
  E::for_each([&](int, int at) {
    const Bits size = bits_of_size(data[at]);
    f(at, keep > 0 && (size > least || (size == least && equal-- > 0)));
    return true;
  });
}

// f(offset, kept) for every weight of the site but biases.
template <int N, int M, class Net, class Site, class S, class F>
EMMY_INLINE void for_n_of_m(const S* data, F f) noexcept {
  constexpr int kNode = detail::projected_node<Net, Site>();
  for (int b = kPlan<Net>.first_block[kNode]; b < kPlan<Net>.first_block[kNode + 1]; ++b) {
    const PlannedBlock& block = kPlan<Net>.block[b];
    if (block.role == Role::bias || block.role == Role::gain) continue;
    for (int c = 0; c < block.cols; ++c)
      for (int from = 0; from < block.rows; from += M) {
        const int count = block.rows - from < M ? block.rows - from : M;
        const auto at = [&](int k) { return block.at(from + k, c); };
        bool kept[M];
        for (int k = 0; k < count; ++k) {
          int before = 0;
          for (int other = 0; other < count; ++other) {
            const auto own = bits_of_size(data[at(k)]), size = bits_of_size(data[at(other)]);
            before += size > own || (size == own && other < k);
          }
          kept[k] = before < N;
        }
        for (int k = 0; k < count; ++k) f(at(k), kept[k]);
      }
  }
}

}  // namespace inner

template <class S, class... Site, class Net>
Status project(const MirrorSurface<S, Site...>& set, Params<Net>& params) noexcept {
  return inner::mirror(set, S(1), params, params.data);
}
template <class S, class... Site, class Net>
Status tangent(const MirrorSurface<S, Site...>& set, const Params<Net>& params,
               typename Net::scalar* direction) noexcept {
  return inner::mirror(set, S(1), params, direction);
}
// The weights on the other side of the mirror: theta - 2 O (O' theta).
template <class S, class... Site, class Net>
Status reflect(const MirrorSurface<S, Site...>& set, Params<Net>& params) noexcept {
  return inner::mirror(set, S(2), params, params.data);
}

// The mean as the first plus the mean of the differences: equal entries stay as they are.
template <int Groups, class... Site, class Net>
Status tangent(const TiedEntries<Groups, Site...>& set, const Params<Net>&, typename Net::scalar* direction) noexcept {
  using S = typename Net::scalar;
  using E = Entries<Net, Site...>;
  S first[Groups] = {}, sum[Groups] = {};
  int count[Groups] = {};
  for (int e = 0; e < E::kCount; ++e)
    if (set.group[e] >= Groups) return Status::out_of_range;
  if (!inner::entries_finite<E>(direction)) return Status::not_finite;
  E::for_each([&](int entry, int at) {
    const int g = set.group[entry];
    if (g < 0) return true;
    if (count[g]++ == 0) first[g] = direction[at], sum[g] = S(0);
    else sum[g] += direction[at] - first[g];
    return true;
  });
  E::for_each([&](int entry, int at) {
    const int g = set.group[entry];
    if (g >= 0) direction[at] = first[g] + sum[g] / S(count[g]);
    return true;
  });
  return Status::ok;
}
template <int Groups, class... Site, class Net>
Status project(const TiedEntries<Groups, Site...>& set, Params<Net>& params) noexcept {
  return tangent(set, params, params.data);
}

template <class... Site, class Net>
Status tangent(const TopK<Site...>& set, const Params<Net>& params, typename Net::scalar* direction) noexcept {
  using E = Entries<Net, Site...>;
  if (set.keep < 0 || set.keep > E::kCount) return Status::out_of_range;
  if (!inner::entries_finite<E>(params.data) || !inner::entries_finite<E>(direction)) return Status::not_finite;
  inner::for_largest<E>(params.data, set.keep, [&](int at, bool kept) {
    if (!kept) direction[at] = 0;
  });
  return Status::ok;
}
template <class... Site, class Net>
Status project(const TopK<Site...>& set, Params<Net>& params) noexcept {
  return tangent(set, params, params.data);
}

template <int N, int M, class Site, class Net>
Status tangent(const NofM<N, M, Site>&, const Params<Net>& params, typename Net::scalar* direction) noexcept {
  using E = Entries<Net, Site>;
  if (!inner::entries_finite<E>(params.data) || !inner::entries_finite<E>(direction)) return Status::not_finite;
  inner::for_n_of_m<N, M, Net, Site>(params.data, [&](int at, bool kept) {
    if (!kept) direction[at] = 0;
  });
  return Status::ok;
}
template <int N, int M, class Site, class Net>
Status project(const NofM<N, M, Site>& set, Params<Net>& params) noexcept {
  return tangent(set, params, params.data);
}

}  // namespace emmy::inline EMMY_TARGET
