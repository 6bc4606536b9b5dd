/* The kernel's half of lanes (lane.c, kernel/ipc) between two processes that write what they like into
   their call pages and the lane, while ends are used, moved and closed in any order. Each byte of the
   input is a step, with operands in the bytes after it. Afterwards nothing may be left. */
#include <stdlib.h>

#include "kernel/ipc/call_private.h"
#include "kernel/kernel.h"
#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/machine/hosted/lane.h"

/* In the past, and yet no polling. */
#define PAST ((kp_time_t)1)

static struct {
    const uint8_t *bytes;
    size_t size;
} input;

static uint8_t next(void)
{
    if (input.size == 0)
        return 0;
    input.size--;
    return *input.bytes++;
}

static uint32_t next_word(void)
{
    uint32_t word = next();
    /* Small numbers, or any. */
    return word & 0x80 ? word << 24 | (uint32_t)next() << 8 | next() : word & 0x1f;
}

/* ---- child.c, without Linux processes ---- */

static bool maps;

void kp_hosted_child_acquire(kp_hosted_child_t *child)
{
    atomic_fetch_add(&child->references, 1);
}

void kp_hosted_child_release(kp_hosted_child_t *child)
{
    if (child && atomic_fetch_sub(&child->references, 1) == 1) {
        free(child->page);
        free(child);
    }
}

kp_status_t kp_hosted_child_map_lane(kp_hosted_child_t *child, uint32_t slot, kp_handle_t handle,
                                     bool is_server, int fd)
{
    if (!child || slot >= KP_LANE_SLOTS || handle == KP_HANDLE_NONE || fd < 0)
        abort();
    (void)is_server;
    return maps ? KP_OK : KP_ERR_NO_MEMORY;
}

void kp_hosted_child_kill(kp_hosted_child_t *child)
{
    (void)child;
}
void kp_hosted_child_await_death(kp_hosted_child_t *child)
{
    (void)child;
}
kp_status_t kp_hosted_child_memory(kp_hosted_child_t *child, int *file)
{
    (void)child;
    (void)file;
    return KP_ERR_NOT_SUPPORTED;
}
void kp_hosted_child_stop(kp_hosted_child_t *child)
{
    (void)child;
}
void kp_hosted_child_continue(kp_hosted_child_t *child)
{
    (void)child;
}
kp_status_t kp_hosted_children_start(int zygote_socket, int zygote_pid)
{
    (void)zygote_socket;
    (void)zygote_pid;
    return KP_ERR_NOT_SUPPORTED;
}
void kp_hosted_children_stop(void)
{
}
size_t kp_hosted_children_pids(int *pids, size_t capacity)
{
    (void)pids;
    (void)capacity;
    return 0;
}
kp_status_t kp_hosted_child_create(const kp_hosted_birth_t *birth, kp_hosted_child_t **out)
{
    (void)birth;
    (void)out;
    return KP_ERR_NOT_SUPPORTED;
}
kp_status_t kp_hosted_child_map(kp_hosted_child_t *child, uint32_t address, uint32_t length, int fd,
                                uint64_t offset, bool is_writable)
{
    (void)child;
    (void)address;
    (void)length;
    (void)fd;
    (void)offset;
    (void)is_writable;
    return KP_ERR_NOT_SUPPORTED;
}
kp_status_t kp_hosted_child_map_code(kp_hosted_child_t *child, uint64_t address, uint64_t length,
                                     int fd, uint64_t offset)
{
    (void)child;
    (void)address;
    (void)length;
    (void)fd;
    (void)offset;
    return KP_ERR_NOT_SUPPORTED;
}
kp_status_t kp_hosted_child_unmap_code(kp_hosted_child_t *child, uint64_t address, uint64_t length)
{
    (void)child;
    (void)address;
    (void)length;
    return KP_ERR_NOT_SUPPORTED;
}
kp_status_t kp_hosted_child_map_zeroes(kp_hosted_child_t *child, uint64_t address, uint64_t length)
{
    return kp_hosted_child_unmap_code(child, address, length);
}
kp_status_t kp_hosted_child_unmap(kp_hosted_child_t *child, uint64_t address, uint64_t length)
{
    return kp_hosted_child_unmap_code(child, address, length);
}
kp_status_t kp_hosted_child_thread_start(kp_hosted_child_t *child, uint32_t slot, uint64_t entry,
                                         uint64_t argument)
{
    (void)child;
    (void)slot;
    (void)entry;
    (void)argument;
    return KP_ERR_NOT_SUPPORTED;
}
void kp_hosted_child_thread_end(kp_hosted_child_t *child, uint32_t slot)
{
    (void)child;
    (void)slot;
}
uint64_t kp_hosted_child_thread_time(kp_hosted_child_t *child, uint32_t slot)
{
    (void)child;
    (void)slot;
    return 0;
}
kp_status_t kp_hosted_child_freeze(kp_hosted_child_t *child, int fd)
{
    (void)child;
    (void)fd;
    return KP_ERR_NOT_SUPPORTED;
}
uint64_t kp_hosted_child_faults(kp_hosted_child_t *child)
{
    (void)child;
    return 0;
}
int kp_hosted_child_pid(kp_hosted_child_t *child)
{
    (void)child;
    return 0;
}
uint64_t kp_hosted_child_cpu_time(kp_hosted_child_t *child)
{
    (void)child;
    return 0;
}

/* ---- two processes, of which only what lanes need is there, and one thread that serves both ---- */

static struct {
    kp_process_t process[2];
    kp_hosted_child_t *child[2];
    kp_handle_t handle[2]; /* of the channel's ends; NONE: closed */
    kp_thread_t *thread;
} world;

static void become(int who)
{
    world.thread->process = &world.process[who];
    world.thread->machine.process = &world.process[who];
    world.thread->machine.child = world.child[who];
}

/* The end that it names, referenced; NULL: none. */
static kp_object_t *end_of(int who)
{
    kp_object_t *object = NULL;
    (void)kp_handle_lookup_typed(&world.process[who].handles, world.handle[who], KP_TYPE_CHANNEL, 0,
                                 &object);
    return object;
}

static void close_ends(void)
{
    for (int i = 0; i < 2; i++) {
        (void)kp_handle_close(&world.process[i].handles, world.handle[i]);
        world.handle[i] = KP_HANDLE_NONE;
    }
}

static void new_channel(void)
{
    kp_capability_t ends[2];
    close_ends();
    if (kp_channel_create(ends) != KP_OK)
        return;
    for (int i = 0; i < 2; i++) {
        if (kp_handle_add(&world.process[i].handles, ends[i], &world.handle[i]) != KP_OK)
            kp_capability_close(&ends[i]);
    }
}

/* ---- steps ---- */

static void scribble_page(kp_call_page_t *page)
{
    uint32_t word = next_word();
    switch (next() % 7) {
    case 0:
        atomic_store(&page->state, word);
        break;
    case 1:
        atomic_store(&page->lane.attention, word);
        break;
    case 2:
        atomic_store(&page->lane.withdrawn, word);
        break;
    case 3:
        atomic_store(&page->lane.waiting, word);
        break;
    case 4:
        atomic_store(&page->lane.deadline, (int64_t)((uint64_t)word << 32 | next()));
        break;
    case 5:
        page->lane_slot = word;
        break;
    default:
        atomic_store(&page->lane.messages, word);
        break;
    }
}

static void scribble_lane(kp_hosted_child_t *child)
{
    kp_channel_lane_t *lane = child->lanes[next() % KP_LANE_SLOTS];
    uint32_t word = next_word();
    if (lane)
        atomic_store(&kp_hosted_lane_memory(lane)->state, word);
}

static void send(kp_object_t *end)
{
    /* It may be refused: the queue is full, or nobody is there. */
    (void)kp_channel_send((kp_capability_t){.object = end, .rights = KP_RIGHT_WRITE}, "lane", 4,
                          NULL, 0);
}

static void take(kp_object_t *end)
{
    kp_capability_t from = {.object = end, .rights = KP_RIGHT_READ};
    kp_message_t *message;
    if (kp_channel_receive(from, KP_TIME_POLL, &message) == KP_OK)
        kp_message_destroy(message);
}

static void reply(kp_object_t *end)
{
    kp_transaction_t transaction = KP_LANE_TRANSACTION | (next() & 7);
    kp_message_t *message;
    kp_thread_t *caller = NULL;
    kp_capability_t ends[2] = {{0}};
    bool has_channel = next() & 1 && kp_channel_create(ends) == KP_OK;
    if (kp_message_create(next(), has_channel, NULL, &message) != KP_OK)
        abort();
    if (has_channel)
        message->capabilities[0] = kp_capability_take(&ends[0]);
    if (kp_channel_reply_message(kp_channel_from_object(end), transaction, message, &caller) !=
        KP_OK)
        kp_message_destroy(message);
    if (caller)
        kp_object_release(&caller->object);
    kp_capability_close(&ends[1]);
}

static void adopt(kp_object_t *end)
{
    kp_channel_t *channel = kp_channel_from_object(end);
    kp_channel_wait_t wait;
    const kp_channel_bytes_t room = {NULL, 0, next()};
    kp_channel_wait_init(&wait, room, next() & 1);
    kp_transaction_t transaction = next() & 0x80 ? 1 : KP_LANE_TRANSACTION | next();
    if (kp_channel_call_adopt(channel, &wait, transaction) == KP_OK)
        (void)kp_channel_call_wait(channel, &wait, NULL, PAST);
    if (wait.message)
        kp_message_destroy(wait.message);
}

static void step(void)
{
    uint8_t what = next();
    int who = what & 1;
    become(who);
    kp_object_t *end = end_of(who);
    switch (what >> 1 & 15) {
    case 0:
        new_channel();
        break;
    case 1:
        (void)kp_handle_close(&world.process[who].handles, world.handle[who]);
        break;
    case 2:
        maps = next() % 8 != 0;
        break;
    case 3:
    case 4: /* often enough by one handle that it becomes worth it */
        for (int i = 0; i < 5; i++)
            kp_hosted_lane_offer(world.child[who], &world.process[who], world.handle[who]);
        break;
    case 5:
    case 6:
        if (kp_hosted_lane_may_stand(&world.process[who], world.handle[who]))
            (void)kp_hosted_lane_stand(world.child[who], &world.process[who], world.handle[who],
                                       PAST);
        break;
    case 7:
        (void)kp_hosted_lanes_tend(world.child[who]);
        break;
    case 8:
        scribble_page(world.child[who]->page);
        break;
    case 9:
        scribble_lane(world.child[who]);
        break;
    case 10:
        if (end)
            kp_channel_lane_detach(kp_channel_from_object(end));
        break;
    case 11:
        if (end)
            send(end);
        break;
    case 12:
        if (end)
            take(end);
        break;
    case 13:
        if (end)
            reply(end);
        break;
    case 14:
        if (end)
            adopt(end);
        break;
    default:
        kp_hosted_lanes_set(next() % 4 != 0);
        break;
    }
    kp_object_release(end);
}

static void begin(void)
{
    if (!world.thread) {
        world.thread = kp_thread_adopt("fuzz");
        if (!world.thread)
            abort();
        kp_hosted_thread_attach(world.thread);
    }
    for (int i = 0; i < 2; i++) {
        kp_handle_table_init(&world.process[i].handles, NULL);
        kp_hosted_child_t *child = calloc(1, sizeof(*child));
        kp_call_page_t *page = calloc(1, sizeof(*page));
        if (!child || !page)
            abort();
        atomic_init(&child->references, 1);
        child->page = page;
        atomic_init(&page->lane.deadline, INT64_MAX);
        world.child[i] = child;
    }
    maps = true;
    kp_hosted_lanes_set(true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    uint64_t objects = kp_object_count(KP_TYPE_NONE);
    input.bytes = data;
    input.size = KP_MIN(size, (size_t)4096);
    new_channel();
    while (input.size > 0)
        step();
    close_ends();
    for (int i = 0; i < 2; i++) {
        kp_hosted_lanes_clear(world.child[i]);
        kp_handle_table_clear(&world.process[i].handles);
        memset(&world.process[i].handles, 0, sizeof(world.process[i].handles));
    }
    if (kp_object_count(KP_TYPE_NONE) != objects)
        abort();
    for (int i = 0; i < 2; i++) {
        if (atomic_load(&world.child[i]->references) != 1)
            abort();
        kp_hosted_child_release(world.child[i]);
    }
    return 0;
}
