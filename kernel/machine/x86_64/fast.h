/* What the shortest paths of the core use of the machine, inline. They are inside calls during which
   interrupts are off (dispatch.c: is_short), and that is what makes these so short. */
#ifndef KP_MACHINE_FAST_H
#define KP_MACHINE_FAST_H

#include "kernel/machine/x86_64/hand_off.h"
#include "kernel/machine/x86_64/user_copy.h"
#include "kernel/object/thread.h"

/* The process of the calling thread, which has one. */
static inline kp_process_t *kp_fast_process(void)
{
    return kp_x86_current()->process;
}

static inline kp_thread_t *kp_fast_thread(void)
{
    return KP_CONTAINER_OF(kp_x86_current(), kp_thread_t, machine);
}

/* A call begins that is not short. */
static inline void kp_fast_interrupts_on(void)
{
    kp_x86_interrupts_on();
}

/* kp_spin_lock and kp_spin_unlock for where interrupts are off until after the unlock. */
static inline void kp_fast_lock(kp_spinlock_t *spin)
{
    kp_x86_spin_take(spin, kp_x86_cpu());
}

static inline void kp_fast_unlock(kp_spinlock_t *spin)
{
    kp_x86_spin_give(spin);
}

/* kp_machine_thread_handoff. */
static inline __attribute__((always_inline)) bool kp_fast_hand_off(kp_thread_t *to,
                                                                   kp_time_t deadline)
{
    return (deadline == KP_TIME_INFINITE && kp_x86_hand_off_usual(&to->machine)) ||
           kp_machine_thread_handoff(to, deadline);
}

/* From and to the memory of the calling thread's process; the ranges are checked. False: not at once, or
   not at all; kp_machine_space_copy_in and _out know. Also under a lock. */
static inline bool kp_fast_read(kp_process_t *process, void *to, uint32_t at, size_t count)
{
    (void)process;
    return kp_x86_user_copy(to, kp_x86_user_pointer(at), count);
}

static inline bool kp_fast_read_call(kp_process_t *process, kp_channel_call_t *to, uint32_t at)
{
    (void)process;
    return kp_x86_user_copy_40(to, kp_x86_user_pointer(at));
}

static inline bool kp_fast_read_messages(kp_process_t *process, kp_channel_message_t to[2],
                                         uint32_t first, uint32_t second)
{
    (void)process;
    return kp_x86_user_copy_messages(to, kp_x86_user_pointer(first), kp_x86_user_pointer(second));
}

/* A message without handles: its counts and transaction into the record at message_at, its bytes. */
static inline bool kp_fast_deliver(kp_process_t *process, uint32_t at, const void *bytes,
                                   uint32_t count, uint32_t message_at,
                                   kp_transaction_t transaction)
{
    (void)process;
    return kp_x86_user_deliver(kp_x86_user_pointer(at), bytes, count,
                               kp_x86_user_pointer(message_at), transaction);
}

#endif
