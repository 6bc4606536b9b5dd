#!/bin/bash
# KPIO in QEMU: a page that came over our own network stack, its text, its boxes (those of hosted
# mode), its pixels; wheel, a link by mouse, back. The toolbar and bad input: shell.sh.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/guest.sh"
start_server "$root/tests/pages"
toolbar=40 # CSS pixels of the shell's bar above the page (shell/toolbar.h)

boot text "http://10.0.2.2:$port/index.html" --append "dump=text"
expect qemu-text 'A page on a real screen'
boxes_are_painted() {
    user picture "$work/screen.png"
    [ "$($pixels "$work/screen.png" count ff0000)" = 2400 ]
}
await qemu-painted "the red box on the screen" boxes_are_painted
# the wheel scrolls: the boxes leave the screen, and come back
boxes_are_gone() {
    user picture "$work/screen.png"
    [ "$($pixels "$work/screen.png" count ff0000)" = 0 ]
}
user move 600 500 wheel -10
await qemu-wheel-down "the boxes to leave the screen" boxes_are_gone
user wheel 20
await qemu-wheel-up "the boxes to come back" boxes_are_painted
# the link is where the hosted engine says it is
"$kpio" dump "http://127.0.0.1:$port/index.html" --timeout "$patience" --format boxes --size "1280x$((800 - toolbar))" \
    >"$work/boxes"
read -r x y < <(tr '{}' '\n\n' <"$work/boxes" | awk -F'[:,]' -v bar=$toolbar \
    '/>a:nth-child\(1\)"/ {sub(/.*"x"/, "\"x\""); print int($2 + 8), int($4 + 8 + bar); exit}')
user click "${x:-0}" "${y:-0}"
await qemu-link "the request after a click at ${x:-?},${y:-?}" requests_are /second.html 1
expect qemu-link-text 'The second page'
user key alt-left
expect qemu-back 'A page on a real screen'
halt
check server-saw-guest "no request: $(tail -n 3 "$server_log")" grep -q '^GET /index.html 200' "$server_log"
check wire-http "no HTTP request in the capture" grep -aq 'GET /index.html HTTP/1.1' "$pcap"

# ---- the same boxes and the same text as hosted ----
pages=(index.html second.html unicode.html)
for format in boxes text; do
    boot $format "http://10.0.2.2:$port/${pages[0]}" --append "dump=$format"
    for page in "${pages[@]}"; do
        [ "$page" = "${pages[0]}" ] || go "10.0.2.2:$port/$page"
        expect "guest-$format-$page" .
        "$kpio" dump "http://127.0.0.1:$port/$page" --timeout "$patience" --format $format \
            --size "1280x$((800 - toolbar))" >"$work/hosted" 2>"$work/err"
        check "same-$format-$page" "$(cat "$work/err"; diff "$work/hosted" "$work/text" | head -n 3)" \
            diff -q "$work/hosted" "$work/text"
    done
    halt
done
finish
