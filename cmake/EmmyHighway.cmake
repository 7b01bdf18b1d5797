# Highway is used by its headers alone; its library is never linked.
#   emmy_use_highway(<interface target> [BUILD_INTERFACE])
include_guard(GLOBAL)

function(emmy_use_highway target)
  find_path(EMMY_HWY_INCLUDE_DIR hwy/highway.h DOC "Folder that holds hwy/highway.h")
  if(NOT EMMY_HWY_INCLUDE_DIR)
    message(WARNING "emmy: Highway was not found, so every kernel is scalar. Install libhwy-dev, or set EMMY_HWY_INCLUDE_DIR.")
  elseif(ARGV1 STREQUAL "BUILD_INTERFACE")
    target_include_directories(${target} SYSTEM INTERFACE $<BUILD_INTERFACE:${EMMY_HWY_INCLUDE_DIR}>)
  else()
    target_include_directories(${target} SYSTEM INTERFACE ${EMMY_HWY_INCLUDE_DIR})
  endif()
endfunction()
