// What `emmy bench` times, for run-time dispatch: the same list of programs for each target.
#pragma once

#include <span>
#include <type_traits>

#include <emmy/train/dispatch.hpp>

#include "timing/emmy_program.hpp"
#include "timing/peak.hpp"

namespace emmy::app {
struct Bench;
}

namespace emmy {

template <>
struct Table<app::Bench> {
  const char* target;
  std::span<const timing::Opponent> (*programs)();
  double (*peak)();  // GFLOP/s
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace rows {
template <class C>
std::span<const timing::Opponent> programs() {
  using namespace timing;
  using Predicted = Ledger<NetOf<kW2<16>>, WatchAll, Predict>;
  static constexpr Opponent kAll[] = {
      EmmyProgram<kW1<1>>::template row<true>(),  EmmyProgram<kW2<1>>::template row<true>(),
      EmmyProgram<kW2<16>>::template row<true>(), EmmyProgram<kW2<16>, Predicted>::template row<false>("predict"),
      EmmyProgram<kW3<32>>::template row<true>(), EmmyProgram<kW4<64>>::template row<true>(),
      EmmyProgram<kW5<16>>::template row<true>()};
  return kAll;
}
}  // namespace rows

template <class C>
requires std::is_same_v<C, app::Bench>
consteval Table<C> make_table() { return {EMMY_TARGET_NAME, &rows::programs<C>, &timing::peak_gflops}; }

}  // namespace emmy::inline EMMY_TARGET
