#!/bin/bash
# x86_64: processes from snapshots; a thousand of them, and ten thousand channels (runtime/test/memory.c)
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$root/build}
out=$(BUILD=$build KPIO_MEMORY_CASES="snapshot scale" "$root/runtime/test/memory.sh")
if grep -q '^not ok' <<<"$out"; then
    echo "$out" >&2
    exit 1
fi
# With instruction counting a nanosecond of the guest's clock is an instruction.
sed -n "s/^# spawn from a snapshot to the first message: best \([0-9]*\) ns.*/spawn_to_first_message_instructions \1 instructions/p
    s/^# an idle clone costs \([0-9]*\) bytes.*; a channel \([0-9]*\);/idle_process \1 bytes\nchannel \2 bytes/p
    s/^# an idle clone's overhead is \([0-9]*\) bytes, with page tables \([0-9]*\)\$/idle_process_overhead \1 bytes\nidle_process_overhead_with_tables \2 bytes/p
    s/^# with all of them \([0-9]*\) MiB.*/processes_1000_channels_10000 \1 MiB/p" <<<"$out" | awk '!seen[$1]++' # with one processor; the run with four comes second
