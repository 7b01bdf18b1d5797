// Counts what the process asks of its heap and gives back: malloc, free and their relatives are interposed (glibc), or
// hooked where a sanitizer has its own.
#pragma once

namespace emmy::timing {

struct HeapUse {
  double calls, bytes;  // asked for
  double frees;
};
HeapUse heap_use();

}  // namespace emmy::timing
