#include "kernel/test/machine.h"
#include "tests/kp_test.h"

#define PAGES 4u /* of linear memory, 64 KiB each */
#define END (PAGES * 65536u)

static uint64_t objects_before, allocations_before;
static kp_process_t *process;

static bool set_up(void)
{
    kp_test_attach("test");
    objects_before = kp_object_count(KP_TYPE_NONE);
    allocations_before = kp_test_allocations();
    process = kp_test_process(PAGES, 8, NULL);
    if (process)
        kp_test_process_alone(process);
    return process != NULL;
}

static void tear_down(void)
{
    kp_test_process_end(process);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects_before);
    KP_EXPECT_INT(kp_test_allocations(), allocations_before);
}

static uint32_t word(uint32_t offset)
{
    uint32_t value;
    memcpy(&value, kp_test_memory(process, offset), sizeof(value));
    return value;
}

static void put(uint32_t offset, const void *bytes, size_t count)
{
    memcpy(kp_test_memory(process, offset), bytes, count);
}

static void put_word(uint32_t offset, uint32_t value)
{
    put(offset, &value, sizeof(value));
}

static void make_channel(kp_handle_t ends[2])
{
    KP_EXPECT_INT(kp_test_call(process, channel_create, 0x100), KP_OK);
    ends[0] = word(0x100);
    ends[1] = word(0x104);
}

KP_TEST(buffers_are_checked_against_memory)
{
    KP_REQUIRE(set_up());
    kp_handle_t ends[2];
    make_channel(ends);
    kp_handle_t vmo = (kp_handle_t)kp_test_call(process, vmo_create, 2 * END);
    const struct {
        uint64_t address, count;
    } bad[] = {{END, 1},        {END - 1, 2},         {END - 15, 16}, {UINT32_MAX, 1},
               {UINT64_MAX, 1}, {UINT64_MAX - 3, 4},  {0, END + 1},   {1, END},
               {1ull << 32, 4}, {(1ull << 63) + 5, 4}};
    for (size_t i = 0; i < KP_ARRAY_COUNT(bad); i++) {
        uint64_t at = bad[i].address, n = bad[i].count;
        if (n <= KP_CHANNEL_BYTES_MAX)
            KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], at, n, 0, 0),
                          KP_ERR_BAD_ADDRESS);
        KP_EXPECT_INT(kp_test_call(process, channel_read, ends[1], at, n, 0, 0, 0x200),
                      KP_ERR_BAD_ADDRESS);
        KP_EXPECT_INT(kp_test_call(process, vmo_read, vmo, 0, at, n), KP_ERR_BAD_ADDRESS);
        KP_EXPECT_INT(kp_test_call(process, vmo_write, vmo, 0, at, n), KP_ERR_BAD_ADDRESS);
        if (n <= 1024)
            KP_EXPECT_INT(kp_test_call(process, debug_log, at, n), KP_ERR_BAD_ADDRESS);
        if (n <= 65536)
            KP_EXPECT_INT(kp_test_call(process, random_get, at, n), KP_ERR_BAD_ADDRESS);
        if (n <= 32)
            KP_EXPECT_INT(kp_test_call(process, boot_mark, at, n), KP_ERR_BAD_ADDRESS);
    }
    for (uint64_t at = END - 3; at < END + 2; at++) {
        KP_EXPECT_INT(kp_test_call(process, channel_create, at), KP_ERR_BAD_ADDRESS);
        KP_EXPECT_INT(kp_test_call(process, clock_get, 0, at), KP_ERR_BAD_ADDRESS);
        KP_EXPECT_INT(kp_test_call(process, object_info, vmo, at), KP_ERR_BAD_ADDRESS);
        KP_EXPECT_INT(kp_test_call(process, object_wait_one, vmo, 1, 0, at), KP_ERR_BAD_ADDRESS);
        KP_EXPECT_INT(kp_test_call(process, object_wait_many, at, 1, 0), KP_ERR_BAD_ADDRESS);
        KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], 0, 0, at, 1),
                      KP_ERR_BAD_ADDRESS);
        KP_EXPECT_INT(kp_test_call(process, channel_read, ends[0], 0, 0, at, 1, 0),
                      KP_ERR_BAD_ADDRESS);
        KP_EXPECT_INT(kp_test_call(process, channel_read, ends[0], 0, 0, 0, 0, at),
                      KP_ERR_BAD_ADDRESS);
    }
    KP_EXPECT_INT(kp_test_call(process, channel_read, ends[0], 0, 0, 0, UINT64_MAX / 4 + 1, 0),
                  KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], 0, 65537, 0, 0), KP_ERR_TOO_LARGE);
    KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], 0, 0, 0, 65), KP_ERR_TOO_LARGE);
    KP_EXPECT_INT(kp_test_call(process, object_wait_many, 0, 257, 0), KP_ERR_INVALID_ARGUMENT);
    /* No bytes at no place is fine, and the last byte counts. */
    KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], UINT64_MAX, 0, UINT64_MAX, 0),
                  KP_OK);
    KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], END - 1, 1, 0, 0), KP_OK);
    /* Memory that grows moves the border. */
    KP_EXPECT_INT(kp_test_call(process, memory_grow, 1), PAGES);
    KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], END, 1, 0, 0), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, memory_grow, 4), KP_ERR_NO_MEMORY);
    KP_EXPECT_INT(kp_test_call(process, memory_grow, UINT64_MAX), KP_ERR_NO_MEMORY);
    KP_EXPECT_INT(kp_test_call(process, memory_grow, 0), PAGES + 1);
    tear_down();
}

KP_TEST(bytes_and_handles_travel)
{
    KP_REQUIRE(set_up());
    kp_handle_t ends[2];
    make_channel(ends);
    int64_t event = kp_test_call(process, event_create, 0);
    int64_t vmo = kp_test_call(process, vmo_create, 1);
    KP_EXPECT(event > 0 && vmo > 0 && event != vmo);
    put(0x1000, "payload", 8);
    put_word(0x2000, (uint32_t)event);
    put_word(0x2004, (uint32_t)vmo);
    KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], 0x1000, 8, 0x2000, 2), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, handle_close, event), KP_ERR_BAD_HANDLE);
    /* Too small in either way: the sizes come back, the message stays. */
    KP_EXPECT_INT(kp_test_call(process, channel_read, ends[1], 0x3000, 7, 0x4000, 2, 0x5000),
                  KP_ERR_BUFFER_TOO_SMALL);
    KP_EXPECT(word(0x5000) == 8 && word(0x5004) == 2);
    KP_EXPECT_INT(kp_test_call(process, channel_read, ends[1], 0x3000, 8, 0x4000, 1, 0x5000),
                  KP_ERR_BUFFER_TOO_SMALL);
    KP_EXPECT_INT(kp_test_call(process, channel_read, ends[1], 0x3000, 99, 0x4000, 9, 0x5000),
                  KP_OK);
    KP_EXPECT(word(0x5000) == 8 && word(0x5004) == 2);
    KP_EXPECT(memcmp(kp_test_memory(process, 0x3000), "payload", 8) == 0);
    KP_EXPECT_INT(kp_test_call(process, vmo_size, word(0x4004)), 4096);
    KP_EXPECT_INT(kp_test_call(process, object_info, word(0x4000), 0x6000), KP_OK);
    kp_object_info_t info;
    memcpy(&info, kp_test_memory(process, 0x6000), sizeof(info));
    KP_EXPECT_INT(info.type, KP_TYPE_EVENT);
    KP_EXPECT_INT(info.rights, kp_object_default_rights(KP_TYPE_EVENT));
    tear_down();
}

KP_TEST(failed_sends_keep_every_handle)
{
    KP_REQUIRE(set_up());
    kp_handle_t ends[2], other[2];
    make_channel(ends);
    make_channel(other);
    uint32_t event = (uint32_t)kp_test_call(process, event_create, 0);
    uint32_t weak = (uint32_t)kp_test_call(process, handle_duplicate, event, KP_RIGHT_WAIT);
    const uint32_t cases[][3] = {
        {event, event, 0},          /* twice */
        {event, weak, 0},           /* no TRANSFER */
        {event, 12345, 0},          /* nothing */
        {event, other[0], ends[0]}, /* the channel itself */
        {other[1], event, ends[1]}, /* its peer: a cycle of one */
    };
    for (size_t i = 0; i < KP_ARRAY_COUNT(cases); i++) {
        put(0x1000, cases[i], sizeof(cases[i]));
        unsigned count = cases[i][2] ? 3 : 2;
        int64_t result = kp_test_call(process, channel_write, ends[0], 0, 4, 0x1000, count);
        if (result >= 0)
            KP_FAIL("case %zu was sent", i);
    }
    /* A closed peer. */
    KP_EXPECT_INT(kp_test_call(process, handle_close, other[1]), KP_OK);
    put_word(0x1000, event);
    KP_EXPECT_INT(kp_test_call(process, channel_write, other[0], 0, 4, 0x1000, 1),
                  KP_ERR_PEER_CLOSED);
    /* A full queue. */
    while (kp_test_call(process, channel_write, ends[0], 0, 4, 0, 0) == KP_OK) {
    }
    KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], 0, 4, 0x1000, 1),
                  KP_ERR_SHOULD_WAIT);
    KP_EXPECT_INT(kp_test_call(process, object_signal, event, 0, KP_SIGNAL_SIGNALED), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, object_wait_one, weak, KP_SIGNAL_SIGNALED, 0, 0), KP_OK);
    for (int i = 0; i < 2; i++)
        KP_EXPECT_INT(kp_test_call(process, handle_close, ends[i]), KP_OK);
    tear_down();
}

KP_TEST(a_read_that_fails_keeps_the_message)
{
    KP_REQUIRE(set_up());
    kp_handle_t ends[2];
    make_channel(ends);
    int64_t vmo = kp_test_call(process, vmo_create, 4096);
    uint32_t event = (uint32_t)kp_test_call(process, event_create, 0);
    put_word(0x1000, event);
    put(0x1100, "keep", 4);
    KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], 0x1100, 4, 0x1000, 1), KP_OK);
    /* Read-only pages: under the bytes, under the handles, under the counts. */
    KP_EXPECT_INT(kp_test_call(process, vmo_map, vmo, 0, 0x8000, 4096, 0), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, channel_read, ends[1], 0x8000, 4, 0x2000, 1, 0x3000),
                  KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_test_call(process, channel_read, ends[1], 0x2000, 4, 0x8000, 1, 0x3000),
                  KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_test_call(process, channel_read, ends[1], 0x2000, 4, 0x2100, 1, 0x8000),
                  KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_test_call(process, channel_read, ends[1], 0x2000, 4, 0x2100, 1, 0x3000),
                  KP_OK);
    KP_EXPECT(memcmp(kp_test_memory(process, 0x2000), "keep", 4) == 0);
    KP_EXPECT_INT(kp_test_call(process, handle_close, word(0x2100)), KP_OK);
    tear_down();
}

KP_TEST(rights_only_shrink)
{
    KP_REQUIRE(set_up());
    int64_t event = kp_test_call(process, event_create, 0);
    kp_rights_t some = KP_RIGHT_WAIT | KP_RIGHT_DUPLICATE;
    int64_t weak = kp_test_call(process, handle_duplicate, event, some);
    KP_EXPECT(weak > 0);
    KP_EXPECT_INT(kp_test_call(process, handle_duplicate, weak, some | KP_RIGHT_SIGNAL),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, handle_replace, weak, KP_RIGHTS_ALL),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, handle_duplicate, event, UINT64_MAX),
                  KP_ERR_INVALID_ARGUMENT);
    int64_t same = kp_test_call(process, handle_duplicate, weak, KP_RIGHTS_SAME);
    KP_EXPECT(same > 0 && same != weak);
    int64_t replaced = kp_test_call(process, handle_replace, weak, KP_RIGHT_WAIT);
    KP_EXPECT(replaced > 0);
    KP_EXPECT_INT(kp_test_call(process, handle_close, weak), KP_ERR_BAD_HANDLE);
    KP_EXPECT_INT(kp_test_call(process, handle_duplicate, replaced, 0), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(process, object_signal, replaced, 0, 1), KP_ERR_ACCESS_DENIED);
    /* Channels have one holder for each end. */
    kp_handle_t ends[2];
    make_channel(ends);
    KP_EXPECT_INT(kp_test_call(process, handle_duplicate, ends[0], KP_RIGHTS_SAME),
                  KP_ERR_ACCESS_DENIED);
    tear_down();
}

KP_TEST(signals_are_limited_by_type)
{
    KP_REQUIRE(set_up());
    kp_handle_t ends[2];
    make_channel(ends);
    int64_t event = kp_test_call(process, event_create, 0);
    KP_EXPECT_INT(kp_test_call(process, object_signal, event, 0, KP_SIGNAL_SIGNALED), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, object_signal, ends[0], 0, KP_SIGNAL_SIGNALED),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, object_signal, ends[0], KP_SIGNAL_WRITABLE, 0),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, object_signal, event, 0, 1ull << 40),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, object_signal, ends[0], 0, KP_SIGNAL_USER_0), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, object_wait_one, ends[0], KP_SIGNAL_USER_0, 0, 0x40),
                  KP_OK);
    KP_EXPECT_INT(word(0x40), KP_SIGNAL_WRITABLE | KP_SIGNAL_USER_0);
    KP_EXPECT_INT(kp_test_call(process, object_signal, ends[0], KP_SIGNAL_USER_0, 0), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, object_wait_one, ends[0], KP_SIGNAL_USER_0, 0, 0x40),
                  KP_ERR_TIMED_OUT);
    KP_EXPECT_INT(word(0x40), KP_SIGNAL_WRITABLE);
    tear_down();
}

KP_TEST(wait_many_fills_every_item)
{
    KP_REQUIRE(set_up());
    enum { COUNT = 20 };
    kp_wait_item_t items[COUNT];
    for (int i = 0; i < COUNT; i++)
        items[i] = (kp_wait_item_t){.handle = (kp_handle_t)kp_test_call(process, event_create, 0),
                                    .signals = KP_SIGNAL_SIGNALED,
                                    .observed = 0xffff};
    for (unsigned count = 1; count <= COUNT; count += COUNT - 1) {
        put(0x1000, items, sizeof(items));
        KP_EXPECT_INT(kp_test_call(process, object_wait_many, 0x1000, count, 0), KP_ERR_TIMED_OUT);
        KP_EXPECT_INT(word(0x1000 + 8), 0);
        KP_EXPECT_INT(kp_test_call(process, object_signal, items[count - 1].handle, 0,
                                   KP_SIGNAL_SIGNALED | KP_SIGNAL_USER_0),
                      KP_OK);
        KP_EXPECT_INT(kp_test_call(process, object_wait_many, 0x1000, count, KP_TIME_INFINITE),
                      KP_OK);
        KP_EXPECT_INT(word(0x1000 + 12 * (count - 1) + 8), KP_SIGNAL_SIGNALED | KP_SIGNAL_USER_0);
        KP_EXPECT_INT(kp_test_call(process, object_signal, items[count - 1].handle,
                                   KP_SIGNAL_SIGNALED | KP_SIGNAL_USER_0, 0),
                      KP_OK);
    }
    put_word(0x1000 + 12 * 5, 777);
    KP_EXPECT_INT(kp_test_call(process, object_wait_many, 0x1000, COUNT, 0), KP_ERR_BAD_HANDLE);
    KP_EXPECT_INT(kp_test_call(process, object_wait_many, 0, 0, kp_machine_now() + KP_NS_PER_MS),
                  KP_ERR_TIMED_OUT);
    tear_down();
}

KP_TEST(vmos_map_into_linear_memory)
{
    KP_REQUIRE(set_up());
    int64_t vmo = kp_test_call(process, vmo_create, 4 * 4096);
    KP_EXPECT_INT(kp_test_call(process, vmo_map, vmo, 4096, 0x10000, 3 * 4096, KP_VMO_MAP_WRITE),
                  KP_OK);
    put(0x10000, "through the mapping", 20);
    KP_EXPECT_INT(kp_test_call(process, vmo_read, vmo, 4096, 0x500, 20), KP_OK);
    KP_EXPECT(memcmp(kp_test_memory(process, 0x500), "through the mapping", 20) == 0);
    put(0x600, "back", 5);
    KP_EXPECT_INT(kp_test_call(process, vmo_write, vmo, 8192 - 2, 0x600, 5), KP_OK);
    KP_EXPECT(memcmp(kp_test_memory(process, 0x10000 + 4094), "back", 5) == 0);
    /* The mapping keeps the VMO. */
    uint64_t vmos = kp_object_count(KP_TYPE_VMO);
    KP_EXPECT_INT(kp_test_call(process, handle_close, vmo), KP_OK);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_VMO), vmos);
    /* Unmapping its middle leaves both sides. */
    KP_EXPECT_INT(kp_test_call(process, vmo_unmap, 0x11000, 4096), KP_OK);
    KP_EXPECT_INT(word(0x11000), 0);
    KP_EXPECT(memcmp(kp_test_memory(process, 0x10000), "through", 7) == 0);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_VMO), vmos);
    /* Mapping another over the rest releases it. */
    vmo = kp_test_call(process, vmo_create, 3 * 4096);
    KP_EXPECT_INT(kp_test_call(process, vmo_map, vmo, 0, 0x10000, 3 * 4096, 0), KP_OK);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_VMO), vmos);
    KP_EXPECT_INT(word(0x10000), 0);
    tear_down();
}

KP_TEST(mappings_are_checked)
{
    KP_REQUIRE(set_up());
    int64_t vmo = kp_test_call(process, vmo_create, 2 * 4096);
    int64_t read_only = kp_test_call(process, handle_duplicate, vmo, KP_RIGHT_MAP | KP_RIGHT_READ);
    int64_t map_only = kp_test_call(process, handle_duplicate, vmo, KP_RIGHT_MAP);
    const struct {
        int64_t vmo;
        uint64_t offset, address, length, flags;
        kp_status_t expected;
    } cases[] = {
        {vmo, 1, 0x1000, 4096, 0, KP_ERR_INVALID_ARGUMENT},
        {vmo, 0, 0x1001, 4096, 0, KP_ERR_INVALID_ARGUMENT},
        {vmo, 0, 0x1000, 4095, 0, KP_ERR_INVALID_ARGUMENT},
        {vmo, 0, 0x1000, 0, 0, KP_ERR_INVALID_ARGUMENT},
        {vmo, 0, 0x1000, 4096, 2, KP_ERR_INVALID_ARGUMENT},
        {vmo, 0, 0x1000, 4096, 1ull << 32, KP_ERR_INVALID_ARGUMENT},
        {vmo, 0, 0x1000, 1ull << 32, 0, KP_ERR_INVALID_ARGUMENT},
        {vmo, 0, END, 4096, 0, KP_ERR_BAD_ADDRESS},
        {vmo, 0, END - 4096, 8192, 0, KP_ERR_BAD_ADDRESS},
        {vmo, 0, 1ull << 32, 4096, 0, KP_ERR_BAD_ADDRESS},
        {vmo, 4096, 0x1000, 8192, 0, KP_ERR_OUT_OF_RANGE},
        {vmo, UINT64_MAX - 4095, 0x1000, 4096, 0, KP_ERR_OUT_OF_RANGE},
        {read_only, 0, 0x1000, 4096, KP_VMO_MAP_WRITE, KP_ERR_ACCESS_DENIED},
        {map_only, 0, 0x1000, 4096, 0, KP_ERR_ACCESS_DENIED},
        {read_only, 0, 0x1000, 4096, 0, KP_OK},
    };
    for (size_t i = 0; i < KP_ARRAY_COUNT(cases); i++) {
        int64_t result = kp_test_call(process, vmo_map, (uint64_t)cases[i].vmo, cases[i].offset,
                                      cases[i].address, cases[i].length, cases[i].flags);
        if (result != cases[i].expected)
            KP_FAIL("case %zu: %lld", i, (long long)result);
    }
    KP_EXPECT_INT(kp_test_call(process, vmo_unmap, 0x1000, 4097), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, vmo_unmap, END, 4096), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_test_call(process, vmo_create, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, vmo_create, UINT64_MAX), KP_ERR_TOO_LARGE);
    KP_EXPECT_INT(kp_test_call(process, vmo_read, vmo, 8192, 0, 1), KP_ERR_OUT_OF_RANGE);
    KP_EXPECT_INT(kp_test_call(process, vmo_read, vmo, UINT64_MAX, 0, 2), KP_ERR_OUT_OF_RANGE);
    KP_EXPECT_INT(kp_test_call(process, vmo_write, vmo, 8191, 0, 2), KP_ERR_OUT_OF_RANGE);
    KP_EXPECT_INT(kp_test_call(process, vmo_write, vmo, 8192, 0, 0), KP_OK);
    tear_down();
}

KP_TEST(quotas_stop_floods)
{
    kp_test_attach("test");
    const kp_job_limits_t limits = {50, 10000, 100, 1, 1000};
    process = kp_test_process_limited(1, 8, &limits);
    KP_REQUIRE(process);
    /* Handles. */
    int64_t result = 0;
    unsigned made = 0;
    while ((result = kp_test_call(process, event_create, 0)) > 0)
        made++;
    KP_EXPECT_INT(result, KP_ERR_QUOTA);
    KP_EXPECT_INT(made, 50);
    KP_EXPECT_INT(kp_test_call(process, channel_create, 0), KP_ERR_QUOTA);
    /* Handles in messages that nobody reads: no way round the limit. */
    kp_test_process_end(process);
    process = kp_test_process_limited(1, 8, &limits);
    kp_handle_t queue[2];
    make_channel(queue);
    for (made = 0; (result = kp_test_call(process, event_create, 0)) > 0; made++) {
        put_word(0x200, (uint32_t)result);
        result = kp_test_call(process, channel_write, queue[0], 0, 0, 0x200, 1);
        if (result != KP_OK)
            break;
    }
    KP_EXPECT_INT(result, KP_ERR_QUOTA);
    KP_EXPECT(made <= 48);
    KP_EXPECT_INT(kp_test_call(process, channel_read, queue[1], 0, 0, 0x200, 1, 0x300),
                  KP_ERR_QUOTA);
    KP_EXPECT_INT(kp_test_call(process, handle_close, word(0x200)), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, channel_read, queue[1], 0, 0, 0x200, 1, 0x300), KP_OK);
    kp_test_process_end(process);
    /* Memory: 16 pages of linear memory are in use. */
    process = kp_test_process_limited(1, 8, &limits);
    KP_EXPECT_INT(kp_test_call(process, vmo_create, 85 * 4096), KP_ERR_QUOTA);
    int64_t vmo = kp_test_call(process, vmo_create, 80 * 4096);
    KP_EXPECT(vmo > 0);
    KP_EXPECT_INT(kp_test_call(process, memory_grow, 1), KP_ERR_QUOTA);
    KP_EXPECT_INT(kp_test_call(process, handle_close, vmo), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, memory_grow, 1), 1);
    /* Queued bytes, which come back when the message is read. */
    kp_handle_t ends[2];
    make_channel(ends);
    KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], 0, 6000, 0, 0), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], 0, 6000, 0, 0), KP_ERR_QUOTA);
    KP_EXPECT_INT(kp_test_call(process, channel_read, ends[1], 0, 6000, 0, 0, 8000), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], 0, 6000, 0, 0), KP_OK);
    kp_test_process_end(process);
}

KP_TEST(a_dead_process_leaves_nothing)
{
    KP_REQUIRE(set_up());
    kp_capability_t ends[2];
    KP_REQUIRE(kp_channel_create(ends) == KP_OK);
    kp_process_t *other = kp_test_process(1, 1, &ends[0]);
    KP_REQUIRE(other);
    int64_t startup = kp_test_call(other, startup_channel, 0);
    KP_EXPECT(startup > 0);
    KP_EXPECT_INT(kp_test_call(other, startup_channel, 0), KP_ERR_NOT_FOUND);
    kp_test_call(other, vmo_create, 4096);
    kp_handle_t handle;
    kp_capability_t capability =
        kp_capability_create(&other->object, kp_object_default_rights(KP_TYPE_PROCESS));
    KP_REQUIRE(kp_handle_add(&process->handles, capability, &handle) == KP_OK);
    KP_EXPECT_INT(kp_test_call(process, object_wait_one, handle, KP_SIGNAL_TERMINATED, 0, 0),
                  KP_ERR_TIMED_OUT);
    kp_test_call(other, process_exit, 42);
    KP_EXPECT_INT(
        kp_test_call(process, object_wait_one, handle, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, 0),
        KP_OK);
    KP_EXPECT(atomic_load(&ends[1].object->signals) & KP_SIGNAL_PEER_CLOSED);
    KP_EXPECT_INT(kp_test_call(process, process_info, handle, 0x1000), KP_OK);
    kp_process_info_t info;
    memcpy(&info, kp_test_memory(process, 0x1000), sizeof(info));
    KP_EXPECT_INT(info.exit_reason, KP_EXIT_NORMAL);
    KP_EXPECT_INT(info.exit_code, 42);
    KP_EXPECT_INT(info.memory_bytes, 0);
    KP_EXPECT_STRING(info.name, "test");
    /* The first reason stays. */
    KP_EXPECT_INT(kp_test_call(process, process_kill, handle), KP_OK);
    kp_process_info(other, &info);
    KP_EXPECT_INT(info.exit_reason, KP_EXIT_NORMAL);
    KP_EXPECT_INT(kp_test_call(other, event_create, 0), KP_ERR_PROCESS_DEAD);
    kp_object_release(&other->object);
    kp_capability_close(&ends[1]);
    tear_down();
}

KP_TEST(traps_and_faults_are_told_apart)
{
    KP_REQUIRE(set_up());
    kp_process_info_t info;
    kp_process_t *other = kp_test_process(1, 1, NULL);
    kp_test_call(other, process_trap, KP_TRAP_UNREACHABLE, 0x1234);
    kp_process_info(other, &info);
    KP_EXPECT_INT(info.exit_reason, KP_EXIT_TRAP);
    KP_EXPECT_INT(info.exit_code, KP_TRAP_UNREACHABLE);
    KP_EXPECT_INT(info.fault_address, 0x1234);
    kp_object_release(&other->object);
    other = kp_test_process(1, 1, NULL);
    kp_process_fault(other, KP_EXIT_FAULT, 14, 0xdead);
    kp_process_info(other, &info);
    KP_EXPECT_INT(info.exit_reason, KP_EXIT_FAULT);
    KP_EXPECT_INT(info.fault_address, 0xdead);
    kp_object_release(&other->object);
    tear_down();
}

KP_TEST(small_calls)
{
    KP_REQUIRE(set_up());
    KP_EXPECT_INT(kp_test_call(process, clock_get, KP_CLOCK_MONOTONIC, 0x100), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, clock_get, KP_CLOCK_REALTIME, 0x108), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, clock_get, KP_CLOCK_PROCESS, 0x110), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, clock_get, KP_CLOCK_THREAD, 0x118), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, clock_get, 4, 0x108), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT(word(0x10c) != 0);
    KP_EXPECT_INT(kp_test_call(process, random_get, 0x1000, 65536), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, random_get, 0x1000, 65537), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT(word(0x1000) != word(0x10ffc) || word(0x2000) != 0);
    put(0x100, "hello\x1b[2J\n", 10);
    KP_EXPECT_INT(kp_test_call(process, debug_log, 0x100, 10), KP_OK);
    KP_EXPECT_INT(kp_test_log_count("test: hello [2J\n"), 1);
    KP_EXPECT_INT(kp_test_call(process, debug_log, 0x100, 1025), KP_ERR_INVALID_ARGUMENT);
    put(0x100, "services-ready", 14);
    KP_EXPECT_INT(kp_test_call(process, boot_mark, 0x100, 14), KP_OK);
    KP_EXPECT_INT(kp_test_log_count("boot-mark services-ready "), 1);
    put(0x100, "a b", 3);
    KP_EXPECT_INT(kp_test_call(process, boot_mark, 0x100, 3), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, boot_mark, 0x100, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, boot_mark, 0x100, 33), KP_ERR_INVALID_ARGUMENT);
    tear_down();
}

KP_TEST_MAIN()
