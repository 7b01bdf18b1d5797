#!/usr/bin/env bash
# Trains 64-32-10 under each constraint on real digits, puts each deployed net into flash on the Cortex-M7 and the M55 in QEMU, and writes
# both together into the table of docs/constraints.md ("On real digits").
#
#   tools/digits-table.sh [FOLDER of optdigits.tra and optdigits.tes] [the emmy command]
#
# The cross compiler and QEMU: tools/setup-arm.sh. Fails where a bar of emmy reproduce --digits is missed, or where blocks or units take more than 60 % of the dense net's instructions.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$emmy_root"

data=${1:-../shared/data/optdigits} emmy=${2:-build/release/emmy} build=$emmy_root/build/digits-table
mkdir -p "$build"
"$emmy" reproduce --digits "$data" --save "$build/nets" | tee "$build/printed.txt"
for row in m7=m7 m55=m55-helium-gcc; do
  preset=${row%=*} target=${row#*=}
  cmake --preset "$preset" -B "$build/$preset" -DEMMY_BUILD_CLI=OFF -DEMMY_BUILD_TESTS=OFF -DEMMY_BUILD_BENCH=OFF \
    -DEMMY_BUILD_FIRMWARE=OFF -DEMMY_INSTALL=OFF -DEMMY_BUILD_EVIDENCE=ON -DEMMY_BENCH_NETS="$build/nets/nets.hpp" >/dev/null
  cmake --build "$build/$preset" --target "models.64-32-10.$target"
done
python3 tools/blocks_table.py digits "$build/nets/nets.hpp" "$build/printed.txt" "$build/m7/bench/arm/m7.models.json" \
  "$build/m55/bench/arm/m55-helium-gcc.models.json"
