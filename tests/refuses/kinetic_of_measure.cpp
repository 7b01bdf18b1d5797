// refuses: emmy: the kinetic split is kept by Ledger<Net, Spec, Kinetic> and Every<N, Kinetic>
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/noether/ledger.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Ledger = emmy::Ledger<Small>;
#else
using Ledger = emmy::Ledger<Small, emmy::WatchAll, emmy::Every<4, emmy::Kinetic>>;
#endif
float read(const Ledger& ledger) { return ledger.kinetic<emmy::Rescaling<emmy::Layer<1>>>(0).kinetic; }
