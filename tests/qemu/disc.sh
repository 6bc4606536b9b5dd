#!/bin/bash
# The whole system from a disc, as on a PC without virtio graphics: GRUB loads it under BIOS and under
# UEFI, and the page appears on the boot loader's frame buffer.
source "$(dirname "$0")/../e2e/lib.sh"
monitor=$build/tools/monitor
start_server "$root/tests/pages"
mkdir -p "$work/iso/boot/grub"
strip -o "$work/iso/boot/kpio.elf" "$build/x86_64/kpio.elf"
cp "$build/x86_64/kpio.bundle" "$work/iso/boot/"
sed "s|multiboot2 /boot/kpio.elf|& url=http://10.0.2.2:$port/index.html|" \
    "$root/kernel/machine/x86_64/grub.cfg" >"$work/iso/boot/grub/grub.cfg"
if ! grub-mkrescue -o "$work/disc.iso" "$work/iso" >"$work/grub.log" 2>&1; then
    not_ok disc-made "$(seen "$work/grub.log")"
    finish
fi
for firmware in BIOS UEFI; do
    bios=()
    if [ $firmware = UEFI ]; then
        [ -e /usr/share/qemu/OVMF.fd ] || { echo "skip disc-UEFI: OVMF is not installed" && continue; }
        bios=(-bios OVMF.fd)
    fi
    log=$work/$firmware.log
    # -no-reboot and the time limit: nothing of this stays behind.
    timeout --kill-after=5 "$guest_limit" qemu-system-x86_64 -machine q35,accel=tcg -cpu max -m 256 -nodefaults \
        -no-user-config "${bios[@]}" -vga std -display none -no-reboot -netdev user,id=net \
        -device virtio-net-pci,netdev=net -device virtio-rng-pci -serial "file:$log" \
        -qmp "unix:$work/$firmware.qmp,server=on,wait=off" -cdrom "$work/disc.iso" \
        >"$work/out" 2>&1 </dev/null &
    guest=$!
    pids+=($guest)
    if wait_until grep -saq 'load-done http://10.0.2.2' "$log"; then
        ok "disc-$firmware-loads"
        check "disc-$firmware-frame-buffer" "another screen driver" grep -aq 'gpu0: boot frame buffer' "$log"
        shown() {
            "$monitor" "$work/$firmware.qmp" picture "$work/$firmware.png" 2>/dev/null &&
                [ "$($pixels "$work/$firmware.png" count ff0000)" = 2400 ]
        }
        explain() { echo "$($pixels "$work/$firmware.png" count ff0000 2>&1) red pixels" && seen "$log"; }
        await "disc-$firmware-shown" "the red box on the screen" shown
    else
        not_ok "disc-$firmware-loads" "waited for the page: $(seen "$log" "$work/out" | tr -cd '[:print:]\n')"
    fi
    kill $guest 2>/dev/null
    wait $guest 2>/dev/null
    guest=
done
finish
