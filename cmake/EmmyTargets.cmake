# The one table of x86 targets: tests, run-time dispatch and CPU detection all read it.
#
#   emmy_describe_target(<name> <prefix>)  sets <prefix>_FEATURES, <prefix>_FLAGS, <prefix>_DEFINITIONS
#
# A feature is the name of a compiler flag without "-m"; src/dispatch/cpu.cpp knows how to ask the CPU for each.
# Highway falls back to fewer lanes, silently, when aes and pclmul are missing from the flags.
include_guard(GLOBAL)

set_property(GLOBAL PROPERTY EMMY_DISPATCH_TARGETS scalar sse4 avx2 avx3)  # from the weakest CPU to the strongest
set_property(GLOBAL PROPERTY EMMY_XSIMD_TARGETS xsimd_sse2 xsimd_sse4 xsimd_avx2)

function(emmy_describe_target name prefix)
  set(sse4 sse4.2 popcnt aes pclmul)
  set(avx2 ${sse4} avx2 fma bmi bmi2 f16c lzcnt)
  set(avx3 ${avx2} avx512f avx512cd avx512bw avx512dq avx512vl)
  set(definitions "")
  if(name STREQUAL "scalar")
    set(features "")
    set(definitions EMMY_BACKEND_SCALAR)
  elseif(name STREQUAL "xsimd_sse2")
    set(features "")
    set(definitions EMMY_BACKEND_XSIMD)
  elseif(name MATCHES "^xsimd_(sse4|avx2)$")
    set(features ${${CMAKE_MATCH_1}})
    set(definitions EMMY_BACKEND_XSIMD)
  elseif(name MATCHES "^(sse4|avx2|avx3)$")
    set(features ${${name}})
    set(definitions EMMY_BACKEND_HIGHWAY)  # a missing header is an error here, not a silent fall to scalar
  else()
    message(FATAL_ERROR "emmy: no target is called '${name}'")
  endif()
  set(${prefix}_FEATURES ${features} PARENT_SCOPE)
  list(TRANSFORM features PREPEND -m)
  set(${prefix}_FLAGS ${features} PARENT_SCOPE)
  set(${prefix}_DEFINITIONS ${definitions} PARENT_SCOPE)
endfunction()
