# What a cross build tests: all that meets the instruction set, the width of a vector or of a pointer. The rest (files,
# refusals, packaging, the command, layers and rules that are made of the same kernels) is the same text on every target
# and stays with the host's build, as do the long runs: a program here takes 10 to 50 times as long under QEMU.
#
#   neon  (AArch64)  the widest: the library as users of 64-bit Arm get it
#   sve              what depends on a vector length that is known at run time only; three lengths, one program
#   sve256_known, sve512_known   panels in assembly, and who calls them
#   neon  (Armv7)    the same, since its arithmetic is not IEEE
#   scalar (Armv7)   what words and 32 bits decide in training; its kernels run on Cortex-M in f32 and on x86 in both

get_property(processor GLOBAL PROPERTY EMMY_PROCESSOR)
set(every ${EMMY_TEST_TARGETS})
list(FILTER every EXCLUDE REGEX "_known$")
set(vectors neon sve)           # of this processor
set(vectors_with_f64 neon sve)
set(widest neon)
set(kernels ${every})
if(processor STREQUAL "armv7")  # its vectors have no f64 and flush subnormals: strict text is scalar
  set(vectors neon)
  set(vectors_with_f64 "")
  set(widest scalar)
  set(kernels neon)
endif()

# AS_USERS: as users compile them. The others with -O1 and, where they run for a second or two under QEMU, without forced
# inlining, which halves what the compiler has to do.
function(emmy_add_cross_tests folder)
  cmake_parse_arguments(PARSE_ARGV 1 A "AS_USERS" "" "NAMES;TARGETS")
  set(quick "")
  if(NOT A_AS_USERS)
    set(quick QUICK -O1 ${EMMY_TEST_TARGETS})
    if(NOT folder STREQUAL "noether")
      list(APPEND quick DEFINITIONS EMMY_KEEP_CALLS)
    endif()
  endif()
  list(REMOVE_DUPLICATES A_TARGETS)
  foreach(name IN LISTS A_NAMES)
    emmy_add_test(${folder}.${name} SOURCES ${folder}/${name}_test.cpp TARGETS ${A_TARGETS} ${quick})
  endforeach()
endfunction()

emmy_add_cross_tests(simd AS_USERS NAMES words arithmetic TARGETS ${every})
emmy_add_cross_tests(kernels NAMES avg_pool batch_norm column elementwise inspect max_pool norm reduce TARGETS ${kernels})
emmy_add_cross_tests(kernels NAMES attention recurrent TARGETS neon)
emmy_add_cross_tests(kernels AS_USERS NAMES held_row softmax TARGETS ${kernels})
emmy_add_cross_tests(kernels NAMES update_sweep TARGETS neon)
emmy_add_cross_tests(kernels AS_USERS NAMES affine gemm TARGETS neon)
emmy_add_cross_tests(kernels NAMES block_sparse gram TARGETS ${vectors})
if(processor STREQUAL "aarch64")
  emmy_add_cross_tests(kernels NAMES affine TARGETS sve sve512_known)
  emmy_add_cross_tests(kernels NAMES gemm TARGETS sve)
  emmy_add_cross_tests(kernels NAMES update_sweep TARGETS sve512_known)
  emmy_add_cross_tests(kernels NAMES narrow TARGETS ${vectors} sve512_known)
  emmy_add_cross_tests(kernels NAMES backward_sweep TARGETS neon sve256_known sve512_known)
  emmy_add_cross_tests(train NAMES chain_step TARGETS neon sve256_known)
  emmy_add_cross_tests(simd NAMES arithmetic TARGETS sve256_known sve512_known)
  emmy_add_cross_tests(kernels NAMES softmax TARGETS sve256_known)
  emmy_add_cross_tests(losses NAMES cross_entropy TARGETS sve256_known)
endif()
emmy_add_cross_tests(kernels NAMES conv TARGETS ${vectors})
emmy_add_cross_tests(kernels NAMES conv2d TARGETS neon)
if(processor STREQUAL "aarch64")  # half of what takes longest to compile; conv and the sweep of known lengths have both scalars
  foreach(name IN ITEMS attention conv2d recurrent update_sweep)
    emmy_add_test(kernels.${name}.f32 SOURCES kernels/${name}_test.cpp TARGETS sve DEFINITIONS EMMY_TEST_FLOAT_ONLY EMMY_KEEP_CALLS QUICK -O1 sve)
  endforeach()
endif()
emmy_add_cross_tests(kernels AS_USERS NAMES transcendental TARGETS neon ${widest})  # words lane by lane: SVE adds minutes only
emmy_add_cross_tests(losses NAMES cross_entropy squared_error TARGETS ${every})
emmy_add_cross_tests(layers NAMES dense TARGETS ${vectors})
if(NOT processor STREQUAL "armv7")
  emmy_add_cross_tests(layers NAMES activations TARGETS neon)
endif()
emmy_add_cross_tests(net NAMES init memory pack TARGETS ${widest})
emmy_add_cross_tests(train NAMES step tiny_step lazy TARGETS neon)  # SVE trains in verbs, strict and noether.law
set(strict ${widest} ${vectors_with_f64})
list(REMOVE_DUPLICATES strict)
emmy_add_test(train.strict SOURCES train/strict_test.cpp TARGETS ${strict} DEFINITIONS EMMY_STRICT QUICK -O1 sve)
emmy_add_cross_tests(train NAMES verbs TARGETS ${widest} ${vectors_with_f64})
if(NOT processor STREQUAL "armv7")
  emmy_add_cross_tests(parametrize NAMES product TARGETS neon)
endif()
emmy_add_cross_tests(noether NAMES law TARGETS ${every})
emmy_add_cross_tests(noether NAMES health TARGETS ${vectors})
if(processor STREQUAL "aarch64")
  emmy_add_hot_loops(neon:q:16)
  emmy_add_hot_loops(sve:z:16)
endif()

get_property(longest DIRECTORY PROPERTY TESTS)  # begin first
list(FILTER longest INCLUDE REGEX "^(kernels\\.transcendental|noether\\.law)")
set_tests_properties(${longest} PROPERTIES COST 20)
