#!/usr/bin/env bash
# Emmy beside what a user would pick instead, on every instruction set of this CPU: installs the opponents (one that is
# not to be had is left out), builds, checks that all compute the same, times them in one run for each instruction set,
# and prints one Markdown table; the tables with all opponents' own figures go to stderr.
#
#   tools/bench.sh [--rounds N] [--workload NAME] [--isa LIST] [--json FILE]
#
# NAME: W1 to W5, grow32 to grow256, gemv<n>, gemm<n>, gemm_tn<n>, gemm_nt<n>, or what stands before the number. --isa: of
# avx3 avx2 sse4 scalar, separated by commas; all that the CPU has without it. --json: a list with one row for each Emmy.
# --rounds 0: only the check. Quiet machines give quiet figures.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$emmy_root"
exec </dev/null

usage() {
  echo "usage: tools/bench.sh [--rounds N] [--workload NAME] [--isa avx3,avx2,sse4,scalar] [--json FILE]" >&2
  exit 2
}
json='' isas=() arguments=()
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case $1 in
    --rounds | --workload) arguments+=("$1" "$2") ;;
    --isa) IFS=, read -ra isas <<<"$2" ;;
    --json) json=$2 ;;
    *) usage ;;
  esac
  shift 2
done
if [ ${#isas[@]} -eq 0 ]; then
  has() { grep -qw "$1" /proc/cpuinfo; }
  has avx512vl && isas+=(avx3)
  has avx2 && has fma && isas+=(avx2)
  has sse4_2 && isas+=(sse4)
  isas+=(scalar)
fi
for isa in "${isas[@]}"; do
  case $isa in avx3 | avx2 | sse4 | scalar) ;; *) usage ;; esac
done
if [ -n "$json" ] && ! touch "$json"; then exit 2; fi  # told now, not after the rounds

install_missing "${build_packages[@]}" libxsimd-dev libbenchmark-dev libeigen3-dev python3 >&2
for opponent in libopenblas-dev libdnnl-dev libxsmm-dev libfann-dev libtorch-dev; do
  install_missing "$opponent" >&2 || say "without $opponent" >&2
done
say "building" >&2
build=build/bench
list=$(IFS=\;; echo "${isas[*]}")
cmake --preset release -B "$build" -DEMMY_BUILD_CLI=OFF -DEMMY_BUILD_TESTS=OFF -DEMMY_BUILD_BENCH=ON \
  "-DEMMY_COMPARE_ISAS=$list" >&2
cmake --build "$build" --parallel "$(jobs)" --target "${isas[@]/#/emmy_compare.}" >&2
pinned=()
if command -v taskset >/dev/null; then
  allowed=$(taskset -cp $$)                 # "...: 0,2-5"
  pinned=(taskset -c "${allowed##*[ ,-]}")  # the last: interrupts tend to go to the first
fi
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 DNNL_MAX_CPU_ISA
rows=()
for isa in "${isas[@]}"; do
  # oneDNN, OpenBLAS, libxsmm and libtorch choose by the CPU what the others are compiled for.
  case $isa in avx3) DNNL_MAX_CPU_ISA=ALL ;; avx2) DNNL_MAX_CPU_ISA=AVX2 ;; *) DNNL_MAX_CPU_ISA=SSE41 ;; esac
  case $isa in avx3) unset OPENBLAS_CORETYPE ;; avx2) export OPENBLAS_CORETYPE=Haswell ;; *) export OPENBLAS_CORETYPE=Nehalem ;; esac
  case $isa in avx3) unset LIBXSMM_TARGET ;; avx2) export LIBXSMM_TARGET=hsw ;; *) export LIBXSMM_TARGET=wsm ;; esac
  case $isa in avx3) unset ATEN_CPU_CAPABILITY ;; avx2) export ATEN_CPU_CAPABILITY=avx2 ;; *) export ATEN_CPU_CAPABILITY=default ;; esac
  rm -f "$build/$isa.json"
  "${pinned[@]}" "$build/bench/emmy_compare.$isa" ${arguments[@]+"${arguments[@]}"} --json "$build/$isa.json" >&2
  if [ -f "$build/$isa.json" ]; then rows+=("$build/$isa.json"); fi  # none with --rounds 0
done
table=()
if [ -n "$json" ]; then table=(--json "$json"); fi
if [ ${#rows[@]} -gt 0 ]; then python3 tools/bench_table.py ${table[@]+"${table[@]}"} "${rows[@]}"; fi
