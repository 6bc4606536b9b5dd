#!/bin/bash
# The hostile suite and the storm on both machines: hosted under sanitizers, and in QEMU with 1 and with 4
# processors. usage: run.sh [WORD...]   (words for the driver instead of both, such as only=spin or storm=1000000)
# STORM_HOSTED and STORM_QEMU: system calls of the storms.
source "$(dirname "$0")/../lib.sh"
log=$work/log

# report MACHINE: the driver's results in $work/log as test lines
report() {
    sed -n "s/^.*hostile: \(not ok\|ok\) \([a-z_-]*\)/\1 hostile-$1-\2/p" "$log" | tr -d '\r'
    grep -aq 'hostile: not ok' "$log" && failures=1
    if grep -aq 'hostile: ok thread_traps' "$log"; then
        check "hostile-$1-thread-named" "no 'ended by trap ... in thread_that_traps'" \
            grep -aq 'ended by trap .* in thread_that_traps' "$log"
    fi
    grep -aq 'hostile: finished:' "$log" && return
    not_ok "hostile-$1" "the driver did not finish (exit code $code): $(seen "$log")"
}

# counted MACHINE: after each abuse there are as many objects of each type as before the first. The compiler
# service keeps code, and its first client starts it: abuses of code are looked at by the hosted machine at the end.
counted() {
    grep -aq 'memory: objects ' "$log" || return
    tr -d '\r' <"$log" | awk -v machine="$1" '
        # As before the first. Threads may be fewer: the clock is measured by one, which was perhaps not done at the start.
        function others(text) { sub(/thread=[0-9]+/, "", text); return text }
        function threads(text) { sub(/.*thread=/, "", text); return text + 0 }
        function is_base() { return others($0) == others(base) && threads($0) <= threads(base) }
        / boot-mark / { name = "" } # perhaps a fuzzer made it
        / boot-mark o\./ { name = $0; sub(/.* boot-mark o\./, "", name); sub(/ .*/, "", name) }
        / memory: objects / && name != "" {
            sub(/.* memory: objects /, "")
            if (name == "start") base = $0
            else if (name !~ /^code_/) { if (!(name in good)) order[++count] = name
                good[name] += is_base(); last[name] = $0 }
        }
        END {
            for (i = 1; i <= count; i++) {
                if (!good[order[i]]) {
                    print "not ok hostile-" machine "-objects-" order[i] ": " last[order[i]] ", before " base
                    bad = 1
                }
            }
            if (!bad) print "ok hostile-" machine "-objects: " count " times as before"
            exit bad || !count
        }' || failures=1
}

# hosted WORD...
hosted() {
    ASAN_OPTIONS=abort_on_error=0 timeout --kill-after=5 "$guest_limit" "$build/tools/hostile-hosted" \
        "$build/test/hostile-hosted.bundle" report=memory "$@" >"$log" 2>&1 </dev/null
    code=$?
    report hosted
    counted hosted
    [ $code = 0 ] || [ $failures != 0 ] || not_ok hostile-hosted "exit code $code: $(seen "$log")"
}

# qemu PROCESSORS WORD...
qemu() {
    local processors=$1
    shift
    timeout --kill-after=5 "$guest_limit" "$kpio" run --headless --accel tcg --memory 512 --smp "$processors" \
        --serial - --bundle "$build/test/hostile-x86_64.bundle" --append "net=off display=off report=memory $*" \
        >"$log" 2>&1 </dev/null
    code=$?
    report "qemu-$processors"
    counted "qemu-$processors"
}

spawning='spawn=tab service=silent'
# shellcheck disable=SC2086
if [ $# -gt 0 ]; then
    hosted $spawning "$@"
    qemu 1 $spawning "$@"
    qemu 4 $spawning "$@"
else
    hosted $spawning
    qemu 1 $spawning
    qemu 4 $spawning
    hosted "storm=${STORM_HOSTED:-300000}" spawn=tab
    qemu 4 "storm=${STORM_QEMU:-50000}" spawn=tab
fi
finish
