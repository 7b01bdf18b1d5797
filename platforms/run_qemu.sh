#!/bin/sh
# run_qemu.sh MACHINE PROGRAM [QEMU OPTION...]: runs firmware and exits with its code; 77 where QEMU is not installed.
# One instruction is one nanosecond of virtual time (-icount), so that every run is the same.
if ! command -v qemu-system-arm >/dev/null; then
  echo "skipped: qemu-system-arm is not installed (tools/setup-arm.sh installs it)"
  exit 77
fi
machine=$1
program=$2
shift 2
exec qemu-system-arm -M "$machine" -display none -monitor none -serial stdio \
  -semihosting-config enable=on,target=native -icount shift=0,sleep=off -kernel "$program" "$@" </dev/null
