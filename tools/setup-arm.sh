#!/usr/bin/env bash
# Installs the cross compilers and emulators of the Arm targets on Debian 12 (about 75 s and 3 GB).
#
#   tools/setup-arm.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
install_missing "${build_packages[@]}" "${arm_packages[@]}"
