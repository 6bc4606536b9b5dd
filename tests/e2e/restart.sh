#!/bin/bash
# Services and tabs are killed under a running system in QEMU (the kernel's kill=NAME@MARK): services
# come back and a reload fetches and shows the page; a tab leaves a crash page whose reload works.
# Hosted: a killed service ends the command with one line, and nothing stays behind.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/guest.sh"
start_server "$root/tests/pages"
url=http://10.0.2.2:$port

page_is_painted() {
    user picture "$work/screen.png"
    [ "$($pixels "$work/screen.png" count ff0000)" = 2400 ] &&
        [ "$($pixels "$work/screen.png" count 00ff00)" = 2400 ]
}
# A key that comes while the display or the shell's connection to it starts again goes to nobody: the user
# presses again.
reload_until_requested() {
    user key f5
    wait_for 15 requests_are /index.html $((before + 1))
}
started_twice() { [ "$(grep -ac "started $1 " "$log")" -ge 2 ]; }
# One boot a service: it dies when the first page has loaded.
for service in http netstack display; do
    boot $service "$url/index.html" --append "dump=text kill=$service@load-done"
    expect "$service-page" 'A page on a real screen'
    await "$service-killed" "its end" logged "$service at load-done: killed"
    await "$service-starts-again" "its second start" started_twice $service
    before=$(requests /index.html)
    await "$service-reload-fetches" "a request after reloads" reload_until_requested
    if [ $service = display ]; then # the shell may have made a fresh tab with the page itself
        await display-reload-text "the second dump" has_dumps 2
    else
        expect "$service-reload-text" 'A page on a real screen'
    fi
    await "$service-reload-pixels" "the page on the screen" page_is_painted
    halt
done

# In the middle of a load: an error page that says so, or the page from the service's next life.
for service in http netstack; do
    boot $service-early "$url/huge?mb=1" --append "dump=text kill=$service@first-byte"
    expect "$service-killed-in-load" .
    check "$service-was-killed" "$(explain)" logged "$service at first-byte: killed"
    go "10.0.2.2:$port/second.html"
    expect "$service-lives-after-load" 'The second page'
    halt
done

# The page's process, which is the first that the shell makes.
boot tab "$url/index.html" --append "dump=text kill=tab-1@load-done"
await tab-killed "its end" logged 'tab-1 at load-done: killed'
await tab-crash-page "the crash page's dump" logged 'This page crashed'
dumps_seen=$(grep -ac kpio-dump-end "$log")
before=$(requests /index.html)
user key f5
await tab-reload-fetches "a request after the reload" requests_are /index.html $((before + 1))
expect tab-reload-text 'A page on a real screen'
await tab-reload-pixels "the page on the screen" page_is_painted
halt

# ---- hosted ----
"$kpio" render "http://127.0.0.1:$port/no-answer" --timeout "$patience" -o "$work/page.png" >"$work/out" 2>"$work/err" </dev/null &
command=$!
pids+=($command)
# The server answers nothing; the connection to it shows that http is at work.
asked() { grep -q "0100007F:$(printf %04X "$port") 01" /proc/net/tcp; }
explain() { seen "$work/err"; }
await hosted-asks "its connection to the server" asked
# Every process below the command: the zygote, and its children, each named after its program.
descendants() {
    local child
    for child in $(pgrep -P "$1"); do
        echo "$child"
        descendants "$child"
    done
}
mapfile -t family < <(descendants "$command")
http=
for pid in "${family[@]}"; do
    grep -qa '^kpio:http\|^http' "/proc/$pid/comm" "/proc/$pid/cmdline" 2>/dev/null && http=$pid
done
check hosted-http-runs "no process http among: ${family[*]}" [ -n "$http" ]
[ -n "$http" ] && kill -KILL "$http"
ended() { ! kill -0 "$command" 2>/dev/null; }
await hosted-kill-ends-command "the command's end" ended
wait "$command"
code=$?
check hosted-kill-exit-code "exit code $code" [ $code -ne 0 -a $code -lt 124 ]
check hosted-kill-one-line "$(cat "$work/err")" [ "$(wc -l <"$work/err")" = 1 ]
check hosted-kill-names-url "$(cat "$work/err")" grep -qF "127.0.0.1:$port/no-answer" "$work/err"
# The children learn of their parent's end a moment after it.
none_left() {
    left=
    for pid in "${family[@]}"; do kill -0 "$pid" 2>/dev/null && left="$left $pid"; done
    [ -z "$left" ]
}
explain() { ps -o pid,stat,args -p "${left// /,}0"; }
await hosted-kill-leaves-nothing "the end of every process" none_left
finish
