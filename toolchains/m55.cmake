# Cortex-M55 with Helium (MVE).
set(EMMY_CORE_FLAGS "-mcpu=cortex-m55 -mfloat-abi=hard")
set(EMMY_DEFAULT_BOARD mps3-an547)
include(${CMAKE_CURRENT_LIST_DIR}/arm-none-eabi.cmake)
