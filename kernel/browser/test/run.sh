#!/bin/bash
# The tab in front and the one in the background, in QEMU with one processor whose clock counts guest
# instructions, so that the shares do not depend on the host. Prints ok / not ok lines.
source "$(dirname "$0")/../../../tests/lib.sh"
source "$root/tests/system.sh"
qemu_or_skip tab-roles || exit 0
system qemu "$build/test/roles.bundle" 'net=off display=off' --clock guest
sed -n 's/^.*roles: \(not ok\|ok\) \([a-z-]*\)/\1 tab-roles-\2/p' "$log"
grep -q 'roles: finished' "$log" && ! grep -q 'roles: not ok' "$log"
result tab-roles $? "exit code $status: $(seen "$log")"
finish
