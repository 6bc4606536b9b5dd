#!/bin/bash
# The hosted command against a real server: pictures, text, boxes, and everything that can go wrong.
source "$(dirname "$0")/lib.sh"
start_server "$root/tests/pages"
url=http://127.0.0.1:$port

# run NAME EXPECTED-EXIT(zero|nonzero) render|dump ARGUMENT...: stdout in $work/out, stderr in $work/err
run() {
    local name=$1 expected=$2 verb=$3 code
    shift 3
    limited "$kpio" "$verb" --timeout "$patience" "$@" >"$work/out" 2>"$work/err" </dev/null
    code=$?
    if [ $code -ge 124 ]; then
        not_ok "$name" "exit code $code (a crash or a hang): $(tail -n 2 "$work/err")"
        return 1
    fi
    case $expected in
    zero) [ $code -eq 0 ] || { not_ok "$name" "exit code $code: $(tail -n 2 "$work/err")" && return 1; } ;;
    nonzero) [ $code -ne 0 ] || { not_ok "$name" "exit code 0, expected a failure" && return 1; } ;;
    esac
    return 0
}

# ---- a page ----
if run render zero render "$url/index.html" -o "$work/page.png" --size 1280x800; then
    check render-size "$($pixels "$work/page.png" size)" [ "$($pixels "$work/page.png" size)" = "1280 800" ]
    for color in ff0000 00ff00 0000ff; do
        count=$($pixels "$work/page.png" count $color)
        check "render-box-$color" "$count pixels, expected 2400" [ "$count" = 2400 ]
    done
    check render-background "$($pixels "$work/page.png" at 1200 400)" \
        [ "$($pixels "$work/page.png" at 1200 400)" = fdfcf8 ]
    check render-picture "the pictures and antialiased text give many colours" \
        [ "$($pixels "$work/page.png" colors)" -gt 200 ]
fi
check server-saw-page "no request in $(cat "$server_log")" grep -q '^GET /index.html 200' "$server_log"
check server-saw-style "no request for the style sheet" grep -q '^GET /style.css 200' "$server_log"
check server-saw-missing "no request for the missing picture" grep -q '^GET /missing.png 404' "$server_log"

if run render-full-page zero render "$url/index.html" -o "$work/full.png" --size 1280x800 --full-page; then
    read -r width height < <($pixels "$work/full.png" size)
    check full-page-height "height $height" [ "$height" -gt 1200 ]
fi
if run dump-text zero dump "$url/index.html" --format text; then
    check text-has-heading "$(head -c 300 "$work/out")" grep -q 'A page on a real screen' "$work/out"
    check text-has-table "$(head -c 300 "$work/out")" grep -q 'beta' "$work/out"
    check text-hides-hidden "hidden text appears" bash -c "! grep -q 'must not appear' '$work/out'"
fi
run dump-html zero dump "$url/index.html" --format html &&
    check html-has-head "$(head -c 200 "$work/out")" grep -q '<title>KPIO test page</title>' "$work/out"
if run dump-boxes zero dump "$url/index.html" --format boxes --size 1280x800; then
    check boxes-have-path "$(head -c 200 "$work/out")" \
        grep -q '"html>body:nth-child(2)>div:nth-child(3)"' "$work/out"
fi
run dump-unicode zero dump "$url/unicode.html" --format text &&
    check text-unicode "$(cat "$work/out")" grep -q 'Привет, мир. Γειά σου Κόσμε' "$work/out"
run render-jpeg zero render "$url/disc.jpg" -o "$work/disc.png" --size 200x200 && ok render-image-page

# ---- what can go wrong: one line that names URL and cause, a non-zero exit, never a crash ----
bad() { # name url pattern
    local lines
    if run "$1" nonzero render "$2" -o "$work/bad.png" --size 400x300; then
        lines=$(wc -l <"$work/err")
        check "$1" "stderr: $(cat "$work/err")" \
            bash -c "[ $lines -eq 1 ] && grep -qiE '$3' '$work/err' && grep -qF '${2%%\?*}' '$work/err'"
    fi
}
bad refused "http://127.0.0.1:1/" 'refused'
bad dns-failure "http://no-such-host.invalid/" 'resolve'
bad http-404 "$url/status/404" '404'
bad http-500 "$url/status/500" '500'
bad reset-in-body "$url/reset?after=4096" 'reset|cut'
bad reset-at-once "$url/reset-now" 'reset|cut|empty|closed'
bad no-reply "$url/no-reply" 'empty|closed|reset|cut|without'
bad endless-redirect "$url/redirect-loop" 'redirect'
bad empty-body "$url/empty" 'empty'
bad garbage-reply "$url/garbage" 'HTTP|protocol'
bad bad-scheme "gopher://127.0.0.1/" 'scheme|support'
bad corrupt-gzip "$url/gzip-corrupt" 'gzip|decod|encod|cut|trunc|content'
bad no-such-file "$work/nothing.html" 'no such|not found|cannot'

bad no-such-page nothing.html 'no such file'
bad no-such-page-below nothing/page.svg 'no such file'
bad no-such-word no-such-host-or-file 'no file .*host name'

run render-partial nonzero render "$url/reset?after=20000" -o "$work/partial.png" --size 400x300 &&
    check partial-is-shown "no picture of the part that arrived" test -s "$work/partial.png"
# A stream that ends early is shown as far as it goes, as browsers do: the promised bytes did arrive.
run truncated-gzip zero dump "$url/gzip-truncated" --format text && ok truncated-gzip
# 50 MB of page: its text, or an honest word that it does not fit into the tab's memory limit.
limited "$kpio" dump "$url/huge?mb=50" --format text --timeout "$patience" \
    >"$work/out" 2>"$work/err" </dev/null
code=$?
if [ $code -eq 0 ]; then
    check huge-page "$(wc -c <"$work/out") bytes of text" [ "$(wc -c <"$work/out")" -gt 10000000 ]
else
    check huge-page "exit code $code: $(cat "$work/err")" \
        bash -c "[ $code -eq 1 ] && [ \$(wc -l <'$work/err') -eq 1 ] && grep -q 'huge.*memory' '$work/err'"
fi
run large-page zero dump "$url/huge?mb=5" --format text &&
    check large-page-text "$(wc -c <"$work/out") bytes of text" [ "$(wc -c <"$work/out")" -gt 1000000 ]
limited "$kpio" render "$url/binary-as-html" --timeout "$patience" -o "$work/binary.png" --size 400x300 >/dev/null 2>"$work/err"
code=$?
check binary-as-html "exit code $code: $(cat "$work/err")" [ $code -lt 124 ]
run truncated-png zero render "$url/truncated-png" -o "$work/truncated.png" --size 400x300 &&
    check truncated-png-part "the part that arrived is not shown" \
        [ "$($pixels "$work/truncated.png" colors)" -gt 20 ]
for arguments in "render" "render $url/ " "dump $url/ --format nonsense" "render $url/ -o" "nonsense" \
    "render $url/ -o x.png --size 0x5" "render $url/ -o x.png --size 99999999x5"; do
    # shellcheck disable=SC2086
    (cd "$work" && limited "$kpio" $arguments >out2 2>err2 </dev/null)
    code=$?
    check "usage [${arguments//$url/URL}]" "exit code $code: $(cat "$work/err2")" \
        bash -c "[ $code -ne 0 ] && [ $code -lt 124 ] && [ -s '$work/err2' ]"
done
# the whole system in a window (SDL's driver without a screen): the page is fetched, and it ends on TERM
SDL_VIDEODRIVER=dummy "$kpio" view "$url/second.html?view" >"$work/view.log" 2>&1 </dev/null &
view=$!
pids+=($view)
explain() { seen "$work/view.log" "$server_log"; }
await view-fetches "its request at the server" grep -q '^GET /second.html?view 200' "$server_log"
kill "$view"
wait "$view" 2>/dev/null
check help "no help" bash -c "'$kpio' --help | grep -q render"
check version "no version" bash -c "'$kpio' --version | grep -qi kpio"
# The children learn of their parent's end a moment after it.
none_left() { ! pgrep -f "^$kpio" >/dev/null; }
explain() { pgrep -af "^$kpio" | head -n 3; }
await no-processes-left "the end of every process" none_left
finish
