#include "kernel/drivers/virtqueue.h"

enum {
    DESCRIPTOR_NEXT = 1,
    DESCRIPTOR_WRITE = 2,
    AVAILABLE_NO_INTERRUPT = 1,
    USED_NO_NOTIFY = 1,
};

/* The shared layouts, little-endian as the processor is. */
typedef struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
} descriptor_t;

typedef struct used_entry {
    uint32_t id;
    uint32_t length;
} used_entry_t;

/* Both rings begin with flags and index; the available ring's entries are 16-bit, and behind each
   ring's entries stands the other side's event index. */
static uint16_t *available_word(kp_virtqueue_t *queue, uint32_t word)
{
    return (uint16_t *)(void *)(queue->page + queue->available_offset) + word;
}

static uint16_t *used_word(kp_virtqueue_t *queue, uint32_t word)
{
    return (uint16_t *)(void *)(queue->page + queue->used_offset) + word;
}

static uint16_t *used_event(kp_virtqueue_t *queue)
{
    return available_word(queue, 2u + queue->size);
}

static uint16_t *available_event(kp_virtqueue_t *queue)
{
    return used_word(queue, 2u + queue->size * 4u);
}

static uint16_t shared_read(const uint16_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void shared_write(uint16_t *word, uint16_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Everything written before is visible to the device before anything is read after. The rest of the
   ring needs only the order that x86 keeps by itself; here, each side writes its own word and then
   reads the other's, and if both read the old one, a notification is lost for ever. */
static void fence(const kp_virtqueue_t *queue)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (queue->fence_register)
        (void)*queue->fence_register;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* the compiler keeps what follows behind the read */
}

kp_status_t kp_virtqueue_init(kp_virtqueue_t *queue, void *page, uint16_t size, uint16_t index,
                              bool event_index)
{
    if (size < 2 || size > KP_VIRTQUEUE_SIZE_MAX || (size & (size - 1)) != 0)
        return KP_ERR_INVALID_ARGUMENT;
    uint32_t available_offset = size * (uint32_t)sizeof(descriptor_t);
    /* 3 words beside the entries: flags, index, used event. The used ring is 4-byte aligned. */
    uint32_t used_offset = (available_offset + 6u + size * 2u + 3u) & ~3u;
    *queue = (kp_virtqueue_t){
        .size = size,
        .event_index = event_index,
        .free_count = size,
        .index = index,
        .page = page,
        .available_offset = available_offset,
        .used_offset = used_offset,
    };
    for (uint16_t i = 0; i < size; i++)
        queue->slots[i].next = (uint16_t)(i + 1);
    return KP_OK;
}

kp_status_t kp_virtqueue_add(kp_virtqueue_t *queue, const kp_virtqueue_buffer_t *buffers,
                             size_t out_count, size_t in_count, uint32_t token)
{
    size_t count = out_count + in_count;
    if (queue->broken)
        return KP_ERR_IO;
    if (count == 0 || count > KP_VIRTQUEUE_CHAIN_MAX || count > queue->size)
        return KP_ERR_INVALID_ARGUMENT;
    if (count > queue->free_count)
        return KP_ERR_SHOULD_WAIT;

    descriptor_t *table = (descriptor_t *)(void *)queue->page;
    uint16_t head = queue->free_head, at = head;
    uint32_t writable = 0;
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count, in = i >= out_count;
        kp_virtqueue_slot_t *slot = &queue->slots[at];
        table[at] = (descriptor_t){
            .address = buffers[i].physical,
            .length = buffers[i].length,
            .flags = (uint16_t)((last ? 0 : DESCRIPTOR_NEXT) | (in ? DESCRIPTOR_WRITE : 0)),
            .next = last ? 0 : slot->next,
        };
        writable += in ? buffers[i].length : 0;
        slot->count = 0;
        at = slot->next;
    }
    queue->free_head = at;
    queue->free_count = (uint16_t)(queue->free_count - count);
    queue->slots[head].token = token;
    queue->slots[head].writable = writable;
    queue->slots[head].count = (uint16_t)count;
    queue->outstanding++;
    *available_word(queue, 2u + (queue->available & (queue->size - 1u))) = head;
    queue->available++;
    return KP_OK;
}

bool kp_virtqueue_kick(kp_virtqueue_t *queue)
{
    uint16_t old = queue->published, now = queue->available;
    if (queue->broken || old == now)
        return false;
    shared_write(available_word(queue, 1), now);
    queue->published = now;
    /* The device must see the index before we look at whether it wants to be told. */
    fence(queue);
    bool ring;
    if (queue->event_index) {
        uint16_t event = shared_read(available_event(queue));
        ring = (uint16_t)(now - event - 1) < (uint16_t)(now - old);
    } else {
        ring = !(shared_read(used_word(queue, 0)) & USED_NO_NOTIFY);
    }
    if (ring && queue->doorbell)
        *queue->doorbell = queue->index;
    return ring;
}

/* Puts a chain's descriptors back on the free list, by the private links. */
static void free_chain(kp_virtqueue_t *queue, uint16_t head)
{
    uint16_t count = queue->slots[head].count, tail = head;
    for (uint16_t i = 1; i < count; i++)
        tail = queue->slots[tail].next;
    queue->slots[tail].next = queue->free_head;
    queue->slots[head].count = 0;
    queue->free_head = head;
    queue->free_count = (uint16_t)(queue->free_count + count);
    queue->outstanding--;
}

kp_status_t kp_virtqueue_take(kp_virtqueue_t *queue, uint32_t *token, uint32_t *written)
{
    if (queue->broken)
        return KP_ERR_IO;
    uint16_t pending = (uint16_t)(shared_read(used_word(queue, 1)) - queue->used);
    if (pending == 0)
        return KP_ERR_SHOULD_WAIT;
    const volatile used_entry_t *entry =
        (const volatile used_entry_t *)(const void *)used_word(queue, 2) +
        (queue->used & (queue->size - 1u));
    uint32_t id = entry->id, length = entry->length;
    if (pending > queue->outstanding || id >= queue->size || queue->slots[id].count == 0 ||
        length > queue->slots[id].writable) {
        queue->broken = true;
        return KP_ERR_IO;
    }
    *token = queue->slots[id].token;
    *written = length;
    free_chain(queue, (uint16_t)id);
    queue->used++;
    return KP_OK;
}

bool kp_virtqueue_arm(kp_virtqueue_t *queue)
{
    if (queue->event_index)
        shared_write(used_event(queue), queue->used);
    else
        shared_write(available_word(queue, 0), 0);
    /* Either the device sees the wish, or we see what it finished before it could. */
    fence(queue);
    return shared_read(used_word(queue, 1)) != queue->used;
}

void kp_virtqueue_disarm(kp_virtqueue_t *queue)
{
    if (queue->event_index)
        shared_write(used_event(queue), (uint16_t)(queue->used - 1));
    else
        shared_write(available_word(queue, 0), AVAILABLE_NO_INTERRUPT);
}
