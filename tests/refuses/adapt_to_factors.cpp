// refuses: emmy: adapt takes a net of plain weights and adapters: factors are not unique
#include <emmy/parametrize/fold.hpp>

#ifdef EMMY_REFUSED
using Last = emmy::Parametrized<emmy::Dense<3>, emmy::Product>;
#else
using Last = emmy::Dense<3>;
#endif
using Small = emmy::Net<emmy::Input<4>, emmy::Lora<emmy::Dense<6>, 2>, emmy::Relu, Last>;
void start(const emmy::Params<emmy::plain_of<Small>>& from, emmy::Params<Small>& to) { emmy::adapt(from, to); }
