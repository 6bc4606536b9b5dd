#!/bin/bash
# Guest memories on both machines: guest_test as the system's program, which says "ok" or "not ok" itself; then
# the ways to end, each in a system of its own.
#   GUEST_MACHINES="hosted qemu"
set -u
cd "$(dirname "$0")/../../.." || exit 2
build=${BUILD:-build}
machines=${GUEST_MACHINES:-hosted qemu}
command -v qemu-system-x86_64 >/dev/null || { echo "skip guest-qemu: QEMU is not installed" && machines=${machines/qemu/}; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bios=
[ -f /usr/share/qemu/qboot.rom ] && bios='-bios /usr/share/qemu/qboot.rom'
failed=0
boot() { # MACHINE [WORD]: the system's output
    local image=$build/image/x86_64
    [ "$1" = hosted ] && image=$build/image/hosted
    printf '%s\0' ${2:-} >"$work/arguments"
    "$build/tools/bundle" "$work/bundle" "programs/wasm-runner.kpi=$image/guest_test.kpi" \
        "programs/compiler.kpi=$image/compiler.kpi" "program/arguments=$work/arguments"
    local words='program=run display=off http=off'
    if [ "$1" = hosted ]; then
        "$build/kpio" run -v --machine hosted --bundle "$work/bundle" --timeout 100 --append "$words" 2>&1
    else
        # shellcheck disable=SC2086
        timeout --kill-after=5 100 qemu-system-x86_64 -machine q35,accel=tcg -cpu max -m 256 -smp $cpus \
            -nodefaults -no-user-config -no-reboot -vga none -display none $bios \
            -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$build/x86_64/kpio.elf" \
            -initrd "$work/bundle" -append "$words net=off" 2>&1 </dev/null
    fi
}
check() { # NAME GOOD(0 or not)
    if [ "$2" = 0 ]; then
        echo "ok guest-$1"
    else
        echo "not ok guest-$1"
        failed=1
        tail -n 25 "$work/log" | sed 's/^/# /'
    fi
}
for machine in $machines; do
    for cpus in 1 4; do
        [ $machine-$cpus = hosted-4 ] && continue
        boot $machine >"$work/log"
        sed -n 's/^\(not ok\) guest-/\1 guest-'$machine'-/p' "$work/log"
        [ "$(grep -ac '^ok guest-' "$work/log")" = 5 ] && ! grep -aq '^not ok' "$work/log"
        check $machine-all-$cpus $?
    done
    cpus=1
    while read -r name end; do
        boot $machine $name >"$work/log"
        grep -aq '^# ends now' "$work/log" && grep -aqE "wasm-runner \([0-9]+\) ended by $end at 0x[0-9a-f]+" "$work/log"
        check $machine-$name $?
    done <<'ENDS'
touch fault (11|14)
handler-faults fault (11|14)
no-handler fault (11|14)
destroyed fault (11|14)
execute fault (11|14)
wrong-instance trap 9
ENDS
done
exit $failed
