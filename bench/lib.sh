# Shared by the benchmarks (sourced, bash): numbers go to a table on standard output and to
# build/bench/NAME.json, a list of {"name", "value", "unit"}. Nothing here passes or fails by speed.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${BUILD:-$root/build}
kpio=$build/kpio
work=$(mktemp -d "${TMPDIR:-/tmp}/kpio-bench.XXXXXX")
server=
trap '[ -n "$server" ] && kill $server 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
export LC_ALL=C

# What the script's own head says after "usage:".
usage() { sed -n '2,6s/.*usage: \([^(;]*[^ (;]\).*/usage: \1/p' "$0" | grep . || echo "usage: $0"; }
case ${1:-} in
-h | --help) usage && exit 0 ;;
-*) usage >&2 && exit 2 ;;
esac

fail() {
    echo "bench: $1" >&2
    exit 1
}
# runs_check VALUE: a number of runs
runs_check() {
    [[ $1 =~ ^[1-9][0-9]{0,5}$ ]] || { usage >&2 && exit 2; }
}
# start_server: tests/pages on $port
start_server() {
    "$build/tools/testserver" --log "$work/server.log" "$root/tests/pages" >"$work/port" &
    server=$!
    local i
    for i in $(seq 100); do
        port=$(head -n 1 "$work/port" | tr -dc 0-9)
        [ -n "$port" ] && return
        sleep 0.05
    done
    fail "the test server did not start"
}
# median FILE: of the numbers in it
median() { sort -n "$1" | awk '{v[NR] = $1} END {m = int((NR + 1) / 2); print NR % 2 ? v[m] : (v[m] + v[m + 1]) / 2}'; }
# json NAME: "name value unit" lines on standard input, as build/bench/NAME.json
json() {
    mkdir -p "$build/bench"
    awk 'BEGIN {printf "["} {printf "%s\n  {\"name\": \"%s\", \"value\": %s, \"unit\": \"%s\"}", (NR > 1 ? "," : ""), $1, $2, $3}
        END {print "\n]"}' >"$build/bench/$1.json"
    echo "  -> build/bench/$1.json"
}
