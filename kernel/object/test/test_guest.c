/* Guest memories: who may have them, what they cost, and that nothing is lost. */
#include <pthread.h>

#include "kernel/object/code.h"
#include "kernel/object/guest.h"
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

#define PAGE ((uint64_t)KP_PAGE_SIZE)
#define UNIT ((uint64_t)KP_WASM_PAGE_SIZE)

static kp_process_t *process;
static uint64_t objects, allocations, code;
static kp_job_limits_t used_before;

static void begin_limited(const kp_job_limits_t *limits)
{
    kp_test_attach("test");
    kp_code_authority_init();
    objects = kp_object_count(KP_TYPE_NONE);
    allocations = kp_test_allocations();
    process = limits ? kp_test_process_limited(1, 1, limits) : kp_test_process(2, 4, NULL);
    KP_REQUIRE(process);
    kp_handle_t authority;
    KP_REQUIRE(kp_handle_add(&process->handles,
                             kp_capability_create(kp_code_authority(),
                                                  kp_object_default_rights(KP_TYPE_CODE_AUTHORITY)),
                             &authority) == KP_OK);
    int64_t vmo = kp_test_call(process, vmo_create, PAGE);
    code = (uint64_t)kp_test_call(process, code_create, authority, (uint64_t)vmo);
    KP_REQUIRE((int64_t)code > 0);
    kp_quota_used(process->quota, &used_before);
}

static void begin(void)
{
    begin_limited(NULL);
}

static void end(void)
{
    kp_test_process_end(process);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
    KP_EXPECT_INT(kp_test_allocations(), allocations);
}

static kp_job_limits_t used(void)
{
    kp_job_limits_t now;
    kp_quota_used(process->quota, &now);
    return now;
}

KP_TEST(a_guest_grows_and_goes)
{
    begin();
    int64_t at = kp_test_call(process, guest_create, code, KP_GUEST_RESERVE_MAX);
    KP_REQUIRE(at > 0);
    KP_EXPECT_INT(used().objects - used_before.objects, 1);
    KP_EXPECT_INT(used().pages, used_before.pages);
    KP_EXPECT_INT(kp_test_call(process, guest_grow, (uint64_t)at, 0), 0);
    KP_EXPECT_INT(kp_test_call(process, guest_grow, (uint64_t)at, 3), 0);
    KP_EXPECT_INT(kp_test_call(process, guest_grow, (uint64_t)at, 2), 3);
    KP_EXPECT_INT(kp_test_call(process, guest_grow, (uint64_t)at, 0), 5);
    memset((void *)(uintptr_t)at, 7, 5 * UNIT);
    uint64_t pages = used().pages - used_before.pages;
    KP_EXPECT(pages >= 5 * UNIT / PAGE + 1 && pages < 5 * UNIT / PAGE + 8);
    /* The kernel does not look there. */
    KP_EXPECT_INT(kp_test_call(process, random_get, (uint64_t)at, 16), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_test_call(process, handle_close, code), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, guest_grow, (uint64_t)at, 1), 5);
    KP_EXPECT_INT(kp_test_call(process, guest_destroy, (uint64_t)at + UNIT), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(kp_test_call(process, guest_destroy, 0), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(kp_test_call(process, guest_destroy, (uint64_t)at), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, guest_destroy, (uint64_t)at), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(kp_test_call(process, guest_grow, (uint64_t)at, 1), KP_ERR_NOT_FOUND);
    KP_EXPECT(used().objects + 1 == used_before.objects && used().pages == used_before.pages);
    end();
}

KP_TEST(sizes_are_checked)
{
    begin();
    const uint64_t wrong[] = {0, 1, UNIT - 1, UNIT + PAGE, KP_GUEST_RESERVE_MAX + UNIT, UINT64_MAX};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        KP_EXPECT_INT(kp_test_call(process, guest_create, code, wrong[i]), KP_ERR_INVALID_ARGUMENT);
    int64_t at = kp_test_call(process, guest_create, code, 4 * UNIT);
    KP_REQUIRE(at > 0);
    KP_EXPECT_INT(kp_test_call(process, guest_grow, (uint64_t)at, 5), KP_ERR_NO_MEMORY);
    KP_EXPECT_INT(kp_test_call(process, guest_grow, (uint64_t)at, UINT64_MAX / UNIT),
                  KP_ERR_NO_MEMORY);
    KP_EXPECT_INT(kp_test_call(process, guest_grow, (uint64_t)at, UINT64_MAX), KP_ERR_NO_MEMORY);
    KP_EXPECT_INT(kp_test_call(process, guest_grow, (uint64_t)at, 4), 0);
    KP_EXPECT_INT(kp_test_call(process, guest_grow, (uint64_t)at, 1), KP_ERR_NO_MEMORY);
    end(); /* with it */
}

KP_TEST(only_code_made_at_run_time_is_an_authority)
{
    begin();
    int64_t event = kp_test_call(process, event_create);
    KP_EXPECT_INT(kp_test_call(process, guest_create, (uint64_t)event, UNIT), KP_ERR_WRONG_TYPE);
    KP_EXPECT(kp_test_call(process, guest_create, 0, UNIT) < 0);
    int64_t blind =
        kp_test_call(process, handle_duplicate, code, KP_RIGHT_EXECUTE | KP_RIGHT_INSPECT);
    int64_t tame = kp_test_call(process, handle_duplicate, code, KP_RIGHT_MAP);
    KP_EXPECT_INT(kp_test_call(process, guest_create, (uint64_t)blind, UNIT), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(process, guest_create, (uint64_t)tame, UNIT), KP_ERR_ACCESS_DENIED);
    /* A program. */
    kp_capability_t program;
    kp_handle_t handle;
    KP_REQUIRE(kp_code_create(process->image, &program) == KP_OK);
    KP_REQUIRE(kp_handle_add(&process->handles, program, &handle) == KP_OK);
    KP_EXPECT_INT(kp_test_call(process, guest_create, handle, UNIT), KP_ERR_ACCESS_DENIED);
    /* Revoked. */
    int64_t derived = kp_test_call(process, handle_duplicate, code, KP_RIGHTS_SAME);
    int64_t at = kp_test_call(process, guest_create, (uint64_t)derived, UNIT);
    KP_EXPECT(at > 0);
    KP_EXPECT_INT(kp_test_call(process, handle_revoke, code), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, guest_create, (uint64_t)derived, UNIT), KP_ERR_REVOKED);
    KP_EXPECT_INT(kp_test_call(process, guest_grow, (uint64_t)at, 1), 0);
    end();
}

KP_TEST(guests_are_bounded_and_charged)
{
    begin();
    int64_t last = 0;
    for (uint32_t i = 0; i < KP_GUESTS_MAX; i++) {
        last = kp_test_call(process, guest_create, code, (i + 1) * UNIT);
        KP_EXPECT(last > 0);
    }
    KP_EXPECT_INT(used().objects - used_before.objects, KP_GUESTS_MAX);
    KP_EXPECT_INT(kp_test_call(process, guest_create, code, UNIT), KP_ERR_QUOTA);
    KP_EXPECT_INT(kp_test_call(process, guest_destroy, (uint64_t)last), KP_OK);
    KP_EXPECT(kp_test_call(process, guest_create, code, UNIT) > 0);
    end();

    /* Objects and pages of the job stop it too. */
    for (int which = 0; which < 2; which++) {
        const kp_job_limits_t limits = {.handles = 100,
                                        .queued_bytes = 1000,
                                        .pages = which ? 100 : 1000,
                                        .processes = 1,
                                        .objects = which ? 100 : 8};
        begin_limited(&limits);
        int64_t at, first = 0;
        unsigned count = 0;
        while ((at = kp_test_call(process, guest_create, code, 64 * UNIT)) > 0 && ++count < 20)
            first = at;
        KP_EXPECT(which ? count == 20 : at == KP_ERR_QUOTA && count > 1 && count < 8);
        if (which) {
            unsigned grown = 0;
            while ((at = kp_test_call(process, guest_grow, (uint64_t)first, 1)) >= 0)
                grown++;
            KP_EXPECT(at == KP_ERR_QUOTA && grown > 1 && grown < 6);
            KP_EXPECT_INT(kp_test_call(process, guest_destroy, (uint64_t)first), KP_OK);
            KP_EXPECT_INT(used().pages, used_before.pages);
        }
        end();
    }
}

KP_TEST(freezing_needs_no_guest)
{
    begin();
    int64_t at = kp_test_call(process, guest_create, code, UNIT);
    KP_REQUIRE(at > 0);
    kp_handle_table_clear(&process->handles);
    KP_EXPECT_INT(kp_test_call(process, process_freeze), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, guest_destroy, (uint64_t)at), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, process_freeze), KP_OK);
    end();
}

KP_TEST(without_memory_nothing_is_lost)
{
    begin();
    for (uint64_t n = 1;; n++) {
        kp_test_fail_allocation(n);
        int64_t at = kp_test_call(process, guest_create, code, UNIT);
        bool failed = kp_test_failed();
        kp_test_fail_allocation(0);
        KP_EXPECT(failed == (at < 0) && (at > 0 || at == KP_ERR_NO_MEMORY));
        KP_EXPECT_INT(used().objects - used_before.objects, at > 0);
        if (!failed)
            break;
        KP_REQUIRE(n < 10);
    }
    end();
}

/* ---- several threads ---- */

static void *storm(void *argument)
{
    kp_test_attach("storm");
    uint64_t random = (uint64_t)(uintptr_t)argument * 0x9e3779b97f4a7c15ull;
    int64_t mine = 0;
    for (unsigned i = 0; i < 3000; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        uint64_t other = process->guests ? process->guests->slots[random >> 40 & 7].address : 0;
        switch (random >> 60 & 3) {
        case 0:
            mine = kp_test_call_beside(process, guest_create, code, 8 * UNIT);
            break;
        case 1:
            (void)kp_test_call_beside(process, guest_grow, mine > 0 ? (uint64_t)mine : other, 1);
            break;
        case 2:
            (void)kp_test_call_beside(process, guest_destroy, other);
            break;
        default:
            (void)kp_test_call_beside(process, guest_grow, other, random >> 50 & 3);
        }
    }
    kp_test_detach();
    return NULL;
}

KP_TEST(threads_take_turns)
{
    begin();
    pthread_t threads[3];
    KP_REQUIRE(kp_test_call(process, guest_create, code, UNIT) > 0);
    for (uintptr_t i = 0; i < 3; i++)
        KP_REQUIRE(pthread_create(&threads[i], NULL, storm, (void *)(i + 1)) == 0);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    uint32_t count = 0;
    for (uint32_t i = 0; i < KP_GUESTS_MAX; i++)
        count += process->guests->slots[i].address != 0;
    KP_EXPECT_INT(used().objects - used_before.objects, count);
    for (uint32_t i = 0; i < KP_GUESTS_MAX; i++)
        if (process->guests->slots[i].address)
            KP_EXPECT_INT(kp_test_call(process, guest_destroy, process->guests->slots[i].address),
                          KP_OK);
    KP_EXPECT(used().objects == used_before.objects && used().pages == used_before.pages);
    end();
}

KP_TEST_MAIN()
