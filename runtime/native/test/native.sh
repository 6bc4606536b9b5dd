#!/bin/bash
# Native programs on both machines: native_test as the system's shell.
set -u
cd "$(dirname "$0")/../../.." || exit 2
build=${BUILD:-build}
hosted=$("$build/kpio" run --machine hosted --bundle "$build/test/native-hosted.bundle" --timeout 60 \
    --append 'display=off http=off' 2>&1)
status=$?
sed -n 's/^\(ok\|not ok\) native-/\1 native-hosted-/p' <<<"$hosted"
if [ $status != 0 ] || [ "$(grep -ac '^ok native-' <<<"$hosted")" != 4 ]; then
    echo 'not ok native-hosted'
    tail -n 25 <<<"$hosted" | sed 's/^/# /'
    exit 1
fi
command -v qemu-system-x86_64 >/dev/null || { echo "skip native-qemu: QEMU is not installed" && exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bios=
[ -f /usr/share/qemu/qboot.rom ] && bios='-bios /usr/share/qemu/qboot.rom'
failed=0
boot() { # WORDS: serial output
    # shellcheck disable=SC2086
    timeout --kill-after=5 60 qemu-system-x86_64 -machine q35,accel=tcg -cpu max -m 256 -smp 1 \
        -nodefaults -no-user-config -no-reboot -vga none -display none $bios \
        -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$build/x86_64/kpio.elf" \
        -initrd "$build/test/native-x86_64.bundle" -append "$1 display=off http=off net=off" 2>&1 </dev/null
}
check() { # NAME GOOD(0 or not)
    if [ "$2" = 0 ]; then
        echo "ok native-qemu-$1"
    else
        echo "not ok native-qemu-$1"
        failed=1
        tail -n 25 "$work/log" | sed 's/^/# /'
    fi
}
boot '' >"$work/log"
[ $? = 1 ] && [ "$(grep -ac '^ok native-' "$work/log")" = 4 ]
check tests $?
# A stack that overflows ends the process by a trap in the first 64 KiB, a wrong pointer by an abort. The
# system would start the program again and again: one time is enough.
boot stack | sed '/ended by trap/q' >"$work/log"
grep -aqE 'shell \([0-9]+\) ended by trap 2 at 0x[0-9a-f]{1,4}.?$' "$work/log"
check stack-overflow $?
boot pointer | sed '/ended by trap/q' >"$work/log"
grep -aq 'a pointer outside of linear memory' "$work/log" && grep -aqE 'ended by trap 9' "$work/log"
check wrong-pointer $?
exit $failed
