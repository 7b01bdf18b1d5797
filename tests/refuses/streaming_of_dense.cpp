// refuses: emmy: Streaming<L> takes a Conv1d, a DepthwiseConv1d, a MaxPool or an AvgPool
#include <emmy/layers/streaming.hpp>

#ifdef EMMY_REFUSED
emmy::Streaming<emmy::Dense<3>> layer;
#else
emmy::Streaming<emmy::Conv1d<3, 2>> layer;
#endif
