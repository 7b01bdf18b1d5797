// refuses: emmy: a Mat needs positive extents and Stride >= Cols
#include <emmy/core/mat.hpp>

#ifdef EMMY_REFUSED
using View = emmy::Mat<float, 2, 3, 2>;
#else
using View = emmy::Mat<float, 2, 3, 4>;
#endif
View view{nullptr};
