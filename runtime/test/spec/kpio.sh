#!/bin/bash
# The specification suites on the machine x86_64 (QEMU, TCG): the native program spec_kpio as the system's shell, with
# the suites in its boot archive.
#   kpio.sh [ENGINE [SUITE [WORD...]]]      WORD: for the program, e.g. only=simd_lane
set -u
cd "$(dirname "$0")/../../.." || exit 2
build=${BUILD:-build}
here=runtime/test/spec
command -v qemu-system-x86_64 >/dev/null || { echo "skip wasm-testsuite-qemu: QEMU is not installed" && exit 0; }
engines=${1:-interpret compile}
suites=${2:-2022-11 2026-06}
shift $(($# < 2 ? $# : 2))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bios=
[ -f /usr/share/qemu/qboot.rom ] && bios='-bios /usr/share/qemu/qboot.rom'
bad=0
for suite in $suites; do
    if ! $here/unpack "$suite"; then
        echo "skip wasm-testsuite-qemu-$suite: not in the corpora, or its tools are not to be had"
        continue
    fi
    features=all
    [ "$suite" = 2022-11 ] && features=2
    for engine in $engines; do
        list=$here/expect/$engine-$suite.list expect=
        rm -f "$work/suite.tar"
        tar --format=ustar --sort=name --owner=0 --group=0 -C build/spec -cf "$work/suite.tar" "$suite"
        if [ -r "$list" ]; then
            tar --format=ustar --owner=0 --group=0 -C $here/expect -rf "$work/suite.tar" "${list##*/}"
            expect=expect=${list##*/}
        fi
        "$build/tools/bundle" "$work/bundle" "programs/shell.kpi=$build/image/x86_64/spec_kpio.kpi" \
            "programs/compiler.kpi=$build/image/x86_64/compiler.kpi" "ui/suite.tar=$work/suite.tar"
        # shellcheck disable=SC2086
        timeout --kill-after=5 "${KPIO_SPEC_SECONDS:-300}" qemu-system-x86_64 -machine q35,accel=tcg -cpu max -m 1024 \
            -smp 1 -nodefaults -no-user-config -no-reboot -vga none -display none $bios -serial stdio \
            -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$build/x86_64/kpio.elf" -initrd "$work/bundle" \
            -append "display=off http=off net=off spawn=shell engine=$engine suite=$suite features=$features $expect $*" \
            >"$work/log" 2>&1 </dev/null
        status=$?
        sed -nE "s,^(ok|not ok) ,&qemu-$suite/,p; /^# /p" "$work/log"
        if [ $status != 1 ] || ! grep -aq '^# total: .* 0 failed' "$work/log"; then
            bad=1
            echo "not ok wasm-testsuite-qemu-$suite-$engine"
            grep -avE '^(ok|not ok|#) ' "$work/log" | tail -n 20 | sed 's/^/# /'
        fi
    done
done
exit $bad
