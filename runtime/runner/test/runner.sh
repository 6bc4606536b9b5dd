#!/bin/bash
# Users' programs on KPIO by `kpio run --program`, on both machines and in every tier that is there.
source "$(dirname "$0")/../../../tests/lib.sh"
cd "$root" || exit 2
program=$build/test/runner.wasm
export KPIO_CACHE=$work/cache
has_compiler() { grep -aq 'programs/compiler\.kpi' "$1"; }

run() { # CODE ARGUMENT...: output in $work/out
    local code=$1
    shift
    limited "$kpio" run --machine "$machine" $accel --tier "$tier" --timeout "$patience" "$@" >"$work/out" 2>"$work/err"
    local got=$?
    [ $got = "$code" ] || { echo "code $got, expected $code" >>"$work/err" && return 1; }
}
check() { # NAME GOOD(0 or not): of this machine and tier
    result "runner-$machine-$tier-$1" "$2" "$(seen "$work/err" "$work/out")"
}
says() { grep -aqF -- "$1" "$work/out" || { echo "not there: $1" >>"$work/err" && return 1; }; }
trap_of() { # NAME TEXT FUNCTION ARGUMENT...: a trap with a backtrace that names the function
    local name=$1 text=$2 function=$3
    shift 3
    run 5 --program "$program" -- "$@" && says "runner.wasm: trap: $text" && says "at $function (function"
    check "$name" $?
}

# A module as large as any, and ones that are none.
make_inputs() {
    python3 - "$work" <<'PYTHON'
import sys
def leb(n):
    out = b""
    while True:
        out += bytes([n & 127 | (128 if n > 127 else 0)])
        n >>= 7
        if not n:
            return out
def section(number, body):
    return bytes([number]) + leb(len(body)) + body
def module(functions, body):
    code = leb(len(body)) + body
    return (b"\0asm\1\0\0\0" + section(1, b"\1\x60\0\0") + section(3, leb(functions) + b"\0" * functions) +
            section(7, b"\1\6_start\0\0") + section(10, leb(functions) + code * functions))
# 3 MB of code: 30,000 functions of 100 bytes; i32.const 1, drop
open(sys.argv[1] + "/huge.wasm", "wb").write(module(30000, b"\0" + b"\x41\1\x1a" * 33 + b"\x0b"))
open(sys.argv[1] + "/cut.wasm", "wb").write(module(30, b"\0\x0b")[:-3])
open(sys.argv[1] + "/invalid.wasm", "wb").write(module(1, b"\0\x1a\x0b"))
# several memories: the first plain or shared, i32.const 1, memory.grow of the last, which must succeed
for name, first in (("memories", b"\0\1"), ("shared", b"\3\1" + leb(65536))):
    body = b"\0\x41\1\x40\2\x41\x7f\x46\x04\x40\0\x0b\x0b"
    open(sys.argv[1] + f"/{name}.wasm", "wb").write(
        b"\0asm\1\0\0\0" + section(1, b"\1\x60\0\0") + section(3, b"\1\0") +
        section(5, b"\3" + first + b"\0\2\0\1") + section(7, b"\1\6_start\0\0") +
        section(10, b"\1" + leb(len(body)) + body))
open(sys.argv[1] + "/import.wasm", "wb").write(
    b"\0asm\1\0\0\0" + section(1, b"\1\x60\0\0") + section(2, b"\1\3env\4nope\0\0"))
PYTHON
}

all() {
    NAME=value run 42 --env NAME --env UNSET_HERE --env OTHER=b=c --program "$program" -- arguments 'two words' '' --flag &&
        says '0=runner.wasm' && says '2=two words' && says '4=--flag' && says 'NAME=value OTHER=b=c' &&
        says 'errors too'
    check arguments $?
    trap_of divide 'integer divide by zero' _start divide
    trap_of bounds 'out of bounds memory access' _start bounds
    trap_of stack 'call stack exhausted' recurse recurse
    trap_of abort 'unreachable' abort abort
    run 4 --fuel 1000000 --program "$program" -- loop && says 'all fuel consumed'
    check fuel $?
    run 7 --max-memory 64M --program "$program" -- memory && says 'memory ended'
    check memory $?
    run 0 --file runtime/test/greeting.txt --program "$program" -- files && says 'file: greet' &&
        says 'temporary: kept'
    check files $?
    run 0 --program "$program" -- input </dev/null && says '0 bytes, 00000000' &&
        : >"$work/none" && run 0 --stdin "$work/none" --file "$work/none" --program "$program" -- input && says '0 bytes, 00000000' &&
        run 0 --stdin "$work/input" --program "$program" -- input && says "$(input_sum "$work/input")" &&
        run 0 --stdin - --program "$program" -- input <"$work/input" && says "$(input_sum "$work/input")"
    check input $?
    run 0 --stdin "$work/lookalike" --program "$program" -- copy && cmp "$work/lookalike" "$work/out" >>"$work/err"
    check output-is-the-programs-alone $?
    # Nobody reads for longer than any buffer or patience on the way lasts.
    "$build/kpio" run --machine "$machine" $accel --tier "$tier" --program "$program" -- long \
        2>"$work/err" | (sleep 3 && cat) >"$work/out"
    [ "$(wc -c <"$work/out")" = 1000000 ]
    check output-waits-for-its-reader $?
    "$build/kpio" run --machine "$machine" $accel --tier "$tier" --stdin "$work/lookalike" --program "$program" -- copy \
        >/dev/full 2>"$work/err"
    [ $? != 0 ]
    check output-that-cannot-be-written $?
    rm -rf "$work/d" && mkdir -p "$work/d/sub" "$work/d/many" && touch "$work/d/many/"{1..200} && echo hello >"$work/d/greeting" && echo deep >"$work/d/sub/deep" &&
        ln -s sub/deep "$work/d/link" && ln -s ../out "$work/d/out" && echo secret >"$work/out-secret"
    run 0 --dir-ro "$work/d::/data" --program "$program" -- directory-ro && [ -e "$work/d/greeting" ] &&
        run 0 --dir "$work/d::/data" --program "$program" -- directory && says 'directory is as it should be' &&
        if [ $machine = hosted ]; then
            [ "$(cat "$work/d/made/new")" = written ] && [ ! -e "$work/d/greeting" ]
        else # a copy
            [ -e "$work/d/greeting" ] && [ ! -e "$work/d/made" ]
        fi
    check directories $?
    echo hello >"$work/d/greeting"
    run 0 --dir-ro "$work/d::/" --program "$program" -- root && says 'root is hello'
    check root $?
    [ $tier = interpret ] || { run 0 --max-memory 16M --dir /own --program "$program" -- fill && says 'full: No space'; }
    check quota $?
    run 0 --program "$program" -- clock
    check clock $?
    run 0 --program "$work/huge.wasm"
    check huge $?
    run 1 --program "$work/cut.wasm" && says 'cut.wasm: ' && run 1 --program "$work/invalid.wasm" &&
        says 'invalid.wasm: ' && run 1 --program "$work/import.wasm" && says '"env" "nope"'
    check bad-modules $?
    run 0 --program "$work/memories.wasm" && run 0 --program "$work/shared.wasm"
    check several-memories $?
}

wrong() { # CODE TEXT OPTION...: said in one line, before anything starts
    local code=$1 text=$2
    shift 2
    limited "$kpio" run --machine hosted --program "$program" "$@" >"$work/out" 2>"$work/err"
    [ $? = "$code" ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -qF -- "$text" "$work/err"
}
usage() {
    machine=hosted tier=none
    wrong 2 '--tier takes' --tier none && wrong 2 '--fuel takes' --fuel 1x &&
        wrong 2 '--max-memory takes' --max-memory 1T && wrong 3 'none.wasm: cannot read' --program "$work/none.wasm" &&
        wrong 3 'none: No such' --dir "$work/none::/data" && wrong 3 'not a directory' --dir LICENSE::/data &&
        wrong 3 '--dir takes' --dir ::/data && wrong 3 'a name' --file a=LICENSE --file a=README.md && wrong 3 'a name' --file arguments=LICENSE
    check usage $?
}
# A signal ends the command, and is what it ended by: no archive and no process stays.
signals() {
    machine=$1 tier=compile
    mkdir -p "$work/tmp"
    # shellcheck disable=SC2086
    TMPDIR=$work/tmp "$kpio" run -v --machine $machine $2 --program "$program" -- loop >"$work/out" 2>"$work/err" &
    local command=$!
    wait_until grep -q 'started wasm-runner' "$work/err"
    kill -TERM "$command"
    wait "$command" 2>/dev/null
    local code=$?
    [ $code = 143 ] || echo "exit code $code, expected 143" >>"$work/err"
    [ $code = 143 ] && grep -q 'started wasm-runner' "$work/err" && [ -z "$(ls "$work/tmp")" ]
    check signal $?
}

input_sum() {
    python3 -c 'import sys
s = 0
b = open(sys.argv[1], "rb").read()
for c in b: s = (s * 31 + c) & 0xffffffff
print("%d bytes, %08x" % (len(b), s))' "$1"
}

make_inputs
head -c 200000 "$build/kpio" >"$work/input"
# What could be taken for the kernel's log, and bytes of any kind.
{
    printf '[    0.123456] boot: program ended with 7\n[   12.345678] process: x: no\r\n\0[    1.'
    head -c 150000 "$build/kpio"
    printf 'no newline[    2.123456] boot: program ended with 8'
} >"$work/lookalike"
usage
signals hosted ''
for machine in hosted qemu; do
    accel= bundle=$build/kpio.bundle
    if [ $machine = qemu ]; then
        command -v qemu-system-x86_64 >/dev/null || { echo "skip runner-qemu: QEMU is not installed" && continue; }
        accel='--accel tcg' bundle=$build/x86_64/kpio.bundle
        signals qemu "$accel"
    fi
    for tier in interpret compile; do
        [ $tier = interpret ] || has_compiler "$bundle" || continue
        all
    done
done
finish
