#include "network/test/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "abi/device.h"

typedef struct object object_t;
typedef struct message {
    struct message *next;
    size_t size, handle_count;
    object_t *handles[KP_CHANNEL_HANDLES_MAX];
    uint8_t bytes[];
} message_t;

struct object {
    uint32_t type;
    uint32_t references;
    /* channel end */
    object_t *peer; /* NULL: closed */
    message_t *first, **last;
    uint32_t count, bytes;
    /* service: our end of the server's channel, or the ends that wait for a server */
    object_t *registry;
    object_t *waiting[256];
    size_t waiting_count;
    /* device */
    bool is_full;
    /* event */
    kp_signals_t signals;
    /* VMO */
    int file;
    size_t size;
};

kp_sim_t kp_sim;
static object_t **table;
static size_t table_size, open_count, queued_bytes;
static object_t *device;

static void *must(void *memory)
{
    if (!memory) {
        fprintf(stderr, "sim: out of memory\n");
        exit(2);
    }
    return memory;
}

static object_t *object_new(uint32_t type)
{
    object_t *object = must(calloc(1, sizeof(*object)));
    object->type = type;
    object->references = 1;
    object->last = &object->first;
    return object;
}

static void unref(object_t *object)
{
    if (--object->references)
        return;
    if (object->peer)
        object->peer->peer = NULL;
    while (object->first) {
        message_t *message = object->first;
        object->first = message->next;
        queued_bytes -= message->size;
        for (size_t i = 0; i < message->handle_count; i++)
            unref(message->handles[i]);
        free(message);
    }
    if (object->registry)
        unref(object->registry);
    for (size_t i = 0; i < object->waiting_count; i++)
        unref(object->waiting[i]);
    if (object == device)
        device = NULL;
    if (object->type == KP_TYPE_VMO)
        close(object->file);
    free(object);
}

/* Takes the caller's reference. */
static kp_handle_t handle_new(object_t *object)
{
    if ((table_size & (table_size - 1)) == 0)
        table = must(realloc(table, (table_size ? table_size * 2 : 1) * sizeof(*table)));
    table[table_size++] = object;
    open_count++;
    return (kp_handle_t)table_size + 0x1000;
}

static object_t *find(uint64_t handle, uint32_t type)
{
    size_t index = (size_t)handle - 0x1001;
    if (index >= table_size || !table[index])
        return NULL;
    return type == KP_TYPE_NONE || table[index]->type == type ? table[index] : NULL;
}

static void pair(object_t *ends[2])
{
    ends[0] = object_new(KP_TYPE_CHANNEL);
    ends[1] = object_new(KP_TYPE_CHANNEL);
    ends[0]->peer = ends[1];
    ends[1]->peer = ends[0];
}

static void push(object_t *to, const void *bytes, size_t size, object_t **handles, size_t count)
{
    message_t *message = must(calloc(1, sizeof(*message) + size));
    message->size = size;
    message->handle_count = count;
    if (size)
        memcpy(message->bytes, bytes, size);
    for (size_t i = 0; i < count; i++)
        message->handles[i] = handles[i];
    *to->last = message;
    to->last = &message->next;
    to->count++;
    to->bytes += (uint32_t)size;
    queued_bytes += size;
}

static kp_time_t now(void)
{
    if (kp_sim.is_real_time) {
        struct timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        return time.tv_sec * KP_NS_PER_S + time.tv_nsec;
    }
    return kp_sim.now;
}

static bool is_room(const object_t *end)
{
    return end->count < kp_sim.queue_messages && end->bytes < kp_sim.queue_bytes;
}

static kp_signals_t signals_of(const object_t *object)
{
    kp_signals_t signals = object->signals;
    if (object->first)
        signals |= KP_SIGNAL_READABLE;
    if (object->type == KP_TYPE_CHANNEL && !object->peer)
        signals |= KP_SIGNAL_PEER_CLOSED;
    if (object->type == KP_TYPE_CHANNEL && object->peer && is_room(object->peer))
        signals |= KP_SIGNAL_WRITABLE;
    if (object->type == KP_TYPE_DEVICE && !object->is_full)
        signals |= KP_SIGNAL_WRITABLE;
    return signals;
}

static int64_t wait_many(kp_wait_item_t *items, size_t count, kp_time_t deadline)
{
    for (;;) {
        bool is_ready = false;
        for (size_t i = 0; i < count; i++) {
            const object_t *object = find(items[i].handle, KP_TYPE_NONE);
            if (!object)
                return KP_ERR_BAD_HANDLE;
            items[i].observed = signals_of(object);
            is_ready |= (items[i].observed & items[i].signals) != 0;
        }
        if (is_ready)
            return KP_OK;
        if (now() >= deadline)
            return KP_ERR_TIMED_OUT;
        if (kp_sim.idle) {
            kp_sim.idle(kp_sim.idle_context, deadline);
        } else if (deadline == KP_TIME_INFINITE) {
            fprintf(stderr, "sim: waits for ever\n");
            abort();
        } else {
            kp_sim.now = deadline;
        }
    }
}

/* Memory that can be mapped anywhere, several times. */
static int64_t vmo_create(size_t size)
{
    object_t *vmo = object_new(KP_TYPE_VMO);
    vmo->file = memfd_create("sim", MFD_CLOEXEC);
    vmo->size = size;
    if (vmo->file < 0 || ftruncate(vmo->file, (off_t)size) != 0)
        abort();
    return handle_new(vmo);
}

static int64_t vmo_map(const object_t *vmo, uint64_t offset, void *address, size_t size)
{
    if (offset > vmo->size || size > vmo->size - offset)
        return KP_ERR_OUT_OF_RANGE;
    return mmap(address, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, vmo->file,
                (off_t)offset) == address
               ? KP_OK
               : KP_ERR_NO_MEMORY;
}

static int64_t vmo_unmap(void *address, size_t size)
{
    return mmap(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                0) == address
               ? KP_OK
               : KP_ERR_NO_MEMORY;
}

static int64_t channel_write(object_t *end, const void *bytes, size_t size,
                             const kp_handle_t *handles, size_t count)
{
    object_t *moved[KP_CHANNEL_HANDLES_MAX];
    if (size > KP_CHANNEL_BYTES_MAX || count > KP_CHANNEL_HANDLES_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    if (!end->peer)
        return KP_ERR_PEER_CLOSED;
    if (!is_room(end->peer))
        return KP_ERR_SHOULD_WAIT;
    if (kp_sim.quota >= 0 && (int64_t)(queued_bytes + size) > kp_sim.quota)
        return KP_ERR_QUOTA;
    for (size_t i = 0; i < count; i++) {
        moved[i] = find(handles[i], KP_TYPE_NONE);
        if (!moved[i])
            return KP_ERR_BAD_HANDLE;
    }
    for (size_t i = 0; i < count; i++) {
        table[handles[i] - 0x1001] = NULL;
        open_count--;
    }
    push(end->peer, bytes, size, moved, count);
    return KP_OK;
}

static int64_t channel_read(object_t *end, void *bytes, size_t capacity, kp_handle_t *handles,
                            size_t handle_capacity, uint32_t *actual)
{
    message_t *message = end->first;
    if (!message)
        return end->peer ? KP_ERR_SHOULD_WAIT : KP_ERR_PEER_CLOSED;
    actual[0] = (uint32_t)message->size;
    actual[1] = (uint32_t)message->handle_count;
    if (message->size > capacity || message->handle_count > handle_capacity)
        return KP_ERR_BUFFER_TOO_SMALL;
    if (message->size)
        memcpy(bytes, message->bytes, message->size);
    for (size_t i = 0; i < message->handle_count; i++)
        handles[i] = handle_new(message->handles[i]);
    end->first = message->next;
    if (!end->first)
        end->last = &end->first;
    end->count--;
    end->bytes -= (uint32_t)message->size;
    queued_bytes -= message->size;
    free(message);
    return KP_OK;
}

static int64_t service_register(object_t *service)
{
    if (service->registry && service->registry->peer)
        return KP_ERR_ALREADY_EXISTS;
    if (service->registry)
        unref(service->registry);
    object_t *ends[2];
    pair(ends);
    service->registry = ends[0];
    for (size_t i = 0; i < service->waiting_count; i++)
        push(ends[1], NULL, 0, &service->waiting[i], 1);
    service->waiting_count = 0;
    return handle_new(ends[1]);
}

static int64_t service_connect(object_t *service)
{
    object_t *ends[2];
    pair(ends);
    if (service->registry && service->registry->peer)
        push(service->registry->peer, NULL, 0, &ends[1], 1);
    else
        service->waiting[service->waiting_count++] = ends[1];
    return handle_new(ends[0]);
}

static int64_t device_control(uint64_t operation, void *out, size_t capacity)
{
    kp_net_info_t info = {.mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56}, .mtu = 1500, .link_up = 1};
    if (operation != KP_DEVICE_OP_NET_INFO || capacity < sizeof(info))
        return KP_ERR_INVALID_ARGUMENT;
    memcpy(out, &info, sizeof(info));
    return sizeof(info);
}

uint32_t kp_sim_random(void)
{
    kp_sim.random ^= kp_sim.random << 13;
    kp_sim.random ^= kp_sim.random >> 17;
    kp_sim.random ^= kp_sim.random << 5;
    return kp_sim.random;
}

static int64_t random_get(uint8_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)(kp_sim_random() >> 11);
    return KP_OK;
}

int64_t kp_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                uint64_t a5)
{
#define AT(argument) ((void *)(uintptr_t)(argument))
#define NEED(type)                     \
    object_t *object = find(a0, type); \
    if (!object)                       \
    return KP_ERR_BAD_HANDLE
    switch (number) {
    case KP_CALL_handle_close: {
        NEED(KP_TYPE_NONE);
        table[a0 - 0x1001] = NULL;
        open_count--;
        unref(object);
        return KP_OK;
    }
    case KP_CALL_handle_duplicate: {
        NEED(KP_TYPE_NONE);
        object->references++;
        return handle_new(object);
    }
    case KP_CALL_object_wait_one: {
        kp_wait_item_t item = {(kp_handle_t)a0, (kp_signals_t)a1, 0};
        int64_t status = wait_many(&item, 1, (kp_time_t)a2);
        if (a3)
            *(kp_signals_t *)AT(a3) = item.observed;
        return status;
    }
    case KP_CALL_object_wait_many:
        return a1 > KP_WAIT_MANY_MAX ? KP_ERR_INVALID_ARGUMENT
                                     : wait_many(AT(a0), (size_t)a1, (kp_time_t)a2);
    case KP_CALL_channel_create: {
        object_t *ends[2];
        pair(ends);
        ((kp_handle_t *)AT(a0))[0] = handle_new(ends[0]);
        ((kp_handle_t *)AT(a0))[1] = handle_new(ends[1]);
        return KP_OK;
    }
    case KP_CALL_channel_write: {
        NEED(KP_TYPE_CHANNEL);
        return channel_write(object, AT(a1), (size_t)a2, AT(a3), (size_t)a4);
    }
    case KP_CALL_channel_read: {
        NEED(KP_TYPE_CHANNEL);
        return channel_read(object, AT(a1), (size_t)a2, AT(a3), (size_t)a4, AT(a5));
    }
    case KP_CALL_vmo_create:
        return vmo_create((size_t)a0);
    case KP_CALL_vmo_size: {
        NEED(KP_TYPE_VMO);
        return (int64_t)object->size;
    }
    case KP_CALL_vmo_map: {
        NEED(KP_TYPE_VMO);
        return vmo_map(object, a1, AT(a2), (size_t)a3);
    }
    case KP_CALL_vmo_unmap:
        return vmo_unmap(AT(a0), (size_t)a1);
    case KP_CALL_event_create:
        return handle_new(object_new(KP_TYPE_EVENT));
    case KP_CALL_object_signal: {
        NEED(KP_TYPE_NONE);
        object->signals = (object->signals & ~(kp_signals_t)a1) | (kp_signals_t)a2;
        return KP_OK;
    }
    case KP_CALL_clock_get:
        *(uint64_t *)AT(a1) = (uint64_t)now();
        return KP_OK;
    case KP_CALL_random_get:
        return random_get(AT(a0), (size_t)a1);
    case KP_CALL_debug_log:
        snprintf(kp_sim.last_log, sizeof(kp_sim.last_log), "%.*s", (int)a1, (const char *)AT(a0));
        if (kp_sim.is_verbose)
            printf("# log: %s\n", kp_sim.last_log);
        return KP_OK;
    case KP_CALL_boot_mark:
        return KP_OK;
    case KP_CALL_port_create:
        return KP_ERR_NO_MEMORY; /* a loop without a port waits for many; runtime/test has the port */
    case KP_CALL_service_register: {
        NEED(KP_TYPE_SERVICE);
        return service_register(object);
    }
    case KP_CALL_service_connect: {
        NEED(KP_TYPE_SERVICE);
        return service_connect(object);
    }
    case KP_CALL_device_read: {
        NEED(KP_TYPE_DEVICE);
        uint32_t actual[2];
        int64_t status = channel_read(object, AT(a1), (size_t)a2, NULL, 0, actual);
        return status == KP_OK ? (int64_t)actual[0] : KP_ERR_SHOULD_WAIT;
    }
    case KP_CALL_device_write: {
        NEED(KP_TYPE_DEVICE);
        if (object->is_full)
            return KP_ERR_SHOULD_WAIT;
        if (kp_sim.transmit && !kp_sim.transmit(kp_sim.transmit_context, AT(a1), (size_t)a2)) {
            object->is_full = true;
            return KP_ERR_SHOULD_WAIT;
        }
        return (int64_t)a2;
    }
    case KP_CALL_device_control: {
        NEED(KP_TYPE_DEVICE);
        return device_control(a1, AT(a4), (size_t)a5);
    }
    default:
        fprintf(stderr, "sim: call %u is not simulated\n", number);
        abort();
    }
}

/* In place of runtime/program/log.c, which also replaces abort. */
void kp_log(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(kp_sim.last_log, sizeof(kp_sim.last_log), format, arguments);
    va_end(arguments);
    if (kp_sim.is_verbose)
        printf("# log: %s\n", kp_sim.last_log);
}

void kp_sim_reset(void)
{
    for (size_t i = 0; i < table_size; i++) {
        if (table[i])
            unref(table[i]);
    }
    free(table);
    table = NULL;
    table_size = open_count = 0;
    bool is_verbose = kp_sim.is_verbose;
    kp_sim = (kp_sim_t){.now = KP_NS_PER_S,
                        .queue_messages = 64,
                        .queue_bytes = 256u << 10,
                        .quota = -1,
                        .random = 0x1234567,
                        .is_verbose = is_verbose};
}

size_t kp_sim_handle_count(void)
{
    return open_count;
}

kp_handle_t kp_sim_service_create(void)
{
    return handle_new(object_new(KP_TYPE_SERVICE));
}

kp_handle_t kp_sim_device_create(void)
{
    device = object_new(KP_TYPE_DEVICE);
    return handle_new(device);
}

bool kp_sim_device_deliver(const uint8_t *frame, size_t size)
{
    if (!device || device->count >= 256)
        return false;
    push(device, frame, size, NULL, 0);
    return true;
}

void kp_sim_device_drained(void)
{
    if (device)
        device->is_full = false;
}

size_t kp_sim_channel_waiting(kp_handle_t channel)
{
    const object_t *end = find(channel, KP_TYPE_CHANNEL);
    return end ? end->count : 0;
}
