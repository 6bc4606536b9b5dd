# Systems that are booted for one look at what they say (sourced, bash, after lib.sh): on the machine hosted, and on
# x86_64 in QEMU with no more devices than the serial line.

# qemu_or_skip NAME: false, and said so, where there is no QEMU
qemu_or_skip() {
    command -v qemu-system-x86_64 >/dev/null && return
    echo "skip $1-qemu: QEMU is not installed"
    return 1
}

# system hosted|qemu ARCHIVE WORDS [OPTION VALUE]... [-- QEMU ARGUMENT...]: boots with the words as command line
# (ARCHIVE may be empty), and waits for the end. Sets $log to the file with the output, without carriage returns, and
# $status to the exit code that the system gave; 124: it had to be ended; 125: it did not start.
#   --cpus N, --memory MIB, --cpu MODEL, --kernel FILE
#   --clock guest      counts the guest's instructions (one CPU): nothing depends on the host
#   --until PATTERN    ends it as soon as a line has that; $status is 0 then
#   --limit SECONDS    instead of $patience
#   --log FILE         instead of $work/log
system() {
    local machine=$1 archive=$2 words=$3 cpus=1 memory=256 cpu=max kernel=$build/x86_64/kpio.elf until= limit=$patience
    local counted=() more=() firmware=()
    log=$work/log
    shift 3
    while [ $# -gt 0 ]; do
        case $1 in
        --cpus) cpus=$2 ;;
        --memory) memory=$2 ;;
        --cpu) cpu=$2 ;;
        --kernel) kernel=$2 ;;
        --clock) counted=(-icount "shift=0,sleep=off") ;;
        --until) until=$2 ;;
        --limit) limit=$2 ;;
        --log) log=$2 ;;
        --)
            shift
            more=("$@")
            break
            ;;
        *) echo "not ok system: no option $1" && exit 2 ;;
        esac
        shift 2
    done
    if [ "$machine" = hosted ]; then
        timeout --kill-after=5 $((limit + 60)) "$kpio" run -v --machine hosted --bundle "$archive" --timeout "$limit" \
            --append "$words" >"$log.raw" 2>&1 </dev/null &
    else
        [ -f /usr/share/qemu/qboot.rom ] && firmware=(-bios qboot.rom)
        [ -n "$archive" ] && more+=(-initrd "$archive")
        timeout --kill-after=5 "$limit" qemu-system-x86_64 -machine q35,accel=tcg -cpu "$cpu" -m "$memory" -smp "$cpus" \
            "${counted[@]}" -nodefaults -no-user-config -no-reboot -vga none -display none "${firmware[@]}" \
            -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$kernel" -append "$words" "${more[@]}" \
            >"$log.raw" 2>&1 </dev/null &
    fi
    guest=$!
    pids+=("$guest")
    if [ -n "$until" ] && wait_for "$limit" grep -aqsE -- "$until" "$log.raw"; then
        kill "$guest" 2>/dev/null
        wait "$guest" 2>/dev/null
        status=0
    else
        wait "$guest"
        status=$?
        if [ $status = 124 ] || [ $status = 137 ]; then
            status=124
            echo "(ended after $limit s)" >>"$log.raw"
            patience=$((patience / 10 + 1))
        elif [ "$machine" = qemu ]; then # the exit device gives code << 1 | 1; 1 is also QEMU's own failure
            if grep -aq 'KPIO' "$log.raw" && [ $((status % 2)) = 1 ]; then status=$((status / 2)); else status=125; fi
        fi
    fi
    guest=
    tr -d '\r' <"$log.raw" >"$log"
}
