#!/bin/bash
# What is too much or too far away for the system in QEMU: an error page or the part that arrived, and
# the next page loads. What servers do wrong: shell.sh; the hosted command: hosted.sh.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/guest.sh"
start_server "$root/tests/pages"

boot bad "http://no-such-host.invalid/" --append "dump=text"
expect bad-name 'no-such-host.invalid'
# The resolver of the machine that runs the test may not answer: that is said, too.
check bad-name-cause "$(cat "$work/text")" grep -qiE 'not be found|no such|resolve|too long|reached' "$work/text"
go "10.0.2.99/" # nobody has that address on QEMU's network
expect bad-silent-host '10.0.2.99'
check bad-silent-host-cause "$(cat "$work/text")" grep -qiE 'reached|too long' "$work/text"
go "10.0.2.2:$port/huge?mb=50" # more than the guest's memory holds as a page
huge="load-done [^ ]*huge[^ ]*"
check bad-huge-page "$(explain)" wait_until logged "$huge"
check bad-huge-page-cause "$(explain)" logged "$huge \(ERR_NO_MEMORY\|ERR_PROCESS_DEAD\|OK\)"
# What arrived is dumped whole, or it is said that there is no memory for that: never half a page.
dumped_or_not() { has_dumps $((dumps_seen + 1)) || logged 'no dump: ERR_NO_MEMORY'; }
check bad-huge-page-dump "$(explain)" wait_until dumped_or_not
if has_dumps $((dumps_seen + 1)); then
    expect bad-huge-page-text 'memory\|Paragraph'
fi
go "10.0.2.2:$port/second.html"
expect bad-then-good 'The second page'
check bad-then-requested "no request in the server's log" requests_are /second.html 1
check bad-no-panic "$(explain)" bash -c "! grep -aqi 'panic' '$log'"
check bad-services-live "a service ended: $(grep -a ' ended, restart' "$log" | head -n 2)" \
    bash -c "! grep -aqE '(http|netstack|display|shell) ended' '$log'"
halt

# QEMU's own failures are no ends of a guest.
for more in "" "--screenshot $work/none.png"; do
    # shellcheck disable=SC2086  # words
    timeout 60 "$kpio" run --headless --accel tcg --pcap "$work/none/pcap" $more >"$work/qemu.out" 2>"$work/qemu.err"
    code=$?
    check "bad-qemu-option${more%% *}" "exit code $code: $(cat "$work/qemu.err")" \
        bash -c "[ $code -eq 3 ] && grep -q 'QEMU cannot run the guest: .*none/pcap' '$work/qemu.err' &&
            [ \$(wc -l <'$work/qemu.err') -eq 1 ]"
done
finish
