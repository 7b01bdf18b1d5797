# cmake -DINCLUDE=<include folder> -DREFUSES=<this folder> -P coverage.cmake
# Every message "emmy: ..." of the headers is one that a file here provokes, but for those of other platforms.
set(elsewhere
    "double on Cortex-M is emulated"             # needs a Cortex-M compiler
    "Highway's AVX2 needs BMI"                   # the check before it answers first on every x86 compiler here
    "Highway's NEON needs the crypto extension"  # needs an Arm compiler
    "Armv7's NEON has no double"                 # the same for Armv7
    "Helium has no double"                       # the same for Armv8.1-M
    "EMMY_STRICT needs subnormals"               # likewise
    "xsimd does not offer the instruction set")  # needs an xsimd without it
file(GLOB sources ${REFUSES}/*.cpp)
set(texts ${elsewhere})
foreach(source IN LISTS sources)
  file(STRINGS ${source} line REGEX "^// refuses: " LIMIT_COUNT 1)
  string(REGEX REPLACE "^// refuses: " "" text "${line}")
  string(REPLACE "\\;" "," text "${text}")  # file(STRINGS) escapes it
  list(APPEND texts "${text}")
endforeach()

file(GLOB_RECURSE headers ${INCLUDE}/emmy/*.hpp)
set(count 0)
set(missing "")
foreach(header IN LISTS headers)
  file(READ ${header} content)
  string(REPLACE ";" "," content "${content}")  # a list separator to CMake
  string(REPLACE "[" "(" content "${content}")
  string(REPLACE "]" ")" content "${content}")
  string(REGEX MATCHALL "\"emmy: [^\"]*\"([ \n]*\"[^\"]*\")*" messages "${content}")
  foreach(message IN LISTS messages)
    string(REGEX REPLACE "\"[ \n]*\"" "" message "${message}")
    math(EXPR count "${count} + 1")
    set(found FALSE)
    foreach(text IN LISTS texts)
      string(FIND "${message}" "${text}" where)
      if(NOT where EQUAL -1)
        set(found TRUE)
      endif()
    endforeach()
    if(NOT found)
      string(APPEND missing "\n  ${header}: ${message}")
    endif()
  endforeach()
endforeach()
if(count LESS 20)
  message(FATAL_ERROR "emmy: only ${count} messages found in ${INCLUDE}: the pattern no longer fits")
endif()
if(missing)
  message(FATAL_ERROR "emmy: no file of tests/refuses provokes:${missing}")
endif()
message("${count} messages, each provoked")
