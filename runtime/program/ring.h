/* A ring of bytes over a shared VMO, for bulk data between two programs: one writes, one reads, and
   neither makes a call but to sleep and to wake. The VMO and one event are all that they share; either
   side makes them and sends the other duplicates.

   The other side is hostile: it can write anything anywhere in the VMO at any time. Every index is
   read once into a local variable, checked against what this side knows itself, and refused
   (ERR_PROTOCOL, for good) when it cannot be; the other side's word never becomes an address. What it
   can do is to send garbage, to stop, and to wake this side for nothing.

   The writer's signals on the event: KP_RING_SIGNAL_DATA when it has written what a sleeping reader
   waits for, KP_RING_SIGNAL_END; the reader's: KP_RING_SIGNAL_ROOM. Wait for them by kp_object_wait_one,
   a loop (runtime/program/loop.h) or a port. */
#ifndef KP_RUNTIME_PROGRAM_RING_H
#define KP_RUNTIME_PROGRAM_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    KP_RING_SIGNAL_DATA = KP_SIGNAL_USER_0,
    KP_RING_SIGNAL_ROOM = KP_SIGNAL_USER_0 << 1,
};

/* Bytes of a VMO for a ring that holds `capacity` bytes, a power of two of at least KP_PAGE_SIZE and at
   most 2^30: a page for the indices, then the bytes. */
#define KP_RING_VMO_SIZE(capacity) ((size_t)KP_PAGE_SIZE + (capacity))

/* One side. The bytes in the VMO stay the caller's to unmap, the event its to close. */
typedef struct kp_ring {
    struct kp_ring_shared *shared;
    uint8_t *bytes;
    uint32_t capacity;
    uint32_t mine;  /* bytes written, or read, since the start; modulo 2^32. Never read back */
    uint32_t other; /* the last of the other side's that was believed */
    bool is_writer;
    bool is_broken; /* the other side broke the rules */
    kp_handle_t event;
} kp_ring_t;

/* memory: a mapping, writable, of at least KP_RING_VMO_SIZE(capacity) bytes of a VMO that was zero when
   it was made. ERR_INVALID_ARGUMENT: the capacity, or size is less. */
kp_status_t kp_ring_init(kp_ring_t *ring, void *memory, size_t size, size_t capacity,
                         bool is_writer, kp_handle_t event);

/* Writes up to count bytes: how many (> 0), ERR_SHOULD_WAIT (full: wait for KP_RING_SIGNAL_ROOM, then
   try again), ERR_PROTOCOL, ERR_PEER_CLOSED: the reader has ended the ring, ERR_BAD_STATE: this side
   has. count 0: 0. */
int64_t kp_ring_write(kp_ring_t *ring, const void *bytes, size_t count);
/* Reads up to count bytes: how many (> 0), 0 at the end, ERR_SHOULD_WAIT (empty: wait for
   KP_RING_SIGNAL_DATA), ERR_PROTOCOL. */
int64_t kp_ring_read(kp_ring_t *ring, void *bytes, size_t count);
/* Writer: nothing comes any more; what is in the ring can still be read. Reader: nothing more will be
   read. */
void kp_ring_end(kp_ring_t *ring);

/* Without a copy: the next bytes to fill or to take, as far as they lie side by side. *bytes and the
   count that is returned as kp_ring_write's and kp_ring_read's; then kp_ring_advance by at most so many.
   A reader looks at bytes that the writer may still change: copy what you check. */
int64_t kp_ring_span(kp_ring_t *ring, void **bytes);
void kp_ring_advance(kp_ring_t *ring, size_t count);

/* Clears the signal that a full or empty ring waits for, then looks again: true when there is
   something to do, false when it is right to sleep. Every ERR_SHOULD_WAIT above has done that. */
bool kp_ring_may_go_on(kp_ring_t *ring);

#ifdef __cplusplus
}
#endif

#endif
