/* Code made at run time: who may make it, what becomes of its VMO, mappings, what they cost. */
#include <pthread.h>

#include "kernel/object/code.h"
#include "kernel/object/snapshot.h"
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

#define PAGE ((uint64_t)KP_PAGE_SIZE)
#define INFO 0x100

static kp_process_t *process;
static uint64_t objects, allocations;
static kp_job_limits_t used_before;

static void begin(void)
{
    kp_test_attach("test");
    kp_code_authority_init();
    objects = kp_object_count(KP_TYPE_NONE);
    allocations = kp_test_allocations();
    process = kp_test_process(2, 4, NULL);
    KP_REQUIRE(process);
    kp_quota_used(process->quota, &used_before);
}

static void end(void)
{
    kp_test_process_end(process);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
    KP_EXPECT_INT(kp_test_allocations(), allocations);
}

/* The process is a compiler. */
static uint64_t authority(kp_process_t *to)
{
    kp_handle_t handle = 0;
    KP_EXPECT_INT(
        kp_handle_add(&to->handles,
                      kp_capability_create(kp_code_authority(),
                                           kp_object_default_rights(KP_TYPE_CODE_AUTHORITY)),
                      &handle),
        KP_OK);
    return handle;
}

/* A VMO of so many pages, whose first instruction returns `value`. */
static uint64_t vmo_with(uint64_t pages, uint32_t value)
{
    int64_t vmo = kp_test_call(process, vmo_create, pages * PAGE);
    KP_EXPECT(vmo > 0);
    uint8_t code[6] = {0xb8, 0, 0, 0, 0, 0xc3}; /* mov eax, value; ret */
    memcpy(code + 1, &value, 4);
    memcpy(kp_test_memory(process, 0), code, sizeof(code));
    KP_EXPECT_INT(kp_test_call(process, vmo_write, (uint64_t)vmo, 0, 0, sizeof(code)), KP_OK);
    return (uint64_t)vmo;
}

static uint64_t code_of(uint64_t root, uint64_t vmo)
{
    int64_t code = kp_test_call(process, code_create, root, vmo);
    KP_EXPECT(code > 0);
    return (uint64_t)code;
}

static kp_code_info_t info_of(uint64_t code)
{
    kp_code_info_t info;
    KP_EXPECT_INT(kp_test_call(process, code_info, code, INFO), KP_OK);
    memcpy(&info, kp_test_memory(process, INFO), sizeof(info));
    return info;
}

static kp_job_limits_t used(void)
{
    kp_job_limits_t now;
    kp_quota_used(process->quota, &now);
    return now;
}

static int run(int64_t address)
{
    int (*function)(void) = (int (*)(void))(uintptr_t)address;
    return function();
}

KP_TEST(what_it_takes_to_be_code)
{
    begin();
    uint64_t root = authority(process), vmo = vmo_with(3, 42), code = code_of(root, vmo);
    kp_code_info_t info = info_of(code);
    KP_EXPECT(info.size == 3 * PAGE && info.kind == KP_CODE_MADE && info.handles == 1 &&
              info.mappings == 0);
    KP_EXPECT_INT(kp_test_call(process, object_info, code, INFO), KP_OK);
    kp_object_info_t object;
    memcpy(&object, kp_test_memory(process, INFO), sizeof(object));
    KP_EXPECT_INT(object.type, KP_TYPE_CODE);
    KP_EXPECT_INT(object.rights, KP_RIGHT_EXECUTE | KP_RIGHT_MAP | KP_RIGHT_INSPECT |
                                     KP_RIGHT_DUPLICATE | KP_RIGHT_TRANSFER);
    int64_t first = kp_test_call(process, code_map, code);
    int64_t second = kp_test_call(process, code_map, code);
    KP_REQUIRE(first > 0 && second > 0 && first != second);
    KP_EXPECT(run(first) == 42 && run(second) == 42);
    info = info_of(code);
    KP_EXPECT(info.mappings == 2);
    /* It stays without handles. */
    KP_EXPECT_INT(kp_test_call(process, handle_close, code), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, handle_close, vmo), KP_OK);
    KP_EXPECT_INT(run(first), 42);
    KP_EXPECT_INT(kp_test_call(process, code_unmap, (uint64_t)first), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, code_unmap, (uint64_t)first), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(kp_test_call(process, code_unmap, (uint64_t)second + PAGE), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(kp_test_call(process, code_unmap, 0), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(run(second), 42);
    KP_EXPECT_INT(kp_test_call(process, code_unmap, (uint64_t)second), KP_OK);
    kp_job_limits_t now = used();
    KP_EXPECT(now.pages == used_before.pages && now.objects == used_before.objects);
    end();
}

KP_TEST(nobody_writes_code)
{
    begin();
    uint64_t root = authority(process), vmo = vmo_with(2, 1);
    /* Every way to write it must be over first. */
    KP_EXPECT_INT(kp_test_call(process, vmo_map, vmo, 0, 0x10000, PAGE, KP_VMO_MAP_WRITE), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, code_create, root, vmo), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, vmo_unmap, 0x10000, PAGE), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_map, vmo, 0, 0x10000, PAGE, 0), KP_OK);
    int64_t clone = kp_test_call(process, vmo_clone, vmo, 0, 2 * PAGE);
    uint64_t code = code_of(root, vmo);
    int64_t at = kp_test_call(process, code_map, code);
    KP_REQUIRE(clone > 0 && at > 0);
    /* And stays over. */
    KP_EXPECT_INT(kp_test_call(process, vmo_write, vmo, 0, 0, 4), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(process, vmo_decommit, vmo, 0, PAGE), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, PAGE), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, vmo_resize, vmo, 4 * PAGE), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, vmo_map, vmo, 0, 0x20000 - PAGE, PAGE, KP_VMO_MAP_WRITE),
                  KP_ERR_ACCESS_DENIED);
    /* Clones of before and of now are other memory. */
    int64_t late = kp_test_call(process, vmo_clone, vmo, 0, 2 * PAGE);
    KP_REQUIRE(late > 0);
    memset(kp_test_memory(process, 0), 0xcc, 16);
    KP_EXPECT_INT(kp_test_call(process, vmo_write, (uint64_t)clone, 0, 0, 16), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, vmo_write, (uint64_t)late, 0, 0, 16), KP_OK);
    KP_EXPECT_INT(run(at), 1);
    KP_EXPECT_INT(memcmp(kp_test_memory(process, 0x10000), "\xb8\1\0\0\0\xc3", 6), 0);
    /* The same VMO twice: two objects, the same pages. */
    uint64_t again = code_of(root, vmo);
    KP_EXPECT(again != code && info_of(again).mappings == 0);
    end();
}

KP_TEST(what_cannot_be_code)
{
    static _Alignas(4096) uint8_t file[4096];
    begin();
    uint64_t root = authority(process), vmo = vmo_with(1, 1);
    kp_vmo_t *fixed, *lent;
    kp_handle_t handles[2];
    KP_REQUIRE(kp_vmo_create_static(file, sizeof(file), &fixed) == KP_OK);
    KP_REQUIRE(kp_vmo_create(PAGE, NULL, &lent) == KP_OK);
    KP_REQUIRE(kp_handle_add(&process->handles, kp_capability_create(&fixed->object, KP_RIGHTS_ALL),
                             &handles[0]) == KP_OK &&
               kp_handle_add(&process->handles, kp_capability_create(&lent->object, KP_RIGHTS_ALL),
                             &handles[1]) == KP_OK);
    KP_EXPECT(kp_vmo_page(lent, 0)); /* a device has it */
    KP_EXPECT_INT(kp_test_call(process, code_create, root, handles[0]), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, code_create, root, handles[1]), KP_ERR_BAD_STATE);
    kp_vmo_release(fixed);
    kp_vmo_release(lent);
    int64_t huge = kp_test_call(process, vmo_create, KP_CODE_SIZE_MAX + PAGE);
    KP_EXPECT(huge > 0);
    KP_EXPECT_INT(kp_test_call(process, code_create, root, (uint64_t)huge), KP_ERR_TOO_LARGE);
    /* Forged authorities: other objects, other rights, nothing. */
    KP_EXPECT_INT(kp_test_call(process, code_create, vmo, vmo), KP_ERR_WRONG_TYPE);
    KP_EXPECT_INT(kp_test_call(process, code_create, 0, vmo), KP_ERR_BAD_HANDLE);
    KP_EXPECT_INT(kp_test_call(process, code_create, root ^ 2, vmo), KP_ERR_BAD_HANDLE);
    /* An authority cannot be multiplied or sent. */
    KP_EXPECT_INT(kp_test_call(process, handle_duplicate, root, KP_RIGHTS_SAME),
                  KP_ERR_ACCESS_DENIED);
    uint32_t ends[2];
    KP_EXPECT_INT(kp_test_call(process, channel_create, INFO), KP_OK);
    memcpy(ends, kp_test_memory(process, INFO), sizeof(ends));
    memcpy(kp_test_memory(process, INFO), &root, 4);
    KP_EXPECT_INT(kp_test_call(process, channel_write, ends[0], 0, 0, INFO, 1),
                  KP_ERR_ACCESS_DENIED);
    /* A VMO's handle that cannot manage it. */
    int64_t weak = kp_test_call(process, handle_duplicate, vmo, KP_RIGHT_READ | KP_RIGHT_MAP);
    KP_EXPECT_INT(kp_test_call(process, code_create, root, (uint64_t)weak), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(process, vmo_write, vmo, 0, 0, 4), KP_OK); /* nothing was sealed */
    end();
}

KP_TEST(rights_and_revocation)
{
    begin();
    uint64_t root = authority(process), code = code_of(root, vmo_with(1, 7));
    int64_t derived = kp_test_call(process, handle_duplicate, code, KP_RIGHTS_SAME);
    int64_t blind = kp_test_call(process, handle_duplicate, code, KP_RIGHT_EXECUTE);
    int64_t tame = kp_test_call(process, handle_duplicate, code, KP_RIGHT_MAP);
    KP_REQUIRE(derived > 0 && blind > 0 && tame > 0);
    KP_EXPECT_INT(kp_test_call(process, code_map, (uint64_t)blind), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(process, code_map, (uint64_t)tame), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(process, code_info, (uint64_t)tame, INFO), KP_ERR_ACCESS_DENIED);
    int64_t at = kp_test_call(process, code_map, (uint64_t)derived);
    KP_REQUIRE(at > 0);
    KP_EXPECT_INT(kp_test_call(process, handle_revoke, code), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, code_map, (uint64_t)derived), KP_ERR_REVOKED);
    KP_EXPECT_INT(run(at), 7); /* mappings stay */
    KP_EXPECT_INT(info_of(code).mappings, 1);
    end(); /* with the mapping */
}

KP_TEST(a_program_is_no_module_and_the_other_way_round)
{
    static kp_image_t image = {.info = {.initial_pages = 1, .maximum_pages = 2}, .size = 5000};
    begin();
    kp_capability_t program;
    kp_handle_t handle, job;
    KP_REQUIRE(kp_code_create(&image, &program) == KP_OK);
    program.rights = KP_RIGHTS_ALL;
    KP_REQUIRE(kp_handle_add(&process->handles, program, &handle) == KP_OK);
    KP_REQUIRE(kp_handle_add(&process->handles,
                             kp_capability_create(&process->job->object, KP_RIGHTS_ALL),
                             &job) == KP_OK);
    KP_EXPECT_INT(kp_test_call(process, code_map, handle), KP_ERR_WRONG_TYPE);
    kp_code_info_t info = info_of(handle);
    KP_EXPECT(info.kind == KP_CODE_PROGRAM && info.size == 8192);
    kp_process_create_t wanted = {.code = (kp_handle_t)code_of(authority(process), vmo_with(1, 1)),
                                  .name = "made"};
    memcpy(kp_test_memory(process, INFO), &wanted, sizeof(wanted));
    KP_EXPECT_INT(kp_test_call(process, process_create, job, INFO), KP_ERR_WRONG_TYPE);
    end();
}

KP_TEST(freezing_needs_no_code)
{
    begin();
    uint64_t root = authority(process), code = code_of(root, vmo_with(1, 1));
    int64_t at = kp_test_call(process, code_map, code);
    KP_REQUIRE(at > 0);
    KP_EXPECT_INT(kp_test_call(process, handle_close, code), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, handle_close, root), KP_OK);
    kp_handle_table_clear(&process->handles);
    KP_EXPECT_INT(kp_test_call(process, process_freeze), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, code_unmap, (uint64_t)at), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, process_freeze), KP_OK);
    end();
}

KP_TEST(mappings_are_bounded_and_charged)
{
    begin();
    uint64_t root = authority(process), code = code_of(root, vmo_with(1, 1));
    kp_job_limits_t before = used();
    for (uint32_t i = 0; i < KP_CODE_MAPPINGS_MAX; i++)
        KP_EXPECT(kp_test_call(process, code_map, code) > 0);
    kp_job_limits_t full = used();
    KP_EXPECT_INT(full.objects - before.objects, KP_CODE_MAPPINGS_MAX);
    KP_EXPECT(full.pages - before.pages >= 2 * KP_CODE_MAPPINGS_MAX);
    KP_EXPECT_INT(kp_test_call(process, code_map, code), KP_ERR_QUOTA);
    KP_EXPECT_INT(info_of(code).mappings, KP_CODE_MAPPINGS_MAX);
    end();

    /* Objects and pages of the job stop it too, and nothing is lost then. */
    for (int which = 0; which < 2; which++) {
        kp_job_limits_t limits = {.handles = 100,
                                  .queued_bytes = 1000,
                                  .pages = which ? 44 : 1000,
                                  .processes = 1,
                                  .objects = which ? 100 : 8};
        begin();
        kp_process_t *wide = process;
        process = kp_test_process_limited(1, 1, &limits);
        KP_REQUIRE(process);
        uint64_t small = code_of(authority(process), vmo_with(1, 1));
        kp_job_limits_t without = used();
        int64_t address = 1, last = 0;
        unsigned count = 0;
        while ((address = kp_test_call(process, code_map, small)) > 0) {
            last = address;
            count++;
        }
        KP_EXPECT(address == KP_ERR_QUOTA && count > 2 && count < 20);
        KP_EXPECT_INT(kp_test_call(process, code_unmap, (uint64_t)last), KP_OK);
        last = kp_test_call(process, code_map, small);
        KP_EXPECT(last > 0);
        KP_EXPECT_INT(used().pages - without.pages, 2 * count);
        kp_test_process_end(process);
        process = wide;
        end();
    }
}

KP_TEST(without_memory_nothing_is_lost)
{
    begin();
    uint64_t root = authority(process);
    for (uint64_t n = 1;; n++) {
        uint64_t vmo = vmo_with(1, 5);
        kp_job_limits_t before = used();
        uint64_t blocks = kp_test_allocations();
        kp_test_fail_allocation(n);
        int64_t code = kp_test_call(process, code_create, root, vmo);
        int64_t at = code > 0 ? kp_test_call(process, code_map, (uint64_t)code) : code;
        bool failed = kp_test_failed();
        kp_test_fail_allocation(0);
        KP_EXPECT(failed == (at < 0) && (at > 0 || at == KP_ERR_NO_MEMORY));
        if (at > 0)
            KP_EXPECT_INT(kp_test_call(process, code_unmap, (uint64_t)at), KP_OK);
        if (code > 0)
            KP_EXPECT_INT(kp_test_call(process, handle_close, (uint64_t)code), KP_OK);
        kp_job_limits_t now = used();
        KP_EXPECT(now.objects == before.objects && now.pages == before.pages &&
                  now.handles == before.handles && kp_test_allocations() <= blocks + 1);
        KP_EXPECT_INT(kp_test_call(process, handle_close, vmo), KP_OK);
        if (!failed)
            break;
        KP_REQUIRE(n < 20);
    }
    end();
}

/* ---- several threads ---- */

#define ROUNDS 2000

static atomic_uint round_now;
static uint64_t contested;
static atomic_int mapped;

/* Maps the VMO to be written whenever it can, writes while it may. */
static void *writer(void *argument)
{
    (void)argument;
    kp_test_attach("writer");
    for (unsigned seen = 0; seen < ROUNDS;) {
        unsigned now = atomic_load(&round_now);
        if (now == seen)
            continue;
        seen = now;
        int64_t status =
            kp_test_call_beside(process, vmo_map, contested, 0, 0x10000, PAGE, KP_VMO_MAP_WRITE);
        KP_EXPECT(status == KP_OK || status == KP_ERR_ACCESS_DENIED);
        atomic_store(&mapped, status == KP_OK ? 1 : -1);
    }
    kp_test_detach();
    return NULL;
}

KP_TEST(making_code_against_mapping_it_writable)
{
    begin();
    uint64_t root = authority(process);
    pthread_t thread;
    KP_REQUIRE(pthread_create(&thread, NULL, writer, NULL) == 0);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        contested = vmo_with(1, 9);
        atomic_store(&mapped, 0);
        atomic_store(&round_now, i);
        int64_t code = kp_test_call_beside(process, code_create, root, contested);
        while (!atomic_load(&mapped)) {
        }
        /* One of them was first, never both. */
        KP_EXPECT(code > 0 ? atomic_load(&mapped) < 0
                           : code == KP_ERR_BAD_STATE && atomic_load(&mapped) > 0);
        if (code > 0)
            KP_EXPECT_INT(kp_test_call(process, handle_close, (uint64_t)code), KP_OK);
        KP_EXPECT_INT(kp_test_call(process, vmo_unmap, 0x10000, PAGE), KP_OK);
        KP_EXPECT_INT(kp_test_call(process, handle_close, contested), KP_OK);
    }
    pthread_join(thread, NULL);
    end();
}

static void *mapper(void *argument)
{
    uint64_t code = *(uint64_t *)argument;
    kp_test_attach("mapper");
    int64_t kept[8] = {0};
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t *slot = &kept[i % 8];
        if (*slot > 0)
            KP_EXPECT_INT(kp_test_call_beside(process, code_unmap, (uint64_t)*slot), KP_OK);
        *slot = kp_test_call_beside(process, code_map, code);
        KP_EXPECT(*slot > 0 && run(*slot) == 3);
    }
    kp_test_detach();
    return NULL;
}

KP_TEST(threads_map_and_unmap)
{
    begin();
    uint64_t code = code_of(authority(process), vmo_with(1, 3));
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        KP_REQUIRE(pthread_create(&threads[i], NULL, mapper, &code) == 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    KP_EXPECT_INT(info_of(code).mappings, 24);
    end();
}

KP_TEST_MAIN()
