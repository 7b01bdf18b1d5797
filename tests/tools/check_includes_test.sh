#!/usr/bin/env bash
# tools/check_includes.sh accepts a clean tree and reports every violation planted in it, one at a time.
#   check_includes_test.sh <path of check_includes.sh>
set -euo pipefail
check=$1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

plant_clean() {
  rm -rf "${tree:?}"/*
  mkdir -p "$tree"/include/emmy/{core,simd,kernels,layers,optim,symmetry,noether,train} "$tree"/src/{io,cli} "$tree"/platforms/m55 "$tree"/tests
  local emmy=$tree/include/emmy
  echo '#include <cstddef>' >"$emmy/core/mat.hpp"
  printf '#include <hwy/highway.h>\n#include <emmy/core/mat.hpp>\n' >"$emmy/simd/simd.hpp"
  printf '#include <emmy/simd/simd.hpp>\n// #include <vector>\n' >"$emmy/kernels/gemm.hpp"
  echo '#include <emmy/kernels/gemm.hpp>' >"$emmy/optim/sgd.hpp"
  echo '#include <emmy/kernels/gemm.hpp>' >"$emmy/symmetry/symmetry.hpp"
  echo '#include <emmy/symmetry/symmetry.hpp>' >"$emmy/noether/watch.hpp"
  printf '#include <emmy/noether/watch.hpp>\n#include <emmy/optim/sgd.hpp>\n' >"$emmy/train/step.hpp"
  echo '#include <emmy/train/step.hpp>' >"$emmy/emmy.hpp"
  printf '#include <emmy/emmy.hpp>\n#include <vector>\n' >"$tree/src/io/csv.hpp"
  echo '#include "io/csv.hpp"' >"$tree/src/cli/main.cpp"
  echo '#include <cstdint>' >"$tree/platforms/m55/start.cpp"
  echo '#include <emmy/emmy.hpp>' >"$tree/tests/a_test.cpp"
}

failed=0
expect() {  # expect <text of the report> <file> <line to add>
  plant_clean
  mkdir -p "$(dirname "$tree/$2")"
  echo "$3" >>"$tree/$2"
  if report=$("$check" "$tree"); then
    echo "not noticed: '$3' in $2"
    failed=1
  elif [[ $report != *"$1"* ]]; then
    echo "'$3' in $2 was reported as: $report"
    failed=1
  fi
}

plant_clean
if ! report=$("$check" "$tree"); then
  echo "a clean tree was refused: $report"
  failed=1
fi
expect "core must not include simd" include/emmy/core/mat.hpp '#include <emmy/simd/simd.hpp>'
expect "symmetry must not include optim" include/emmy/symmetry/symmetry.hpp '#include <emmy/optim/sgd.hpp>'
expect "optim must not include symmetry" include/emmy/optim/sgd.hpp '#include <emmy/symmetry/symmetry.hpp>'
expect "the umbrella is for users only" include/emmy/train/step.hpp '#include <emmy/emmy.hpp>'
expect "there is no <emmy/core/no.hpp>" include/emmy/core/mat.hpp '#include <emmy/core/no.hpp>'
expect "not \"mat.hpp\"" include/emmy/core/shape.hpp '#include "mat.hpp"'
expect "the core does without <vector>" include/emmy/core/mat.hpp '  #  include <vector>'
expect "see <hwy/highway.h>" include/emmy/kernels/gemm.hpp '#include <hwy/highway.h>'
expect "see <immintrin.h>" include/emmy/kernels/gemm.hpp '#include <immintrin.h>'
expect "is not in the table" include/emmy/misc/a.hpp '#include <cstddef>'
expect "relative include" src/cli/main.cpp '#include "../io/csv.hpp"'
expect "there is no src/io/no.hpp" src/cli/main.cpp '#include "io/no.hpp"'
expect "src must not include tests" src/cli/main.cpp '#include <tests/a.hpp>'
expect "platforms include nothing" platforms/m55/start.cpp '#include <emmy/emmy.hpp>'
expect "circle" include/emmy/core/mat.hpp '#include <emmy/core/mat.hpp>'
plant_clean
echo '#include <emmy/core/b.hpp>' >"$tree/include/emmy/core/a.hpp"
echo '#include <emmy/core/a.hpp>' >"$tree/include/emmy/core/b.hpp"
if report=$("$check" "$tree") || [[ $report != *circle* ]]; then
  echo "a circle of two files was not noticed: $report"
  failed=1
fi
exit $failed
