#include "shell/test/fake_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"
#include "runtime/program/startup.h"

#define HANDLES_MAX 512
#define QUEUE_MAX 256

fake_kernel_t fake;
static fake_object_t *handles[HANDLES_MAX]; /* handle h is handles[h - 1] */

fake_object_t *fake_object(uint32_t type)
{
    fake_object_t *object = calloc(1, sizeof(*object));
    object->type = type;
    object->references = 1;
    object->limit = QUEUE_MAX;
    return object;
}

static void drain(fake_object_t *object)
{
    fake_message_t *message;
    while ((message = fake_receive(object)) != NULL)
        fake_message_free(message);
}

void fake_release(fake_object_t *object)
{
    if (!object || --object->references > 0)
        return;
    drain(object);
    if (object->peer)
        object->peer->peer = NULL;
    free(object->bytes);
    free(object);
}

void fake_message_free(fake_message_t *message)
{
    for (size_t i = 0; i < message->object_count; i++)
        fake_release(message->objects[i]);
    free(message);
}

fake_message_t *fake_receive(fake_object_t *end)
{
    fake_message_t *message = end->first;
    if (message) {
        end->first = message->next;
        end->queued--;
    }
    return message;
}

void fake_send(fake_object_t *end, const void *bytes, size_t size, fake_object_t *const *objects,
               size_t object_count)
{
    fake_message_t *message = calloc(1, sizeof(*message) + size);
    fake_object_t *to = end->peer;
    message->size = size;
    message->object_count = object_count;
    memcpy(message->bytes, bytes, size);
    for (size_t i = 0; i < object_count; i++)
        message->objects[i] = objects[i];
    if (!to) {
        fake_message_free(message);
        return;
    }
    if (to->first)
        to->last->next = message;
    else
        to->first = message;
    to->last = message;
    to->queued++;
}

static kp_handle_t handle_make(fake_object_t *object)
{
    for (size_t i = 0; i < HANDLES_MAX; i++) {
        if (!handles[i]) {
            handles[i] = object;
            return (kp_handle_t)i + 1;
        }
    }
    abort();
}

static fake_object_t *object_of(uint64_t handle)
{
    return handle > 0 && handle <= HANDLES_MAX ? handles[handle - 1] : NULL;
}

static void handle_forget(uint64_t handle)
{
    handles[handle - 1] = NULL;
}

size_t fake_handle_count(void)
{
    size_t count = 0;
    for (size_t i = 0; i < HANDLES_MAX; i++)
        count += handles[i] != NULL;
    return count;
}

static void channel_pair(fake_object_t **a, fake_object_t **b)
{
    *a = fake_object(KP_TYPE_CHANNEL);
    *b = fake_object(KP_TYPE_CHANNEL);
    (*a)->peer = *b;
    (*b)->peer = *a;
}

void fake_end_tab(size_t tab, uint32_t reason, int32_t code, uint64_t address)
{
    fake_tab_t *it = &fake.tabs[tab];
    it->process->is_terminated = true;
    it->process->info.exit_reason = reason;
    it->process->info.exit_code = code;
    it->process->info.fault_address = address;
    fake_release(it->channel);
    it->channel = NULL;
}

void fake_end_display(void)
{
    fake_release(fake.display);
    fake.display = NULL;
}

void fake_reset(void)
{
    for (size_t i = 0; i < HANDLES_MAX; i++) {
        if (handles[i])
            fake_release(handles[i]);
        handles[i] = NULL;
    }
    for (size_t i = 0; i < fake.tab_count; i++) {
        fake_release(fake.tabs[i].channel);
        fake_release(fake.tabs[i].process);
    }
    fake_release(fake.display);
    fake_release(fake.console);
    fake = (fake_kernel_t){.has_display = true, .has_console = true, .has_coordinator = true};
}

kp_handle_t kp_startup_take(const char *name)
{
    if (strcmp(name, "coordinator") == 0 && fake.has_coordinator)
        return handle_make(fake_object(KP_TYPE_COORDINATOR));
    if (strcmp(name, "svc:display") == 0 && fake.has_display)
        return handle_make(fake_object(KP_TYPE_SERVICE));
    if (strcmp(name, "dev:console0") == 0 && fake.has_console) {
        fake.console = fake_object(KP_TYPE_DEVICE);
        fake.console->references++;
        return handle_make(fake.console);
    }
    return KP_HANDLE_NONE;
}

void kp_log(const char *format, ...)
{
    va_list arguments;
    if (fake.is_quiet)
        return;
    va_start(arguments, format);
    printf("# log: ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

static kp_signals_t signals_of(const fake_object_t *object)
{
    switch (object->type) {
    case KP_TYPE_CHANNEL:
        return (object->first ? KP_SIGNAL_READABLE : 0) |
               (object->peer ? 0 : KP_SIGNAL_PEER_CLOSED) |
               (object->peer && object->peer->queued < object->peer->limit ? KP_SIGNAL_WRITABLE
                                                                           : 0);
    case KP_TYPE_PROCESS:
        return object->is_terminated ? KP_SIGNAL_TERMINATED : 0;
    default:
        return KP_SIGNAL_WRITABLE;
    }
}

static int64_t wait_many(kp_wait_item_t *items, size_t count)
{
    bool is_any = false;
    for (size_t i = 0; i < count; i++) {
        fake_object_t *object = object_of(items[i].handle);
        if (!object)
            return KP_ERR_BAD_HANDLE;
        items[i].observed = signals_of(object);
        is_any |= (items[i].observed & items[i].signals) != 0;
    }
    return is_any ? KP_OK : KP_ERR_TIMED_OUT;
}

static int64_t channel_write(fake_object_t *end, const void *bytes, size_t size,
                             const kp_handle_t *moved, size_t count)
{
    fake_object_t *objects[KP_CHANNEL_HANDLES_MAX];
    if (size > KP_CHANNEL_BYTES_MAX || count > KP_CHANNEL_HANDLES_MAX)
        abort();
    if (!end->peer)
        return KP_ERR_PEER_CLOSED;
    if (end->peer->queued >= end->peer->limit)
        return KP_ERR_SHOULD_WAIT;
    for (size_t i = 0; i < count; i++) {
        objects[i] = object_of(moved[i]);
        if (!objects[i])
            return KP_ERR_BAD_HANDLE;
        handle_forget(moved[i]);
    }
    fake_send(end, bytes, size, objects, count);
    return KP_OK;
}

static int64_t channel_read(fake_object_t *end, void *bytes, size_t capacity, kp_handle_t *out,
                            uint32_t *actual)
{
    if (!end->first)
        return end->peer ? KP_ERR_SHOULD_WAIT : KP_ERR_PEER_CLOSED;
    if (end->first->size > capacity)
        abort();
    fake_message_t *message = fake_receive(end);
    memcpy(bytes, message->bytes, message->size);
    for (size_t i = 0; i < message->object_count; i++)
        out[i] = handle_make(message->objects[i]);
    actual[0] = (uint32_t)message->size;
    actual[1] = (uint32_t)message->object_count;
    free(message);
    return KP_OK;
}

static int64_t tab_create(kp_tab_created_t *out)
{
    if (fake.tab_status != KP_OK)
        return fake.tab_status;
    if (fake.tab_count == FAKE_TABS_MAX)
        abort();
    fake_tab_t *tab = &fake.tabs[fake.tab_count++];
    fake_object_t *end;
    channel_pair(&end, &tab->channel);
    tab->process = fake_object(KP_TYPE_PROCESS);
    tab->process->references++;
    *out = (kp_tab_created_t){handle_make(end), handle_make(tab->process)};
    return KP_OK;
}

static int64_t tab_set_role(const fake_object_t *process, uint32_t role)
{
    for (size_t i = 0; i < fake.tab_count; i++) {
        if (fake.tabs[i].process != process || process->is_terminated)
            continue;
        fake.tabs[i].role = role;
        fake.tabs[i].roles_told++;
        return KP_OK;
    }
    return KP_ERR_NOT_FOUND;
}

static int64_t service_connect(void)
{
    fake_object_t *end;
    fake_release(fake.display);
    channel_pair(&end, &fake.display);
    fake.connections++;
    return handle_make(end);
}

static int64_t device_write(fake_object_t *device, const void *bytes, size_t size)
{
    if (size > 100)
        size = 100; /* devices take what they like */
    device->bytes = realloc(device->bytes, device->size + size + 1);
    memcpy(device->bytes + device->size, bytes, size);
    device->size += size;
    device->bytes[device->size] = 0;
    return (int64_t)size;
}

static int64_t process_kill(fake_object_t *process)
{
    for (size_t i = 0; i < fake.tab_count; i++) {
        if (fake.tabs[i].process == process && !process->is_terminated)
            fake_end_tab(i, KP_EXIT_KILLED, 0, 0);
    }
    return KP_OK;
}

#define POINTER(a) ((void *)(uintptr_t)(a))

int64_t kp_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                uint64_t a5)
{
    fake_object_t *object = object_of(a0);
    switch (number) { /* calls without an object first */
    case KP_CALL_object_wait_many:
        return wait_many(POINTER(a0), (size_t)a1);
    case KP_CALL_clock_get:
        *(uint64_t *)POINTER(a1) = (uint64_t)fake.now;
        return KP_OK;
    case KP_CALL_boot_mark:
        fake.load_done_marks += a1 == 9 && memcmp(POINTER(a0), "load-done", 9) == 0;
        return KP_OK;
    default:
        break;
    }
    if (!object) {
        printf("# call %u with a bad handle\n", number);
        abort();
    }
    switch (number) {
    case KP_CALL_handle_close:
        handle_forget(a0);
        fake_release(object);
        return KP_OK;
    case KP_CALL_object_wait_one:
        return signals_of(object) & a1 ? KP_OK : KP_ERR_TIMED_OUT;
    case KP_CALL_channel_write:
        return channel_write(object, POINTER(a1), (size_t)a2, POINTER(a3), (size_t)a4);
    case KP_CALL_channel_read:
        return channel_read(object, POINTER(a1), (size_t)a2, POINTER(a3), POINTER(a5));
    case KP_CALL_vmo_size:
        return (int64_t)object->size;
    case KP_CALL_vmo_read:
        if (a1 > object->size || a3 > object->size - a1)
            return KP_ERR_OUT_OF_RANGE;
        memcpy(POINTER(a2), object->bytes + a1, (size_t)a3);
        return KP_OK;
    case KP_CALL_process_info:
        *(kp_process_info_t *)POINTER(a1) = object->info;
        return KP_OK;
    case KP_CALL_process_kill:
        return process_kill(object);
    case KP_CALL_service_connect:
        return service_connect();
    case KP_CALL_device_write:
        return device_write(object, POINTER(a1), (size_t)a2);
    case KP_CALL_tab_create:
        return tab_create(POINTER(a1));
    case KP_CALL_tab_set_role:
        return tab_set_role(object_of(a1), (uint32_t)a2);
    default:
        printf("# call %u is not faked\n", number);
        abort();
    }
}
