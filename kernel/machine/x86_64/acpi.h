/* The little that is read of ACPI's tables. */
#ifndef KP_X86_ACPI_H
#define KP_X86_ACPI_H

#include "kernel/machine/x86_64/boot.h"

/* Fills boot->cpus from the table of interrupt controllers (MADT). boot->rsdp: where the loader said
   that the root pointer is, or 0: it is searched where a PC has it. With the boot page tables, before
   any RAM is reused. Without tables the list stays empty. */
void kp_x86_acpi_read(kp_x86_boot_t *boot);

#endif
