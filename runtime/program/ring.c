/* The lost wake-up is ruled out as usual: who is about to sleep says so (`sleeps`), then looks once
   more; who changes an index does so first, then looks whether the other sleeps. Both orders are
   sequentially consistent. */
#include "runtime/program/ring.h"

/* Without WebAssembly's atomic instructions the compiler takes these for plain loads and stores. */
#ifdef __wasm__
#pragma clang attribute push(__attribute__((target("atomics"))), apply_to = function)
#endif

#include <stdatomic.h>
#include <string.h>

#include "runtime/program/kp.h"

#define CAPACITY_MAX ((size_t)1 << 30)

/* Each side writes into its own line only. */
typedef struct kp_ring_side {
    _Atomic uint32_t position; /* bytes so far, modulo 2^32 */
    _Atomic uint32_t has_ended;
    _Atomic uint32_t sleeps; /* it waits for the other's signal */
    uint32_t padding[13];
} kp_ring_side_t;

struct kp_ring_shared {
    kp_ring_side_t writer, reader;
};
_Static_assert(sizeof(struct kp_ring_shared) <= KP_PAGE_SIZE, "one page");

static kp_ring_side_t *own_side(const kp_ring_t *ring)
{
    return ring->is_writer ? &ring->shared->writer : &ring->shared->reader;
}

static kp_ring_side_t *other_side(const kp_ring_t *ring)
{
    return ring->is_writer ? &ring->shared->reader : &ring->shared->writer;
}

kp_status_t kp_ring_init(kp_ring_t *ring, void *memory, size_t size, size_t capacity,
                         bool is_writer, kp_handle_t event)
{
    if (capacity < KP_PAGE_SIZE || capacity > CAPACITY_MAX || (capacity & (capacity - 1)) ||
        size < KP_RING_VMO_SIZE(capacity))
        return KP_ERR_INVALID_ARGUMENT;
    *ring = (kp_ring_t){
        .shared = memory,
        .bytes = (uint8_t *)memory + KP_PAGE_SIZE,
        .capacity = (uint32_t)capacity,
        .is_writer = is_writer,
        .event = event,
    };
    return KP_OK;
}

/* Takes the other side's position if it can be right: the reader is never ahead of the writer, the
   writer never more than the capacity ahead of the reader, and neither ever goes back. */
static bool believe(kp_ring_t *ring)
{
    uint32_t position = atomic_load(&other_side(ring)->position); /* once */
    uint32_t moved = position - ring->other;
    uint32_t possible =
        ring->is_writer ? ring->mine - ring->other : ring->capacity - (ring->other - ring->mine);
    if (moved > possible)
        ring->is_broken = true;
    else
        ring->other = position;
    return !ring->is_broken;
}

/* Bytes that this side may fill or take, by what it believes. */
static uint32_t available(const kp_ring_t *ring)
{
    return ring->is_writer ? ring->capacity - (ring->mine - ring->other) : ring->other - ring->mine;
}

bool kp_ring_may_go_on(kp_ring_t *ring)
{
    kp_ring_side_t *own = own_side(ring);
    (void)kp_object_signal(ring->event, ring->is_writer ? KP_RING_SIGNAL_ROOM : KP_RING_SIGNAL_DATA,
                           0);
    atomic_store(&own->sleeps, 1);
    if (!believe(ring) || available(ring) > 0 || atomic_load(&other_side(ring)->has_ended)) {
        atomic_store(&own->sleeps, 0);
        return true;
    }
    return false;
}

/* Lets the other side look, if it sleeps. */
static void wake(kp_ring_t *ring)
{
    if (atomic_load(&other_side(ring)->sleeps) == 0)
        return;
    atomic_store(&other_side(ring)->sleeps, 0);
    (void)kp_object_signal(ring->event, 0,
                           ring->is_writer ? KP_RING_SIGNAL_DATA : KP_RING_SIGNAL_ROOM);
}

/* may_sleep: where nothing is to do, says that this side sleeps. */
static int64_t look(kp_ring_t *ring, void **bytes, bool may_sleep)
{
    /* More than once only when the other side changes its mind: not for ever. */
    for (int attempt = 0; attempt < 3; attempt++) {
        /* The end is looked at before the position: what was written before it is seen then. */
        bool other_ended = atomic_load(&other_side(ring)->has_ended) != 0;
        if (ring->is_broken || !believe(ring))
            return KP_ERR_PROTOCOL;
        if (ring->is_writer && atomic_load(&own_side(ring)->has_ended))
            return KP_ERR_BAD_STATE;
        if (ring->is_writer && other_ended)
            return KP_ERR_PEER_CLOSED;
        uint32_t count = available(ring), at = ring->mine & (ring->capacity - 1);
        if (count > 0) {
            *bytes = ring->bytes + at;
            return count < ring->capacity - at ? count : ring->capacity - at;
        }
        if (!ring->is_writer && other_ended)
            return 0;
        if (!may_sleep || !kp_ring_may_go_on(ring))
            break;
    }
    return KP_ERR_SHOULD_WAIT;
}

int64_t kp_ring_span(kp_ring_t *ring, void **bytes)
{
    return look(ring, bytes, true);
}

void kp_ring_advance(kp_ring_t *ring, size_t count)
{
    if (count > available(ring)) /* the caller's mistake: never beyond what there is */
        count = available(ring);
    ring->mine += (uint32_t)count;
    atomic_store(&own_side(ring)->position, ring->mine);
    wake(ring);
}

int64_t kp_ring_write(kp_ring_t *ring, const void *bytes, size_t count)
{
    int64_t done = 0;
    while (count > 0) {
        void *span;
        int64_t room = look(ring, &span, done == 0);
        if (room <= 0)
            return done ? done : room;
        size_t part = count < (size_t)room ? count : (size_t)room;
        memcpy(span, bytes, part);
        kp_ring_advance(ring, part);
        bytes = (const uint8_t *)bytes + part;
        count -= part;
        done += (int64_t)part;
    }
    return done;
}

int64_t kp_ring_read(kp_ring_t *ring, void *bytes, size_t count)
{
    int64_t done = 0;
    while (count > 0) {
        void *span;
        int64_t there = look(ring, &span, done == 0);
        if (there <= 0)
            return done ? done : there;
        size_t part = count < (size_t)there ? count : (size_t)there;
        memcpy(bytes, span, part);
        kp_ring_advance(ring, part);
        bytes = (uint8_t *)bytes + part;
        count -= part;
        done += (int64_t)part;
    }
    return done;
}

void kp_ring_end(kp_ring_t *ring)
{
    atomic_store(&own_side(ring)->has_ended, 1);
    wake(ring);
}

#ifdef __wasm__
#pragma clang attribute pop
#endif
