// refuses: emmy: where Same begins depends on a stream's end if there is a Stride: take Padding
#include <emmy/layers/streaming.hpp>

#ifdef EMMY_REFUSED
emmy::StreamingConv1d<3, 5, emmy::Same, emmy::Stride<2>> layer;
#else
emmy::StreamingConv1d<3, 5, emmy::Padding<2>, emmy::Stride<2>> layer;
#endif
