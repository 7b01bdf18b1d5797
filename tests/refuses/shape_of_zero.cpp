// refuses: emmy: every dimension of a Shape is at least 1
#include <emmy/core/shape.hpp>

#ifdef EMMY_REFUSED
constexpr int kSize = emmy::Shape<4, 0>::kSize;
#else
constexpr int kSize = emmy::Shape<4, 1>::kSize;
#endif
static_assert(kSize == 4);
