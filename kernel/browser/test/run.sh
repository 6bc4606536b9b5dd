#!/bin/bash
# The tab in front and the one in the background, in QEMU with one processor whose clock counts guest
# instructions, so that the shares do not depend on the host. Prints ok / not ok lines.
set -u
root=$(cd "$(dirname "$0")/../../.." && pwd)
build=${BUILD:-$root/build}
work=$(mktemp -d "${TMPDIR:-/tmp}/kpio-roles.XXXXXX")
trap 'rm -rf "$work"' EXIT
firmware=$([ -e /usr/share/qemu/qboot.rom ] && echo "-bios qboot.rom")
timeout -k 5 120 qemu-system-x86_64 -accel tcg -icount shift=0,sleep=off -cpu max -m 256 -smp 1 \
    -machine q35 $firmware -kernel "$build/x86_64/kpio.elf" -initrd "$build/test/roles.bundle" \
    -append "net=off display=off" -display none -serial stdio -no-reboot \
    -device isa-debug-exit,iobase=0xf4,iosize=4 </dev/null 2>"$work/err" | tr -d '\r' >"$work/log"
sed -n 's/^.*roles: \(not ok\|ok\) \([a-z-]*\)/\1 tab-roles-\2/p' "$work/log"
grep -q 'roles: finished' "$work/log" && ! grep -q 'roles: not ok' "$work/log" && exit
echo "not ok tab-roles: $(grep -a -m 1 -e panic -e 'not ok' "$work/log") $(tail -n 1 "$work/log" "$work/err" | cut -c 1-200 | tr '\n' ' ')"
exit 1
