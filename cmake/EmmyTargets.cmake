# The one table of targets: tests, run-time dispatch, CPU detection and the evidence of docs/arm.md all read it.
#
#   emmy_describe_target(<name> <prefix>)  sets <prefix>_FEATURES, <prefix>_FLAGS, <prefix>_DEFINITIONS, <prefix>_CPUS
#
# FEATURES: what the CPU must have, on x86, as names of compiler flags without "-m"; src/dispatch/cpu.cpp knows how to
# ask for each. CPUS: where programs are emulated, the CPUs that run this target, as <name of the run>=<-cpu of QEMU>.
# The names are those of the processor that is compiled for: `neon` has other flags on 32-bit Arm than on 64-bit.
# Highway falls back to fewer lanes, silently, when aes and pclmul (x86) or crypto (Arm) are missing from the flags.
include_guard(GLOBAL)

# Dispatch targets stand from the weakest CPU to the strongest; Arm has none, for run-time dispatch is for x86.
set_property(GLOBAL PROPERTY EMMY_DISPATCH_TARGETS)
set_property(GLOBAL PROPERTY EMMY_XSIMD_TARGETS)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set_property(GLOBAL PROPERTY EMMY_PROCESSOR aarch64)
  set_property(GLOBAL PROPERTY EMMY_STATIC_TARGETS neon)
  if(CMAKE_CROSSCOMPILING)  # an emulator has SVE; who has it natively names it in EMMY_TEST_TARGETS
    set_property(GLOBAL PROPERTY EMMY_STATIC_TARGETS neon sve sve256_known sve512_known)
  endif()
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^armv7")
  set_property(GLOBAL PROPERTY EMMY_PROCESSOR armv7)
  set_property(GLOBAL PROPERTY EMMY_STATIC_TARGETS scalar neon)
else()
  set_property(GLOBAL PROPERTY EMMY_PROCESSOR x86)
  set_property(GLOBAL PROPERTY EMMY_STATIC_TARGETS)
  set_property(GLOBAL PROPERTY EMMY_DISPATCH_TARGETS scalar sse4 avx2 avx3)
  set_property(GLOBAL PROPERTY EMMY_XSIMD_TARGETS xsimd_sse2 xsimd_sse4 xsimd_avx2)
endif()

function(emmy_describe_x86_target name)
  set(sse4 sse4.2 popcnt aes pclmul)
  set(avx2 ${sse4} avx2 fma bmi bmi2 f16c lzcnt)
  set(avx3 ${avx2} avx512f avx512cd avx512bw avx512dq avx512vl)
  set(features "")
  if(name MATCHES "^(xsimd_)?(sse4|avx2|avx3)$")
    set(features ${${CMAKE_MATCH_2}})
  elseif(NOT name MATCHES "^(scalar|xsimd_sse2)$")
    message(FATAL_ERROR "emmy: no target is called '${name}'")
  endif()
  set(FEATURES ${features} PARENT_SCOPE)
  list(TRANSFORM features PREPEND -m)
  set(FLAGS ${features} PARENT_SCOPE)
endfunction()

function(emmy_describe_aarch64_target name)
  if(name MATCHES "^(xsimd_neon|neon|scalar)$")
    set(FLAGS -march=armv8-a+crypto PARENT_SCOPE)
    set(CPUS ${name}=cortex-a53 PARENT_SCOPE)
  elseif(name STREQUAL "sve")  # one program, three vector lengths
    set(FLAGS -march=armv8.2-a+sve PARENT_SCOPE)
    set(CPUS sve128=max,sve128=on sve256=max,sve256=on sve512=max,sve512=on PARENT_SCOPE)
  elseif(name MATCHES "^sve([0-9]+)_known$")  # for a vector length that one knows
    set(FLAGS -march=armv8.2-a+sve -msve-vector-bits=${CMAKE_MATCH_1} PARENT_SCOPE)
    set(CPUS ${name}=max,sve${CMAKE_MATCH_1}=on PARENT_SCOPE)
  else()
    message(FATAL_ERROR "emmy: no target of AArch64 is called '${name}'")
  endif()
endfunction()

function(emmy_describe_armv7_target name)
  if(NOT name MATCHES "^(neon|scalar)$")
    message(FATAL_ERROR "emmy: no target of Armv7 is called '${name}'")
  endif()
  # Without a format for __fp16, Highway does not compile for VFPv4. g++ never turns float loops into NEON by itself
  # here, since NEON is not IEEE: `scalar` is VFP, which is.
  set(FLAGS -mcpu=cortex-a7 -mfpu=neon-vfpv4 -mfloat-abi=hard -mfp16-format=ieee PARENT_SCOPE)
  set(CPUS ${name}=cortex-a7 PARENT_SCOPE)
endfunction()

function(emmy_describe_target name prefix)
  set(FEATURES "")
  set(FLAGS "")
  set(CPUS "")
  get_property(processor GLOBAL PROPERTY EMMY_PROCESSOR)
  cmake_language(CALL emmy_describe_${processor}_target ${name})
  set(definitions EMMY_BACKEND_HIGHWAY)  # a missing header is an error here, not a silent fall to scalar
  if(name STREQUAL "scalar")
    set(definitions EMMY_BACKEND_SCALAR)
  elseif(name MATCHES "^xsimd_")
    set(definitions EMMY_BACKEND_XSIMD)
  endif()
  foreach(fact IN ITEMS FEATURES FLAGS CPUS)
    set(${prefix}_${fact} ${${fact}} PARENT_SCOPE)
  endforeach()
  set(${prefix}_DEFINITIONS ${definitions} PARENT_SCOPE)
endfunction()
