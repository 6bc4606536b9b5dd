/* Jobs and their accounts. */
#include "kernel/object/job.h"
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

#include <stdlib.h>

static uint64_t objects_before, allocations_before;

static void set_up(void)
{
    kp_test_attach("test");
    objects_before = kp_object_count(KP_TYPE_NONE);
    allocations_before = kp_test_allocations();
}

static void tear_down(void)
{
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects_before);
    KP_EXPECT_INT(kp_test_allocations(), allocations_before);
    kp_job_limits_t used;
    kp_quota_used(kp_job_root()->quota, &used);
    KP_EXPECT_INT(used.handles, 0);
    KP_EXPECT_INT(used.queued_bytes, 0);
    KP_EXPECT_INT(used.pages, 0);
    KP_EXPECT_INT(used.processes, 0);
    KP_EXPECT_INT(used.objects, 0);
}

/* ---- Accounts ---- */

static kp_job_limits_t used_of(kp_quota_t *quota)
{
    kp_job_limits_t used;
    kp_quota_used(quota, &used);
    return used;
}

KP_TEST(a_limit_is_exact_whatever_others_hold_unused)
{
    set_up();
    const kp_job_limits_t limits = {.handles = 100, .queued_bytes = 1000};
    kp_quota_t *job = kp_quota_create(NULL, &limits);
    kp_quota_t *a = kp_quota_create(job, NULL), *b = kp_quota_create(job, NULL);
    KP_REQUIRE(job && a && b);
    /* The first draws a batch; the second gets what is left all the same. */
    KP_EXPECT_INT(kp_quota_charge(a, KP_QUOTA_HANDLES, 1), KP_OK);
    KP_EXPECT_INT(kp_quota_charge(b, KP_QUOTA_HANDLES, 99), KP_OK);
    KP_EXPECT_INT(kp_quota_charge(b, KP_QUOTA_HANDLES, 1), KP_ERR_QUOTA);
    KP_EXPECT_INT(kp_quota_charge(a, KP_QUOTA_HANDLES, 1), KP_ERR_QUOTA);
    KP_EXPECT_INT(used_of(job).handles, 100);
    KP_EXPECT_INT(used_of(a).handles, 1);
    kp_quota_refund(b, KP_QUOTA_HANDLES, 99);
    KP_EXPECT_INT(kp_quota_charge(a, KP_QUOTA_HANDLES, 99), KP_OK);
    KP_EXPECT_INT(kp_quota_charge(b, KP_QUOTA_HANDLES, 1), KP_ERR_QUOTA);
    kp_quota_refund(a, KP_QUOTA_HANDLES, 100);
    KP_EXPECT_INT(kp_quota_charge(a, KP_QUOTA_QUEUED_BYTES, 1001), KP_ERR_QUOTA);
    KP_EXPECT_INT(kp_quota_charge(a, KP_QUOTA_QUEUED_BYTES, UINT64_MAX), KP_ERR_QUOTA);
    KP_EXPECT_INT(kp_quota_charge(a, KP_QUOTA_PAGES, 1), KP_ERR_QUOTA);
    KP_EXPECT_INT(used_of(job).handles, 0);
    KP_EXPECT_INT(used_of(job).queued_bytes, 0);
    kp_quota_release(a);
    kp_quota_release(job); /* b keeps it */
    kp_quota_release(b);
    tear_down();
}

/* Against plain sums: random charges and refunds in a random tree. */
KP_TEST(accounts_agree_with_a_simple_model)
{
    set_up();
    enum { ACCOUNTS = 40, STEPS = 20000 };
    static kp_quota_t *accounts[ACCOUNTS];
    static int parents[ACCOUNTS];
    static uint64_t limits[ACCOUNTS][KP_QUOTA_KINDS], held[ACCOUNTS][KP_QUOTA_KINDS];
    static uint64_t sums[ACCOUNTS][KP_QUOTA_KINDS];
    unsigned seed = 3;
    for (int i = 0; i < ACCOUNTS; i++) {
        parents[i] = i == 0 ? -1 : rand_r(&seed) % i;
        for (int kind = 0; kind < KP_QUOTA_KINDS; kind++)
            limits[i][kind] = 10u + (unsigned)rand_r(&seed) % (kind == 1 ? 1000000u : 1000u);
        kp_job_limits_t own;
        memcpy(&own, limits[i], sizeof(own));
        accounts[i] = kp_quota_create(i == 0 ? NULL : accounts[parents[i]], &own);
        KP_REQUIRE(accounts[i]);
    }
    unsigned refused = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        int at = rand_r(&seed) % ACCOUNTS, kind = rand_r(&seed) % KP_QUOTA_KINDS;
        if (rand_r(&seed) % 3 == 0) {
            uint64_t amount = held[at][kind] ? (unsigned)rand_r(&seed) % (held[at][kind] + 1) : 0;
            kp_quota_refund(accounts[at], kind, amount);
            held[at][kind] -= amount;
            for (int above = at; above >= 0; above = parents[above])
                sums[above][kind] -= amount;
            continue;
        }
        uint64_t amount = (unsigned)rand_r(&seed) % (kind == 1 ? 20000u : 30u);
        bool fits = true;
        for (int above = at; above >= 0; above = parents[above])
            fits &= sums[above][kind] + amount <= limits[above][kind];
        kp_status_t status = kp_quota_charge(accounts[at], kind, amount);
        if (status != (fits || amount == 0 ? KP_OK : KP_ERR_QUOTA)) {
            KP_FAIL("step %u: charge of %llu says %d", step, (unsigned long long)amount, status);
            break;
        }
        refused += status != KP_OK;
        if (status != KP_OK)
            continue;
        held[at][kind] += amount;
        for (int above = at; above >= 0; above = parents[above])
            sums[above][kind] += amount;
    }
    KP_EXPECT(refused > 100);
    for (int i = 0; i < ACCOUNTS; i++) {
        kp_job_limits_t used;
        kp_quota_used(accounts[i], &used);
        KP_EXPECT(memcmp(&used, sums[i], sizeof(used)) == 0);
    }
    for (int i = ACCOUNTS - 1; i >= 0; i--) {
        for (int kind = 0; kind < KP_QUOTA_KINDS; kind++)
            kp_quota_refund(accounts[i], kind, held[i][kind]);
        kp_quota_release(accounts[i]);
    }
    tear_down();
}

KP_TEST(a_charge_does_not_walk_the_tree)
{
    set_up();
    kp_quota_t *top = kp_quota_create(NULL, NULL), *leaf = top;
    while (leaf->depth < KP_QUOTA_DEPTH_MAX - 1) {
        kp_quota_t *below = kp_quota_create(leaf, NULL);
        KP_REQUIRE(below);
        if (leaf != top)
            kp_quota_release(leaf);
        leaf = below;
    }
    KP_EXPECT(!kp_quota_create(leaf, NULL));
    KP_EXPECT_INT(kp_quota_charge(leaf, KP_QUOTA_QUEUED_BYTES, 100), KP_OK);
    kp_quota_refund(leaf, KP_QUOTA_QUEUED_BYTES, 100);
    uint64_t drawn = atomic_load(&top->kinds[KP_QUOTA_QUEUED_BYTES].drawn);
    for (int i = 0; i < 1000; i++) {
        KP_EXPECT_INT(kp_quota_charge(leaf, KP_QUOTA_QUEUED_BYTES, 65536), KP_OK);
        KP_EXPECT_INT(atomic_load(&top->kinds[KP_QUOTA_QUEUED_BYTES].drawn), drawn);
        kp_quota_refund(leaf, KP_QUOTA_QUEUED_BYTES, 65536);
    }
    kp_quota_release(leaf);
    KP_EXPECT_INT(used_of(top).queued_bytes, 0);
    kp_quota_release(top);
    tear_down();
}

/* ---- The tree ---- */

static const kp_job_limits_t wide = {1000, 1 << 20, 10000, 100, 1000};

static kp_job_t *job_in(kp_job_t *parent, const kp_job_limits_t *limits)
{
    kp_job_t *job = NULL;
    kp_status_t status = kp_job_create(parent, limits, &job);
    KP_EXPECT_INT(status, KP_OK);
    return job;
}

KP_TEST(limits_of_a_child_cannot_exceed_its_parents)
{
    set_up();
    kp_job_t *parent = job_in(kp_job_root(), &wide), *child;
    KP_REQUIRE(parent);
    for (int kind = 0; kind < KP_QUOTA_KINDS; kind++) {
        uint64_t each[KP_QUOTA_KINDS];
        memcpy(each, &wide, sizeof(each));
        each[kind]++;
        kp_job_limits_t more;
        memcpy(&more, each, sizeof(more));
        KP_EXPECT_INT(kp_job_create(parent, &more, &child), KP_ERR_INVALID_ARGUMENT);
    }
    child = job_in(parent, &wide);
    KP_REQUIRE(child);
    kp_object_release(&parent->object); /* the child keeps it */
    kp_object_release(&child->object);
    tear_down();
}

KP_TEST(jobs_are_counted_and_bounded_in_depth)
{
    set_up();
    const kp_job_limits_t few = {.objects = 10};
    kp_job_t *parent = job_in(kp_job_root(), &few), *made[12];
    unsigned count = 0;
    while (count < 12 && kp_job_create(parent, &few, &made[count]) == KP_OK)
        count++;
    KP_EXPECT_INT(count, 10);
    KP_EXPECT_INT(kp_job_create(parent, &few, &made[11]), KP_ERR_QUOTA);
    while (count > 0)
        kp_object_release(&made[--count]->object);
    kp_object_release(&parent->object);

    kp_job_t *job = job_in(kp_job_root(), &wide), *below;
    while (kp_job_create(job, &wide, &below) == KP_OK) {
        kp_object_release(&job->object);
        job = below;
    }
    KP_EXPECT_INT(job->depth, KP_JOB_DEPTH_MAX);
    kp_process_t *deepest = kp_test_process_in(job, 1, 1, NULL);
    KP_EXPECT(deepest);
    KP_EXPECT(kp_test_call(deepest, event_create, 0) > 0);
    kp_object_release(&job->object);
    kp_test_process_end(deepest);
    tear_down();
}

KP_TEST(processes_and_what_they_use_count_in_every_job_above)
{
    set_up();
    const kp_job_limits_t limits = {.handles = 100, .pages = 100, .processes = 2, .objects = 30};
    kp_job_t *outer = job_in(kp_job_root(), &limits), *inner = job_in(outer, &limits);
    kp_process_t *a = kp_test_process_in(outer, 1, 2, NULL);
    kp_process_t *b = kp_test_process_in(inner, 1, 2, NULL);
    KP_REQUIRE(a && b);
    KP_EXPECT(!kp_test_process_in(inner, 1, 1, NULL));
    KP_EXPECT(!kp_test_process_in(outer, 1, 1, NULL));
    for (int i = 0; i < 10; i++)
        KP_EXPECT(kp_test_call(b, event_create, 0) > 0);
    kp_job_info_t info;
    kp_job_info(outer, &info);
    KP_EXPECT_INT(info.used.processes, 2);
    KP_EXPECT_INT(info.used.pages, 32);
    KP_EXPECT_INT(info.used.handles, 10);
    KP_EXPECT_INT(info.used.objects, 1 + 2 + 10); /* job, processes, events */
    KP_EXPECT_INT(info.limits.handles, 100);
    kp_job_info(inner, &info);
    KP_EXPECT_INT(info.used.processes, 1);
    KP_EXPECT_INT(info.used.objects, 11);
    /* What is left is for both. */
    unsigned made = 0;
    while (kp_test_call(a, event_create, 0) > 0)
        made++;
    KP_EXPECT_INT(made, 30 - 13);
    KP_EXPECT_INT(kp_test_call(b, event_create, 0), KP_ERR_QUOTA);
    kp_test_process_end(a);
    KP_EXPECT(kp_test_call(b, event_create, 0) > 0);
    kp_test_process_end(b);
    kp_job_info(outer, &info);
    KP_EXPECT_INT(info.used.processes, 0);
    KP_EXPECT_INT(info.used.objects, 1);
    kp_object_release(&inner->object);
    kp_object_release(&outer->object);
    tear_down();
}

KP_TEST(kill_ends_the_subtree_and_nothing_else)
{
    set_up();
    kp_job_t *outer = job_in(kp_job_root(), &wide), *inner = job_in(outer, &wide);
    kp_job_t *other = job_in(outer, &wide), *job;
    kp_process_t *a = kp_test_process_in(outer, 1, 1, NULL);
    kp_process_t *b = kp_test_process_in(inner, 1, 1, NULL);
    kp_process_t *c = kp_test_process_in(other, 1, 1, NULL);
    kp_job_kill(inner);
    KP_EXPECT_INT(kp_wait_one(&b->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL), KP_OK);
    KP_EXPECT_INT(kp_wait_one(&inner->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL), KP_OK);
    KP_EXPECT(kp_test_call(a, event_create, 0) > 0);
    KP_EXPECT(kp_test_call(c, event_create, 0) > 0);
    KP_EXPECT(!kp_test_process_in(inner, 1, 1, NULL));
    KP_EXPECT_INT(kp_job_create(inner, &wide, &job), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_wait_one(&outer->object, KP_SIGNAL_TERMINATED, KP_TIME_POLL, NULL),
                  KP_ERR_TIMED_OUT);
    kp_job_kill(outer);
    KP_EXPECT_INT(kp_wait_one(&outer->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL), KP_OK);
    KP_EXPECT_INT(kp_wait_one(&c->object, KP_SIGNAL_TERMINATED, KP_TIME_POLL, NULL), KP_OK);
    kp_job_kill(outer);
    kp_process_info_t info;
    kp_process_info(c, &info);
    KP_EXPECT_INT(info.exit_reason, KP_EXIT_KILLED);
    kp_object_release(&a->object);
    kp_object_release(&b->object);
    kp_object_release(&c->object);
    kp_object_release(&other->object);
    kp_object_release(&inner->object);
    kp_object_release(&outer->object);
    tear_down();
}

KP_TEST(policy_is_bounded_by_those_above)
{
    set_up();
    kp_job_t *outer = job_in(kp_job_root(), &wide), *inner = job_in(outer, &wide);
    kp_job_policy_t policy;
    kp_job_policy(inner, &policy);
    KP_EXPECT_INT(policy.band, KP_BAND_NORMAL);
    KP_EXPECT_INT(policy.weight, 100);
    const kp_job_policy_t bad[] = {
        {.band = KP_BANDS, .weight = 100},
        {.band = KP_BAND_NORMAL, .weight = 0},
        {.band = KP_BAND_NORMAL, .weight = 1001},
        {.band = KP_BAND_NORMAL, .weight = 100, .reserved = 1},
        {.band = KP_BAND_NORMAL, .weight = 100, .period_ns = 10},
        {.band = KP_BAND_DEADLINE, .weight = 100},
        {.band = KP_BAND_DEADLINE, .weight = 100, .period_ns = 10, .budget_ns = 6},
    };
    for (size_t i = 0; i < KP_ARRAY_COUNT(bad); i++)
        KP_EXPECT_INT(kp_job_set_policy(outer, &bad[i]), KP_ERR_INVALID_ARGUMENT);
    const kp_job_policy_t high = {.band = KP_BAND_FOREGROUND, .weight = 200};
    KP_EXPECT_INT(kp_job_set_policy(inner, &high), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_job_set_policy(outer, &high), KP_OK);
    KP_EXPECT_INT(kp_job_set_policy(inner, &high), KP_OK);
    const kp_job_policy_t low = {
        .band = KP_BAND_BACKGROUND, .weight = 50, .cpu_cap = 10, .slack_ns = 50000};
    KP_EXPECT_INT(kp_job_set_policy(outer, &low), KP_OK);
    kp_job_policy(inner, &policy);
    KP_EXPECT_INT(policy.band, KP_BAND_BACKGROUND);
    KP_EXPECT_INT(policy.weight, 200);
    KP_EXPECT_INT(policy.cpu_cap, 10);
    KP_EXPECT_INT(policy.slack_ns, 50000);
    const kp_job_policy_t wider = {.band = KP_BAND_BACKGROUND, .weight = 50, .cpu_cap = 11};
    KP_EXPECT_INT(kp_job_set_policy(inner, &wider), KP_ERR_ACCESS_DENIED);
    KP_EXPECT(inner->cap.parent == &outer->cap);
    /* The ceiling may rise again, and the child's own wish holds once more. */
    KP_EXPECT_INT(kp_job_set_policy(outer, &high), KP_OK);
    kp_job_policy(inner, &policy);
    KP_EXPECT_INT(policy.band, KP_BAND_FOREGROUND);
    KP_EXPECT_INT(policy.cpu_cap, 0);
    kp_object_release(&inner->object);
    kp_object_release(&outer->object);
    tear_down();
}

/* ---- Calls ---- */

KP_TEST(a_process_with_a_job_makes_jobs)
{
    set_up();
    kp_job_t *job = job_in(kp_job_root(), &wide);
    kp_process_t *process = kp_test_process_in(job, 1, 1, NULL);
    kp_handle_t handle;
    KP_REQUIRE(process && kp_handle_add(&process->handles,
                                        kp_capability_create(&job->object,
                                                             kp_object_default_rights(KP_TYPE_JOB)),
                                        &handle) == KP_OK);
    kp_job_limits_t limits = {.handles = 10, .pages = 100, .processes = 1, .objects = 10};
    memcpy(kp_test_memory(process, 0x100), &limits, sizeof(limits));
    int64_t child = kp_test_call(process, job_create, handle, 0x100);
    KP_EXPECT(child > 0);
    KP_EXPECT_INT(kp_test_call(process, job_create, handle, 65536 - 8), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_test_call(process, job_info, child, 65536 - 8), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_test_call(process, job_set_policy, child, 65536 - 8), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_test_call(process, job_info, child, 0x200), KP_OK);
    kp_job_info_t info;
    memcpy(&info, kp_test_memory(process, 0x200), sizeof(info));
    KP_EXPECT_INT(info.limits.objects, 10);
    KP_EXPECT_INT(info.used.objects, 0);
    kp_job_policy_t policy = {.band = KP_BAND_BACKGROUND, .weight = 1};
    memcpy(kp_test_memory(process, 0x300), &policy, sizeof(policy));
    KP_EXPECT_INT(kp_test_call(process, job_set_policy, child, 0x300), KP_OK);
    policy.band = KP_BAND_SYSTEM;
    memcpy(kp_test_memory(process, 0x300), &policy, sizeof(policy));
    KP_EXPECT_INT(kp_test_call(process, job_set_policy, child, 0x300), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(process, job_kill, child), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, job_create, child, 0x100), KP_ERR_BAD_STATE);
    /* Its own job: the caller is in it. */
    KP_EXPECT_INT(kp_test_call(process, job_kill, handle), KP_OK);
    KP_EXPECT_INT(kp_wait_one(&process->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL),
                  KP_OK);
    kp_object_release(&process->object);
    kp_object_release(&job->object);
    tear_down();
}

KP_TEST(memory_may_run_out_at_any_allocation)
{
    set_up();
    for (uint64_t n = 1;; n++) {
        kp_job_t *job = NULL;
        kp_test_fail_allocation(n);
        kp_status_t status = kp_job_create(kp_job_root(), &wide, &job);
        kp_process_t *process = NULL;
        if (status == KP_OK) {
            process = kp_test_process_in(job, 1, 1, NULL);
            if (process)
                (void)kp_test_call(process, event_create, 0);
        }
        bool failed = kp_test_failed();
        kp_test_fail_allocation(0);
        if (status != KP_OK)
            KP_EXPECT_INT(status, KP_ERR_NO_MEMORY);
        if (process)
            kp_test_process_end(process);
        if (job)
            kp_object_release(&job->object);
        KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects_before);
        KP_EXPECT_INT(kp_test_allocations(), allocations_before);
        if (!failed)
            break;
    }
    tear_down();
}

KP_TEST_MAIN()
