#pragma once

#include <cstddef>
#include <cstdint>

#include "io/dataset.hpp"

namespace emmy::io {

// `count` states of a quadrotor and what a geometric controller does about them: 13 features (position, quaternion w x y
// z, velocity, rates of the body), 4 values (motors, saturated, -1 off to 1 full). The controller holds the origin at
// heading 0. Mirrored y -> -y (y, qx, qz, vy, wx, wz change sign) the motors change places: 0 with 1, 2 with 3. The same
// seed gives the same rows on every machine (arithmetic and square roots only).
// Source: T. Lee, M. Leok, N. H. McClamroch, "Geometric tracking control of a quadrotor UAV on SE(3)", CDC 2010.
// Test: tests/io/controller_test.cpp.
[[nodiscard]] Dataset draw_controller(std::size_t count, std::uint64_t seed);

// The motors for one state.
void control(const double state[13], double motor[4]);

}  // namespace emmy::io
