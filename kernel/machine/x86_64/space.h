/* Address spaces, for the page fault handler. */
#ifndef KP_X86_SPACE_H
#define KP_X86_SPACE_H

#include "kernel/machine/machine.h"

/* Makes the page at a user address present for the access that faulted. ERR_BAD_ADDRESS: ring 3 has
   no business there; ERR_NO_MEMORY. The space is the current thread's. */
kp_status_t kp_x86_space_fault(kp_machine_space_t *space, uint64_t address, bool write,
                               bool execute);

/* Reads bytes at any user address, for reports about a process that dies; false when a page is not
   present. */
bool kp_x86_space_read(kp_machine_space_t *space, uint64_t address, void *to, size_t count);

/* The stack of a further thread may be used from now on; its pages go, and it may not be used. */
void kp_x86_space_stack_begin(kp_machine_space_t *space, uint32_t slot);
void kp_x86_space_stack_end(kp_machine_space_t *space, uint32_t slot);

/* snapshot.c: frees the user half of the tables with what they own, and the top. */
void kp_x86_space_tables_destroy(kp_machine_space_t *space);
/* A top table with the kernel's half; 0: no memory. */
uint64_t kp_x86_space_root_create(void);

#endif
