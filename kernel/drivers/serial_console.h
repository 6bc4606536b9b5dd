/* The console of programs: see serial_console.c. */
#ifndef KP_KERNEL_DRIVERS_SERIAL_CONSOLE_H
#define KP_KERNEL_DRIVERS_SERIAL_CONSOLE_H

/* Registers console1. Thread context, once; a machine without the port gets a line in the log. */
void kp_serial_console_start(void);

#endif
