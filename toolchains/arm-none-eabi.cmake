# Shared by the toolchain files of all Cortex-M: each sets EMMY_CORE_FLAGS and EMMY_DEFAULT_BOARD, then includes this.
# EMMY_CLANG: compile with clang++-19 against the headers of GCC's newlib; GCC links.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)  # nothing links before a board is chosen
set(EMMY_BOARD ${EMMY_DEFAULT_BOARD} CACHE STRING "The board of firmware: a folder of platforms/, or a path")

set(_flags "${EMMY_CORE_FLAGS} -mthumb -ffunction-sections -fdata-sections -fno-math-errno")
string(APPEND _flags " -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-unwind-tables -fno-asynchronous-unwind-tables")
if(EMMY_CLANG)
  set(CMAKE_CXX_COMPILER clang++-19)
  set(CMAKE_CXX_COMPILER_TARGET arm-none-eabi)
  separate_arguments(_core UNIX_COMMAND "${EMMY_CORE_FLAGS} -mthumb")
  # The folders that GCC searches, but its own: clang brings its intrinsics.
  execute_process(COMMAND arm-none-eabi-g++ ${_core} -x c++ -E -v /dev/null OUTPUT_QUIET ERROR_VARIABLE _search)
  string(REGEX MATCH "search starts here:\n( [^\n]+\n)+End" _search "${_search}")
  string(REGEX MATCHALL "\n /[^\n]+" _search "${_search}")
  foreach(_folder IN LISTS _search)
    string(STRIP "${_folder}" _folder)
    if(NOT _folder MATCHES "/lib/gcc/[^/]+/[^/]+/include(-fixed)?$")
      string(APPEND _flags " -isystem ${_folder}")
    endif()
  endforeach()
  string(APPEND _flags " -nostdlibinc")
  set(CMAKE_CXX_LINK_EXECUTABLE
      "arm-none-eabi-g++ ${EMMY_CORE_FLAGS} -mthumb <CMAKE_CXX_LINK_FLAGS> <LINK_FLAGS> <OBJECTS> -o <TARGET> <LINK_LIBRARIES>")
else()
  set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
endif()
set(CMAKE_CXX_FLAGS_INIT "${_flags}")
set(CMAKE_EXECUTABLE_SUFFIX_CXX .elf)
set(CMAKE_FIND_ROOT_PATH /usr/lib/arm-none-eabi)
foreach(_kind LIBRARY INCLUDE PACKAGE)  # nothing of the host
  set(CMAKE_FIND_ROOT_PATH_MODE_${_kind} ONLY)
endforeach()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
