/* Turning the machine off. */
#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/io.h"

enum {
    QEMU_EXIT = 0xf4,       /* isa-debug-exit: QEMU ends with code << 1 | 1 */
    Q35_PM_CONTROL = 0x604, /* ACPI PM1a control, where QEMU's firmware puts it */
    PIIX_PM_CONTROL = 0xb004,
    SLEEP_ENABLE = 1 << 13,
    RESET_CONTROL = 0xcf9,
    KEYBOARD_COMMAND = 0x64,
};

void kp_machine_shutdown(int code)
{
    kp_x86_interrupts_off();
    kp_x86_out32(QEMU_EXIT, (uint32_t)code);
    /* A failure on a machine without that device stays on the screen; only success powers off. */
    if (code == 0) {
        kp_x86_out16(Q35_PM_CONTROL, SLEEP_ENABLE);
        kp_x86_out16(PIIX_PM_CONTROL, SLEEP_ENABLE);
        /* Still here: not QEMU. Reset is better than a machine that looks alive. */
        kp_x86_out8(RESET_CONTROL, 0x06);
        kp_x86_out8(KEYBOARD_COMMAND, 0xfe);
    }
    for (;;)
        __asm__ volatile("cli; hlt");
}
