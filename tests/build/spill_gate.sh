#!/bin/sh
# No accumulator of the register tile lives in memory: the innermost loop of every hot_* function of SOURCE is free of
# stores, and holds at least a tile's worth of multiplications (else it is not the loop meant here). With a tile that is
# too large planted, the gate must find it.
#
#   spill_gate.sh <objdump> <source> <multiplications> <compiler> [flags]...
set -eu
objdump=$1 source=$2 products=$3
shift 3
object=$(mktemp)
trap 'rm -f "$object"' EXIT

# One line a function: name, multiplications and stores of the loop with the most multiplications that holds no other
# such loop. Addresses are compared as text: awk has no numbers that large.
loops() {
  "$objdump" -d --no-show-raw-insn "$object" | awk '
    function report(   i, j, k, best, product, store, inner) {
      if (name == "") return
      best = 0; stores = 0
      for (i = 0; i < jumps; ++i) {
        first = at[target[i]]; last = from[i]
        inner = 0
        for (j = 0; j < jumps; ++j)
          if (j != i && at[target[j]] >= first && from[j] <= last && !(at[target[j]] == first && from[j] == last)) {
            product = 0
            for (k = at[target[j]]; k <= from[j]; ++k) product += is_product[k]
            if (product > 0) inner = 1
          }
        if (inner) continue
        product = store = 0
        for (k = first; k <= last; ++k) { product += is_product[k]; store += is_store[k] }
        if (product > best) { best = product; stores = store }
      }
      print name, best, stores
      name = ""
    }
    /^[0-9a-f]+ <.*>:$/ {
      report()
      n = jumps = 0
      split("", at)
      name = $2
      gsub(/[<>:]/, "", name)
      if (name !~ /^hot_/) name = ""
      next
    }
    name != "" && /^ *[0-9a-f]+:/ {
      address = $1
      sub(/:/, "", address)
      at[address] = n
      text = $0
      sub(/^ *[0-9a-f]+:[ \t]*/, "", text)
      sub(/[ \t]*#.*/, "", text)
      is_product[n] = text ~ /^v?(fn?m(add|sub)[0-9]+|mul)[ps][sd]/
      # AT&T order: the last operand is written.
      is_store[n] = text ~ /\([^()]*\)(\{[^}]*\})*$/ && text !~ /^(cmp|test|v?ucomis|v?comis|prefetch|lea|nop|jmp|call|push|v?ptest)/ && text ~ /,/
      if (text ~ /^j[a-z]+ +[0-9a-f]+ </) {
        split(text, word, / +/)
        if (word[2] in at) { target[jumps] = word[2]; from[jumps++] = n }
      }
      ++n
    }
    END { report() }'
}

status=0
"$@" -std=c++20 -O3 -ffp-contract=off -fno-exceptions -fno-rtti -c "$source" -o "$object"
found=$(loops)
echo "$found" | awk -v products="$products" '
  { printf "%-18s %3d multiplications, %d stores in the loop\n", $1, $2, $3 }
  $2 < products { print $1 ": this is not the loop of a tile of " products; bad = 1 }
  $3 > 0 { print $1 ": accumulators are spilt"; bad = 1 }
  END { if (NR < 5) { print "hot functions are missing"; bad = 1 } exit bad }' || status=1

"$@" -std=c++20 -O3 -ffp-contract=off -fno-exceptions -fno-rtti -DEMMY_PLANTED -c "$source" -o "$object"
if ! loops | awk '$1 == "hot_planted" && $3 > 0 { found = 1 } END { exit !found }'; then
  echo "the planted spill was not found"
  status=1
fi
exit $status
