#!/bin/bash
# The specification suites on KPIO, hosted and on the machine x86_64 (QEMU, TCG): the native program spec_kpio as the
# system's shell, with the suites in its boot archive.
#   kpio.sh [ENGINE [SUITE [WORD...]]]      WORD: for the program, e.g. only=simd_lane
# KPIO_SPEC_MACHINES="hosted qemu"
source "$(dirname "$0")/../../../tests/lib.sh"
source "$root/tests/system.sh"
cd "$root" || exit 2
here=runtime/test/spec
machines=${KPIO_SPEC_MACHINES:-hosted qemu}
[[ $machines == *qemu* ]] && { qemu_or_skip wasm-testsuite || machines=${machines/qemu/}; }
asked=${1-}
engines=${1:-interpret compile lazy}
suites=${2:-2022-11 2026-06}
shift $(($# < 2 ? $# : 2))
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
            net=
            [ "$machine" = qemu ] && net=net=off
            system "$machine" "$work/bundle" \
                "display=off http=off $net spawn=shell engine=$engine suite=$suite features=$features $expect $more $*" \
                --memory 1024 --limit "$guest_limit"
            [ -n "$more" ] && [ -z "$*" ] && ! grep -aq 'compiler at spec: killed' "$log" && status=99
            sed -nE "s,^(ok|not ok) ,&$machine-$suite/,p; /^# /p" "$log"
            if [ $status != 0 ] || ! grep -aq '^# total: .* 0 failed' "$log"; then
                grep -avE '^(ok|not ok|#) ' "$log" >"$work/said"
                not_ok "wasm-testsuite-$machine-$suite-$engine" "exit code $status: $(seen "$work/said")"
            fi
        done
    done
done
finish
