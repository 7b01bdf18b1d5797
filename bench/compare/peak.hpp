// The most that the instruction set of this program can do in f32: GFLOP/s of independent multiply-adds in registers.
#pragma once

namespace compare {
double peak_gflops();
}
