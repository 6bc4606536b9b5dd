#!/bin/bash
# Programs that are several processes, on both machines: hosted (the kernel under sanitizers), and in QEMU with 1, 2 and 4
# processors. Prints ok / not ok lines. usage: run.sh [hosted|PROCESSORS]... [only=NAME]
source "$(dirname "$0")/../lib.sh"

# report MACHINE: the driver's results in $work/log as test lines
report() {
    sed -n "s/^.*processes: \(not ok\|ok\) \([a-z_]*\)/\1 processes-$1-\2/p" "$work/log" | tr -d '\r'
    grep -aq 'processes: finished: 0 failed' "$work/log" && return
    failures=1
    echo "not ok processes-$1: $(grep -a -e panic -e ERROR: -e 'expected' "$work/log" | head -n 1 | cut -c 1-200) $(tail -n 1 "$work/log" | cut -c 1-200)"
    tail -n 20 "$work/log" | cut -c 1-200 | sed 's/^/# /'
}

words=('directory=/d=63' 'spawn=tab' 'tabs=fresh') machines=()
for argument; do
    case $argument in *=*) words+=("$argument") ;; *) machines+=("$argument") ;; esac
done
[ ${#machines[@]} -gt 0 ] || machines=(hosted 1 2 4)
for machine in "${machines[@]}"; do
    if [ "$machine" = hosted ]; then
        ASAN_OPTIONS=abort_on_error=0 timeout --kill-after=5 "$guest_limit" "$build/tools/hostile-hosted" \
            "$build/test/processes-hosted.bundle" "${words[@]}" busy=1 >"$work/log" 2>&1 </dev/null
        grep -a 'hostile: not ok' "$work/log" && failures=1
        report hosted
    else
        timeout --kill-after=5 "$guest_limit" "$kpio" run --headless --accel tcg --memory 256 --smp "$machine" --serial - \
            --bundle "$build/test/processes-x86_64.bundle" \
            --append "net=off display=off busy=$((machine * 2)) ${words[*]}" >"$work/log" 2>"$work/err" </dev/null
        report "qemu-$machine"
    fi
done
exit $failures
