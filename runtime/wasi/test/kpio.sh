#!/bin/bash
# WASI in a program of wasm2c on the machine x86_64: the program wasi_test as QEMU's shell. (Hosted: runtime/test.)
set -u
cd "$(dirname "$0")/../../.." || exit 2
build=${BUILD:-build}
command -v qemu-system-x86_64 >/dev/null || { echo "skip wasi-qemu: QEMU is not installed" && exit 0; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
bios=
[ -f /usr/share/qemu/qboot.rom ] && bios='-bios /usr/share/qemu/qboot.rom'
# shellcheck disable=SC2086
timeout --kill-after=5 120 qemu-system-x86_64 -machine q35,accel=tcg -cpu max -m 256 -smp 1 -nodefaults \
    -no-user-config -no-reboot -vga none -display none $bios -serial stdio \
    -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$build/x86_64/kpio.elf" \
    -initrd "$build/test/wasi.bundle" -append "display=off http=off net=off directory=/tmp directory=/cases" >"$log" 2>&1 </dev/null
[ $? = 1 ] # exit code 0 of the program
good=$?
grep -aoE '(not )?ok [a-z_]+' "$log" | sed -E 's/ok ([a-z])/ok wasi-qemu-\1/'
count=$(grep -acE '[^t] ok [a-z_]+|: ok ' "$log")
if [ $good != 0 ] || [ "$count" -lt 30 ]; then
    echo "not ok wasi-qemu-program ($count cases)"
    tail -n 25 "$log" | sed 's/^/# /'
    exit 1
fi
echo "ok wasi-qemu-program"
