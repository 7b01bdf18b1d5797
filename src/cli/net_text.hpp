// A deployed net as text of a C++ header: its type, its exact weights, and outputs to check it with.
#pragma once

#include <string>
#include <vector>

#include "cli/constrained_nets.hpp"
#include "cli/folded.hpp"

namespace emmy::app {

struct NetText {
  std::string shape;             // 64-9-32-10, what else there is to say
  std::string arrays;            // the weights, and what else the type needs
  std::string type, parameters;  // Net<...> and packed<Net>(...)
  std::vector<float> outputs;    // of checked_inputs()
  std::size_t weights = 0;       // that are stored
};

// blocks: layers as BlockSparse where at most two thirds of the blocks are left.
[[nodiscard]] NetText text_of(const Folded& net, bool blocks);
[[nodiscard]] NetText text_of(const Params<MirrorNet>& net);

// Digits that a header has the outputs of.
[[nodiscard]] const io::Dataset& checked_inputs();

// Definitions of the inputs, kPairs and kInputs, and of a net, namespace blocks, Net, kParams and kOutputs.
[[nodiscard]] std::string inputs_text();
[[nodiscard]] std::string definitions(const NetText& net);

}  // namespace emmy::app
