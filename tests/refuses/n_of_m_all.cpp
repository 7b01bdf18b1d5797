// refuses: emmy: NofM<N, M, Site> keeps N of M, 1 <= N < M
#include <emmy/project/entries.hpp>

#ifdef EMMY_REFUSED
constexpr int kKept = 4;
#else
constexpr int kKept = 2;
#endif
emmy::NofM<kKept, 4, emmy::Layer<0>> set{};
