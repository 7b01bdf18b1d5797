// What an opponent's file gives: a new one is <name>.cpp with a function `opponents::<name>()` and a line in
// bench/CMakeLists.txt.
#pragma once

#include <timing/workload.hpp>

namespace compare {

using namespace emmy::timing;

namespace {  // of the file: names of programs repeat
// The opponents of a file whose program for one net is a type with static reset, read, step and infer. kConvolves: it
// knows stages.
template <template <const Workload&> class Program, bool kConvolves = false>
std::span<const Opponent> rows(std::string_view name) {
#define EMMY_COMPARE_ROW(workload, trained, inferred) \
  {name,                                              \
   &workload,                                         \
   Program<workload>::reset,                          \
   Program<workload>::read,                           \
   Program<workload>::step,                           \
   Program<workload>::infer},
  if constexpr (kConvolves) {
    static const Opponent all[] = {EMMY_TIMING_NETS(EMMY_COMPARE_ROW) EMMY_TIMING_CONV_NETS(EMMY_COMPARE_ROW)};
    return all;
  } else {
    static const Opponent all[] = {EMMY_TIMING_NETS(EMMY_COMPARE_ROW)};
    return all;
  }
#undef EMMY_COMPARE_ROW
}
}  // namespace

}  // namespace compare
