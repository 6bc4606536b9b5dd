/* Derivation and revocation: the shapes of a tree, waits, memory, quotas, and a model test against a
   simple reference. Several threads: test_derivation_threads.c. */
#include "abi/port.h"
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

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
}

static kp_handle_t make_event(kp_process_t *process)
{
    return (kp_handle_t)kp_test_call(process, event_create, 0);
}

static kp_handle_t duplicate(kp_process_t *process, kp_handle_t handle)
{
    int64_t result = kp_test_call(process, handle_duplicate, handle, KP_RIGHTS_SAME);
    KP_EXPECT(result > 0);
    return (kp_handle_t)result;
}

static int64_t use(kp_process_t *process, kp_handle_t handle)
{
    return kp_test_call(process, object_info, handle, 0x100);
}

KP_TEST(what_was_derived_is_revoked)
{
    set_up();
    kp_process_t *process = kp_test_process(1, 1, NULL);
    KP_REQUIRE(process);
    kp_test_process_alone(process);
    kp_handle_t root = make_event(process);
    kp_handle_t a = duplicate(process, root), b = duplicate(process, root);
    kp_handle_t aa = duplicate(process, a), ab = duplicate(process, a),
                aba = duplicate(process, ab);
    KP_EXPECT_INT(kp_test_call(process, handle_revoke, ab), KP_OK);
    KP_EXPECT_INT(use(process, aba), KP_ERR_REVOKED);
    KP_EXPECT_INT(use(process, ab), KP_OK);
    KP_EXPECT_INT(use(process, aa), KP_OK);
    /* A closed one in between: what it left behind is still the root's to revoke. */
    KP_EXPECT_INT(kp_test_call(process, handle_close, a), KP_OK);
    KP_EXPECT_INT(use(process, aa), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, handle_revoke, b), KP_OK);
    KP_EXPECT_INT(use(process, aa), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, handle_revoke, root), KP_OK);
    KP_EXPECT_INT(use(process, root), KP_OK);
    const kp_handle_t gone[] = {aa, ab, aba, b};
    for (size_t i = 0; i < KP_ARRAY_COUNT(gone); i++) {
        KP_EXPECT_INT(use(process, gone[i]), KP_ERR_REVOKED);
        KP_EXPECT_INT(kp_test_call(process, handle_duplicate, gone[i], KP_RIGHTS_SAME),
                      KP_ERR_REVOKED);
        KP_EXPECT_INT(kp_test_call(process, handle_replace, gone[i], KP_RIGHTS_SAME),
                      KP_ERR_REVOKED);
        KP_EXPECT_INT(kp_test_call(process, handle_revoke, gone[i]), KP_ERR_REVOKED);
        KP_EXPECT_INT(kp_test_call(process, handle_close, gone[i]), KP_OK);
        KP_EXPECT_INT(use(process, gone[i]), KP_ERR_BAD_HANDLE);
    }
    /* The root may derive again; with nothing derived there is nothing to do. */
    kp_handle_t again = duplicate(process, root);
    KP_EXPECT_INT(kp_test_call(process, handle_revoke, again), KP_OK);
    KP_EXPECT_INT(use(process, again), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, handle_revoke, make_event(process)), KP_OK);
    kp_test_process_end(process);
    tear_down();
}

KP_TEST(references_come_back_at_once)
{
    set_up();
    kp_process_t *process = kp_test_process(1, 1, NULL);
    KP_REQUIRE(process);
    kp_handle_t root = make_event(process);
    kp_object_t *object;
    kp_rights_t rights;
    KP_REQUIRE(kp_handle_lookup(&process->handles, root, &object, &rights) == KP_OK);
    for (int i = 0; i < 100; i++)
        (void)duplicate(process, root);
    KP_EXPECT_INT(atomic_load(&object->capabilities), 101);
    KP_EXPECT_INT(kp_test_call(process, handle_revoke, root), KP_OK);
    KP_EXPECT_INT(atomic_load(&object->capabilities), 1);
    KP_EXPECT_INT(atomic_load(&object->references), 2); /* the root's and ours */
    kp_object_release(object);
    /* The hundred dead handles do not keep the object. */
    uint64_t events = kp_object_count(KP_TYPE_EVENT);
    KP_EXPECT_INT(kp_test_call(process, handle_close, root), KP_OK);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_EVENT), events - 1);
    kp_test_process_end(process);
    tear_down();
}

KP_TEST(revocation_reaches_messages_and_other_processes)
{
    set_up();
    kp_process_t *process = kp_test_process(1, 1, NULL), *other = kp_test_process(1, 1, NULL);
    kp_capability_t ends[2];
    KP_REQUIRE(process && other && kp_channel_create(ends) == KP_OK);
    kp_handle_t here, there;
    KP_REQUIRE(kp_handle_add(&process->handles, ends[0], &here) == KP_OK &&
               kp_handle_add(&other->handles, ends[1], &there) == KP_OK);
    kp_handle_t root = make_event(process);
    for (int early = 0; early < 2; early++) {
        kp_handle_t sent = duplicate(process, root), received;
        memcpy(kp_test_memory(process, 0x200), &sent, sizeof(sent));
        KP_EXPECT_INT(kp_test_call(process, channel_write, here, 0, 1, 0x200, 1), KP_OK);
        KP_EXPECT_INT(use(process, sent), KP_ERR_BAD_HANDLE);
        if (early)
            KP_EXPECT_INT(kp_test_call(process, handle_revoke, root), KP_OK);
        KP_EXPECT_INT(kp_test_call(other, channel_read, there, 0, 8, 0x200, 1, 0x300), KP_OK);
        memcpy(&received, kp_test_memory(other, 0x200), sizeof(received));
        KP_EXPECT_INT(use(other, received), early ? KP_ERR_REVOKED : KP_OK);
        if (!early) { /* from there on and back */
            kp_handle_t next = duplicate(other, received);
            memcpy(kp_test_memory(other, 0x200), &next, sizeof(next));
            KP_EXPECT_INT(kp_test_call(other, channel_write, there, 0, 1, 0x200, 1), KP_OK);
            KP_EXPECT_INT(kp_test_call(process, channel_read, here, 0, 8, 0x200, 1, 0x300), KP_OK);
            memcpy(&next, kp_test_memory(process, 0x200), sizeof(next));
            KP_EXPECT_INT(use(process, next), KP_OK);
            KP_EXPECT_INT(kp_test_call(process, handle_revoke, root), KP_OK);
            KP_EXPECT_INT(use(process, next), KP_ERR_REVOKED);
            KP_EXPECT_INT(use(other, received), KP_ERR_REVOKED);
        }
        /* A revoked handle is not sent on. */
        memcpy(kp_test_memory(other, 0x200), &received, sizeof(received));
        KP_EXPECT_INT(kp_test_call(other, channel_write, there, 0, 1, 0x200, 1), KP_ERR_REVOKED);
        KP_EXPECT_INT(kp_test_call(other, handle_close, received), KP_OK);
    }
    kp_test_process_end(process);
    kp_test_process_end(other);
    tear_down();
}

KP_TEST(bindings_of_ports_end)
{
    set_up();
    kp_process_t *process = kp_test_process(1, 1, NULL);
    KP_REQUIRE(process);
    kp_handle_t root = make_event(process), weak = duplicate(process, root);
    int64_t port = kp_test_call(process, port_create, 0);
    KP_REQUIRE(port > 0);
    KP_EXPECT_INT(
        kp_test_call(process, port_bind, (uint64_t)port, weak, KP_SIGNAL_SIGNALED, 7, KP_PORT_EDGE),
        KP_OK);
    KP_EXPECT_INT(kp_test_call(process, handle_revoke, root), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, port_wait, (uint64_t)port, 0x1000, 4, KP_TIME_POLL), 1);
    kp_port_packet_t packet;
    memcpy(&packet, kp_test_memory(process, 0x1000), sizeof(packet));
    KP_EXPECT(packet.key == 7 && packet.kind == KP_PORT_CLOSED);
    kp_test_process_end(process);
    tear_down();
}

/* One after the other, and one from the other: no recursion, and memory that is not kept. */
KP_TEST(long_chains_and_wide_trees)
{
    set_up();
    enum { COUNT = 30000 };
    for (int shape = 0; shape < 3; shape++) {
        kp_process_t *process = kp_test_process(1, 1, NULL);
        KP_REQUIRE(process);
        kp_test_process_alone(process);
        kp_handle_t root = make_event(process), last = root;
        for (int i = 0; i < COUNT; i++) {
            kp_handle_t next = duplicate(process, shape == 1 ? root : last);
            if (shape == 2 && last != root) /* a chain that is closed behind */
                KP_EXPECT_INT(kp_test_call(process, handle_close, last), KP_OK);
            last = next;
        }
        if (shape == 2)
            KP_EXPECT(kp_test_allocations() < allocations_before + 50);
        KP_EXPECT_INT(use(process, last), KP_OK);
        KP_EXPECT_INT(kp_test_call(process, handle_revoke, root), KP_OK);
        KP_EXPECT_INT(use(process, last), KP_ERR_REVOKED);
        KP_EXPECT_INT(use(process, root), KP_OK);
        kp_test_process_end(process);
    }
    tear_down();
}

KP_TEST(no_memory_and_no_quota_change_nothing)
{
    set_up();
    const kp_job_limits_t limits = {
        .handles = 4, .queued_bytes = 1 << 20, .pages = 100, .processes = 1, .objects = 10};
    kp_process_t *process = kp_test_process_limited(1, 1, &limits);
    KP_REQUIRE(process);
    kp_handle_t root = make_event(process);
    unsigned failures = 0;
    for (uint64_t n = 1;; n++) {
        uint64_t allocations = kp_test_allocations();
        kp_test_fail_allocation(n);
        int64_t result = kp_test_call(process, handle_duplicate, root, KP_RIGHTS_SAME);
        bool failed = kp_test_failed();
        kp_test_fail_allocation(0);
        if (!failed) {
            KP_EXPECT(result > 0);
            break;
        }
        failures++;
        KP_EXPECT_INT(result, KP_ERR_NO_MEMORY);
        KP_EXPECT_INT(process->handles.open_count, 1);
        KP_EXPECT_INT(use(process, root), KP_OK);
        /* A node that the handle has by now may stay. */
        KP_EXPECT(kp_test_allocations() <= allocations + 2);
    }
    KP_EXPECT_INT(failures, 3); /* tree, node, node */
    (void)duplicate(process, root);
    (void)duplicate(process, root);
    KP_EXPECT_INT(kp_test_call(process, handle_duplicate, root, KP_RIGHTS_SAME), KP_ERR_QUOTA);
    /* A revoked handle counts until it is closed, for it is in the table. */
    KP_EXPECT_INT(kp_test_call(process, handle_revoke, root), KP_OK);
    KP_EXPECT_INT(kp_test_call(process, handle_duplicate, root, KP_RIGHTS_SAME), KP_ERR_QUOTA);
    kp_test_process_end(process);
    tear_down();
}

/* ---- The model ---- */
/* Every capability that ever was, with the one it came from. Revoking looks at all of them. */
enum { PROCESSES = 4, CAPABILITIES = 40000, STEPS = 12000, OPEN_MAX = 300 };
enum { CLOSED, OPEN, SENT };

typedef struct model {
    int parent; /* -1: none */
    int object; /* index of its first ancestor */
    int state;
    bool revoked;
    int process; /* OPEN: whose; SENT: to whom */
    int sender;  /* SENT */
    kp_handle_t handle;
    kp_rights_t rights;
} model_t;

static model_t model[CAPABILITIES];
static int model_count, model_living;
static kp_process_t *processes[PROCESSES];
static kp_handle_t ends[PROCESSES][PROCESSES]; /* [a][b]: a's end of the channel to b */
static int queue[PROCESSES][PROCESSES][256];   /* [a][b]: what a has sent to b */
static int queue_count[PROCESSES][PROCESSES];
static uint64_t random_state;

static uint32_t pick(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

static int model_add(int parent, int process, kp_handle_t handle, kp_rights_t rights)
{
    int index = model_count++;
    model[index] = (model_t){.parent = parent,
                             .object = parent < 0 ? index : model[parent].object,
                             .state = OPEN,
                             .process = process,
                             .handle = handle,
                             .rights = rights};
    model_living++;
    return index;
}

static void model_close(int index)
{
    model[index].state = CLOSED;
    model_living--;
}

static void model_revoke(int root)
{
    for (int i = root + 1; i < model_count; i++) {
        for (int above = model[i].parent; above >= root; above = model[above].parent) {
            if (above == root)
                model[i].revoked = true;
        }
    }
}

static void connect(int a, int b)
{
    kp_capability_t made[2];
    KP_EXPECT_INT(kp_channel_create(made), KP_OK);
    KP_EXPECT_INT(kp_handle_add(&processes[a]->handles, made[0], &ends[a][b]), KP_OK);
    KP_EXPECT_INT(kp_handle_add(&processes[b]->handles, made[1], &ends[b][a]), KP_OK);
}

/* Ends a process: what it holds, and what was sent to it or by it and not read, is closed. */
static void kill_and_restart(int p)
{
    kp_test_process_end(processes[p]);
    for (int i = 0; i < model_count; i++) {
        if (model[i].state == OPEN && model[i].process == p)
            model_close(i);
    }
    processes[p] = kp_test_process(1, 1, NULL);
    if (p % 2)
        kp_test_process_alone(processes[p]);
    for (int q = 0; q < PROCESSES; q++) {
        if (q == p)
            continue;
        KP_EXPECT_INT(kp_test_call(processes[q], handle_close, ends[q][p]), KP_OK);
        for (int way = 0; way < 2; way++) {
            int from = way ? p : q, to = way ? q : p;
            for (int i = 0; i < queue_count[from][to]; i++)
                model_close(queue[from][to][i]);
            queue_count[from][to] = 0;
        }
        connect(p, q);
    }
}

/* A random open capability, or -1. */
static int pick_open(void)
{
    for (int tries = 0; tries < 200 && model_count > 0; tries++) {
        int newest = (int)pick((uint32_t)model_count);
        if (pick(2)) /* mostly recent ones: old ones are closed by now */
            newest = model_count - 1 - (int)pick((uint32_t)KP_MIN(model_count, 100));
        if (model[newest].state == OPEN)
            return newest;
    }
    return -1;
}

static kp_status_t expected_use(const model_t *m, kp_rights_t need)
{
    if (m->revoked)
        return KP_ERR_REVOKED;
    return (m->rights & need) == need ? KP_OK : KP_ERR_ACCESS_DENIED;
}

static void step_duplicate(int index)
{
    model_t *m = &model[index];
    kp_rights_t rights = pick(3) ? m->rights : m->rights & (pick(4096) | KP_RIGHT_DUPLICATE);
    int64_t result = kp_test_call(processes[m->process], handle_duplicate, m->handle, rights);
    kp_status_t expected = expected_use(m, KP_RIGHT_DUPLICATE);
    if (expected != KP_OK)
        KP_EXPECT_INT(result, expected);
    else if (result > 0)
        (void)model_add(index, m->process, (kp_handle_t)result, rights);
    else
        KP_EXPECT_INT(result, KP_OK);
}

static void step_send(int index)
{
    model_t *m = &model[index];
    int from = m->process, to = (from + 1 + (int)pick(PROCESSES - 1)) % PROCESSES;
    if (queue_count[from][to] == 200)
        return;
    memcpy(kp_test_memory(processes[from], 0x100), &m->handle, sizeof(m->handle));
    int64_t result = kp_test_call(processes[from], channel_write, ends[from][to], 0, 1, 0x100, 1);
    KP_EXPECT_INT(result, expected_use(m, KP_RIGHT_TRANSFER));
    if (result != KP_OK)
        return;
    m->state = SENT;
    m->process = to;
    queue[from][to][queue_count[from][to]++] = index;
}

static void step_receive(int from, int to)
{
    int64_t result =
        kp_test_call(processes[to], channel_read, ends[to][from], 0x200, 8, 0x100, 1, 0x300);
    if (queue_count[from][to] == 0) {
        KP_EXPECT_INT(result, KP_ERR_SHOULD_WAIT);
        return;
    }
    KP_EXPECT_INT(result, KP_OK);
    model_t *m = &model[queue[from][to][0]];
    queue_count[from][to]--;
    memmove(queue[from][to], queue[from][to] + 1, sizeof(int) * (size_t)queue_count[from][to]);
    m->state = OPEN;
    memcpy(&m->handle, kp_test_memory(processes[to], 0x100), sizeof(m->handle));
}

static void step_replace(int index)
{
    model_t *m = &model[index];
    kp_rights_t rights = pick(2) ? m->rights : m->rights & pick(4096);
    int64_t result = kp_test_call(processes[m->process], handle_replace, m->handle, rights);
    if (m->revoked) {
        KP_EXPECT_INT(result, KP_ERR_REVOKED);
    } else {
        KP_EXPECT(result > 0);
        m->handle = (kp_handle_t)result;
        m->rights = rights;
    }
}

static void step(void)
{
    uint32_t what = pick(1000);
    int index = pick_open();
    if (what < 3) {
        kill_and_restart((int)pick(PROCESSES));
    } else if (what < 40 || index < 0) {
        int process = (int)pick(PROCESSES);
        kp_handle_t handle = make_event(processes[process]);
        (void)model_add(-1, process, handle, kp_object_default_rights(KP_TYPE_EVENT));
    } else if (what < 430 && model_living < OPEN_MAX) {
        step_duplicate(index);
    } else if (what < 560 || model_living >= OPEN_MAX) {
        KP_EXPECT_INT(
            kp_test_call(processes[model[index].process], handle_close, model[index].handle),
            KP_OK);
        model_close(index);
    } else if (what < 720) {
        step_send(index);
    } else if (what < 880) {
        int from = (int)pick(PROCESSES);
        step_receive(from, (from + 1 + (int)pick(PROCESSES - 1)) % PROCESSES);
    } else if (what < 930) {
        step_replace(index);
    } else {
        int64_t result =
            kp_test_call(processes[model[index].process], handle_revoke, model[index].handle);
        KP_EXPECT_INT(result, expected_use(&model[index], 0));
        if (result == KP_OK)
            model_revoke(index);
    }
}

/* Who may use what, and how many hold each object. */
static void compare(void)
{
    static unsigned holders[CAPABILITIES]; /* by index of the object's first capability */
    memset(holders, 0, sizeof(*holders) * (size_t)model_count);
    uint64_t living_objects = 0;
    for (int i = 0; i < model_count; i++) {
        if (model[i].state != CLOSED && !model[i].revoked && holders[model[i].object]++ == 0)
            living_objects++;
    }
    for (int i = 0; i < model_count; i++) {
        const model_t *m = &model[i];
        if (m->state != OPEN)
            continue;
        kp_object_t *object;
        kp_rights_t rights;
        kp_status_t status =
            kp_handle_lookup(&processes[m->process]->handles, m->handle, &object, &rights);
        KP_EXPECT_INT(status, m->revoked ? KP_ERR_REVOKED : KP_OK);
        if (status != KP_OK)
            continue;
        KP_EXPECT_INT(rights, m->rights);
        KP_EXPECT_INT(atomic_load(&object->capabilities), holders[m->object]);
        KP_EXPECT_INT(atomic_load(&object->references), holders[m->object] + 1);
        kp_object_release(object);
    }
    KP_EXPECT_INT(kp_object_count(KP_TYPE_EVENT), living_objects);
}

KP_TEST(a_simple_reference_agrees)
{
    set_up();
    KP_REQUIRE(kp_object_count(KP_TYPE_EVENT) == 0);
    for (uint64_t seed = 1; seed <= 12; seed++) {
        random_state = seed;
        model_count = model_living = 0;
        memset(queue_count, 0, sizeof(queue_count));
        for (int p = 0; p < PROCESSES; p++)
            processes[p] = kp_test_process(1, 1, NULL);
        for (int p = 0; p < PROCESSES; p++) {
            for (int q = 0; q < p; q++)
                connect(p, q);
        }
        for (int i = 0; i < STEPS && kp_test_failures == 0; i++) {
            step();
            if (i % 16 == 0)
                compare();
            if (kp_test_failures)
                KP_FAIL("seed %d, step %d", (int)seed, i);
        }
        int revoked = 0;
        for (int i = 0; i < model_count; i++)
            revoked += model[i].revoked;
        KP_EXPECT(model_count > 1000 && revoked > 500); /* it was no idle walk */
        for (int p = 0; p < PROCESSES; p++)
            kp_test_process_end(processes[p]);
        KP_EXPECT_INT(kp_object_count(KP_TYPE_EVENT), 0);
    }
    tear_down();
}

KP_TEST_MAIN()
