#!/bin/bash
# The machine's tests in QEMU (plain emulation): the self-test kernel, every kind of panic, CPUs that are
# too old. Prints "ok NAME" or "not ok NAME" lines. Needs build/x86_64/selftest.elf (argument 1).
source "$(dirname "$0")/../../../../tests/lib.sh"
source "$root/tests/system.sh"
kernel=${1:-$build/x86_64/selftest.elf}
qemu_or_skip x86 || exit 0

# boot CPU COMMAND-LINE [OPTION...]: the exit code in $status
boot() { system qemu "${archive:-}" "$2" --cpu "$1" --cpus "${cpus:-1}" --kernel "$kernel" --limit "$guest_limit" "${@:3}"; }

report() { # NAME GOOD(0 or not)
    result "$1" "$2" "exit code $status: $({ grep -a -m 3 -e 'not ok ' -e panic -e ', [1-9][0-9]* failed' "$log"; tail -n 2 "$log"; } | cut -c 1-160)"
}

head -c 5000 /dev/zero | tr '\0' A >"$work/bundle"
archive=$work/bundle boot max "selftest bundle=x"
sed -n 's/^.*selftest: \(ok\|not ok\) \(.*\)$/\1 x86_\2/p' "$log"
grep -q 'selftest: end, 0 failed' "$log" && [ $status = 1 ]
report x86_selftest_end $?

# More CPUs: everything again, on the same queues and locks.
for cpus in 2 4; do
    boot max "selftest"
    grep -q "smp: $cpus CPUs" "$log" && grep -q 'selftest: end, 0 failed' "$log" &&
        [ $status = 1 ]
    report "x86_selftest_smp_$cpus" $?
done
cpus=1

# A CPU without SMEP, SMAP, UMIP, XSAVE, RDRAND, 1 GiB pages: the oldest kind that is allowed.
boot Nehalem "selftest"
grep -q 'selftest: end, 0 failed' "$log" && [ $status = 1 ]
report x86_selftest_old_cpu $?

# panic=KIND ends QEMU with the panic's code and prints the reason and a symbol of the backtrace.
while read -r kind symbol reason; do
    boot max "panic=$kind"
    [ $status = 127 ] && grep -q "^KPIO panic: .*$reason" "$log" &&
        grep -q "^  #[0-9]* 0x[0-9a-f]* $symbol+0x" "$log"
    report "x86_panic_$kind" $?
    sed -n 's/^  kernel slid by //p' "$log" >>"$work/slides"
done <<'KINDS'
test provoke_panic_inner write of 0x0000000000000010, not mapped
stack depth kernel stack overflow
text provoke write of 0xffffffff[8-f].*, not allowed
alias provoke write of 0xffff[89a].*, not allowed
execute [a-z_]* execution of 0xffff[89a].*, not allowed
frame [a-z_]* a kernel stack frame was overwritten
check provoke check failed: what
lock kp_x86_spin_wait spin lock .* taken twice
KINDS

# Each boot had the kernel elsewhere, unless told not to; several CPUs panic once, and all stop.
[ "$(sort -u "$work/slides" | wc -l)" = "$(wc -l <"$work/slides")" ]
result x86_kaslr $? "the kernel was at the same place twice: $(sort "$work/slides" | uniq -d)"
cpus=4
boot max "panic=check kaslr=off"
[ $status = 127 ] && grep -q '^  kernel slid by 0x0$' "$log" &&
    [ "$(grep -c '^KPIO panic' "$log")" = 1 ] && grep -q '^KPIO has stopped' "$log"
report x86_panic_smp $?
cpus=1

# With every measure against speculation on; and the code that has them: no indirect branch but through
# a thunk (entry code that runs before, and the thunks, aside), lfence after the conditional swapgs.
boot max "selftest speculation=on log=debug"
grep -q 'speculation: retpolines on, at switches:.* RSB, on return: VERW' "$log" &&
    grep -q 'selftest: end, 0 failed' "$log" && [ $status = 1 ]
report x86_selftest_speculation $?
objdump -d --no-show-raw-insn "$kernel" >"$work/code"
awk '/^[0-9a-f]+ </ { name = $2 }
    /(call|jmp) +\*/ && name !~ /thunk|<long_mode>|trampoline/ { print name, $0 }' \
    "$work/code" >"$work/branches"
[ ! -s "$work/branches" ] && [ "$(grep -c indirect_thunk "$work/code")" -gt 30 ]
result x86_no_indirect_branches $? "$(head -n 3 "$work/branches")"
awk '/<trap_common>:/ { on = 1 } on && /swapgs/ { print; getline; print; exit }' "$work/code" |
    tail -1 | grep -q lfence
result x86_swapgs_fenced $? "no lfence after the conditional swapgs"

for lacking in "max,-popcnt POPCNT" "max,-nx NX" "pentium3 64-bit"; do
    boot "${lacking% *}" ""
    [ $status = 1 ] && grep -q "^KPIO cannot start: this CPU .*${lacking#* }" "$log"
    report "x86_cpu_lacks_${lacking#* }" $?
done
finish
