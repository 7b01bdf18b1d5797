// MPS2 with a start of RAM that must not link on Armv7-M (board.ld).
#include <platforms/mps2-an500/board.cpp>
