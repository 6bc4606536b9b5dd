/* An event loop: handlers for signals of handles, and timers. Over object_wait_many while there are few
   handles, over a port when there are more: then a round costs what is ready, not what is watched.

   Single-threaded. Every function may be called from inside a handler, also to unwatch the handle
   (or cancel the timer) that is being served; a handler that was removed is not called any more.
   Signals are level-triggered: a handler is called again as long as the signal stands. The loop
   borrows handles: unwatch first, then close. */
#ifndef KP_RUNTIME_PROGRAM_LOOP_H
#define KP_RUNTIME_PROGRAM_LOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kp_loop kp_loop_t;

/* observed: all signals of the object at that moment (at least one that was asked for). When the
   wait itself failed for this handle (it was closed under the loop), observed is 0 and the watch is
   already removed. */
typedef void (*kp_loop_handler_fn)(void *context, kp_handle_t handle, kp_signals_t observed);
typedef void (*kp_loop_timer_fn)(void *context);

/* A timer, embedded in its owner's struct; zero-initialise, then kp_loop_timer_init. Must be
   cancelled before its memory goes away. */
typedef struct kp_loop_timer {
    kp_loop_timer_fn fn;
    void *context;
    kp_time_t deadline; /* absolute; meaningful while armed */
    struct kp_loop_timer *next,
        *previous;   /* loop's list, ordered by deadline; NULL when not armed */
    kp_loop_t *loop; /* NULL when not armed */
} kp_loop_timer_t;

typedef struct kp_loop_watch kp_loop_watch_t;

struct kp_loop {
    kp_loop_watch_t *watches; /* slots, of capacity */
    kp_wait_item_t *items;    /* scratch for one wait without a port */
    uint32_t *buckets;        /* first slot by handle; as many as the capacity */
    size_t watch_count;
    size_t watch_capacity; /* 0 or a power of two */
    uint32_t free_slot;
    kp_handle_t port;    /* NONE: object_wait_many does */
    bool has_no_port;    /* none could be made: never again */
    bool has_bad_handle; /* a watch could not be bound because of its handle */
    uint64_t round;
    kp_loop_timer_t timers; /* sentinel */
    uint64_t generation; /* of the newest watch: handlers added during a round wait for the next */
    bool is_stopped;
    int result;
};

void kp_loop_init(kp_loop_t *loop);
/* Forgets all watches and timers and frees the loop's memory; handles stay open. */
void kp_loop_clear(kp_loop_t *loop);

/* Calls fn when one of signals is set. A handle that is watched already gets the new signals, fn
   and context: to change what is waited for (WRITABLE only while there is something to write), call
   again. signals 0 keeps the watch but never calls. ERR_NO_MEMORY;
   ERR_QUOTA: of the process's job, or beyond 1,048,576 handles. */
kp_status_t kp_loop_watch(kp_loop_t *loop, kp_handle_t handle, kp_signals_t signals,
                          kp_loop_handler_fn fn, void *context);
/* Harmless when the handle is not watched. */
void kp_loop_unwatch(kp_loop_t *loop, kp_handle_t handle);

void kp_loop_timer_init(kp_loop_timer_t *timer, kp_loop_timer_fn fn, void *context);
/* Arms (or re-arms) the timer: fn is called once, at or after the absolute deadline (kp_now() + n;
   0: in the next round). */
void kp_loop_timer_set(kp_loop_t *loop, kp_loop_timer_t *timer, kp_time_t deadline);
void kp_loop_timer_cancel(kp_loop_timer_t *timer);
static inline bool kp_loop_timer_is_set(const kp_loop_timer_t *timer)
{
    return timer->loop != NULL;
}

/* One round: waits until something is to do or the deadline, then calls what is due. OK,
   ERR_TIMED_OUT when the deadline passed with nothing to do, or the wait's own error. */
kp_status_t kp_loop_step(kp_loop_t *loop, kp_time_t deadline);
/* Rounds until kp_loop_stop; returns its result. A loop with neither watches nor timers
   would sleep for ever: that returns -1. */
int kp_loop_run(kp_loop_t *loop);
void kp_loop_stop(kp_loop_t *loop, int result);

#ifdef __cplusplus
}
#endif

#endif
