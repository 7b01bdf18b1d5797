# cmake -DBUILD= -DTARGET= -DTEXT= -P must_not_build.cmake: TARGET must not build, and the build must say TEXT.
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --target ${TARGET} RESULT_VARIABLE result OUTPUT_VARIABLE output
                ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "emmy: ${TARGET} builds, and must not")
endif()
string(FIND "${output}" "${TEXT}" where)
if(where EQUAL -1)
  message(FATAL_ERROR "emmy: ${TARGET} does not build, but without the text '${TEXT}':\n${output}")
endif()
message("${output}")
