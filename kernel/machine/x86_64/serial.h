/* A 16550 serial port at 115200 baud, 8 bits, no parity, one stop bit. The caller locks. */
#ifndef KP_X86_SERIAL_H
#define KP_X86_SERIAL_H

#include "kernel/base/base.h"
#include "kernel/machine/x86_64/io.h"

enum {
    KP_X86_SERIAL_FIFO = 16,
    KP_X86_SERIAL_STATUS = 5,
    KP_X86_SERIAL_EMPTY = 0x20,
};

static inline bool kp_x86_serial_is_there(uint16_t port)
{
    return kp_x86_in8(port + KP_X86_SERIAL_STATUS) != 0xff;
}

static inline void kp_x86_serial_init(uint16_t port)
{
    kp_x86_out8(port + 1, 0);
    kp_x86_out8(port + 3, 0x80);
    kp_x86_out8(port + 0, 1);
    kp_x86_out8(port + 1, 0);
    kp_x86_out8(port + 3, 0x03);
    kp_x86_out8(port + 2, 0x07);
    kp_x86_out8(port + 4, 0x03);
}

/* False: the port did not take a byte within wait_max looks; a port that is not there must not stop the
   system. */
static inline bool kp_x86_serial_write(uint16_t port, const void *bytes, size_t count,
                                       unsigned wait_max)
{
    for (const uint8_t *at = bytes; count > 0;) {
        unsigned wait = 0;
        while (!(kp_x86_in8(port + KP_X86_SERIAL_STATUS) & KP_X86_SERIAL_EMPTY) &&
               ++wait < wait_max)
            __asm__ volatile("pause");
        if (wait == wait_max)
            return false;
        for (unsigned i = 0; i < KP_X86_SERIAL_FIFO && count > 0; i++, count--)
            kp_x86_out8(port, *at++);
    }
    return true;
}

#endif
