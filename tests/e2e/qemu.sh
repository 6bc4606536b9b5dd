#!/bin/bash
# KPIO in QEMU, observed from outside: the server's log, the packets on the wire, the pixels of the
# screen, the text and the boxes of the page. Limits in time are guards only.
source "$(dirname "$0")/lib.sh"
start_server "$root/tests/pages"
monitor=$build/tools/monitor

# boot NAME ARGUMENT...: starts a guest in the background; its log is $work/NAME.log
boot() {
    name=$1 log=$work/$1.log qmp=$work/$1.qmp
    shift
    "$kpio" run "$@" --headless --accel tcg --serial "$log" --qmp "$qmp" --pcap "$work/$name.pcap" \
        --timeout 120 >"$work/$name.out" 2>&1 </dev/null &
    guest=$!
    pids+=($guest)
}
halt() {
    "$monitor" "$qmp" quit 2>/dev/null
    wait "$guest" 2>/dev/null
}
logged() { grep -aq "$1" "$log" 2>/dev/null; }
dumps() { grep -ac '^.*kpio-dump-end' "$log" 2>/dev/null; }
has_dumps() { [ "$(dumps)" -ge "$1" ]; }
# last_dump: the newest complete dump on the serial line
last_dump() {
    tr -d '\r' <"$log" | awk '/kpio-dump-begin/ {text = ""; inside = 1; next}
        /kpio-dump-end/ {inside = 0; last = text; next}
        inside {text = text $0 "\n"} END {printf "%s", last}'
}
explain() { tail -n 5 "$log" 2>/dev/null | tr -d '\r' | tr '\n' '|'; }

# ---- a page from the host, over DHCP and our own TCP ----
boot text "http://10.0.2.2:$port/index.html" --append "dump=text"
if wait_for 90 has_dumps 1; then
    ok qemu-page-loads
    last_dump >"$work/text"
    check qemu-text "$(head -c 200 "$work/text")" grep -q 'A page on a real screen' "$work/text"
    "$monitor" "$qmp" wait 1500 picture "$work/screen.png" && sleep 0.2
    check qemu-screen-size "$($pixels "$work/screen.png" size)" \
        [ "$($pixels "$work/screen.png" size)" = "1280 800" ]
    for color in ff0000 00ff00 0000ff; do
        count=$($pixels "$work/screen.png" count $color)
        check "qemu-screen-$color" "$count pixels, expected 2400" [ "$count" -ge 2390 ]
    done
    # the wheel scrolls: the boxes leave the screen
    "$monitor" "$qmp" move 600 500 wheel -10 wait 1500 picture "$work/scrolled.png"
    count=$($pixels "$work/scrolled.png" count ff0000)
    check qemu-wheel "$count red pixels are left after scrolling" [ "$count" = 0 ]
    # back to the top, then the link to the second page by mouse: find it by its box
    "$monitor" "$qmp" wheel 20 wait 800
    "$kpio" dump "http://127.0.0.1:$port/index.html" --format boxes --size 1280x760 >"$work/boxes"
    read -r x y < <(awk 'match($0, /p:nth-child\(2\)>a:nth-child\(1\)"[^}]*/) {
        s = substr($0, RSTART, RLENGTH); match(s, /"x": *[0-9.]+/); x = substr(s, RSTART + 4, RLENGTH - 4)
        match(s, /"y": *[0-9.]+/); y = substr(s, RSTART + 4, RLENGTH - 4); print int(x) + 8, int(y) + 8 + 40; exit}' \
        "$work/boxes")
    "$monitor" "$qmp" click "${x:-0}" "${y:-0}"
    check qemu-link "a click at ${x:-?},${y:-?} did not fetch the page" \
        wait_for 30 grep -q '^GET /second.html 200' "$server_log"
    wait_for 30 has_dumps 2 && last_dump >"$work/text"
    check qemu-link-text "$(head -c 200 "$work/text")" grep -q 'The second page' "$work/text"
    # back by keyboard, then an address typed by hand
    "$monitor" "$qmp" key alt-left
    wait_for 30 has_dumps 3 && last_dump >"$work/text"
    check qemu-back "$(head -c 200 "$work/text")" grep -q 'A page on a real screen' "$work/text"
    "$monitor" "$qmp" key ctrl-l wait 300 type "10.0.2.2:$port/unicode.html" key ret
    check qemu-address "the typed address was not fetched" \
        wait_for 30 grep -q '^GET /unicode.html 200' "$server_log"
    wait_for 30 has_dumps 4
    # an error page for what cannot be reached; the system goes on
    "$monitor" "$qmp" key ctrl-l wait 300 type "10.0.2.2:1/" key ret
    wait_for 60 has_dumps 5 && last_dump >"$work/text"
    check qemu-error-page "$(head -c 300 "$work/text")" grep -qi 'refused' "$work/text"
    "$monitor" "$qmp" key alt-left
    wait_for 60 has_dumps 6 && last_dump >"$work/text"
    check qemu-after-error "$(head -c 200 "$work/text")" grep -q 'Привет' "$work/text"
else
    not_ok qemu-page-loads "no dump of the page; the log ends: $(explain)"
fi
halt
check server-saw-guest "no request: $(tail -n 3 "$server_log")" grep -q '^GET /index.html 200' "$server_log"
check wire-dhcp "no DHCP packets in the capture" grep -aq $'\x63\x82\x53\x63' "$work/text.pcap"
check wire-http "no HTTP request in the capture" grep -aq 'GET /index.html HTTP/1.1' "$work/text.pcap"

# ---- the same boxes as hosted ----
boot boxes "http://10.0.2.2:$port/index.html" --append "dump=boxes"
if wait_for 90 has_dumps 1; then
    last_dump >"$work/guest.boxes"
    "$kpio" dump "http://127.0.0.1:$port/index.html" --format boxes --size 1280x760 >"$work/hosted.boxes"
    check boxes-agree "$(diff "$work/guest.boxes" "$work/hosted.boxes" | head -n 3 | tr '\n' '|')" \
        diff -q "$work/guest.boxes" "$work/hosted.boxes"
    check boxes-are-there "$(head -c 100 "$work/guest.boxes")" grep -q '"html>body' "$work/guest.boxes"
else
    not_ok boxes-agree "no dump; the log ends: $(explain)"
fi
halt
finish
