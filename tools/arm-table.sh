#!/usr/bin/env bash
# Builds the programs of bench/arm for every target, measures them, and writes the table of docs/arm.md.
#
#   tools/arm-table.sh [--json FILE] [--record]
#
# --json also writes the rows as JSON; --record makes them the budgets that the tests named evidence.* hold (3 %).
# What it needs is installed by tools/setup-arm.sh, and valgrind. A target that this CPU cannot run (AVX-512) keeps its
# recorded figures, and that is said.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$emmy_root"

json='' record=false
while [ $# -gt 0 ]; do
  case $1 in
    --json) json=${2:?--json needs a file}; shift ;;
    --record) record=true ;;
    *)
      echo "usage: tools/arm-table.sh [--json FILE] [--record]" >&2
      exit 2
      ;;
  esac
  shift
done
install_missing "${build_packages[@]}" "${arm_packages[@]}" valgrind

build=build/arm-table
budgets=tests/evidence/budgets.json
presets=(m0plus m4f m7 m33 m55 m55-clang aarch64 armhf release)
# Built in folders of its own: the options differ from those of the tests.
for preset in "${presets[@]}"; do
  say "building for $preset"
  cmake --preset "$preset" -B "$build/$preset" -DEMMY_BUILD_CLI=OFF -DEMMY_BUILD_TESTS=OFF -DEMMY_BUILD_BENCH=OFF \
    -DEMMY_BUILD_FIRMWARE=OFF -DEMMY_INSTALL=OFF -DEMMY_BUILD_EVIDENCE=ON >/dev/null
  cmake --build "$build/$preset" --target emmy_evidence --parallel "$(jobs)"
done

say "measuring"
rm -rf "$build/rows"
mkdir -p "$build/rows"
measure() { python3 tools/arm_table.py measure --budgets "$budgets" --out "$build/rows/$(basename "$1")" "$1"; }
export -f measure
export build budgets
for preset in "${presets[@]}"; do cat "$build/$preset/bench/arm/descriptions.txt"; done |
  xargs -P "$(nproc)" -I{} bash -c 'measure "$1"' _ {}

if $record; then python3 tools/arm_table.py record --budgets "$budgets" "$build"/rows/*.json; fi
python3 tools/arm_table.py table --document docs/arm.md "$build"/rows/*.json
if [ -n "$json" ]; then python3 tools/arm_table.py join --out "$json" "$build"/rows/*.json; fi
say "docs/arm.md: $(cat "$build"/rows/*.json | grep -c '"target"') rows"
