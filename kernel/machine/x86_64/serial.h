/* A 16550 serial port at 115200 baud, 8 bits, no parity, one stop bit. The caller locks. */
#ifndef KP_X86_SERIAL_H
#define KP_X86_SERIAL_H

#include "kernel/base/base.h"
#include "kernel/machine/x86_64/io.h"

enum {
    KP_X86_SERIAL_FIFO = 16,
    KP_X86_SERIAL_STATUS = 5,
    KP_X86_SERIAL_EMPTY = 0x20,
    KP_X86_SERIAL_IDLE = 0x40, /* and nothing is on the wire */
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

/* How many bytes the port took: less than count when it did not take one within wait_max looks. */
static inline size_t kp_x86_serial_offer(uint16_t port, const void *bytes, size_t count,
                                         unsigned wait_max)
{
    const uint8_t *at = bytes, *end = at + count;
    while (at < end) {
        unsigned wait = 0;
        while (!(kp_x86_in8(port + KP_X86_SERIAL_STATUS) & KP_X86_SERIAL_EMPTY) &&
               ++wait < wait_max)
            __asm__ volatile("pause");
        if (wait == wait_max)
            break;
        for (unsigned i = 0; i < KP_X86_SERIAL_FIFO && at < end; i++)
            kp_x86_out8(port, *at++);
    }
    return count - (size_t)(end - at);
}

/* False: not all was taken; a port that is not there must not stop the system. */
static inline bool kp_x86_serial_write(uint16_t port, const void *bytes, size_t count,
                                       unsigned wait_max)
{
    return kp_x86_serial_offer(port, bytes, count, wait_max) == count;
}

#endif
