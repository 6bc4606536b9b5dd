#!/bin/bash
# The compiler service on both machines: hosted with the kernel under sanitizers, in QEMU with 1 and with 4
# processors. Prints test lines. -liar: with workers that lie.
# usage: run.sh [hosted|hosted-liar|qemu-1|qemu-1-liar|qemu-4 ...]
source "$(dirname "$0")/../../../tests/lib.sh"
log=$work/log
deaths="kill=compiler@kill-kept kill=compiler@kill-service kill=compiler-worker@kill-worker"
wanted=$("$build/tools/compile-digest" "$build/wasm/http.wasm" | sed 's/.* digest \([0-9a-f]*\) .*/\1/')

# report MACHINE: the driver's results in $work/log as test lines
report() {
    sed -n "s/^.*compiler: \(not ok\|ok\) \(.*\)/\1 compiler-$1-\2/p" "$log" | tr -d '\r' | tr ' ' '-' |
        sed 's/^not-ok-/not ok /; s/^ok-/ok /'
    grep -aq 'compiler: not ok' "$log" && failures=1
    grep -aq 'compiler: finished: 0 failed' "$log" ||
        not_ok "compiler-$1" "the driver did not finish (exit code $code): $(seen "$log")"
    case $1 in *-liar) return ;; esac
    # A 32-bit program compiles byte by byte what the compiler of this machine does.
    [ -n "$wanted" ] && grep -aq "compiler: digest $wanted" "$log"
    result "compiler-$1-same-code-as-native" $? "wanted '$wanted', got: $(grep -a -m 1 'compiler: digest' "$log")"
}

hosted() { # [-liar]
    local bundle=$build/test/compiler-hosted.bundle words=$deaths
    [ -n "${1-}" ] && bundle=$build/test/compiler-liar-hosted.bundle words=liar
    # shellcheck disable=SC2086
    ASAN_OPTIONS=abort_on_error=0 timeout --kill-after=5 "$guest_limit" "$build/tools/hostile-hosted" --files 1 \
        "$bundle" $words >"$log" 2>&1 </dev/null
    code=$?
    report "hosted${1-}"
    if grep -aq 'hostile: not ok' "$log"; then
        grep -a 'hostile: not ok' "$log" | sed 's/^.*not ok /not ok compiler-hosted-/'
        failures=1
    fi
}

qemu() { # PROCESSORS [-liar]
    local bundle=$build/test/compiler-x86_64.bundle words=$deaths
    [ -n "${2-}" ] && bundle=$build/test/compiler-liar-x86_64.bundle words=liar
    timeout --kill-after=5 "$guest_limit" "$kpio" run --headless --accel tcg --memory 768 --smp "$1" --serial - \
        --bundle "$bundle" --append "net=off display=off $words" \
        >"$log" 2>&1 </dev/null
    code=$?
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
finish
