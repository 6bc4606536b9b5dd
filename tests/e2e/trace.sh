#!/bin/bash
# kpio trace on both machines: a timeline that a viewer reads, and that tells what really happened.
source "$(dirname "$0")/lib.sh"

# facts FILE: "NAME NUMBER" lines about a trace; fails when it is not JSON or a slice makes no sense
facts() {
    python3 - "$1" <<'END'
import json, sys
events = json.load(open(sys.argv[1]))["traceEvents"]
names = {e["pid"]: e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "process_name"}
slices = [e for e in events if e["ph"] == "X"]
assert all(e["dur"] >= 0 and e["ts"] >= 0 for e in slices)
running = sorted((e["tid"], e["ts"], e["dur"]) for e in slices if e["pid"] == 1 and "thread" in e.get("args", {}))
overlaps = sum(a[0] == b[0] and a[1] + a[2] > b[1] + 0.002 for a, b in zip(running, running[1:]))
started = {e["id"]: e for e in events if e["ph"] == "s"}
arrows = [(started[e["id"]], e) for e in events if e["ph"] == "f"]
print("overlaps", overlaps)
print("switches", len(running))
print("arrows", len(arrows))
print("backward", sum(a["ts"] > b["ts"] for a, b in arrows))
print("http-to-tab", sum(names.get(a["pid"]) == "http" and names.get(b["pid"], "").startswith("tab") for a, b in arrows))
print("calls", sum(e["name"].startswith("channel_") for e in slices))
print("marks", sum(e["ph"] == "i" and e["name"] == "load-done" for e in events))
fronts = [names.get(e["pid"], "") for e in events if e["ph"] == "i" and e["name"] == "tab to the front"]
print("fronts", sum(name.startswith("tab") for name in fronts))
print("faults", sum(e["name"] == "page fault" for e in events))
END
}
fact() { awk -v name="$1" '$1 == name {print $2}' "$work/facts"; }

for machine in qemu hosted; do
    if ! limited "$kpio" trace "$root/tests/pages/index.html" --machine $machine --timeout "$patience" \
        -o "$work/$machine.json" 2>"$work/err"; then
        not_ok "trace-$machine" "$(seen "$work/err")"
        continue
    fi
    if ! facts "$work/$machine.json" >"$work/facts" 2>"$work/err"; then
        not_ok "trace-$machine-json" "$(tail -n 1 "$work/err")"
        continue
    fi
    ok "trace-$machine-json"
    check "trace-$machine-mark" "no mark load-done" [ "$(fact marks)" = 1 ]
    check "trace-$machine-arrows" "$(fact arrows) arrows" [ "$(fact arrows)" -gt 20 ]
    check "trace-$machine-time" "$(fact backward) messages arrive before they are sent" [ "$(fact backward)" = 0 ]
    check "trace-$machine-page" "no message from http to the tab" [ "$(fact http-to-tab)" -gt 2 ]
    check "trace-$machine-calls" "$(fact calls) calls" [ "$(fact calls)" -gt 50 ]
    if [ $machine = qemu ]; then
        check trace-qemu-switches "$(fact switches)" [ "$(fact switches)" -gt 20 ]
        check trace-qemu-overlap "$(fact overlaps) threads at once on one processor" [ "$(fact overlaps)" = 0 ]
        check trace-qemu-roles "no tab came to the front" [ "$(fact fronts)" = 1 ]
        check trace-qemu-faults "no page fault" [ "$(fact faults)" -gt 100 ]
    fi
done

# A reader that goes away, and a signal: said or kept as Unix does, and nothing stays.
mkdir "$work/tmp"
export TMPDIR=$work/tmp
mkfifo "$work/gone"
exec 8<>"$work/gone" 9>"$work/gone" 8<&- # a pipe whose reader has gone
"$kpio" trace "$root/tests/pages/index.html" --machine hosted --timeout "$patience" -o - 2>"$work/err" >&9
rc=$?
exec 9>&-
check trace-reader-gone "$rc: $(cat "$work/err")" \
    bash -c "[ $rc = 1 ] && grep -qx 'kpio: -: cannot write: Broken pipe' '$work/err'"
for machine in qemu hosted; do
    "$kpio" trace http://127.0.0.1:1/ --until never --machine $machine -o "$work/out.json" 2>"$work/err" &
    pid=$!
    sleep 1
    kill -TERM $pid
    wait $pid 2>/dev/null
    code=$?
    check trace-$machine-signal "code $code" [ $code = 143 ]
done
check trace-no-files "files stay: $(ls "$work/tmp")" [ -z "$(ls "$work/tmp")" ]

printf 'KPTRACE1 and nothing that makes sense' >"$work/bad"
"$kpio" trace --from "$work/bad" -o "$work/out.json" 2>"$work/err"
check trace-damaged "$(cat "$work/err")" grep -q 'bad: its records are of another size' "$work/err"
finish
