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
    local try
    for try in 1 2 3 4 5 6; do
        user key f5
        wait_for 15 requests_are /index.html $((before + 1)) && return
    done
    return 1
}
# One boot a service: it dies when the first page has loaded.
for service in http netstack display; do
    boot $service "$url/index.html" --append "dump=text kill=$service@load-done"
    expect "$service-page" 'A page on a real screen'
    check "$service-killed" "$(explain)" wait_for 30 logged "$service at load-done: killed"
    check "$service-starts-again" "$(explain)" \
        wait_for 60 bash -c "[ \$(grep -ac 'started $service ' '$log') -ge 2 ]"
    before=$(requests /index.html)
    check "$service-reload-fetches" "no request after the reload: $(explain)" reload_until_requested
    if [ $service = display ]; then # the shell may have made a fresh tab with the page itself
        check display-reload-text "$(explain)" wait_for 60 has_dumps 2
    else
        expect "$service-reload-text" 'A page on a real screen'
    fi
    check "$service-reload-pixels" "$(explain)" wait_for 60 page_is_painted
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
wait_for 60 logged 'tab-1 at load-done: killed'
check tab-crash-page "$(explain)" wait_for 60 bash -c "grep -aq 'This page crashed' '$log'"
dumps_seen=$(grep -ac kpio-dump-end "$log")
before=$(requests /index.html)
user key f5
check tab-reload-fetches "$(explain)" wait_for 60 requests_are /index.html $((before + 1))
expect tab-reload-text 'A page on a real screen'
check tab-reload-pixels "$(explain)" wait_for 60 page_is_painted
halt

# ---- hosted ----
"$kpio" render "http://127.0.0.1:$port/no-answer" -o "$work/page.png" >"$work/out" 2>"$work/err" </dev/null &
command=$!
pids+=($command)
# The server answers nothing; the connection to it shows that http is at work.
asked() { grep -q "0100007F:$(printf %04X "$port") 01" /proc/net/tcp; }
check hosted-asks "no connection to the server" wait_for 60 asked
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
check hosted-kill-ends-command "it still runs" wait_for 60 ended
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
wait_for 20 none_left
check hosted-kill-leaves-nothing "processes$left" [ -z "$left" ]
finish
