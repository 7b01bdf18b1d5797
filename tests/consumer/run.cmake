# cmake -DWAY=package|subdirectory|fetch|pkgconfig -DSOURCE=<emmy> -DWORK=<folder> -DCOMPILER=<c++> -DHWY= -P run.cmake
# Builds and runs the consumer's program in an empty folder; nothing is downloaded.
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "failed (${result}): ${command}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
set(common -G Ninja -DCMAKE_CXX_COMPILER=${COMPILER} -DEMMY_HWY_INCLUDE_DIR=${HWY})

if(WAY MATCHES "^(package|pkgconfig)$")
  run(${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/emmy ${common} -DEMMY_BUILD_CLI=OFF -DEMMY_BUILD_TESTS=OFF
      -DEMMY_BUILD_BENCH=OFF -DCMAKE_INSTALL_PREFIX=${WORK}/prefix)
  run(${CMAKE_COMMAND} --install ${WORK}/emmy)
  file(RENAME ${WORK}/prefix ${WORK}/moved)  # an installed package can be moved
endif()

if(WAY STREQUAL "pkgconfig")
  set(ENV{PKG_CONFIG_PATH} ${WORK}/moved/share/pkgconfig)
  run(pkg-config --cflags emmy)
  separate_arguments(flags UNIX_COMMAND "${output}")
  run(${COMPILER} ${flags} ${CMAKE_CURRENT_LIST_DIR}/main.cpp -o ${WORK}/consumer)
  run(${WORK}/consumer)
else()
  run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK}/build ${common} -DEMMY_WAY=${WAY} -DEMMY_SOURCE=${SOURCE}
      -DCMAKE_PREFIX_PATH=${WORK}/moved)
  run(${CMAKE_COMMAND} --build ${WORK}/build)
  run(${WORK}/build/consumer)
endif()
if(NOT output STREQUAL "works\n")
  message(FATAL_ERROR "the consumer printed '${output}'")
endif()
if(WAY STREQUAL "package")
  run(${WORK}/build/dispatched)
  if(NOT output MATCHES "^works (scalar|avx2)\n$")
    message(FATAL_ERROR "the dispatched consumer printed '${output}'")
  endif()
endif()
