#include "kernel/syscall/fuzz/generate.h"

#include <stdlib.h>
#include <string.h>

#define PAGE KP_PAGE_SIZE
#define MANY 4u /* elements that are really filled in; more are what lies there */

uint32_t kp_generate_pick(kp_generate_t *generate, uint32_t below)
{
    uint32_t value = 0;
    if (generate->bytes) {
        for (uint64_t range = 1; range < below && generate->byte_at < generate->byte_count;
             range <<= 8)
            value = value << 8 | generate->bytes[generate->byte_at++];
    } else {
        generate->seed = generate->seed * 6364136223846793005u + 1442695040888963407u;
        value = (uint32_t)(generate->seed >> 33);
    }
    return below ? value % below : 0;
}

static uint64_t pick64(kp_generate_t *generate)
{
    return (uint64_t)kp_generate_pick(generate, UINT32_MAX) << 32 |
           kp_generate_pick(generate, UINT32_MAX);
}

/* True in one of n cases; never when there are no more bytes. */
static bool one_in(kp_generate_t *generate, uint32_t n)
{
    return kp_generate_pick(generate, n) == n - 1;
}

void kp_generate_see(kp_generate_t *generate, kp_handle_t handle)
{
    uint32_t type = handle ? generate->type_of(generate->context, handle) : KP_TYPE_NONE;
    if (type == KP_TYPE_NONE)
        return;
    unsigned at = generate->handle_count++ % KP_GENERATE_HANDLES;
    generate->handles[at].handle = handle;
    generate->handles[at].type = type;
}

/* A number that calls tend to stumble over. */
static uint64_t odd_number(kp_generate_t *generate)
{
    static const uint64_t numbers[] = {0,
                                       1,
                                       2,
                                       4095,
                                       4096,
                                       65535,
                                       65536,
                                       65537,
                                       INT32_MAX,
                                       UINT32_MAX,
                                       1ull << 32,
                                       INT64_MAX,
                                       1ull << 63,
                                       UINT64_MAX - 4095,
                                       UINT64_MAX - 1,
                                       UINT64_MAX};
    if (one_in(generate, 4))
        return pick64(generate);
    uint32_t index = kp_generate_pick(generate, sizeof(numbers) / sizeof(numbers[0]));
    return numbers[index] + kp_generate_pick(generate, 3) - 1;
}

static kp_handle_t pick_handle(kp_generate_t *generate, uint32_t type)
{
    unsigned count =
        generate->handle_count < KP_GENERATE_HANDLES ? generate->handle_count : KP_GENERATE_HANDLES;
    if (count == 0 || one_in(generate, 24))
        return (kp_handle_t)odd_number(generate);
    unsigned start = kp_generate_pick(generate, count);
    if (type == KP_TYPE_ANY || one_in(generate, 24))
        return generate->handles[start].handle;
    for (unsigned i = 0; i < count; i++) {
        unsigned at = (start + i) % count;
        if (generate->handles[at].type == type)
            return generate->handles[at].handle;
    }
    return generate->handles[start].handle;
}

/* ---- Memory ---- */

/* A place in the lower half of the arena; sometimes at its end, sometimes none. */
static uint64_t pick_place(kp_generate_t *generate, uint64_t size)
{
    uint32_t half = generate->arena_size / 2;
    if (one_in(generate, 32))
        return odd_number(generate);
    if (one_in(generate, 32)) /* just inside, or not */
        return generate->arena + generate->arena_size - size + kp_generate_pick(generate, 2);
    if (one_in(generate, 16)) /* where mappings are */
        return generate->arena + half + kp_generate_pick(generate, half);
    if (size >= half)
        return generate->arena;
    return generate->arena + (kp_generate_pick(generate, (uint32_t)(half - size)) & ~7u);
}

static void put(kp_generate_t *generate, uint64_t at, const void *bytes, size_t count)
{
    (void)generate->write(generate->context, at, bytes, count); /* it may lie nowhere */
}

static uint32_t count_of(const char *text, const kp_argument_t *arguments, const uint64_t *values)
{
    if (text[0] >= '0' && text[0] <= '9')
        return (uint32_t)atoi(text);
    for (int i = 0; arguments[i].kind; i++) {
        if (strcmp(arguments[i].name, text) == 0)
            return values[i] > UINT32_MAX ? UINT32_MAX : (uint32_t)values[i];
    }
    return 1;
}

static uint64_t pick_count(kp_generate_t *generate, const kp_argument_t *kind)
{
    if (one_in(generate, 32))
        return odd_number(generate);
    if (one_in(generate, 16))
        return kind->maximum - kp_generate_pick(generate, 2);
    if (one_in(generate, 4) && kind->maximum > 64)
        return kp_generate_pick(generate, kind->maximum < 20000 ? (uint32_t)kind->maximum : 20000);
    return kp_generate_pick(generate, 5);
}

static uint64_t pick_memory(kp_generate_t *generate, const kp_argument_t *kind, uint32_t count)
{
    uint64_t size = (uint64_t)count * kind->element_size;
    uint64_t place = pick_place(generate, size);
    uint32_t filled = count < MANY ? count : MANY;
    for (uint32_t i = 0; i < filled; i++) {
        uint64_t at = place + (uint64_t)i * kind->element_size;
        if (kind->kind == KP_ARGUMENT_IN_HANDLES) {
            kp_handle_t handle = pick_handle(generate, kind->type);
            put(generate, at, &handle, sizeof(handle));
        } else if (kind->kind == KP_ARGUMENT_IN || kind->kind == KP_ARGUMENT_INOUT) {
            /* Words of moderate size do for most fields; those with a meaning come later. */
            for (uint32_t word = 0; word + 4 <= kind->element_size; word += 4) {
                uint32_t value = one_in(generate, 16) ? (uint32_t)odd_number(generate)
                                 : word % 8           ? 0
                                                      : kp_generate_pick(generate, 200);
                put(generate, at + word, &value, sizeof(value));
            }
        }
    }
    return place;
}

/* ---- Arguments ---- */

static uint64_t pick_deadline(kp_generate_t *generate)
{
    kp_time_t now = generate->now(generate->context);
    if (generate->deadline_ns == 0 || one_in(generate, 4))
        return one_in(generate, 8) ? (uint64_t)INT64_MIN : KP_TIME_POLL;
    return (uint64_t)now + kp_generate_pick(generate, generate->deadline_ns);
}

static uint64_t pick_number(kp_generate_t *generate, const kp_argument_t *kind)
{
    uint64_t range = kind->maximum - kind->minimum;
    if (one_in(generate, 16))
        return odd_number(generate);
    if (range < 1000)
        return kind->minimum + kp_generate_pick(generate, (uint32_t)range + 1);
    if (one_in(generate, 3)) /* sizes and offsets */
        return kind->minimum + kp_generate_pick(generate, 70000);
    return kind->minimum + kp_generate_pick(generate, 20);
}

static uint64_t pick_flags(kp_generate_t *generate, const kp_argument_t *kind)
{
    if (one_in(generate, 24))
        return odd_number(generate);
    uint64_t flags = kp_generate_pick(generate, UINT32_MAX) & kind->maximum;
    uint32_t style = kp_generate_pick(generate, 3);
    if (style == 0)
        flags = kind->maximum & (1u << kp_generate_pick(generate, 4));
    else if (style == 1 && kind->maximum & KP_RIGHTS_SAME)
        flags = KP_RIGHTS_SAME;
    return flags;
}

static uint64_t pick_value(kp_generate_t *generate, const kp_argument_t *kind,
                           const kp_argument_t *arguments, const uint64_t *values)
{
    switch (kind->kind) {
    case KP_ARGUMENT_HANDLE:
    case KP_ARGUMENT_HANDLE_TO_CLOSE:
        return pick_handle(generate, kind->type);
    case KP_ARGUMENT_HANDLE_OR_NONE:
        return one_in(generate, 2) ? 0 : pick_handle(generate, kind->type);
    case KP_ARGUMENT_COUNT:
        return pick_count(generate, kind);
    case KP_ARGUMENT_NUMBER:
        return pick_number(generate, kind);
    case KP_ARGUMENT_FLAGS:
        return pick_flags(generate, kind);
    case KP_ARGUMENT_PAGE_OFFSET:
        return one_in(generate, 24) ? odd_number(generate)
                                    : (uint64_t)kp_generate_pick(generate, 16) * PAGE;
    case KP_ARGUMENT_PAGE_LENGTH:
        return one_in(generate, 24) ? odd_number(generate)
                                    : (uint64_t)(1 + kp_generate_pick(generate, 4)) * PAGE;
    case KP_ARGUMENT_PAGE_ADDRESS: {
        uint32_t half = generate->arena_size / 2;
        if (one_in(generate, 32))
            return odd_number(generate);
        return generate->arena + half + (uint64_t)kp_generate_pick(generate, half / PAGE) * PAGE;
    }
    case KP_ARGUMENT_WORD:
        return one_in(generate, 24)
                   ? pick_place(generate, 4)
                   : generate->arena + 8ull * kp_generate_pick(generate, 8); /* few, to meet */
    case KP_ARGUMENT_DEADLINE:
        return pick_deadline(generate);
    case KP_ARGUMENT_OUT_OR_NONE:
        return one_in(generate, 2) ? 0 : pick_place(generate, kind->element_size);
    default:
        return pick_memory(generate, kind,
                           count_of(kind->count ? kind->count : "1", arguments, values));
    }
}

/* The fields of what the argument names, counts first, for they bound the memory. */
static void fill_fields(kp_generate_t *generate, const kp_call_entry_t *call, int argument,
                        uint64_t at)
{
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < sizeof(kp_call_fields) / sizeof(kp_call_fields[0]); i++) {
            const kp_call_field_t *field = &kp_call_fields[i];
            if (field->call != call->number || (field->field.kind == KP_ARGUMENT_COUNT) != !pass ||
                strcmp(field->argument, call->arguments[argument].name) != 0)
                continue;
            kp_argument_t kind = field->field;
            if (kind.kind == KP_ARGUMENT_TEXT) {
                char text[3] = {(char)('a' + kp_generate_pick(generate, 28)), 0, 0};
                put(generate, at + field->offset, text, sizeof(text));
                continue;
            }
            uint32_t count = 1;
            for (size_t k = 0; pass && kind.count && k < sizeof(kp_call_fields) / sizeof(*field);
                 k++) {
                if (kp_call_fields[k].call == call->number &&
                    strcmp(kp_call_fields[k].argument, field->argument) == 0 &&
                    strcmp(kp_call_fields[k].field.name, kind.count) == 0)
                    (void)generate->read(generate->context, at + kp_call_fields[k].offset, &count,
                                         sizeof(count));
            }
            uint32_t value =
                (uint32_t)(pass && kind.count ? pick_memory(generate, &kind, count)
                                              : pick_value(generate, &kind, call->arguments, NULL));
            put(generate, at + field->offset, &value, sizeof(value));
        }
    }
}

/* A message that answers names what it answers. */
static void fill_transaction(kp_generate_t *generate, const kp_argument_t *kind, uint64_t at)
{
    if (kind->kind == KP_ARGUMENT_IN && strcmp(kind->c_type, "kp_channel_message_t") == 0 &&
        !one_in(generate, 8))
        put(generate, at + offsetof(kp_channel_message_t, transaction), &generate->transaction,
            sizeof(generate->transaction));
}

/* Handles in what the call wrote. */
static void collect(kp_generate_t *generate, uint64_t at, uint32_t words)
{
    for (uint32_t i = 0; i < words; i++) {
        kp_handle_t handle = 0;
        if (generate->read(generate->context, at + i * sizeof(handle), &handle, sizeof(handle)))
            kp_generate_see(generate, handle);
    }
}

static void collect_results(kp_generate_t *generate, const kp_call_entry_t *call,
                            const uint64_t values[6], int64_t result)
{
    if (call->result == KP_RESULT_HANDLE && result > 0)
        kp_generate_see(generate, (kp_handle_t)result);
    for (int i = 0; call->arguments[i].kind && result >= 0; i++) {
        const kp_argument_t *kind = &call->arguments[i];
        if (kind->kind == KP_ARGUMENT_OUT_HANDLES || kind->kind == KP_ARGUMENT_OUT)
            collect(generate, values[i], 2);
        if (kind->kind == KP_ARGUMENT_INOUT && strcmp(kind->c_type, "kp_channel_message_t") == 0)
            (void)generate->read(generate->context,
                                 values[i] + offsetof(kp_channel_message_t, transaction),
                                 &generate->transaction, sizeof(generate->transaction));
        for (size_t f = 0; f < sizeof(kp_call_fields) / sizeof(kp_call_fields[0]); f++) {
            const kp_call_field_t *field = &kp_call_fields[f];
            uint32_t place;
            if (field->call == call->number && field->field.kind == KP_ARGUMENT_OUT_HANDLES &&
                strcmp(field->argument, kind->name) == 0 &&
                generate->read(generate->context, values[i] + field->offset, &place, sizeof(place)))
                collect(generate, place, 2);
        }
    }
}

/* Calls that end the caller are made rarely, and those that make processes not too often. */
static size_t pick_call(kp_generate_t *generate)
{
    size_t index = kp_generate_pick(generate, KP_GENERATE_CALLS);
    /* Processes must meet: more messages than chance would make. */
    if (one_in(generate, 4)) {
        size_t first = 0;
        while (kp_call_table[first].number != KP_CALL_channel_write)
            first++;
        return first + kp_generate_pick(generate, 6);
    }
    switch (kp_call_table[index].number) {
    case KP_CALL_process_exit:
    case KP_CALL_process_trap:
    case KP_CALL_process_freeze:
    case KP_CALL_thread_exit:
    case KP_CALL_process_kill:
    case KP_CALL_job_kill:
        return one_in(generate, 40) ? index : kp_generate_pick(generate, KP_GENERATE_CALLS / 3);
    case KP_CALL_tab_create:
    case KP_CALL_process_create:
    case KP_CALL_process_clone:
        return one_in(generate, 10) ? index : kp_generate_pick(generate, KP_GENERATE_CALLS / 3);
    default:
        return index;
    }
}

/* What a process with several threads leaves to its first, in these tests. */
static bool is_for_crowds(uint32_t number)
{
    switch (number) {
    case KP_CALL_process_exit:
    case KP_CALL_process_trap:
    case KP_CALL_process_freeze:
    case KP_CALL_process_kill:
    case KP_CALL_thread_exit:
    case KP_CALL_vmo_map: /* changes under the test machine's copies would be faults */
    case KP_CALL_vmo_unmap:
    case KP_CALL_memory_grow:
        return false;
    default:
        return true;
    }
}

/* Only who holds nothing can freeze, which chance does not bring about. */
static void hold_nothing(kp_generate_t *generate)
{
    const uint64_t none[6] = {0};
    int64_t startup = generate->call(generate->context, KP_CALL_startup_channel, none);
    if (startup > 0)
        kp_generate_see(generate, (kp_handle_t)startup);
    for (unsigned i = 0; i < generate->handle_count && i < KP_GENERATE_HANDLES; i++) {
        const uint64_t values[6] = {generate->handles[i].handle};
        (void)generate->call(generate->context, KP_CALL_handle_close, values);
    }
}

int64_t kp_generate_call(kp_generate_t *generate)
{
    size_t index = pick_call(generate);
    if (generate->is_crowd && !is_for_crowds(kp_call_table[index].number))
        index = 0;
    const kp_call_entry_t *call = &kp_call_table[index];
    uint64_t values[6] = {0};
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; call->arguments[i].kind; i++) {
            const kp_argument_t *kind = &call->arguments[i];
            if ((kind->kind == KP_ARGUMENT_COUNT) != !pass)
                continue;
            values[i] = pick_value(generate, kind, call->arguments, values);
            if (kind->kind == KP_ARGUMENT_IN || kind->kind == KP_ARGUMENT_INOUT)
                fill_fields(generate, call, i, values[i]);
            fill_transaction(generate, kind, values[i]);
        }
    }
    uint32_t word;
    if (call->number == KP_CALL_futex_wait && !one_in(generate, 4) &&
        generate->read(generate->context, values[0], &word, sizeof(word))) {
        values[1] = word; /* what it expects is there */
        values[2] = sizeof(word);
    }
    if (call->number == KP_CALL_code_unmap && !one_in(generate, 4))
        values[0] = generate->code_address;
    bool names_guest = call->number == KP_CALL_guest_grow || call->number == KP_CALL_guest_destroy;
    if (names_guest && !one_in(generate, 4))
        values[0] = generate->guest_address;
    if (call->number == KP_CALL_process_freeze && generate->deadline_ns == 0)
        hold_nothing(generate);
    int64_t result = generate->call(generate->context, call->number, values);
    if (call->number == KP_CALL_code_map && result > 0)
        generate->code_address = (uint64_t)result;
    if (call->number == KP_CALL_guest_create && result > 0)
        generate->guest_address = (uint64_t)result;
    generate->made[index]++;
    generate->succeeded[index] += result >= 0;
    collect_results(generate, call, values, result);
    return result;
}
