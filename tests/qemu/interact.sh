#!/bin/bash
# A user at the system in QEMU: links, the address bar, back, reload, the wheel, by input events that
# QEMU delivers to the virtual keyboard and tablet. Seen by the server's log and the pixels.
source "$(dirname "$0")/../e2e/lib.sh"
command -v qemu-system-x86_64 >/dev/null || { echo "skip qemu: QEMU is not installed" && exit 0; }
qmp=$build/tools/qmp
start_server "$root/tests/pages"
socket=$work/qmp
toolbar=40 # CSS pixels of the shell's bar above the page (shell/toolbar.h)

"$kpio" run "http://10.0.2.2:$port/index.html" --headless --timeout 120 --accel "${KPIO_ACCEL:-auto}" \
    --serial "$work/log" --qmp "$socket" >"$work/out" 2>&1 </dev/null &
pids+=($!)
loads() { grep -c 'load-done http' "$work/log" 2>/dev/null; }
loads_are() { [ "$(loads)" -ge "$1" ]; }
requests() { grep -c "^GET $1 " "$server_log"; }
requests_are() { [ "$(requests "$1")" -ge "$2" ]; }
log_end() { tail -n 3 "$work/log" "$work/out" | tr '\n' ' '; }

if ! wait_for 60 loads_are 1; then
    not_ok first-load "$(log_end)"
    finish
fi
ok first-load

# ---- the link, where the hosted engine says it is ----
"$kpio" dump "http://127.0.0.1:$port/index.html" --format boxes --size "1280x$((800 - toolbar))" \
    >"$work/boxes" 2>"$work/err"
read -r x y < <(python3 - "$work/boxes" "$toolbar" <<'PYTHON'
import json, sys
box = next(b for b in json.load(open(sys.argv[1])) if b["path"].endswith(">a:nth-child(1)"))
print(int(box["x"] + box["width"] / 4), int(box["y"] + box["height"] / 4 + int(sys.argv[2])))
PYTHON
)
before=$(requests /second.html) loaded=$(loads)
"$qmp" "$socket" click "${x:-0}" "${y:-0}" 1280 800
check link-followed "click at ${x:-?},${y:-?}: $(log_end)" wait_for 20 requests_are /second.html $((before + 1))
check link-loaded "$(log_end)" wait_for 20 loads_are $((loaded + 1))

# ---- back ----
loaded=$(loads)
"$qmp" "$socket" key alt left
check back "$(log_end)" wait_for 20 loads_are $((loaded + 1))

# ---- reload asks the server again ----
before=$(requests /index.html) loaded=$(loads)
"$qmp" "$socket" key f5
check reload "$(log_end)" wait_for 20 requests_are /index.html $((before + 1))
check reload-loaded "$(log_end)" wait_for 20 loads_are $((loaded + 1))

# ---- the wheel moves the page: the boxes leave their place ----
"$qmp" "$socket" click 1000 700 1280 800 # the pointer over the page, on nothing
"$qmp" "$socket" screenshot "$work/top.png"
"$qmp" "$socket" wheel -3
moved() {
    "$qmp" "$socket" screenshot "$work/scrolled.png" &&
        [ "$($pixels "$work/top.png" same "$work/scrolled.png")" -gt 1000 ]
}
check wheel-scrolls "the picture stays the same" wait_for 10 moved

# ---- the address bar ----
before=$(requests /second.html) loaded=$(loads)
"$qmp" "$socket" key ctrl l
"$qmp" "$socket" type "10.0.2.2:$port/second.html"
"$qmp" "$socket" key ret
check address-bar "$(log_end)" wait_for 20 requests_are /second.html $((before + 1))
check address-loaded "$(log_end)" wait_for 20 loads_are $((loaded + 1))

# ---- an address where nobody answers, then a good one again ----
"$qmp" "$socket" key ctrl l
"$qmp" "$socket" type "10.0.2.2:1/"
"$qmp" "$socket" key ret
check refused-reported "$(log_end)" wait_for 20 grep -q 'load-done http://10.0.2.2:1/ ERR_' "$work/log"
before=$(requests /second.html)
"$qmp" "$socket" key ctrl l
"$qmp" "$socket" type "10.0.2.2:$port/second.html"
"$qmp" "$socket" key ret
check lives-after-refusal "$(log_end)" wait_for 20 requests_are /second.html $((before + 1))
"$qmp" "$socket" run quit >/dev/null 2>&1
finish
