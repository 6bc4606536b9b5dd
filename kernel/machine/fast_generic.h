/* fast.h of machines that have nothing shorter than machine.h. */
#ifndef KP_MACHINE_FAST_H
#define KP_MACHINE_FAST_H

#include "abi/ipc.h"
#include "kernel/object/process.h"

/* The process of the calling thread, which has one. */
static inline kp_process_t *kp_fast_process(void)
{
    return kp_machine_thread_current()->process;
}

static inline kp_thread_t *kp_fast_thread(void)
{
    return kp_machine_thread_current();
}

/* A call begins that is not short. */
static inline void kp_fast_interrupts_on(void)
{
}

/* kp_spin_lock and kp_spin_unlock, inside calls that are short (x86_64: with interrupts off). */
static inline void kp_fast_lock(kp_spinlock_t *spin)
{
    kp_spin_lock(spin);
}

static inline void kp_fast_unlock(kp_spinlock_t *spin)
{
    kp_spin_unlock(spin);
}

/* kp_machine_thread_handoff. */
static inline bool kp_fast_hand_off(kp_thread_t *to, kp_time_t deadline)
{
    return kp_machine_thread_handoff(to, deadline);
}

/* From and to the memory of the calling thread's process; the ranges are checked. False: not at once, or
   not at all; kp_machine_space_copy_in and _out know. Also under a lock. */
static inline bool kp_fast_read(kp_process_t *process, void *to, uint32_t at, size_t count)
{
    return count == 0 || kp_machine_space_copy_in(&process->space, to, at, count) == KP_OK;
}

static inline bool kp_fast_read_call(kp_process_t *process, kp_channel_call_t *to, uint32_t at)
{
    return kp_fast_read(process, to, at, sizeof(*to));
}

static inline bool kp_fast_read_messages(kp_process_t *process, kp_channel_message_t to[2],
                                         uint32_t first, uint32_t second)
{
    return kp_fast_read(process, &to[0], first, sizeof(to[0])) &&
           kp_fast_read(process, &to[1], second, sizeof(to[1]));
}

/* A message without handles: its counts and transaction into the record at message_at, its bytes. */
static inline bool kp_fast_deliver(kp_process_t *process, uint32_t at, const void *bytes,
                                   uint32_t count, uint32_t message_at,
                                   kp_transaction_t transaction)
{
    kp_machine_space_t *space = &process->space;
    const uint32_t rest[2] = {0, transaction};
    _Static_assert(offsetof(kp_channel_message_t, handle_count) + sizeof(uint32_t) ==
                       offsetof(kp_channel_message_t, transaction),
                   "rest");
    return kp_machine_space_copy_out(space, message_at + offsetof(kp_channel_message_t, byte_count),
                                     &count, sizeof(count)) == KP_OK &&
           kp_machine_space_copy_out(space,
                                     message_at + offsetof(kp_channel_message_t, handle_count),
                                     rest, sizeof(rest)) == KP_OK &&
           (count == 0 || kp_machine_space_copy_out(space, at, bytes, count) == KP_OK);
}

#endif
