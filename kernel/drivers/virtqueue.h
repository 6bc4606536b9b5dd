/* A split virtqueue (virtio 1.x, 2.7) of at most 128 entries, so that its three parts fit one page.

   The device is not trusted: everything the driver relies on (free list, lengths, what is
   outstanding) lives in private memory; from the shared page only the used ring is read, once, and
   checked. A device that breaks the rules makes the queue `broken`: it then gives ERR_IO for ever.

   No locks and no allocation inside: the caller serialises all calls on one queue. add, kick, take,
   arm and disarm may run in interrupt context. */
#ifndef KP_KERNEL_DRIVERS_VIRTQUEUE_H
#define KP_KERNEL_DRIVERS_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/types.h"

#define KP_VIRTQUEUE_SIZE_MAX 128u
#define KP_VIRTQUEUE_CHAIN_MAX 48u /* descriptors of one request */

/* A piece of memory as the device sees it. */
typedef struct kp_virtqueue_buffer {
    uint64_t physical;
    uint32_t length; /* bytes, not 0 */
} kp_virtqueue_buffer_t;

/* Private record of a descriptor; the fields but `next` only mean something for a chain's head. */
typedef struct kp_virtqueue_slot {
    uint32_t token;
    uint32_t writable; /* bytes the device may write into the chain */
    uint16_t next;     /* in the free list or in the chain */
    uint16_t count;    /* descriptors of the chain; 0: not the head of an outstanding chain */
} kp_virtqueue_slot_t;

typedef struct kp_virtqueue {
    uint16_t size; /* entries, a power of two */
    bool event_index;
    bool broken;
    uint16_t free_head, free_count;
    uint16_t outstanding;        /* chains that the device holds */
    uint16_t available;          /* index of the next entry of the available ring */
    uint16_t published;          /* what the device was last told */
    uint16_t used;               /* index of the next entry of the used ring to look at */
    volatile uint16_t *doorbell; /* written with `index` to notify; NULL in tests */
    /* A register of the device whose read has no effect, set after init by who knows that the
       processor's own fence does not reach the device (virtio.c says when); NULL: it does. */
    const volatile uint8_t *fence_register;
    uint16_t index;                         /* of this queue within its device */
    uint8_t *page;                          /* shared with the device */
    uint32_t available_offset, used_offset; /* of the rings in the page */
    kp_virtqueue_slot_t slots[KP_VIRTQUEUE_SIZE_MAX];
} kp_virtqueue_t;

/* page: zeroed, KP_PAGE_SIZE bytes, borrowed while the queue lives. size: a power of two,
   2..KP_VIRTQUEUE_SIZE_MAX, else ERR_INVALID_ARGUMENT. */
kp_status_t kp_virtqueue_init(kp_virtqueue_t *queue, void *page, uint16_t size, uint16_t index,
                              bool event_index);

/* Offers one chain: first out_count buffers that the device reads, then in_count that it writes.
   token comes back from take. ERR_SHOULD_WAIT: not enough free descriptors; ERR_IO: broken.
   The device learns of it at the next kick. */
kp_status_t kp_virtqueue_add(kp_virtqueue_t *queue, const kp_virtqueue_buffer_t *buffers,
                             size_t out_count, size_t in_count, uint32_t token);

/* Publishes what was added and rings the doorbell if the device wants that. Returns whether it
   rang (or would have). */
bool kp_virtqueue_kick(kp_virtqueue_t *queue);

/* Takes one finished chain: its token, and how many bytes the device wrote (<= the chain's writable
   bytes). ERR_SHOULD_WAIT: nothing finished; ERR_IO: the queue is broken. */
kp_status_t kp_virtqueue_take(kp_virtqueue_t *queue, uint32_t *token, uint32_t *written);

/* Asks for an interrupt when the next chain finishes; true: one already has, so look again. */
bool kp_virtqueue_arm(kp_virtqueue_t *queue);
/* Tells the device that no interrupt is wanted (a hint). */
void kp_virtqueue_disarm(kp_virtqueue_t *queue);

#endif
