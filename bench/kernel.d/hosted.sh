#!/bin/bash
# hosted; this machine, now: beside a pipe and a Unix socket in the same run (medians; best_us: best round)
# one: on one processor; two: both sides on different ones; free: as Linux likes.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$root/build}
for mode in one two free; do
    [ $mode = two ] && [ "$(nproc)" -lt 2 ] && continue
    timeout -k 5 300 "$build/tools/bench_hosted" "$build/test/calls.bundle" $mode || exit 1
done
