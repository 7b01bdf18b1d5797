# Cortex-M0+: no FPU, every float operation is a call of libgcc.
set(EMMY_CORE_FLAGS "-mcpu=cortex-m0plus -mfloat-abi=soft")
set(EMMY_DEFAULT_BOARD microbit)
include(${CMAKE_CURRENT_LIST_DIR}/arm-none-eabi.cmake)
