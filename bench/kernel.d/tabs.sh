#!/bin/bash
# hosted: tabs as clones of one snapshot, each ready for a page: memory of all, and from the decision to make
# one to its first message (kernel/machine/hosted/test/scale.c)
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$root/build}
for count in 100 1000; do
    timeout -k 5 280 "$build/tools/hosted_scale" "$build/kpio.bundle" tabs $count |
        awk -v count=$count '/^(used_kib|processes_kib|first_message_us|first_message_best_us|snapshot_kib) / {
            print "hosted_tabs_" count "_" $1 " " $2 " " $3}'
done
exit "${PIPESTATUS[0]}"
