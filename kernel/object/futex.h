/* Futexes: waiting for a word of a process's linear memory to change. A word that nobody waits for costs
   nothing; waiting needs no memory either (only to tell an owner of whom it holds up, a small record).

   Words are found by process and address, in one table hashed with a secret. A waiter is first put
   into the table and then looks at the word, a waker changes the word and then looks into the table: so
   none is missed, and no lock is held while memory is read.

   Locks: one for each bucket (futex.c), before that of priorities (kernel/object/priority.h). */
#ifndef KP_KERNEL_FUTEX_H
#define KP_KERNEL_FUTEX_H

#include "kernel/object/process.h"

/* address: a multiple of size (4 or 8), inside the process's memory. owner: a thread of the process, or NULL;
   it runs in at least the caller's band until woken says otherwise. KP_OK: woken (or the word changed
   just when it was); ERR_BAD_STATE: the word is not `expected`; ERR_TIMED_OUT; ERR_CANCELLED: the calling
   thread is dying. */
kp_status_t kp_futex_wait(kp_process_t *process, uint32_t address, uint64_t expected, uint32_t size,
                          kp_thread_t *owner, kp_time_t deadline);

/* Wakes the longest waiters, at most `count`; returns how many. Those that go on waiting wait for
   `owner` (NULL: nobody known). */
uint32_t kp_futex_wake(kp_process_t *process, uint32_t address, uint32_t count, kp_thread_t *owner);

/* Wakes at most wake_count and lets requeue_count others wait for the word `other` and its `owner` instead.
   ERR_BAD_STATE: the 4-byte word is not `expected`. */
kp_status_t kp_futex_requeue(kp_process_t *process, uint32_t address, uint32_t expected,
                             uint32_t wake_count, uint32_t other, uint32_t requeue_count,
                             kp_thread_t *owner, uint32_t *woken);

/* How many wait for the word now. For tests and statistics. */
uint32_t kp_futex_waiters(kp_process_t *process, uint32_t address);

#endif
