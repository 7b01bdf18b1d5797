# cmake -DNM= -DCHECK=<check_exports.cmake> -DSYMBOL= -DRAW= -DSEALED= -DTWO= -DRAW_PROGRAM= -DSEALED_PROGRAM= -P leak_test.cmake
# The raw object leaks, at link time and at run time; the sealed one exports its table alone; the check tells them apart.
function(expect_check object wanted)
  execute_process(COMMAND ${CMAKE_COMMAND} -DNM=${NM} -DOBJECT=${object} -DSYMBOL=${SYMBOL} -P ${CHECK}
                  RESULT_VARIABLE result ERROR_VARIABLE error)
  if(wanted STREQUAL "green" AND NOT result EQUAL 0)
    message(SEND_ERROR "the check refuses ${object}: ${error}")
  elseif(wanted STREQUAL "red" AND (result EQUAL 0 OR NOT error MATCHES "must[ \n]+export[ \n]+${SYMBOL}"))
    message(SEND_ERROR "the check accepts ${object}, or fails for another reason (${result}): ${error}")
  endif()
endfunction()

function(expect_output program wanted)
  execute_process(COMMAND ${program} OUTPUT_VARIABLE output RESULT_VARIABLE result)
  if(NOT result EQUAL 0 OR NOT output STREQUAL "${wanted}\n")
    message(SEND_ERROR "${program} (${result}) printed '${output}', not '${wanted}'")
  endif()
endfunction()

execute_process(COMMAND ${NM} --defined-only --extern-only --format=posix ${RAW} OUTPUT_VARIABLE raw)
string(REGEX MATCHALL "_ZSt[^\n]*" leaks "${raw}")
list(LENGTH leaks count)
message(STATUS "the raw object exports ${count} functions of std")
if(count LESS 5)
  message(SEND_ERROR "the object that is to leak does not: this test would show nothing")
endif()

expect_check(${RAW} red)
expect_check(${TWO} red)
expect_check(${SEALED} green)
expect_output(${RAW_PROGRAM} "sse4 sse4 3")         # the baseline calls code for another CPU
expect_output(${SEALED_PROGRAM} "baseline sse4 3")  # each has its own
