/* Processes that are made, started, suspended, frozen and cloned by a program: states, authority, leaks. */
#include "kernel/object/code.h"
#include "kernel/object/snapshot.h"
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

static kp_process_t *parent;
static kp_image_t image = {.info = {.initial_pages = 2, .maximum_pages = 8}};
static uint64_t job, code, objects, allocations;

static uint64_t give(kp_capability_t capability)
{
    kp_handle_t handle = KP_HANDLE_NONE;
    KP_EXPECT_INT(kp_handle_add(&parent->handles, capability, &handle), KP_OK);
    return handle;
}

static void begin(void)
{
    kp_test_attach("test");
    objects = kp_object_count(KP_TYPE_NONE);
    allocations = kp_test_allocations();
    parent = kp_test_process(2, 4, NULL);
    KP_REQUIRE(parent);
    kp_capability_t made;
    KP_REQUIRE(kp_code_create(&image, &made) == KP_OK);
    code = give(made);
    job = give(kp_capability_create(&parent->job->object, kp_object_default_rights(KP_TYPE_JOB)));
}

static void end(void)
{
    kp_test_process_end(parent);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
    KP_EXPECT_INT(kp_test_allocations(), allocations);
}

static kp_process_create_t options(uint64_t startup)
{
    kp_process_create_t wanted = {.code = (kp_handle_t)code,
                                  .startup = (kp_handle_t)startup,
                                  .job = (kp_handle_t)job,
                                  .name = "child"};
    return wanted;
}

static int64_t create(kp_process_create_t wanted)
{
    memcpy(kp_test_memory(parent, 0x800), &wanted, sizeof(wanted));
    return kp_test_call(parent, process_create, job, 0x800);
}

static int64_t clone_of(uint64_t process, kp_process_create_t wanted)
{
    memcpy(kp_test_memory(parent, 0x800), &wanted, sizeof(wanted));
    return kp_test_call(parent, process_clone, process, 0x800);
}

static kp_process_info_t info_of(uint64_t process)
{
    kp_process_info_t info = {0};
    KP_EXPECT_INT(kp_test_call(parent, process_info, process, 0x400), KP_OK);
    memcpy(&info, kp_test_memory(parent, 0x400), sizeof(info));
    return info;
}

static kp_process_t *object_of(uint64_t handle)
{
    kp_object_t *object = NULL;
    kp_rights_t rights;
    KP_EXPECT_INT(kp_handle_lookup(&parent->handles, (kp_handle_t)handle, &object, &rights), KP_OK);
    return kp_process_from_object(object);
}

static void channel(uint32_t ends[2])
{
    KP_EXPECT_INT(kp_test_call(parent, channel_create, 0x100), KP_OK);
    memcpy(ends, kp_test_memory(parent, 0x100), 2 * sizeof(*ends));
}

KP_TEST(start_once)
{
    begin();
    uint32_t ends[2];
    channel(ends);
    int64_t process = create(options(ends[1]));
    KP_REQUIRE(process > 0);
    KP_EXPECT_INT(info_of((uint64_t)process).state, KP_PROCESS_NEW);
    KP_EXPECT_INT(kp_test_call(parent, object_info, ends[1], 0x200), KP_ERR_BAD_HANDLE); /* moved */
    KP_EXPECT_INT(kp_test_call(parent, process_start, (uint64_t)process), KP_OK);
    KP_EXPECT_INT(info_of((uint64_t)process).state, KP_PROCESS_RUNNING);
    KP_EXPECT_INT(kp_test_call(parent, process_start, (uint64_t)process), KP_ERR_BAD_STATE);
    kp_process_t *child = object_of((uint64_t)process);
    KP_EXPECT(kp_test_call(child, startup_channel) > 0);
    KP_EXPECT_INT(kp_test_call(parent, process_kill, (uint64_t)process), KP_OK);
    KP_EXPECT_INT(kp_test_call(parent, process_start, (uint64_t)process), KP_ERR_PROCESS_DEAD);
    KP_EXPECT_INT(info_of((uint64_t)process).state, KP_PROCESS_ENDED);
    kp_object_release(&child->object);
    end();
}

KP_TEST(refused_startup_stays)
{
    begin();
    uint32_t ends[2];
    channel(ends);
    kp_process_create_t wanted = options(job); /* no channel, and named twice */
    KP_EXPECT_INT(create(wanted), KP_ERR_WRONG_TYPE);
    wanted = options(ends[1]);
    wanted.code = (kp_handle_t)job;
    KP_EXPECT_INT(create(wanted), KP_ERR_WRONG_TYPE);
    wanted = options(ends[1]);
    wanted.name[0] = 0;
    KP_EXPECT_INT(create(wanted), KP_ERR_INVALID_ARGUMENT);
    memcpy(wanted.name, "a\nb", 4);
    KP_EXPECT_INT(create(wanted), KP_ERR_INVALID_ARGUMENT);
    wanted = options(12345);
    KP_EXPECT_INT(create(wanted), KP_ERR_BAD_HANDLE);
    KP_EXPECT_INT(clone_of(job, options(0)), KP_ERR_WRONG_TYPE);
    KP_EXPECT_INT(kp_test_call(parent, object_info, ends[1], 0x200), KP_OK);
    end();
}

KP_TEST(ends_that_nobody_started)
{
    begin();
    int64_t killed = create(options(0)), forgotten = create(options(0));
    int64_t suspended = create(options(0)), left = create(options(0));
    KP_REQUIRE(killed > 0 && forgotten > 0 && suspended > 0 && left > 0);
    KP_EXPECT_INT(kp_test_call(parent, process_kill, (uint64_t)killed), KP_OK);
    KP_EXPECT_INT(
        kp_test_call(parent, object_wait_one, (uint64_t)killed, KP_SIGNAL_TERMINATED, 0, 0), KP_OK);
    KP_EXPECT_INT(info_of((uint64_t)killed).exit_reason, KP_EXIT_KILLED);
    KP_EXPECT_INT(kp_test_call(parent, handle_close, (uint64_t)forgotten), KP_OK);
    KP_EXPECT_INT(kp_test_call(parent, process_suspend, (uint64_t)suspended), KP_OK);
    KP_EXPECT_INT(kp_test_call(parent, process_start, (uint64_t)suspended), KP_OK);
    KP_EXPECT_INT(kp_test_call(parent, handle_close, (uint64_t)suspended), KP_OK);
    end(); /* `left` goes with the table */
}

KP_TEST(suspension_nests)
{
    begin();
    int64_t process = create(options(0));
    KP_REQUIRE(process > 0);
    uint64_t child = (uint64_t)process;
    KP_EXPECT_INT(kp_test_call(parent, process_resume, child), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(parent, process_suspend, child), KP_OK);
    KP_EXPECT_INT(kp_test_call(parent, process_start, child), KP_OK);
    KP_EXPECT_INT(info_of(child).state, KP_PROCESS_NEW); /* the last resume starts it */
    KP_EXPECT_INT(kp_test_call(parent, process_start, child), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(parent, process_suspend, child), KP_OK);
    KP_EXPECT_INT(info_of(child).suspended, 2);
    KP_EXPECT_INT(kp_test_call(parent, process_resume, child), KP_OK);
    KP_EXPECT_INT(info_of(child).state, KP_PROCESS_NEW);
    KP_EXPECT_INT(kp_test_call(parent, process_resume, child), KP_OK);
    KP_EXPECT_INT(info_of(child).state, KP_PROCESS_RUNNING);
    KP_EXPECT_INT(kp_test_call(parent, process_suspend, child), KP_OK);
    kp_process_t *object = object_of(child);
    KP_EXPECT(object->threads[0]->is_suspended);
    KP_EXPECT_INT(kp_test_call(parent, process_resume, child), KP_OK);
    KP_EXPECT(!object->threads[0]->is_suspended);
    KP_EXPECT_INT(kp_test_call(parent, process_kill, child), KP_OK);
    KP_EXPECT_INT(kp_test_call(parent, process_suspend, child), KP_ERR_BAD_STATE);
    kp_object_release(&object->object);
    end();
}

/* A running child that has frozen itself, with 77 at 0x1000 and a sealed VMO mapped at 0x10000. */
static uint64_t frozen_child(void)
{
    int64_t process = create(options(0));
    KP_EXPECT(process > 0);
    KP_EXPECT_INT(kp_test_call(parent, process_start, (uint64_t)process), KP_OK);
    kp_process_t *child = object_of((uint64_t)process);
    *(uint32_t *)kp_test_memory(child, 0x1000) = 77;
    int64_t vmo = kp_test_call(child, vmo_create, 4096);
    KP_EXPECT_INT(kp_test_call(child, process_freeze), KP_ERR_BAD_STATE); /* a handle */
    KP_EXPECT_INT(kp_test_call(child, vmo_write, (uint64_t)vmo, 0, 0x1000, 4), KP_OK);
    KP_EXPECT_INT(kp_test_call(child, vmo_map, (uint64_t)vmo, 0, 0x10000, 4096, 0), KP_OK);
    int64_t sealer = kp_test_call(parent, vmo_create, 1); /* keeps numbers apart */
    KP_EXPECT(sealer > 0);
    KP_EXPECT_INT(kp_test_call(child, vmo_seal, (uint64_t)vmo, KP_VMO_SEAL_WRITE), KP_OK);
    KP_EXPECT_INT(kp_test_call(child, handle_close, (uint64_t)vmo), KP_OK);
    KP_EXPECT_INT(kp_test_call(child, process_freeze), KP_OK);
    KP_EXPECT_INT(kp_test_call(child, null), KP_ERR_PROCESS_DEAD);
    KP_EXPECT(atomic_load(&child->object.signals) & KP_SIGNAL_FROZEN);
    kp_object_release(&child->object);
    KP_EXPECT_INT(kp_test_call(parent, handle_close, (uint64_t)sealer), KP_OK);
    return (uint64_t)process;
}

KP_TEST(freeze_only_what_a_clone_can_have)
{
    begin();
    int64_t process = create(options(0));
    KP_REQUIRE(process > 0);
    KP_EXPECT_INT(clone_of((uint64_t)process, options(0)), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_test_call(parent, process_start, (uint64_t)process), KP_OK);
    kp_process_t *child = object_of((uint64_t)process);
    int64_t vmo = kp_test_call(child, vmo_create, 4096);
    KP_EXPECT_INT(kp_test_call(child, vmo_map, (uint64_t)vmo, 0, 0x10000, 4096, 0), KP_OK);
    KP_EXPECT_INT(kp_test_call(child, handle_close, (uint64_t)vmo), KP_OK);
    KP_EXPECT_INT(kp_test_call(child, process_freeze), KP_ERR_BAD_STATE); /* not sealed */
    KP_EXPECT_INT(kp_test_call(child, vmo_unmap, 0x10000, 4096), KP_OK);
    for (uint64_t n = 1;; n++) { /* what fails has changed nothing */
        kp_test_fail_allocation(n);
        int64_t result = kp_test_call(child, process_freeze);
        bool failed = kp_test_failed();
        kp_test_fail_allocation(0);
        if (!failed)
            break;
        KP_EXPECT_INT(result, KP_ERR_NO_MEMORY);
        KP_EXPECT_INT(kp_test_call(child, null), KP_OK);
    }
    KP_EXPECT_INT(info_of((uint64_t)process).state, KP_PROCESS_FROZEN);
    KP_EXPECT_INT(info_of((uint64_t)process).memory_bytes, 2 * KP_WASM_PAGE_SIZE);
    kp_object_release(&child->object);
    end();
}

KP_TEST(clones_have_memory_of_their_own)
{
    begin();
    uint64_t snapshot = frozen_child();
    kp_process_t *clones[2];
    for (int i = 0; i < 2; i++) {
        uint32_t ends[2];
        channel(ends);
        int64_t made = clone_of(snapshot, options(ends[1]));
        KP_REQUIRE(made > 0);
        KP_EXPECT_INT(kp_test_call(parent, process_start, (uint64_t)made), KP_OK);
        clones[i] = object_of((uint64_t)made);
        uint32_t *word = kp_test_memory(clones[i], 0x1000);
        KP_EXPECT_INT(*word, 77);
        *word += 100 + (uint32_t)i;
        KP_EXPECT_INT(*(uint32_t *)kp_test_memory(clones[i], 0x10000), 77); /* the VMO */
        KP_EXPECT_INT(kp_test_call(clones[i], random_get, 0x10000, 4), KP_ERR_BAD_ADDRESS);
        KP_EXPECT(kp_test_call(clones[i], startup_channel) > 0);
    }
    KP_EXPECT_INT(*(uint32_t *)kp_test_memory(clones[0], 0x1000), 177);
    /* The snapshot's process may go first, and a clone be a snapshot. */
    KP_EXPECT_INT(kp_test_call(parent, process_kill, snapshot), KP_OK);
    KP_EXPECT_INT(clone_of(snapshot, options(0)), KP_ERR_BAD_STATE);
    kp_test_call(clones[0], handle_close,
                 (uint64_t)kp_test_call(clones[0], startup_channel)); /* NOT_FOUND: taken */
    for (int i = 0; i < 2; i++)
        kp_test_process_end(clones[i]);
    end();
}

KP_TEST(clones_when_memory_runs_out)
{
    begin();
    uint64_t snapshot = frozen_child();
    for (uint64_t n = 1;; n++) {
        uint32_t ends[2];
        channel(ends);
        kp_test_fail_allocation(n);
        int64_t made = clone_of(snapshot, options(ends[1]));
        int64_t started = made > 0 ? kp_test_call(parent, process_start, (uint64_t)made) : KP_OK;
        bool failed = kp_test_failed();
        kp_test_fail_allocation(0);
        KP_EXPECT(made > 0 || made == KP_ERR_NO_MEMORY);
        KP_EXPECT(started == KP_OK || started == KP_ERR_NO_MEMORY);
        if (made > 0 && started == KP_OK)
            KP_EXPECT_INT(kp_test_call(parent, process_kill, (uint64_t)made), KP_OK);
        if (made > 0)
            KP_EXPECT_INT(kp_test_call(parent, handle_close, (uint64_t)made), KP_OK);
        else
            KP_EXPECT_INT(kp_test_call(parent, handle_close, ends[1]), KP_OK);
        KP_EXPECT_INT(kp_test_call(parent, handle_close, ends[0]), KP_OK);
        if (!failed)
            break;
    }
    end();
}

KP_TEST(a_killed_job_takes_snapshots_along)
{
    begin();
    kp_job_limits_t limits = {1000, 1 << 20, 1000, 10, 1000};
    memcpy(kp_test_memory(parent, 0x600), &limits, sizeof(limits));
    int64_t below = kp_test_call(parent, job_create, job, 0x600);
    KP_REQUIRE(below > 0);
    uint64_t outer = job;
    job = (uint64_t)below;
    uint64_t snapshot = frozen_child();
    int64_t unstarted = create(options(0));
    job = outer;
    int64_t survivor = clone_of(snapshot, options(0)); /* in the outer job */
    KP_REQUIRE(unstarted > 0 && survivor > 0);
    KP_EXPECT_INT(kp_test_call(parent, job_kill, (uint64_t)below), KP_OK);
    KP_EXPECT_INT(info_of(snapshot).exit_reason, KP_EXIT_KILLED);
    KP_EXPECT_INT(info_of((uint64_t)unstarted).exit_reason, KP_EXIT_KILLED);
    KP_EXPECT_INT(info_of((uint64_t)survivor).exit_reason, KP_EXIT_NONE);
    KP_EXPECT_INT(kp_test_call(parent, process_start, (uint64_t)survivor), KP_OK);
    kp_process_t *clone_object = object_of((uint64_t)survivor);
    KP_EXPECT_INT(*(uint32_t *)kp_test_memory(clone_object, 0x1000), 77);
    kp_test_process_end(clone_object);
    end();
}

static void *close_main(void *handle)
{
    int64_t result = kp_test_call(parent, handle_close, *(const uint64_t *)handle);
    return (void *)(uintptr_t)(result == KP_OK);
}

/* Each unstarted process lies in the startup channel of the next: to close the last ends them all, and a
   small stack is enough for it. */
KP_TEST(unstarted_processes_inside_each_other)
{
    enum { DEPTH = 400, STACK = 128 << 10 };
    for (int derived = 0; derived < 2; derived++) {
        begin();
        uint64_t inner = 0;
        for (int i = 0; i < DEPTH; i++) {
            uint32_t ends[2], moved;
            KP_REQUIRE(kp_test_call(parent, channel_create, 0x200) == KP_OK);
            memcpy(ends, kp_test_memory(parent, 0x200), sizeof(ends));
            if (inner) {
                moved = (uint32_t)inner;
                if (derived) {
                    moved = (uint32_t)kp_test_call(parent, handle_duplicate, inner, KP_RIGHTS_SAME);
                    KP_EXPECT_INT(kp_test_call(parent, handle_close, inner), KP_OK);
                }
                memcpy(kp_test_memory(parent, 0x300), &moved, sizeof(moved));
                KP_REQUIRE(kp_test_call(parent, channel_write, ends[0], 0, 4, 0x300, 1) == KP_OK);
            }
            KP_EXPECT_INT(kp_test_call(parent, handle_close, ends[0]), KP_OK);
            int64_t process = create(options(ends[1]));
            KP_REQUIRE(process > 0);
            inner = (uint64_t)process;
        }
        uint64_t processes = kp_object_count(KP_TYPE_PROCESS);
        pthread_attr_t attributes;
        pthread_t thread;
        void *closed = NULL;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, STACK);
        KP_REQUIRE(pthread_create(&thread, &attributes, close_main, &inner) == 0);
        pthread_join(thread, &closed);
        pthread_attr_destroy(&attributes);
        KP_EXPECT(closed);
        KP_EXPECT_INT(kp_object_count(KP_TYPE_PROCESS), processes - DEPTH);
        end();
    }
}

/* ---- What cannot be made to hold itself ---- */

static uint64_t unstarted(uint32_t *sender)
{
    uint32_t ends[2];
    channel(ends);
    int64_t process = create(options(ends[1]));
    KP_EXPECT(process > 0);
    *sender = ends[0];
    return (uint64_t)process;
}

static int64_t send_handle(uint64_t sender, uint64_t handle)
{
    uint32_t moved = (uint32_t)handle;
    memcpy(kp_test_memory(parent, 0x300), &moved, sizeof(moved));
    return kp_test_call(parent, channel_write, sender, 0, 4, 0x300, 1);
}

static uint64_t duplicate_of(uint64_t handle)
{
    int64_t copy = kp_test_call(parent, handle_duplicate, handle, KP_RIGHTS_SAME);
    KP_EXPECT(copy > 0);
    return (uint64_t)copy;
}

static void close_handle(uint64_t handle)
{
    KP_EXPECT_INT(kp_test_call(parent, handle_close, handle), KP_OK);
}

KP_TEST(an_unstarted_process_is_not_sent_to_itself)
{
    begin();
    uint64_t processes = kp_object_count(KP_TYPE_PROCESS);
    uint32_t sender, ends[2], more[2];
    uint64_t process = unstarted(&sender), copy = duplicate_of(process);
    /* Its handle, another one, one among others, and inside an end of a channel. */
    KP_EXPECT_INT(send_handle(sender, process), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(send_handle(sender, copy), KP_ERR_INVALID_ARGUMENT);
    channel(ends);
    channel(more);
    KP_EXPECT_INT(send_handle(ends[0], copy), KP_OK);
    KP_EXPECT_INT(send_handle(more[0], ends[1]), KP_OK);
    KP_EXPECT_INT(send_handle(sender, more[1]), KP_ERR_INVALID_ARGUMENT);
    /* The end first, the handle into it afterwards. */
    uint32_t other[2];
    channel(other);
    KP_EXPECT_INT(send_handle(sender, other[1]), KP_OK);
    KP_EXPECT_INT(send_handle(other[0], process), KP_ERR_INVALID_ARGUMENT);
    /* Read again, the end is as good as new. */
    KP_EXPECT_INT(kp_test_call(parent, channel_read, more[1], 0, 4, 0x310, 1, 0x320), KP_OK);
    memcpy(&ends[1], kp_test_memory(parent, 0x310), sizeof(ends[1]));
    KP_EXPECT_INT(send_handle(sender, more[1]), KP_OK);
    KP_EXPECT_INT(send_handle(sender, ends[1]), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(parent, channel_read, ends[1], 0, 4, 0x310, 1, 0x320), KP_OK);
    memcpy(&copy, kp_test_memory(parent, 0x310), sizeof(uint32_t));
    KP_EXPECT_INT(send_handle(sender, ends[1]), KP_OK);
    /* One that has begun may have its own handle. */
    KP_EXPECT_INT(kp_test_call(parent, process_start, process), KP_OK);
    KP_EXPECT_INT(send_handle(sender, (uint32_t)copy), KP_OK);
    kp_process_t *object = object_of(process);
    kp_process_end(object, KP_EXIT_KILLED, 0, 0);
    KP_EXPECT_INT(kp_wait_one(&object->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL),
                  KP_OK);
    KP_EXPECT_INT(send_handle(sender, process), KP_ERR_PEER_CLOSED);
    kp_object_release(&object->object);
    close_handle(process);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_PROCESS), processes);
    end();
}

KP_TEST(unstarted_processes_are_sent_to_younger_ones)
{
    begin();
    uint64_t processes = kp_object_count(KP_TYPE_PROCESS);
    uint32_t sender[3];
    uint64_t process[3], copy[3];
    for (int i = 0; i < 3; i++) {
        process[i] = unstarted(&sender[i]);
        copy[i] = duplicate_of(process[i]);
    }
    for (int to = 0; to < 3; to++)
        for (int i = 0; i < 3; i++) {
            uint64_t moved = duplicate_of(process[i]);
            int64_t status = send_handle(sender[to], moved);
            KP_EXPECT_INT(status, i < to ? KP_OK : KP_ERR_INVALID_ARGUMENT);
            if (status != KP_OK)
                close_handle(moved);
        }
    /* One that has ended holds nothing any more. */
    KP_EXPECT_INT(kp_test_call(parent, process_kill, process[2]), KP_OK);
    KP_EXPECT_INT(send_handle(sender[0], copy[2]), KP_OK);
    /* Nobody can start the other two when these are gone. */
    for (int i = 0; i < 3; i++) {
        close_handle(process[i]);
        if (i < 2)
            close_handle(copy[i]);
    }
    KP_EXPECT_INT(kp_object_count(KP_TYPE_PROCESS), processes);
    end();
}

/* A read that cannot be delivered puts its message back; what came to lie below its startup channel meanwhile does not
   come back. */
KP_TEST(a_startup_channel_that_moves_on)
{
    begin();
    uint64_t processes = kp_object_count(KP_TYPE_PROCESS);
    uint32_t ends[2];
    channel(ends);
    int64_t first = create(options(ends[1]));
    KP_REQUIRE(first > 0);
    uint64_t copy = duplicate_of((uint64_t)first);
    /* Its startup channel comes back, for it never runs: and the next process gets it. */
    close_handle((uint64_t)first);
    close_handle(copy);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_PROCESS), processes);
    /* Queued before the process is made: what lies there is older. */
    uint32_t sender;
    uint64_t older = unstarted(&sender);
    channel(ends);
    copy = duplicate_of(older);
    KP_EXPECT_INT(send_handle(ends[0], copy), KP_OK);
    int64_t younger = create(options(ends[1]));
    KP_REQUIRE(younger > 0);
    KP_EXPECT_INT(send_handle(sender, (uint64_t)younger), KP_ERR_INVALID_ARGUMENT);
    close_handle(older);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_PROCESS), processes + 2);
    close_handle((uint64_t)younger);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_PROCESS), processes);
    end();
}

/* Random graphs of channels, processes that are not started and their handles, in each other's queues: when the last
   handle outside is closed, nothing is left. */
KP_TEST(random_graphs_leave_nothing)
{
    enum { HANDLES = 24, STEPS = 3000 };
    uint64_t random = 88172645463325252u;
    for (int round = 0; round < 6; round++) {
        begin();
        uint64_t before = kp_object_count(KP_TYPE_NONE);
        uint32_t handles[HANDLES] = {0};
        unsigned sent = 0, refused = 0;
        for (int step = 0; step < STEPS; step++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            uint32_t *at = &handles[random >> 8 & 15], *other = &handles[random >> 16 & 15];
            uint32_t ends[2];
            switch (random >> 24 & 15) {
            case 0:
            case 1:
                if (*at || *other || at == other)
                    break;
                channel(ends);
                *at = ends[0];
                *other = ends[1];
                break;
            case 2:
            case 3: { /* a process, with whatever that is as its startup channel */
                int64_t made = *at ? create(options(*at)) : 0;
                if (made > 0)
                    *at = (uint32_t)made;
                break;
            }
            case 4:
            case 5:
                if (*at && !*other) {
                    int64_t copy = kp_test_call(parent, handle_duplicate, *at, KP_RIGHTS_SAME);
                    *other = copy > 0 ? (uint32_t)copy : 0;
                }
                break;
            case 6:
                if (*at && kp_test_call(parent, handle_close, *at) == KP_OK)
                    *at = 0;
                break;
            case 7:
                if (*at && !*other &&
                    kp_test_call(parent, channel_read, *at, 0, 4, 0x310, 1, 0x320) == KP_OK)
                    memcpy(other, kp_test_memory(parent, 0x310), sizeof(*other));
                break;
            default:
                if (*at && *other) {
                    int64_t status = send_handle(*at, *other);
                    sent += status == KP_OK;
                    refused += status == KP_ERR_INVALID_ARGUMENT;
                    if (status == KP_OK)
                        *other = 0;
                }
                break;
            }
        }
        KP_EXPECT(sent > 50 && refused > 10);
        for (int i = 0; i < HANDLES; i++)
            if (handles[i])
                close_handle(handles[i]);
        KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), before);
        end();
    }
}

/* One that has begun is no part of a cycle: it goes on, or waits for a resume that may never come, at its job's cost. */
KP_TEST(a_suspended_process_that_holds_itself)
{
    begin();
    uint64_t processes = kp_object_count(KP_TYPE_PROCESS);
    uint32_t sender;
    uint64_t process = unstarted(&sender);
    kp_process_t *object = object_of(process);
    KP_EXPECT_INT(kp_test_call(parent, process_suspend, process), KP_OK);
    KP_EXPECT_INT(kp_test_call(parent, process_start, process), KP_OK);
    /* It waits for its last resume to begin, and is not sent to itself either. */
    KP_EXPECT_INT(send_handle(sender, process), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(parent, process_resume, process), KP_OK);
    KP_EXPECT_INT(kp_test_call(parent, process_suspend, process), KP_OK);
    KP_EXPECT_INT(send_handle(sender, process), KP_OK);
    close_handle(sender);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_PROCESS), processes + 1);
    KP_EXPECT_INT(kp_test_call(parent, job_kill, job), KP_OK);
    KP_EXPECT_INT(kp_wait_one(&object->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL),
                  KP_OK);
    kp_object_release(&object->object);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_PROCESS), processes);
    end();
}

KP_TEST_MAIN()
