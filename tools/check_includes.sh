#!/usr/bin/env bash
# Who may include whom: the rule of docs/DESIGN.md, over every source file under ROOT. Prints each violation as
# file:line: reason, and exits 1 if there is one.
#
#   tools/check_includes.sh [ROOT]
set -euo pipefail
root=${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
cd "$root"
pairs=$(mktemp)
trap 'rm -f "$pairs"' EXIT

folders=()
for folder in include src platforms tests bench examples; do
  if [ -d "$folder" ]; then folders+=("$folder"); fi
done
mapfile -t files < <(find "${folders[@]}" -type f \( -name '*.hpp' -o -name '*.cpp' -o -name '*.h' -o -name '*.c' \) | LC_ALL=C sort)

status=0
awk -v pairs="$pairs" '
  BEGIN {
    # What each folder of include/emmy may include beside itself.
    may["core"] = ""
    may["simd"] = "core"
    may["kernels"] = "core simd"
    may["layers"] = may["losses"] = may["optim"] = "core simd kernels"
    may["net"] = may["layers"] " layers"
    may["parametrize"] = may["net"] " net"
    may["symmetry"] = may["net"] " net"
    may["noether"] = may["project"] = may["symmetry"] " symmetry"
    may["train"] = may["noether"] " noether losses optim parametrize"
    # The core has no heap, exceptions, I/O, containers or libm.
    split("algorithm cassert chrono cmath cstdio cstdlib deque exception filesystem forward_list fstream functional " \
          "iomanip ios iostream list map math.h memory mutex new numeric ostream queue random regex set sstream stack " \
          "stdexcept stdio.h stdlib.h string string_view thread typeinfo unordered_map unordered_set valarray vector", words, " ")
    for (i in words) banned[words[i]] = 1
  }
  function complain(reason) { print FILENAME ":" FNR ": " reason; bad = 1 }
  function exists(path,   line, result) { result = (getline line < path) >= 0; close(path); return result }
  function folder_of(path,   parts, n) { n = split(path, parts, "/"); return n > 1 ? parts[1] : "" }
  function check_core(name, quoted,   from, to) {
    from = folder_of(substr(FILENAME, length("include/emmy/") + 1))
    if (from != "" && !(from in may)) return complain("include/emmy/" from " is not in the table of tools/check_includes.sh")
    if (quoted) return complain("headers of the library include by <emmy/...>, not \"" name "\"")
    if (name in banned) return complain("the core does without <" name ">")
    if (name ~ /^(hwy|xsimd)\/|intrin\.h$|^arm_(neon|sve|mve|acle)\.h$/ && from != "simd" && FILENAME !~ /emmy\/kernels\/[^\/]+\//)
      return complain("only simd/ and kernels/<target>/ see <" name ">")
    if (name !~ /^emmy\//) return
    if (name == "emmy/emmy.hpp") return complain("the umbrella is for users only")
    if (!exists("include/" name)) return complain("there is no <" name ">")
    print FILENAME, "include/" name >> pairs
    to = folder_of(substr(name, length("emmy/") + 1))
    if (from != "" && to != from && index(" " may[from] " ", " " to " ") == 0) complain(from " must not include " to)
  }
  function check_src(name, quoted) {
    if (quoted && !exists("src/" name)) return complain("there is no src/" name)
    if (quoted) print FILENAME, "src/" name >> pairs
    if (name ~ /^(tests|bench|examples|platforms)\//) complain("src must not include " folder_of(name))
  }
  /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    quoted = $0 ~ /include[ \t]*"/
    name = $0
    sub(/^[^<"]*[<"]/, "", name)
    sub(/[>"].*/, "", name)
    if (name ~ /(^|\/)\.\.(\/|$)/) { complain("relative include of \"" name "\""); next }
    if (FILENAME ~ /^include\//) check_core(name, quoted)
    else if (FILENAME ~ /^src\//) check_src(name, quoted)
    else if (FILENAME ~ /^platforms\// && name ~ /^emmy\//) complain("platforms include nothing of the library")
  }
  END { exit bad }
' "${files[@]}" || status=1

# A file that includes itself is a circle of one, which tsort does not report.
if ! LC_ALL=C tsort "$pairs" >/dev/null 2>"$pairs.circle" || awk '$1 == $2 { found = 1 } END { exit !found }' "$pairs"; then
  echo "includes form a circle:"
  sed 's/^tsort: /  /' "$pairs.circle"
  awk '$1 == $2 { print "  " $1 }' "$pairs"
  status=1
fi
rm -f "$pairs.circle"
exit $status
