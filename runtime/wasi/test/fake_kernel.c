#include "runtime/wasi/test/fake_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/startup.h"
#include "runtime/program/kp.h"

enum { HANDLES = 256, STARTUP = 1, FIRST_FILE = 2, FIRST_FREE = 6, QUEUE_MAX = 64 };

typedef struct message {
    struct message *next;
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    size_t handle_count, count;
    uint8_t bytes[];
} message_t;

/* Channels are pairs of neighbours: handle ^ 1 is the other end. */
typedef struct object {
    bool open, is_device, refuses;
    message_t *first, **last;
    size_t queued;
} object_t;

static object_t objects[HANDLES];
static uint64_t now = 1000;
static bool memory_is_short, endless_waits_end;
static char log_text[65536];
static size_t log_size;

static const struct {
    const char *name;
    const char *bytes;
} files[] = {{"file:data/greeting.txt=17", "hello from a file"},
             {"file:data/empty=0", ""},
             {"file:top=3", "top"},
             {"file:../evil=3", "bad"}};

static kp_handle_t object_new(void)
{
    for (kp_handle_t i = FIRST_FREE; i < HANDLES; i += 2) {
        if (!objects[i].open && !objects[i + 1].open) {
            for (int k = 0; k < 2; k++)
                objects[i + k] = (object_t){.open = true, .last = &objects[i + k].first};
            return i;
        }
    }
    abort();
}

kp_handle_t fake_device(void)
{
    kp_handle_t handle = object_new();
    objects[handle].is_device = true;
    objects[handle + 1].open = false;
    return handle;
}

const char *fake_log(void)
{
    static char copy[sizeof(log_text)];
    memcpy(copy, log_text, log_size);
    copy[log_size] = 0;
    log_size = 0;
    return copy;
}

void fake_memory_is_short(bool is_short)
{
    memory_is_short = is_short;
}

void fake_endless_waits_end(bool do_end)
{
    endless_waits_end = do_end;
}

size_t fake_open_handles(void)
{
    size_t count = 0;
    for (kp_handle_t i = FIRST_FREE; i < HANDLES; i++)
        count += objects[i].open;
    return count;
}

static object_t *object_of(uint64_t handle)
{
    return handle >= FIRST_FREE && handle < HANDLES && objects[handle].open ? &objects[handle]
                                                                            : NULL;
}

static bool handle_close(uint64_t handle)
{
    object_t *object = object_of(handle);
    if (!object)
        return false;
    object->open = false;
    while (object->first) {
        message_t *message = object->first;
        object->first = message->next;
        for (size_t i = 0; i < message->handle_count; i++)
            handle_close(message->handles[i]);
        free(message);
    }
    return true;
}

static kp_signals_t signals_of(uint64_t handle)
{
    const object_t *object = object_of(handle);
    if (object->is_device)
        return KP_SIGNAL_READABLE | KP_SIGNAL_WRITABLE;
    const object_t *other = object_of(handle ^ 1);
    return (object->first ? KP_SIGNAL_READABLE : 0) | (other ? 0 : KP_SIGNAL_PEER_CLOSED) |
           (other && other->queued < QUEUE_MAX ? KP_SIGNAL_WRITABLE : 0);
}

static int64_t channel_write(uint64_t handle, const void *bytes, uint64_t count,
                             const kp_handle_t *handles, uint64_t handle_count)
{
    object_t *object = object_of(handle), *other = object_of(handle ^ 1);
    if (!object || object->is_device)
        return object ? KP_ERR_WRONG_TYPE : KP_ERR_BAD_HANDLE;
    if (count > KP_CHANNEL_BYTES_MAX || handle_count > KP_CHANNEL_HANDLES_MAX)
        return KP_ERR_TOO_LARGE;
    if (!other)
        return KP_ERR_PEER_CLOSED;
    if (memory_is_short)
        return KP_ERR_NO_MEMORY;
    if (other->queued >= QUEUE_MAX)
        return KP_ERR_SHOULD_WAIT;
    message_t *message = malloc(sizeof(*message) + count);
    if (!message)
        abort();
    message->next = NULL;
    message->count = count;
    message->handle_count = handle_count;
    memcpy(message->bytes, bytes, count);
    if (handle_count > 0)
        memcpy(message->handles, handles, handle_count * sizeof(*handles));
    *other->last = message;
    other->last = &message->next;
    other->queued++;
    return KP_OK;
}

static int64_t startup_read(void *bytes, uint64_t capacity, kp_handle_t *handles, uint32_t *actual)
{
    static const char texts[] = "program\0argument\0A=1";
    kp_startup_header_t header = {KP_STARTUP_MAGIC, 2, sizeof(files) / sizeof(files[0]), 1};
    uint8_t message[1024];
    size_t size = sizeof(header);
    memcpy(message, &header, sizeof(header));
    memcpy(message + size, texts, sizeof(texts));
    size += sizeof(texts);
    for (size_t i = 0; i < header.handle_count; i++) {
        memcpy(message + size, files[i].name, strlen(files[i].name) + 1);
        size += strlen(files[i].name) + 1;
    }
    actual[0] = (uint32_t)size;
    actual[1] = header.handle_count;
    if (capacity < size)
        return KP_ERR_BUFFER_TOO_SMALL;
    memcpy(bytes, message, size);
    for (size_t i = 0; i < header.handle_count; i++)
        handles[i] = (kp_handle_t)(FIRST_FILE + i);
    return KP_OK;
}

static int64_t channel_read(uint64_t handle, void *bytes, uint64_t capacity, kp_handle_t *handles,
                            uint64_t handle_capacity, uint32_t *actual)
{
    object_t *object = object_of(handle);
    if (handle == STARTUP)
        return startup_read(bytes, capacity, handles, actual);
    if (!object || object->is_device)
        return object ? KP_ERR_WRONG_TYPE : KP_ERR_BAD_HANDLE;
    message_t *message = object->first;
    if (!message)
        return object_of(handle ^ 1) ? KP_ERR_SHOULD_WAIT : KP_ERR_PEER_CLOSED;
    actual[0] = (uint32_t)message->count;
    actual[1] = (uint32_t)message->handle_count;
    if (capacity < message->count || handle_capacity < message->handle_count)
        return KP_ERR_BUFFER_TOO_SMALL;
    if (message->count > 0)
        memcpy(bytes, message->bytes, message->count);
    if (message->handle_count > 0)
        memcpy(handles, message->handles, message->handle_count * sizeof(*handles));
    object->first = message->next;
    object->queued--;
    if (!object->first)
        object->last = &object->first;
    free(message);
    return KP_OK;
}

static int64_t device(uint64_t handle, bool write, uint8_t *bytes, uint64_t count)
{
    object_t *object = object_of(handle);
    if (!object || !object->is_device)
        return KP_ERR_WRONG_TYPE;
    object->refuses = !object->refuses;
    if (object->refuses)
        return KP_ERR_SHOULD_WAIT;
    if (count > 5)
        count = 5;
    if (write) {
        if (log_size + count >= sizeof(log_text))
            log_size = 0;
        memcpy(log_text + log_size, bytes, count);
        log_size += count;
    } else {
        memcpy(bytes, "typed", count);
    }
    return (int64_t)count;
}

/* A wait that nothing could end is a fault of the test. */
static int64_t wait_many(kp_wait_item_t *items, uint64_t count, int64_t deadline)
{
    bool found = false;
    if (count > KP_WAIT_MANY_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    for (uint64_t i = 0; i < count; i++) {
        if (!object_of(items[i].handle))
            return KP_ERR_BAD_HANDLE;
        items[i].observed = signals_of(items[i].handle);
        found |= (items[i].observed & items[i].signals) != 0;
    }
    if (found)
        return KP_OK;
    if (deadline == KP_TIME_INFINITE && endless_waits_end)
        return KP_ERR_CANCELLED;
    if (deadline == KP_TIME_INFINITE) {
        fprintf(stderr, "a wait without end\n");
        abort();
    }
    if (deadline > (int64_t)now)
        now = (uint64_t)deadline;
    return KP_ERR_TIMED_OUT;
}

int64_t kp_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                uint64_t a5)
{
    void *p0 = (void *)(uintptr_t)a0, *p1 = (void *)(uintptr_t)a1, *p2 = (void *)(uintptr_t)a2,
         *p3 = (void *)(uintptr_t)a3, *p5 = (void *)(uintptr_t)a5;
    switch (number) {
    case KP_CALL_startup_channel:
        return STARTUP;
    case KP_CALL_object_wait_one: {
        if (a0 == STARTUP)
            return KP_OK;
        kp_wait_item_t item = {.handle = (kp_handle_t)a0, .signals = (kp_signals_t)a1};
        return wait_many(&item, 1, (int64_t)a2);
    }
    case KP_CALL_object_wait_many:
        return wait_many(p0, a1, (int64_t)a2);
    case KP_CALL_object_info: {
        kp_object_info_t info = {.type = KP_TYPE_CHANNEL};
        if (!object_of(a0))
            return KP_ERR_BAD_HANDLE;
        if (objects[a0].is_device)
            info.type = KP_TYPE_DEVICE;
        memcpy(p1, &info, sizeof(info));
        return KP_OK;
    }
    case KP_CALL_handle_close:
        return a0 < FIRST_FREE || handle_close(a0) ? KP_OK : KP_ERR_BAD_HANDLE;
    case KP_CALL_channel_create: {
        kp_handle_t first = object_new();
        ((kp_handle_t *)p0)[0] = first;
        ((kp_handle_t *)p0)[1] = first + 1;
        return KP_OK;
    }
    case KP_CALL_channel_write:
        return channel_write(a0, p1, a2, p3, a4);
    case KP_CALL_channel_read:
        return channel_read(a0, p1, a2, p3, a4, p5);
    case KP_CALL_device_read:
        return device(a0, false, p1, a2);
    case KP_CALL_device_write:
        return device(a0, true, p1, a2);
    case KP_CALL_vmo_read:
        if (a0 < FIRST_FILE || a0 >= FIRST_FREE || a1 + a3 > strlen(files[a0 - FIRST_FILE].bytes))
            return KP_ERR_OUT_OF_RANGE;
        if (memory_is_short)
            return KP_ERR_NO_MEMORY;
        memcpy(p2, files[a0 - FIRST_FILE].bytes + a1, a3);
        return KP_OK;
    case KP_CALL_clock_get: {
        uint64_t time = now += 1;
        if (a0 > KP_CLOCK_THREAD)
            return KP_ERR_INVALID_ARGUMENT;
        if (a0 == KP_CLOCK_REALTIME)
            time += 1700000000u * (uint64_t)KP_NS_PER_S;
        memcpy(p1, &time, sizeof(time));
        return KP_OK;
    }
    case KP_CALL_random_get:
        if (a1 > 65536)
            return KP_ERR_INVALID_ARGUMENT;
        for (uint64_t i = 0; i < a1; i++)
            ((uint8_t *)p0)[i] = (uint8_t)(rand() >> 7);
        return KP_OK;
    case KP_CALL_debug_log:
        if (a1 > 1024)
            return KP_ERR_INVALID_ARGUMENT;
        if (log_size + a1 + 1 >= sizeof(log_text))
            log_size = 0;
        memcpy(log_text + log_size, p0, a1);
        log_size += a1;
        log_text[log_size++] = '\n';
        return KP_OK;
    default:
        fprintf(stderr, "call %u is not known here\n", number);
        abort();
    }
}

void kp_log(const char *format, ...)
{
    (void)format;
}
