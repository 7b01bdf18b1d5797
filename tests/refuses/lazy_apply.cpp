// refuses: emmy: apply updates at once
#include <emmy/train/verbs.hpp>

using Net = emmy::Net<emmy::Input<4>, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Rule = emmy::Lazy<emmy::Sgd>;
#else
using Rule = emmy::Sgd;
#endif
emmy::Status update(emmy::Params<Net>& params, emmy::State<Net, Rule>& state, const emmy::Gradient<Net>& g,
                    const Rule& rule) {
  emmy::NoLedger none;
  return emmy::apply(params, state, g, rule, none);
}
