#!/bin/bash
# The specification suites on KPIO, hosted and on the machine x86_64 (QEMU, TCG): the native program spec_kpio as the
# system's shell, with the suites in its boot archive.
#   kpio.sh [ENGINE [SUITE [WORD...]]]      WORD: for the program, e.g. only=simd_lane
# KPIO_SPEC_MACHINES="hosted qemu"
set -u
cd "$(dirname "$0")/../../.." || exit 2
build=${BUILD:-build}
here=runtime/test/spec
machines=${KPIO_SPEC_MACHINES:-hosted qemu}
command -v qemu-system-x86_64 >/dev/null ||
    { echo "skip wasm-testsuite-qemu: QEMU is not installed" && machines=${machines/qemu/}; }
asked=${1-}
engines=${1:-interpret compile lazy}
suites=${2:-2022-11 2026-06}
shift $(($# < 2 ? $# : 2))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bios=
[ -f /usr/share/qemu/qboot.rom ] && bios='-bios /usr/share/qemu/qboot.rom'
bad=0
run() { # MACHINE WORDS: the suite's output and exit code
    local seconds=${KPIO_SPEC_SECONDS:-600}
    if [ "$1" = hosted ]; then
        "$build/kpio" run -v --machine hosted --bundle "$work/bundle" --timeout "$seconds" --append "display=off http=off $2"
        return
    fi
    # shellcheck disable=SC2086
    timeout --kill-after=5 "$seconds" qemu-system-x86_64 -machine q35,accel=tcg -cpu max -m 1024 -smp 1 \
        -nodefaults -no-user-config -no-reboot -vga none -display none $bios -serial stdio \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$build/x86_64/kpio.elf" -initrd "$work/bundle" \
        -append "display=off http=off net=off $2" </dev/null
    [ $? = 1 ]
}
for suite in $suites; do
    if ! $here/unpack "$suite"; then
        echo "skip wasm-testsuite-qemu-$suite: not in the corpora, or its tools are not to be had"
        continue
    fi
    features=all
    [ "$suite" = 2022-11 ] && features=2
    for engine in $engines; do
        # Lazily: hosted only unless it is asked for: each function by a question to the service, which dies meanwhile.
        there=$machines more=
        [ "$engine" = lazy ] && more='kill=compiler@spec mark=100'
        [ "$engine" = lazy ] && [ -z "$asked" ] && there=${machines/qemu/}
        list=$here/expect/${engine/lazy/compile}-$suite.list expect=
        rm -f "$work/suite.tar"
        tar --format=ustar --sort=name --owner=0 --group=0 -C build/spec -cf "$work/suite.tar" "$suite"
        if [ -r "$list" ]; then
            tar --format=ustar --owner=0 --group=0 -C $here/expect -rf "$work/suite.tar" "${list##*/}"
            expect=expect=${list##*/}
        fi
        for machine in $there; do
            image=$build/image/x86_64
            [ "$machine" = hosted ] && image=$build/image/hosted
            "$build/tools/bundle" "$work/bundle" "programs/shell.kpi=$image/spec_kpio.kpi" \
                "programs/compiler.kpi=$image/compiler.kpi" "ui/suite.tar=$work/suite.tar"
            run "$machine" "spawn=shell engine=$engine suite=$suite features=$features $expect $more $*" >"$work/log" 2>&1
            status=$?
            [ -n "$more" ] && [ -z "$*" ] && ! grep -aq 'compiler at spec: killed' "$work/log" && status=99
            sed -nE "s,^(ok|not ok) ,&$machine-$suite/,p; /^# /p" "$work/log"
            if [ $status != 0 ] || ! grep -aq '^# total: .* 0 failed' "$work/log"; then
                bad=1
                echo "not ok wasm-testsuite-$machine-$suite-$engine"
                grep -avE '^(ok|not ok|#) ' "$work/log" | tail -n 20 | sed 's/^/# /'
            fi
        done
    done
done
exit $bad
