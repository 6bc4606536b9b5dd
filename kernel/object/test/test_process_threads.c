/* Several threads of one process: how they begin and end, what they share, and that nothing stays. Also
   run under ThreadSanitizer (kernel/test/threads-tsan). */
#include "kernel/object/process_private.h"
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

#include <sched.h>

static kp_process_t *process;
static uint64_t objects, allocations;

static bool begin_limited(const kp_job_limits_t *limits)
{
    kp_test_attach("test");
    objects = kp_object_count(KP_TYPE_NONE);
    allocations = kp_test_allocations();
    process = limits ? kp_test_process_limited(2, 64, limits) : kp_test_process(2, 64, NULL);
    if (process)
        kp_test_process_alone(process); /* as a program that has not made a thread yet */
    return process != NULL;
}

static bool begin(void)
{
    return begin_limited(NULL);
}

static void end(void)
{
    kp_test_process_end(process);
    kp_test_join();
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
    KP_EXPECT_INT(kp_test_allocations(), allocations);
}

static kp_process_info_t info(void)
{
    kp_process_info_t is;
    kp_process_info(process, &is);
    return is;
}

/* The thread that a handle names, referenced. */
static kp_thread_t *thread_of(int64_t handle)
{
    kp_object_t *object;
    if (handle <= 0 || kp_handle_lookup_typed(&process->handles, (kp_handle_t)handle,
                                              KP_TYPE_THREAD, 0, &object) != KP_OK)
        return NULL;
    return kp_thread_from_object(object);
}

static kp_thread_t *make(void)
{
    return thread_of(kp_test_call(process, thread_create, 1, 2));
}

static void drop(kp_thread_t *thread)
{
    kp_object_release(&thread->object);
}

KP_TEST(a_thread_begins_and_ends)
{
    KP_REQUIRE(begin());
    KP_EXPECT(!process->handles.shared);
    int64_t handle = kp_test_call(process, thread_create, 1, 2);
    kp_thread_t *thread = thread_of(handle);
    KP_REQUIRE(thread);
    KP_EXPECT(process->handles.shared);
    KP_EXPECT_INT(thread->slot, 1);
    KP_EXPECT_INT(info().threads, 2);
    KP_EXPECT_INT(kp_test_thread_call(thread, null), KP_OK);
    KP_EXPECT_INT(
        kp_test_call(process, object_wait_one, handle, KP_SIGNAL_TERMINATED, KP_TIME_POLL, 0),
        KP_ERR_TIMED_OUT);
    int64_t self = kp_test_thread_call(thread, thread_self);
    kp_thread_t *same = thread_of(self);
    KP_EXPECT(same == thread);
    drop(same);
    (void)kp_test_thread_call(thread, thread_exit);
    KP_EXPECT_INT(kp_test_thread_call(thread, null), KP_ERR_PROCESS_DEAD);
    KP_EXPECT_INT(
        kp_test_call(process, object_wait_one, handle, KP_SIGNAL_TERMINATED, KP_TIME_POLL, 0),
        KP_OK);
    KP_EXPECT_INT(info().threads, 1);
    KP_EXPECT_INT(info().exit_reason, KP_EXIT_NONE);
    drop(thread);
    end();
}

KP_TEST(the_process_ends_with_its_last_thread)
{
    KP_REQUIRE(begin());
    kp_thread_t *a = make(), *b = make(), *first = kp_test_thread(process);
    KP_REQUIRE(a && b && first && first->slot == 0);
    (void)kp_test_thread_call(first, thread_exit);
    KP_EXPECT_INT(info().threads, 2);
    KP_EXPECT_INT(kp_test_thread_call(a, process_freeze), KP_ERR_BAD_STATE);
    kp_thread_t *c = make(); /* slot 0 stays the first's */
    KP_REQUIRE(c);
    KP_EXPECT_INT(c->slot, 3);
    (void)kp_test_thread_call(a, thread_exit);
    (void)kp_test_thread_call(b, thread_exit);
    KP_EXPECT_INT(info().state, KP_PROCESS_RUNNING);
    (void)kp_test_thread_call(c, thread_exit);
    KP_EXPECT_INT(kp_wait_one(&process->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL),
                  KP_OK);
    KP_EXPECT_INT(info().exit_reason, KP_EXIT_NORMAL);
    KP_EXPECT_INT(info().exit_code, 0);
    drop(a);
    drop(b);
    drop(c);
    drop(first);
    end();
}

KP_TEST(threads_are_bounded_by_number_and_by_the_job)
{
    KP_REQUIRE(begin());
    kp_thread_t *threads[KP_PROCESS_THREADS_MAX];
    unsigned count = 0;
    while ((threads[count] = make()) != NULL)
        KP_REQUIRE(++count < KP_PROCESS_THREADS_MAX);
    KP_EXPECT_INT(count, KP_PROCESS_THREADS_MAX - 1);
    KP_EXPECT_INT(kp_test_call(process, thread_create, 0, 0), KP_ERR_QUOTA);
    kp_job_limits_t used;
    kp_quota_used(process->quota, &used);
    KP_EXPECT_INT(used.pages, count * KP_THREAD_PAGES + 32);
    (void)kp_test_thread_call(threads[7], thread_exit);
    kp_thread_t *again = make();
    KP_REQUIRE(again);
    KP_EXPECT_INT(again->slot, threads[7]->slot);
    drop(again);
    for (unsigned i = 0; i < count; i++)
        drop(threads[i]);
    end();

    const kp_job_limits_t tight = {.handles = 100,
                                   .queued_bytes = 1 << 20,
                                   .pages = 32 + 3 * KP_THREAD_PAGES,
                                   .processes = 1,
                                   .objects = 100};
    KP_REQUIRE(begin_limited(&tight));
    for (unsigned i = 0; i < 3; i++) {
        threads[i] = make();
        KP_REQUIRE(threads[i]);
    }
    KP_EXPECT_INT(kp_test_call(process, thread_create, 0, 0), KP_ERR_QUOTA);
    for (unsigned i = 0; i < 3; i++) {
        (void)kp_test_thread_call(threads[i], thread_exit);
        drop(threads[i]);
    }
    kp_quota_used(process->quota, &used);
    KP_EXPECT_INT(used.pages, 32);
    end();
}

KP_TEST(a_program_that_was_not_built_for_it_makes_none)
{
    KP_REQUIRE(begin());
    process->has_threads = false;
    KP_EXPECT_INT(kp_test_call(process, thread_create, 0, 0), KP_ERR_NOT_SUPPORTED);
    KP_EXPECT(!process->handles.shared);
    end();
}

KP_TEST(every_allocation_of_a_thread_may_fail)
{
    KP_REQUIRE(begin());
    kp_job_limits_t before, after;
    (void)kp_test_call(process, null);
    kp_quota_used(process->quota, &before);
    unsigned failed = 0;
    for (uint64_t n = 1;; n++) {
        kp_test_fail_allocation(n);
        int64_t handle = kp_test_call(process, thread_create, 0, 0);
        bool happened = kp_test_failed();
        kp_test_fail_allocation(0);
        if (!happened) {
            KP_EXPECT(handle > 0);
            break;
        }
        failed++;
        KP_EXPECT_INT(handle, KP_ERR_NO_MEMORY);
        KP_EXPECT_INT(info().threads, 1);
        kp_quota_used(process->quota, &after);
        KP_EXPECT(memcmp(&before, &after, sizeof(after)) == 0);
    }
    KP_EXPECT(failed >= 2);
    end();
}

KP_TEST(suspension_reaches_all_and_those_who_come)
{
    KP_REQUIRE(begin());
    kp_thread_t *a = make();
    KP_REQUIRE(a);
    KP_EXPECT_INT(kp_process_suspend(process), KP_OK);
    KP_EXPECT(a->machine.suspended && process->threads[0]->machine.suspended);
    /* One that is made meanwhile, by a call that goes on. */
    kp_thread_t *b = NULL;
    int64_t handle = kp_test_call_beside(process, thread_create, 0, 0);
    b = thread_of(handle);
    KP_REQUIRE(b);
    KP_EXPECT(b->machine.suspended);
    KP_EXPECT_INT(kp_process_resume(process), KP_OK);
    KP_EXPECT(!a->machine.suspended && !b->machine.suspended);
    drop(a);
    drop(b);
    end();
}

KP_TEST(policy_reaches_all_and_those_who_come)
{
    KP_REQUIRE(begin());
    kp_thread_t *a = make();
    KP_REQUIRE(a);
    const kp_job_policy_t policy = {.band = KP_BAND_BACKGROUND, .weight = 100};
    KP_EXPECT_INT(kp_job_set_policy(process->job, &policy), KP_OK);
    kp_thread_t *b = make();
    KP_REQUIRE(b);
    KP_EXPECT_INT(atomic_load(&process->threads[0]->machine.band), KP_BAND_BACKGROUND);
    KP_EXPECT_INT(atomic_load(&a->machine.band), KP_BAND_BACKGROUND);
    KP_EXPECT_INT(atomic_load(&b->machine.band), KP_BAND_BACKGROUND);
    atomic_store(&a->cpu_time_ns, 5000);
    atomic_store(&b->cpu_time_ns, 700);
    KP_EXPECT_INT(info().cpu_time_ns, 5700);
    (void)kp_test_thread_call(a, thread_exit);
    KP_EXPECT_INT(info().cpu_time_ns, 5700);
    kp_job_info_t job;
    kp_job_info(process->job, &job);
    KP_EXPECT_INT(job.cpu_time_ns, 5700);
    drop(a);
    drop(b);
    end();
}

static void name_at(const kp_image_t *image, uint64_t offset, char *text, size_t size)
{
    (void)image;
    snprintf(text, size, "function_%llu", (unsigned long long)offset);
}

KP_TEST(the_thread_that_ends_the_process_says_where)
{
    KP_REQUIRE(begin());
    kp_thread_t *a = make(), *b = make();
    KP_REQUIRE(a && b);
    kp_thread_t *own = kp_machine_thread_current();
    kp_process_t *was = own->process;
    own->process = process;
    const uint64_t places[] = {7};
    kp_process_fault_place(process, places, 1, name_at);
    own->process = was;
    /* Another comes first: its place is not this one's. */
    (void)kp_test_thread_call(b, process_trap, KP_TRAP_UNREACHABLE, 0);
    KP_EXPECT_INT(info().exit_reason, KP_EXIT_TRAP);
    KP_EXPECT_STRING(info().fault_function, "");
    drop(a);
    drop(b);
    end();
}

/* A handle that has ended names nobody; a stranger's is refused (test_futex.c). */
KP_TEST(an_owner_that_has_ended_is_nobody)
{
    KP_REQUIRE(begin());
    int64_t handle = kp_test_call(process, thread_create, 0, 0);
    kp_thread_t *thread = thread_of(handle);
    KP_REQUIRE(thread);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, 0x100, 1, handle), 0);
    (void)kp_test_thread_call(thread, thread_exit);
    drop(thread);
    KP_EXPECT_INT(kp_test_call(process, futex_wake, 0x100, 1, handle), 0);
    KP_EXPECT_INT(kp_test_call(process, futex_wait, 0x100, 0, 4, handle, KP_TIME_POLL),
                  KP_ERR_TIMED_OUT);
    end();
}

/* ---- At once ---- */

enum { WORKERS = 4, ROUNDS = 300 };

typedef struct worker {
    pthread_t id;
    kp_thread_t *thread;
    uint64_t handles[2];
    unsigned number;
    int64_t last;
} worker_t;

static worker_t workers[WORKERS];

static void work(void *(*fn)(void *))
{
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].number = i;
        workers[i].thread = make();
        KP_REQUIRE(workers[i].thread);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_create(&workers[i].id, NULL, fn, &workers[i]);
}

static void work_end(void)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].id, NULL);
        drop(workers[i].thread);
    }
}

static void *grow_main(void *argument)
{
    worker_t *worker = argument;
    for (unsigned i = 0; i < 10; i++) {
        int64_t old = kp_test_thread_call(worker->thread, memory_grow, 1);
        worker->last += old >= 0;
    }
    return NULL;
}

KP_TEST(memory_grows_by_what_all_threads_asked)
{
    KP_REQUIRE(begin());
    work(grow_main);
    work_end();
    for (unsigned i = 0; i < WORKERS; i++)
        KP_EXPECT_INT(workers[i].last, 10);
    KP_EXPECT_INT(kp_process_memory_size(process), (2 + 10 * WORKERS) * KP_WASM_PAGE_SIZE);
    end();
}

static void *map_main(void *argument)
{
    worker_t *worker = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        /* Ranges that overlap those of the others. */
        uint64_t at = 0x4000 + (i + worker->number) % 4 * 0x1000;
        int64_t status = kp_test_thread_call(worker->thread, vmo_map, worker->handles[0], 0, at,
                                             0x2000, KP_VMO_MAP_WRITE);
        if (status == KP_OK)
            status = kp_test_thread_call(worker->thread, vmo_unmap, at + 0x1000, 0x1000);
        if (status != KP_OK)
            worker->last = status;
    }
    return NULL;
}

KP_TEST(threads_map_and_unmap_in_turns)
{
    KP_REQUIRE(begin());
    int64_t vmo = kp_test_call(process, vmo_create, 0x2000);
    for (unsigned i = 0; i < WORKERS; i++)
        workers[i] = (worker_t){.handles = {(uint64_t)vmo}};
    work(map_main);
    work_end();
    for (unsigned i = 0; i < WORKERS; i++)
        KP_EXPECT_INT(workers[i].last, KP_OK);
    end();
}

/* Waits at the same end of a channel and is woken by others, until the process is killed. */
static void *receive_main(void *argument)
{
    worker_t *worker = argument;
    const bool calls = worker->number % 2;
    const uint64_t at = 0x100 + worker->number * 0x100; /* a room of its own */
    for (;;) {
        int64_t status = calls ? kp_test_thread_call(worker->thread, channel_call,
                                                     worker->handles[1], at, KP_TIME_INFINITE)
                               : kp_test_thread_call(worker->thread, channel_receive,
                                                     worker->handles[0], at, KP_TIME_INFINITE);
        if (status == KP_ERR_PROCESS_DEAD || status == KP_ERR_CANCELLED)
            return NULL;
        sched_yield();
    }
}

KP_TEST(a_kill_ends_all_wherever_they_are)
{
    for (unsigned round = 0; round < 20; round++) {
        KP_REQUIRE(begin());
        KP_REQUIRE(kp_test_call(process, channel_create, 0x40) == KP_OK);
        kp_handle_t ends[2];
        memcpy(ends, kp_test_memory(process, 0x40), sizeof(ends));
        for (unsigned i = 0; i < WORKERS; i++)
            workers[i] = (worker_t){.handles = {ends[0], ends[1]}};
        work(receive_main);
        for (unsigned i = 0; i < round * 20; i++)
            sched_yield();
        kp_process_end(process, KP_EXIT_KILLED, 0, 0);
        work_end();
        end();
    }
}

static void *exit_main(void *argument)
{
    worker_t *worker = argument;
    (void)kp_test_thread_call(worker->thread, thread_exit);
    return NULL;
}

KP_TEST(all_exit_at_once)
{
    for (unsigned round = 0; round < 50; round++) {
        KP_REQUIRE(begin());
        kp_thread_t *first = kp_test_thread(process);
        work(exit_main);
        (void)kp_test_thread_call(first, thread_exit);
        work_end();
        KP_EXPECT_INT(kp_wait_one(&process->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL),
                      KP_OK);
        KP_EXPECT_INT(info().exit_reason, KP_EXIT_NORMAL);
        drop(first);
        end();
    }
}

static void *spawn_main(void *argument)
{
    worker_t *worker = argument;
    while (worker->last == 0) {
        int64_t handle = kp_test_thread_call(worker->thread, thread_create, 0, 0);
        if (handle == KP_ERR_PROCESS_DEAD || handle == KP_ERR_CANCELLED)
            break;
    }
    return NULL;
}

/* Threads that make threads, and suspensions, while the process is killed. */
KP_TEST(a_flood_of_threads_is_killed)
{
    for (unsigned round = 0; round < 20; round++) {
        KP_REQUIRE(begin());
        memset(workers, 0, sizeof(workers));
        work(spawn_main);
        for (unsigned i = 0; i < round; i++) {
            KP_EXPECT_INT(kp_process_suspend(process), KP_OK);
            KP_EXPECT_INT(kp_process_resume(process), KP_OK);
        }
        kp_process_end(process, KP_EXIT_KILLED, 0, 0);
        work_end();
        end();
    }
}

static void *handle_main(void *argument)
{
    worker_t *worker = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t handle = worker->handles[0];
        int64_t status;
        switch ((i + worker->number) % 4) {
        case 0: /* closed under the others, who see another error or the old object */
            (void)kp_test_thread_call(worker->thread, object_signal, handle, 0, KP_SIGNAL_USER_0);
            status = kp_test_thread_call(worker->thread, handle_duplicate, handle, KP_RIGHTS_SAME);
            if (status > 0)
                (void)kp_test_thread_call(worker->thread, handle_close, (uint64_t)status);
            break;
        case 1:
            (void)kp_test_thread_call(worker->thread, object_wait_one, handle, KP_SIGNAL_SIGNALED,
                                      KP_TIME_POLL, 0);
            break;
        case 2:
            status = kp_test_thread_call(worker->thread, handle_replace, handle, KP_RIGHTS_SAME);
            if (status > 0)
                (void)kp_test_thread_call(worker->thread, handle_close, (uint64_t)status);
            break;
        default:
            status = kp_test_thread_call(worker->thread, event_create);
            if (status > 0)
                (void)kp_test_thread_call(worker->thread, handle_close, (uint64_t)status);
            break;
        }
    }
    return NULL;
}

KP_TEST(handles_go_while_others_use_them)
{
    for (unsigned round = 0; round < 10; round++) {
        KP_REQUIRE(begin());
        int64_t event = kp_test_call(process, event_create);
        for (unsigned i = 0; i < WORKERS; i++)
            workers[i] = (worker_t){.handles = {(uint64_t)event}};
        work(handle_main);
        work_end();
        end();
    }
}

KP_TEST_MAIN()
