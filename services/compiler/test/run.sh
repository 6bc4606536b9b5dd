#!/bin/bash
# The compiler service on both machines: hosted with the kernel under sanitizers, in QEMU with 1 and with 4
# processors. Prints test lines. -liar: with workers that lie.
# usage: run.sh [hosted|hosted-liar|qemu-1|qemu-1-liar|qemu-4 ...]
set -u
root=$(cd "$(dirname "$0")/../../.." && pwd)
build=${BUILD:-$root/build}
work=$(mktemp -d "${TMPDIR:-/tmp}/kpio-compiler.XXXXXX")
trap 'rm -rf "$work"' EXIT
failed=0
deaths="kill=compiler@kill-kept kill=compiler@kill-service kill=compiler-worker@kill-worker"
wanted=$("$build/tools/compile-digest" "$build/wasm/http.wasm" | sed 's/.* digest \([0-9a-f]*\) .*/\1/')

# report MACHINE: the driver's results in $work/log as test lines
report() {
    sed -n "s/^.*compiler: \(not ok\|ok\) \(.*\)/\1 compiler-$1-\2/p" "$work/log" | tr -d '\r' | tr ' ' '-' |
        sed 's/^not-ok-/not ok /; s/^ok-/ok /'
    grep -aq 'compiler: not ok' "$work/log" && failed=1
    if ! grep -aq 'compiler: finished: 0 failed' "$work/log"; then
        failed=1
        echo "not ok compiler-$1: the driver did not finish: $(grep -a -e panic -e ERROR: -e 'runtime error' "$work/log" |
            head -n 1 | cut -c 1-200) $(tail -n 1 "$work/log" | cut -c 1-200)"
    fi
    case $1 in *-liar) return ;; esac
    # A 32-bit program compiles byte by byte what the compiler of this machine does.
    if [ -n "$wanted" ] && grep -aq "compiler: digest $wanted" "$work/log"; then
        echo "ok compiler-$1-same-code-as-native"
    else
        echo "not ok compiler-$1-same-code-as-native"
        failed=1
    fi
}

hosted() { # [-liar]
    local bundle=$build/test/compiler-hosted.bundle words=$deaths
    [ -n "${1-}" ] && bundle=$build/test/compiler-liar-hosted.bundle words=liar
    # shellcheck disable=SC2086
    ASAN_OPTIONS=abort_on_error=0 timeout --kill-after=5 600 "$build/tools/hostile-hosted" \
        "$bundle" $words >"$work/log" 2>&1 </dev/null
    report "hosted${1-}"
    # The archive's file is the kernel's for ever; everything else must be gone.
    if grep -a 'hostile: not ok' "$work/log" | grep -qv 'leak: 1 objects of type 2 '; then
        grep -a 'hostile: not ok' "$work/log" | sed 's/^.*not ok/not ok compiler-hosted/'
        failed=1
    fi
}

qemu() { # PROCESSORS [-liar]
    local bundle=$build/test/compiler-x86_64.bundle words=$deaths
    [ -n "${2-}" ] && bundle=$build/test/compiler-liar-x86_64.bundle words=liar
    timeout --kill-after=5 600 "$build/kpio" run --headless --accel tcg --memory 768 --smp "$1" --serial - \
        --bundle "$bundle" --append "net=off display=off $words" \
        >"$work/log" 2>"$work/err" </dev/null
    report "qemu-$1${2-}"
}

for machine in ${*:-hosted hosted-liar qemu-1 qemu-1-liar qemu-4}; do
    case $machine in
    hosted) hosted ;;
    hosted-liar) hosted -liar ;;
    qemu-*-liar) machine=${machine#qemu-} && qemu "${machine%-liar}" -liar ;;
    qemu-*) qemu "${machine#qemu-}" ;;
    esac
done
exit $failed
