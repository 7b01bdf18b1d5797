// refuses: emmy: xsimd does not offer the instruction set of these compiler flags
#ifdef EMMY_REFUSED
#define XSIMD_WITH_SSE2 0
#endif
#define EMMY_BACKEND_XSIMD
#include <emmy/simd/simd.hpp>

float one() { return emmy::simd::sum(emmy::simd::set(1.0f)); }
