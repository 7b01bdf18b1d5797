# Tests of this project.
#
#   emmy_add_test(<name> SOURCES <a.cpp>... [TARGETS <target>... | HOST] [DEFINITIONS <macro>...] [LIBRARIES <lib>...]
#                 [LABELS <label>...] [QUICK <-O0 | -O1> <target>...])
#       one GoogleTest program per target from the same sources, registered as <name>.<target>; all targets by default, none
#       where TARGETS is an empty list.
#       QUICK: less optimization on these targets in a Release build; on this machine's processor no forced
#       inlining either (EMMY_KEEP_CALLS), nor in any Release build by clang++. In a Debug build (sanitizers take long) -O0 on
#       all targets, but for tests of which QUICK says -O1: they run long.
#       HOST: once, without flags, as <name>.host; -O0 but in a Release build by clang++. A program whose target this CPU
#       lacks is skipped with its reason.
#       In a cross build it runs once on each CPU of the target, as <name>.<run> (cmake/EmmyTargets.cmake).
#   emmy_add_refusal(<name> SOURCE <a.cpp>)
#       SOURCE must not compile where EMMY_REFUSED is defined, must say the text of its line "// refuses: <text>", and
#       must compile where it is not defined.
#   emmy_add_fuzz(<name> SOURCES <a.cpp>... [LIBRARIES <lib>...] [SECONDS 12])
#       a libFuzzer program, where EMMY_FUZZ is on (preset asan-ubsan); registered as <name>.fuzz.
#   emmy_add_hot_loops(<target>:<registers>:<products>)
#       build.hot_loops.<target>: the loops of tests/build/hot_tiles.cpp (tools/hot_loops.py).
#
# Label `slow` keeps a test out of the ordinary run; tools/test.sh --all runs those too.
include_guard(GLOBAL)

get_property(_dispatch GLOBAL PROPERTY EMMY_DISPATCH_TARGETS)
get_property(_xsimd GLOBAL PROPERTY EMMY_XSIMD_TARGETS)
get_property(_static GLOBAL PROPERTY EMMY_STATIC_TARGETS)
set(EMMY_TEST_TARGETS ${_dispatch} ${_xsimd} ${_static} CACHE STRING
    "The targets that tests are built for; best: the best one for run-time dispatch that this machine's CPU has")
if(EMMY_TEST_TARGETS STREQUAL "best")
  set(_cpu "")
  if(EXISTS /proc/cpuinfo)
    file(STRINGS /proc/cpuinfo _cpu REGEX "^flags" LIMIT_COUNT 1)
  endif()
  foreach(_target IN LISTS _dispatch)
    emmy_describe_target(${_target} _T)
    set(_lacks FALSE)
    foreach(_feature IN LISTS _T_FEATURES)
      # What Linux calls the compiler's features.
      string(REGEX REPLACE "^sse4.2$" "sse4_2" _feature ${_feature})
      string(REGEX REPLACE "^pclmul$" "pclmulqdq" _feature ${_feature})
      string(REGEX REPLACE "^bmi$" "bmi1" _feature ${_feature})
      string(REGEX REPLACE "^lzcnt$" "bmi2" _feature ${_feature})  # what has this has it too; some kernels list abm, some do not
      if(NOT " ${_cpu} " MATCHES " ${_feature} ")
        set(_lacks TRUE)
      endif()
    endforeach()
    if(NOT _lacks)
      set(EMMY_TEST_TARGETS ${_target})
    endif()
  endforeach()
endif()
set(EMMY_TEST_NET_TARGETS scalar avx2 CACHE STRING "Of these, the targets of tests that compile whole nets")
list(LENGTH EMMY_TEST_TARGETS _count)
if(_count EQUAL 1 AND EMMY_TEST_NET_TARGETS)
  set(EMMY_TEST_NET_TARGETS ${EMMY_TEST_TARGETS})
endif()
set(EMMY_TEST_LEAVE_OUT "" CACHE STRING "Tests of kernels and the strict steps to leave out, where they take too long to compile")
# Builds that share the work (tools/test.sh --all):
set(EMMY_TEST_NETS all CACHE STRING
    "Tests of whole nets: all; brief: without those that are about numbers alone or take longest to compile; others: those; none")
option(EMMY_TEST_OPTIMIZED "Kernels only on targets where this compiler optimizes their tests" OFF)
option(EMMY_FUZZ "Build the fuzzers; needs clang and -fsanitize=fuzzer-no-link" OFF)
set(EMMY_TEST_TIMEOUT 300)

# The program's main, compiled without the target's flags: it must run on every CPU to be able to skip.
function(emmy_add_test_main target features)
  set(main emmy_test_main_${target})
  if(TARGET ${main})
    return()
  endif()
  list(JOIN features "," features)
  add_library(${main} OBJECT ${PROJECT_SOURCE_DIR}/tests/support/main.cpp)
  target_compile_definitions(${main} PRIVATE "EMMY_TEST_TARGET=\"${target}\"" "EMMY_TEST_FEATURES=\"${features}\"")
  target_compile_features(${main} PRIVATE cxx_std_20)
  target_link_libraries(${main} PUBLIC emmy::cpu GTest::gtest PRIVATE emmy_warnings)
endfunction()

# The headers of others that every test includes, parsed once a target: by its first program. Once more for those of level
# -O0, which cannot share what others parse.
# Not for SVE: g++ 12 crashes in what follows a precompiled header, whatever it holds.
function(emmy_precompile_headers program target level)
  if(target MATCHES "^sve")
    return()
  endif()
  set(first_program EMMY_FIRST_PROGRAM_${target})
  if(level STREQUAL "-O0")
    string(APPEND first_program -O0)
  endif()
  get_property(first GLOBAL PROPERTY ${first_program})
  if(first)
    target_precompile_headers(${program} REUSE_FROM ${first})
    return()
  endif()
  set_property(GLOBAL PROPERTY ${first_program} ${program})
  set(headers <gtest/gtest.h> <vector> <cmath>)
  if(target MATCHES "^xsimd")
    list(APPEND headers <xsimd/xsimd.hpp>)
  elseif(NOT target MATCHES "^(host|scalar|avx3)$")  # g++ 12 warns of its own AVX-512 header when it is precompiled
    list(APPEND headers <hwy/highway.h>)
  endif()
  target_precompile_headers(${program} PRIVATE ${headers})
endfunction()

function(emmy_add_test_program name target)
  cmake_parse_arguments(PARSE_ARGV 2 A "" "LEVEL" "SOURCES;LIBRARIES;LABELS;FLAGS;DEFINITIONS;FEATURES;CPUS")
  emmy_add_test_main(${target} "${A_FEATURES}")
  set(program ${name}.${target})
  add_executable(${program} ${A_SOURCES})
  target_compile_options(${program} PRIVATE ${A_FLAGS})
  target_compile_definitions(${program} PRIVATE ${A_DEFINITIONS})
  target_include_directories(${program} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${program} PRIVATE emmy_test_main_${target} emmy::emmy emmy_warnings ${A_LIBRARIES})
  if(target MATCHES "^xsimd")
    target_link_libraries(${program} PRIVATE emmy_xsimd)
  endif()
  if(A_LEVEL STREQUAL "-O1")
    target_compile_options(${program} PRIVATE ${EMMY_QUICK_LEVEL})
  elseif(A_LEVEL)
    target_compile_options(${program} PRIVATE ${A_LEVEL})
  endif()
  set(keeps_calls ${A_LEVEL})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_BUILD_TYPE STREQUAL "Release")  # conv2d: 22 s for 37 at -O2
    set(keeps_calls TRUE)
  endif()
  if(keeps_calls AND NOT CMAKE_CROSSCOMPILING)  # an emulator would run calls for longer than the compiler saves
    target_compile_definitions(${program} PRIVATE EMMY_KEEP_CALLS)
  endif()
  emmy_precompile_headers(${program} ${target} "${A_LEVEL}")
  emmy_register_runs(${name} ${target} CPUS ${A_CPUS} LABELS ${A_LABELS})
endfunction()

# One test, or under an emulator one for each CPU: <name of the run>=<-cpu of QEMU>. The programs link the target's
# shared libraries, which the emulator finds.
function(emmy_register_runs name target)
  cmake_parse_arguments(PARSE_ARGV 2 A "" "" "CPUS;LABELS")
  set(program ${name}.${target})
  if(NOT CMAKE_CROSSCOMPILING OR NOT A_CPUS)
    set(A_CPUS ${target}=)
  endif()
  foreach(cpu IN LISTS A_CPUS)
    string(REGEX MATCH "^([^=]+)=(.*)$" cpu ${cpu})
    set(run ${name}.${CMAKE_MATCH_1})
    set(command ${program})
    if(CMAKE_MATCH_2)
      set(command ${CMAKE_CROSSCOMPILING_EMULATOR} -cpu ${CMAKE_MATCH_2} $<TARGET_FILE:${program}>)
    endif()
    add_test(NAME ${run} COMMAND ${command})
    set_tests_properties(${run} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${EMMY_TEST_TIMEOUT} LABELS "${A_LABELS}"
                         ENVIRONMENT "EMMY_TEST_RUN=${CMAKE_MATCH_1}")
  endforeach()
endfunction()

function(emmy_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 A "HOST" "" "SOURCES;TARGETS;DEFINITIONS;LIBRARIES;LABELS;QUICK")
  if(A_UNPARSED_ARGUMENTS OR NOT A_SOURCES OR (A_HOST AND A_TARGETS))
    message(FATAL_ERROR "emmy: emmy_add_test(<name> SOURCES ... [TARGETS ... | HOST] [DEFINITIONS ...] [LIBRARIES ...] [LABELS ...] [QUICK ...])")
  endif()
  set(common SOURCES ${A_SOURCES} LIBRARIES ${A_LIBRARIES} LABELS ${A_LABELS})
  if(A_HOST)
    set(level "")
    if(CMAKE_BUILD_TYPE STREQUAL "Debug" OR CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      set(level -O0)
    endif()
    emmy_add_test_program(${name} host ${common} LEVEL ${level})
    return()
  endif()
  if(NOT A_TARGETS AND NOT TARGETS IN_LIST A_KEYWORDS_MISSING_VALUES)
    set(A_TARGETS ${EMMY_TEST_TARGETS})
  endif()
  foreach(target IN LISTS A_TARGETS)
    emmy_describe_target(${target} T)
    if(target IN_LIST EMMY_TEST_TARGETS)
      set(level "")
      if(target IN_LIST A_QUICK AND CMAKE_BUILD_TYPE STREQUAL "Release")
        list(GET A_QUICK 0 level)
      elseif(CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT "-O1" IN_LIST A_QUICK)
        set(level -O0)
      endif()
      emmy_add_test_program(${name} ${target} ${common} FLAGS ${T_FLAGS} DEFINITIONS ${T_DEFINITIONS} ${A_DEFINITIONS}
                            FEATURES ${T_FEATURES} CPUS ${T_CPUS} LEVEL ${level})
    endif()
  endforeach()
endfunction()

function(emmy_add_refusal name)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "SOURCE" "")
  get_filename_component(source ${A_SOURCE} ABSOLUTE)
  add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -DCOMPILER=${CMAKE_CXX_COMPILER} -DSOURCE=${source}
           -DINCLUDE=${PROJECT_SOURCE_DIR}/include -DHWY=${EMMY_HWY_INCLUDE_DIR}
           -P ${PROJECT_SOURCE_DIR}/cmake/check_refusal.cmake)
  set_tests_properties(${name} PROPERTIES TIMEOUT ${EMMY_TEST_TIMEOUT})
endfunction()

function(emmy_add_fuzz name)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "SECONDS" "SOURCES;LIBRARIES")
  if(NOT EMMY_FUZZ)
    return()
  endif()
  if(NOT A_SECONDS)
    set(A_SECONDS 12)
  endif()
  add_executable(${name}.fuzz ${A_SOURCES})
  target_compile_options(${name}.fuzz PRIVATE -fsanitize=fuzzer)
  target_link_options(${name}.fuzz PRIVATE -fsanitize=fuzzer)
  target_include_directories(${name}.fuzz PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${name}.fuzz PRIVATE emmy::emmy emmy_warnings ${A_LIBRARIES})
  add_test(NAME ${name}.fuzz COMMAND ${name}.fuzz -max_total_time=${A_SECONDS} -timeout=10 -print_final_stats=1)
  set_tests_properties(${name}.fuzz PROPERTIES TIMEOUT ${EMMY_TEST_TIMEOUT})
endfunction()

function(emmy_add_hot_loops gate)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  string(REPLACE ":" ";" gate ${gate})
  list(GET gate 0 target)
  list(GET gate 1 width)
  list(GET gate 2 products)
  emmy_describe_target(${target} T)
  list(TRANSFORM T_DEFINITIONS PREPEND -D)
  set(tests ${PROJECT_SOURCE_DIR}/tests/build)
  add_test(NAME build.hot_loops.${target}
           COMMAND ${Python3_EXECUTABLE} ${tests}/hot_loops_test.py ${CMAKE_OBJDUMP} ${tests}/hot_tiles.cpp ${width} ${products}
                   ${CMAKE_CXX_COMPILER} -O3 -std=c++20 -ffp-contract=off -I${PROJECT_SOURCE_DIR}/include
                   -idirafter ${EMMY_HWY_INCLUDE_DIR} ${T_FLAGS} ${T_DEFINITIONS})
endfunction()
