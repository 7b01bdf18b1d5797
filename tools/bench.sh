#!/usr/bin/env bash
# Emmy's training step beside Eigen and plain loops: installs what is missing, builds, and prints a Markdown table.
# Arguments go to emmy_compare: --rounds N, --json FILE. Quiet machines give quiet figures.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$emmy_root"
exec </dev/null

install_missing "${build_packages[@]}" libxsimd-dev libbenchmark-dev libeigen3-dev >&2
say "building" >&2
cmake --preset release -DEMMY_BUILD_CLI=OFF -DEMMY_BUILD_TESTS=OFF -DEMMY_BUILD_BENCH=ON >&2
cmake --build --preset release --target emmy_compare --parallel "$(jobs)" >&2
pinned=()
if command -v taskset >/dev/null; then
  allowed=$(taskset -cp $$)           # "...: 0,2-5"
  pinned=(taskset -c "${allowed##*[ ,-]}")  # the last: interrupts tend to go to the first
fi
exec "${pinned[@]}" build/release/emmy_compare "$@"
