/* Handles that the process does not have, or that do not allow what it asks. */
#include "abi/call_macros.h"
#include "tests/hostile/hostile.h"

int abuse_forged_handles(void)
{
    kp_handle_t event = (kp_handle_t)kp_event_create();
    for (uint32_t i = 0; i < 20000; i++) {
        kp_handle_t guess = i < 10000 ? i : hostile_random();
        if (guess == event || guess == hostile_control)
            continue;
        int64_t status = RAW(object_signal, guess, 0, KP_SIGNAL_SIGNALED);
        CHECK(status == KP_ERR_BAD_HANDLE);
        CHECK(RAW(handle_close, guess) == KP_ERR_BAD_HANDLE);
    }
    /* Bits above the handle's 32 are not cut off. */
    CHECK(RAW(handle_close, (1ull << 32) | event) == KP_ERR_BAD_HANDLE);
    CHECK(RAW(handle_close, UINT64_MAX) == KP_ERR_BAD_HANDLE);
    CHECK(kp_handle_close(event) == KP_OK);
    return 0;
}

int abuse_stale_handles(void)
{
    kp_handle_t old[64];
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 64; i++) {
            old[i] = (kp_handle_t)kp_event_create();
            CHECK(old[i] != 0);
        }
        for (int i = 0; i < 64; i++)
            CHECK(kp_handle_close(old[i]) == KP_OK);
        int64_t fresh = kp_event_create();
        CHECK(fresh > 0);
        for (int i = 0; i < 64; i++) {
            CHECK(old[i] != (kp_handle_t)fresh);
            CHECK(kp_object_signal(old[i], 0, KP_SIGNAL_SIGNALED) == KP_ERR_BAD_HANDLE);
            CHECK(kp_handle_close(old[i]) == KP_ERR_BAD_HANDLE);
        }
        CHECK(kp_handle_close((kp_handle_t)fresh) == KP_OK);
    }
    return 0;
}

/* type: of the handle in front. */
enum { TYPE_NONE = -1 };
static const struct {
    uint32_t number;
    int type;
} calls[] = {
#define KP_CALL(number, name, result, documentation, ...) \
    {number, KP_CALL_SUBJECT_TYPE(__VA_ARGS__)},
#include "abi/calls.def"
#undef KP_CALL
};

int abuse_wrong_types(void)
{
    kp_handle_t event = (kp_handle_t)kp_event_create();
    kp_handle_t vmo = (kp_handle_t)kp_vmo_create(4096);
    CHECK(event && vmo);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i].type <= KP_TYPE_NONE) /* no handle, or any */
            continue;
        kp_handle_t wrong = calls[i].type == KP_TYPE_VMO ? event : vmo;
        int64_t status = kp_call(calls[i].number, wrong, 0, 0, 0, 0, 0);
        if (status != KP_ERR_WRONG_TYPE) {
            kp_log("call %u on another type: %lld", calls[i].number, (long long)status);
            return __LINE__;
        }
    }
    return 0;
}

int abuse_missing_rights(void)
{
    kp_handle_t vmo = (kp_handle_t)kp_vmo_create(65536);
    char bytes[16] = {0};
    int64_t bare = kp_handle_duplicate(vmo, 0);
    CHECK(bare > 0);
    kp_handle_t weak = (kp_handle_t)bare;
    CHECK(kp_vmo_read(weak, 0, bytes, sizeof(bytes)) == KP_ERR_ACCESS_DENIED);
    CHECK(kp_vmo_write(weak, 0, bytes, sizeof(bytes)) == KP_ERR_ACCESS_DENIED);
    CHECK(kp_handle_duplicate(weak, KP_RIGHTS_SAME) == KP_ERR_ACCESS_DENIED);
    CHECK(kp_object_wait_one(weak, KP_SIGNAL_USER_0, KP_TIME_POLL, NULL) == KP_ERR_ACCESS_DENIED);
    CHECK(kp_object_signal(weak, 0, KP_SIGNAL_USER_0) == KP_ERR_ACCESS_DENIED);
    CHECK(kp_channel_write(hostile_control, NULL, 0, &weak, 1) == KP_ERR_ACCESS_DENIED);
    /* Read only: no writable mapping either. */
    int64_t reader = kp_handle_duplicate(vmo, KP_RIGHT_READ | KP_RIGHT_MAP);
    CHECK(reader > 0);
    static _Alignas(4096) char place[4096];
    CHECK(kp_vmo_map((kp_handle_t)reader, 0, place, 4096, KP_VMO_MAP_WRITE) ==
          KP_ERR_ACCESS_DENIED);
    CHECK(kp_vmo_map((kp_handle_t)reader, 0, place, 4096, 0) == KP_OK);
    CHECK(kp_vmo_unmap(place, 4096) == KP_OK);
    return 0;
}

int abuse_growing_rights(void)
{
    kp_handle_t event = (kp_handle_t)kp_event_create();
    for (uint32_t bit = 0; bit < 32; bit++) {
        int64_t weak = kp_handle_duplicate(event, KP_RIGHT_DUPLICATE);
        CHECK(weak > 0);
        if (bit == 4 || bit == 31) { /* what it has; KP_RIGHTS_SAME */
            CHECK(kp_handle_close((kp_handle_t)weak) == KP_OK);
            continue;
        }
        CHECK(kp_handle_duplicate((kp_handle_t)weak, 1u << bit) == KP_ERR_INVALID_ARGUMENT);
        CHECK(kp_handle_replace((kp_handle_t)weak, 1u << bit) == KP_ERR_INVALID_ARGUMENT);
        CHECK(RAW(handle_duplicate, (uint64_t)weak, 1ull << (32 + bit)) == KP_ERR_INVALID_ARGUMENT);
        CHECK(kp_handle_close((kp_handle_t)weak) == KP_OK);
    }
    return 0;
}

int abuse_unknown_calls(void)
{
    for (uint32_t number = 128; number < 5000; number++)
        CHECK(kp_call(number, 0, 0, 0, 0, 0, 0) == KP_ERR_NOT_SUPPORTED);
    CHECK(kp_call(UINT32_MAX, 0, 0, 0, 0, 0, 0) == KP_ERR_NOT_SUPPORTED);
    CHECK(kp_call(1u << 31, 0, 0, 0, 0, 0, 0) == KP_ERR_NOT_SUPPORTED);
    return 0;
}

/* Any call with any arguments, among them what it has; never one that ends itself on purpose, nor waits. */
int abuse_random_calls(void)
{
    uint64_t have[64];
    size_t count = 0;
    have[count++] = hostile_control;
    for (int i = 0; i < 30000; i++) {
        uint32_t number = calls[hostile_random() % (sizeof(calls) / sizeof(calls[0]))].number;
        uint64_t a[6];
        if (number == KP_CALL_process_exit || number == KP_CALL_process_trap ||
            number == KP_CALL_thread_exit || number == KP_CALL_debug_log ||
            number == KP_CALL_process_freeze)
            continue;
        for (int k = 0; k < 6; k++) {
            switch (hostile_random() % 5) {
            case 0:
                a[k] = have[hostile_random() % count];
                break;
            case 1:
                a[k] = hostile_random() % 8;
                break;
            case 2:
                a[k] = hostile_random() % (uint32_t)hostile_memory_size() & ~4095u;
                break;
            case 3:
                a[k] = hostile_random();
                break;
            default:
                a[k] = 0; /* also: deadlines that have passed */
                break;
            }
        }
        if (number == KP_CALL_memory_grow)
            a[0] %= 2;
        int64_t result = kp_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (result > 0 && result <= UINT32_MAX) {
            if (count < 64)
                have[count++] = (uint64_t)result;
            else
                have[1 + hostile_random() % 63] = (uint64_t)result;
        }
    }
    return 0;
}
