// The data of a net: four objects with four lifetimes. Plain data; `sizeof` answers "how much RAM".
#pragma once

#include <emmy/kernels/motion.hpp>
#include <emmy/net/plan.hpp>

namespace emmy {

namespace detail {
// A net of activations alone has no weights; its arrays still have one.
constexpr int at_least_one(int scalars) noexcept { return scalars > 0 ? scalars : 1; }
}  // namespace detail

// What a head of attention makes of x.
enum class HeadRole : unsigned char { query, key, value };

// The weights: every block of every layer, [in][pad(out)], pad lanes zero. May be const in flash.
template <class Net>
struct Params {
  using scalar = typename Net::scalar;
  alignas(kAlign<scalar>) scalar data[detail::at_least_one(kPlan<Net>.params)];

  // W[out, in] and b[out] of the layer that Site names, whatever the packing; of a convolution W[out, in, position], positions
  // of its kernel row by row, of a depthwise one W[channel, 0, position], of a recurrent layer those of x, W[out, in, gate]
  // and b[out, gate].
  template <class Site>
  EMMY_INLINE constexpr scalar& weight(int out, int in, int position = 0) noexcept {
    return data[at<Site, Role::weight>(row<Site>(in, position), out)];
  }
  template <class Site>
  EMMY_INLINE constexpr const scalar& weight(int out, int in, int position = 0) const noexcept {
    return data[at<Site, Role::weight>(row<Site>(in, position), out)];
  }
  template <class Site>
  EMMY_INLINE constexpr scalar& bias(int out, int gate = 0) noexcept {
    return data[at<Site, Role::bias>(gate, out)];
  }
  template <class Site>
  EMMY_INLINE constexpr const scalar& bias(int out, int gate = 0) const noexcept {
    return data[at<Site, Role::bias>(gate, out)];
  }
  // Of a recurrent layer, what unit `from` of the position before gives to unit `out`.
  template <class Site>
  EMMY_INLINE constexpr scalar& recurrent_weight(int out, int from, int gate = 0) noexcept {
    return data[recurrent_at<Site>(out, from, gate)];
  }
  template <class Site>
  EMMY_INLINE constexpr const scalar& recurrent_weight(int out, int from, int gate = 0) const noexcept {
    return data[recurrent_at<Site>(out, from, gate)];
  }
  // Of a head of attention: the weight and the bias of column `column` of its queries, keys or values, and what that column gives
  // to channel `out`.
  template <class Site>
  EMMY_INLINE constexpr scalar& head_weight(HeadRole role, int column, int in, int head = 0) noexcept {
    return data[head_at<Site>(static_cast<int>(role), column, in, head)];
  }
  template <class Site>
  EMMY_INLINE constexpr const scalar& head_weight(HeadRole role, int column, int in, int head = 0) const noexcept {
    return data[head_at<Site>(static_cast<int>(role), column, in, head)];
  }
  template <class Site>
  EMMY_INLINE constexpr scalar& head_bias(HeadRole role, int column, int head = 0) noexcept {
    return data[head_bias_at<Site>(static_cast<int>(role), column, head)];
  }
  template <class Site>
  EMMY_INLINE constexpr const scalar& head_bias(HeadRole role, int column, int head = 0) const noexcept {
    return data[head_bias_at<Site>(static_cast<int>(role), column, head)];
  }
  template <class Site>
  EMMY_INLINE constexpr scalar& output_weight(int out, int column, int head = 0) noexcept {
    return data[head_output_at<Site>(out, column, head)];
  }
  template <class Site>
  EMMY_INLINE constexpr const scalar& output_weight(int out, int column, int head = 0) const noexcept {
    return data[head_output_at<Site>(out, column, head)];
  }
  // The gain of a norm's channel.
  template <class Site>
  EMMY_INLINE constexpr scalar& gain(int channel) noexcept {
    return data[at<Site, Role::gain>(0, channel)];
  }
  template <class Site>
  EMMY_INLINE constexpr const scalar& gain(int channel) const noexcept {
    return data[at<Site, Role::gain>(0, channel)];
  }

 private:
  template <class Site, Role Wanted>
  static consteval int block() {
    constexpr int kNode = kNodeOf<Net, Site>;
    static_assert(kNode >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
    for (int b = kPlan<Net>.first_block[kNode]; b < kPlan<Net>.first_block[kNode + 1]; ++b)
      if (kPlan<Net>.block[b].role == Wanted) return b;
    return -1;
  }
  template <class Site>
  EMMY_INLINE static constexpr int row(int in, int position) noexcept {
    constexpr int kNode = kNodeOf<Net, Site>;
    if constexpr (kNode < 0) return in;  // `at` says so
    else if constexpr (kIsByChannel<typename node_at<Net, kNode>::layer>) return position + in;
    else return position * node_at<Net, kNode>::in::kChannels + in;
  }
  template <class Site>
  EMMY_INLINE static constexpr int recurrent_at(int out, int from, int gate) noexcept {
    constexpr int kBlock = block<Site, Role::weight>(), kNode = kBlock < 0 ? 0 : kPlan<Net>.block[kBlock].node;
    constexpr bool kFits = kBlock >= 0 && kIsRecurrent<typename node_at<Net, kNode>::layer>;
    static_assert(kFits, "emmy: this layer has no recurrent weights: Rnn and Gru have");
    const PlannedBlock& own = kPlan<Net>.block[kFits ? kBlock + 1 : 0];
    return own.at(gate * own.cols + from, out);
  }
  // The first block of an attention layer.
  template <class Site>
  static consteval int heads_at() {
    constexpr int kNode = kNodeOf<Net, Site>;
    constexpr bool kFits = kNode >= 0 && kHeadsOf<typename node_at<Net, kNode<0 ? 0 : kNode>::layer>> 0;
    static_assert(kFits, "emmy: this layer has no heads: Attention has");
    return kFits ? kPlan<Net>.first_block[kNode] : 0;
  }
  template <class Site>
  EMMY_INLINE static constexpr int head_at(int role, int column, int in, int head) noexcept {
    const PlannedBlock& own = kPlan<Net>.block[heads_at<Site>() + role];
    return own.at(head * node_at<Net, kNodeOf<Net, Site>>::in::kChannels + in, column);
  }
  template <class Site>
  EMMY_INLINE static constexpr int head_bias_at(int role, int column, int head) noexcept {
    using L = typename node_at<Net, kNodeOf<Net, Site>>::layer;
    static_assert(L::kOptions.has_bias, "emmy: an Attention<..., NoBias> has no biases");
    return kPlan<Net>.block[heads_at<Site>() + 4 + role].offset + head * L::kHeadSize + column;
  }
  template <class Site>
  EMMY_INLINE static constexpr int head_output_at(int out, int column, int head) noexcept {
    const PlannedBlock& own = kPlan<Net>.block[heads_at<Site>() + 3];
    return own.at(head * node_at<Net, kNodeOf<Net, Site>>::layer::kHeadSize + column, out);
  }
  template <class Site, Role Wanted>
  EMMY_INLINE static constexpr int at(int row, int col) noexcept {
    constexpr int kBlock = block<Site, Wanted>();
    static_assert(
        kBlock >= 0,
        "emmy: this layer has no such weights (a Dense<Out, NoBias> has no bias, a Parametrized layer factors, a norm "
        "gains)");
    return kPlan<Net>.block[kBlock].at(row, col);
  }
};

// What changes in forward but is not trained: running statistics, recurrent state. Written in phase B only.
template <class Net, bool Any = (kPlan<Net>.buffers > 0)>
struct Buffers {
  using S = typename Net::scalar;
  alignas(kAlign<S>) S data[kPlan<Net>.buffers];
};
template <class Net>
struct Buffers<Net, false> {};

// An upper bound of |value| of all trained weights, moved along by every step, so that the bound of the next one reads no
// weights. Factors bound each other's gradients, so where a net has some there is one a block, exact for factors: their
// sweep returns it. Kept is room = 2^100 / bound, bound at least kLeast, so that zeros, a new state, stand for no bound.
template <class Net, bool Memory>
struct Largest {
  using S = typename Net::scalar;
  static constexpr bool kByBlock = kHasFactors<Net>;
  static constexpr int kCount = kByBlock ? kPlan<Net>.kBlocks : 1;
  static constexpr S kRounding = S(1) + S(0x1p-20);  // of two quotients and of a step
  static constexpr S kLeast = kByBlock ? S(0x1p-20) : S(1), kMost = S(0x1p100);
  S room[kCount];
  S memory[Memory ? kCount : 1];  // of the momentum buffer

  EMMY_INLINE static constexpr int entry(int block) noexcept { return kByBlock ? block : 0; }
  EMMY_INLINE constexpr S theta_of(int block) const noexcept { return kMost / room[entry(block)]; }
  EMMY_INLINE constexpr S memory_of(int block) const noexcept { return Memory ? memory[entry(block)] : S(-0.0); }
  // What is no number stands for no bound, as what is infinite does.
  EMMY_INLINE constexpr void assign(int block, S weights, S buf) noexcept {
    room[entry(block)] = kMost / (weights <= kLeast ? kLeast : weights * kRounding);
    if constexpr (Memory) memory[entry(block)] = buf;
  }
  EMMY_INLINE constexpr void raise(int block, S weights, S buf) noexcept {
    const S m = memory_of(block);
    const S kept = room[entry(block)];
    assign(block, weights, buf > m ? buf : m);
    if (kept < room[entry(block)]) room[entry(block)] = kept;
  }
  // False at first and after `refresh`: the next step reads the weights once.
  EMMY_INLINE constexpr bool known() const noexcept { return room[0] > S(0); }
  EMMY_INLINE constexpr void forget() noexcept { room[0] = S(0); }
};

// Second moments of the gradients, where the rule keeps them: a number a weight, or Count shared ones; and 1 - b1^t and
// 1 - b2^t, so that zeros are a state before the first step.
template <class S, int Count>
struct Second {
  alignas(kAlign<S>) S data[Count];
  S grown1, grown2;
};
template <class S>
struct Second<S, 0> {};
namespace detail {
template <class Net, class Rule>
consteval int second_moments() {
  if constexpr (requires { Rule::kSecondMoments; })
    return Rule::kSecondMoments == kOneAWeight ? at_least_one(kPlan<Net>.params) : Rule::kSecondMoments;
  else if constexpr (requires { Rule::rule; }) return second_moments<Net, decltype(Rule::rule)>();
  else return 0;
}
}  // namespace detail

// What the type of the rule needs from step to step. Momentum-type rules keep one number a weight. A step believes what it
// finds here. Whoever writes to it from outside calls `refresh`: the next step reads all of it and refuses what is not
// finite. Test: tests/train/trainer_test.cpp.
template <class Net, class Rule, bool Memory = Rule::kHasMemory>
struct State {
  Largest<Net, false> largest;
  [[no_unique_address]] Second<typename Net::scalar, detail::second_moments<Net, Rule>()> second;
};
template <class Net, class Rule>
struct State<Net, Rule, true> {
  using S = typename Net::scalar;
  Largest<Net, true> largest;
  alignas(kAlign<S>) S buf[detail::at_least_one(kPlan<Net>.params)];
  [[no_unique_address]] Second<S, detail::second_moments<Net, Rule>()> second;
};

// Activations, deltas and what layers keep within a step. Nets that never run at once can share one.
template <class Net, int Batch, class Use>
struct Scratch {
  static_assert(Batch >= 1, "emmy: a batch has at least one sample");
  static constexpr bool kTraining = true;
  using S = typename Net::scalar;
  alignas(kAlign<S>) S data[detail::at_least_one(kArena<Net, Batch, true>.scalars)];
};
template <class Net, int Batch>
struct Scratch<Net, Batch, Infer> {
  static_assert(Batch >= 1, "emmy: a batch has at least one sample");
  static constexpr bool kTraining = false;
  using S = typename Net::scalar;
  alignas(kAlign<S>) S data[detail::at_least_one(kArena<Net, Batch, false>.scalars)];
};

// Say so after the weights or the state were changed from outside: the next step reads them once for its bound.
template <class Net, class Rule>
EMMY_INLINE void refresh(State<Net, Rule>& state) noexcept {
  state.largest.forget();
}

// A gradient in the layout of the parameters: for `gradient`, `apply`, accumulation and averaging over threads. With norms
// also what each one's epsilon makes (Invariance::along, of a BatchNorm a number a channel), which adds up and averages as the gradient does.
template <class Net, bool Any = (kInvariants<Net> != 0)>
struct Gradient {
  using S = typename Net::scalar;
  alignas(kAlign<S>) S data[detail::at_least_one(kPlan<Net>.params)];
};
template <class Net>
struct Gradient<Net, true> {
  using S = typename Net::scalar;
  alignas(kAlign<S>) S data[detail::at_least_one(kPlan<Net>.params)];
  S along[kInvariants<Net>];
};

}  // namespace emmy
