# A QEMU guest and a user at it (sourced, bash, after lib.sh). 
monitor=$build/tools/monitor
command -v qemu-system-x86_64 >/dev/null || { echo "skip qemu: QEMU is not installed" && exit 0; }

# boot NAME ARGUMENT...: starts a guest in the background; sets $guest, $log, $qmp, $pcap
boot() {
    local name=$1
    log=$work/$name.log qmp=$work/$name.qmp pcap=$work/$name.pcap
    : >"$log"
    shift
    "$kpio" run "$@" --headless --accel tcg --serial "$log" --qmp "$qmp" --pcap "$pcap" \
        --timeout "$guest_limit" >"$work/$name.out" 2>&1 </dev/null &
    guest=$!
    pids+=($guest)
    dumps_seen=0
}
halt() {
    "$monitor" "$qmp" quit 2>/dev/null
    wait "$guest" 2>/dev/null
    guest=
}
user() { "$monitor" "$qmp" "$@" 2>"$work/monitor.err" || not_ok monitor "$*: $(cat "$work/monitor.err")"; }
go() { user key ctrl-l wait 200 type "$1" key ret; } # the address bar
logged() { grep -aq -- "$1" "$log"; }
explain() {
    seen "$log"
    [ ! -s "${log%.log}.out" ] || tail -n 1 "${log%.log}.out"
}
has_dumps() { [ "$(grep -ac kpio-dump-end "$log")" -ge "$1" ]; }
# last_dump: the newest complete dump on the serial line. Log lines may stand between its lines:
# they begin with the time in brackets.
last_dump() {
    tr -d '\r' <"$log" | awk '/kpio-dump-begin/ {text = ""; inside = 1; next}
        /kpio-dump-end/ {inside = 0; last = text; next}
        /^\[ *[0-9]+\.[0-9][0-9][0-9][0-9][0-9][0-9]\]/ {next}
        inside {text = text $0 "\n"} END {printf "%s", last}'
}
# expect NAME PATTERN: the next dump has it; $work/text is the dump. When no dump comes, the rest of
# the script has no meaning.
expect() {
    dumps_seen=$((dumps_seen + 1))
    if ! wait_until has_dumps $dumps_seen; then
        not_ok "$1" "waited for dump $dumps_seen: $(explain)"
        finish
    fi
    last_dump >"$work/text"
    check "$1" "$(head -c 200 "$work/text" | tr '\n' '|')" grep -q -- "$2" "$work/text"
}
requests() { grep -c "^GET $1 200" "$server_log"; }
requests_are() { [ "$(requests "$1")" -ge "$2" ]; }
