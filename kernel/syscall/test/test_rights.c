/* Every call of abi/calls.def times every wrong type and every missing right. */
#include "abi/call_macros.h"
#include "kernel/ipc/services.h"
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

/* Of the handle in front; TYPE_NONE: there is none. */
enum { TYPE_NONE = -1 };
static const struct {
    uint32_t number;
    const char *name;
    int type;
    kp_rights_t rights;
} calls[] = {
#define KP_CALL(number, name, result, documentation, ...) \
    {number, #name, KP_CALL_SUBJECT_TYPE(__VA_ARGS__), KP_CALL_SUBJECT_RIGHTS(__VA_ARGS__)},
#include "abi/calls.def"
#undef KP_CALL
};

static const uint32_t types[] = {KP_TYPE_CHANNEL,    KP_TYPE_VMO,     KP_TYPE_EVENT,
                                 KP_TYPE_PROCESS,    KP_TYPE_SERVICE, KP_TYPE_DEVICE,
                                 KP_TYPE_COORDINATOR};

static kp_process_t *process, *victim;
static kp_capability_t peers[64]; /* the other ends of channels that handles were made for */
static unsigned peer_count;

static kp_device_t device = {
    .kind = KP_DEVICE_CONSOLE, .name = "test-rights", .ops = &(kp_device_ops_t){0}};

static kp_object_t *object_of(uint32_t type)
{
    static kp_vmo_t *vmo;
    static kp_capability_t event;
    kp_service_t *service;
    switch (type) {
    case KP_TYPE_VMO:
        if (!vmo)
            kp_vmo_create(4096, NULL, &vmo);
        return &vmo->object;
    case KP_TYPE_EVENT:
        if (!event.object)
            kp_event_create(&event);
        return event.object;
    case KP_TYPE_PROCESS:
        return &victim->object;
    case KP_TYPE_SERVICE:
        kp_service_find("test-rights", &service);
        return kp_service_object(service);
    case KP_TYPE_DEVICE:
        if (!device.object)
            kp_device_register(&device);
        return kp_device_object(&device);
    default:
        kp_coordinator_init();
        return kp_coordinator_object();
    }
}

/* A handle in `process` to an object of the type with exactly these rights. */
static kp_handle_t handle_of(uint32_t type, kp_rights_t rights)
{
    kp_capability_t capability;
    if (type == KP_TYPE_CHANNEL) {
        kp_capability_t ends[2];
        kp_channel_create(ends);
        kp_capability_close(&peers[peer_count % 64]);
        peers[peer_count++ % 64] = ends[1];
        capability = ends[0];
        capability.rights = rights;
    } else {
        capability = kp_capability_create(object_of(type), rights);
    }
    kp_handle_t handle = 0;
    kp_status_t status = kp_handle_add(&process->handles, capability, &handle);
    KP_EXPECT_INT(status, KP_OK);
    return handle;
}

static void set_up(void)
{
    kp_test_attach("test");
    process = kp_test_process(1, 2, NULL);
    kp_test_process_alone(process);
    victim = kp_test_process(1, 2, NULL);
}

static void tear_down(void)
{
    for (unsigned i = 0; i < 64; i++)
        kp_capability_close(&peers[i]);
    kp_test_process_end(process);
    kp_test_process_end(victim);
}

KP_TEST(every_call_refuses_other_types)
{
    set_up();
    for (size_t i = 0; i < KP_ARRAY_COUNT(calls); i++) {
        for (size_t k = 0; k < KP_ARRAY_COUNT(types) && calls[i].type > 0; k++) {
            if (types[k] == (uint32_t)calls[i].type)
                continue;
            kp_handle_t handle = handle_of(types[k], KP_RIGHTS_ALL);
            int64_t result = kp_test_call6(process, calls[i].number, (uint64_t[6]){handle});
            if (result != KP_ERR_WRONG_TYPE)
                KP_FAIL("%s on type %u: %lld", calls[i].name, types[k], (long long)result);
            KP_EXPECT_INT(kp_test_call(process, handle_close, handle), KP_OK);
        }
    }
    tear_down();
}

KP_TEST(every_call_refuses_every_missing_right)
{
    set_up();
    unsigned checked = 0;
    for (size_t i = 0; i < KP_ARRAY_COUNT(calls); i++) {
        for (size_t k = 0; k < KP_ARRAY_COUNT(types) && calls[i].type != TYPE_NONE; k++) {
            if (calls[i].type > 0 && types[k] != (uint32_t)calls[i].type)
                continue;
            for (unsigned bit = 0; bit < 12; bit++) {
                kp_rights_t right = 1u << bit;
                if (!(calls[i].rights & right))
                    continue;
                kp_handle_t handle = handle_of(types[k], KP_RIGHTS_ALL & ~right);
                int64_t result = kp_test_call6(process, calls[i].number, (uint64_t[6]){handle});
                if (result != KP_ERR_ACCESS_DENIED)
                    KP_FAIL("%s without right %u: %lld", calls[i].name, right, (long long)result);
                checked++;
                KP_EXPECT_INT(kp_test_call(process, handle_close, handle), KP_OK);
            }
        }
    }
    KP_EXPECT(checked >= 40);
    tear_down();
}

KP_TEST(every_call_refuses_bad_handles)
{
    set_up();
    kp_handle_t stale = handle_of(KP_TYPE_EVENT, KP_RIGHTS_ALL);
    kp_test_call(process, handle_close, stale);
    kp_handle_t live = handle_of(KP_TYPE_EVENT, KP_RIGHTS_ALL);
    const uint64_t bad[] = {0, 1, stale, UINT32_MAX, UINT64_MAX, live | (1ull << 32), live + 1};
    for (size_t i = 0; i < KP_ARRAY_COUNT(calls); i++) {
        for (size_t k = 0; k < KP_ARRAY_COUNT(bad) && calls[i].type != TYPE_NONE; k++) {
            int64_t result = kp_test_call6(process, calls[i].number, (uint64_t[6]){bad[k]});
            if (result != KP_ERR_BAD_HANDLE)
                KP_FAIL("%s on %llx: %lld", calls[i].name, (unsigned long long)bad[k],
                        (long long)result);
        }
    }
    /* Another process's handle means nothing here. */
    KP_EXPECT_INT(kp_test_call(victim, handle_close, live), KP_ERR_BAD_HANDLE);
    tear_down();
}

KP_TEST(numbers_without_a_call_are_refused)
{
    set_up();
    unsigned missing = 0;
    for (uint32_t number = 0; number < 2 * KP_CALL_LIMIT; number++) {
        bool exists = false;
        for (size_t i = 0; i < KP_ARRAY_COUNT(calls); i++)
            exists |= calls[i].number == number;
        if (exists)
            continue;
        missing++;
        KP_EXPECT_INT(kp_test_call6(process, number, (uint64_t[6]){0}), KP_ERR_NOT_SUPPORTED);
    }
    KP_EXPECT_INT(kp_test_call6(process, UINT32_MAX, (uint64_t[6]){0}), KP_ERR_NOT_SUPPORTED);
    KP_EXPECT_INT(missing, 2 * KP_CALL_LIMIT - KP_ARRAY_COUNT(calls));
    tear_down();
}

KP_TEST_MAIN()
