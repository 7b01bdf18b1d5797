#!/usr/bin/env bash
# Every header of the library compiles alone, without exceptions and RTTI, without a warning.
#
#   tools/check_headers.sh COMPILER [OPTION...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
compiler=("$@" -std=c++20 -ffp-contract=off -fno-exceptions -fno-rtti -Wall -Wextra -Wconversion -Wshadow -Werror
  -fsyntax-only -Iinclude -x c++)

status=0
while IFS= read -r header; do
  # A backend is a part of simd.hpp, the assembly of a target of panel.hpp.
  case $header in
    include/emmy/simd/*) [ "$header" = include/emmy/simd/simd.hpp ] || continue ;;
    include/emmy/kernels/*/*) continue ;;
  esac
  if ! "${compiler[@]}" -include "$header" /dev/null; then
    echo "does not compile alone: $header"
    status=1
  fi
done < <(find include/emmy -name '*.hpp' | LC_ALL=C sort)
exit $status
