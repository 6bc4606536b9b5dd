/* The kernel's half of lanes (lane.h): makes one for a channel over which calls go often, stands by
   the receive that goes on without it, and takes the lane away when anything else happens. */
#include "kernel/machine/hosted/lane.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kernel/ipc/channel.h"
#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/object/process.h"
#include "kernel/object/wait.h"
#include "kernel/trace/trace.h"

/* Calls one after the other by one handle that make a lane worth its two pages. */
#define WORTH_CALLS 4u
#define LANE_PAGES (KP_LANE_SIZE / KP_PAGE_SIZE)
/* Receives that go through the kernel after something else than a call ended one that stood. */
#define COLD_RECEIVES 4u
/* Between two kicks of a process that has not looked around. */
#define KICK_INTERVAL KP_NS_PER_MS

KP_STATIC_ASSERT(KP_LANE_TRANSACTION == KP_CHANNEL_LANE_TRANSACTION, "one bit, two names");

enum { CLIENT = 0, SERVER = 1 };

typedef struct lane_end {
    /* Referenced: its page outlives the lane. The server's is set once, by its own thread, before the
       lane is first armed; without it the channel's lock may be held. */
    kp_hosted_child_t *_Atomic child;
    uint32_t slot;
    kp_handle_t handle;
} lane_end_t;

typedef struct lane {
    kp_channel_lane_t channel; /* what the channel knows */
    atomic_uint references;    /* the channel's, both processes' tables', those in use */
    int file;                  /* only to be mapped by the server yet; -1: was. Its thread's */
    kp_quota_t *quota;         /* of the client, whose calls made it: charged with its pages */
    kp_lane_t *memory;         /* only the page with `state` is mapped here */
    lane_end_t ends[2];
    const kp_channel_t *server_end; /* constant */
    uint32_t cold;                  /* the server's thread's */
} lane_t;

static atomic_bool is_off;

void kp_hosted_lanes_set(bool on)
{
    atomic_store(&is_off, !on);
}

/* A trace shows every message, so while one is taken all pass through the kernel. */
static bool are_off(void)
{
    return atomic_load(&is_off) || atomic_load(&kp_trace_is_on);
}

static lane_t *lane_from(kp_channel_lane_t *channel)
{
    return KP_CONTAINER_OF(channel, lane_t, channel);
}

kp_lane_t *kp_hosted_lane_memory(kp_channel_lane_t *channel)
{
    return lane_from(channel)->memory;
}

static void lane_acquire(kp_channel_lane_t *channel)
{
    atomic_fetch_add(&lane_from(channel)->references, 1);
}

static void lane_release(kp_channel_lane_t *channel)
{
    lane_t *lane = lane_from(channel);
    if (atomic_fetch_sub(&lane->references, 1) != 1)
        return;
    for (int i = 0; i < 2; i++)
        kp_hosted_child_release(atomic_load(&lane->ends[i].child));
    if (lane->memory)
        munmap(lane->memory, KP_PAGE_SIZE);
    if (lane->file >= 0)
        close(lane->file);
    if (lane->quota)
        kp_quota_refund(lane->quota, KP_QUOTA_PAGES, LANE_PAGES);
    kp_quota_release(lane->quota);
    kp_kfree(lane);
}

/* ---- what the channel tells; its lock is held ---- */

static void disarm(lane_t *lane)
{
    uint32_t seen = atomic_load(&lane->memory->state);
    while ((seen & KP_LANE_STATE) == KP_LANE_LISTEN) {
        if (kp_lane_move(&lane->memory->state, &seen, KP_LANE_OFF))
            return;
    }
}

static bool lane_arm(kp_channel_lane_t *channel)
{
    lane_t *lane = lane_from(channel);
    uint32_t seen = atomic_load(&lane->memory->state);
    for (;;) {
        uint32_t state = seen & KP_LANE_STATE;
        if (state != KP_LANE_OFF && state != KP_LANE_REPLY && state != KP_LANE_BOUNCE)
            return false;
        if (kp_lane_move(&lane->memory->state, &seen, KP_LANE_LISTEN))
            return true;
    }
}

/* First attention, then the state: see lane.h about order. The signal that follows wakes the thread
   that stands by, and that the process. */
static void lane_queued(kp_channel_lane_t *channel, const kp_channel_t *receiver)
{
    lane_t *lane = lane_from(channel);
    kp_hosted_child_t *server = atomic_load(&lane->ends[SERVER].child);
    if (receiver != lane->server_end || !server)
        return;
    if (server->page->lane_slot == lane->ends[SERVER].slot)
        atomic_store(&server->page->lane.attention, 1);
    disarm(lane);
}

static void lane_withdraw(kp_channel_lane_t *channel)
{
    lane_t *lane = lane_from(channel);
    for (int i = 0; i < 2; i++) {
        kp_hosted_child_t *child = atomic_load(&lane->ends[i].child);
        if (!child)
            continue;
        atomic_fetch_or(&child->page->lane.withdrawn, 1u << lane->ends[i].slot);
        kp_page_poke(child->page); /* its thread kicks it */
    }
    disarm(lane);
}

static const kp_channel_lane_ops_t ops = {
    .acquire = lane_acquire,
    .release = lane_release,
    .arm = lane_arm,
    .queued = lane_queued,
    .withdraw = lane_withdraw,
};

/* ---- kicking ---- */

int64_t kp_hosted_lanes_tend(kp_hosted_child_t *child)
{
    kp_lane_control_t *control = &child->page->lane;
    atomic_store(&control->alarm, INT64_MAX);
    uint32_t waiting = atomic_load(&control->waiting);
    int64_t deadline = atomic_load(&control->deadline);
    if (waiting == 0 && deadline == INT64_MAX)
        return INT64_MAX;
    int64_t now = kp_machine_now() + kp_hosted_boot_ns();
    uint32_t slot = waiting - 1;
    if (waiting > 0 && waiting <= KP_LANE_SLOTS && child->lanes[slot]) {
        bool is_server = slot == child->page->lane_slot && atomic_load(&control->attention);
        if (is_server || atomic_load(&control->withdrawn) >> slot & 1 || deadline <= now) {
            kp_lane_kick(&lane_from(child->lanes[slot])->memory->state);
            return now + KICK_INTERVAL;
        }
    }
    if (deadline > now)
        atomic_store(&control->alarm, deadline);
    return atomic_load(&control->alarm);
}

void kp_hosted_lanes_clear(kp_hosted_child_t *child)
{
    for (uint32_t i = 0; i < KP_LANE_SLOTS; i++) {
        if (child->lanes[i])
            lane_release(child->lanes[i]);
        child->lanes[i] = NULL;
    }
}

/* ---- making ---- */

/* A slot whose lane is dead or that never had one; KP_LANE_SLOTS: none. */
static uint32_t free_slot(const kp_hosted_child_t *child)
{
    uint32_t withdrawn = atomic_load(&child->page->lane.withdrawn);
    for (uint32_t i = 0; i < KP_LANE_SLOTS; i++) {
        if (!child->lanes[i] || withdrawn >> i & 1)
            return i;
    }
    return KP_LANE_SLOTS;
}

/* Has the process of the calling thread map the lane. */
static kp_status_t join(lane_t *lane, int which, kp_hosted_child_t *child, kp_handle_t handle)
{
    uint32_t slot = free_slot(child);
    if (slot == KP_LANE_SLOTS)
        return KP_ERR_QUOTA;
    if (child->lanes[slot])
        lane_release(child->lanes[slot]);
    child->lanes[slot] = &lane->channel;
    lane_acquire(&lane->channel);
    kp_status_t status = kp_hosted_child_map_lane(child, slot, handle, which == SERVER, lane->file);
    if (status != KP_OK)
        return status;
    atomic_fetch_and(&child->page->lane.withdrawn, ~(1u << slot));
    kp_hosted_child_acquire(child);
    lane->ends[which].slot = slot;
    lane->ends[which].handle = handle;
    atomic_store(&lane->ends[which].child, child);
    return KP_OK;
}

static lane_t *make(const kp_channel_t *server_end, kp_quota_t *quota)
{
    if (kp_quota_charge(quota, KP_QUOTA_PAGES, LANE_PAGES) != KP_OK)
        return NULL;
    lane_t *lane = kp_kalloc(sizeof(*lane));
    if (!lane) {
        kp_quota_refund(quota, KP_QUOTA_PAGES, LANE_PAGES);
        return NULL;
    }
    lane->quota = kp_quota_acquire(quota);
    lane->channel.ops = &ops;
    atomic_init(&lane->references, 1);
    lane->server_end = server_end;
    lane->file = kp_hosted_memfd("kpio-lane");
    if (lane->file >= 0 && ftruncate(lane->file, KP_LANE_SIZE) == 0 &&
        fcntl(lane->file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
        void *memory = mmap(NULL, KP_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, lane->file, 0);
        if (memory != MAP_FAILED)
            lane->memory = memory;
    }
    if (!lane->memory) {
        lane_release(&lane->channel);
        return NULL;
    }
    return lane;
}

/* The end that the process names so, with the rights to send and receive, referenced. */
static kp_object_t *end_of(kp_process_t *process, kp_handle_t handle)
{
    kp_object_t *object;
    kp_status_t status = kp_handle_lookup_typed(&process->handles, handle, KP_TYPE_CHANNEL,
                                                KP_RIGHT_READ | KP_RIGHT_WRITE, &object);
    return status == KP_OK ? object : NULL;
}

void kp_hosted_lane_offer(kp_hosted_child_t *child, kp_process_t *process, kp_handle_t handle)
{
    if (handle != child->called) {
        child->called = handle;
        child->call_count = 0;
    }
    if (++child->call_count != WORTH_CALLS || are_off() || atomic_load(&child->is_threaded))
        return;
    kp_object_t *object = end_of(process, handle);
    if (!object)
        return;
    kp_channel_t *end = kp_channel_from_object(object);
    kp_channel_lane_t *old = kp_channel_lane_get(end);
    lane_t *lane = old ? NULL : make(kp_channel_peer(end), process->quota);
    if (lane && join(lane, CLIENT, child, handle) == KP_OK &&
        !kp_channel_lane_attach(end, &lane->channel))
        lane_withdraw(&lane->channel); /* nobody else knows it */
    if (lane)
        lane_release(&lane->channel);
    if (old)
        lane_release(old);
    kp_object_release(object);
}

void kp_hosted_lanes_withdraw(kp_hosted_child_t *child, kp_process_t *process)
{
    for (uint32_t i = 0; i < KP_LANE_SLOTS; i++) {
        if (!child->lanes[i])
            continue;
        lane_t *lane = lane_from(child->lanes[i]);
        atomic_fetch_or(&child->page->lane.withdrawn, 1u << i);
        /* For both, and the channel forgets it. An end that is not there any more has done so. */
        int which = atomic_load(&lane->ends[SERVER].child) == child ? SERVER : CLIENT;
        kp_object_t *object = end_of(process, lane->ends[which].handle);
        if (object) {
            kp_channel_lane_detach(kp_channel_from_object(object));
            kp_object_release(object);
        }
    }
}

/* ---- standing by ---- */

/* May the server's process use the lane by this handle? Maps it the first time. */
static bool serve(lane_t *lane, kp_hosted_child_t *child, kp_handle_t handle)
{
    lane_end_t *server = &lane->ends[SERVER];
    if (are_off() || atomic_load(&child->is_threaded) ||
        atomic_load(&lane->ends[CLIENT].child) == child)
        return false;
    if (atomic_load(&server->child))
        return atomic_load(&server->child) == child && server->handle == handle;
    if (lane->file < 0)
        return false;
    kp_status_t status = join(lane, SERVER, child, handle);
    close(lane->file);
    lane->file = -1;
    return status == KP_OK;
}

/* The receive stands until its process does something else, or something happens for which the
   process must make it again. */
static void stand_by(kp_hosted_child_t *child, kp_object_t *end, lane_t *lane, kp_handle_t handle,
                     kp_time_t deadline)
{
    kp_call_page_t *page = child->page;
    kp_thread_t *thread = kp_machine_thread_current();
    kp_waiter_t waiter = {
        .object = end,
        .signals = KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED,
        .table = &thread->process->handles,
        .handle = handle,
    };
    thread->machine.standing = &waiter;
    kp_page_publish(page, KP_PAGE_LANE);
    (void)kp_wait_many(&waiter, 1, deadline);
    thread->machine.standing = NULL;
    if (kp_page_state(page) == KP_PAGE_LANE)
        lane->cold = COLD_RECEIVES;
    atomic_store(&page->lane.attention, 1);
    disarm(lane);
}

bool kp_hosted_lane_stand(kp_hosted_child_t *child, kp_process_t *process, kp_handle_t handle,
                          kp_time_t deadline)
{
    kp_object_t *object = end_of(process, handle);
    if (!object)
        return false;
    bool stood = false;
    kp_channel_t *end = kp_channel_from_object(object);
    kp_channel_lane_t *channel = kp_channel_lane_get(end);
    lane_t *lane = channel ? lane_from(channel) : NULL;
    if (lane && end == lane->server_end && serve(lane, child, handle)) {
        if (lane->cold > 0) {
            lane->cold--;
        } else {
            child->page->lane_slot = lane->ends[SERVER].slot;
            atomic_store(&child->page->lane.attention, 0);
            stood = kp_channel_lane_arm(end);
            if (!stood)
                atomic_store(&child->page->lane.attention, 1);
            else
                stand_by(child, object, lane, handle, deadline);
        }
    }
    if (channel)
        lane_release(channel);
    kp_object_release(object);
    return stood;
}

bool kp_hosted_lane_may_stand(kp_process_t *process, kp_handle_t handle)
{
    kp_object_t *object = end_of(process, handle);
    if (!object)
        return false;
    kp_channel_t *end = kp_channel_from_object(object);
    kp_channel_lane_t *channel = kp_channel_lane_get(end);
    bool may = channel && lane_from(channel)->server_end == end;
    if (channel)
        lane_release(channel);
    kp_object_release(object);
    return may;
}
