#!/bin/bash
# Ports, timers, the event loop and the scale of objects on the machine x86_64: the program waiting_test as
# QEMU's shell, one boot a case. With instruction counting a difference of the guest's clock is a number of
# instructions.
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${BUILD:-build}
command -v qemu-system-x86_64 >/dev/null || { echo "skip waiting-qemu: QEMU is not installed" && exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bios=
[ -f /usr/share/qemu/qboot.rom ] && bios='-bios /usr/share/qemu/qboot.rom'
failed=0
check() { # NAME GOOD(0 or not) FILE
    if [ "$2" = 0 ]; then
        echo "ok waiting-qemu-$1"
    else
        echo "not ok waiting-qemu-$1"
        failed=1
        grep -avE "process: idle|process idle" "$3" | tail -n 25 | sed 's/^/# /'
    fi
}
# run CASE CPUS [QEMU ARGUMENTS]: serial output in $work/CASE-CPUS.
run() {
    local name=$1 cpus=$2
    shift 2
    # shellcheck disable=SC2086
    timeout --kill-after=5 120 qemu-system-x86_64 -machine q35,accel=tcg -cpu max -m 512 -smp "$cpus" "$@" \
        -nodefaults -no-user-config -no-reboot -vga none -display none $bios \
        -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$build/x86_64/kpio.elf" \
        -initrd "$build/test/waiting.bundle" -append "$name report=memory spawn=idle display=off http=off net=off" \
        >"$work/$name-$cpus" 2>&1 </dev/null
    [ $? = 1 ] # exit code 0 of the program
    check "$name-$cpus" $? "$work/$name-$cpus"
    grep -a 'figure: ' "$work/$name-$cpus" | sed 's/.*figure: /# /'
}
counted='-icount shift=0,sleep=off'
for case in ${KPIO_WAITING_CASES:-port loop}; do
    # shellcheck disable=SC2086
    run "$case" 1 $counted
done
run port 4
run loop 4
# shellcheck disable=SC2086
run scale 1 $counted

# What the kernel says is used: before, with 10,000 channels, with as many bindings, with 1,000 timers, after.
used=($(sed -n 's/.*total used=\([0-9]*\) .*/\1/p' "$work/scale-1"))
[ ${#used[@]} = 5 ]
check scale-reports $? "$work/scale-1"
if [ ${#used[@]} = 5 ]; then
    channel=$(((used[1] - used[0]) / 10000)) binding=$(((used[2] - used[1]) / 10000))
    timer=$(((used[3] - used[2]) / 1000)) kept=$((used[4] - used[0]))
    echo "# bytes: channel with two handles $channel, binding $binding, timer with its handle $timer," \
        "kept when all are closed $kept"
    [ $channel -le 1024 ] && [ $binding -le 320 ] && [ $timer -le 512 ]
    check scale-memory $? "$work/scale-1"
    # Handle tables keep their chunks: 21,000 slots.
    [ $kept -le $((1 << 20)) ]
    check scale-returned $? "$work/scale-1"
fi

# 1,000 processes that have run and wait. Overhead: what is used beyond the memory that they have touched.
# shellcheck disable=SC2086
run processes 1 $counted
log=$work/processes-1
used=($(sed -n 's/.*total used=\([0-9]*\) .*/\1/p' "$log"))
private=$(sed -n 's/.*process idle [0-9]* private=\([0-9]*\) .*/\1/p' "$log" | tail -n 1)
[ ${#used[@]} = 2 ] && [ -n "$private" ]
check processes-reports $? "$log"
if [ ${#used[@]} = 2 ] && [ -n "$private" ]; then
    each=$(((used[1] - used[0]) / 999))
    echo "# bytes: idle process $each, of them touched $private, overhead $((each - private));" \
        "all in use with 1,000: ${used[1]}"
    [ $((each - private)) -le 65536 ] && [ "${used[1]}" -le $((512 << 20)) ]
    check processes-memory $? "$log"
fi
exit $failed
