// Run-time dispatch on hosts: one row of functions for each target, chosen once. See cmake/EmmyDispatch.cmake.
#pragma once

#include <emmy/net/init.hpp>
#include <emmy/parametrize/certificate.hpp>
#include <emmy/train/trainer.hpp>
#include <emmy/train/verbs.hpp>

namespace emmy {

// What a row of the table is made for. Derive a struct in a named namespace, in a header:
//   struct Digits : emmy::Config<Net, Rule, 16, emmy::CrossEntropy, int, Ledger> {};
template <class NetType, class RuleType, int BatchSize, class LossType, class TargetType, class LedgerType = NoLedger>
struct Config {
  using Net = NetType;
  using Rule = RuleType;
  using Loss = LossType;
  using Target = TargetType;  // int for labels, the scalar for values
  using Ledger = LedgerType;
  static constexpr int kBatch = BatchSize;
};

// The verbs of one configuration, compiled for one target.
template <class C>
struct Table {
  using Net = typename C::Net;
  using Plain = plain_of<Net>;
  using S = typename Net::scalar;
  using TrainerType = Trainer<Net, typename C::Rule, C::kBatch>;
  using PlainScratch = Scratch<Plain, C::kBatch, Train<typename C::Rule>>;

  const char* target;   // "scalar", "sse4", "avx2", "avx3"
  const char* backend;  // "scalar", "highway"
  StepResult<S> (*step)(TrainerType&, const S* x, const typename C::Target*, const typename C::Rule&,
                        typename C::Ledger&) noexcept;
  Status (*infer)(const Params<Net>&, Buffers<Net>&, Scratch<Net, C::kBatch, Infer>&, const S* x, S* y) noexcept;
  Status (*evaluate)(const Params<Net>&, Buffers<Net>&, Scratch<Net, C::kBatch, Infer>&, const S* x, const int* labels,
                     int count, Evaluation<S>&) noexcept;
  // Of the plain net, added up: for certificates.
  StepResult<S> (*gradient)(const Params<Plain>&, Buffers<Plain>&, PlainScratch&, const S* x, const typename C::Target*,
                            int count, S scale, Gradient<Plain>&) noexcept;
};

// The row for `target`, or the best one for this CPU where target is null; null where the CPU or the build has none.
// Defined in the source that emmy_add_dispatch generates.
template <class C>
const Table<C>* find_table(const char* target) noexcept;

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace rows {
template <class C>
StepResult<typename C::Net::scalar> step(typename Table<C>::TrainerType& t, const typename C::Net::scalar* x,
                                         const typename C::Target* y, const typename C::Rule& rule,
                                         typename C::Ledger& ledger) noexcept {
  return t.step(x, y, typename C::Loss{}, rule, ledger);
}
template <class C>
StepResult<typename C::Net::scalar> plain_gradient(const Params<plain_of<typename C::Net>>& p,
                                                   Buffers<plain_of<typename C::Net>>& b,
                                                   typename Table<C>::PlainScratch& s, const typename C::Net::scalar* x,
                                                   const typename C::Target* y, int count,
                                                   typename C::Net::scalar scale,
                                                   Gradient<plain_of<typename C::Net>>& g) noexcept {
  return gradient<true>(p, b, s, x, y, typename C::Loss{}, count, scale, g);
}
}  // namespace rows

template <class C>
consteval Table<C> make_table() {
  return {EMMY_TARGET_NAME,
          EMMY_BACKEND_NAME,
          &rows::step<C>,
          &infer<typename C::Net, C::kBatch>,
          &evaluate<typename C::Net, C::kBatch>,
          &rows::plain_gradient<C>};
}

}  // namespace emmy::inline EMMY_TARGET
