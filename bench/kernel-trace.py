"""Counts one round of a QEMU `-singlestep -d exec` log by function: see bench/kernel-trace."""
import bisect
import collections
import re
import sys

trace, symbol_file, _, option = sys.argv[1:5]
symbols = [(int(line.split()[0], 16), line.split()[2]) for line in open(symbol_file)]
starts = [address for address, _ in symbols]


def name(address):
    if address < 1 << 47:
        return "user"
    return symbols[bisect.bisect_right(starts, address) - 1][1]


counters = [int(m.group(1), 16) for m in
            (re.search(r"/([0-9a-f]+)/[0-9a-f]+/", line) for line in open(trace)) if m]
entries = [i for i in range(1, len(counters))
           if name(counters[i]) == "kp_x86_syscall_entry" and counters[i - 1] < 1 << 47]
# One round: between two entries from the same place of the same program.
places = [counters[i - 1] for i in entries]
first = next(k for k in range(4, len(places)) if places[k] == min(places[4:40]))
second = next(k for k in range(first + 1, len(places)) if places[k] == places[first])
round_ = counters[entries[first]:entries[second]]
print(f"one round: {len(round_)} instructions, {second - first} system calls")
if option == "--list":
    for counter in round_:
        base = starts[bisect.bisect_right(starts, counter) - 1]
        print(f"{counter:x} {name(counter)}" + (f"+0x{counter - base:x}" if counter >> 47 else ""))
else:
    for function, count in collections.Counter(map(name, round_)).most_common():
        print(f"  {count:6d} {function}")
