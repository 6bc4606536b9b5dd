#include "runtime/program/loop.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"

struct kp_loop_watch {
    kp_handle_t handle;
    kp_signals_t signals;
    kp_loop_handler_fn fn;
    void *context;
    uint64_t generation; /* a handle's number may come back: tells the new watch from the old one */
};

void kp_loop_init(kp_loop_t *loop)
{
    *loop = (kp_loop_t){0};
    loop->timers.next = loop->timers.previous = &loop->timers;
}

void kp_loop_clear(kp_loop_t *loop)
{
    while (loop->timers.next != &loop->timers)
        kp_loop_timer_cancel(loop->timers.next);
    free(loop->watches);
    free(loop->items);
    kp_loop_init(loop);
}

static kp_loop_watch_t *find(kp_loop_t *loop, kp_handle_t handle)
{
    for (size_t i = 0; i < loop->watch_count; i++) {
        if (loop->watches[i].handle == handle)
            return &loop->watches[i];
    }
    return NULL;
}

static kp_status_t reserve_one(kp_loop_t *loop)
{
    if (loop->watch_count < loop->watch_capacity)
        return KP_OK;
    if (loop->watch_capacity == KP_WAIT_MANY_MAX)
        return KP_ERR_QUOTA;
    size_t capacity = loop->watch_capacity ? loop->watch_capacity * 2 : 8;
    kp_loop_watch_t *watches = realloc(loop->watches, capacity * sizeof(*watches));
    if (!watches)
        return KP_ERR_NO_MEMORY;
    loop->watches = watches;
    kp_wait_item_t *items = realloc(loop->items, capacity * sizeof(*items));
    if (!items)
        return KP_ERR_NO_MEMORY;
    loop->items = items;
    loop->watch_capacity = capacity;
    return KP_OK;
}

kp_status_t kp_loop_watch(kp_loop_t *loop, kp_handle_t handle, kp_signals_t signals,
                          kp_loop_handler_fn fn, void *context)
{
    if (handle == KP_HANDLE_NONE)
        return KP_ERR_INVALID_ARGUMENT;
    kp_loop_watch_t *watch = find(loop, handle);
    if (!watch) {
        kp_status_t status = reserve_one(loop);
        if (status != KP_OK)
            return status;
        watch = &loop->watches[loop->watch_count++];
        watch->handle = handle;
        watch->generation = ++loop->generation;
    }
    watch->signals = signals;
    watch->fn = fn;
    watch->context = context;
    return KP_OK;
}

void kp_loop_unwatch(kp_loop_t *loop, kp_handle_t handle)
{
    kp_loop_watch_t *watch = find(loop, handle);
    if (watch)
        *watch = loop->watches[--loop->watch_count]; /* order does not matter */
}

void kp_loop_timer_init(kp_loop_timer_t *timer, kp_loop_timer_fn fn, void *context)
{
    *timer = (kp_loop_timer_t){.fn = fn, .context = context};
}

void kp_loop_timer_set(kp_loop_t *loop, kp_loop_timer_t *timer, kp_time_t deadline)
{
    kp_loop_timer_cancel(timer);
    kp_loop_timer_t *after = loop->timers.previous;
    while (after != &loop->timers && after->deadline > deadline)
        after = after->previous;
    timer->deadline = deadline;
    timer->loop = loop;
    timer->previous = after;
    timer->next = after->next;
    after->next->previous = timer;
    after->next = timer;
}

void kp_loop_timer_cancel(kp_loop_timer_t *timer)
{
    if (!timer->loop)
        return;
    timer->previous->next = timer->next;
    timer->next->previous = timer->previous;
    timer->next = timer->previous = NULL;
    timer->loop = NULL;
}

/* Calls timers that are due now; those that handlers arm meanwhile with a past deadline wait for
   the next round, so that a timer that re-arms itself cannot starve the handles. */
static bool run_timers(kp_loop_t *loop)
{
    if (loop->timers.next == &loop->timers)
        return false;
    bool is_any = false;
    kp_time_t now = kp_now();
    kp_loop_timer_t due; /* the due ones, moved to a list of their own */
    due.next = due.previous = &due;
    while (loop->timers.next != &loop->timers && loop->timers.next->deadline <= now) {
        kp_loop_timer_t *timer = loop->timers.next;
        timer->previous->next = timer->next;
        timer->next->previous = timer->previous;
        timer->previous = due.previous;
        timer->next = &due;
        due.previous->next = timer;
        due.previous = timer;
    }
    while (due.next != &due) {
        kp_loop_timer_t *timer = due.next;
        kp_loop_timer_cancel(timer); /* it is re-armable from within fn */
        timer->fn(timer->context);
        is_any = true;
    }
    return is_any;
}

/* The wait failed as a whole because of one handle: finds it, forgets it, tells its owner. */
static bool drop_bad_handles(kp_loop_t *loop)
{
    for (size_t i = 0; i < loop->watch_count; i++) {
        kp_loop_watch_t watch = loop->watches[i];
        if (watch.signals == 0)
            continue;
        kp_status_t status = kp_object_wait_one(watch.handle, watch.signals, KP_TIME_POLL, NULL);
        if (status == KP_OK || status == KP_ERR_TIMED_OUT)
            continue;
        kp_loop_unwatch(loop, watch.handle);
        watch.fn(watch.context, watch.handle, 0);
        return true; /* the list may have changed: the next round finds further ones */
    }
    return false;
}

kp_status_t kp_loop_step(kp_loop_t *loop, kp_time_t deadline)
{
    size_t count = 0;
    for (size_t i = 0; i < loop->watch_count; i++) {
        if (loop->watches[i].signals != 0)
            loop->items[count++] =
                (kp_wait_item_t){loop->watches[i].handle, loop->watches[i].signals, 0};
    }
    if (loop->timers.next != &loop->timers && loop->timers.next->deadline < deadline)
        deadline = loop->timers.next->deadline;
    uint64_t newest = loop->generation;
    kp_status_t status = kp_object_wait_many(loop->items, count, deadline);
    if (status != KP_OK && status != KP_ERR_TIMED_OUT)
        return drop_bad_handles(loop) ? KP_OK : status;
    bool is_any = run_timers(loop);
    for (size_t i = 0; i < count && status == KP_OK; i++) {
        kp_wait_item_t item = loop->items[i];
        kp_loop_watch_t *watch = item.observed & item.signals ? find(loop, item.handle) : NULL;
        if (!watch || watch->generation > newest || !(watch->signals & item.observed))
            continue; /* quiet, or removed or changed by a handler of this round */
        is_any = true;
        watch->fn(watch->context, item.handle, item.observed);
    }
    return is_any ? KP_OK : status;
}

int kp_loop_run(kp_loop_t *loop)
{
    loop->is_stopped = false;
    loop->result = 0;
    while (!loop->is_stopped) {
        if (loop->watch_count == 0 && loop->timers.next == &loop->timers)
            return -1;
        kp_status_t status = kp_loop_step(loop, KP_TIME_INFINITE);
        if (status != KP_OK && status != KP_ERR_TIMED_OUT) {
            kp_log("loop: wait failed (%s)", kp_status_name(status));
            return -1;
        }
    }
    return loop->result;
}

void kp_loop_stop(kp_loop_t *loop, int result)
{
    loop->is_stopped = true;
    loop->result = result;
}
