#!/bin/bash
# A program with threads on both machines: hosted (the kernel under sanitizers), and in QEMU with 1, 2 and 4 processors. Prints ok / not ok
# lines. usage: run.sh [hosted|PROCESSORS]...
source "$(dirname "$0")/../lib.sh"
source "$root/tests/system.sh"

# report MACHINE: the program's results in $work/log as test lines
report() {
    sed -n "s/^.*threads: \(not ok\|ok\) \([a-z_]*\)/\1 threads-$1-\2/p" "$work/log" | tr -d '\r'
    grep -aq 'threads: finished: 0 failed' "$work/log" && ! grep -aq 'ended by trap' "$work/log" && return
    not_ok "threads-$1" "exit code $status: $(seen "$work/log")"
}

[ $# -gt 0 ] || set -- hosted 1 2 4
for machine in "$@"; do
    if [ "$machine" = hosted ]; then
        ASAN_OPTIONS=abort_on_error=0 timeout --kill-after=5 "$guest_limit" "$build/tools/hostile-hosted" \
            "$build/test/threads-hosted.bundle" >"$work/log" 2>&1 </dev/null
        status=$?
        grep -a 'hostile: not ok' "$work/log" | sed 's/^.*not ok \([^ ]*\)/not ok threads-hosted-\1/' | grep . && failures=1
        report hosted
    else
        system qemu "$build/test/threads-x86_64.bundle" "net=off display=off" --cpus "$machine" --limit "$guest_limit"
        report "qemu-$machine"
    fi
done
finish
