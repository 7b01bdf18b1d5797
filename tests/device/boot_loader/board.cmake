set(BOARD_QEMU_MACHINE mps2-an500)  # runs code of Cortex-M4, too
set(BOARD_RAM_KIB 64)
