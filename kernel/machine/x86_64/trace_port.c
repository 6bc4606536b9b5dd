/* The second serial port (16550 at 0x2f8): where a recording of kernel events goes. */
#include "kernel/machine/machine.h"
#include "kernel/machine/x86_64/io.h"

enum {
    PORT = 0x2f8,
    FIFO = 16,
    LINE_STATUS = PORT + 5,
    TRANSMIT_EMPTY = 0x20,
    WAIT_MAX = 10000000, /* a port that is not there must not stop the system */
};

static void port_init(void)
{
    kp_x86_out8(PORT + 1, 0);
    kp_x86_out8(PORT + 3, 0x80);
    kp_x86_out8(PORT + 0, 1);
    kp_x86_out8(PORT + 1, 0);
    kp_x86_out8(PORT + 3, 0x03);
    kp_x86_out8(PORT + 2, 0x07);
    kp_x86_out8(PORT + 4, 0x03);
}

/* One writer: kp_trace_finish runs once. */
kp_status_t kp_machine_trace_write(void *context, const void *bytes, size_t count)
{
    static bool ready;
    const uint8_t *at = bytes;
    (void)context;
    if (!ready)
        port_init();
    ready = true;
    if (kp_x86_in8(LINE_STATUS) == 0xff)
        return KP_ERR_NOT_SUPPORTED;
    while (count > 0) {
        unsigned wait = 0;
        while (!(kp_x86_in8(LINE_STATUS) & TRANSMIT_EMPTY) && ++wait < WAIT_MAX)
            __asm__ volatile("pause");
        if (wait == WAIT_MAX)
            return KP_ERR_IO;
        for (unsigned i = 0; i < FIFO && count > 0; i++, count--)
            kp_x86_out8(PORT, *at++);
    }
    return KP_OK;
}
