#!/bin/bash
# A program with threads on both machines: hosted (the kernel under sanitizers), and in QEMU with 1, 2 and 4 processors. Prints ok / not ok
# lines. usage: run.sh [hosted|PROCESSORS]...
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$root/build}
work=$(mktemp -d "${TMPDIR:-/tmp}/kpio-threads.XXXXXX")
trap 'rm -rf "$work"' EXIT
failed=0

# report MACHINE: the program's results in $work/log as test lines
report() {
    sed -n "s/^.*threads: \(not ok\|ok\) \([a-z_]*\)/\1 threads-$1-\2/p" "$work/log" | tr -d '\r'
    grep -aq 'threads: finished: 0 failed' "$work/log" && ! grep -aq 'ended by trap' "$work/log" && return
    failed=1
    echo "not ok threads-$1: $(grep -a -e panic -e 'ended by' "$work/log" | head -n 1 | cut -c 1-200) $(tail -n 1 "$work/log" | cut -c 1-200)"
}

[ $# -gt 0 ] || set -- hosted 1 2 4
for machine in "$@"; do
    if [ "$machine" = hosted ]; then
        ASAN_OPTIONS=abort_on_error=0 timeout --kill-after=5 300 "$build/tools/hostile-hosted" \
            "$build/test/threads-hosted.bundle" >"$work/log" 2>&1 </dev/null
        grep -a 'hostile: not ok' "$work/log" && failed=1
        report hosted
    else
        timeout --kill-after=5 300 "$build/kpio" run --headless --accel tcg --memory 256 --smp "$machine" \
            --serial - --bundle "$build/test/threads-x86_64.bundle" --append "net=off display=off" \
            >"$work/log" 2>"$work/err" </dev/null
        report "qemu-$machine"
    fi
done
exit $failed
