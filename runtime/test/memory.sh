#!/bin/bash
# VMOs, processes and snapshots on the machine x86_64: the program memory_test as QEMU's shell, one boot a
# case. Instruction counting: a difference of the guest's clock is a number of instructions.
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${BUILD:-build}
command -v qemu-system-x86_64 >/dev/null || { echo "skip memory-qemu: QEMU is not installed" && exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bios=
[ -f /usr/share/qemu/qboot.rom ] && bios='-bios /usr/share/qemu/qboot.rom'
failed=0
# run CASE PROCESSORS: serial output in $work/CASE. With one, instructions are counted.
run() {
    local count=
    [ "$2" = 1 ] && count='-icount shift=0,sleep=off'
    # shellcheck disable=SC2086
    timeout --kill-after=5 120 qemu-system-x86_64 -machine q35,accel=tcg -cpu max -m 512 -smp "$2" \
        $count -nodefaults -no-user-config -no-reboot -vga none -display none $bios \
        -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$build/x86_64/kpio.elf" \
        -initrd "$build/test/memory.bundle" -append "$1 display=off http=off net=off spawn=memory report=memory" \
        >"$work/$1" 2>&1 </dev/null
    if [ $? = 1 ]; then # exit code 0 of the program
        echo "ok memory-qemu-$1-$2"
        grep -a 'figure: ' "$work/$1" | sed 's/.*figure: /# /'
    else
        echo "not ok memory-qemu-$1-$2"
        failed=1
        tail -n 25 "$work/$1" | sed 's/^/# /'
    fi
}
cases=${KPIO_MEMORY_CASES:-vmo spawn snapshot kill ring scale}
for case in $cases; do run "$case" 1; done
# Several processors: what one shares with others, and what is flushed there.
for case in $(grep -ow -e vmo -e snapshot -e kill -e ring <<<"$cases"); do
    mv -f "$work/$case" "$work/$case-1"
    run "$case" 4
done

# used N: bytes in use at the N-th report of the case scale.
used() {
    sed -n 's/.*total used=\([0-9]*\) .*/\1/p' "$work/scale" | sed -n "$1p"
}
if [ -s "$work/scale" ] && [ -n "$(used 4)" ]; then
    process=$((($(used 2) - $(used 1)) / 1000)) channel=$((($(used 3) - $(used 2)) / 9000))
    left=$(($(used 4) - $(used 1)))
    echo "# an idle clone costs $process bytes, all its pages and channel included; a channel $channel;"
    # Beyond what it touched: with its page tables counted as touched (as in waiting.sh), and as overhead.
    private=$(sed -n 's/.*process child [0-9]* private=\([0-9]*\) .*/\1/p' "$work/scale" | sort -n | tail -n 1)
    beyond=$((process - ${private:-0})) with_tables=$((process - 8 * 4096))
    echo "# an idle clone's overhead is $beyond bytes, with page tables $with_tables"
    if [ $beyond -le 65536 ] && [ $with_tables -le 65536 ]; then
        echo "ok memory-qemu-idle-process-overhead"
    else
        echo "not ok memory-qemu-idle-process-overhead" && failed=1
    fi
    echo "# with all of them $(($(used 3) >> 20)) MiB of memory are used; $left bytes stay afterwards"
    # 64 KiB of overhead (kernel stack, 7 page tables, objects), and the 8 pages that it writes itself: of
    # its stack, its data and its linear memory.
    if [ $process -le 98304 ]; then echo "ok memory-qemu-idle-process"; else echo "not ok memory-qemu-idle-process" && failed=1; fi
fi
exit $failed
