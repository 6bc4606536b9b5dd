/* Guest memories: between space_guest.c, space.c and trap.c. */
#ifndef KP_X86_SPACE_GUEST_H
#define KP_X86_SPACE_GUEST_H

#include "kernel/machine/machine.h"
#include "kernel/machine/x86_64/trap.h"

/* Is the page inside a guest memory's size? The space's lock is held. */
bool kp_x86_guest_has(const kp_machine_space_t *space, uint64_t page);
/* A private page was made there, in linear or in guest memory: if it was promised, it is so no more. The
   space's lock is held. */
void kp_x86_space_promise_kept(kp_machine_space_t *space, uint64_t page);
/* A VMO shows at [start, end) of linear memory now, or it was unmapped: no memory is kept for it. The space's lock is held. */
void kp_x86_space_promise_drop(kp_machine_space_t *space, uint64_t start, uint64_t end);
/* A fault that no page mends: true when the program is to handle it, and the frame leads there. */
bool kp_x86_guest_deliver(kp_machine_space_t *space, kp_x86_frame_t *frame, uint64_t address);
/* The space is destroyed. */
void kp_x86_guests_free(kp_machine_space_t *space);

#endif
