#include "kernel/test/objects.h"

#include <stdlib.h>

#include "kernel/init/files.h"
#include "kernel/ipc/services.h"
#include "kernel/object/code.h"
#include "kernel/object/job.h"
#include "kernel/object/port.h"
#include "kernel/object/timer.h"

#define PEERS 64u
#define MUST(condition) ((condition) ? (void)0 : abort())

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
        MUST(vmo && in_count == sizeof(kp_gpu_scanout_t));
        kp_vmo_release(vmo);
        return KP_OK;
    }
    memset(out, 9, out_capacity);
    return (int64_t)out_capacity;
}

static const kp_device_ops_t device_ops = {
    .read = device_read, .write = device_write, .control = device_control};
static kp_device_t device = {.kind = KP_DEVICE_GPU, .name = "test-gpu", .ops = &device_ops};
static kp_service_t *service;

static kp_process_t *victim, *frozen;
static kp_job_t *job;
static kp_vmo_t *vmo;
static kp_capability_t event, timer, port, code;
static kp_image_t code_image = {.info = {.initial_pages = 1, .maximum_pages = 2}};
static kp_capability_t peers[PEERS]; /* the other ends of channels that were made */
static unsigned peer_count;

static void finish(kp_process_t *process, void *context)
{
    (void)context;
    kp_process_end(process, KP_EXIT_KILLED, 0, 0);
}

/* What is never freed: a boot archive with a program for tabs, a service, a device. */
static void once(void)
{
    static _Alignas(4096) uint8_t archive[4096 + KP_TEST_IMAGE_SIZE];
    size_t size = kp_test_image_build(archive + 4096, 1, 2);
    kp_bundle_header_t header = {KP_BUNDLE_MAGIC, 1, 0, sizeof(archive)};
    kp_bundle_entry_t entry = {.name = "programs/tab.kpi", .offset = 4096, .size = size};
    memcpy(archive, &header, sizeof(header));
    memcpy(archive + sizeof(header), &entry, sizeof(entry));
    kp_service_t *http;
    kp_code_authority_init();
    MUST(kp_files_open(archive, sizeof(archive)) == KP_OK && kp_coordinator_init() == KP_OK &&
         kp_timers_start() == KP_OK && kp_device_register(&device) == KP_OK &&
         kp_service_find("test", &service) == KP_OK && kp_service_find("http", &http) == KP_OK);
    kp_capability_t channel, process;
    MUST(kp_coordinator_tab_create(&channel, &process) == KP_OK); /* parses the image, for ever */
    kp_capability_close(&channel);
    kp_process_each(finish, NULL);
    kp_capability_close(&process);
}

void kp_test_objects_begin(void)
{
    const kp_job_limits_t limits = {
        .handles = 1000, .queued_bytes = 1 << 20, .pages = 4096, .processes = 10, .objects = 1000};
    if (!service)
        once();
    victim = kp_test_process(1, 2, NULL);
    frozen = kp_test_process(1, 2, NULL);
    MUST(victim && frozen && kp_test_call(frozen, process_freeze) == KP_OK &&
         kp_job_create(kp_job_root(), &limits, &job) == KP_OK &&
         kp_vmo_create(65536, NULL, &vmo) == KP_OK && kp_event_create(&event) == KP_OK &&
         kp_timer_create(&timer) == KP_OK && kp_port_create(&port) == KP_OK &&
         kp_code_create(&code_image, &code) == KP_OK);
}

void kp_test_objects_end(void)
{
    for (unsigned i = 0; i < PEERS; i++)
        kp_capability_close(&peers[i]);
    kp_test_process_end(victim);
    kp_test_process_end(frozen);
    /* A process that was never started may be held by nothing but its own startup channel. */
    kp_job_kill(job);
    kp_object_release(&job->object);
    kp_vmo_release(vmo);
    kp_capability_close(&event);
    kp_capability_close(&timer);
    kp_capability_close(&port);
    kp_capability_close(&code);
    kp_process_each(finish, NULL); /* tabs */
    kp_test_service_drain();
}

void kp_test_service_drain(void)
{
    kp_capability_t requests;
    if (kp_service_register(service, &requests) != KP_OK)
        return; /* a process serves it; with its end the requests are the kernel's again */
    kp_message_t *message;
    while (kp_channel_receive(requests, KP_TIME_POLL, &message) == KP_OK)
        kp_message_destroy(message);
    kp_capability_close(&requests);
}

static kp_object_t *thread_object(void)
{
    kp_spin_lock(victim->object.lock);
    kp_thread_t *thread = victim->threads[0];
    kp_spin_unlock(victim->object.lock);
    return thread ? &thread->object : NULL;
}

static kp_object_t *object_of(uint32_t type)
{
    switch (type) {
    case KP_TYPE_VMO:
        return &vmo->object;
    case KP_TYPE_EVENT:
        return event.object;
    case KP_TYPE_PROCESS:
        return &victim->object;
    case KP_TYPE_THREAD:
        return thread_object();
    case KP_TYPE_SERVICE:
        return kp_service_object(service);
    case KP_TYPE_DEVICE:
        return kp_device_object(&device);
    case KP_TYPE_COORDINATOR:
        return kp_coordinator_object();
    case KP_TYPE_JOB:
        return &job->object;
    case KP_TYPE_PORT:
        return port.object;
    case KP_TYPE_TIMER:
        return timer.object;
    case KP_TYPE_CODE:
        return code.object;
    case KP_TYPE_CODE_AUTHORITY:
        return kp_code_authority();
    default:
        return NULL;
    }
}

const uint32_t *kp_test_object_types(void)
{
    static const uint32_t types[] = {
        KP_TYPE_CHANNEL, KP_TYPE_VMO,    KP_TYPE_EVENT,          KP_TYPE_PROCESS, KP_TYPE_THREAD,
        KP_TYPE_SERVICE, KP_TYPE_DEVICE, KP_TYPE_COORDINATOR,    KP_TYPE_JOB,     KP_TYPE_PORT,
        KP_TYPE_TIMER,   KP_TYPE_CODE,   KP_TYPE_CODE_AUTHORITY, KP_TYPE_NONE};
    return types;
}

bool kp_test_object_exists(uint32_t type)
{
    for (const uint32_t *types = kp_test_object_types(); *types; types++) {
        if (*types == type)
            return true;
    }
    return false;
}

kp_capability_t kp_test_object(uint32_t type, kp_rights_t rights)
{
    if (type != KP_TYPE_CHANNEL) {
        kp_object_t *object = object_of(type);
        return object ? kp_capability_create(object, rights) : (kp_capability_t){0};
    }
    kp_capability_t ends[2];
    MUST(kp_channel_create(ends) == KP_OK);
    kp_capability_close(&peers[peer_count % PEERS]);
    peers[peer_count++ % PEERS] = ends[1];
    ends[0].rights = rights;
    return ends[0];
}

kp_capability_t kp_test_object_frozen(void)
{
    return kp_capability_create(&frozen->object, KP_RIGHTS_ALL);
}

kp_handle_t kp_test_object_handle(kp_process_t *process, uint32_t type, kp_rights_t rights)
{
    kp_capability_t capability = kp_test_object(type, rights);
    kp_handle_t handle = KP_HANDLE_NONE;
    if (kp_capability_is_empty(&capability) ||
        kp_handle_add(&process->handles, capability, &handle) == KP_OK)
        return handle;
    kp_capability_close(&capability);
    return KP_HANDLE_NONE;
}
