// A function that tools/arm_table.py finds by its name: neither inlined nor changed for its caller.
#pragma once

#if defined(__clang__)
#define EMMY_BENCH_EXPORT extern "C" [[gnu::noinline, gnu::used]]
#else
#define EMMY_BENCH_EXPORT extern "C" [[gnu::noipa, gnu::used]]  // not even cloned: a clone would not be counted
#endif
