#!/bin/bash
# Ports, timers, the event loop and the scale of objects on the machine x86_64: the program waiting_test as
# QEMU's shell, one boot a case. With instruction counting a difference of the guest's clock is a number of
# instructions.
source "$(dirname "$0")/../../tests/lib.sh"
source "$root/tests/system.sh"
qemu_or_skip waiting || exit 0
# run CASE CPUS [OPTION...]: serial output in $work/CASE-CPUS.
run() {
    local name=$1 cpus=$2
    shift 2
    system qemu "$build/test/waiting.bundle" "$name report=memory spawn=idle display=off http=off net=off" \
        --memory 512 --cpus "$cpus" --log "$work/$name-$cpus" "$@"
    result "waiting-qemu-$name-$cpus" $status "exit code $status: $(said "$log")"
    grep -a 'figure: ' "$log" | sed 's/.*figure: /# /'
}
# said LOG: without the many lines about the many idle processes
said() {
    grep -avE "process: idle|process idle" "$1" >"$work/said"
    seen "$work/said"
}
for case in ${KPIO_WAITING_CASES:-port loop}; do
    run "$case" 1 --clock guest
done
run port 4
run loop 4
run scale 1 --clock guest

# What the kernel says is used: before, with 10,000 channels, with as many bindings, with 1,000 timers, after.
used=($(sed -n 's/.*total used=\([0-9]*\) .*/\1/p' "$work/scale-1"))
check waiting-qemu-scale-reports "${#used[@]} reports, expected 5" [ ${#used[@]} = 5 ]
if [ ${#used[@]} = 5 ]; then
    channel=$(((used[1] - used[0]) / 10000)) binding=$(((used[2] - used[1]) / 10000))
    timer=$(((used[3] - used[2]) / 1000)) kept=$((used[4] - used[0]))
    echo "# bytes: channel with two handles $channel, binding $binding, timer with its handle $timer," \
        "kept when all are closed $kept"
    [ $channel -le 1024 ] && [ $binding -le 320 ] && [ $timer -le 512 ]
    result waiting-qemu-scale-memory $? "a channel $channel, a binding $binding, a timer $timer: at most 1024, 320, 512"
    # Handle tables keep their chunks: 21,000 slots.
    check waiting-qemu-scale-returned "$kept bytes stay in use, at most $((1 << 20))" [ $kept -le $((1 << 20)) ]
fi

# 1,000 processes that have run and wait. Overhead: what is used beyond the memory that they have touched.
run processes 1 --clock guest
log=$work/processes-1
used=($(sed -n 's/.*total used=\([0-9]*\) .*/\1/p' "$log"))
private=$(sed -n 's/.*process idle [0-9]* private=\([0-9]*\) .*/\1/p' "$log" | tail -n 1)
[ ${#used[@]} = 2 ] && [ -n "$private" ]
result waiting-qemu-processes-reports $? "${#used[@]} reports, expected 2; touched: '$private'"
if [ ${#used[@]} = 2 ] && [ -n "$private" ]; then
    each=$(((used[1] - used[0]) / 999))
    echo "# bytes: idle process $each, of them touched $private, overhead $((each - private));" \
        "all in use with 1,000: ${used[1]}"
    [ $((each - private)) -le 65536 ] && [ "${used[1]}" -le $((512 << 20)) ]
    result waiting-qemu-processes-memory $? "overhead $((each - private)) bytes of 65536, in all ${used[1]} of $((512 << 20))"
fi
finish
