#!/bin/bash
# The multiboot2 path: the self-test kernel from a disc, through GRUB, under BIOS and under UEFI firmware.
# Prints "ok NAME" or "not ok NAME" lines. Argument 1: the self-test kernel.
source "$(dirname "$0")/../../../../tests/lib.sh"
kernel=${1:-$build/x86_64/selftest.elf}

mkdir -p "$work/iso/boot/grub"
strip -o "$work/iso/boot/selftest.elf" "$kernel"
head -c 5000 /dev/zero | tr '\0' A >"$work/iso/boot/bundle"
cat >"$work/iso/boot/grub/grub.cfg" <<'CONFIG'
set timeout=0
insmod all_video
terminal_output console
menuentry "selftest" {
    multiboot2 /boot/selftest.elf selftest bundle=x
    module2 /boot/bundle
}
CONFIG
if ! grub-mkrescue -o "$work/disc.iso" "$work/iso" >"$work/log" 2>&1; then
    not_ok x86_iso_made "$(seen "$work/log")"
    finish
fi

for firmware in BIOS UEFI; do
    bios=
    if [ $firmware = UEFI ]; then
        [ -e /usr/share/qemu/OVMF.fd ] || { echo "skip x86_iso_UEFI: OVMF is not installed"; continue; }
        bios="-bios /usr/share/qemu/OVMF.fd"
    fi
    timeout -k 5 "$guest_limit" qemu-system-x86_64 -accel tcg -cpu max -m 256 -smp 2 -machine q35 $bios \
        -cdrom "$work/disc.iso" -display none -vga std -net none -no-reboot \
        -serial "file:$work/out" -device isa-debug-exit,iobase=0xf4,iosize=4 2>"$work/err"
    status=$?
    # The GRUB menu's screen codes are in the same stream.
    tr -d '\r' <"$work/out" >"$work/text"
    if [ $status = 3 ] && grep -aq 'through multiboot2' "$work/text" &&
        grep -aq 'selftest: ok bundle' "$work/text" &&
        grep -aq 'smp: 2 CPUs' "$work/text" && grep -aq 'end, 0 failed' "$work/text"; then
        ok "x86_iso_$firmware"
    else
        not_ok "x86_iso_$firmware" "exit code $status: $(seen "$work/err" "$work/text")"
    fi
done
finish
