#include "kernel/test/machine.h"
#include "tests/kp_test.h"

static kp_capability_t make_event(void)
{
    kp_capability_t event = {0};
    kp_status_t status = kp_event_create(&event);
    KP_EXPECT_INT(status, KP_OK);
    return event;
}

KP_TEST(handles_are_found_and_go_stale)
{
    kp_handle_table_t table;
    kp_handle_table_init(&table, NULL);
    uint64_t before = kp_object_count(KP_TYPE_EVENT);
    kp_handle_t handle = 0;
    KP_REQUIRE(kp_handle_add(&table, make_event(), &handle) == KP_OK);
    KP_EXPECT(handle != 0 && handle <= INT32_MAX);
    kp_object_t *object = NULL;
    kp_rights_t rights = 0;
    KP_REQUIRE(kp_handle_lookup(&table, handle, &object, &rights) == KP_OK);
    KP_EXPECT_INT(object->type, KP_TYPE_EVENT);
    KP_EXPECT_INT(rights, kp_object_default_rights(KP_TYPE_EVENT));
    kp_object_release(object);
    KP_EXPECT_INT(kp_handle_close(&table, handle), KP_OK);
    KP_EXPECT_INT(kp_handle_close(&table, handle), KP_ERR_BAD_HANDLE);
    KP_EXPECT_INT(kp_handle_lookup(&table, handle, &object, &rights), KP_ERR_BAD_HANDLE);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_EVENT), before);
    /* The slot is used again, under other names. */
    for (int i = 0; i < 1000; i++) {
        kp_handle_t other;
        KP_REQUIRE(kp_handle_add(&table, make_event(), &other) == KP_OK);
        KP_EXPECT(other != handle);
        KP_EXPECT_INT(kp_handle_close(&table, other), KP_OK);
    }
    KP_EXPECT_INT(table.slot_count, KP_HANDLE_CHUNK);
    kp_handle_table_clear(&table);
}

KP_TEST(guesses_find_nothing)
{
    kp_handle_table_t table;
    kp_handle_table_init(&table, NULL);
    kp_handle_t handle;
    KP_REQUIRE(kp_handle_add(&table, make_event(), &handle) == KP_OK);
    kp_object_t *object;
    kp_rights_t rights;
    unsigned found = 0;
    for (uint32_t guess = 0; guess < 200000; guess++)
        found += kp_handle_lookup(&table, guess * 21473u, &object, &rights) == KP_OK;
    for (int bit = 0; bit < 32; bit++)
        found += kp_handle_lookup(&table, handle ^ (1u << bit), &object, &rights) == KP_OK;
    KP_EXPECT_INT(found, 0);
    kp_handle_table_clear(&table);
}

KP_TEST(ten_thousand_handles)
{
    enum { COUNT = 10000 };
    static kp_handle_t handles[COUNT];
    kp_handle_table_t table;
    kp_handle_table_init(&table, NULL);
    kp_capability_t event = make_event();
    for (int i = 0; i < COUNT; i++) {
        kp_capability_t one = kp_capability_create(event.object, (kp_rights_t)i & KP_RIGHTS_ALL);
        KP_REQUIRE(kp_handle_add(&table, one, &handles[i]) == KP_OK);
    }
    for (int i = 0; i < COUNT; i++) {
        kp_object_t *object;
        kp_rights_t rights;
        KP_REQUIRE(kp_handle_lookup(&table, handles[i], &object, &rights) == KP_OK);
        KP_EXPECT_INT(rights, i & KP_RIGHTS_ALL);
        kp_object_release(object);
    }
    for (int i = 0; i < COUNT; i += 2)
        KP_EXPECT_INT(kp_handle_close(&table, handles[i]), KP_OK);
    KP_EXPECT_INT(table.open_count, COUNT / 2);
    kp_handle_table_clear(&table);
    KP_EXPECT_INT(atomic_load(&event.object->capabilities), 1);
    kp_capability_close(&event);
}

KP_TEST(reservations_are_all_or_none)
{
    const kp_job_limits_t limits = {.handles = 5};
    kp_quota_t *quota = kp_quota_create(NULL, &limits);
    kp_handle_table_t table;
    kp_handle_table_init(&table, quota);
    kp_handle_t handles[8];
    KP_EXPECT_INT(kp_handle_reserve(&table, 6, handles), KP_ERR_QUOTA);
    KP_EXPECT_INT(table.open_count, 0);
    KP_EXPECT_INT(kp_handle_reserve(&table, 5, handles), KP_OK);
    kp_handle_t more;
    KP_EXPECT_INT(kp_handle_reserve(&table, 1, &more), KP_ERR_QUOTA);
    /* A reserved slot is no handle yet. */
    KP_EXPECT_INT(kp_handle_close(&table, handles[0]), KP_ERR_BAD_HANDLE);
    kp_handle_fill(&table, handles[0], make_event());
    kp_handle_unreserve(&table, 4, handles + 1);
    KP_EXPECT_INT(kp_handle_close(&table, handles[0]), KP_OK);
    kp_job_limits_t used;
    kp_quota_used(quota, &used);
    KP_EXPECT_INT(used.handles, 0);
    kp_handle_table_clear(&table);
    KP_EXPECT_INT(kp_handle_reserve(&table, 1, &more), KP_ERR_PROCESS_DEAD);
    kp_quota_release(quota);
}

KP_TEST(lifting_moves_all_or_none)
{
    kp_handle_table_t table;
    kp_handle_table_init(&table, NULL);
    kp_handle_t handles[3];
    for (int i = 0; i < 3; i++)
        KP_REQUIRE(kp_handle_add(&table, make_event(), &handles[i]) == KP_OK);
    kp_capability_t weak = make_event();
    weak.rights = KP_RIGHT_WAIT;
    kp_handle_t weak_handle;
    KP_REQUIRE(kp_handle_add(&table, weak, &weak_handle) == KP_OK);

    kp_capability_t lifted[3];
    kp_handle_t twice[3] = {handles[0], handles[1], handles[0]};
    kp_handle_t denied[3] = {handles[0], handles[1], weak_handle};
    KP_EXPECT_INT(kp_handle_lift(&table, 3, twice, KP_RIGHT_TRANSFER, lifted), KP_ERR_BAD_HANDLE);
    KP_EXPECT_INT(kp_handle_lift(&table, 3, denied, KP_RIGHT_TRANSFER, lifted),
                  KP_ERR_ACCESS_DENIED);
    KP_REQUIRE(kp_handle_lift(&table, 3, handles, KP_RIGHT_TRANSFER, lifted) == KP_OK);
    kp_object_t *object;
    kp_rights_t rights;
    KP_EXPECT_INT(kp_handle_lookup(&table, handles[1], &object, &rights), KP_ERR_BAD_HANDLE);
    kp_handle_settle(&table, 3, handles, lifted);
    for (int i = 0; i < 3; i++) {
        KP_REQUIRE(kp_handle_lookup(&table, handles[i], &object, &rights) == KP_OK);
        kp_object_release(object);
    }
    KP_REQUIRE(kp_handle_lift(&table, 1, handles, 0, lifted) == KP_OK);
    kp_handle_unreserve(&table, 1, handles);
    KP_EXPECT_INT(kp_handle_close(&table, handles[0]), KP_ERR_BAD_HANDLE);
    kp_capability_close(&lifted[0]);
    kp_handle_table_clear(&table);
}

KP_TEST(filling_a_cleared_table_closes)
{
    uint64_t before = kp_object_count(KP_TYPE_NONE);
    kp_handle_table_t table;
    kp_handle_table_init(&table, NULL);
    kp_handle_t handle;
    KP_REQUIRE(kp_handle_reserve(&table, 1, &handle) == KP_OK);
    kp_handle_table_clear(&table);
    kp_handle_fill(&table, handle, make_event());
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), before);
}

KP_TEST_MAIN()
