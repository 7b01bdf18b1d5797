// refuses: emmy: this ledger does not watch this symmetry; add it to Watch<...> or use WatchAll
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/noether/ledger.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
using Ledger = emmy::Ledger<Small, emmy::Watch<emmy::Rescaling<emmy::Layer<1>>>>;
float read(const Ledger& ledger) {
#ifdef EMMY_REFUSED
  return ledger.charge<emmy::Translation<emmy::Layer<2>>>(0);
#else
  return ledger.charge<emmy::Rescaling<emmy::Layer<1>>>(0);
#endif
}
