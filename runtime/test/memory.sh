#!/bin/bash
# VMOs, processes and snapshots on the machine x86_64: the program memory_test as QEMU's shell, one boot a
# case. Instruction counting: a difference of the guest's clock is a number of instructions.
source "$(dirname "$0")/../../tests/lib.sh"
source "$root/tests/system.sh"
qemu_or_skip memory || exit 0
# run CASE PROCESSORS: serial output in $work/CASE. With one, instructions are counted.
run() {
    local clock=()
    [ "$2" = 1 ] && clock=(--clock guest)
    system qemu "$build/test/memory.bundle" "$1 display=off http=off net=off spawn=memory report=memory" \
        --memory 512 --cpus "$2" --log "$work/$1" "${clock[@]}"
    result "memory-qemu-$1-$2" $status "exit code $status: $(seen "$log")"
    grep -a 'figure: ' "$log" | sed 's/.*figure: /# /'
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
    [ $beyond -le 65536 ] && [ $with_tables -le 65536 ]
    result memory-qemu-idle-process-overhead $? "$beyond bytes, with page tables $with_tables, are more than 65536"
    echo "# with all of them $(($(used 3) >> 20)) MiB of memory are used; $left bytes stay afterwards"
    # 64 KiB of overhead (kernel stack, 7 page tables, objects), and the 8 pages that it writes itself: of
    # its stack, its data and its linear memory.
    check memory-qemu-idle-process "$process bytes are more than 98304" [ $process -le 98304 ]
fi
finish
