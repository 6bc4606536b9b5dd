#!/bin/bash
# The machine's tests in QEMU (plain emulation): the self-test kernel, every kind of panic, CPUs that are
# too old. Prints "ok NAME" or "not ok NAME" lines. Needs build/x86_64/selftest.elf (argument 1).
set -u
kernel=${1:-build/x86_64/selftest.elf}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
firmware=$([ -e /usr/share/qemu/qboot.rom ] && echo "-bios qboot.rom")

# boot CPU COMMAND-LINE [QEMU ARGUMENTS]: serial output in $work/out, QEMU's status in $status. The exit
# device gives code << 1 | 1; 124 is the time limit, which is only a guard.
boot() {
    local cpu=$1 line=$2
    shift 2
    timeout -k 5 ${patience:-240} qemu-system-x86_64 -accel tcg -cpu "$cpu" -m 256 -smp "${cpus:-1}" -machine q35 $firmware \
        -kernel "$kernel" -append "$line" -display none -serial stdio -no-reboot \
        -device isa-debug-exit,iobase=0xf4,iosize=4 "$@" </dev/null >"$work/out" 2>"$work/err"
    status=$?
    tr -d '\r' <"$work/out" >"$work/text"
}

report() { # NAME GOOD(0 or not)
    if [ "$2" = 0 ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        failed=1
        grep -a -e 'not ok ' -e panic -e '^  ' -e ', [0-9]* failed' "$work/text" | cat - "$work/err" | sed 's/^/# /' | tail -40
    fi
}

head -c 5000 /dev/zero | tr '\0' A >"$work/bundle"
boot max "selftest bundle=x" -initrd "$work/bundle"
sed -n 's/^.*selftest: \(ok\|not ok\) \(.*\)$/\1 x86_\2/p' "$work/text"
grep -q 'selftest: end, 0 failed' "$work/text" && [ $status = 3 ]
report x86_selftest_end $?

# More CPUs: everything again, on the same queues and locks.
for cpus in 2 4; do
    boot max "selftest"
    grep -q "smp: $cpus CPUs" "$work/text" && grep -q 'selftest: end, 0 failed' "$work/text" &&
        [ $status = 3 ]
    report "x86_selftest_smp_$cpus" $?
done
cpus=1

# A CPU without SMEP, SMAP, UMIP, XSAVE, RDRAND, 1 GiB pages: the oldest kind that is allowed.
boot Nehalem "selftest"
grep -q 'selftest: end, 0 failed' "$work/text" && [ $status = 3 ]
report x86_selftest_old_cpu $?

# panic=KIND ends QEMU with the panic's code and prints the reason and a symbol of the backtrace.
while read -r kind symbol reason; do
    boot max "panic=$kind"
    [ $status = 255 ] && grep -q "^KPIO panic: .*$reason" "$work/text" &&
        grep -q "^  #[0-9]* 0x[0-9a-f]* $symbol+0x" "$work/text"
    report "x86_panic_$kind" $?
    sed -n 's/^  kernel slid by //p' "$work/text" >>"$work/slides"
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
report x86_kaslr $?
cpus=4
boot max "panic=check kaslr=off"
[ $status = 255 ] && grep -q '^  kernel slid by 0x0$' "$work/text" &&
    [ "$(grep -c '^KPIO panic' "$work/text")" = 1 ] && grep -q '^KPIO has stopped' "$work/text"
report x86_panic_smp $?
cpus=1

# With every measure against speculation on; and the code that has them: no indirect branch but through
# a thunk (entry code that runs before, and the thunks, aside), lfence after the conditional swapgs.
boot max "selftest speculation=on log=debug"
grep -q 'speculation: retpolines on, at switches:.* RSB, on return: VERW' "$work/text" &&
    grep -q 'selftest: end, 0 failed' "$work/text" && [ $status = 3 ]
report x86_selftest_speculation $?
objdump -d --no-show-raw-insn "$kernel" >"$work/code"
awk '/^[0-9a-f]+ </ { name = $2 }
    /(call|jmp) +\*/ && name !~ /thunk|<long_mode>|trampoline/ { print name, $0 }' \
    "$work/code" >"$work/err"
[ ! -s "$work/err" ] && [ "$(grep -c indirect_thunk "$work/code")" -gt 30 ]
report x86_no_indirect_branches $?
awk '/<trap_common>:/ { on = 1 } on && /swapgs/ { print; getline; print; exit }' "$work/code" |
    tail -1 | grep -q lfence
report x86_swapgs_fenced $?

for lacking in "max,-popcnt POPCNT" "max,-nx NX" "pentium3 64-bit"; do
    boot "${lacking% *}" ""
    [ $status = 3 ] && grep -q "^KPIO cannot start: this CPU .*${lacking#* }" "$work/text"
    report "x86_cpu_lacks_${lacking#* }" $?
done
exit $failed
