/* VMOs: clones, seals, resizing, decommitting, and what they cost. */
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

#define PAGE ((uint64_t)KP_PAGE_SIZE)

static kp_process_t *process;
static uint64_t objects;

static void begin(void)
{
    kp_test_attach("test");
    objects = kp_object_count(KP_TYPE_NONE);
    process = kp_test_process(2, 4, NULL);
    KP_REQUIRE(process);
}

static void end(void)
{
    kp_test_process_end(process);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
}

static uint64_t create(uint64_t pages)
{
    int64_t vmo = kp_test_call(process, vmo_create, pages * PAGE);
    KP_EXPECT(vmo > 0);
    return (uint64_t)vmo;
}

static void put(uint64_t vmo, uint64_t page, uint32_t value)
{
    memcpy(kp_test_memory(process, 0), &value, sizeof(value));
    KP_EXPECT_INT(kp_test_call(process, vmo_write, vmo, page * PAGE, 0, 4), KP_OK);
}

static uint32_t get(uint64_t vmo, uint64_t page)
{
    uint32_t value;
    KP_EXPECT_INT(kp_test_call(process, vmo_read, vmo, page * PAGE, 0, 4), KP_OK);
    memcpy(&value, kp_test_memory(process, 0), sizeof(value));
    return value;
}

static uint64_t clone_of(uint64_t vmo, uint64_t first, uint64_t pages)
{
    int64_t clone = kp_test_call(process, vmo_clone, vmo, first * PAGE, pages * PAGE);
    KP_EXPECT(clone > 0);
    return (uint64_t)clone;
}

static kp_vmo_info_t info_of(uint64_t vmo)
{
    kp_vmo_info_t info;
    KP_EXPECT_INT(kp_test_call(process, vmo_info, vmo, 0x100), KP_OK);
    memcpy(&info, kp_test_memory(process, 0x100), sizeof(info));
    return info;
}

static uint64_t pages_used(void)
{
    kp_job_limits_t used;
    kp_quota_used(process->quota, &used);
    return used.pages;
}

KP_TEST(clones_of_clones_in_any_order)
{
    /* Three generations; each order in which they may be closed. */
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                          {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (unsigned i = 0; i < 6; i++) {
        begin();
        uint64_t vmos[3] = {create(4)};
        put(vmos[0], 0, 100);
        put(vmos[0], 1, 101);
        vmos[1] = clone_of(vmos[0], 0, 4);
        put(vmos[1], 1, 201);
        vmos[2] = clone_of(vmos[1], 1, 3);
        put(vmos[0], 1, 301);
        put(vmos[2], 2, 402);
        bool closed[3] = {false};
        for (unsigned k = 0; k < 3; k++) {
            if (!closed[0])
                KP_EXPECT(get(vmos[0], 0) == 100 && get(vmos[0], 1) == 301 && get(vmos[0], 3) == 0);
            if (!closed[1])
                KP_EXPECT(get(vmos[1], 0) == 100 && get(vmos[1], 1) == 201 && get(vmos[1], 3) == 0);
            if (!closed[2])
                KP_EXPECT(get(vmos[2], 0) == 201 && get(vmos[2], 2) == 402);
            unsigned gone = orders[i][k];
            KP_EXPECT_INT(kp_test_call(process, handle_close, vmos[gone]), KP_OK);
            closed[gone] = true;
        }
        end();
    }
}

KP_TEST(clone_ranges_are_checked)
{
    begin();
    uint64_t vmo = create(4);
    KP_EXPECT_INT(kp_test_call(process, vmo_clone, vmo, 0, 5 * PAGE), KP_ERR_OUT_OF_RANGE);
    KP_EXPECT_INT(kp_test_call(process, vmo_clone, vmo, 5 * PAGE, PAGE), KP_ERR_OUT_OF_RANGE);
    KP_EXPECT_INT(kp_test_call(process, vmo_clone, vmo, PAGE, UINT64_MAX - PAGE + 1),
                  KP_ERR_OUT_OF_RANGE);
    KP_EXPECT_INT(kp_test_call(process, vmo_clone, vmo, 0, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, vmo_clone, vmo, 1, PAGE), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, vmo_clone, vmo, 0, 100), KP_ERR_INVALID_ARGUMENT);
    end();
}

KP_TEST(clones_are_charged_to_who_makes_them)
{
    begin();
    uint64_t before = pages_used(), vmo = create(10), clone = clone_of(vmo, 2, 5);
    KP_EXPECT_INT(pages_used(), before + 15);
    KP_EXPECT_INT(kp_test_call(process, handle_close, vmo), KP_OK);
    KP_EXPECT_INT(pages_used(), before + 5);
    KP_EXPECT_INT(kp_test_call(process, handle_close, clone), KP_OK);
    KP_EXPECT_INT(pages_used(), before);
    end();
}

KP_TEST(clone_of_a_static_vmo_can_be_written)
{
    static _Alignas(4096) uint8_t file[2 * 4096];
    begin();
    file[0] = 7;
    kp_vmo_t *vmo;
    KP_REQUIRE(kp_vmo_create_static(file, sizeof(file), &vmo) == KP_OK);
    kp_handle_t handle;
    KP_REQUIRE(kp_handle_add(&process->handles, kp_capability_create(&vmo->object, KP_RIGHTS_ALL),
                             &handle) == KP_OK);
    uint64_t clone = clone_of(handle, 0, 2);
    KP_EXPECT_INT(get(clone, 0), 7);
    put(clone, 0, 9);
    KP_EXPECT(get(clone, 0) == 9 && get(handle, 0) == 7 && file[0] == 7);
    KP_EXPECT_INT(kp_test_call(process, vmo_decommit, clone, 0, 2 * PAGE), KP_OK);
    KP_EXPECT_INT(get(clone, 0), 0);
    KP_EXPECT_INT(kp_test_call(process, vmo_write, handle, 0, 0, 4), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(process, vmo_decommit, handle, 0, PAGE), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, handle, PAGE), KP_ERR_BAD_STATE);
    kp_vmo_release(vmo);
    end();
}

KP_TEST(resize)
{
    begin();
    uint64_t before = pages_used(), vmo = create(2);
    put(vmo, 1, 11);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, 8 * PAGE - 5), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_size, vmo), 8 * PAGE);
    KP_EXPECT_INT(pages_used(), before + 8);
    put(vmo, 7, 17);
    KP_EXPECT(get(vmo, 1) == 11 && get(vmo, 7) == 17);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, PAGE), KP_OK);
    KP_EXPECT_INT(pages_used(), before + 1);
    KP_EXPECT_INT(kp_test_call(process, vmo_read, vmo, PAGE, 0, 1), KP_ERR_OUT_OF_RANGE);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, 8 * PAGE), KP_OK);
    KP_EXPECT(get(vmo, 1) == 0 && get(vmo, 7) == 0); /* nothing comes back */
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, KP_VMO_SIZE_MAX + 1), KP_ERR_TOO_LARGE);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, KP_VMO_SIZE_MAX), KP_ERR_QUOTA);
    KP_EXPECT_INT(pages_used(), before + 8);
    end();
}

KP_TEST(resize_under_mappings)
{
    begin();
    uint64_t vmo = create(4);
    KP_REQUIRE(kp_test_call(process, vmo_map, vmo, 0, 65536, 2 * PAGE, 0) == KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, 3 * PAGE), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, 6 * PAGE), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_unmap, 65536 + PAGE, PAGE), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, 3 * PAGE), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, vmo_unmap, 65536, PAGE), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, PAGE), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_map, vmo, 0, 65536, 2 * PAGE, 0), KP_ERR_OUT_OF_RANGE);
    end();
}

KP_TEST(sealed_means_no_writer)
{
    begin();
    uint64_t vmo = create(4);
    put(vmo, 0, 5);
    /* Cut in two: both pieces count. */
    KP_REQUIRE(kp_test_call(process, vmo_map, vmo, 0, 65536, 3 * PAGE, KP_VMO_MAP_WRITE) == KP_OK);
    KP_REQUIRE(kp_test_call(process, vmo_unmap, 65536 + PAGE, PAGE) == KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_seal, vmo, KP_VMO_SEAL_WRITE), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, vmo_unmap, 65536, PAGE), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_seal, vmo, KP_VMO_SEAL_WRITE), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, vmo_unmap, 65536 + 2 * PAGE, PAGE), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_seal, vmo, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, vmo_seal, vmo, 4), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, vmo_seal, vmo, 1ull << 32 | 1), KP_ERR_INVALID_ARGUMENT);
    put(vmo, 0, 6); /* what failed has sealed nothing */
    KP_EXPECT_INT(kp_test_call(process, vmo_seal, vmo, KP_VMO_SEAL_WRITE), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_write, vmo, 0, 0, 4), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(process, vmo_decommit, vmo, 0, PAGE), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(process, vmo_map, vmo, 0, 65536, PAGE, KP_VMO_MAP_WRITE),
                  KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, PAGE), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, 8 * PAGE), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_seal, vmo, KP_VMO_SEAL_RESIZE), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, 9 * PAGE), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, vmo_map, vmo, 0, 65536, PAGE, 0), KP_OK);
    KP_EXPECT_INT(get(vmo, 0), 6);
    uint64_t clone = clone_of(vmo, 0, 1); /* a clone has no seals */
    put(clone, 0, 8);
    KP_EXPECT(get(clone, 0) == 8 && get(vmo, 0) == 6);
    KP_EXPECT_INT(info_of(vmo).seals, KP_VMO_SEAL_WRITE | KP_VMO_SEAL_RESIZE);
    KP_EXPECT_INT(info_of(vmo).mappings, 1);
    KP_EXPECT_INT(info_of(vmo).size, 8 * PAGE);
    KP_EXPECT_INT(info_of(clone).seals, 0);
    end();
}

KP_TEST(decommit)
{
    begin();
    uint64_t vmo = create(4);
    for (uint32_t i = 0; i < 4; i++)
        put(vmo, i, i + 1);
    KP_EXPECT_INT(info_of(vmo).private_bytes + info_of(vmo).shared_bytes, 4 * PAGE);
    KP_EXPECT_INT(kp_test_call(process, vmo_decommit, vmo, PAGE, 2 * PAGE), KP_OK);
    KP_EXPECT(get(vmo, 0) == 1 && get(vmo, 1) == 0 && get(vmo, 2) == 0 && get(vmo, 3) == 4);
    KP_EXPECT_INT(info_of(vmo).private_bytes + info_of(vmo).shared_bytes, 2 * PAGE);
    KP_EXPECT_INT(kp_test_call(process, vmo_decommit, vmo, PAGE, 4 * PAGE), KP_ERR_OUT_OF_RANGE);
    KP_EXPECT_INT(kp_test_call(process, vmo_decommit, vmo, 1, PAGE), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, vmo_decommit, vmo, 4 * PAGE, 0), KP_OK);
    end();
}

static void fill(const void *context, uint64_t offset, void *page)
{
    memset(page, *(const uint8_t *)context + (int)(offset / PAGE), PAGE);
}

/* Packed files of the archive are everybody's: a device that looks at one takes it from nobody. */
KP_TEST(archive_files_are_not_pinned)
{
    begin();
    static const uint8_t first = 7;
    kp_vmo_t *vmo;
    kp_handle_t handle;
    KP_REQUIRE(kp_vmo_create_filled(3 * PAGE, fill, &first, &vmo) == KP_OK);
    KP_REQUIRE(kp_handle_add(&process->handles, kp_capability_create(&vmo->object, KP_RIGHTS_ALL),
                             &handle) == KP_OK);
    const uint8_t *page = kp_vmo_page(vmo, PAGE);
    KP_REQUIRE(page && page[0] == 8);
    int64_t clone = kp_test_call(process, vmo_clone, handle, 0, 2 * PAGE);
    KP_REQUIRE(clone > 0);
    put((uint64_t)clone, 0, 3);
    KP_EXPECT(page[0] == 8);
    kp_vmo_release(vmo);
    end();
}

KP_TEST(pages_that_a_device_uses_stay)
{
    begin();
    kp_vmo_t *vmo;
    KP_REQUIRE(kp_vmo_create_contiguous(3 * PAGE, &vmo) == KP_OK);
    KP_EXPECT_INT(vmo->size, 3 * PAGE);
    kp_handle_t handle;
    KP_REQUIRE(kp_handle_add(&process->handles, kp_capability_create(&vmo->object, KP_RIGHTS_ALL),
                             &handle) == KP_OK);
    uint64_t lent = create(1);
    kp_object_t *object;
    kp_rights_t rights;
    KP_REQUIRE(kp_handle_lookup(&process->handles, (kp_handle_t)lent, &object, &rights) == KP_OK);
    KP_EXPECT(kp_vmo_page(kp_vmo_from_object(object), 0));
    KP_EXPECT(!kp_vmo_page(kp_vmo_from_object(object), PAGE));
    kp_object_release(object);
    uint64_t used[2] = {handle, lent};
    for (int i = 0; i < 2; i++) {
        KP_EXPECT_INT(kp_test_call(process, vmo_clone, used[i], 0, PAGE), KP_ERR_BAD_STATE);
        KP_EXPECT_INT(kp_test_call(process, vmo_decommit, used[i], 0, PAGE), KP_ERR_BAD_STATE);
        KP_EXPECT_INT(kp_test_call(process, vmo_resize, used[i], 4 * PAGE), KP_ERR_BAD_STATE);
        put(used[i], 0, 3);
        KP_EXPECT_INT(get(used[i], 0), 3);
    }
    kp_vmo_release(vmo);
    end();
}

KP_TEST(memory_may_run_out)
{
    begin();
    uint64_t vmo = create(4), used = pages_used();
    put(vmo, 0, 1);
    for (uint64_t n = 1;; n++) {
        kp_test_fail_allocation(n);
        int64_t clone = kp_test_call(process, vmo_clone, vmo, 0, 4 * PAGE);
        int64_t map = kp_test_call(process, vmo_map, vmo, 0, 65536, PAGE, KP_VMO_MAP_WRITE);
        int64_t grown = kp_test_call(process, vmo_resize, vmo, 5 * PAGE);
        int64_t unmap = kp_test_call(process, vmo_unmap, 65536, PAGE);
        bool failed = kp_test_failed();
        kp_test_fail_allocation(0);
        KP_EXPECT(clone > 0 || clone == KP_ERR_NO_MEMORY);
        KP_EXPECT(map == KP_OK || map == KP_ERR_NO_MEMORY);
        KP_EXPECT(grown == KP_OK || grown == KP_ERR_NO_MEMORY);
        if (unmap != KP_OK)
            KP_EXPECT_INT(kp_test_call(process, vmo_unmap, 65536, PAGE), KP_OK);
        if (clone > 0)
            KP_EXPECT_INT(kp_test_call(process, handle_close, (uint64_t)clone), KP_OK);
        KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, 4 * PAGE), KP_OK);
        KP_EXPECT_INT(pages_used(), used);
        KP_EXPECT_INT(get(vmo, 0), 1);
        if (!failed)
            break;
    }
    end();
}

KP_TEST_MAIN()
