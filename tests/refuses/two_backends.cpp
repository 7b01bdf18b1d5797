// refuses: emmy: define at most one of EMMY_BACKEND_SCALAR, EMMY_BACKEND_HIGHWAY, EMMY_BACKEND_XSIMD
#ifdef EMMY_REFUSED
#define EMMY_BACKEND_XSIMD
#endif
#define EMMY_BACKEND_SCALAR
#include <emmy/simd/simd.hpp>

float one() { return emmy::simd::sum(emmy::simd::set(1.0f)); }
