# Shared by tools/quickstart.sh and tools/test.sh; sourced, not run.

emmy_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_packages=(g++ cmake ninja-build libhwy-dev libcli11-dev libfmt-dev nlohmann-json3-dev)
# googletest is its source, built for each Linux target; clang-19 is the second compiler of the M55.
arm_packages=(g++-aarch64-linux-gnu g++-arm-linux-gnueabihf gcc-arm-none-eabi libstdc++-arm-none-eabi-newlib
  clang-19 lld-19 qemu-user qemu-system-arm googletest python3)

say() { printf '== %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    say "root is needed for: $*" >&2
    return 1
  fi
}

# For this machine's architecture: the package of a foreign one does not count.
is_installed() {
  local states
  states=$(dpkg-query -W -f '${db:Status-Status} ${Architecture}\n' "$1" 2>/dev/null) || return 1
  grep -q -x -e "installed $(dpkg --print-architecture)" -e "installed all" <<<"$states"
}

# Installs the Debian packages among its arguments that dpkg does not have. Mirrors fail at times: three tries.
install_missing() {
  local package attempt missing=()
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "this is not Debian; the counterparts of these packages are needed: $*"
    return 0
  fi
  for package in "$@"; do
    if ! is_installed "$package"; then missing+=("$package"); fi
  done
  if [ ${#missing[@]} -eq 0 ]; then return 0; fi
  say "installing ${missing[*]}"
  for attempt in 1 2 3; do
    # A mirror may fail for a part of its lists only, so the install is tried whatever the update said.
    as_root apt-get -o DPkg::Lock::Timeout=300 update -q </dev/null || say "apt-get update failed (try $attempt)"
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -q -y \
      --no-install-recommends "${missing[@]}" </dev/null; then
      return 0
    fi
    say "apt-get install failed (try $attempt)"
    sleep $((attempt * 5))
  done
  return 1
}

# The number of compilers that run at once: one per processor, and 1.5 GB of memory for each.
jobs() {
  local processors memory
  processors=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo)
  if [ "$memory" -lt "$processors" ]; then processors=$memory; fi
  if [ "$processors" -lt 1 ]; then processors=1; fi
  echo "$processors"
}
