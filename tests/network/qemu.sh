#!/bin/bash
# The network on the machine x86_64, seen from outside: QEMU with its user network, netstack and http as
# they are shipped, and a program that fetches from the test server on the host. What counts is
# the server's log, and that the bodies' hashes are those of what curl-free C wrote.
# KPIO_TEST_LOG=1 prints the guest's log, KPIO_TEST_KEEP=FOLDER keeps what went over the wire.
source "$(dirname "$0")/../lib.sh"
command -v qemu-system-x86_64 >/dev/null || { echo "skip network-qemu: QEMU is not installed" && exit 0; }
mkdir "$work/site"
printf '<h1>Small</h1>\n' >"$work/site/small.html"
head -c 3000000 /dev/urandom >"$work/site/three.bin"
# --log FILE: stdout holds the port only.
"$build/tools/testserver" --log "$work/requests" "$work/site" >"$work/port" 2>"$work/server.err" &
pids+=($!)
wait_until grep -qs '^[0-9]' "$work/port" || { not_ok network-qemu-server "$(cat "$work/server.err")" && finish; }
port=$(cat "$work/port")
host=http://10.0.2.2:$port

# must: without a reply the run ends there: behind it, each would only wait for its own time limit. The last
# ones are so long because a notification that is lost between guest and device comes seldom.
line=
for path in get=small.html must=three.bin must=status/404 get=reset get=redirect-loop must=empty must=huge?mb=10 \
    must=gzip get=no-reply must=redirect?n=5 must=huge?mb=45 must=huge?mb=55; do
    line="$line ${path%%=*}=$host/${path#*=}"
done
line="$line get=http://10.0.2.2:1/ get=http://no-such-name.invalid/ get=http://10.0.2.99/"
bios=
[ -f /usr/share/qemu/qboot.rom ] && bios='-bios /usr/share/qemu/qboot.rom'
# shellcheck disable=SC2086
timeout --kill-after=5 "$guest_limit" qemu-system-x86_64 -machine q35,accel=tcg -cpu max -m 256 -smp 1 -nodefaults \
    -no-user-config -no-reboot -vga none -display none $bios -serial stdio \
    -netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
    -object "filter-dump,id=dump,netdev=net,file=$work/wire.pcap" -device virtio-rng-pci \
    -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$build/x86_64/kpio.elf" \
    -initrd "$build/test/network.bundle" -append "display=off$line ${KPIO_FETCH_WORDS:-}" \
    >"$work/log" 2>&1 </dev/null &
guest=$!
pids+=($guest)
wait $guest
code=$?
[ -n "${KPIO_TEST_LOG:-}" ] && cat "$work/log"
[ -n "${KPIO_TEST_KEEP:-}" ] && cp "$work/wire.pcap" "$KPIO_TEST_KEEP"

has() { LC_ALL=C grep -qaE -- "$1" "$2"; }
# logged NAME PATTERN
logged() { check "network-qemu-$1" "no \"$2\", QEMU's code $code: $(seen "$work/log")" has "$2" "$work/log"; }
# fetched NAME URL PATTERN: what its line says behind the URL. If not, that line, or where the run ended instead.
fetched() {
    local why
    why=$(LC_ALL=C grep -aF -m 1 "fetch $2 " "$work/log" | tr -d '\r')
    [ -n "$why" ] ||
        why="not fetched, QEMU's code $code, the last: $(LC_ALL=C grep -aE 'fetch |panic' "$work/log" | tail -n 1)"
    check "network-qemu-$1" "no \"$3\": $why" has "fetch ${2//\?/\\?} $3" "$work/log"
}
# QEMU's emulator leaves fences out: kernel/drivers/virtio.c.
logged fence 'net0: .* fence by register'
logged address 'netstack.*address 10\.0\.2\.15'
fetched small "$host/small.html" 'OK 200 15 '
fetched three-million-bytes "$host/three.bin" 'OK 200 3000000 '
fetched http-error "$host/status/404" 'OK 404 '
fetched reset "$host/reset" 'ERR_CONNECTION_RESET 200 4096 .*: the connection was reset in the'
fetched redirect-loop "$host/redirect-loop" 'ERR_TOO_MANY_REDIRECTS 0 0 '
fetched empty "$host/empty" 'OK 200 0 '
fetched ten-megabytes "$host/huge?mb=10" 'OK 200 10485'
fetched gzip "$host/gzip" 'OK 200 67 '
fetched no-reply "$host/no-reply" 'ERR_CONNECTION_RESET 0 0 '
fetched redirect "$host/redirect?n=5" 'OK 200 '
fetched long-stream "$host/huge?mb=45" 'OK 200 47185'
fetched another-long-stream "$host/huge?mb=55" 'OK 200 57671'
fetched refused 'http://10.0.2.2:1/' 'ERR_CONNECTION_REFUSED 0 0 .*10.0.2.2:1: '
fetched no-such-name 'http://no-such-name.invalid/' 'ERR_(NAME_NOT_RESOLVED|TIMED_OUT|UNREACHABLE) '
fetched silent-host 'http://10.0.2.99/' 'ERR_UNREACHABLE '
logged done 'fetch done'
check network-qemu-server-saw-it "$(seen "$work/requests")" has '^GET /three.bin 200 3000000' "$work/requests"
check network-qemu-agent-on-the-wire "no User-Agent in what went over the wire" \
    has 'User-Agent: Mozilla/5.0 .KPIO. KPIO/' "$work/wire.pcap"
finish
