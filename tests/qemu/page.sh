#!/bin/bash
# `kpio run --screenshot`: the whole system in QEMU gets an address, fetches a page from a server on the
# host and shows it. Evidence: the server's log, the packets, the pixels, not what the guest says.
# (tests/e2e/qemu.sh has a user at the guest, and compares it with hosted mode.)
source "$(dirname "$0")/../e2e/lib.sh"
command -v qemu-system-x86_64 >/dev/null || { echo "skip qemu: QEMU is not installed" && exit 0; }
start_server "$root/tests/pages"

# boot NAME URL [OPTION]...: boots, waits for the painted page, takes $work/NAME.{png,log,pcap}
boot() {
    local name=$1 url=$2 code
    shift 2
    limited "$kpio" run "$url" --headless --timeout "$patience" --accel "${KPIO_ACCEL:-auto}" \
        --screenshot "$work/$name.png" --serial "$work/$name.log" --pcap "$work/$name.pcap" "$@" \
        >"$work/$name.out" 2>&1 </dev/null
    code=$?
    [ $code -eq 0 ] && ok "boot-$name" && return 0
    not_ok "boot-$name" "exit code $code: $(seen "$work/$name.out" "$work/$name.log")"
    return 1
}
packets_have() { LC_ALL=C grep -qaP "$2" "$work/$1.pcap"; }

if boot page "http://10.0.2.2:$port/index.html"; then
    check page-requested "no request in $(cat "$server_log")" grep -q '^GET /index.html 200' "$server_log"
    check style-requested "no request for the style sheet" grep -q '^GET /style.css 200' "$server_log"
    check picture-requested "no request for the picture" grep -q '^GET /gradient.png 200' "$server_log"
    # DHCP: magic cookie, option 53 (message type) DISCOVER and REQUEST from the guest.
    check dhcp-discover "no DISCOVER in the capture" packets_have page '\x63\x82\x53\x63\x35\x01\x01'
    check dhcp-request "no REQUEST in the capture" packets_have page '\x63\x82\x53\x63\x35\x01\x03'
    check http-on-the-wire "no GET in the capture" packets_have page 'GET /index.html HTTP/1.1\r$'
    size=$($pixels "$work/page.png" size)
    check screen-size "$size" [ "$size" = "1280 800" ]
    for color in ff0000 00ff00 0000ff; do
        count=$($pixels "$work/page.png" count $color)
        check "box-$color" "$count pixels, expected 2400" [ "$count" = 2400 ]
    done
    check page-background "$($pixels "$work/page.png" at 1200 700)" \
        [ "$($pixels "$work/page.png" at 1200 700)" = fdfcf8 ]
    check picture-painted "few colours on the screen" [ "$($pixels "$work/page.png" colors)" -gt 200 ]
fi

# Four processors show the same page, pixel for pixel where it does not move.
if boot smp "http://10.0.2.2:$port/index.html" --smp 4; then
    check smp-processors "$(grep -a 'smp:' "$work/smp.log" | tail -1)" grep -aq 'smp: 4 CPUs' "$work/smp.log"
    for color in ff0000 00ff00 0000ff; do
        count=$($pixels "$work/smp.png" count $color)
        check "smp-box-$color" "$count pixels, expected 2400" [ "$count" = 2400 ]
    done
fi

# A host that refuses: an error page is painted, the system lives.
if boot refused "http://10.0.2.2:1/"; then
    check refused-shows-something "an empty screen" [ "$($pixels "$work/refused.png" colors)" -gt 10 ]
fi
none_left() { ! pgrep -f "^[^ ]*qemu-system.*$work" >/dev/null; }
explain() { pgrep -af "^[^ ]*qemu-system.*$work" | cut -c1-100; }
await no-qemu-left "the end of every QEMU" none_left
finish
