#include "kernel/machine/hosted/sandbox_lane.h"

#include <string.h>

#include "abi/calls.h"
#include "kernel/base/base.h"

typedef struct slot {
    kp_lane_side_t side;
    kp_handle_t handle; /* of the channel's end; KP_HANDLE_NONE: free */
    bool is_server;
} slot_t;

static struct {
    kp_call_page_t *page;
    const kp_orders_t *told;
    uint8_t *memory;
    uint8_t *area;
    slot_t slots[KP_LANE_SLOTS];
    uint32_t used; /* slots below this may be in use */
    /* The receive that stands in the kernel. It may have ended meanwhile: page->lane.attention. */
    slot_t *standing;
    int64_t standing_deadline;
} lanes;

void kp_sandbox_lanes_init(kp_call_page_t *page, const kp_orders_t *told, uint8_t *memory,
                           uint8_t *area)
{
    lanes.page = page;
    lanes.told = told;
    lanes.memory = memory;
    lanes.area = area;
}

bool kp_sandbox_lane_open(const kp_call_page_t *page)
{
    uint32_t index = page->action_address;
    if (index >= KP_LANE_SLOTS)
        return false;
    slot_t *slot = &lanes.slots[index];
    void *place = lanes.area + index * KP_LANE_SIZE;
    kp_lane_side_init(&slot->side, place, lanes.page, index);
    slot->handle = page->action_length;
    slot->is_server = page->action_is_server;
    lanes.used = KP_MAX(lanes.used, index + 1);
    return true;
}

static slot_t *find(uint64_t handle, bool is_server)
{
    uint32_t withdrawn = atomic_load_explicit(&lanes.page->lane.withdrawn, memory_order_relaxed);
    for (uint32_t i = 0; i < lanes.used; i++) {
        slot_t *slot = &lanes.slots[i];
        if (slot->handle == handle && slot->is_server == is_server && !(withdrawn >> i & 1))
            return slot;
    }
    return NULL;
}

static void count_message(void)
{
    atomic_fetch_add_explicit(&lanes.page->lane.messages, 1, memory_order_relaxed);
}

/* ---- the caller's memory ---- */

static bool is_readable(uint64_t at, uint64_t count)
{
    uint64_t size = lanes.told->memory_bytes;
    return count <= size && at <= size - count;
}

static bool is_writable(uint64_t at, uint64_t count)
{
    return is_readable(at, count) && (at + count <= lanes.told->read_only_first ||
                                      at >= lanes.told->read_only_end || count == 0);
}

/* A room for a message, as the kernel would accept it. */
static bool is_room(const kp_channel_message_t *room)
{
    return is_writable(room->bytes, room->byte_count) &&
           is_writable(room->handles, (uint64_t)room->handle_count * sizeof(kp_handle_t));
}

static bool read_message(uint64_t at, kp_channel_message_t *message)
{
    if (!is_writable(at, sizeof(*message)))
        return false;
    memcpy(message, lanes.memory + at, sizeof(*message));
    return true;
}

/* A message that a lane can carry. */
static bool is_plain(const kp_channel_message_t *message)
{
    return message->handle_count == 0 && message->byte_count <= KP_CHANNEL_BYTES_MAX &&
           is_readable(message->bytes, message->byte_count);
}

/* Puts what came into the room. count fits it. */
static void deliver(const kp_channel_message_t *room, uint64_t room_at, const uint8_t *bytes,
                    uint32_t count, kp_transaction_t transaction)
{
    kp_channel_message_t result = *room;
    result.byte_count = count;
    result.handle_count = 0;
    result.transaction = transaction;
    memcpy(lanes.memory + room_at, &result, sizeof(result));
    if (count <= room->byte_count)
        memcpy(lanes.memory + room->bytes, bytes, count);
}

/* ---- client ---- */

static int64_t host_time(kp_time_t time)
{
    int64_t host;
    if (time == KP_TIME_INFINITE || __builtin_add_overflow(time, lanes.told->boot_ns, &host))
        return INT64_MAX;
    return host;
}

static bool call_by_lane(slot_t *slot, uint32_t *number, uint64_t arguments[6], int64_t *result)
{
    kp_lane_side_t *side = &slot->side;
    uint64_t at = arguments[1];
    kp_time_t deadline = (kp_time_t)arguments[2];
    kp_channel_call_t io;
    if (deadline <= KP_TIME_POLL || !is_writable(at, sizeof(io)))
        return false;
    memcpy(&io, lanes.memory + at, sizeof(io));
    if (!is_plain(&io.request) || !is_room(&io.reply))
        return false;
    kp_lane_result_t outcome = kp_lane_call(side, lanes.memory + io.request.bytes,
                                            io.request.byte_count, host_time(deadline));
    if (outcome == KP_LANE_RESEND)
        return false;
    count_message();
    if (outcome == KP_LANE_ASK_KERNEL) {
        *number = KP_PAGE_CALL_ADOPT;
        arguments[3] = kp_lane_transaction(side->number);
        return false;
    }
    *result = KP_ERR_TIMED_OUT;
    if (outcome == KP_LANE_DONE) {
        uint32_t count = kp_lane_reply_size(side);
        deliver(&io.reply, at + offsetof(kp_channel_call_t, reply), side->lane->reply.bytes, count,
                kp_lane_transaction(side->number));
        *result = count <= io.reply.byte_count ? KP_OK : KP_ERR_BUFFER_TOO_SMALL;
    }
    return true;
}

/* ---- server ---- */

/* Waits in the lane that listens. False: make it `channel_receive` in the kernel. */
static bool receive_by_lane(slot_t *slot, const kp_channel_message_t *room, uint64_t room_at,
                            int64_t *result)
{
    kp_lane_side_t *side = &slot->side;
    uint32_t count;
    if (!kp_lane_wait(side, room->byte_count, &count))
        return false;
    deliver(room, room_at, side->lane->request.bytes, count, kp_lane_transaction(side->number));
    *result = KP_OK;
    return true;
}

/* The receive is left to the kernel, whatever call it was part of. */
static bool receive_in_kernel(uint32_t *number, uint64_t arguments[6], uint64_t room_at,
                              uint64_t deadline)
{
    *number = KP_CALL_channel_receive;
    arguments[1] = room_at;
    arguments[2] = deadline;
    return false;
}

/* Would a receive until then be ended in time by the one that stands? */
static bool stands(const slot_t *slot, kp_time_t deadline)
{
    return lanes.standing == slot && deadline >= lanes.standing_deadline &&
           !atomic_load(&lanes.page->lane.attention);
}

static bool receive_again(slot_t *slot, uint64_t arguments[6], int64_t *result)
{
    kp_channel_message_t room;
    return stands(slot, (kp_time_t)arguments[2]) && read_message(arguments[1], &room) &&
           is_room(&room) && kp_lane_listen(&slot->side) &&
           receive_by_lane(slot, &room, arguments[1], result);
}

/* channel_reply, or channel_reply_receive (and_receive). */
static bool reply_by_lane(slot_t *slot, bool and_receive, uint32_t *number, uint64_t arguments[6],
                          int64_t *result)
{
    kp_lane_side_t *side = &slot->side;
    kp_channel_message_t reply, room;
    if (!side->is_owing || !read_message(arguments[1], &reply) ||
        reply.transaction != kp_lane_transaction(side->number))
        return false;
    uint64_t room_at = arguments[2], deadline = arguments[3];
    bool is_fine = is_plain(&reply);
    if (is_fine && and_receive)
        is_fine = read_message(room_at, &room) && is_room(&room);
    if (!is_fine) {
        kp_lane_defer(side);
        return false;
    }
    bool listens = and_receive && stands(slot, (kp_time_t)deadline);
    if (!kp_lane_answer(side, lanes.memory + reply.bytes, reply.byte_count, listens))
        return false;
    count_message();
    *result = KP_OK;
    if (!and_receive || (listens && receive_by_lane(slot, &room, room_at, result)))
        return true;
    return receive_in_kernel(number, arguments, room_at, deadline);
}

/* ---- both ---- */

static bool go_by_lane(uint32_t *number, uint64_t arguments[6], int64_t *result)
{
    if (lanes.used == 0 || *number < KP_CALL_channel_call ||
        *number > KP_CALL_channel_reply_receive)
        return false;
    slot_t *slot = find(arguments[0], *number != KP_CALL_channel_call);
    if (!slot)
        return false;
    switch (*number) {
    case KP_CALL_channel_call:
        return call_by_lane(slot, number, arguments, result);
    case KP_CALL_channel_receive:
        return receive_again(slot, arguments, result);
    case KP_CALL_channel_reply:
        return reply_by_lane(slot, false, number, arguments, result);
    default:
        return reply_by_lane(slot, true, number, arguments, result);
    }
}

bool kp_sandbox_lane_try(uint32_t *number, uint64_t arguments[6], int64_t *result)
{
    if (go_by_lane(number, arguments, result))
        return true;
    lanes.standing = NULL; /* any call in the kernel ends it */
    return false;
}

bool kp_sandbox_lane_stand(uint32_t *number, uint64_t arguments[6], int64_t *result)
{
    bool has_replied = *number == KP_CALL_channel_reply_receive;
    uint64_t room_at = arguments[has_replied ? 2 : 1], deadline = arguments[has_replied ? 3 : 2];
    kp_channel_message_t room;
    slot_t *slot = &lanes.slots[lanes.page->lane_slot % KP_LANE_SLOTS];
    lanes.standing = slot;
    lanes.standing_deadline = (kp_time_t)deadline;
    if (!read_message(room_at, &room) || !is_room(&room))
        kp_lane_leave(&slot->side); /* the kernel will say what is wrong */
    else if (receive_by_lane(slot, &room, room_at, result))
        return true;
    lanes.standing = NULL;
    return receive_in_kernel(number, arguments, room_at, deadline);
}
