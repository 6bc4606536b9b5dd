/* A turn: one thread of a process at a time does something that takes too long for a spin lock, such as a
   change of its linear memory. Others wait in order. */
#ifndef KP_KERNEL_TURN_H
#define KP_KERNEL_TURN_H

#include "kernel/machine/machine.h"

/* All zero and kp_turn_init: free. */
typedef struct kp_turn {
    kp_spinlock_t lock;
    bool is_taken;     /* guarded by: lock */
    kp_list_t waiting; /* guarded by: lock */
} kp_turn_t;

void kp_turn_init(kp_turn_t *turn);
/* Thread context, no locks held. ERR_CANCELLED: the calling thread is dying, and has not got it. */
kp_status_t kp_turn_take(kp_turn_t *turn);
void kp_turn_give(kp_turn_t *turn);

#endif
