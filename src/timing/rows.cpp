#include "timing/rows.hpp"

#include <cstdarg>
#include <cstdio>

namespace emmy::timing {
namespace {

// Appends what printf would print.
[[gnu::format(printf, 2, 3)]] void append(std::string& text, const char* format, ...) {
  char part[256];
  va_list values;
  va_start(values, format);
  std::vsnprintf(part, sizeof part, format, values);
  va_end(values);
  text += part;
}

int length(std::string_view word) { return static_cast<int>(word.size()); }

}  // namespace

const char* variant_name(Rule rule) {
  switch (rule) {
    case Rule::lazy: return "lazy";
    case Rule::momentum: return "momentum";
    case Rule::nesterov: return "nesterov";
    default: return "default";
  }
}

std::string json_row(const Result& own, const Result& base, std::span<const Result> all, bool training,
                     std::string_view isa, double peak) {
  const Opponent& o = *own.opponent;
  const Workload& w = *o.workload;
  const double ns = spread(own.nanoseconds).median, gflops = w.flops(training) / ns;
  const Spread over = ratio(own, base);
  std::string row;
  append(row, "{\"workload\": \"%s\", \"batch\": %d, \"mode\": \"%s\", \"variant\": \"%s\",", w.key, w.batch,
         training ? "train" : "infer", variant_name(o.rule));
  append(row, " \"isa\": \"%.*s\", \"backend\": \"%.*s\", \"scalar_type\": \"f32\",", length(isa), isa.data(),
         length(o.backend), o.backend.data());
  append(row, " \"ledger\": \"%.*s\", \"ns\": %.3f, \"gflops\": %.3f, \"peak_fraction\": %.4f,", length(o.ledger),
         o.ledger.data(), ns, gflops, gflops / peak);
  append(row, " \"heap_calls\": %g, \"heap_bytes\": %g, \"ram_bytes\": %zu,", own.heap.calls, own.heap.bytes,
         training ? o.train_bytes : o.infer_bytes);
  append(row, " \"over_base\": [%.4f, %.4f, %.4f], \"opponents\": {", over.low, over.median, over.high);
  const char* separator = "";
  for (const Result& other : all) {
    if (is_emmy(*other.opponent)) continue;
    const Spread s = ratio(other, own);
    const std::string_view name = other.opponent->name;
    append(row, "%s\"%.*s\": {\"ratio_median\": %.4f, \"ratio_low\": %.4f, \"ratio_high\": %.4f}", separator,
           length(name), name.data(), s.median, s.low, s.high);
    separator = ", ";
  }
  return row + "}}";
}

}  // namespace emmy::timing
