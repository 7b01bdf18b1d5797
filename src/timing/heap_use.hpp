// Counts what the process asks of its heap: malloc and its relatives are interposed (glibc), or hooked where a sanitizer
// has its own.
#pragma once

namespace emmy::timing {

struct HeapUse {
  double calls, bytes;
};
HeapUse heap_use();

}  // namespace emmy::timing
