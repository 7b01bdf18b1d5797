# Run-time dispatch: the same headers compiled once per instruction set, one table each, chosen by name or by the CPU.
#
#   emmy_add_dispatch(<target> HEADER <nets.hpp> CONFIG <type>... [TARGETS scalar sse4 avx2 avx3] [OPTIONS <flag>...])
#
# HEADER defines each CONFIG, a type in a named namespace. <target> then has, for each CONFIG,
#   emmy::find_table<CONFIG>(nullptr)   the table of the best target that this CPU supports
#   emmy::find_table<CONFIG>("avx2")    that table, or nullptr where it is unknown or the CPU lacks it
#
# OPTIONS go to the compiler after those of <target>, for these objects alone.
#
# An object compiled for AVX-512 also defines what it took from other headers: std::sort at -O0, say. The linker keeps
# one copy of such a function for the whole program; were it this one, older CPUs would crash. So every object is linked
# partially, which dissolves its COMDAT groups, and all its symbols but the table become local. The build fails if
# another one is left. ELF on x86-64 only; elsewhere link emmy::emmy and call the functions directly.
include_guard(GLOBAL)
include(${CMAKE_CURRENT_LIST_DIR}/EmmyTargets.cmake)

# GNU binutils by name: lld has no --force-group-allocation, and clang makes CMAKE_OBJCOPY llvm's.
macro(emmy_find_binutils)
  find_program(EMMY_LD ld.bfd DOC "GNU ld")
  find_program(EMMY_OBJCOPY objcopy DOC "GNU objcopy")
  find_program(EMMY_NM nm DOC "GNU nm")
  set(EMMY_BINUTILS_FOUND FALSE)
  if(EMMY_LD AND EMMY_OBJCOPY AND EMMY_NM)
    set(EMMY_BINUTILS_FOUND TRUE)
  endif()
endmacro()

# emmy::cpu, the CPU detection: one small static library, made by whoever asks first.
function(emmy_add_cpu_library)
  if(TARGET emmy_cpu)
    return()
  endif()
  set(dir ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/src)  # installed
  if(NOT EXISTS ${dir}/dispatch/cpu.cpp)
    get_filename_component(dir ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../src ABSOLUTE)
  endif()
  set(table "")
  get_property(isas GLOBAL PROPERTY EMMY_DISPATCH_TARGETS)
  foreach(isa IN LISTS isas)
    emmy_describe_target(${isa} T)
    list(JOIN T_FEATURES "," features)
    string(APPEND table "${isa}=${features} ")
  endforeach()
  add_library(emmy_cpu STATIC EXCLUDE_FROM_ALL ${dir}/dispatch/cpu.cpp)
  add_library(emmy::cpu ALIAS emmy_cpu)
  target_include_directories(emmy_cpu PUBLIC ${dir})
  target_compile_features(emmy_cpu PRIVATE cxx_std_20)
  target_compile_definitions(emmy_cpu PRIVATE "EMMY_CPU_TARGETS=\"${table}\"")
  set_target_properties(emmy_cpu PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()

# emmy_seal_object(<output.o> OBJECT <input.o> SYMBOL <mangled name>): a rule that makes every other symbol local. The
# output appears only after the check, so a failed build cannot leave a leaking object behind.
function(emmy_seal_object output)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "OBJECT;SYMBOL;DEPENDS" "")
  emmy_find_binutils()
  if(NOT EMMY_BINUTILS_FOUND)
    message(FATAL_ERROR "emmy: run-time dispatch needs ld.bfd, objcopy and nm: install binutils")
  endif()
  add_custom_command(
    OUTPUT ${output} DEPENDS ${A_DEPENDS} ${A_OBJECT} VERBATIM COMMENT "Sealing ${A_SYMBOL}"
    COMMAND ${EMMY_LD} -r --force-group-allocation -o ${output}.linked ${A_OBJECT}
    COMMAND ${EMMY_OBJCOPY} --keep-global-symbol=${A_SYMBOL} ${output}.linked ${output}.sealed
    COMMAND ${CMAKE_COMMAND} -DNM=${EMMY_NM} -DOBJECT=${output}.sealed -DSYMBOL=${A_SYMBOL}
            -P ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/dispatch/check_exports.cmake
    COMMAND ${CMAKE_COMMAND} -E rename ${output}.sealed ${output})
endfunction()

# Options that the sealing relies on: no bitcode, no GNU unique symbols (objcopy cannot make those local).
function(emmy_prepare_for_sealing library)
  target_compile_options(${library} PRIVATE -fno-lto $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
  set_target_properties(${library} PROPERTIES POSITION_INDEPENDENT_CODE ON INTERPROCEDURAL_OPTIMIZATION OFF UNITY_BUILD OFF)
endfunction()

# One CONFIG on one ISA: a sealed object among the sources of <target>. Reads HEADER, CONFIG, ID, dir and A_OPTIONS of
# its caller.
function(emmy_add_isa_object target isa)
  set(ISA ${isa})
  set(library ${target}_${ID}_${isa})
  configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/dispatch/isa.cpp.in ${dir}/${isa}.cpp @ONLY)
  emmy_describe_target(${isa} T)
  add_library(${library} OBJECT ${dir}/${isa}.cpp)
  target_link_libraries(${library} PRIVATE $<TARGET_PROPERTY:${target},LINK_LIBRARIES>)
  target_include_directories(${library} PRIVATE $<TARGET_PROPERTY:${target},INCLUDE_DIRECTORIES>)
  target_compile_definitions(${library} PRIVATE $<TARGET_PROPERTY:${target},COMPILE_DEFINITIONS> ${T_DEFINITIONS})
  target_compile_features(${library} PRIVATE $<TARGET_PROPERTY:${target},COMPILE_FEATURES>)
  target_compile_options(${library} PRIVATE $<TARGET_PROPERTY:${target},COMPILE_OPTIONS> ${A_OPTIONS} ${T_FLAGS})
  emmy_prepare_for_sealing(${library})

  string(LENGTH "${ID}_${isa}" length)
  set(sealed ${dir}/${isa}.o)
  if(CMAKE_CONFIGURATION_TYPES)
    set(sealed ${dir}/$<CONFIG>_${isa}.o)
  endif()
  emmy_seal_object(${sealed} DEPENDS ${library} OBJECT $<TARGET_OBJECTS:${library}>
                   SYMBOL _ZN4emmy6tables${length}${ID}_${isa}E)
  target_sources(${target} PRIVATE ${sealed})
endfunction()

# The baseline source of one CONFIG: find_table. Reads HEADER, CONFIG, ID and dir of its caller.
function(emmy_add_find_table target isas)
  set(DECLARATIONS "")
  set(ROWS "")
  foreach(isa IN LISTS isas)
    string(APPEND DECLARATIONS "extern const Table<${CONFIG}> ${ID}_${isa};\n")
    string(PREPEND ROWS "    {\"${isa}\", &tables::${ID}_${isa}},\n")  # best first
  endforeach()
  configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/dispatch/find_table.cpp.in ${dir}/find_table.cpp @ONLY)
  target_sources(${target} PRIVATE ${dir}/find_table.cpp)
endfunction()

function(emmy_add_dispatch target)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "HEADER" "CONFIG;TARGETS;OPTIONS")
  if(A_UNPARSED_ARGUMENTS OR NOT A_HEADER OR NOT A_CONFIG)
    message(FATAL_ERROR "emmy: emmy_add_dispatch(<target> HEADER <nets.hpp> CONFIG <type>... [TARGETS <name>...] [OPTIONS <flag>...])")
  endif()
  get_target_property(owner ${target} SOURCE_DIR)
  if(NOT owner STREQUAL CMAKE_CURRENT_SOURCE_DIR)
    message(FATAL_ERROR "emmy: call emmy_add_dispatch(${target}) in the folder that made ${target}: ${owner}")
  endif()
  if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$" OR APPLE OR WIN32)
    message(FATAL_ERROR "emmy: run-time dispatch needs x86-64 and ELF; elsewhere link emmy::emmy and build for one target")
  endif()
  get_property(isas GLOBAL PROPERTY EMMY_DISPATCH_TARGETS)
  if(A_TARGETS)
    foreach(isa IN LISTS A_TARGETS)
      if(NOT isa IN_LIST isas)
        message(FATAL_ERROR "emmy: emmy_add_dispatch knows the targets ${isas}, not '${isa}'")
      endif()
    endforeach()
    list(JOIN A_TARGETS "|" wanted)
    list(FILTER isas INCLUDE REGEX "^(${wanted})$")  # keeps the table's order
  endif()

  emmy_add_cpu_library()
  target_link_libraries(${target} PRIVATE emmy::emmy emmy::cpu)
  get_filename_component(HEADER ${A_HEADER} ABSOLUTE)
  foreach(CONFIG IN LISTS A_CONFIG)
    string(REPLACE "::" "_" ID "${CONFIG}")
    if(NOT ID MATCHES "^[A-Za-z_][A-Za-z0-9_]*$")  # template arguments: keep distinct types distinct
      string(MD5 hash "${CONFIG}")
      string(SUBSTRING ${hash} 0 8 hash)
      string(MAKE_C_IDENTIFIER "${ID}_${hash}" ID)
    endif()
    set(dir ${CMAKE_CURRENT_BINARY_DIR}/emmy_dispatch/${target}/${ID})
    foreach(isa IN LISTS isas)
      emmy_add_isa_object(${target} ${isa})
    endforeach()
    emmy_add_find_table(${target} "${isas}")
  endforeach()
endfunction()
