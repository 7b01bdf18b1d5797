# 32-bit Arm Linux, hard float, with Debian's cross compiler; its programs run under qemu-user (tools/setup-arm.sh
# installs both). The instruction sets are those of cmake/EmmyTargets.cmake.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)
set(CMAKE_CXX_COMPILER arm-linux-gnueabihf-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-arm;-L;/usr/arm-linux-gnueabihf")
