// refuses: emmy: Rank<R, Site> needs a rank of at least 1
#include <emmy/project/rank.hpp>

#ifdef EMMY_REFUSED
constexpr int kRank = 0;
#else
constexpr int kRank = 1;
#endif
emmy::Rank<kRank, emmy::Layer<0>> set{};
