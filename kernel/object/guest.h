/* Guest memories: address space of a process outside its linear memory, for the memories of programs that
   it runs as code made at run time (kernel/object/code.h). Compiled code reaches all of an 8 GiB reservation
   with a 32-bit index and offset and so checks nothing: what it touches beyond the memory's size is a
   fault, which the machine hands to the program (kp_machine_space_guest_handler).

   The kernel never reads or writes there: pointers in system calls are offsets in linear memory. Whoever may
   map code (a handle to code made at run time, with MAP and EXECUTE) may have memories for it. */
#ifndef KP_KERNEL_GUEST_H
#define KP_KERNEL_GUEST_H

#include "abi/calls.h"
#include "kernel/object/process.h"

typedef struct kp_guest {
    uint64_t address; /* 0: the slot is empty */
    uint64_t reserve; /* bytes */
    uint64_t size;    /* bytes */
} kp_guest_t;

/* Made with the first; stays until the process's space goes. */
struct kp_guests {
    uint32_t count;
    kp_guest_t slots[KP_GUESTS_MAX];
};

/* One thread of the process at a time (process->turn) for these. Addresses as the program's code sees them. */

/* reserve: bytes, a multiple of 64 KiB, at most KP_GUEST_RESERVE_MAX. Charged to the process: an object.
   ERR_QUOTA, ERR_NO_MEMORY. */
kp_status_t kp_guest_create(kp_process_t *process, uint64_t reserve, uint64_t *address);
/* By delta pages of 64 KiB; *old: the size before, in the same. Charged: its pages and their tables.
   ERR_NOT_FOUND: no reservation begins there. ERR_NO_MEMORY (also past the reservation), ERR_QUOTA. */
kp_status_t kp_guest_grow(kp_process_t *process, uint64_t address, uint64_t delta, uint64_t *old);
/* ERR_NOT_FOUND, ERR_NO_MEMORY. */
kp_status_t kp_guest_destroy(kp_process_t *process, uint64_t address);
bool kp_guests_exist(const kp_process_t *process);

/* After the space was destroyed: what they cost is given back. */
void kp_guests_clear(kp_process_t *process);

#endif
