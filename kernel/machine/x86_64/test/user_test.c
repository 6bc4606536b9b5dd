/* Ring 3 against the machine: calls, memory, faults of every kind, preemption, SSE state, killing.
 */
#include "kernel/machine/x86_64/memory.h"
#include "kernel/machine/x86_64/test/stand_in.h"
#include "kernel/machine/x86_64/thread.h"
#include "kernel/machine/x86_64/trap.h"

extern const uint8_t kp_test_image[], kp_test_image_data[], kp_test_image_end[];

/* clang-format off */
#define PROGRAMS(X) \
    X(calls) X(memory) X(segment) X(data) X(out_of_bounds) X(far_out_of_bounds) \
    X(write_mapping) X(read_mapping) X(stack_overflow) X(write_text) X(execute_data) \
    X(execute_memory) X(read_kernel) X(null) X(non_canonical) X(invalid) X(divide) \
    X(privileged) X(port) X(breakpoint) X(forged_interrupt) X(spoil_segment) X(spin) X(park) \
    X(vectors) X(many_calls)
/* clang-format on */
#define DECLARE(name) extern const uint8_t kp_test_##name[];
PROGRAMS(DECLARE)

enum { MEMORY_PAGES = 3, EXIT_SUM = 55123, BENCH_PAGES = 64 };

static kp_image_t image_at(const uint8_t *entry)
{
    uint64_t text = (uint64_t)(kp_test_image_data - kp_test_image);
    uint64_t data = (uint64_t)(kp_test_image_end - kp_test_image_data);
    return (kp_image_t){
        .name = "selftest",
        .bytes = kp_test_image,
        .size = text + data,
        .segments = {{0, text, 0, text, KP_IMAGE_SEGMENT_EXECUTE},
                     {text, data + KP_PAGE_SIZE, text, data, KP_IMAGE_SEGMENT_WRITE}},
        .segment_count = 2,
        .span = text + data + KP_PAGE_SIZE,
        .entry = (uint64_t)(entry - kp_test_image),
    };
}

bool kp_test_process_prepare(kp_test_process_t *test, kp_image_t *image, const uint8_t *entry)
{
    memset(test, 0, sizeof(*test));
    *image = image_at(entry);
    test->waiting = kp_machine_thread_current();
    test->process.threads[0] = &test->thread;
    test->thread.process = &test->process;
    return kp_machine_space_create(&test->process.space, image, MEMORY_PAGES, 16) == KP_OK;
}

static bool prepare(kp_test_process_t *test, kp_image_t *image, const uint8_t *entry)
{
    return kp_test_process_prepare(test, image, entry);
}

static bool start(kp_test_process_t *test)
{
    return kp_machine_thread_start_user(&test->thread, &test->process) == KP_OK;
}

/* Runs a program to its end. */
static bool run(kp_test_process_t *test, const uint8_t *entry)
{
    kp_image_t image;
    return prepare(test, &image, entry) && start(test) && kp_test_process_wait(test);
}

static bool exits(const uint8_t *entry, int32_t code)
{
    kp_test_process_t test;
    return run(&test, entry) && test.process.exit_reason == KP_EXIT_NORMAL &&
           test.process.exit_code == code;
}

static bool dies(const uint8_t *entry, uint32_t reason, int32_t code)
{
    kp_test_process_t test;
    return run(&test, entry) && test.process.exit_reason == reason &&
           test.process.exit_code == code;
}

static void test_traps(void)
{
    kp_test_process_t test;
    kp_test_report("user_out_of_bounds",
                   run(&test, kp_test_out_of_bounds) && test.process.exit_reason == KP_EXIT_TRAP &&
                       test.process.exit_code == KP_TRAP_OUT_OF_BOUNDS &&
                       test.process.fault_address == MEMORY_PAGES * KP_WASM_PAGE_SIZE + 123);
    kp_test_report("user_far_out_of_bounds",
                   run(&test, kp_test_far_out_of_bounds) &&
                       test.process.exit_code == KP_TRAP_OUT_OF_BOUNDS &&
                       test.process.fault_address == 0xffffffffull + 0x7ffffff0);
    kp_test_report("user_stack_overflow",
                   dies(kp_test_stack_overflow, KP_EXIT_TRAP, KP_TRAP_STACK_OVERFLOW));
    static const struct {
        const char *name;
        const uint8_t *entry;
        int32_t code;
    } faults[] = {
        {"user_write_text", kp_test_write_text, 14},
        {"user_execute_data", kp_test_execute_data, 14},
        {"user_read_kernel", kp_test_read_kernel, 14},
        {"user_null", kp_test_null, 14},
        {"user_non_canonical", kp_test_non_canonical, 13},
        {"user_invalid_instruction", kp_test_invalid, 6},
        {"user_divide", kp_test_divide, 0},
        {"user_privileged", kp_test_privileged, 13},
        {"user_port", kp_test_port, 13},
        {"user_breakpoint", kp_test_breakpoint, 13},
        {"user_forged_interrupt", kp_test_forged_interrupt, 13},
    };
    for (unsigned i = 0; i < KP_ARRAY_COUNT(faults); i++)
        kp_test_report(faults[i].name, dies(faults[i].entry, KP_EXIT_FAULT, faults[i].code));
    /* Linear memory is never executable. */
    kp_test_report("user_execute_memory",
                   dies(kp_test_execute_memory, KP_EXIT_TRAP, KP_TRAP_OUT_OF_BOUNDS));
}

static void test_memory(void)
{
    kp_test_process_t test;
    kp_image_t image;
    uint32_t word = 0;
    kp_machine_space_t *space = &test.process.space;

    kp_test_report("user_calls", exits(kp_test_calls, EXIT_SUM));
    kp_test_report("user_memory", exits(kp_test_memory, MEMORY_PAGES * 16));
    /* Each process has its own copy of the data page. */
    kp_test_report("user_data", exits(kp_test_data, 42) && exits(kp_test_data, 42));

    bool good = prepare(&test, &image, kp_test_segment);
    word = 777;
    good = good && kp_machine_space_copy_out(space, 0, &word, sizeof(word)) == KP_OK;
    kp_test_report("user_segment", good && start(&test) && kp_test_process_wait(&test) &&
                                       test.process.exit_code == 777);
    kp_test_report("user_spoils_segment",
                   exits(kp_test_spoil_segment, 11) && exits(kp_test_segment, 0));

    /* Copies across pages, zero where nothing was written, refusal outside. */
    static uint8_t out[10000], in[10000];
    good = prepare(&test, &image, kp_test_memory);
    for (unsigned i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 7);
    good = good && kp_machine_space_copy_out(space, 4000, out, sizeof(out)) == KP_OK &&
           kp_machine_space_copy_in(space, in, 4000, sizeof(in)) == KP_OK &&
           memcmp(in, out, sizeof(in)) == 0 &&
           kp_machine_space_copy_in(space, in, 100000, sizeof(in)) == KP_OK && in[0] == 0 &&
           in[9999] == 0;
    uint64_t private_bytes = 0, shared_bytes = 0;
    kp_machine_space_usage(space, &private_bytes, &shared_bytes);
    /* 4 pages of memory and the tables; one shared text page. */
    good = good && private_bytes >= 4 * KP_PAGE_SIZE && private_bytes <= 16 * KP_PAGE_SIZE &&
           shared_bytes == KP_PAGE_SIZE;
    good = good && kp_machine_space_grow(space, MEMORY_PAGES, MEMORY_PAGES + 1) == KP_OK &&
           kp_machine_space_copy_out(space, MEMORY_PAGES * KP_WASM_PAGE_SIZE, out, 100) == KP_OK &&
           kp_machine_space_copy_out(space, (MEMORY_PAGES + 1) * KP_WASM_PAGE_SIZE, out, 1) ==
               KP_ERR_BAD_ADDRESS;
    kp_machine_space_destroy(space);
    kp_test_report("space_copy", good);
}

static void test_mapping(void)
{
    kp_test_process_t test;
    kp_image_t image;
    kp_machine_space_t *space = &test.process.space;
    static kp_vmo_t vmo;
    uint32_t word = 0x1234;
    bool good = kp_machine_vmo_init(&vmo.machine, 4 * KP_PAGE_SIZE) == KP_OK &&
                kp_machine_vmo_write(&vmo.machine, KP_PAGE_SIZE, &word, sizeof(word)) == KP_OK &&
                kp_machine_vmo_committed(&vmo.machine) == KP_PAGE_SIZE;

    good =
        good && prepare(&test, &image, kp_test_read_mapping) &&
        kp_machine_space_map(space, 65536, &vmo, KP_PAGE_SIZE, 2 * KP_PAGE_SIZE, false) == KP_OK &&
        kp_machine_space_copy_out(space, 65536, &word, 1) == KP_ERR_BAD_ADDRESS;
    word = 0;
    good = good && kp_machine_space_copy_in(space, &word, 65536, sizeof(word)) == KP_OK &&
           word == 0x1234 && start(&test) && kp_test_process_wait(&test) &&
           test.process.exit_code == 0x1234;
    kp_test_report("map_read", good);

    good = prepare(&test, &image, kp_test_write_mapping) &&
           kp_machine_space_map(space, 65536, &vmo, KP_PAGE_SIZE, KP_PAGE_SIZE, false) == KP_OK &&
           start(&test) && kp_test_process_wait(&test) && test.process.exit_reason == KP_EXIT_TRAP;
    kp_test_report("map_read_only", good);

    good = prepare(&test, &image, kp_test_write_mapping) &&
           kp_machine_space_map(space, 65536, &vmo, 0, 4 * KP_PAGE_SIZE, true) == KP_OK &&
           start(&test) && kp_test_process_wait(&test) && test.process.exit_code == 7 &&
           kp_machine_vmo_read(&vmo.machine, 0, &word, sizeof(word)) == KP_OK && word == 0x5a5a5a5a;
    kp_test_report("map_write", good);

    /* A hole in the middle: both ends still show the VMO, the hole is private zeroes. */
    uint32_t head = 0, hole = 1, tail = 0;
    good = prepare(&test, &image, kp_test_read_mapping) &&
           kp_machine_space_map(space, 65536, &vmo, 0, 3 * KP_PAGE_SIZE, true) == KP_OK &&
           kp_machine_space_copy_in(space, &hole, 65536 + KP_PAGE_SIZE, 4) == KP_OK &&
           hole == 0x1234 &&
           kp_machine_space_unmap(space, 65536 + KP_PAGE_SIZE, KP_PAGE_SIZE) == KP_OK;
    word = 0x77;
    good = good && kp_machine_vmo_write(&vmo.machine, 2 * KP_PAGE_SIZE, &word, 4) == KP_OK &&
           kp_machine_space_copy_in(space, &head, 65536, 4) == KP_OK &&
           kp_machine_space_copy_in(space, &hole, 65536 + KP_PAGE_SIZE, 4) == KP_OK &&
           kp_machine_space_copy_in(space, &tail, 65536 + 2 * KP_PAGE_SIZE, 4) == KP_OK &&
           head == 0x5a5a5a5a && hole == 0 && tail == 0x77;
    kp_machine_space_destroy(space);
    kp_test_report("map_hole", good);
    kp_machine_vmo_destroy(&vmo.machine);

    good = kp_machine_vmo_init_static(&vmo.machine, kp_test_image, KP_PAGE_SIZE) == KP_OK &&
           kp_machine_vmo_write(&vmo.machine, 0, &word, 4) == KP_ERR_ACCESS_DENIED &&
           kp_machine_vmo_read(&vmo.machine, 4, &word, 4) == KP_OK &&
           memcmp(&word, kp_test_image + 4, 4) == 0 &&
           kp_machine_vmo_read(&vmo.machine, KP_PAGE_SIZE - 3, &word, 4) == KP_ERR_OUT_OF_RANGE;
    kp_machine_vmo_destroy(&vmo.machine);
    kp_test_report("vmo_static", good);
}

static void kill(kp_test_process_t *test)
{
    atomic_store(&test->thread.dying, true);
    kp_machine_thread_kill(&test->thread);
}

static void test_threads(void)
{
    enum { VECTORS = 8 };
    static kp_test_process_t spinning, parked, vectors[VECTORS];
    static kp_image_t images[2 + VECTORS];
    bool good = prepare(&spinning, &images[0], kp_test_spin) && start(&spinning) &&
                prepare(&parked, &images[1], kp_test_park) && start(&parked);
    /* This thread runs although one of ring 3 never gives the CPU up. */
    good = good && !kp_machine_thread_park(kp_machine_now() + 30 * KP_NS_PER_MS);
    good = good && !atomic_load(&spinning.ended) && !atomic_load(&parked.ended) &&
           kp_machine_thread_cpu_time(&spinning.thread) > KP_NS_PER_MS;
    kp_test_report("user_preempted", good);

    /* Two for each CPU keep different values in SSE registers over many time slices, beside the spinning
       one. */
    uint64_t before = kp_x86_thread_switches();
    unsigned count = KP_MIN(2 * kp_machine_cpu_count(), (unsigned)VECTORS);
    for (unsigned i = 0; i < count; i++) {
        uint64_t word = 0x1111111111111111ull * (i + 1);
        good =
            prepare(&vectors[i], &images[2 + i], kp_test_vectors) &&
            kp_machine_space_copy_out(&vectors[i].process.space, 0, &word, sizeof(word)) == KP_OK &&
            start(&vectors[i]) && good;
    }
    for (unsigned i = 0; i < count; i++)
        good = kp_test_process_wait(&vectors[i]) && vectors[i].process.exit_code == 1 && good;
    kp_test_report("user_vectors", good && kp_x86_thread_switches() - before >= 6);

    kill(&spinning);
    kill(&parked);
    kp_test_report("user_killed", kp_test_process_wait(&spinning) && kp_test_process_wait(&parked));
}

/* Every allocation of a process's life may fail; nothing may be lost. */
static void test_no_memory(void)
{
    kp_test_process_t test;
    bool good = true, complete = false;
    unsigned n = 1;
    for (; n < 200 && good && !complete; n++) {
        kp_image_t image;
        kp_x86_allocation_fail_at(n);
        bool prepared = prepare(&test, &image, kp_test_memory);
        if (prepared && !start(&test)) {
            kp_machine_space_destroy(&test.process.space);
            prepared = false;
        }
        if (prepared)
            good = kp_test_process_wait(&test);
        kp_x86_allocation_fail_at(0);
        complete = prepared && test.process.exit_reason == KP_EXIT_NORMAL;
        good = good && (!prepared || complete ||
                        (test.process.exit_reason == KP_EXIT_FAULT &&
                         test.process.exit_code == KP_ERR_NO_MEMORY));
    }
    kp_test_report("user_no_memory", good && complete && n > 10);
}

/* Many short lives at once, some killed at any point of theirs; all must end as they should, and
   nothing may be lost. */
void kp_test_stress(unsigned rounds)
{
    enum { ALIVE = 8 };
    static const struct {
        const uint8_t *entry;
        uint32_t reason;
        int32_t code;
    } programs[] = {
        {kp_test_calls, KP_EXIT_NORMAL, EXIT_SUM},
        {kp_test_memory, KP_EXIT_NORMAL, MEMORY_PAGES * 16},
        {kp_test_data, KP_EXIT_NORMAL, 42},
        {kp_test_many_calls, KP_EXIT_NORMAL, 0},
        {kp_test_out_of_bounds, KP_EXIT_TRAP, KP_TRAP_OUT_OF_BOUNDS},
        {kp_test_stack_overflow, KP_EXIT_TRAP, KP_TRAP_STACK_OVERFLOW},
        {kp_test_privileged, KP_EXIT_FAULT, 13},
        {kp_test_spin, KP_EXIT_NONE, 0}, /* end only by being killed */
        {kp_test_park, KP_EXIT_NONE, 0},
    };
    static kp_test_process_t tests[ALIVE];
    static kp_image_t images[ALIVE];
    unsigned kinds[ALIVE], state = 7, ended = 0;
    bool started[ALIVE] = {false}, killed[ALIVE] = {false}, good = true;
    while (good && ended < rounds) {
        state = state * 1103515245 + 12345;
        unsigned i = state >> 16 & (ALIVE - 1), action = state >> 24 & 3;
        if (!started[i]) {
            kinds[i] = (state >> 20 & 0xff) % KP_ARRAY_COUNT(programs);
            good = prepare(&tests[i], &images[i], programs[kinds[i]].entry) && start(&tests[i]);
            started[i] = good;
            killed[i] = false;
        } else if (atomic_load(&tests[i].ended)) {
            const kp_process_t *process = &tests[i].process;
            good = killed[i] || (process->exit_reason == programs[kinds[i]].reason &&
                                 process->exit_code == programs[kinds[i]].code);
            started[i] = false;
            ended++;
        } else if (action == 0) {
            kill(&tests[i]);
            killed[i] = true;
        } else {
            kp_machine_thread_park(kp_machine_now() + (state >> 8 & 0xff) * 1000);
        }
    }
    for (unsigned i = 0; i < ALIVE; i++) {
        if (started[i])
            kill(&tests[i]);
        good = (!started[i] || kp_test_process_wait(&tests[i])) && good;
    }
    kp_test_report("stress", good);
}

void kp_test_user(void)
{
    uint64_t total, before, after;
    exits(kp_test_calls, 0); /* warms caches of stacks and slabs */
    kp_test_threads_settle();
    kp_x86_memory_usage(&total, &before);
    test_memory();
    test_mapping();
    test_traps();
    test_no_memory();
    kp_x86_memory_usage(&total, &after);
    /* More may be free: the clock's thread ends about now. */
    /* With several CPUs the test may have been moved: each keeps heap objects at hand. */
    uint64_t slack = kp_x86_view.count > 1 ? 32 * KP_PAGE_SIZE : 0;
    kp_test_report("user_memory_returned", after + slack >= before);
    test_threads();
}

void kp_test_user_bench(void)
{
    kp_test_process_t test;
    kp_image_t image;
    kp_time_t start_time = kp_machine_now();
    for (unsigned i = 0; i < 100; i++)
        run(&test, kp_test_data);
    kp_log("bench", KP_LOG_INFO, "process, created and ended: %lld ns",
           (long long)(kp_machine_now() - start_time) / 100);

    for (unsigned i = 0; i < 2; i++) {
        prepare(&test, &image, kp_test_memory);
        kp_machine_space_grow(&test.process.space, MEMORY_PAGES, BENCH_PAGES);
        start_time = kp_machine_now();
        if (start(&test) && kp_test_process_wait(&test))
            kp_log("bench", KP_LOG_INFO, "zero page on demand: %lld ns%s",
                   (long long)(kp_machine_now() - start_time) / (BENCH_PAGES * 16),
                   i ? ", RAM used before" : "");
    }
    start_time = kp_machine_now();
    run(&test, kp_test_many_calls);
    kp_log("bench", KP_LOG_INFO, "system call: %lld ns",
           (long long)(kp_machine_now() - start_time) / 100000);
}
