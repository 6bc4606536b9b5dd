/* Memory runs out at every single allocation of a scenario that uses the whole core: each call says
   ERR_NO_MEMORY (or works), nothing crashes, and nothing leaks. */
#include "kernel/init/startup.h"
#include "kernel/ipc/services.h"
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

static uint32_t word(kp_process_t *process, uint32_t offset)
{
    uint32_t value;
    memcpy(&value, kp_test_memory(process, offset), sizeof(value));
    return value;
}

/* What a call may say when memory is short at some earlier or this call. */
static void check(int64_t result, const char *what)
{
    if (result < 0 && result != KP_ERR_NO_MEMORY && result != KP_ERR_BAD_HANDLE &&
        result != KP_ERR_SHOULD_WAIT && result != KP_ERR_TIMED_OUT)
        KP_FAIL("%s: %s", what, kp_status_name((kp_status_t)result));
}
#define CALL(name, ...) check(kp_test_call(process, name, __VA_ARGS__), #name)

static void use_process(kp_process_t *process)
{
    CALL(startup_channel, 0);
    CALL(channel_create, 0x100);
    uint32_t ends[2] = {word(process, 0x100), word(process, 0x104)};
    int64_t vmo = kp_test_call(process, vmo_create, 16 * 4096);
    int64_t event = kp_test_call(process, event_create, 0);
    CALL(vmo_map, (uint64_t)vmo, 0, 0x2000, 8192, KP_VMO_MAP_WRITE);
    CALL(vmo_map, (uint64_t)vmo, 0, 0x3000, 8192, 0);
    CALL(vmo_unmap, 0x2000, 4096);
    CALL(vmo_read, (uint64_t)vmo, 0, 0x200, 100);
    CALL(vmo_write, (uint64_t)vmo, 0, 0x200, 100);
    uint32_t moved[2] = {(uint32_t)vmo, (uint32_t)event};
    memcpy(kp_test_memory(process, 0x300), moved, sizeof(moved));
    CALL(channel_write, ends[0], 0x200, 1000, 0x300, 2);
    CALL(channel_read, ends[1], 0x1000, 1000, 0x300, 2, 0x400);
    CALL(handle_duplicate, word(process, 0x300), KP_RIGHTS_SAME);
    CALL(handle_replace, word(process, 0x300), KP_RIGHTS_SAME);
    kp_wait_item_t items[20] = {{0}};
    for (int i = 0; i < 20; i++)
        items[i] = (kp_wait_item_t){.handle = ends[0], .signals = KP_SIGNAL_WRITABLE};
    memcpy(kp_test_memory(process, 0x1000), items, sizeof(items));
    CALL(object_wait_many, 0x1000, 20, 0);
    for (int i = 0; i < 100; i++)
        CALL(event_create, 0);
    CALL(memory_grow, 1);
}

static void scenario(void)
{
    kp_startup_t startup;
    kp_startup_init(&startup);
    kp_startup_argument(&startup, "program");
    kp_capability_t event = {0};
    if (kp_event_create(&event) == KP_OK)
        kp_startup_grant(&startup, "event", event);
    static kp_image_t image = {.info = {.initial_pages = 1, .maximum_pages = 4}};
    const kp_job_limits_t limits = {1000, 1 << 20, 10000, 10, 1000};
    kp_process_t *process;
    kp_job_t *job;
    kp_status_t status = kp_job_create(kp_job_root(), &limits, &job);
    check(status, "job");
    if (status == KP_OK) {
        status = kp_startup_launch(&startup, "memory", &image, job, NULL, &process);
        check(status, "launch");
        kp_object_release(&job->object);
    } else {
        kp_startup_clear(&startup);
    }
    if (status == KP_OK) {
        use_process(process);
        kp_test_process_end(process);
    }
    kp_service_t *service;
    if (kp_service_find("memory", &service) != KP_OK)
        return;
    kp_capability_t connection = {0}, requests = {0};
    check(kp_service_connect(service, &connection), "connect");
    check(kp_service_register(service, &requests), "register");
    kp_capability_close(&connection);
    kp_message_t *message;
    if (requests.object && kp_channel_receive(requests, KP_TIME_POLL, &message) == KP_OK)
        kp_message_destroy(message);
    kp_capability_close(&requests);
}

KP_TEST(memory_may_run_out_anywhere)
{
    kp_test_attach("test");
    scenario(); /* what is made once stays: the service */
    uint64_t objects = kp_object_count(KP_TYPE_NONE), allocations = kp_test_allocations();
    unsigned n = 1;
    for (;; n++) {
        kp_test_fail_allocation(n);
        scenario();
        bool failed = kp_test_failed();
        kp_test_fail_allocation(0);
        if (kp_object_count(KP_TYPE_NONE) != objects || kp_test_allocations() != allocations) {
            KP_FAIL("failure %u leaks: %lld objects, %lld blocks", n,
                    (long long)(kp_object_count(KP_TYPE_NONE) - objects),
                    (long long)(kp_test_allocations() - allocations));
            break;
        }
        if (!failed)
            break;
    }
    printf("# %u allocations failed in turn\n", n - 1);
    KP_EXPECT(n > 25);
}

KP_TEST(service_names_may_run_out_of_memory)
{
    uint64_t objects = kp_object_count(KP_TYPE_NONE);
    kp_service_t *service;
    for (unsigned n = 1; n <= 2; n++) {
        kp_test_fail_allocation(n);
        KP_EXPECT_INT(kp_service_find("never", &service), KP_ERR_NO_MEMORY);
        KP_EXPECT(kp_test_failed());
    }
    kp_test_fail_allocation(0);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
}

KP_TEST_MAIN()
