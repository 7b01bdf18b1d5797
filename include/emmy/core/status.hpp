// What a call of Emmy can answer. The core never throws, prints or aborts.
#pragma once

namespace emmy {

// Anything but `ok` means that parameters, buffers and state are bit-identical to before the call.
enum class [[nodiscard]] Status : unsigned char{
    ok = 0,
    not_finite,    // NaN or Inf in the input, the weights or what is computed from them, or a square of it overflows
    out_of_range,  // finite, but the update or the sums of the ledger could overflow
    bad_rate,      // a rate of the rule is not finite or outside its range
    bad_label,     // a class label outside [0, classes)
    wrong_size,    // a span of another length than the net and the batch need
    does_not_fit,  // more live units than the smaller net has room for
    infeasible,  // no weights of this function meet the constraint (a target that a dead unit cannot have, a sphere around 0)
    rank_deficient,      // a matrix that must have full rank does not have it, by its precision
    not_orthonormal,     // columns of a constraint are not orthonormal
    not_a_group,         // permutations that are none, or not closed under composition
    not_differentiable,  // the loss has a kink there, of which the gradient says nothing
};

// The name of a status, for messages of the program that uses Emmy.
[[gnu::always_inline]] constexpr const char* to_string(Status status) noexcept {
  switch (status) {
    case Status::ok: return "ok";
    case Status::not_finite: return "not finite";
    case Status::out_of_range: return "out of range";
    case Status::bad_rate: return "bad rate";
    case Status::bad_label: return "bad label";
    case Status::wrong_size: return "wrong size";
    case Status::does_not_fit: return "does not fit";
    case Status::infeasible: return "infeasible";
    case Status::rank_deficient: return "rank deficient";
    case Status::not_orthonormal: return "not orthonormal";
    case Status::not_a_group: return "not a group";
    case Status::not_differentiable: return "not differentiable";
  }
  return "unknown";
}

}  // namespace emmy
