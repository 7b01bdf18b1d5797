// Emmy by its static headers: without a ledger, and with all charges predicted, measured, or measured in one step of 16.
// Compiled once for each backend; EMMY_COMPARE_NAME is the name of its list.
#include <bench/compare/opponents.hpp>

#include <timing/emmy_program.hpp>

#include <vector>

namespace compare {
namespace {

template <const Workload& Work, bool kInferred>
void add(std::vector<Opponent>& all) {
  using Net = NetOf<Work>;
  using Predicted = emmy::Ledger<Net, emmy::WatchAll, emmy::Predict>;
  using Measured = emmy::Ledger<Net, emmy::WatchAll, emmy::Measure>;
  using Sampled = emmy::Ledger<Net, emmy::WatchAll, emmy::Every<16>>;
  all.push_back(EmmyProgram<Work>::template row<kInferred>());
  all.push_back(EmmyProgram<Work, Predicted>::template row<false>("predict"));
  all.push_back(EmmyProgram<Work, Measured>::template row<false>("measure"));
  all.push_back(EmmyProgram<Work, Sampled>::template row<false>("every16"));
}

}  // namespace

namespace opponents {
std::span<const Opponent> EMMY_COMPARE_NAME() {
  static const std::vector<Opponent> all = [] {
    std::vector<Opponent> list;
#define EMMY_COMPARE_ADD(workload, trained, inferred) add<workload, inferred>(list);
    EMMY_TIMING_NETS(EMMY_COMPARE_ADD)
    EMMY_TIMING_CONV_NETS(EMMY_COMPARE_ADD)
#undef EMMY_COMPARE_ADD
    return list;
  }();
  return all;
}
}  // namespace opponents
}  // namespace compare
