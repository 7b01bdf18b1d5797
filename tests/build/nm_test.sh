#!/bin/sh
# The core needs nothing but memcpy, memmove and memset: no heap, no exceptions, no libm. Compiles SOURCE without and
# with optimisation and compares every symbol that the object wants from elsewhere with that list. Then it does the same
# with a std::exp planted: a gate that does not see it is broken.
#
#   nm_test.sh <nm> <source> <compiler> [flags]...
set -eu
nm=$1 source=$2
shift 2
object=$(mktemp)
trap 'rm -f "$object"' EXIT

foreign() {  # foreign <compiler and flags>...: what the object wants
  "$@" -std=c++20 -fno-exceptions -fno-rtti -ffp-contract=off -c "$source" -o "$object" || exit 2
  "$nm" --undefined-only "$object" | awk '{ print $NF }' |
    grep -vxE 'memcpy|memmove|memset|_GLOBAL_OFFSET_TABLE_' || true
}

status=0
for level in "-O0 -DEMMY_KEEP_CALLS" -O2; do
  found=$(foreign "$@" $level)
  if [ -n "$found" ]; then
    echo "$level: the object wants" $found
    status=1
  fi
done
found=$(foreign "$@" -O0 -DEMMY_KEEP_CALLS -DEMMY_PLANTED)
case $found in
  *exp*) ;;
  *)
    echo "the planted std::exp was not found"
    status=1
    ;;
esac
exit $status
