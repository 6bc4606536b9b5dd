#!/bin/bash
# Every process of the system may crash: a tab gives a crash page, services come back.
source "$(dirname "$0")/../e2e/lib.sh"
start_server "$root/tests/pages"
for net in host slirp; do
    address=127.0.0.1
    if [ $net = slirp ]; then
        /sbin/ldconfig -p | grep -q libslirp.so.0 || { echo "skip crash-slirp: libslirp0 is not installed" && continue; }
        address=10.0.2.2
    fi
    timeout --kill-after=5 "$guest_limit" "$build/tools/system-crash" "$build/kpio.bundle" \
        "http://$address:$port/index.html" "$server_log" $net 2>"$work/err" </dev/null
    code=$?
    [ $code -le 1 ] || not_ok "crash-$net" "exit code $code: $(seen "$work/err")"
    [ $code -eq 1 ] && failures=1
done
finish
