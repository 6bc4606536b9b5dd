#include "kernel/machine/hosted/lane_side.h"

#include <string.h>
#include <time.h>

bool kp_futex_is_split;

__attribute__((constructor)) static void look_for_futex_calls(void)
{
    uint32_t word = 0;
    kp_futex_is_split = kp_raw_syscall(KP_HOST_FUTEX_WAKE, (long)&word, FUTEX_BITSET_MATCH_ANY, 1,
                                       KP_HOST_FUTEX_32_BITS, 0, 0) >= 0;
}

void kp_lane_side_init(kp_lane_side_t *side, kp_lane_t *lane, kp_call_page_t *page, uint32_t slot)
{
    *side = (kp_lane_side_t){.lane = lane, .page = page, .slot = slot, .spin = KP_SPIN_START};
}

static void wake(kp_lane_side_t *side)
{
    kp_futex_wake(&side->lane->state, 1);
}

static bool is_withdrawn(const kp_lane_side_t *side)
{
    return atomic_load(&side->page->lane.withdrawn) >> side->slot & 1;
}

/* Sleeps unless the word is another than seen by now. The caller has set `waiting` and looked at the
   control since. */
static void sleep_on(kp_lane_side_t *side, uint32_t seen)
{
    uint32_t asleep = seen | KP_LANE_SLEEPS;
    if (seen != asleep && !atomic_compare_exchange_strong(&side->lane->state, &seen, asleep))
        return;
    kp_futex_wait(&side->lane->state, asleep);
}

/* ---- client ---- */

/* The kernel has no word of this call, but it watches deadlines for us: tells it, unless it will look
   in time anyway. */
static void announce(kp_lane_side_t *side, int64_t host_deadline)
{
    atomic_store(&side->page->lane.deadline, host_deadline);
    if (host_deadline < atomic_load(&side->page->lane.alarm))
        kp_page_poke(side->page);
}

static bool has_passed(int64_t host_deadline)
{
    if (host_deadline == INT64_MAX)
        return false;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec >= host_deadline;
}

/* The call will not be answered here: leaves it. `late` says why. */
static bool abandon(kp_lane_side_t *side, uint32_t seen, bool late, kp_lane_result_t *result)
{
    bool was_seen = (seen & KP_LANE_STATE) == KP_LANE_TAKEN;
    if (!kp_lane_move(&side->lane->state, &seen, KP_LANE_OFF))
        return false;
    *result = late ? KP_LANE_TIMED_OUT : was_seen ? KP_LANE_ASK_KERNEL : KP_LANE_RESEND;
    return true;
}

static kp_lane_result_t await_reply(kp_lane_side_t *side, int64_t host_deadline)
{
    kp_lane_t *lane = side->lane;
    bool has_spun = false, is_announced = false;
    kp_lane_result_t result = KP_LANE_DONE;
    for (;;) {
        uint32_t seen = atomic_load(&lane->state), state = seen & KP_LANE_STATE;
        if (state != KP_LANE_REQUEST && state != KP_LANE_TAKEN) {
            if (lane->reply.number == side->number)
                return KP_LANE_DONE;
            if (state != KP_LANE_KERNEL)
                return KP_LANE_RESEND;
            (void)kp_lane_move(&lane->state, &seen, KP_LANE_OFF);
            return KP_LANE_ASK_KERNEL;
        }
        if (!has_spun) {
            /* Taking it is a change too: spin on. */
            has_spun = !kp_spin(&side->spin, &lane->state, seen, &lane->reply.processor);
            continue;
        }
        atomic_store(&side->page->lane.waiting, side->slot + 1);
        if (!is_announced && host_deadline != INT64_MAX) {
            announce(side, host_deadline);
            is_announced = true;
        }
        bool late = has_passed(host_deadline);
        if (is_withdrawn(side) || late) {
            if (abandon(side, seen, late, &result))
                return result;
            continue;
        }
        sleep_on(side, seen);
    }
}

kp_lane_result_t kp_lane_call(kp_lane_side_t *side, const uint8_t *bytes, uint32_t count,
                              int64_t host_deadline)
{
    kp_lane_t *lane = side->lane;
    uint32_t seen = atomic_load(&lane->state);
    if ((seen & KP_LANE_STATE) != KP_LANE_LISTEN || is_withdrawn(side))
        return KP_LANE_RESEND;
    side->number = (side->number + 1) & ~KP_LANE_TRANSACTION;
    lane->request.number = side->number;
    lane->request.byte_count = count;
    atomic_store_explicit(&lane->request.processor, kp_processor(), memory_order_relaxed);
    memcpy(lane->request.bytes, bytes, count);
    while (!kp_lane_move(&lane->state, &seen, KP_LANE_REQUEST)) {
        if ((seen & KP_LANE_STATE) != KP_LANE_LISTEN)
            return KP_LANE_RESEND;
    }
    if (seen & KP_LANE_SLEEPS)
        wake(side);
    kp_lane_result_t result = await_reply(side, host_deadline);
    atomic_store_explicit(&side->page->lane.waiting, 0, memory_order_release);
    if (host_deadline != INT64_MAX)
        atomic_store_explicit(&side->page->lane.deadline, INT64_MAX, memory_order_release);
    return result;
}

uint32_t kp_lane_reply_size(const kp_lane_side_t *side)
{
    uint32_t count = *(volatile const uint32_t *)&side->lane->reply.byte_count;
    return count <= KP_CHANNEL_BYTES_MAX ? count : KP_CHANNEL_BYTES_MAX;
}

/* ---- server ---- */

void kp_lane_leave(kp_lane_side_t *side)
{
    uint32_t seen = atomic_load(&side->lane->state);
    for (;;) {
        uint32_t state = seen & KP_LANE_STATE;
        if (state != KP_LANE_LISTEN && state != KP_LANE_REQUEST)
            return;
        bool is_bounced = state == KP_LANE_REQUEST;
        if (!kp_lane_move(&side->lane->state, &seen, is_bounced ? KP_LANE_BOUNCE : KP_LANE_OFF))
            continue;
        if (is_bounced && seen & KP_LANE_SLEEPS)
            wake(side);
        return;
    }
}

/* After LISTEN was set here: what came before the kernel's attention could be seen must not be
   overtaken. */
static bool may_listen(kp_lane_side_t *side)
{
    if (!atomic_load(&side->page->lane.attention))
        return true;
    kp_lane_leave(side);
    return false;
}

bool kp_lane_listen(kp_lane_side_t *side)
{
    uint32_t seen = atomic_load(&side->lane->state);
    while ((seen & KP_LANE_STATE) == KP_LANE_REPLY) {
        /* The client may still sleep: it was woken for the reply, and sets nothing any more. */
        if (kp_lane_move(&side->lane->state, &seen, KP_LANE_LISTEN))
            return may_listen(side);
    }
    return false;
}

/* Takes the request; false: it is gone. */
static bool take(kp_lane_side_t *side, uint32_t seen)
{
    /* SLEEPS is the client's now. */
    if (!kp_lane_move(&side->lane->state, &seen, KP_LANE_TAKEN | (seen & KP_LANE_SLEEPS)))
        return false;
    side->number = *(volatile uint32_t *)&side->lane->request.number & ~KP_LANE_TRANSACTION;
    side->is_owing = true;
    return true;
}

bool kp_lane_wait(kp_lane_side_t *side, uint32_t room, uint32_t *count)
{
    kp_lane_t *lane = side->lane;
    bool has_spun = false, is_taken = false;
    for (;;) {
        uint32_t seen = atomic_load(&lane->state), state = seen & KP_LANE_STATE;
        if (state == KP_LANE_REQUEST) {
            *count = *(volatile uint32_t *)&lane->request.byte_count;
            if (*count > room || *count > KP_CHANNEL_BYTES_MAX) {
                kp_lane_leave(side);
                break;
            }
            is_taken = take(side, seen);
            if (is_taken)
                break;
            continue;
        }
        if (state != KP_LANE_LISTEN)
            break;
        if (!has_spun) {
            has_spun = !kp_spin(&side->spin, &lane->state, seen, &lane->request.processor);
            continue;
        }
        atomic_store(&side->page->lane.waiting, side->slot + 1);
        if (atomic_load(&side->page->lane.attention)) {
            /* A request that came first goes first. */
            if (kp_lane_move(&lane->state, &seen, KP_LANE_OFF))
                break;
            continue;
        }
        sleep_on(side, seen);
    }
    atomic_store_explicit(&side->page->lane.waiting, 0, memory_order_release);
    return is_taken;
}

/* TAKEN -> to, waking the client. */
static bool hand_over(kp_lane_side_t *side, uint32_t to)
{
    uint32_t seen = atomic_load(&side->lane->state);
    side->is_owing = false;
    while ((seen & KP_LANE_STATE) == KP_LANE_TAKEN) {
        if (!kp_lane_move(&side->lane->state, &seen, to))
            continue;
        if (seen & KP_LANE_SLEEPS)
            wake(side);
        return true;
    }
    return false;
}

bool kp_lane_answer(kp_lane_side_t *side, const uint8_t *bytes, uint32_t count, bool and_listen)
{
    kp_lane_t *lane = side->lane;
    lane->reply.byte_count = count;
    atomic_store_explicit(&lane->reply.processor, kp_processor(), memory_order_relaxed);
    memcpy(lane->reply.bytes, bytes, count);
    lane->reply.number = side->number;
    if (!hand_over(side, and_listen ? KP_LANE_LISTEN : KP_LANE_REPLY))
        return false;
    if (and_listen)
        (void)may_listen(side);
    return true;
}

void kp_lane_defer(kp_lane_side_t *side)
{
    (void)hand_over(side, KP_LANE_KERNEL);
}
