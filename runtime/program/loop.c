#include "runtime/program/loop.h"

#include <stdlib.h>
#include <string.h>

#include "abi/port.h"
#include "runtime/program/kp.h"

/* With more watches than this the loop keeps them at a port: a round then costs what is ready, not what is
   watched (x86_64, instructions with one message read: 2,611 for any number; object_wait_many 2,495 for
   one watch, 3,290 for 4, 4,377 for 8, 6,085 for 12). With fewer, the calls that bind and unbind are not
   worth it. */
#define FEW_WATCHES 8u
#define PACKETS_AT_ONCE 32u

#define NO_SLOT UINT32_MAX
#define SLOT_BITS 20u

struct kp_loop_watch {
    kp_handle_t handle; /* NONE: the slot is free */
    kp_signals_t signals;
    kp_loop_handler_fn fn;
    void *context;
    uint64_t generation; /* a handle's number may come back: tells the new watch from the old one */
    uint32_t next;       /* slot: in the chain of its bucket, or the list of free ones */
    /* At the port. WRITABLE stands most of the time and is wanted only now and then, so it has a binding
       of its own, which ends with its report. */
    kp_signals_t bound; /* signals of the lasting binding; 0: there is none */
    bool writable_bound;
    uint64_t bound_number; /* of that binding, unique in the loop; part of its key */
    uint64_t writable_number;
    uint64_t round; /* in which fn was called last */
};

enum { KEY_LASTING = 0, KEY_WRITABLE = 1 };

static uint64_t key_of(uint64_t number, uint32_t slot, unsigned which)
{
    return number << (SLOT_BITS + 1) | (uint64_t)slot << 1 | which;
}

void kp_loop_init(kp_loop_t *loop)
{
    *loop = (kp_loop_t){0};
    loop->free_slot = NO_SLOT;
    loop->timers.next = loop->timers.previous = &loop->timers;
}

void kp_loop_clear(kp_loop_t *loop)
{
    while (loop->timers.next != &loop->timers)
        kp_loop_timer_cancel(loop->timers.next);
    if (loop->port)
        (void)kp_handle_close(loop->port);
    free(loop->watches);
    free(loop->items);
    free(loop->buckets);
    kp_loop_init(loop);
}

/* ---- Watches: slots that keep their place, found by handle ---- */

static uint32_t *bucket_of(const kp_loop_t *loop, kp_handle_t handle)
{
    /* The capacity is a power of two. */
    return &loop->buckets[(handle * 0x9e3779b1u >> 8) & (loop->watch_capacity - 1)];
}

static kp_loop_watch_t *find(kp_loop_t *loop, kp_handle_t handle)
{
    uint32_t slot = loop->watch_capacity ? *bucket_of(loop, handle) : NO_SLOT;
    while (slot != NO_SLOT && loop->watches[slot].handle != handle)
        slot = loop->watches[slot].next;
    return slot == NO_SLOT ? NULL : &loop->watches[slot];
}

static void chain_add(kp_loop_t *loop, uint32_t slot)
{
    uint32_t *bucket = bucket_of(loop, loop->watches[slot].handle);
    loop->watches[slot].next = *bucket;
    *bucket = slot;
}

static kp_status_t grow(kp_loop_t *loop)
{
    size_t old = loop->watch_capacity, capacity = old ? old * 2 : 8;
    if (capacity > (size_t)1 << SLOT_BITS)
        return KP_ERR_QUOTA;
    /* What has grown stays; the capacity says what is in use. */
    kp_loop_watch_t *watches = realloc(loop->watches, capacity * sizeof(*watches));
    if (!watches)
        return KP_ERR_NO_MEMORY;
    loop->watches = watches;
    kp_wait_item_t *items = realloc(
        loop->items, (capacity < KP_WAIT_MANY_MAX ? capacity : KP_WAIT_MANY_MAX) * sizeof(*items));
    if (!items)
        return KP_ERR_NO_MEMORY;
    loop->items = items;
    uint32_t *buckets = realloc(loop->buckets, capacity * sizeof(*buckets));
    if (!buckets)
        return KP_ERR_NO_MEMORY;
    loop->buckets = buckets;
    loop->watch_capacity = capacity;
    for (size_t i = 0; i < capacity; i++)
        buckets[i] = NO_SLOT;
    for (size_t i = 0; i < old; i++) /* all are in use, or there were none free */
        chain_add(loop, (uint32_t)i);
    for (size_t i = capacity; i-- > old;) {
        watches[i] = (kp_loop_watch_t){.next = loop->free_slot};
        loop->free_slot = (uint32_t)i;
    }
    return KP_OK;
}

static void watch_free(kp_loop_t *loop, kp_loop_watch_t *watch)
{
    uint32_t slot = (uint32_t)(watch - loop->watches);
    uint32_t *place = bucket_of(loop, watch->handle);
    while (*place != slot)
        place = &loop->watches[*place].next;
    *place = watch->next;
    *watch = (kp_loop_watch_t){.next = loop->free_slot};
    loop->free_slot = slot;
    loop->watch_count--;
}

/* ---- Bindings ---- */

static kp_status_t bind(const kp_loop_t *loop, const kp_loop_watch_t *watch, kp_signals_t signals,
                        uint64_t number, unsigned which)
{
    uint32_t slot = (uint32_t)(watch - loop->watches);
    return (kp_status_t)kp_port_bind(
        loop->port, watch->handle, signals, key_of(number, slot, which),
        which == KEY_WRITABLE ? KP_PORT_LEVEL | KP_PORT_ONCE : KP_PORT_LEVEL);
}

static void unbind(const kp_loop_t *loop, const kp_loop_watch_t *watch, unsigned which)
{
    uint32_t slot = (uint32_t)(watch - loop->watches);
    uint64_t number = which == KEY_WRITABLE ? watch->writable_number : watch->bound_number;
    (void)kp_port_unbind(loop->port, key_of(number, slot, which)); /* it may be gone: fine */
}

/* Makes the bindings say what the watch wants. On error they are as before. */
static kp_status_t watch_bind(kp_loop_t *loop, kp_loop_watch_t *watch)
{
    kp_signals_t lasting = watch->signals & ~(kp_signals_t)KP_SIGNAL_WRITABLE;
    if ((watch->signals & KP_SIGNAL_WRITABLE) && !watch->writable_bound) {
        uint64_t number = ++loop->generation;
        kp_status_t status = bind(loop, watch, KP_SIGNAL_WRITABLE, number, KEY_WRITABLE);
        if (status != KP_OK)
            return status;
        watch->writable_number = number;
        watch->writable_bound = true;
    }
    if (lasting == watch->bound)
        return KP_OK;
    uint64_t number = ++loop->generation;
    if (lasting) {
        kp_status_t status = bind(loop, watch, lasting, number, KEY_LASTING);
        if (status != KP_OK)
            return status;
    }
    if (watch->bound)
        unbind(loop, watch, KEY_LASTING);
    watch->bound = lasting;
    watch->bound_number = number;
    return KP_OK;
}

/* Back to object_wait_many for good: there is no memory for a port. */
static kp_status_t port_give_up(kp_loop_t *loop, kp_status_t status)
{
    (void)kp_handle_close(loop->port);
    loop->port = KP_HANDLE_NONE;
    loop->has_no_port = true;
    for (size_t i = 0; i < loop->watch_capacity; i++) {
        loop->watches[i].bound = 0;
        loop->watches[i].writable_bound = false;
    }
    return loop->watch_count <= KP_WAIT_MANY_MAX ? KP_OK : status;
}

static bool is_short_of(kp_status_t status)
{
    return status == KP_ERR_NO_MEMORY || status == KP_ERR_QUOTA;
}

/* The handle is gone: forgets the watch, tells its owner. */
static void watch_drop(kp_loop_t *loop, kp_loop_watch_t *watch)
{
    kp_loop_watch_t gone = *watch;
    kp_loop_unwatch(loop, gone.handle);
    gone.fn(gone.context, gone.handle, 0);
}

/* Moves all watches to a port. Those whose handles are gone are dropped. */
static void port_open(kp_loop_t *loop)
{
    int64_t port = kp_port_create();
    if (port < 0) {
        loop->has_no_port = true;
        return;
    }
    loop->port = (kp_handle_t)port;
    /* Handlers of dropped ones may add and remove; who is added binds itself. */
    for (size_t i = 0; i < loop->watch_capacity && loop->port; i++) {
        if (loop->watches[i].handle == KP_HANDLE_NONE)
            continue;
        kp_status_t status = watch_bind(loop, &loop->watches[i]);
        if (is_short_of(status))
            (void)port_give_up(loop, status);
        else if (status != KP_OK)
            watch_drop(loop, &loop->watches[i]);
    }
}

/* ---- For owners ---- */

kp_status_t kp_loop_watch(kp_loop_t *loop, kp_handle_t handle, kp_signals_t signals,
                          kp_loop_handler_fn fn, void *context)
{
    if (handle == KP_HANDLE_NONE)
        return KP_ERR_INVALID_ARGUMENT;
    kp_loop_watch_t *watch = find(loop, handle);
    kp_signals_t before = watch ? watch->signals : 0;
    bool is_new = !watch;
    if (is_new) {
        if (loop->has_no_port && loop->watch_count == KP_WAIT_MANY_MAX)
            return KP_ERR_QUOTA;
        kp_status_t status = loop->free_slot == NO_SLOT ? grow(loop) : KP_OK;
        if (status != KP_OK)
            return status;
        uint32_t slot = loop->free_slot;
        watch = &loop->watches[slot];
        loop->free_slot = watch->next;
        *watch = (kp_loop_watch_t){.handle = handle, .generation = ++loop->generation};
        chain_add(loop, slot);
        loop->watch_count++;
    }
    watch->signals = signals;
    kp_status_t status = loop->port ? watch_bind(loop, watch) : KP_OK;
    /* A bad handle is told to fn, in the next round, as without a port. */
    if (is_short_of(status)) {
        watch->signals = before;
        if (is_new)
            watch_free(loop, watch);
        return status;
    }
    loop->has_bad_handle |= status != KP_OK;
    watch->fn = fn;
    watch->context = context;
    return KP_OK;
}

void kp_loop_unwatch(kp_loop_t *loop, kp_handle_t handle)
{
    kp_loop_watch_t *watch = find(loop, handle);
    if (!watch)
        return;
    if (watch->bound)
        unbind(loop, watch, KEY_LASTING);
    if (watch->writable_bound)
        unbind(loop, watch, KEY_WRITABLE);
    watch_free(loop, watch);
}

/* ---- Timers ---- */

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

/* ---- Rounds ---- */

/* The wait failed as a whole because of one handle: finds it, forgets it, tells its owner. */
static bool drop_bad_handles(kp_loop_t *loop)
{
    loop->has_bad_handle = false;
    for (size_t i = 0; i < loop->watch_capacity; i++) {
        kp_loop_watch_t *watch = &loop->watches[i];
        if (watch->handle == KP_HANDLE_NONE || watch->signals == 0)
            continue;
        kp_status_t status = kp_object_wait_one(watch->handle, watch->signals, KP_TIME_POLL, NULL);
        if (status == KP_OK || status == KP_ERR_TIMED_OUT)
            continue;
        watch_drop(loop, watch);
        loop->has_bad_handle = loop->port != KP_HANDLE_NONE;
        return true; /* the list may have changed: the next round finds further ones */
    }
    return false;
}

static kp_status_t step_many(kp_loop_t *loop, kp_time_t deadline)
{
    size_t count = 0;
    if (loop->watch_count > KP_WAIT_MANY_MAX)
        return KP_ERR_QUOTA;
    for (size_t i = 0; i < loop->watch_capacity; i++) {
        const kp_loop_watch_t *watch = &loop->watches[i];
        if (watch->handle != KP_HANDLE_NONE && watch->signals != 0)
            loop->items[count++] = (kp_wait_item_t){watch->handle, watch->signals, 0};
    }
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

/* One packet; true when a handler was called. */
static bool serve_packet(kp_loop_t *loop, const kp_port_packet_t *packet, kp_status_t *status)
{
    uint32_t slot = (uint32_t)(packet->key >> 1) & ((1u << SLOT_BITS) - 1);
    uint64_t number = packet->key >> (SLOT_BITS + 1);
    kp_loop_watch_t *watch = slot < loop->watch_capacity ? &loop->watches[slot] : NULL;
    if (!watch || watch->handle == KP_HANDLE_NONE)
        return false;
    if (packet->key & KEY_WRITABLE) {
        if (!watch->writable_bound || watch->writable_number != number)
            return false; /* of an earlier watch */
        watch->writable_bound = false;
    } else if (!watch->bound || watch->bound_number != number) {
        return false;
    }
    if (packet->kind == KP_PORT_CLOSED) {
        watch_drop(loop, watch);
        return true;
    }
    bool is_due = (watch->signals & packet->observed) && watch->round != loop->round;
    if (is_due) {
        watch->round = loop->round;
        watch->fn(watch->context, watch->handle, packet->observed);
        watch = &loop->watches[slot]; /* the handler may have let the array grow */
    }
    if (packet->key & KEY_WRITABLE && watch->handle != KP_HANDLE_NONE &&
        watch->signals & KP_SIGNAL_WRITABLE) {
        kp_status_t bound = watch_bind(loop, watch);
        if (is_short_of(bound))
            *status = port_give_up(loop, bound);
        else
            loop->has_bad_handle |= bound != KP_OK;
    }
    return is_due;
}

static kp_status_t step_port(kp_loop_t *loop, kp_time_t deadline)
{
    if (loop->has_bad_handle && drop_bad_handles(loop))
        return KP_OK;
    kp_port_packet_t packets[PACKETS_AT_ONCE];
    int64_t count = kp_port_wait(loop->port, packets, PACKETS_AT_ONCE, deadline);
    if (count < 0 && count != KP_ERR_TIMED_OUT)
        return (kp_status_t)count;
    kp_status_t status = KP_OK;
    loop->round++;
    bool is_any = run_timers(loop);
    for (int64_t i = 0; i < count && status == KP_OK && loop->port; i++)
        is_any |= serve_packet(loop, &packets[i], &status);
    if (status != KP_OK)
        return status;
    return is_any || count > 0 ? KP_OK : KP_ERR_TIMED_OUT;
}

kp_status_t kp_loop_step(kp_loop_t *loop, kp_time_t deadline)
{
    if (loop->watch_count > FEW_WATCHES && !loop->port && !loop->has_no_port)
        port_open(loop);
    if (loop->timers.next != &loop->timers && loop->timers.next->deadline < deadline)
        deadline = loop->timers.next->deadline;
    return loop->port ? step_port(loop, deadline) : step_many(loop, deadline);
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
