# The words that all test scripts share (sourced, bash). Each test prints "ok NAME" or "not ok NAME: why", the
# reason on that line. Everything started here is stopped when the script ends, whatever happens.
# Sourced from anywhere; sets $root, $build, $kpio, $work (a folder that goes with the script; KEEP=1 keeps it).
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${BUILD:-$root/build}
kpio=$build/kpio
work=$(mktemp -d "${TMPDIR:-/tmp}/kpio-test.XXXXXX")
pids=()
guest= # the process of a running guest, where there is one

# Guards against hanging for ever, in seconds, and never measurements: they must do for a machine ten times
# slower than a usual one on which eight other jobs run. For one step (a start, a page, a command); and for
# all that one guest does.
patience=${KPIO_TEST_PATIENCE:-600}
guest_limit=${KPIO_TEST_GUEST_LIMIT:-3000}

cleanup() {
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    [ -n "${KEEP:-}" ] && echo "# kept $work" || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

failures=0
ok() { echo "ok $1"; }
# not_ok NAME WHY: on one line, as far as one reads
not_ok() {
    local why
    why=$(printf '%s' "$2" | tr '\n' '|' | tr -cd '[:print:]\200-\377')
    echo "not ok $1: ${why:0:400}"
    failures=$((failures + 1))
}
# check NAME WHY COMMAND...: ok when the command succeeds
check() {
    local name=$1 why=$2
    shift 2
    if "$@"; then ok "$name"; else not_ok "$name" "$why"; fi
}
# result NAME STATUS WHY: ok when the status is 0
result() { if [ "$2" -eq 0 ]; then ok "$1"; else not_ok "$1" "$3"; fi; }
finish() { exit $((failures != 0)); }

# seen FILE...: what to know of the files in few words: what went wrong first, and their ends
seen() {
    local file
    for file in "$@"; do
        [ -s "$file" ] || { echo "${file##*/} is empty" && continue; }
        {
            LC_ALL=C grep -ahm 1 -E 'panic|ERROR: |runtime error|ended by (trap|fault)|not ok' "$file"
            tail -n 3 "$file"
        } | tr -d '\r' | awk '!said[$0]++ {print substr($0, 1, 160)}'
    done
}
# explain: what a wait that was in vain has seen; scripts say it in their own way
explain() { :; }

# wait_for SECONDS COMMAND...: until it succeeds; for those who then try something else
wait_for() {
    local limit=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $limit ] || return 1
        # A guest that has gone does nothing more.
        if [ -n "$guest" ] && ! kill -0 "$guest" 2>/dev/null; then
            "$@"
            return
        fi
        sleep 0.1
    done
}
# wait_until COMMAND...: as long as patience lasts, most of which is lost at the first disappointment
wait_until() {
    wait_for "$patience" "$@" && return
    [ -z "$guest" ] || kill -0 "$guest" 2>/dev/null && patience=$((patience / 10 + 1))
    return 1
}
# await NAME WHAT COMMAND...: ok when the command succeeds in the end
await() {
    local name=$1 what=$2 begin=$SECONDS gone=
    shift 2
    if wait_until "$@"; then
        ok "$name"
    else
        [ -z "$guest" ] || kill -0 "$guest" 2>/dev/null || gone=' (the guest has ended)'
        not_ok "$name" "waited $((SECONDS - begin)) s for $what$gone: $(explain)"
    fi
}
# limited COMMAND...: ends it when it hangs (exit code 124 or 137), later than a --timeout of patience
limited() { timeout --kill-after=5 $((patience + 60)) "$@"; }
