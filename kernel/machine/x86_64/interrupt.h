/* Interrupt vectors for drivers: message-signalled interrupts (MSI, MSI-X) only. */
#ifndef KP_X86_INTERRUPT_H
#define KP_X86_INTERRUPT_H

#include "kernel/base/base.h"

/* Takes a free vector for handler(argument). The handler runs with interrupts off on the
   interrupted thread's kernel stack: it must be short, must not allocate or park; it may take spin
   locks and call kp_machine_thread_unpark and kp_device_signal. The interrupt has been
   acknowledged at the LAPIC when it returns. ERR_NO_MEMORY: all vectors are taken. Thread context.
 */
kp_status_t kp_x86_interrupt_allocate(void (*handler)(void *), void *argument, uint8_t *vector);
/* The device must have been silenced first. */
void kp_x86_interrupt_free(uint8_t vector);

/* What a driver writes to an MSI or MSI-X table entry so that the vector arrives at the boot CPU,
   fixed delivery, edge-triggered. */
uint64_t kp_x86_msi_address(void);
uint32_t kp_x86_msi_data(uint8_t vector);

/* Adds bytes from a hardware source (virtio-rng) to the kernel's generator. Thread context. */
void kp_x86_entropy_add(const void *bytes, size_t count);

#endif
