#!/bin/bash
# The network on the machine x86_64, seen from outside: QEMU with its user network, netstack and http as
# they are shipped, and a program that fetches from the test server on the host. What counts is
# the server's log, and that the bodies' hashes are those of what curl-free C wrote.
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${BUILD:-build}
command -v qemu-system-x86_64 >/dev/null || { echo "skip network-qemu: QEMU is not installed" && exit 0; }
work=$(mktemp -d)
mkdir "$work/site"
printf '<h1>Small</h1>\n' >"$work/site/small.html"
head -c 3000000 /dev/urandom >"$work/site/three.bin"
# --log FILE: stdout holds the port only.
"$build/tools/testserver" --log "$work/requests" "$work/site" >"$work/port" &
server=$!
trap 'kill $server $guest 2>/dev/null; [ -n "${KPIO_TEST_KEEP:-}" ] && cp "$work/wire.pcap" "$KPIO_TEST_KEEP"; rm -rf "$work"' EXIT
guest=
for _ in $(seq 100); do [ -s "$work/port" ] && break || sleep 0.05; done
port=$(cat "$work/port")
host=http://10.0.2.2:$port

paths='small.html three.bin status/404 reset redirect-loop empty huge?mb=10 gzip no-reply redirect?n=5'
line=
for path in $paths; do line="$line get=$host/$path"; done
line="$line get=http://10.0.2.2:1/ get=http://no-such-name.invalid/ get=http://10.0.2.99/"
bios=
[ -f /usr/share/qemu/qboot.rom ] && bios='-bios /usr/share/qemu/qboot.rom'
# shellcheck disable=SC2086
timeout --kill-after=5 120 qemu-system-x86_64 -machine q35,accel=tcg -cpu max -m 256 -smp 1 -nodefaults \
    -no-user-config -no-reboot -vga none -display none $bios -serial stdio \
    -netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
    -object "filter-dump,id=dump,netdev=net,file=$work/wire.pcap" -device virtio-rng-pci \
    -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$build/x86_64/kpio.elf" \
    -initrd "$build/test/network.bundle" -append "display=off$line ${KPIO_FETCH_WORDS:-}" \
    >"$work/log" 2>&1 </dev/null &
guest=$!
wait $guest
[ -n "${KPIO_TEST_LOG:-}" ] && cat "$work/log"

failed=0
# check NAME PATTERN FILE
check() {
    if LC_ALL=C grep -qaE "$2" "$3"; then
        echo "ok network-qemu-$1"
    else
        echo "not ok network-qemu-$1: no \"$2\" in $(basename "$3"): $(grep -a "fetch\|panic" "$3" | tail -n 3)"
        failed=1
    fi
}
check address 'netstack.*address 10\.0\.2\.15' "$work/log"
check small "fetch $host/small.html OK 200 15 " "$work/log"
check three-million-bytes "fetch $host/three.bin OK 200 3000000 " "$work/log"
check http-error "fetch $host/status/404 OK 404 " "$work/log"
check reset "fetch $host/reset ERR_CONNECTION_RESET 200 4096 .*: the connection was reset in the" "$work/log"
check redirect-loop "fetch $host/redirect-loop ERR_TOO_MANY_REDIRECTS 0 0 " "$work/log"
check empty "fetch $host/empty OK 200 0 " "$work/log"
check ten-megabytes "fetch $host/huge.mb=10 OK 200 104857" "$work/log"
check gzip "fetch $host/gzip OK 200 67 " "$work/log"
check no-reply "fetch $host/no-reply ERR_CONNECTION_RESET 0 0 " "$work/log"
check redirect "fetch $host/redirect.n=5 OK 200 " "$work/log"
check refused 'fetch http://10.0.2.2:1/ ERR_CONNECTION_REFUSED 0 0 .*10.0.2.2:1: ' "$work/log"
check no-such-name 'fetch http://no-such-name.invalid/ ERR_(NAME_NOT_RESOLVED|TIMED_OUT|UNREACHABLE) ' "$work/log"
check silent-host 'fetch http://10.0.2.99/ ERR_UNREACHABLE ' "$work/log"
check done 'fetch done' "$work/log"
check server-saw-it '^GET /three.bin 200 3000000' "$work/requests"
check agent-on-the-wire 'User-Agent: Mozilla/5.0 .KPIO. KPIO/' "$work/wire.pcap"
exit $failed
