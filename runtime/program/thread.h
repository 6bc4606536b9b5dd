/* Threads of a program, mutexes, conditions. For programs that say NAME_THREADS := y in their module.mk; in
   others the link fails. C11's atomics (stdatomic.h) are atomic between threads.

   libc is single-threaded (Debian's wasi-libc). What threads may use of it at the same time: malloc and
   its kin (they have a lock here), and what works only on its arguments: string.h, ctype.h, math.h,
   qsort, bsearch, strtol and its kin, snprintf and its kin, setjmp within one thread. Everything else, stdio's
   streams above all, is for one thread at a time: keep it to one thread, or behind a mutex of yours. errno
   is one variable for all threads: what it says counts only where nothing else can have set it. There are
   no thread-local variables (the compiler refuses them). exit() and abort() from any thread end the program,
   and so does a return from main; kp_thread_leave() in the first thread lets the others go on.

   Of runtime/program: kp.h's calls, kp_log and vmo.h's functions are for all threads; loop.h, message.h,
   ring.h and startup.h for one at a time. */
#ifndef KP_RUNTIME_PROGRAM_THREAD_H
#define KP_RUNTIME_PROGRAM_THREAD_H

#include "runtime/program/kp.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kp_thread kp_thread_t;

/* Runs fn(argument) in a thread of its own, on a stack of stack_size bytes in linear memory (0: 64 KiB) with a
   guard below: a stack that overflows is a trap. (Calls nest on another stack, of 4 MiB, that the program
   does not see.) ERR_NO_MEMORY; ERR_QUOTA: KP_PROCESS_THREADS_MAX live, or the job allows no more. Every
   thread must be joined, once. */
kp_status_t kp_thread_spawn(kp_thread_t **thread, void *(*fn)(void *), void *argument,
                            size_t stack_size);
/* Waits until the thread has left and frees what it had; *result (may be NULL): what fn returned.
   ERR_TIMED_OUT: it must still be joined. deadline: absolute. */
kp_status_t kp_thread_join(kp_thread_t *thread, kp_time_t deadline, void **result);
/* Ends the calling thread as if fn had returned; the first thread too: the program then ends with its
   last, with exit code 0 and without what exit() does. */
_Noreturn void kp_thread_leave(void *result);
/* The calling thread's own; of the first NULL. */
kp_thread_t *kp_thread_own(void);
/* A word of a thread's own for its program; the first thread has one too. */
void **kp_thread_value(void);

/* ---- Mutex ---- All zero: free. Not recursive. Who waits lends its priority to who holds it. Without
   contention no system call. */
typedef struct kp_mutex {
    uint32_t
        word; /* 0: free; else the owner's handle, and KP_MUTEX_WAITED when somebody may wait */
} kp_mutex_t;
#define KP_MUTEX_WAITED 0x80000000u

/* A mutex that the caller holds already: trap (abort). */
void kp_mutex_lock(kp_mutex_t *mutex);
bool kp_mutex_try(kp_mutex_t *mutex);
/* By who holds it. */
void kp_mutex_unlock(kp_mutex_t *mutex);

/* ---- Condition ---- All zero: nobody waits. */
typedef struct kp_condition {
    uint32_t sequence;
} kp_condition_t;

/* Gives the mutex up, sleeps until told or the deadline (false), takes the mutex again. May return true
   without cause: look at what was waited for. */
bool kp_condition_wait(kp_condition_t *condition, kp_mutex_t *mutex, kp_time_t deadline);
void kp_condition_signal(kp_condition_t *condition);
void kp_condition_broadcast(kp_condition_t *condition);

#ifdef __cplusplus
}
#endif

#endif
