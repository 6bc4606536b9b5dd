# Shared by the end-to-end tests (sourced, bash): the words of tests/lib.sh, a server, pictures.
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
pixels=$build/tools/pixels

# start_server FOLDER [LOG]: sets $port and $server_log
start_server() {
    server_log=${2:-$work/server.log}
    : >"$server_log"
    "$build/tools/testserver" --log "$server_log" "$1" >"$work/port" 2>"$work/server.err" &
    pids+=($!)
    server_pid=$!
    if ! wait_until grep -qs '^[0-9]' "$work/port"; then
        not_ok start-server "the test server told no port: $(cat "$work/server.err")"
        finish
    fi
    port=$(head -n 1 "$work/port" | tr -dc 0-9)
}
