/* The program of clones.c, without a library: does in its linear memory what it is told, and freezes. Exit
   code as told, or the line of the check that failed. */
#include "abi/ipc.h"
#include "kernel/machine/hosted/test/bare_program.h"
#include "kernel/machine/hosted/test/clones.h"

__attribute__((section(".note.kpio"), used, aligned(4))) static const kp_image_note_t note =
    KP_IMAGE_NOTE_FLAGS(KP_IMAGE_MACHINE_HOSTED, KP_IMAGE_THREADS, 32, 2048);

static clones_room_t *room; /* at linear memory's begin */

static void fill(uint32_t address, uint32_t length, uint32_t value)
{
    for (uint32_t i = 0; i < length; i++)
        ((volatile uint8_t *)linear_memory)[address + i] = (uint8_t)value;
}

static int64_t check(uint32_t address, uint32_t length, uint32_t value)
{
    for (uint32_t i = 0; i < length; i++) {
        if (((volatile uint8_t *)linear_memory)[address + i] != (uint8_t)value)
            return (int64_t)i + 1;
    }
    return 0;
}

static int64_t map(uint32_t address, uint32_t length, uint32_t is_writable)
{
    int64_t vmo = call(KP_CALL_vmo_create, length, 0, 0, 0, 0);
    if (vmo < 0)
        return vmo;
    int64_t status = call(KP_CALL_vmo_map, (uint64_t)vmo, 0, address, length,
                          is_writable ? KP_VMO_MAP_WRITE : 0);
    CHECK(call(KP_CALL_handle_close, (uint64_t)vmo, 0, 0, 0, 0) == KP_OK);
    return status;
}

static int64_t scatter(uint32_t address, uint32_t count)
{
    int64_t vmo = call(KP_CALL_vmo_create, KP_PAGE_SIZE, 0, 0, 0, 0);
    CHECK(vmo > 0);
    uint32_t made = 0;
    while (made < count &&
           call(KP_CALL_vmo_map, (uint64_t)vmo, 0, address + made * 2 * KP_PAGE_SIZE, KP_PAGE_SIZE,
                KP_VMO_MAP_WRITE) == KP_OK)
        made++;
    CHECK(call(KP_CALL_handle_close, (uint64_t)vmo, 0, 0, 0, 0) == KP_OK);
    return made;
}

/* A racer's bytes of each page of the range, counted up page by page; nobody else writes them. */
static void race(uint32_t index, uint32_t address, uint32_t length)
{
    for (uint32_t round = 1; round <= CLONES_RACE_ROUNDS; round++) {
        for (uint32_t page = address; page < address + length; page += KP_PAGE_SIZE) {
            uint32_t mine = page + index * CLONES_RACE_SHARE;
            CHECK(check(mine, 4, round == 1 ? 0x5a : round - 1) == 0);
            fill(mine, 4, round);
        }
    }
    ++room->done;
    call(KP_CALL_futex_wake, at(&room->done), UINT32_MAX, 0, 0, 0);
}

/* The range has 0x5a everywhere. The kernel writes the rest of each page. */
static int64_t start_race(uint32_t address, uint32_t length)
{
    room->done = 0;
    for (uint64_t i = 0; i < CLONES_RACERS; i++)
        CHECK(call(KP_CALL_thread_create, i, (uint64_t)address << 32 | length, 0, 0, 0) > 0);
    uint32_t share = CLONES_RACERS * CLONES_RACE_SHARE;
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t page = address; page < address + length; page += KP_PAGE_SIZE)
            CHECK(call(KP_CALL_random_get, page + share, KP_PAGE_SIZE - share, 0, 0, 0) == KP_OK);
    }
    for (uint32_t done; (done = room->done) < CLONES_RACERS;)
        call(KP_CALL_futex_wait, at(&room->done), done, 4, 0, (uint64_t)KP_TIME_INFINITE);
    for (uint32_t page = address; page < address + length; page += KP_PAGE_SIZE) {
        for (uint32_t i = 0; i < CLONES_RACERS; i++) {
            if (check(page + i * CLONES_RACE_SHARE, 4, CLONES_RACE_ROUNDS) != 0 ||
                check(page + i * CLONES_RACE_SHARE + 4, CLONES_RACE_SHARE - 4, 0x5a) != 0)
                return __LINE__;
        }
        if (check(page + share, KP_PAGE_SIZE - share, 0x5a) == 0)
            return __LINE__;
    }
    return 0;
}

static void take_channel(void)
{
    int64_t channel = call(KP_CALL_startup_channel, 0, 0, 0, 0, 0);
    CHECK(channel > 0);
    room->channel = (uint32_t)channel;
}

static void freeze(void)
{
    CHECK(call(KP_CALL_handle_close, room->channel, 0, 0, 0, 0) == KP_OK);
    int64_t status = call(KP_CALL_process_freeze, 0, 0, 0, 0, 0);
    if (status != KP_OK) /* it is as it was, but nobody can ask any more */
        finish(status);
    take_channel();
}

static int64_t obey(const clones_order_t *order)
{
    switch (order->what) {
    case CLONES_FILL:
        fill(order->address, order->length, order->value);
        return 0;
    case CLONES_CHECK:
        return check(order->address, order->length, order->value);
    case CLONES_RANDOM:
        return call(KP_CALL_random_get, order->address, order->length, 0, 0, 0);
    case CLONES_GROW:
        return call(KP_CALL_memory_grow, order->value, 0, 0, 0, 0);
    case CLONES_MAP:
        return map(order->address, order->length, order->value);
    case CLONES_UNMAP:
        return call(KP_CALL_vmo_unmap, order->address, order->length, 0, 0, 0);
    case CLONES_RACE:
        return start_race(order->address, order->length);
    case CLONES_SCATTER:
        return scatter(order->address, order->value);
    case CLONES_EXIT:
        finish(order->value);
        return 0;
    default:
        CHECK(!"an order");
        return 0;
    }
}

static void serve(void)
{
    for (;;) {
        room->message = (kp_channel_message_t){.bytes = (uint32_t)at(&room->order),
                                               .byte_count = sizeof(room->order)};
        int64_t status = call(KP_CALL_channel_receive, room->channel, at(&room->message),
                              (uint64_t)KP_TIME_INFINITE, 0, 0);
        if (status == KP_ERR_PEER_CLOSED)
            finish(0);
        CHECK(status == KP_OK && room->message.byte_count == sizeof(room->order));
        clones_order_t order = room->order;
        if (order.what == CLONES_FREEZE) {
            freeze();
            continue;
        }
        uint32_t sends = order.what == CLONES_SEND;
        if (!sends)
            room->reply = obey(&order);
        CHECK(call(KP_CALL_channel_write, room->channel, sends ? order.address : at(&room->reply),
                   sends ? order.length : sizeof(room->reply), 0, 0) == KP_OK);
    }
}

__attribute__((used)) void start(uint8_t *base, uint64_t pages, kp_image_call_fn function,
                                 uint64_t is_further, uint64_t entry, uint64_t argument);
void start(uint8_t *base, uint64_t pages, kp_image_call_fn function, uint64_t is_further,
           uint64_t entry, uint64_t argument)
{
    (void)pages;
    if (is_further) {
        race((uint32_t)entry, (uint32_t)(argument >> 32), (uint32_t)argument);
        call(KP_CALL_thread_exit, 0, 0, 0, 0, 0);
        finish(__LINE__);
    }
    linear_memory = base;
    room = (clones_room_t *)(void *)(base + CLONES_ROOM);
    machine_call = function;
    take_channel();
    serve();
}
