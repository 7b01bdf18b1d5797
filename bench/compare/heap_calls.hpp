// Counts the heap calls of the process: malloc and its relatives are interposed (glibc).
#pragma once

namespace compare {
long heap_calls();
}
