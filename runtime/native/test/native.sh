#!/bin/bash
# Native programs on both machines: native_test as the system's shell.
source "$(dirname "$0")/../../../tests/lib.sh"
source "$root/tests/system.sh"
lines() { # MACHINE: the program's test lines; good when it has said four and ended well
    sed -n "s/^\(ok\|not ok\) native-/\1 native-$1-/p" "$log"
    [ $status = 0 ] && [ "$(grep -ac '^ok native-' "$log")" = 4 ]
}
system hosted "$build/test/native-hosted.bundle" 'display=off http=off'
lines hosted
result native-hosted $? "exit code $status: $(seen "$log")"

qemu_or_skip native || finish
archive=$build/test/native-x86_64.bundle words='display=off http=off net=off'
system qemu "$archive" "$words"
lines qemu
result native-qemu-tests $? "exit code $status: $(seen "$log")"
# A stack that overflows ends the process by a trap in the first 64 KiB, a wrong pointer by an abort. The
# system would start the program again and again: one time is enough.
system qemu "$archive" "stack $words" --until 'ended by trap .'
check native-qemu-stack-overflow "$(seen "$log")" \
    grep -aqE 'shell \([0-9]+\) ended by trap 2 at 0x[0-9a-f]{1,4}$' "$log"
system qemu "$archive" "pointer $words" --until 'ended by trap .'
check native-qemu-wrong-pointer "$(seen "$log")" grep -aq 'ended by trap 9' "$log"
check native-qemu-wrong-pointer-named "$(seen "$log")" grep -aq 'a pointer outside of linear memory' "$log"
finish
