// Results as JSON.
#pragma once

#include <string>

#include "timing/rounds.hpp"

namespace emmy::timing {

inline bool is_emmy(const Opponent& o) { return !o.backend.empty(); }
const char* variant_name(Rule rule);

// The object of one of Emmy's results. Its key is workload, batch, mode, variant, isa, backend, scalar_type and ledger;
// `over_base` is its time over that of Emmy's plain step, the opponents' ratios are their time over its own. Kernels count
// as inference at batch 1.
std::string json_row(const Result& own, const Result& base, std::span<const Result> all, bool training,
                     std::string_view isa, double peak);

}  // namespace emmy::timing
