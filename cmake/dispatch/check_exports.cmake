# cmake -DNM=<nm> -DOBJECT=<file> -DSYMBOL=<name> -P check_exports.cmake
# Fails unless the object defines exactly one symbol that other objects can see, and it is SYMBOL.
execute_process(COMMAND ${NM} --defined-only --extern-only --format=posix ${OBJECT}
                OUTPUT_VARIABLE symbols ERROR_VARIABLE error RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "emmy: ${NM} cannot read ${OBJECT}: ${error}")
endif()
string(REGEX REPLACE " [^\n]*" "" symbols "${symbols}")
string(STRIP "${symbols}" symbols)
if(NOT symbols STREQUAL SYMBOL)
  message(FATAL_ERROR "emmy: ${OBJECT} must export ${SYMBOL} alone, and exports:\n${symbols}")
endif()
