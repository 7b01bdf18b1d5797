// refuses: emmy: Highway's static target is not the instruction set of these compiler flags. SSE4 needs -msse4.2 -maes -mpclmul
// Where the backend is chosen by hand and the flags are those of plain x86-64.
#ifdef EMMY_REFUSED
#define EMMY_BACKEND_HIGHWAY
#else
#define EMMY_BACKEND_SCALAR
#endif
#include <emmy/simd/simd.hpp>

float one() { return emmy::simd::sum(emmy::simd::set(1.0f)); }
