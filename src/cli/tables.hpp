// The table of a configuration of `emmy train`: its own, or one that is compiled together with others.
#pragma once

#include <tuple>
#include <utility>

#include "cli/constrained_nets.hpp"

namespace emmy::app {

// Configurations in one row of a dispatch table.
template <class... C>
struct Together {};
// Rules beside momentum and, on digits, Adam.
using PlainRules = Together<SgdDigits, DecoupledDigits, NesterovDigits, ClippedDigits>;
using PreconditionedRules = Together<RmsPropDigits, LionDigits, SignDigits, AdamNormDigits, SharedAdamNormDigits>;

template <class C, class Group>
inline constexpr bool kIsIn = false;
template <class C, class... Each>
inline constexpr bool kIsIn<C, Together<Each...>> = (__is_same(C, Each) || ...);

}  // namespace emmy::app

namespace emmy {

template <class... C>
struct Table<app::Together<C...>> {
  const char* target;
  std::tuple<Table<C>...> each;
};

namespace app {

template <class C>
const Table<C>* table_for(const char* target) {
  const auto of = [&]<class Group>(Group, auto member) -> const Table<C>* {
    const auto* all = find_table<Group>(target);
    return all != nullptr ? &member(*all) : nullptr;
  };
  const auto own = [](const auto& all) -> const auto& { return std::get<Table<C>>(all.each); };
  if constexpr (__is_same(C, Blocks16))
    return of(
        ConstrainedNets{}, [](const auto& all) -> const auto& { return all.blocks; });
  else if constexpr (__is_same(C, LowRank16))
    return of(
        ConstrainedNets{}, [](const auto& all) -> const auto& { return all.low_rank; });
  else if constexpr (kIsIn<C, PlainRules>) return of(PlainRules{}, own);
  else if constexpr (kIsIn<C, PreconditionedRules>) return of(PreconditionedRules{}, own);
  else return find_table<C>(target);
}

}  // namespace app
}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <class C>
requires app::kIsIn<C, app::Together<app::PlainRules, app::PreconditionedRules>>
consteval Table<C> make_table() {
  return []<class... Each>(app::Together<Each...>) { return Table<C>{EMMY_TARGET_NAME, {make_table<Each>()...}}; }(C{});
}

}  // namespace emmy::inline EMMY_TARGET
