#include "kernel/object/turn.h"

#include "kernel/object/thread.h"

/* In the waiting thread's frame; guarded by the turn's lock. */
typedef struct turn_waiter {
    kp_list_t link;
    kp_thread_t *thread;
    bool has_turn; /* and out of the list */
} turn_waiter_t;

void kp_turn_init(kp_turn_t *turn)
{
    kp_spin_init(&turn->lock);
    turn->is_taken = false;
    kp_list_init(&turn->waiting);
}

kp_status_t kp_turn_take(kp_turn_t *turn)
{
    turn_waiter_t waiter = {.thread = kp_machine_thread_current()};
    kp_status_t status = KP_OK;
    kp_spin_lock(&turn->lock);
    if (!turn->is_taken) {
        turn->is_taken = true;
        kp_spin_unlock(&turn->lock);
        return KP_OK;
    }
    kp_list_append(&turn->waiting, &waiter.link);
    while (!waiter.has_turn && status == KP_OK) {
        kp_spin_unlock(&turn->lock);
        (void)kp_machine_thread_park(KP_TIME_INFINITE);
        kp_spin_lock(&turn->lock);
        if (!waiter.has_turn && kp_thread_is_dying(waiter.thread)) {
            kp_list_remove(&waiter.link);
            status = KP_ERR_CANCELLED;
        }
    }
    kp_spin_unlock(&turn->lock);
    return status;
}

void kp_turn_give(kp_turn_t *turn)
{
    kp_spin_lock(&turn->lock);
    turn->is_taken = !kp_list_is_empty(&turn->waiting);
    if (turn->is_taken) {
        turn_waiter_t *next = KP_CONTAINER_OF(turn->waiting.next, turn_waiter_t, link);
        kp_list_remove(&next->link);
        next->has_turn = true;
        kp_machine_thread_unpark(next->thread); /* it leaves only after it has held the lock */
    }
    kp_spin_unlock(&turn->lock);
}
