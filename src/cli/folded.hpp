// The deployed net: a Dense-Relu-Dense of just the units that are left, its first layer perhaps a pair of two.
#pragma once

#include <vector>

#include "cli/constrained_nets.hpp"
#include "io/dataset.hpp"

namespace emmy::app {

struct Folded {
  int hidden = 0;              // live units
  std::vector<float> weights;  // the exact net's blocks without padding: W1 [64][hidden], b1, W2 [hidden][10], b2
  int rank = 0;                // above 0: U [64][rank] and V [rank][hidden] in the place of W1 = U V
};

// The exact net of `plain` (see fold_units). A net without a live unit keeps one.
Folded fold_to_live(const Params<DenseNet>& plain);

// The same of a LowRank net whose plain one this is, as two layers of the directions that are left where that takes fewer multiply-adds.
Folded fold_pair(const Params<LowRankNet>& pair, const Params<DenseNet>& plain);

// All units where they are, so that blocks of neighbouring outputs stay blocks; what goes into a unit that sends nothing on becomes zero.
Folded keep_units(const Params<DenseNet>& plain);

// Its outputs [rows][classes] on `rows` rows of `x`.
std::vector<float> outputs(const Folded& net, const float* x, std::size_t rows);

// The class of each row.
std::vector<int> classes(const Folded& net, const io::Dataset& data);

}  // namespace emmy::app
