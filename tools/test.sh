#!/usr/bin/env bash
# Installs what is missing, builds, tests, and ends with the line "N passed, N failed, N skipped".
#
#   tools/test.sh          g++, the best target that the CPU has
#   tools/test.sh --all    every target and backend, by g++ (AVX-512) or clang++ (the others, and whole nets); also address
#                          and undefined-behaviour sanitizers with fuzzers, the benches, tests labelled slow, format; and
#                          under QEMU, by g++, the suites of AArch64 (NEON; SVE of three lengths), Armv7 and all boards.
#                          This is what .ci/run calls.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$emmy_root"
exec </dev/null

all=false
case $* in
  '') ;;
  --all) all=true ;;
  *)
    echo "usage: tools/test.sh [--all]" >&2
    exit 2
    ;;
esac

passed=0 failed=0 skipped=0
failures=()
skips=()

# Adds up one ctest run from the JUnit file that it wrote.
count() {  # count <preset> <file>
  local status name reason
  while IFS=$'\t' read -r status name reason; do
    case $status in
      run) passed=$((passed + 1)) ;;
      notrun)
        skipped=$((skipped + 1))
        skips+=("$1: $name: $reason")
        ;;
      *)
        failed=$((failed + 1))
        failures+=("$1: $name")
        ;;
    esac
  done < <(awk '
    function attribute(key,   text) {
      text = $0
      if (!sub(".* " key "=\"", "", text)) return ""
      sub(/".*/, "", text)
      return text
    }
    /<testcase / { name = attribute("name"); status = attribute("status"); reason = "no reason was printed" }
    /<failure/ { status = "fail" }
    /SKIPPED: / { reason = $0; sub(/.*SKIPPED: /, "", reason); sub(/<.*/, "", reason) }
    /<\/testcase>/ { print status "\t" name "\t" reason }
  ' "$2")
}

# One step that is not a ctest run; it counts when it fails, and as a test when asked to.
step() {  # step <name> <command>...
  local name=$1
  shift
  say "$name"
  if "$@"; then return 0; fi
  failed=$((failed + 1))
  failures+=("$name")
  return 1
}

check() { if step "$@"; then passed=$((passed + 1)); fi; }

run_ctest() {  # run_ctest <preset> [ctest options; without any, all tests but the slow ones]
  local preset=$1 start=$SECONDS file before=$((passed + failed + skipped))
  shift
  say "tests of preset $preset $*"
  file=$(mktemp)
  if [ $# -eq 0 ]; then set -- --label-exclude '^slow$'; fi
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error --parallel "$(nproc)" --output-junit "$file" "$@" || true
  count "$preset" "$file"
  rm -f "$file"
  say "tested $preset in $((SECONDS - start)) s"
  if [ $((passed + failed + skipped)) -eq "$before" ]; then
    failed=$((failed + 1))
    failures+=("$preset: ctest ran no test")
  fi
}

build() {  # build <preset> [cmake options]
  local preset=$1 start=$SECONDS
  shift
  step "configuring $preset" cmake --preset "$preset" "$@" >/dev/null &&
    step "building $preset" cmake --build --preset "$preset" --parallel "$(jobs)" &&
    say "built $preset in $((SECONDS - start)) s"
}
build_host() {  # build_host <preset> [cmake options]
  build "$@" -DEMMY_BUILD_CLI=ON -DEMMY_BUILD_TESTS=ON
}

format_is_right() {
  # Compared, not --dry-run: clang-format 14 objects to the last line of some headers that it would not change.
  git ls-files -z --cached --others --exclude-standard '*.hpp' '*.cpp' | xargs -0 -n 1 -P "$(nproc)" sh -c '
    clang-format "$0" | cmp -s - "$0" || { echo "not as clang-format writes it: $0"; exit 1; }'
}

packages=("${build_packages[@]}" libgtest-dev libxsimd-dev pkgconf)
if $all; then packages+=(clang clang-format libclang-rt-dev libbenchmark-dev libeigen3-dev python3-numpy valgrind "${arm_packages[@]}"); fi
install_missing "${packages[@]}" || step "installing packages" false || true

if $all; then
  if build_host release "-DEMMY_TEST_TARGETS=avx2;avx3;xsimd_avx2" -DEMMY_TEST_OPTIMIZED=ON -DEMMY_TEST_NETS=none -DEMMY_GOLDEN_TARGETS=avx2 "-DEMMY_CLI_TARGETS=scalar;avx2;avx3" -DEMMY_ZOO_TARGETS=avx2 -DEMMY_BUILD_BENCH=ON -DEMMY_COMPARE_BRIEF=ON -DEMMY_BUILD_FIRMWARE=ON -DEMMY_BUILD_EVIDENCE=ON; then
    run_ctest release --label-exclude '^none$'  # the slow ones too
  fi
  # The command is built by clang with sanitizers.
  if build clang -DEMMY_BUILD_TESTS=ON -DEMMY_BUILD_CLI=OFF -DEMMY_BUILD_BENCH=OFF; then run_ctest clang --label-exclude '^none$'; fi
  if build_host asan-ubsan; then run_ctest asan-ubsan; fi
  for preset in aarch64 armhf m0plus m4f m7 m33 m55 m55-clang; do
    if build "$preset" -UEMMY_TEST_TARGETS; then run_ctest "$preset"; fi
  done
  check format format_is_right
elif build_host release -UEMMY_TEST_OPTIMIZED -UEMMY_TEST_NETS -UEMMY_CLI_TARGETS -UEMMY_GOLDEN_TARGETS -DEMMY_BUILD_BENCH=OFF -DEMMY_TEST_TARGETS=best "-DEMMY_ZOO_TARGETS=scalar;avx2"; then
  run_ctest release
fi

echo
for line in "${skips[@]}"; do echo "skipped  $line"; done
for line in "${failures[@]}"; do echo "FAILED   $line"; done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
