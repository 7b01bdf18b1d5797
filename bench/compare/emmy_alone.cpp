// What has no opponents of its own: other rules beside plain SGD, and nets as they grow.
#include <bench/compare/growth.hpp>

#include <timing/emmy_program.hpp>

namespace compare::opponents {

template <const Workload& Work, Rule kRule>
using Ruled = EmmyProgram<Work, emmy::NoLedger, kRule>;

std::span<const Opponent> emmy_alone() {
#define EMMY_COMPARE_ROW(workload) EmmyProgram<workload>::row<false>(),
  static const Opponent all[] = {
      Ruled<kW2<1>, Rule::lazy>::row<false>(),      Ruled<kW3<1>, Rule::lazy>::row<false>(),
      Ruled<kW4<1>, Rule::lazy>::row<false>(),      Ruled<kW2<1>, Rule::momentum>::row<false>(),
      Ruled<kW2<1>, Rule::nesterov>::row<false>(),  Ruled<kW2<16>, Rule::momentum>::row<false>(),
      Ruled<kW2<16>, Rule::nesterov>::row<false>(), EMMY_COMPARE_GROWTH(EMMY_COMPARE_ROW)};
#undef EMMY_COMPARE_ROW
  return all;
}

}  // namespace compare::opponents
