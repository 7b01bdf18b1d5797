// Kinds of golden cases that are no trained net with charges: each reads the fields of its cases itself and runs them.
//
// To add one: a header with its text for one target as Table<...> of a Config (golden_projections.hpp; run-time dispatch in
// src/CMakeLists.txt), a source that reads JSON and names results, its OwnKind below and in kOwnKinds.
#pragma once

#include <string>
#include <vector>

#include "cli/golden_case.hpp"

namespace emmy::golden {

class Field;

struct OwnKind {
  // What runs the case; empty: it is of another kind. Throws Bad for a field that is missing or wrong, Unsupported for a case
  // that is whole but of sizes or options that are not compiled in.
  Compute (*read)(const Field& c);
};

extern const OwnKind kProjections, kParametrisations, kDynamics, kEnergy;

inline constexpr const OwnKind* kOwnKinds[] = {&kProjections, &kParametrisations, &kDynamics, &kEnergy};

// An array of a case: its path ("params.W1"; of a result from `expected` on, "final.W1") and the only shape that is compiled in,
// none for a number. kBySteps: as many as optimizer.steps says.
inline constexpr int kBySteps = -1;
struct Slot {
  std::string path;
  std::vector<int> shape;
};
// From the arrays of `given` to those of `made`, each in its order; all row by row. A number is an array of one.
using ArraysRun = Status (*)(const double* const* given, double* const* made) noexcept;
struct ArrayCase {
  const char* kind;
  const char* expects;  // tells it from other cases of its kind: a field of `expected`
  std::vector<Slot> given, made;
};
[[nodiscard]] bool is_of(const Field& c, const ArrayCase& about);
// Reads the given arrays. `find`: the text for a target and a precision.
[[nodiscard]] Compute read_arrays(const Field& c, const ArrayCase& about,
                                  std::function<ArraysRun(const char* target, bool single)> find);

}  // namespace emmy::golden
