/* The system-call fuzzer from inside: calls whose arguments follow the descriptors of abi/calls.def, mostly valid, with
   handles of the right type out of what it has collected; among them its peers' channels, so that messages and handles
   flow between fuzzers while the driver kills, suspends and revokes. Several threads of a process do so at once,
   come and go, and share handles and buffers without any order: what one passes another closes, unmaps or changes
   in the middle of the call. Seldom ends by itself. */
#include <stdatomic.h>
#include <string.h>

#include "abi/call_table.h"
#include "runtime/program/startup.h"
#include "runtime/program/thread.h"
#include "tests/hostile/hostile.h"

enum {
    HELD_MAX = 48,  /* handles that are kept */
    GIVEN_MAX = 12, /* of those it was given, which stay until they are closed or sent */
    ARENA = 1 << 18,
    MATES = 6, /* threads beside the first */
    CALLS = sizeof(kp_call_table) / sizeof(kp_call_table[0]),
    FIELDS = sizeof(kp_call_fields) / sizeof(kp_call_fields[0]),
};

static _Alignas(4096) uint8_t arena[ARENA];
static struct {
    kp_handle_t handle;
    uint32_t type;
} held[HELD_MAX];

static bool chance(uint32_t one_in)
{
    return hostile_random() % one_in == 0;
}

/* Keeps a handle; the one that it takes the place of is closed, so that the table does not fill. */
static void keep_at(uint32_t at, kp_handle_t handle)
{
    kp_object_info_t info;
    if (handle == 0 || handle == hostile_control)
        return;
    if (kp_object_info(handle, &info) != KP_OK)
        info.type = 0;
    handle = __atomic_exchange_n(&held[at].handle, handle, __ATOMIC_SEQ_CST);
    held[at].type = info.type;
    if (handle)
        (void)kp_handle_close(handle);
}

static void keep(kp_handle_t handle)
{
    keep_at(GIVEN_MAX + hostile_random() % (HELD_MAX - GIVEN_MAX), handle);
}

static kp_handle_t handle_pick(uint32_t type)
{
    uint32_t start = hostile_random();
    for (uint32_t i = 0; i < HELD_MAX && !chance(200); i++) {
        uint32_t at = (start + i) % HELD_MAX;
        if (held[at].handle && (type == KP_TYPE_ANY || held[at].type == type))
            return held[at].handle;
    }
    return chance(3) ? hostile_random() : held[hostile_random() % HELD_MAX].handle;
}

static uint64_t place_pick(uint64_t size, uint64_t alignment)
{
    if (chance(60))
        return chance(2) ? hostile_random() : hostile_memory_size() - hostile_random() % 70;
    size = size > ARENA / 2 ? ARENA / 2 : size;
    uint64_t at = hostile_random() % (ARENA - size);
    return kp_mem(arena) + at / alignment * alignment;
}

static uint64_t number_pick(uint64_t minimum, uint64_t maximum)
{
    switch (hostile_random() % 6) {
    case 0:
        return minimum;
    case 1:
        return maximum;
    case 2:
        return maximum + 1;
    default:
        return minimum + (maximum - minimum < 64 ? hostile_random() % (maximum - minimum + 1)
                                                 : hostile_random() % 64);
    }
}

static uint64_t deadline_pick(void)
{
    uint32_t way = hostile_random() % 20;
    if (way == 0)
        return (uint64_t)(kp_now() + hostile_random() % 300000);
    return way == 1 ? (uint64_t)kp_now() : 0;
}

/* Structures in memory whose fields are handles, places and counts. */
static void fields_fill(uint32_t number, const kp_argument_t *argument, uint8_t *at, uint64_t size);

static uint64_t argument_make(uint32_t number, const kp_argument_t *argument)
{
    uint64_t place;
    switch (argument->kind) {
    case KP_ARGUMENT_HANDLE:
        return handle_pick(argument->type);
    case KP_ARGUMENT_HANDLE_OR_NONE:
        return chance(2) ? 0 : handle_pick(argument->type);
    case KP_ARGUMENT_IN_BYTES:
    case KP_ARGUMENT_OUT_BYTES:
        return place_pick(4096, 1);
    case KP_ARGUMENT_IN_HANDLES:
        place = place_pick(256, 4);
        if (place >= kp_mem(arena) && place < kp_mem(arena) + ARENA - 256) {
            for (int i = 0; i < 4; i++) {
                kp_handle_t handle = handle_pick(argument->type);
                memcpy(arena + (place - kp_mem(arena)) + i * 4, &handle, 4);
            }
        }
        return place;
    case KP_ARGUMENT_IN:
    case KP_ARGUMENT_OUT:
    case KP_ARGUMENT_INOUT:
    case KP_ARGUMENT_OUT_HANDLES:
        place = place_pick((uint64_t)argument->element_size * 4, 8);
        if (place >= kp_mem(arena) && place < kp_mem(arena) + ARENA - 1024)
            fields_fill(number, argument, arena + (place - kp_mem(arena)), 1024);
        return place;
    case KP_ARGUMENT_OUT_OR_NONE:
        return chance(2) ? 0 : place_pick(argument->element_size, 8);
    case KP_ARGUMENT_COUNT:
        return chance(10) ? number_pick(0, argument->maximum) : hostile_random() % 5;
    case KP_ARGUMENT_NUMBER:
        return number_pick(argument->minimum, argument->maximum);
    case KP_ARGUMENT_FLAGS:
        return chance(3) ? argument->maximum & hostile_random() : argument->maximum;
    case KP_ARGUMENT_PAGE_OFFSET:
    case KP_ARGUMENT_PAGE_LENGTH:
        return (uint64_t)(hostile_random() % 5) * 4096 + chance(50);
    case KP_ARGUMENT_PAGE_ADDRESS:
        return place_pick(16384, 4096);
    case KP_ARGUMENT_WORD:
        return kp_mem(arena) + hostile_random() % 4 * 8;
    case KP_ARGUMENT_DEADLINE:
        return deadline_pick();
    default:
        return hostile_random();
    }
}

static void fields_fill(uint32_t number, const kp_argument_t *argument, uint8_t *at, uint64_t size)
{
    for (size_t i = 0; i < FIELDS; i++) {
        const kp_call_field_t *field = &kp_call_fields[i];
        if (field->call != number || strcmp(field->argument, argument->name) != 0)
            continue;
        if (field->field.kind == KP_ARGUMENT_TEXT) {
            const char name[] = {(char)('a' + hostile_random() % 28), 'z', 0};
            memcpy(at + field->offset, name, sizeof(name));
            continue;
        }
        for (uint64_t element = 0;
             element < 4 && element * argument->element_size + field->offset + 8 <= size;
             element++) {
            uint64_t value = argument_make(number, &field->field);
            memcpy(at + element * argument->element_size + field->offset, &value,
                   field->size < 8 ? field->size : 8);
        }
    }
}

/* What ends the caller, or makes a thread at a place that is no stack, is rare. */
static bool is_left_out(uint32_t number)
{
    switch (number) {
    case KP_CALL_process_exit:
    case KP_CALL_process_trap:
    case KP_CALL_process_freeze:
    case KP_CALL_thread_exit:
    case KP_CALL_thread_create:
        return !chance(100);
    case KP_CALL_debug_log:
        return !chance(500);
    default:
        return false;
    }
}

static void handles_collect(const kp_call_entry_t *entry, const uint64_t a[6], int64_t result)
{
    if (entry->result == KP_RESULT_HANDLE && result > 0)
        keep((kp_handle_t)result);
    for (int i = 0; result == KP_OK && entry->arguments[i].kind != KP_ARGUMENT_VOID; i++) {
        kp_handle_t handles[2];
        if (entry->arguments[i].kind != KP_ARGUMENT_OUT_HANDLES || a[i] < kp_mem(arena) ||
            a[i] > kp_mem(arena) + ARENA - sizeof(handles))
            continue;
        memcpy(handles, arena + (a[i] - kp_mem(arena)), sizeof(handles));
        keep(handles[0]);
        keep(handles[1]);
    }
}

static void one_call(void)
{
    const kp_call_entry_t *entry = &kp_call_table[hostile_random() % CALLS];
    uint64_t a[6] = {0};
    /* Processes that chance alone would seldom make. */
    bool is_making = chance(40);
    while (is_making && entry->number != KP_CALL_process_create &&
           entry->number != KP_CALL_process_clone && entry->number != KP_CALL_process_start)
        entry = &kp_call_table[hostile_random() % CALLS];
    if (is_left_out(entry->number))
        return;
    for (int i = 0; entry->arguments[i].kind != KP_ARGUMENT_VOID; i++)
        a[i] = argument_make(entry->number, &entry->arguments[i]);
    if (entry->number == KP_CALL_memory_grow)
        a[0] = chance(200);
    if (a[0] == hostile_control && entry->number == KP_CALL_handle_close)
        return;
    /* What nobody would ever end is left to the deadline. */
    if (entry->number == KP_CALL_futex_wait)
        a[4] = (uint64_t)(kp_now() + hostile_random() % 100000);
    int64_t result = kp_call(entry->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    handles_collect(entry, a, result);
}

/* ---- Threads ---- */

static char nobody_knows; /* somebody is making or joining it */
#define BUSY ((void *)&nobody_knows)
static void *_Atomic mates[MATES]; /* kp_thread_t, BUSY, or NULL */

static void *mate_main(void *argument);

/* Makes the thread of some place, or sees whether it has left. */
static void mate_visit(void)
{
    void *_Atomic *place = &mates[hostile_random() % MATES];
    kp_thread_t *mate = atomic_exchange(place, BUSY);
    if (mate == BUSY)
        return;
    if (mate && kp_thread_join(mate, KP_TIME_POLL, NULL) == KP_OK)
        mate = NULL;
    else if (!mate && kp_thread_spawn(&mate, mate_main, NULL, 16384) != KP_OK)
        mate = NULL;
    atomic_store(place, mate);
}

static void calls_make(void)
{
    do {
        if (chance(200))
            mate_visit();
        one_call();
    } while (!chance(4000));
}

static void *mate_main(void *argument)
{
    calls_make();
    return argument;
}

int hostile_fuzz(const kp_handle_t *given, size_t count)
{
    for (size_t i = 0; i < count; i++)
        keep_at((uint32_t)i % GIVEN_MAX, given[i]);
    /* One in three has one thread until it happens to make more. */
    for (int i = 0; !chance(3) && i < 8; i++)
        mate_visit();
    do
        calls_make();
    while (!chance(8));
    kp_thread_leave(NULL); /* the others go on */
}

/* Clones go on from here; they hold nothing but what they were started with. */
int hostile_freeze(void)
{
    CHECK(kp_handle_close(hostile_control) == KP_OK);
    hostile_control = KP_HANDLE_NONE;
    CHECK(kp_startup_freeze() == KP_OK);
    hostile_random_again();
    int64_t startup = kp_startup_channel();
    const kp_handle_t given = startup > 0 ? (kp_handle_t)startup : KP_HANDLE_NONE;
    return hostile_fuzz(&given, 1);
}
