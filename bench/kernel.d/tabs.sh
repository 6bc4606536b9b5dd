#!/bin/bash
# hosted: tabs as clones of one snapshot, ready for a page, and such that show one: memory of all, and from the
# decision to make one to its first message or its page (kernel/machine/hosted/test/scale.c)
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$root/build}
for each in "tabs 100" "tabs 1000" "pages 100"; do
    timeout -k 5 280 "$build/tools/hosted_scale" "$build/kpio.bundle" $each |
        awk -v name="hosted_${each/ /_}" '
            /^(used_kib|processes_kib|tab_private_kib|(first_message|page)_(best_)?us|snapshot_kib) / {
                print name "_" $1 " " $2 " " $3}'
    [ "${PIPESTATUS[0]}" -eq 0 ] || exit 1
done
