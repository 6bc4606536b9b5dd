#!/bin/bash
# Guest memories on both machines: guest_test as the system's program, which says "ok" or "not ok" itself; then
# the ways to end, each in a system of its own.
#   GUEST_MACHINES="hosted qemu"
source "$(dirname "$0")/../../../tests/lib.sh"
source "$root/tests/system.sh"
machines=${GUEST_MACHINES:-hosted qemu}
[[ $machines == *qemu* ]] && { qemu_or_skip guest || machines=${machines/qemu/}; }

run() { # MACHINE CPUS [WORD]
    local image=$build/image/x86_64 words='program=run display=off http=off net=off'
    [ "$1" = hosted ] && image=$build/image/hosted words='program=run display=off http=off'
    printf '%s\0' ${3:-} >"$work/arguments"
    "$build/tools/bundle" "$work/bundle" "programs/wasm-runner.kpi=$image/guest_test.kpi" \
        "programs/compiler.kpi=$image/compiler.kpi" "program/arguments=$work/arguments"
    system "$1" "$work/bundle" "$words" --cpus "$2"
}
for machine in $machines; do
    for cpus in 1 4; do
        [ $machine-$cpus = hosted-4 ] && continue
        run $machine $cpus
        sed -n 's/^\(not ok\) guest-/\1 guest-'$machine'-/p' "$log"
        [ "$(grep -ac '^ok guest-' "$log")" = 5 ] && ! grep -aq '^not ok' "$log"
        result guest-$machine-all-$cpus $? "exit code $status: $(seen "$log")"
    done
    while read -r name end; do
        run $machine 1 $name
        grep -aq '^# ends now' "$log" && grep -aqE "wasm-runner \([0-9]+\) ended by $end at 0x[0-9a-f]+" "$log"
        result guest-$machine-$name $? "exit code $status, expected the end by $end: $(seen "$log")"
    done <<'ENDS'
touch fault (11|14)
handler-faults fault (11|14)
no-handler fault (11|14)
destroyed fault (11|14)
execute fault (11|14)
wrong-instance trap 9
ENDS
done
finish
