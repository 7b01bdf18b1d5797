// MPS2 behind a boot loader (board.ld).
#include <platforms/mps2-an500/board.cpp>
