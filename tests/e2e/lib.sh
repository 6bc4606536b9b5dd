# Shared by the end-to-end tests (sourced, bash). Each test prints "ok NAME" or "not ok NAME: why".
# Everything started here is stopped when the script ends, whatever happens.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BUILD:-$root/build}
kpio=$build/kpio
pixels=$build/tools/pixels
work=$(mktemp -d "${TMPDIR:-/tmp}/kpio-e2e.XXXXXX")
pids=()

cleanup() {
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    [ -n "${KEEP:-}" ] && echo "# kept $work" || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

failures=0
ok() { echo "ok $1"; }
not_ok() {
    echo "not ok $1: $2"
    failures=$((failures + 1))
}
# check NAME WHY COMMAND...: ok when the command succeeds
check() {
    local name=$1 why=$2
    shift 2
    if "$@"; then ok "$name"; else not_ok "$name" "$why"; fi
}
finish() { exit $((failures != 0)); }

# start_server FOLDER [LOG]: sets $port and $server_log
start_server() {
    server_log=${2:-$work/server.log}
    : >"$server_log"
    "$build/tools/testserver" --log "$server_log" "$1" >"$work/port" 2>"$work/server.err" &
    pids+=($!)
    server_pid=$!
    local i
    for i in $(seq 100); do
        port=$(head -n 1 "$work/port" 2>/dev/null | tr -dc 0-9)
        [ -n "$port" ] && return 0
        sleep 0.05
    done
    not_ok start-server "the test server did not start: $(cat "$work/server.err")"
    finish
}

# wait_for SECONDS COMMAND...: until it succeeds; the limit is a guard, not a measurement
wait_for() {
    local limit=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $limit ] || return 1
        sleep 0.1
    done
}
