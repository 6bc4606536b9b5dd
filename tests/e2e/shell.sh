#!/bin/bash
# The window frame in QEMU, used as a person would: start page, toolbar buttons, crash page and its
# reload link, an address that fails and works later, the scroll bar that comes and goes.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/guest.sh"
start_server "$root/tests/pages"
boot shell --append "dump=text"
# The columns at the right edge, in the middle of the screen and where the thumb is at the top.
edge_differs() {
    user picture "$work/edge.png"
    [ "$($pixels "$work/edge.png" at 1272 100)" != "$($pixels "$work/edge.png" at 1272 780)" ]
}

expect shell-start-page 'Type an address'
user type "10.0.2.2:$port/index.html" key ret # the field has the focus already
expect shell-typed-address 'A page on a real screen'
await shell-scroll-bar "a thumb at the right edge" edge_differs
go "10.0.2.2:$port/second.html"
expect shell-second-page 'The second page'
no_scroll_bar() { ! edge_differs && [ "$($pixels "$work/edge.png" at 1272 780)" = "$($pixels "$work/edge.png" at 640 780)" ]; }
await shell-scroll-bar-goes "the end of the scroll bar on a short page" no_scroll_bar
user move 20 20
hovered() { user picture "$work/hover.png" && [ "$($pixels "$work/hover.png" at 10 12)" = d8dde4 ]; }
await shell-button-hover "the button to change under the pointer" hovered
user click 20 20 # the toolbar's back
expect shell-back-button 'A page on a real screen'
user click 56 20
expect shell-forward-button 'The second page'
before=$(requests /second.html)
user click 92 20
expect shell-reload-button 'The second page'
check shell-reload-asks "the server was not asked" [ "$(requests /second.html)" -gt "$before" ]

# The page's process ends: a crash page, whose link loads the page again in a fresh process.
user click 700 20 key ctrl-a type "kpio:kill" key ret
expect shell-crash-page 'This page crashed'
check shell-crash-page-url "$(cat "$work/text")" grep -q "10.0.2.2:$port/second.html" "$work/text"
link_is_painted() {
    user picture "$work/crash.png"
    for y in 250 270 290 300 310 320 330 340; do
        [ "$($pixels "$work/crash.png" at 350 $y)" = 0b57d0 ] && return
    done
}
await shell-crash-page-link "the link on the screen" link_is_painted
user click 350 "$y"
expect shell-reload-after-crash 'The second page'

# Editing: a mistake is corrected in the middle of the address.
user key f6 type "10.0.2.2:$port/indexx.html" key left key left key left key left key left \
    key backspace key ret
expect shell-edited-address 'A page on a real screen'

# What can go wrong on the way: the part that arrived or a page that says why; the system goes on.
bad() { # name path pattern
    go "10.0.2.2:$port/$2"
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
go "10.0.2.2:1/"
expect shell-refused 'cannot be reached'

# Esc stops: what arrived stays; when nothing did, the old page with its address.
# stop ACTION...: the user's actions start a load, of which Esc shows the part that arrived. When nothing had
# (nobody outside sees when it has), there is no dump, and it is tried again with more time.
stop() {
    local seconds
    for seconds in 1 2 4 8 16 32 64; do
        user "$@"
        sleep $seconds
        user key esc
        wait_for $((2 * seconds)) has_dumps $((dumps_seen + 1)) && break
    done
}
stop key ctrl-l wait 100 type "10.0.2.2:$port/stall" key ret
expect shell-stop-shows-part 'Paragraph 10 of'
go "10.0.2.2:$port/no-answer"
await shell-waits "a request that gets no answer" grep -aqs 'GET /no-answer' "$pcap"
user key esc
stop wait 500 key f5 # the address is the old page's again: that is what loads
expect shell-stop-keeps-page 'Paragraph 10 of'
go "10.0.2.2:$port/index.html"
expect shell-after-all 'A page on a real screen'
check shell-still-runs "QEMU has ended" kill -0 "$guest"
halt
finish
