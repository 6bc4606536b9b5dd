#!/bin/bash
# The window frame in QEMU, used as a person would: start page, toolbar buttons, crash page and its
# reload link, an address that fails and works later, the scroll bar that comes and goes.
source "$(dirname "$0")/lib.sh"
start_server "$root/tests/pages"
monitor=$build/tools/monitor
log=$work/log qmp=$work/qmp
"$kpio" run --headless --accel tcg --serial "$log" --qmp "$qmp" --timeout 200 --append "dump=text" \
    >"$work/out" 2>&1 </dev/null &
guest=$!
pids+=($guest)

has_dumps() { [ "$(cat "$log" 2>/dev/null | grep -ac kpio-dump-end)" -ge "$1" ]; }
last_dump() {
    tr -d '\r' <"$log" | awk '/kpio-dump-begin/ {text = ""; inside = 1; next}
        /kpio-dump-end/ {inside = 0; last = text; next}
        inside {text = text $0 "\n"} END {printf "%s", last}'
}
count=0
# expect NAME TEXT: the next dump has this text
expect() {
    count=$((count + 1))
    if ! wait_for 60 has_dumps $count; then
        not_ok "$1" "no dump $count; the log ends: $(tail -n 4 "$log" | tr -d '\r' | tr '\n' '|')"
        finish
    fi
    last_dump >"$work/text"
    check "$1" "$(head -c 200 "$work/text")" grep -q "$2" "$work/text"
}
do_() { "$monitor" "$qmp" "$@" || not_ok monitor "$*"; }
requests() { grep -c "^GET $1 200" "$server_log"; }
# The columns at the right edge, in the middle of the screen and where the thumb is at the top.
edge_differs() {
    do_ picture "$work/edge.png"
    [ "$($pixels "$work/edge.png" at 1272 100)" != "$($pixels "$work/edge.png" at 1272 780)" ]
}

expect shell-start-page 'Type an address'
do_ type "10.0.2.2:$port/index.html" key ret # the field has the focus already
expect shell-typed-address 'A page on a real screen'
check shell-scroll-bar "no thumb at the right edge" wait_for 10 edge_differs
do_ key ctrl-l type "10.0.2.2:$port/second.html" key ret
expect shell-second-page 'The second page'
no_scroll_bar() { ! edge_differs && [ "$($pixels "$work/edge.png" at 1272 780)" = "$($pixels "$work/edge.png" at 640 780)" ]; }
check shell-scroll-bar-goes "the short page keeps a scroll bar" wait_for 10 no_scroll_bar
do_ move 20 20
hovered() { do_ picture "$work/hover.png" && [ "$($pixels "$work/hover.png" at 10 12)" = d8dde4 ]; }
check shell-button-hover "the button does not change under the pointer" wait_for 10 hovered
do_ click 20 20 # the toolbar's back
expect shell-back-button 'A page on a real screen'
do_ click 56 20
expect shell-forward-button 'The second page'
before=$(requests /second.html)
do_ click 92 20
expect shell-reload-button 'The second page'
check shell-reload-asks "the server was not asked" [ "$(requests /second.html)" -gt "$before" ]

# The page's process ends: a crash page, whose link loads the page again in a fresh process.
do_ click 700 20 key ctrl-a type "kpio:kill" key ret
expect shell-crash-page 'This page crashed'
check shell-crash-page-url "$(cat "$work/text")" grep -q "10.0.2.2:$port/second.html" "$work/text"
do_ wait 300 picture "$work/crash.png"
read -r x y < <(for y in 250 270 290 300 310 320 330 340; do
    [ "$($pixels "$work/crash.png" at 350 $y)" = 0b57d0 ] && echo 350 $y && break
done)
do_ click "${x:-0}" "${y:-0}"
expect shell-reload-after-crash 'The second page'

# Editing: a mistake is corrected in the middle of the address.
do_ key f6 type "10.0.2.2:$port/indexx.html" key left key left key left key left key left \
    key backspace key ret
expect shell-edited-address 'A page on a real screen'

# What can go wrong on the way: the part that arrived or a page that says why; the system goes on.
bad() { # name path pattern
    do_ key ctrl-l wait 100 type "10.0.2.2:$port/$2" key ret
    expect "shell-$1" "$3"
}
bad reset-in-body 'reset?after=4096' 'Paragraph 10 of'
bad reset-at-once reset-now 'connection was cut'
bad no-reply no-reply 'connection was cut'
bad redirect-loop redirect-loop 'redirects without end'
bad empty empty 'could not be loaded'
bad garbage garbage 'could not be loaded'
bad not-found status/404 404
bad binary binary-as-html .
bad truncated-png truncated-png '^$'
do_ key ctrl-l wait 100 type "10.0.2.2:1/" key ret
expect shell-refused 'cannot be reached'

# Esc stops: what arrived stays; when nothing did, the old page with its address.
do_ key ctrl-l wait 100 type "10.0.2.2:$port/stall" key ret
sleep 1.5
do_ key esc
expect shell-stop-shows-part 'Paragraph 10 of'
do_ key ctrl-l wait 100 type "10.0.2.2:$port/no-answer" key ret
sleep 1.5
do_ key esc wait 500 key f5 # the address is the old page's again: that is what loads
sleep 1.5
do_ key esc
expect shell-stop-keeps-page 'Paragraph 10 of'
do_ key ctrl-l wait 100 type "10.0.2.2:$port/index.html" key ret
expect shell-after-all 'A page on a real screen'
check shell-still-runs "QEMU has ended" kill -0 "$guest"
"$monitor" "$qmp" quit 2>/dev/null
wait "$guest" 2>/dev/null
finish
