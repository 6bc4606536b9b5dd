#!/bin/bash
# WASI in a program of wasm2c on the machine x86_64: the program wasi_test as QEMU's shell. (Hosted: runtime/test.)
source "$(dirname "$0")/../../../tests/lib.sh"
source "$root/tests/system.sh"
qemu_or_skip wasi || exit 0
system qemu "$build/test/wasi.bundle" 'display=off http=off net=off directory=/tmp directory=/cases'
grep -aoE '(not )?ok [a-z_]+' "$log" | sed -E 's/ok ([a-z])/ok wasi-qemu-\1/'
count=$(grep -acE '[^t] ok [a-z_]+|: ok ' "$log")
[ $status = 0 ] && [ "$count" -ge 30 ]
result wasi-qemu-program $? "exit code $status, $count cases: $(seen "$log")"
finish
