#!/usr/bin/env bash
# From a fresh Debian machine (git and apt) to a trained network: installs what is missing, builds the emmy command and
# trains. Arguments go to `emmy train`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$emmy_root"
exec </dev/null

install_missing "${build_packages[@]}"
say "building"
cmake --preset release -DEMMY_BUILD_CLI=ON -DEMMY_BUILD_TESTS=OFF -DEMMY_BUILD_BENCH=OFF
cmake --build --preset release --target emmy --parallel "$(jobs)"
say "build/release/emmy train $*"
exec build/release/emmy train "$@"
