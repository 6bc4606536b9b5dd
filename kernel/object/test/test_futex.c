/* Futexes and the bands that waiting threads lend. Also run under ThreadSanitizer
   (kernel/test/threads-tsan). */
#include "kernel/object/futex.h"
#include "kernel/object/wait.h"
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

#include <sched.h>
#include <stdlib.h>

#define WORD 0x100u
#define OTHER 0x200u

static uint64_t objects_before, allocations_before;
static kp_process_t *process;

static bool set_up(void)
{
    kp_test_attach("test");
    objects_before = kp_object_count(KP_TYPE_NONE);
    allocations_before = kp_test_allocations();
    process = kp_test_process(1, 2, NULL);
    return process;
}

static void tear_down(void)
{
    kp_test_process_end(process);
    kp_test_join(); /* TERMINATED comes a little before a thread is freed */
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects_before);
    KP_EXPECT_INT(kp_test_allocations(), allocations_before);
}

static _Atomic uint32_t *word_at(uint32_t address)
{
    return kp_test_memory(process, address);
}

/* A kernel thread that waits; its reference is the test's. */
typedef struct waiter {
    kp_thread_t *thread;
    uint32_t address;
    uint64_t expected;
    kp_thread_t *owner;
    kp_time_t deadline;
    _Atomic int64_t result; /* 1: not yet */
} waiter_t;

static void wait_main(void *argument)
{
    waiter_t *waiter = argument;
    atomic_store(&waiter->result, kp_futex_wait(process, waiter->address, waiter->expected, 4,
                                                waiter->owner, waiter->deadline));
}

/* Policies may be set before a thread waits: it starts with this band. */
static void start(waiter_t *waiter, uint32_t address, kp_thread_t *owner)
{
    *waiter = (waiter_t){.address = address, .owner = owner, .deadline = KP_TIME_INFINITE};
    atomic_store(&waiter->result, 1);
    kp_status_t status = kp_thread_create("waiter", wait_main, waiter, &waiter->thread);
    KP_EXPECT_INT(status, KP_OK);
}

static int64_t finish(waiter_t *waiter)
{
    kp_status_t status =
        kp_wait_one(&waiter->thread->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL);
    KP_EXPECT_INT(status, KP_OK);
    kp_object_release(&waiter->thread->object);
    return atomic_load(&waiter->result);
}

static void until_waiting(uint32_t address, uint32_t count)
{
    while (kp_futex_waiters(process, address) != count)
        sched_yield();
}

static uint32_t band_of(const kp_thread_t *thread)
{
    return atomic_load(&thread->machine.band);
}

static void set_band(kp_thread_t *thread, uint32_t band)
{
    kp_priority_set_policy(thread, &(kp_job_policy_t){.band = band, .weight = 100});
}

/* ---- Waiting and waking ---- */

KP_TEST(words_are_compared_and_waits_end_in_time)
{
    KP_REQUIRE(set_up());
    atomic_store(word_at(WORD), 5);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, WORD, 6, 4, 0, KP_TIME_INFINITE),
                  KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, WORD, 5, 4, 0, KP_TIME_POLL), KP_ERR_TIMED_OUT);
    KP_EXPECT_INT(
        kp_test_call(process, futex_wait, WORD, 5, 4, 0, kp_machine_now() + 2 * KP_NS_PER_MS),
        KP_ERR_TIMED_OUT);
    /* All eight bytes count, or only four. */
    atomic_store(word_at(WORD + 4), 1);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, WORD, 5, 8, 0, KP_TIME_POLL), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, WORD, 1ull << 32 | 5, 8, 0, KP_TIME_POLL),
                  KP_ERR_TIMED_OUT);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, WORD, 1ull << 32 | 5, 4, 0, KP_TIME_POLL),
                  KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, WORD, UINT32_MAX, 0), 0);
    tear_down();
}

KP_TEST(bad_arguments_are_refused)
{
    KP_REQUIRE(set_up());
    const uint64_t end = 65536;
    int64_t event = kp_test_call(process, event_create, 0);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, 2, 0, 4, 0, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, 4, 0, 8, 0, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, 0, 0, 1, 0, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, 0, 0, 0, 0, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, end, 0, 4, 0, 0), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, 1ull << 32, 0, 4, 0, 0), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, 0, 0, 4, 99, 0), KP_ERR_BAD_HANDLE);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, 0, 0, 4, event, 0), KP_ERR_WRONG_TYPE);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, end, 1, 0), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, 1, 1, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, 0, 1ull << 32, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, 0, 1, event), KP_ERR_WRONG_TYPE);
    KP_EXPECT_INT(kp_test_call(process, futex_requeue, 0, 1, 1, 4, 1, 0), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(process, futex_requeue, 0, 0, 1, end, 1, 0), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_test_call(process, futex_requeue, 0, 0, 1, 3, 1, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(process, futex_requeue, 0, 0, 1, 4, 1, event), KP_ERR_WRONG_TYPE);
    /* A thread of somebody else is no owner. */
    kp_process_t *other = kp_test_process(1, 1, NULL);
    KP_REQUIRE(other);
    kp_handle_t stranger;
    KP_EXPECT_INT(kp_handle_add(&process->handles,
                                kp_capability_create(&other->threads[0]->object, KP_RIGHTS_ALL),
                                &stranger),
                  KP_OK);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, 0, 0, 4, stranger, 0), KP_ERR_INVALID_ARGUMENT);
    kp_test_process_end(other);
    tear_down();
}

KP_TEST(the_longest_waiters_are_woken_and_counted)
{
    KP_REQUIRE(set_up());
    waiter_t waiters[20], other;
    for (unsigned i = 0; i < 20; i++) {
        start(&waiters[i], WORD, NULL);
        until_waiting(WORD, i + 1);
    }
    start(&other, OTHER, NULL);
    until_waiting(OTHER, 1);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, WORD, 0, 0), 0);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, WORD, 2, 0), 2);
    KP_EXPECT_INT(finish(&waiters[0]), KP_OK);
    KP_EXPECT_INT(finish(&waiters[1]), KP_OK);
    KP_EXPECT_INT(kp_futex_waiters(process, WORD), 18);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, WORD, 100, 0), 18);
    for (unsigned i = 2; i < 20; i++)
        KP_EXPECT_INT(finish(&waiters[i]), KP_OK);
    KP_EXPECT_INT(atomic_load(&other.result), 1);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, OTHER, UINT32_MAX, 0), 1);
    KP_EXPECT_INT(finish(&other), KP_OK);
    tear_down();
}

KP_TEST(the_same_address_in_another_process_is_another_word)
{
    KP_REQUIRE(set_up());
    kp_process_t *other = kp_test_process(1, 1, NULL);
    KP_REQUIRE(other);
    waiter_t waiter;
    start(&waiter, WORD, NULL);
    until_waiting(WORD, 1);
    KP_EXPECT_INT(kp_test_call(other, futex_wake, WORD, 1, 0), 0);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, WORD, 1, 0), 1);
    KP_EXPECT_INT(finish(&waiter), KP_OK);
    kp_test_process_end(other);
    tear_down();
}

KP_TEST(requeue_moves_waiters_without_waking_them)
{
    KP_REQUIRE(set_up());
    waiter_t waiters[20];
    for (unsigned i = 0; i < 20; i++) {
        start(&waiters[i], WORD, NULL);
        until_waiting(WORD, i + 1);
    }
    KP_EXPECT_INT(kp_test_call(process, futex_requeue, WORD, 0, 1, OTHER, 17, 0), 1);
    KP_EXPECT_INT(finish(&waiters[0]), KP_OK);
    KP_EXPECT_INT(kp_futex_waiters(process, WORD), 2);
    KP_EXPECT_INT(kp_futex_waiters(process, OTHER), 17);
    KP_EXPECT_INT(kp_test_call(process, futex_requeue, WORD, 0, 0, WORD, 5, 0), 0);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, WORD, 5, 0), 2);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, OTHER, 50, 0), 17);
    for (unsigned i = 1; i < 20; i++)
        KP_EXPECT_INT(finish(&waiters[i]), KP_OK);
    tear_down();
}

static void *call_wait_main(void *argument)
{
    _Atomic int64_t *result = argument;
    atomic_store(result, kp_test_call(process, futex_wait, WORD, 0, 4, 0, KP_TIME_INFINITE));
    return NULL;
}

KP_TEST(death_ends_a_wait)
{
    KP_REQUIRE(set_up());
    _Atomic int64_t result = 1;
    pthread_t id;
    pthread_create(&id, NULL, call_wait_main, &result);
    until_waiting(WORD, 1);
    kp_process_end(process, KP_EXIT_KILLED, 0, 0);
    pthread_join(id, NULL);
    KP_EXPECT_INT(atomic_load(&result), KP_ERR_CANCELLED);
    tear_down();
}

/* ---- Owners ---- */

KP_TEST(an_owner_runs_in_the_band_of_those_who_wait)
{
    KP_REQUIRE(set_up());
    kp_thread_t *owner = process->threads[0];
    KP_EXPECT_INT(band_of(owner), KP_BAND_NORMAL);
    waiter_t low, high;
    start(&low, WORD, owner);
    until_waiting(WORD, 1);
    KP_EXPECT_INT(band_of(owner), KP_BAND_NORMAL);
    start(&high, WORD, owner);
    until_waiting(WORD, 2);
    set_band(high.thread, KP_BAND_FOREGROUND); /* also while it waits */
    KP_EXPECT_INT(band_of(owner), KP_BAND_FOREGROUND);
    set_band(low.thread, KP_BAND_DEADLINE); /* budgeted time is not lent */
    KP_EXPECT_INT(band_of(owner), KP_BAND_SYSTEM);
    set_band(low.thread, KP_BAND_BACKGROUND);
    KP_EXPECT_INT(band_of(owner), KP_BAND_FOREGROUND);
    /* The job's own band counts too. */
    const kp_job_policy_t policy = {.band = KP_BAND_BACKGROUND, .weight = 100};
    KP_EXPECT_INT(kp_job_set_policy(process->job, &policy), KP_OK);
    KP_EXPECT_INT(band_of(owner), KP_BAND_FOREGROUND);
    KP_EXPECT_INT(kp_futex_wake(process, WORD, 1, owner), 1); /* low, the longest */
    KP_EXPECT_INT(finish(&low), KP_OK);
    KP_EXPECT_INT(band_of(owner), KP_BAND_FOREGROUND);
    KP_EXPECT_INT(kp_futex_wake(process, WORD, 0, NULL), 0); /* unlocked: nobody owns it */
    KP_EXPECT_INT(band_of(owner), KP_BAND_BACKGROUND);
    KP_EXPECT_INT(kp_futex_wake(process, WORD, 0, owner), 0);
    KP_EXPECT_INT(band_of(owner), KP_BAND_FOREGROUND);
    KP_EXPECT_INT(kp_futex_wake(process, WORD, 1, owner), 1);
    KP_EXPECT_INT(finish(&high), KP_OK);
    KP_EXPECT_INT(band_of(owner), KP_BAND_BACKGROUND);
    tear_down();
}

/* A thread that answers a call waits for a lock in its caller's band, which its own may not have. */
static void lent_main(void *argument)
{
    waiter_t *waiter = argument;
    atomic_store(&kp_machine_thread_current()->machine.lent, KP_BAND_FOREGROUND);
    wait_main(argument);
    /* Whatever it does next ends what it was lent. */
    if (atomic_load(&kp_machine_thread_current()->machine.keeps_lent))
        atomic_store(&waiter->result, 2);
}

static void start_lent(waiter_t *waiter, uint32_t address, kp_thread_t *owner)
{
    *waiter = (waiter_t){.address = address, .owner = owner, .deadline = KP_TIME_INFINITE};
    atomic_store(&waiter->result, 1);
    kp_status_t status = kp_thread_create("waiter", lent_main, waiter, &waiter->thread);
    KP_EXPECT_INT(status, KP_OK);
}

KP_TEST(what_a_caller_lent_is_passed_on)
{
    KP_REQUIRE(set_up());
    waiter_t server, other, last;
    kp_thread_t *owner = process->threads[0];
    start_lent(&server, WORD, owner);
    until_waiting(WORD, 1);
    KP_EXPECT_INT(band_of(server.thread), KP_BAND_BACKGROUND);
    KP_EXPECT(atomic_load(&server.thread->machine.keeps_lent));
    KP_EXPECT_INT(band_of(owner), KP_BAND_FOREGROUND);
    /* Along the chain: the owner waits for somebody itself. */
    start(&other, OTHER, owner);
    until_waiting(OTHER, 1);
    KP_EXPECT_INT(kp_futex_wake(process, WORD, 0, other.thread), 0);
    KP_EXPECT_INT(band_of(other.thread), KP_BAND_FOREGROUND);
    KP_EXPECT_INT(band_of(owner), KP_BAND_FOREGROUND);
    KP_EXPECT_INT(kp_futex_wake(process, OTHER, 1, NULL), 1);
    KP_EXPECT_INT(finish(&other), KP_OK);
    KP_EXPECT_INT(band_of(owner), KP_BAND_NORMAL);
    /* Its own band changes meanwhile, below and above what it was lent. */
    KP_EXPECT_INT(kp_futex_wake(process, WORD, 0, owner), 0);
    set_band(server.thread, KP_BAND_NORMAL);
    KP_EXPECT_INT(band_of(owner), KP_BAND_FOREGROUND);
    set_band(server.thread, KP_BAND_SYSTEM);
    KP_EXPECT_INT(band_of(owner), KP_BAND_SYSTEM);
    set_band(server.thread, KP_BAND_BACKGROUND);
    KP_EXPECT_INT(band_of(owner), KP_BAND_FOREGROUND);
    /* It waits elsewhere now. */
    start(&last, 0x900, NULL);
    uint32_t woken;
    KP_EXPECT_INT(kp_futex_requeue(process, WORD, 0, 0, OTHER, 1, last.thread, &woken), KP_OK);
    KP_EXPECT_INT(band_of(owner), KP_BAND_NORMAL);
    KP_EXPECT_INT(band_of(last.thread), KP_BAND_FOREGROUND);
    KP_EXPECT_INT(kp_futex_wake(process, OTHER, 1, NULL), 1);
    KP_EXPECT_INT(finish(&server), KP_OK);
    KP_EXPECT_INT(band_of(last.thread), KP_BAND_BACKGROUND);
    until_waiting(0x900, 1);
    KP_EXPECT_INT(kp_futex_wake(process, 0x900, 1, NULL), 1);
    KP_EXPECT_INT(finish(&last), KP_OK);
    tear_down();
}

KP_TEST(a_band_is_lent_along_the_chain)
{
    KP_REQUIRE(set_up());
    enum { LENGTH = 8 };
    waiter_t waiters[LENGTH];
    kp_thread_t *owner = process->threads[0];
    for (unsigned i = 0; i < LENGTH; i++) {
        start(&waiters[i], WORD + 8 * i, owner);
        until_waiting(WORD + 8 * i, 1);
        owner = waiters[i].thread;
    }
    set_band(owner, KP_BAND_SYSTEM);
    KP_EXPECT_INT(band_of(process->threads[0]), KP_BAND_SYSTEM);
    for (unsigned i = 0; i < LENGTH; i++)
        KP_EXPECT_INT(band_of(waiters[i].thread), KP_BAND_SYSTEM);
    /* The chain breaks in the middle. */
    KP_EXPECT_INT(kp_futex_wake(process, WORD + 8 * 4, 1, NULL), 1);
    KP_EXPECT_INT(finish(&waiters[4]), KP_OK);
    KP_EXPECT_INT(band_of(process->threads[0]), KP_BAND_NORMAL);
    KP_EXPECT_INT(band_of(waiters[3].thread), KP_BAND_BACKGROUND);
    KP_EXPECT_INT(band_of(waiters[5].thread), KP_BAND_SYSTEM);
    for (unsigned i = LENGTH; i-- > 0;) {
        if (i == 4)
            continue;
        KP_EXPECT_INT(kp_futex_wake(process, WORD + 8 * i, 1, NULL), 1);
        KP_EXPECT_INT(finish(&waiters[i]), KP_OK);
    }
    tear_down();
}

KP_TEST(circles_of_owners_do_no_harm)
{
    KP_REQUIRE(set_up());
    waiter_t a, b, c;
    start(&a, WORD, process->threads[0]);
    until_waiting(WORD, 1);
    start(&b, WORD + 8, a.thread);
    until_waiting(WORD + 8, 1);
    start(&c, WORD + 16, b.thread);
    until_waiting(WORD + 16, 1);
    /* Now a waits for c, by a wake that names it. */
    KP_EXPECT_INT(kp_futex_wake(process, WORD, 0, c.thread), 0);
    set_band(b.thread, KP_BAND_FOREGROUND);
    KP_EXPECT_INT(band_of(a.thread), KP_BAND_FOREGROUND);
    KP_EXPECT_INT(band_of(c.thread), KP_BAND_FOREGROUND);
    set_band(b.thread, KP_BAND_BACKGROUND);
    /* Each ends; nothing is left of it. */
    KP_EXPECT_INT(kp_futex_wake(process, WORD, 1, NULL), 1);
    KP_EXPECT_INT(finish(&a), KP_OK);
    KP_EXPECT_INT(kp_futex_wake(process, WORD + 8, 1, NULL), 1);
    KP_EXPECT_INT(finish(&b), KP_OK);
    KP_EXPECT_INT(kp_futex_wake(process, WORD + 16, 1, NULL), 1);
    KP_EXPECT_INT(finish(&c), KP_OK);
    KP_EXPECT_INT(band_of(process->threads[0]), KP_BAND_NORMAL);
    tear_down();
}

KP_TEST(requeue_lends_to_the_new_owner)
{
    KP_REQUIRE(set_up());
    waiter_t waiters[3], owner;
    start(&owner, 0x900, NULL);
    for (unsigned i = 0; i < 3; i++) {
        start(&waiters[i], WORD, process->threads[0]);
        until_waiting(WORD, i + 1);
        set_band(waiters[i].thread, KP_BAND_SYSTEM);
    }
    KP_EXPECT_INT(band_of(process->threads[0]), KP_BAND_SYSTEM);
    uint32_t woken;
    KP_EXPECT_INT(kp_futex_requeue(process, WORD, 0, 0, OTHER, 10, owner.thread, &woken), KP_OK);
    KP_EXPECT_INT(band_of(process->threads[0]), KP_BAND_NORMAL);
    KP_EXPECT_INT(band_of(owner.thread), KP_BAND_SYSTEM);
    KP_EXPECT_INT(kp_futex_wake(process, OTHER, 2, owner.thread), 2);
    KP_EXPECT_INT(band_of(owner.thread), KP_BAND_SYSTEM);
    KP_EXPECT_INT(kp_futex_wake(process, OTHER, 2, owner.thread), 1);
    KP_EXPECT_INT(band_of(owner.thread), KP_BAND_BACKGROUND);
    until_waiting(0x900, 1);
    KP_EXPECT_INT(kp_futex_wake(process, 0x900, 1, NULL), 1);
    for (unsigned i = 0; i < 3; i++)
        KP_EXPECT_INT(finish(&waiters[i]), KP_OK);
    KP_EXPECT_INT(finish(&owner), KP_OK);
    tear_down();
}

KP_TEST(without_memory_a_wait_is_as_good)
{
    KP_REQUIRE(set_up());
    kp_test_fail_allocation(1);
    KP_EXPECT_INT(
        kp_futex_wait(process, WORD, 0, 4, process->threads[0], kp_machine_now() + KP_NS_PER_MS),
        KP_ERR_TIMED_OUT);
    KP_EXPECT(kp_test_failed());
    kp_test_fail_allocation(0);
    KP_EXPECT_INT(band_of(process->threads[0]), KP_BAND_NORMAL);
    tear_down();
}

/* ---- Under fire: a lock built on it, with time-outs, requeues and false wakes ---- */

typedef struct worker {
    kp_thread_t *thread;
    unsigned seed, rounds;
} worker_t;

static unsigned counter; /* guarded by: the lock at WORD */
static atomic_bool stop;

static void lock_main(void *argument)
{
    worker_t *worker = argument;
    _Atomic uint32_t *lock = word_at(WORD);
    for (unsigned i = 0; i < worker->rounds; i++) {
        uint32_t state = 0;
        if (!atomic_compare_exchange_strong(lock, &state, 1)) {
            while (atomic_exchange(lock, 2) != 0) {
                kp_time_t deadline = rand_r(&worker->seed) % 4
                                         ? KP_TIME_INFINITE
                                         : kp_machine_now() + rand_r(&worker->seed) % 50000;
                (void)kp_futex_wait(process, WORD, 2, 4,
                                    rand_r(&worker->seed) % 2 ? process->threads[0] : NULL,
                                    deadline);
            }
        }
        counter++;
        if (rand_r(&worker->seed) % 8 == 0)
            sched_yield();
        if (atomic_exchange(lock, 0) == 2)
            (void)kp_futex_wake(process, WORD, 1,
                                rand_r(&worker->seed) % 2 ? process->threads[0] : NULL);
    }
}

static void disturb_main(void *argument)
{
    (void)argument;
    uint32_t woken;
    while (!atomic_load(&stop)) {
        uint32_t now = atomic_load(word_at(WORD));
        (void)kp_futex_requeue(process, WORD, now, 0, OTHER, 2, process->threads[0], &woken);
        (void)kp_futex_wake(process, OTHER, 100, NULL);
        sched_yield();
    }
}

KP_TEST(a_lock_built_on_it_holds)
{
    KP_REQUIRE(set_up());
    enum { WORKERS = 4, ROUNDS = 3000 };
    worker_t workers[WORKERS];
    kp_thread_t *disturber;
    counter = 0;
    atomic_store(&stop, false);
    KP_REQUIRE(kp_thread_create("disturber", disturb_main, NULL, &disturber) == KP_OK);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (worker_t){.seed = i + 1, .rounds = ROUNDS};
        KP_REQUIRE(kp_thread_create("worker", lock_main, &workers[i], &workers[i].thread) == KP_OK);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        (void)kp_wait_one(&workers[i].thread->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL);
        kp_object_release(&workers[i].thread->object);
    }
    atomic_store(&stop, true);
    (void)kp_wait_one(&disturber->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL);
    kp_object_release(&disturber->object);
    KP_EXPECT_INT(counter, WORKERS * ROUNDS);
    KP_EXPECT_INT(band_of(process->threads[0]), KP_BAND_NORMAL);
    tear_down();
}

KP_TEST_MAIN()
