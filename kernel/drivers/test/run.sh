#!/bin/bash
# The drivers against QEMU's devices: prints ok / not ok lines.
set -u
cd "$(dirname "$0")/../../.." || exit 2
build=${BUILD:-build}
exec "$build/tools/drivers-harness" "$build/x86_64/kpio.elf" "$build/x86_64/kpio.bundle"
