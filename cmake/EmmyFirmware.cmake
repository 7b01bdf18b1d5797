# Programs on a board's bare metal, or on Linux with the same sources.
#
#   emmy_add_firmware(<name> BOARD <board> SOURCES <a.cpp>... [DEFINITIONS <d>...] [LIBRARIES <lib>...]
#                     [TIMEOUT <seconds>] [LABELS <label>...] [NO_TEST])
#       BOARD is a folder of platforms/, of EMMY_PLATFORMS_DIR, or a path; `host` on Linux. The program links no libc, so
#       whatever calls operator new or libm does not link. Registered as test <name>, run by QEMU; its exit code counts,
#       77 is a skip.
#   emmy_add_board_program(<name> SOURCES ...)
#       the same for EMMY_BOARD, once for each of its backends: <name>.<core>, e.g. train_digits.m4f, .m55-helium, .host
#
# Each firmware leaves <name>.elf, <name>.map and, beside its objects, .su (stack of each function) and, with g++, .ci
# (call graph).
include_guard(GLOBAL)

get_filename_component(EMMY_PLATFORMS_DIR ${CMAKE_CURRENT_LIST_DIR}/../platforms ABSOLUTE)
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Generic")
  set(EMMY_BOARD host)
endif()
if(NOT TARGET emmy_warnings)
  add_library(emmy_warnings INTERFACE)
  target_compile_options(emmy_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror)
endif()

# The name of a build for people, and its variants: a list of <variant>=<definition>.
if(EMMY_BOARD STREQUAL "host")
  set(EMMY_VARIANTS "host=")
else()
  get_filename_component(_core ${CMAKE_TOOLCHAIN_FILE} NAME_WE)
  set(EMMY_VARIANTS "${_core}=")
  if(_core MATCHES "^m55")
    string(REPLACE "m55" "m55-scalar" _scalar ${_core})
    string(REPLACE "m55" "m55-helium" _helium ${_core})
    set(EMMY_VARIANTS "${_scalar}=EMMY_BACKEND_SCALAR" "${_helium}=EMMY_BACKEND_HELIUM")
  endif()
endif()

# The folder of a board, and once a build its start-up and port as emmy_board_<name>.
function(emmy_find_board board folder_variable target_variable)
  get_filename_component(folder ${board} ABSOLUTE BASE_DIR ${EMMY_PLATFORMS_DIR})
  if(NOT IS_DIRECTORY ${folder})
    message(FATAL_ERROR "emmy: no board is called '${board}' (a folder of ${EMMY_PLATFORMS_DIR}, or a path)")
  endif()
  get_filename_component(name ${folder} NAME)
  set(target emmy_board_${name})
  if(NOT TARGET ${target})
    set(shared ${EMMY_PLATFORMS_DIR}/cortex_m)
    if(name STREQUAL "host")
      add_library(${target} OBJECT ${folder}/host.cpp)
    else()
      add_library(${target} OBJECT ${folder}/board.cpp ${shared}/startup.cpp ${shared}/clock.cpp ${shared}/memory.cpp)
      set_source_files_properties(${shared}/memory.cpp TARGET_DIRECTORY ${target} PROPERTIES COMPILE_OPTIONS
        "-fno-builtin;-fno-lto;$<$<CXX_COMPILER_ID:GNU>:-fno-tree-loop-distribute-patterns>")
      target_compile_options(${target} PRIVATE -fstack-usage $<$<CXX_COMPILER_ID:GNU>:-fcallgraph-info=su,da>)
    endif()
    target_compile_features(${target} PUBLIC cxx_std_20)
    target_include_directories(${target} PUBLIC ${EMMY_PLATFORMS_DIR}/..)
    target_link_libraries(${target} PRIVATE emmy_warnings)
  endif()
  set(${folder_variable} ${folder} PARENT_SCOPE)
  set(${target_variable} ${target} PARENT_SCOPE)
endfunction()

function(emmy_add_firmware name)
  cmake_parse_arguments(PARSE_ARGV 1 A "NO_TEST" "BOARD;TIMEOUT" "SOURCES;DEFINITIONS;LIBRARIES;LABELS")
  if(A_UNPARSED_ARGUMENTS OR NOT A_BOARD OR NOT A_SOURCES)
    message(FATAL_ERROR "emmy: emmy_add_firmware(<name> BOARD <board> SOURCES ... [DEFINITIONS ...] [LIBRARIES ...] "
                        "[TIMEOUT <seconds>] [LABELS ...] [NO_TEST])")
  endif()
  emmy_find_board(${A_BOARD} folder board)
  add_executable(${name} ${A_SOURCES})
  target_compile_definitions(${name} PRIVATE ${A_DEFINITIONS})
  target_link_libraries(${name} PRIVATE ${board} emmy::emmy ${A_LIBRARIES})
  set(command ${name})
  if(NOT folder MATCHES "/host$")
    target_compile_options(${name} PRIVATE -fstack-usage $<$<CXX_COMPILER_ID:GNU>:-fcallgraph-info=su,da>)
    target_link_options(${name} PRIVATE -nostdlib -T ${folder}/board.ld -L ${EMMY_PLATFORMS_DIR}/cortex_m
                        LINKER:--gc-sections LINKER:--no-warn-rwx-segments LINKER:--fatal-warnings
                        LINKER:-Map,$<TARGET_FILE_DIR:${name}>/${name}.map)
    target_link_libraries(${name} PRIVATE gcc)
    set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS ${folder}/board.ld
                 ${EMMY_PLATFORMS_DIR}/cortex_m/sections.ld)
    unset(BOARD_QEMU_MACHINE)
    unset(BOARD_RAM_KIB)
    include(${folder}/board.cmake)
    target_compile_definitions(${name} PRIVATE EMMY_BOARD_RAM_KIB=${BOARD_RAM_KIB})
    target_compile_options(${name} PRIVATE -Wdouble-promotion)
    set(command ${EMMY_PLATFORMS_DIR}/run_qemu.sh ${BOARD_QEMU_MACHINE} $<TARGET_FILE:${name}>)
    if(NOT BOARD_QEMU_MACHINE)  # hardware only
      set(A_NO_TEST ON)
    endif()
  endif()
  if(NOT A_NO_TEST)
    if(NOT A_TIMEOUT)
      set(A_TIMEOUT 120)
    endif()
    add_test(NAME ${name} COMMAND ${command})
    set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${A_TIMEOUT} LABELS "${A_LABELS}")
  endif()
endfunction()

function(emmy_add_board_program name)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "" "DEFINITIONS;LIBRARIES")
  foreach(variant IN LISTS EMMY_VARIANTS)
    string(REGEX MATCH "^([^=]*)=(.*)$" variant "${variant}")
    emmy_add_firmware(${name}.${CMAKE_MATCH_1} BOARD ${EMMY_BOARD} DEFINITIONS ${CMAKE_MATCH_2} ${A_DEFINITIONS}
                      LIBRARIES emmy_warnings ${A_LIBRARIES} ${A_UNPARSED_ARGUMENTS})
  endforeach()
endfunction()
