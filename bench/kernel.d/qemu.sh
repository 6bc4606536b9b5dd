#!/bin/bash
# x86_64 in QEMU, one processor; the clock counts guest instructions (-icount shift=0)
# WORK: a directory for temporary files. Instruction counts do not depend on the host.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$root/build}
firmware=$([ -e /usr/share/qemu/qboot.rom ] && echo "-bios qboot.rom")
timeout -k 5 3000 qemu-system-x86_64 -accel tcg -icount shift=0,sleep=off -cpu max -m 256 -smp 1 \
    -machine q35 $firmware -kernel "$build/x86_64/kpio.elf" -initrd "$build/bench/kernel.bundle" \
    -append "report=memory net=off display=off" -display none -serial stdio -no-reboot \
    -device isa-debug-exit,iobase=0xf4,iosize=4 </dev/null 2>"$WORK/err" | tr -d '\r' >"$WORK/log"
if ! grep -q 'bench: end, 0 failed' "$WORK/log"; then
    grep -a 'bench: failed\|panic' "$WORK/log" | head -n 5 >&2
    tail -n 3 "$WORK/log" "$WORK/err" >&2
    exit 1
fi
sed -n 's/^.*bench: \([a-z0-9_]* [0-9]* [a-z]*\)$/\1/p' "$WORK/log"
value() { sed -n "s/^.*bench: $1 \([0-9]*\) .*/\1/p" "$WORK/log"; }
echo "ipc_call_64k_of_memcpy $(awk "BEGIN {printf \"%.2f\", $(value ipc_call_64k_instructions) / $(value memcpy_64k_instructions)}") ratio"
# Right after boot: the kernel and one small program.
sed -n 's/^.*memory: total used=\([0-9]*\) .*/memory_after_boot \1 bytes/p' "$WORK/log" | head -n 1
size "$build/x86_64/kpio.elf" | awk 'NR == 2 {printf "kernel_image %d bytes\n", $1 + $2}'
