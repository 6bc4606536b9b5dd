/* Each number of process_info, by a process that makes known things happen: the driver looks before and after. What the
   machine counts by itself (tables of pages, what the host brings in around a page) is bounded, everything else exact. */
#include "runtime/program/thread.h"
#include "tests/processes/processes.h"

enum {
    PAGE = 4096,
    TOUCHED = 512, /* pages of linear memory: 2 MiB */
    SHARED = 512,  /* pages of a VMO */
    MESSAGES = 100,
    CALLS = 1000,
    BURNT_MS = 30,
};

/* ---- The child: does what it is told, and says when it is done ---- */

static uint8_t *grown;
static kp_handle_t own_ends[2];

static bool memory_grow(void)
{
    size_t before = __builtin_wasm_memory_grow(0, TOUCHED * PAGE / KP_WASM_PAGE_SIZE);
    grown = (uint8_t *)(before * KP_WASM_PAGE_SIZE);
    return before != (size_t)-1;
}

static void memory_touch(uint8_t *at, unsigned pages)
{
    for (unsigned i = 0; i < pages; i++)
        ((volatile uint8_t *)at)[i * PAGE] = 1;
}

/* The VMO comes over pages that were never touched. */
static bool vmo_map(void)
{
    void *at = NULL;
    size_t before = __builtin_wasm_memory_grow(0, SHARED * PAGE / KP_WASM_PAGE_SIZE);
    if (before == (size_t)-1)
        return false;
    at = (void *)(before * KP_WASM_PAGE_SIZE);
    if (kp_vmo_map(child_given[0], 0, at, SHARED * PAGE, 0) != KP_OK)
        return false;
    for (unsigned i = 0; i < SHARED; i++)
        if (((volatile const uint8_t *)at)[i * PAGE] != 7)
            return false;
    return true;
}

static bool messages_send(void)
{
    uint32_t actual[2];
    char byte;
    for (unsigned i = 0; i < MESSAGES; i++)
        if (kp_channel_write(own_ends[0], "m", 1, NULL, 0) != KP_OK ||
            kp_channel_read(own_ends[1], &byte, 1, NULL, 0, actual) != KP_OK)
            return false;
    return true;
}

static uint64_t thread_time(void)
{
    uint64_t now = 0;
    (void)kp_clock_get(KP_CLOCK_THREAD, &now);
    return now;
}

static void *wait_main(void *argument)
{
    (void)kp_object_wait_one(own_ends[1], KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED,
                             KP_TIME_INFINITE, NULL);
    return argument;
}

/* Its own numbers, by the handle that it was given to itself. */
static bool own_look(void)
{
    kp_process_info_t first, second;
    bool good = kp_process_info(child_given[0], &first) == KP_OK;
    for (unsigned i = 0; i < CALLS; i++)
        (void)kp_null();
    good = good && kp_process_info(child_given[0], &second) == KP_OK;
    return good && second.calls - first.calls == CALLS + 1 && first.id == second.id &&
           second.messages_sent == first.messages_sent && second.cpu_time_ns > first.cpu_time_ns &&
           first.memory_bytes == (uint64_t)__builtin_wasm_memory_size(0) * KP_WASM_PAGE_SIZE &&
           first.state == KP_PROCESS_RUNNING && first.suspended == 0 && first.threads == 1;
}

static bool told(char what)
{
    kp_thread_t *thread;
    uint64_t begin;
    switch (what) {
    case 'g':
        return memory_grow();
    case 't':
        memory_touch(grown, TOUCHED);
        return true;
    case 'v':
        return vmo_map();
    case 'm':
        return messages_send();
    case 'b':
        for (begin = thread_time(); thread_time() - begin < BURNT_MS * KP_NS_PER_MS;) {
        }
        return true;
    case 'h':
        return kp_thread_spawn(&thread, wait_main, NULL, 0) == KP_OK;
    case 'i':
        return own_look();
    default:
        return what == 'n';
    }
}

int role_statistics(void)
{
    char what;
    CHECK(kp_channel_create(own_ends) == KP_OK);
    while ((what = control_hear(child_control)) != 'x') {
        if (!what || !told(what))
            return what;
        CHECK(control_say(child_control, 'd') == KP_OK);
    }
    __builtin_trap();
}

/* ---- The driver ---- */

static kp_child_t process;
static kp_process_info_t before, after;

/* Tells the child to do something, and looks before and after. */
static bool tell(char what)
{
    return kp_process_info(process.process, &before) == KP_OK &&
           control_say(process.control, what) == KP_OK && control_hear(process.control) == 'd' &&
           kp_process_info(process.process, &after) == KP_OK;
}

/* a - b lies between the bounds. */
static bool within(uint64_t a, uint64_t b, uint64_t least, uint64_t most)
{
    bool good = a >= b ? a - b >= least && a - b <= most : false;
    if (!good)
        kp_log("statistics: %llu - %llu is not in %llu..%llu", (unsigned long long)a,
               (unsigned long long)b, (unsigned long long)least, (unsigned long long)most);
    return good;
}

static int memory_test(void)
{
    const uint64_t touched = (uint64_t)TOUCHED * PAGE, shared = (uint64_t)SHARED * PAGE;
    /* Linux counts pages of a process in batches for each of its processors. */
    const uint64_t slack = 256 << 10;
    CHECK(tell('g'));
    CHECK(within(after.memory_bytes, before.memory_bytes, touched, touched));
    CHECK(within(after.private_bytes + slack, before.private_bytes, 0, 2 * slack));
    CHECK(tell('t'));
    CHECK(after.memory_bytes == before.memory_bytes);
    CHECK(within(after.private_bytes + slack, before.private_bytes, touched, touched + 2 * slack));
    CHECK(within(after.shared_bytes + slack, before.shared_bytes, 0, 2 * slack));
    /* One for each page at most, and some for what the program does besides. */
    CHECK(within(after.faults, before.faults, 1, TOUCHED + 64));
    CHECK(tell('v'));
    CHECK(within(after.memory_bytes, before.memory_bytes, shared, shared));
    CHECK(within(after.shared_bytes + slack, before.shared_bytes, shared, shared + 2 * slack));
    CHECK(within(after.private_bytes + slack, before.private_bytes, 0, 2 * slack));
    CHECK(within(after.faults, before.faults, 1, SHARED + 64));
    return 0;
}

static int time_test(void)
{
    kp_time_t begin = kp_now();
    CHECK(tell('b'));
    /* It waits for nothing meanwhile, so no more than it took. The host's clock for threads ticks. */
    CHECK(within(after.cpu_time_ns, before.cpu_time_ns, (BURNT_MS - 10) * KP_NS_PER_MS,
                 (uint64_t)(kp_now() - begin) + 20 * KP_NS_PER_MS));
    return 0;
}

static int count_test(void)
{
    CHECK(tell('n'));
    /* Its answer; the last one may be counted a moment after it came. */
    CHECK(within(after.messages_sent, before.messages_sent, 0, 2));
    uint64_t calls = after.calls - before.calls;
    CHECK(tell('m'));
    CHECK(within(after.messages_sent, before.messages_sent, MESSAGES, MESSAGES + 2));
    /* Two calls for each message; it is looked at somewhere between its answer and its wait for the next word. */
    CHECK(within(after.calls - before.calls + 4, calls, 2 * MESSAGES, 2 * MESSAGES + 8));
    return 0;
}

int test_statistics(void)
{
    kp_handle_t job = driver_job_create(KP_BAND_NORMAL), given[2];
    int64_t vmo = kp_vmo_create((uint64_t)SHARED * PAGE);
    static uint8_t bytes[PAGE];
    CHECK(job && vmo > 0);
    memset(bytes, 7, sizeof(bytes));
    for (unsigned i = 0; i < SHARED; i++)
        CHECK(kp_vmo_write((kp_handle_t)vmo, (uint64_t)i * PAGE, bytes, PAGE) == KP_OK);
    given[0] = (kp_handle_t)vmo;
    CHECK(kp_child_start(job, driver_code, "statistics", given, 1, &process) == KP_OK);
    CHECK(tell('n') && tell('n'));
    CHECK(before.state == KP_PROCESS_RUNNING && before.threads == 1 && before.suspended == 0);
    CHECK(strcmp(before.name, "child") == 0 && before.exit_reason == KP_EXIT_NONE);
    int line = memory_test();
    line = line ? line : time_test();
    line = line ? line : count_test();
    if (line)
        return line;
    CHECK(tell('h') && after.threads == 2);
    CHECK(kp_process_suspend(process.process) == KP_OK &&
          kp_process_suspend(process.process) == KP_OK);
    CHECK(kp_process_info(process.process, &after) == KP_OK && after.suspended == 2);
    CHECK(kp_process_resume(process.process) == KP_OK &&
          kp_process_resume(process.process) == KP_OK);
    CHECK(kp_process_info(process.process, &after) == KP_OK && after.suspended == 0);
    /* Its end: where, and that nothing is left of its memory. */
    CHECK(control_say(process.control, 'x') == KP_OK);
    CHECK(kp_object_wait_one(process.process, KP_SIGNAL_TERMINATED, kp_now() + PATIENCE, NULL) ==
          KP_OK);
    before = after;
    CHECK(kp_process_info(process.process, &after) == KP_OK);
    CHECK(after.exit_reason == KP_EXIT_TRAP && after.exit_code == KP_TRAP_UNREACHABLE);
    CHECK(strstr(after.fault_function, "role_statistics") && after.fault_instruction != 0);
    CHECK(after.state == KP_PROCESS_ENDED && after.threads == 0);
    CHECK(after.private_bytes == 0 && after.shared_bytes == 0);
    CHECK(after.id == before.id && within(after.messages_sent, before.messages_sent, 0, 1));
    CHECK(after.cpu_time_ns >= before.cpu_time_ns && after.faults >= before.faults);
    kp_child_close(&process);
    /* By itself: it is told with a handle to itself. */
    CHECK(kp_child_start(job, driver_code, "statistics", NULL, 0, &process) == KP_OK);
    int64_t itself = kp_handle_duplicate(process.process, KP_RIGHTS_SAME);
    given[0] = (kp_handle_t)itself;
    CHECK(itself > 0 && kp_channel_write(process.control, "i", 1, given, 1) == KP_OK);
    CHECK(control_hear(process.control) == 'd');
    CHECK(kp_process_kill(process.process) == KP_OK);
    CHECK(kp_child_finish(&process, KP_EXIT_KILLED, 0, kp_now() + PATIENCE));
    (void)kp_handle_close(job);
    return 0;
}
