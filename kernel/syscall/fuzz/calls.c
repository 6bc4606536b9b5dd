/* System calls of a hostile process, over the test machine: any call with any arguments, among them
   handles that it has. Afterwards nothing may be left.

   Input: 1 byte of flags (1: handles seen are written to memory now and then; 2: the n-th
   allocation fails, n in the next byte), then calls: 1 byte of number, then for each argument of
   the call 1 byte that says what follows: 0..127 a handle from those seen so far; 128..159 a small
   number; else a place in memory (2 bytes), 32 or 64 bits as they are. */
#include <stdio.h>
#include <stdlib.h>

#include "abi/call_table.h"
#include "abi/reader.h"
#include "kernel/ipc/services.h"
#include "kernel/test/machine.h"
#include "kernel/init/files.h"
#include "kernel/object/timer.h"

#define SEEN_MAX 128u
#define CALLS_MAX 400u

static int64_t device_read(kp_device_t *device, void *to, size_t capacity)
{
    (void)device;
    memset(to, 7, capacity);
    return capacity % 3 ? (int64_t)capacity : KP_ERR_SHOULD_WAIT;
}

static int64_t device_write(kp_device_t *device, const void *from, size_t count)
{
    (void)device;
    return ((const uint8_t *)from)[count - 1] ? (int64_t)count : KP_ERR_SHOULD_WAIT;
}

static int64_t device_control(kp_device_t *device, uint32_t op, const void *in, size_t in_count,
                              void *out, size_t out_capacity, kp_vmo_t *vmo)
{
    (void)device;
    (void)in;
    if (op == KP_DEVICE_OP_GPU_SCANOUT) {
        if (!vmo || in_count != sizeof(kp_gpu_scanout_t))
            abort();
        kp_vmo_release(vmo);
        return KP_OK;
    }
    memset(out, 9, out_capacity);
    return (int64_t)out_capacity;
}

static const kp_device_ops_t device_ops = {
    .read = device_read, .write = device_write, .control = device_control};
static kp_device_t device = {.kind = KP_DEVICE_GPU, .name = "fuzz-gpu", .ops = &device_ops};

static uint32_t seen[SEEN_MAX];
static uint32_t seen_count;

static void see(uint32_t handle)
{
    seen[seen_count++ % SEEN_MAX] = handle;
}

static void give(kp_process_t *process, kp_object_t *object)
{
    kp_handle_t handle;
    kp_capability_t capability = kp_capability_create(object, KP_RIGHTS_ALL);
    if (kp_handle_add(&process->handles, capability, &handle) != KP_OK)
        abort();
    see(handle);
}

static uint64_t argument_read(kp_reader_t *reader)
{
    uint8_t kind = kp_reader_u8(reader);
    if (kind < 128)
        return seen[kind % SEEN_MAX];
    if (kind < 160)
        return kind - 128u;
    if (kind < 208)
        return kp_reader_u16(reader);
    if (kind < 232)
        return kp_reader_u32(reader);
    return kp_reader_u64(reader);
}

static void call_make(kp_process_t *process, kp_reader_t *reader)
{
    size_t index = kp_reader_u8(reader) % KP_ARRAY_COUNT(kp_call_table);
    uint64_t arguments[6] = {0};
    for (int i = 0; kp_call_table[index].arguments[i].kind; i++)
        arguments[i] = argument_read(reader);
    uint32_t number = kp_call_table[index].number;
    if (number == KP_CALL_object_wait_one || number == KP_CALL_object_wait_many ||
        number == KP_CALL_channel_call || number == KP_CALL_channel_receive)
        arguments[2] = 0; /* nobody would wake us */
    if (number == KP_CALL_channel_reply_receive)
        arguments[3] = 0;
    if (number == KP_CALL_memory_grow)
        arguments[0] %= 3;
    int64_t result = kp_test_call6(process, number, arguments);
    if (result > 0 && result <= UINT32_MAX)
        see((uint32_t)result);
    /* Handles that calls write to memory are found where the fuzzer puts small offsets. */
    if (result == KP_OK) {
        uint32_t words[2];
        uint64_t at = number == KP_CALL_channel_read ? arguments[3]
                      : number == KP_CALL_tab_create ? arguments[1]
                                                     : arguments[0];
        if ((number == KP_CALL_channel_create || number == KP_CALL_channel_read ||
             number == KP_CALL_tab_create) &&
            at + sizeof(words) <= 65536) {
            memcpy(words, kp_test_memory(process, (uint32_t)at), sizeof(words));
            see(words[0]);
            see(words[1]);
        }
    }
}

static void process_finish(kp_process_t *process, void *context)
{
    (void)context;
    kp_process_end(process, KP_EXIT_KILLED, 0, 0);
}

static kp_service_t *service;

static void set_up(void)
{
    static _Alignas(4096) uint8_t archive[4096 + KP_TEST_IMAGE_SIZE];
    kp_test_attach("fuzz");
    size_t size = kp_test_image_build(archive + 4096, 1, 2);
    kp_bundle_header_t header = {KP_BUNDLE_MAGIC, 1, 0, sizeof(archive)};
    kp_bundle_entry_t entry = {.name = "programs/tab.kpi", .offset = 4096, .size = size};
    memcpy(archive, &header, sizeof(header));
    memcpy(archive + sizeof(header), &entry, sizeof(entry));
    kp_service_t *http;
    if (kp_files_open(archive, sizeof(archive)) != KP_OK || kp_coordinator_init() != KP_OK ||
        kp_timers_start() != KP_OK || kp_device_register(&device) != KP_OK ||
        kp_service_find("fuzz", &service) != KP_OK || kp_service_find("http", &http) != KP_OK)
        abort();
    kp_capability_t channel, process;
    if (kp_coordinator_tab_create(&channel, &process) != KP_OK) /* parses the image, for ever */
        abort();
    kp_capability_close(&channel);
    kp_process_each(process_finish, NULL);
    kp_capability_close(&process);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!service)
        set_up();
    uint64_t objects = kp_object_count(KP_TYPE_NONE), allocations = kp_test_allocations();
    const kp_job_limits_t limits = {100, 1 << 20, 2048, 4, 200};
    kp_process_t *process = kp_test_process_limited(1, 8, &limits);
    kp_process_t *victim = kp_test_process_limited(1, 2, &limits);
    if (!process || !victim)
        abort();
    if (size % 2) /* both ways of finding handles */
        kp_test_process_alone(process);
    memset(seen, 0, sizeof(seen));
    seen_count = 0;
    kp_capability_t ends[2], event;
    if (kp_channel_create(ends) != KP_OK || kp_event_create(&event) != KP_OK)
        abort();
    give(process, event.object);
    give(process, &victim->object);
    give(process, kp_service_object(service));
    give(process, kp_device_object(&device));
    give(process, kp_coordinator_object());
    kp_capability_close(&event);
    for (int i = 0; i < 2; i++) {
        kp_handle_t handle;
        if (kp_handle_add(&process->handles, ends[i], &handle) != KP_OK)
            abort();
        see(handle);
    }
    /* The handles also lie in memory, for calls that read them there. */
    memcpy(kp_test_memory(process, 0), seen, 7 * sizeof(uint32_t));
    memcpy(kp_test_memory(process, 0x1000), data, KP_MIN(size, (size_t)4096));

    kp_reader_t reader = kp_reader_init(data, size);
    uint8_t flags = kp_reader_u8(&reader);
    if (flags & 2)
        kp_test_fail_allocation(kp_reader_u8(&reader));
    for (unsigned i = 0; i < CALLS_MAX && kp_reader_left(&reader) > 0; i++) {
        if (flags & 1 && i % 8 == 7 && process->has_space) /* refused where it is read-only */
            (void)kp_machine_space_copy_out(&process->space, 0, &seen[i % 64], 16);
        call_make(process, &reader);
    }
    kp_test_fail_allocation(0);
    kp_test_process_end(process);
    kp_test_process_end(victim);
    kp_process_each(process_finish, NULL); /* tabs */
    /* Requests that nobody read stay with the service by design. */
    kp_capability_t requests;
    if (kp_service_register(service, &requests) != KP_OK)
        abort();
    kp_message_t *message;
    while (kp_channel_receive(requests, KP_TIME_POLL, &message) == KP_OK)
        kp_message_destroy(message);
    kp_capability_close(&requests);
    if (kp_object_count(KP_TYPE_NONE) != objects || kp_test_allocations() != allocations) {
        fprintf(stderr, "leak: %lld objects, %lld blocks\n",
                (long long)(kp_object_count(KP_TYPE_NONE) - objects),
                (long long)(kp_test_allocations() - allocations));
        abort();
    }
    return 0;
}
