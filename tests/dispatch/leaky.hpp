// Text that a user's header may well hold: an inline function, one per program, whichever copy the linker keeps.
#pragma once

namespace leaky {

[[gnu::noinline]] inline const char* compiled_for() {
#if defined(__SSE4_2__)
  return "sse4";
#else
  return "baseline";
#endif
}

struct Table {
  const char* (*compiled_for)();
  int (*middle)(const int* values);
};

}  // namespace leaky

namespace emmy::tables {
extern const leaky::Table leaky_sse4;
}
