#include "display/test/fake_kernel.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/program/startup.h"

#define OBJECTS 4096
#define GPU 2000
#define INPUT 2002
#define SERVICE 2004
#define SERVICE_TEST_END 2007 /* the service reads at 2006 */
#define MAPPINGS 64

typedef struct fake_message {
    struct fake_message *next;
    size_t size, handle_count;
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    uint8_t bytes[];
} fake_message_t;

typedef struct fake_object {
    bool open;
    bool is_channel;
    fake_message_t *first;
    size_t queued;
    uint8_t *vmo; /* and its size */
    size_t size;
    kp_handle_t same_as; /* a duplicate: the object with the bytes */
} fake_object_t;

static fake_object_t objects[OBJECTS];
static struct {
    void *address;
    size_t size;
    kp_handle_t vmo;
} mappings[MAPPINGS];
static kp_input_event_t input_events[256];
static size_t input_count;
fake_screen_t fake_screen;

static kp_handle_t new_object(void)
{
    for (kp_handle_t i = 2; i < GPU; i += 2) {
        bool used = objects[i].open || objects[i + 1].open || objects[i].first ||
                    objects[i + 1].first || objects[i].vmo; /* duplicates may share the bytes */
        if (!used) {
            objects[i] = objects[i + 1] = (fake_object_t){0};
            objects[i].open = true;
            return i;
        }
    }
    abort();
}

static fake_object_t *bytes_of(kp_handle_t vmo)
{
    return &objects[objects[vmo].same_as ? objects[vmo].same_as : vmo];
}

static void close_object(kp_handle_t handle)
{
    fake_object_t *object = &objects[handle];
    object->open = false;
    for (fake_message_t *message; (message = object->first) != NULL;) {
        object->first = message->next;
        for (size_t i = 0; i < message->handle_count; i++)
            close_object(message->handles[i]);
        free(message);
    }
    /* Bytes live while any duplicate does; the tests are short: freed by the reset. */
}

void fake_reset(void)
{
    for (kp_handle_t i = 0; i < OBJECTS; i++) {
        if (objects[i].open || objects[i].first)
            close_object(i);
        free(objects[i].vmo);
        objects[i] = (fake_object_t){0};
    }
    memset(mappings, 0, sizeof mappings);
    input_count = 0;
    fake_screen = (fake_screen_t){.exists = true, .width = 200, .height = 150, .queue_limit = 1000};
    objects[SERVICE_TEST_END - 1].open = objects[SERVICE_TEST_END].open = true;
    objects[SERVICE_TEST_END - 1].is_channel = objects[SERVICE_TEST_END].is_channel = true;
}

static kp_status_t enqueue(kp_handle_t to, const void *bytes, size_t size,
                           const kp_handle_t *handles, size_t handle_count)
{
    fake_object_t *object = &objects[to];
    if (!object->open)
        return KP_ERR_PEER_CLOSED;
    if (object->queued >= fake_screen.queue_limit)
        return KP_ERR_SHOULD_WAIT;
    fake_message_t *message = calloc(1, sizeof *message + size);
    message->size = size;
    message->handle_count = handle_count;
    memcpy(message->bytes, bytes, size);
    if (handle_count)
        memcpy(message->handles, handles, handle_count * sizeof *handles);
    fake_message_t **at = &object->first;
    while (*at)
        at = &(*at)->next;
    *at = message;
    object->queued++;
    return KP_OK;
}

kp_handle_t fake_connect(void)
{
    kp_handle_t server = new_object(), client = server + 1;
    objects[client].open = true;
    objects[server].is_channel = objects[client].is_channel = true;
    (void)enqueue(SERVICE_TEST_END - 1, "connect!", 8, &server, 1);
    return client;
}

void fake_send(kp_handle_t end, const void *bytes, size_t size, const kp_handle_t *handles,
               size_t handle_count)
{
    (void)enqueue(end ^ 1, bytes, size, handles, handle_count);
}

size_t fake_receive(kp_handle_t end, void *bytes, size_t capacity, kp_handle_t *handle)
{
    fake_message_t *message = objects[end].first;
    if (!message)
        return 0;
    size_t size = message->size;
    memcpy(bytes, message->bytes, size < capacity ? size : capacity);
    *handle = message->handle_count ? message->handles[0] : KP_HANDLE_NONE;
    objects[end].first = message->next;
    objects[end].queued--;
    free(message);
    return size;
}

void fake_close(kp_handle_t end)
{
    close_object(end);
}

kp_handle_t fake_vmo(const void *bytes, size_t size)
{
    kp_handle_t vmo = new_object();
    objects[vmo].size = (size + KP_PAGE_SIZE - 1) & ~(size_t)(KP_PAGE_SIZE - 1);
    objects[vmo].vmo = calloc(1, objects[vmo].size);
    if (bytes)
        memcpy(objects[vmo].vmo, bytes, size);
    return vmo;
}

const void *fake_vmo_bytes(kp_handle_t vmo)
{
    fake_object_t *object = bytes_of(vmo);
    for (size_t i = 0; i < MAPPINGS; i++) { /* what was written through a mapping */
        if (mappings[i].address && &objects[mappings[i].vmo] == object)
            memcpy(object->vmo, mappings[i].address, mappings[i].size);
    }
    return object->vmo;
}

void fake_input(const kp_input_event_t *events, size_t count)
{
    memcpy(input_events + input_count, events, count * sizeof *events);
    input_count += count;
}

size_t fake_open_count(void)
{
    size_t count = 0;
    for (kp_handle_t i = 0; i < GPU; i += 2) /* odd ones are the clients' ends */
        count += objects[i].open;
    return count;
}

kp_handle_t kp_startup_take(const char *name)
{
    if (strcmp(name, "svc:display") == 0)
        return SERVICE;
    if (strcmp(name, "dev:gpu0") == 0)
        return fake_screen.exists ? GPU : KP_HANDLE_NONE;
    return strcmp(name, "dev:input0") == 0 ? INPUT : KP_HANDLE_NONE;
}

const char *kp_startup_name(size_t index)
{
    static const char *const names[] = {"svc:display", "dev:gpu0", "dev:input0"};
    return index < 3 ? names[index] : NULL;
}

static kp_signals_t signals_of(kp_handle_t handle)
{
    if (handle == INPUT)
        return input_count ? KP_SIGNAL_READABLE : 0;
    fake_object_t *object = &objects[handle], *peer = &objects[handle ^ 1];
    return (object->first ? KP_SIGNAL_READABLE : 0) | (peer->open ? 0 : KP_SIGNAL_PEER_CLOSED) |
           (peer->open && peer->queued < fake_screen.queue_limit ? KP_SIGNAL_WRITABLE : 0);
}

static int64_t wait_many(kp_wait_item_t *items, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        items[i].observed = signals_of(items[i].handle);
        any |= (items[i].observed & items[i].signals) != 0;
    }
    return any ? KP_OK : KP_ERR_TIMED_OUT;
}

static int64_t channel_read(kp_handle_t handle, uint8_t *bytes, size_t capacity,
                            kp_handle_t *handles, size_t handle_capacity, uint32_t *actual)
{
    fake_object_t *object = &objects[handle];
    fake_message_t *message = object->first;
    if (!message)
        return objects[handle ^ 1].open ? KP_ERR_SHOULD_WAIT : KP_ERR_PEER_CLOSED;
    actual[0] = (uint32_t)message->size;
    actual[1] = (uint32_t)message->handle_count;
    if (message->size > capacity || message->handle_count > handle_capacity)
        return KP_ERR_BUFFER_TOO_SMALL;
    memcpy(bytes, message->bytes, message->size);
    memcpy(handles, message->handles, message->handle_count * sizeof *handles);
    object->first = message->next;
    object->queued--;
    free(message);
    return KP_OK;
}

static int64_t vmo_map(kp_handle_t vmo, void *address, size_t size)
{
    for (size_t i = 0; i < MAPPINGS; i++) {
        if (mappings[i].address)
            continue;
        mappings[i].address = address;
        mappings[i].size = size;
        mappings[i].vmo = (kp_handle_t)(bytes_of(vmo) - objects);
        memcpy(address, bytes_of(vmo)->vmo, size);
        return KP_OK;
    }
    return KP_ERR_NO_MEMORY;
}

static int64_t vmo_unmap(void *address)
{
    for (size_t i = 0; i < MAPPINGS; i++) {
        if (mappings[i].address != address)
            continue;
        memcpy(objects[mappings[i].vmo].vmo, address, mappings[i].size);
        mappings[i].address = NULL;
        return KP_OK;
    }
    return KP_ERR_INVALID_ARGUMENT;
}

static int64_t gpu_control(uint32_t op, const void *in, void *out)
{
    const kp_gpu_scanout_t *scanout = in;
    const kp_gpu_rect_t *rect = in;
    kp_gpu_mode_t mode = {fake_screen.width, fake_screen.height};
    switch (op) {
    case KP_DEVICE_OP_GPU_MODE:
        memcpy(out, &mode, sizeof mode);
        return sizeof mode;
    case KP_DEVICE_OP_GPU_SCANOUT:
        fake_screen.scanout = scanout->vmo;
        return 0;
    case KP_DEVICE_OP_GPU_FLUSH:
        fake_screen.flushes++;
        fake_screen.flushed_pixels += (uint64_t)rect->width * rect->height;
        return rect->x + rect->width <= mode.width && rect->y + rect->height <= mode.height
                   ? 0
                   : KP_ERR_OUT_OF_RANGE;
    case KP_DEVICE_OP_GPU_CURSOR:
        fake_screen.cursor_moves++;
        return fake_screen.has_cursor ? 0 : KP_ERR_NOT_SUPPORTED;
    default:
        return KP_ERR_NOT_SUPPORTED;
    }
}

static int64_t input_read(void *bytes, size_t capacity)
{
    size_t count = capacity / sizeof input_events[0];
    count = count < input_count ? count : input_count;
    if (!count)
        return KP_ERR_SHOULD_WAIT;
    memcpy(bytes, input_events, count * sizeof input_events[0]);
    memmove(input_events, input_events + count, (input_count - count) * sizeof input_events[0]);
    input_count -= count;
    return (int64_t)(count * sizeof input_events[0]);
}

int64_t kp_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                uint64_t a5)
{
    void *p1 = (void *)(uintptr_t)a1, *p2 = (void *)(uintptr_t)a2, *p3 = (void *)(uintptr_t)a3;
    kp_handle_t handle = (kp_handle_t)a0;
    switch (number) {
    case KP_CALL_handle_close:
        close_object(handle);
        return KP_OK;
    case KP_CALL_handle_duplicate: {
        kp_handle_t copy = new_object();
        objects[copy].same_as = (kp_handle_t)(bytes_of(handle) - objects);
        objects[copy].size = bytes_of(handle)->size;
        return copy;
    }
    case KP_CALL_object_wait_many:
        return wait_many((void *)(uintptr_t)a0, a1);
    case KP_CALL_channel_write:
        return enqueue(handle ^ 1, p1, a2, p3, a4);
    case KP_CALL_channel_read:
        return channel_read(handle, p1, a2, p3, a4, (void *)(uintptr_t)a5);
    case KP_CALL_vmo_create:
        return fake_vmo(NULL, a0);
    case KP_CALL_vmo_size:
        return objects[handle].open && bytes_of(handle)->vmo ? (int64_t)bytes_of(handle)->size
                                                             : KP_ERR_WRONG_TYPE;
    case KP_CALL_vmo_read:
        if (!bytes_of(handle)->vmo)
            return KP_ERR_WRONG_TYPE;
        if (a1 + a3 > bytes_of(handle)->size)
            return KP_ERR_OUT_OF_RANGE;
        memcpy(p2, bytes_of(handle)->vmo + a1, a3);
        return KP_OK;
    case KP_CALL_vmo_map:
        return vmo_map(handle, p2, a3);
    case KP_CALL_vmo_unmap:
        return vmo_unmap((void *)(uintptr_t)a0);
    case KP_CALL_service_register:
        return SERVICE_TEST_END - 1;
    case KP_CALL_device_read:
        return input_read(p1, a2);
    case KP_CALL_device_control:
        return gpu_control((uint32_t)a1, p2, (void *)(uintptr_t)a4);
    case KP_CALL_boot_mark:
        fake_screen.first_paint_marks += memcmp((void *)(uintptr_t)a0, "first-paint", a1) == 0;
        return KP_OK;
    case KP_CALL_clock_get:
        memset(p1, 0, 8);
        return KP_OK;
    case KP_CALL_debug_log:
        return KP_OK;
    default:
        return KP_ERR_NOT_SUPPORTED;
    }
}

void kp_log(const char *format, ...)
{
    (void)format;
}
