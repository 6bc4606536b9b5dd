/* The serial port COM1 (115200 8N1), shared by the kernel's log and the console0 device. */
#ifndef KP_X86_SERIAL_H
#define KP_X86_SERIAL_H

#include "kernel/base/base.h"

/* Writes the bytes, "\n" as "\r\n", one caller's bytes unbroken by another's. Blocks while the
   transmitter is full. Any context. */
void kp_x86_serial_write(const void *bytes, size_t count);

#endif
