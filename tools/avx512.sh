#!/usr/bin/env bash
# Runs programs on an emulated CPU that has AVX-512: Debian's kernel and the programs, booted in Bochs.
#
#   tools/avx512.sh [--timeout S] [--file F]... PROGRAM [ARG...] [-- PROGRAM [ARG...]]...
#
# The programs are x86-64 and statically linked; they run one after the other in a folder that holds each F by its last
# name. Their output goes to stdout, everything said here to stderr. A boot takes about 40 s of CPU time, and an
# instruction about 20 ns. S is in seconds of real time for everything after the installation, 900 if not given.
#
# Exit status: 0 every program ended with 0, 1 one did not (77, a skipped test, included), 2 wrong use,
# 77 this machine cannot do it (the reason is printed), 124 the time was over.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cpu_model=corei7_skylake_x
needed_flags="avx2 fma bmi1 bmi2 f16c aes pclmulqdq avx512f avx512cd avx512bw avx512dq avx512vl"
kernel_folder=$emmy_root/build/avx512

note() { say "$*" >&2; }
refuse() { note "$*"; exit 2; }
unavailable() { note "cannot emulate AVX-512 here: $*"; exit 77; }

install_emulator() {
  [ "$(uname -m)" = x86_64 ] || unavailable "the kernel and the boot loader are for x86-64, this is $(uname -m)"
  install_missing bochs bochs-term bochsbios vgabios isolinux syslinux-common xorriso cpio busybox-static binutils >&2 ||
    unavailable "apt-get could not install the emulator and its boot files"
  local file
  for file in /usr/share/bochs/{BIOS-bochs-latest,VGABIOS-lgpl-latest} /usr/lib/ISOLINUX/isolinux.bin \
    /usr/lib/syslinux/modules/bios/ldlinux.c32 /bin/busybox; do
    [ -e "$file" ] || unavailable "there is no $file"
  done
  local models
  models=$(bochs --help cpu 2>&1 || true)
  grep -q -x "$cpu_model" <<<"$models" || unavailable "this Bochs has no CPU model $cpu_model"
}

# Unpacked, not installed: $kernel_folder/vmlinuz, kept for the next run.
fetch_kernel() {
  [ ! -s "$kernel_folder/vmlinuz" ] || return 0
  local package attempt unpacked=$work/kernel
  package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p')
  [ -n "$package" ] || unavailable "apt knows no linux-image-cloud-amd64"
  mkdir -p "$unpacked" "$kernel_folder"
  for attempt in 1 2 3; do
    if (cd "$unpacked" && apt-get download -q "$package" >&2); then break; fi
    note "download of $package failed (try $attempt)"
    sleep $((attempt * 5))
    as_root apt-get update -q </dev/null >&2 || true
  done
  dpkg-deb -x "$unpacked"/linux-image-*.deb "$unpacked" || unavailable "$package could not be downloaded"
  cp "$unpacked"/boot/vmlinuz-* "$work/vmlinuz"
  mv "$work/vmlinuz" "$kernel_folder/vmlinuz"
}

# $root: the whole file system of the emulated machine. Its second serial port carries what init has to say.
begin_root() {
  mkdir -p "$root"/{bin,dev,proc,run,work} "$work/iso/isolinux"
  cp /bin/busybox "$root/bin/"
  cat >"$root/init" <<END
#!/bin/busybox sh
export PATH=/bin HOME=/work
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
stty -opost </dev/console
stty -opost </dev/ttyS1
cd /work
for flag in $needed_flags; do
  grep -q -m 1 "^flags.* \$flag\\( \|\$\)" /proc/cpuinfo || echo "lacks \$flag" >/dev/ttyS1
done
END
  chmod +x "$root/init"
}

add_file() {
  [ -f "$1" ] || refuse "$1 is not a file"
  cp -L "$1" "$root/work/"
}

add_program() {
  [ $# -gt 0 ] || refuse "usage: tools/avx512.sh [--timeout S] [--file F]... PROGRAM [ARG...] [-- PROGRAM [ARG...]]..."
  local program=$1 parts copy
  [[ -f $program && -x $program ]] || refuse "$program is not a program"
  parts=$(readelf -h -l "$program" 2>/dev/null) || refuse "$program is not an ELF file"
  grep -q 'Machine:.*X86-64' <<<"$parts" || refuse "$program is not for x86-64"
  if grep -q INTERP <<<"$parts"; then refuse "$program is not statically linked"; fi
  programs=$((programs + 1))
  copy=/run/$programs/$(basename "$program")
  mkdir "$root/run/$programs"
  strip -o "$root$copy" "$program"  # the emulated BIOS reads every byte
  shift
  printf '%s </dev/null\necho "status $? %s" >/dev/ttyS1\n' "$(printf '%q ' "$copy" "$@")" \
    "$(basename "$copy" | tr -cd '[:alnum:]._-')" >>"$root/init"
}

# Bochs reports another XSAVE size for the compact formats than Linux computes, and Linux then uses no AVX at all; the
# standard format agrees. A panic ends in a triple fault, and that ends Bochs.
make_disc() {
  printf 'sync\npoweroff -f\n' >>"$root/init"
  (cd "$root" && find . | cpio -o -H newc --quiet) >"$work/iso/isolinux/initrd"
  cp "$kernel_folder/vmlinuz" /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso/isolinux/"
  cat >"$work/iso/isolinux/isolinux.cfg" <<END
DEFAULT linux
LABEL linux
  KERNEL vmlinuz
  INITRD initrd
  APPEND console=ttyS0,115200 loglevel=1 noxsaves clearcpuid=xsavec nokaslr mitigations=off panic=-1 reboot=triple
END
  xorriso -as mkisofs -quiet -o "$work/disc.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table "$work/iso" 2>"$work/xorriso.txt" || { cat "$work/xorriso.txt" >&2; return 1; }
  cat >"$work/bochsrc" <<END
display_library: term
megs: 512
cpu: model=$cpu_model, count=1, ips=50000000, reset_on_triple_fault=0
clock: sync=none
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$work/disc.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/output
com2: enabled=1, mode=file, dev=$work/said
log: $work/bochs.log
panic: action=fatal
END
}

# Debian's Bochs waits in its debugger for one "c". Its own exit status is 1 after a power-off too.
boot() {
  local status=0
  : >"$work/output"
  : >"$work/said"
  echo c | TERM=vt100 timeout --kill-after=10 "$limit" bochs -q -f "$work/bochsrc" >"$work/screen" 2>&1 &
  bochs_pid=$!
  tail -n +1 -f --pid="$bochs_pid" "$work/output" 2>/dev/null || true
  wait "$bochs_pid" || status=$?
  bochs_pid=
  return "$status"
}

# What init said, judged: the statuses of all programs, or why they are not there.
judge() {
  local lacking ended
  lacking=$(sed -n 's/^lacks //p' "$work/said" | tr '\n' ' ')
  sed -n 's/^status \([0-9]*\) \(.*\)/== \2: status \1/p' "$work/said" >&2
  ended=$(grep -c '^status [0-9]' "$work/said" || true)
  [ -z "$lacking" ] || unavailable "Linux in Bochs sees no $lacking"
  if [ "$ended" -ne "$programs" ]; then
    if [ "$1" -eq 124 ] || [ "$1" -eq 137 ]; then
      note "$limit s are over; $ended of $programs programs had ended"
      exit 124
    fi
    grep -a -E 'p\[|>>PANIC<<|e\[' "$work/bochs.log" | tail -n 5 >&2 || true
    if [ "$ended" -gt 0 ]; then note "the machine stopped after $ended of $programs programs"; exit 1; fi
    unavailable "Bochs or Linux in it stopped (status $1) before a program had ended"
  fi
  if grep -q '^status [1-9]' "$work/said"; then exit 1; fi
}

limit=900 programs=0 bochs_pid='' files=()
while [ $# -gt 0 ]; do
  case $1 in
    --timeout) limit=${2:-}; shift ;;
    --file) files+=("${2:-}"); shift ;;
    -*) refuse "unknown option $1" ;;
    *) break ;;
  esac
  shift || refuse "the last option has no value"
done
[[ $limit =~ ^[1-9][0-9]*$ ]] || refuse "--timeout is a number of seconds"

work=$(mktemp -d)
root=$work/root
trap '[ -z "$bochs_pid" ] || kill "$bochs_pid" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
install_emulator
begin_root
for file in "${files[@]}"; do add_file "$file"; done
command=()
for word in "$@" --; do
  if [ "$word" != -- ]; then command+=("$word"); continue; fi
  add_program "${command[@]}"
  command=()
done
fetch_kernel
make_disc
note "booting Linux on $cpu_model in Bochs"
status=0
boot || status=$?
judge "$status"
