/* Several CPUs (also one: then most of it is preemption): clocks, locks, timers, placement, shootdowns,
   suspension, the idle machine. */
#include "kernel/machine/x86_64/boot.h"
#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/lapic.h"
#include "kernel/machine/x86_64/memory.h"
#include "kernel/machine/x86_64/smp.h"
#include "kernel/machine/x86_64/test/stand_in.h"

extern const uint8_t kp_test_wait_for_zero[], kp_test_count[];

enum { THREADS = 2 * KP_X86_CPUS_MAX, ROUNDS = 1000, LOCK_ROUNDS = 250, WINDOW = 65536 };

static struct {
    kp_thread_t *waiting;
    kp_spinlock_t outer, inner;
    uint64_t counter; /* guarded by: outer */
    _Atomic uint32_t cpus;
    _Atomic kp_time_t latest;
    atomic_uint bad, ended, inside;
    atomic_bool stop;
} shared;

static void leave(void)
{
    atomic_fetch_add(&shared.ended, 1);
    kp_machine_thread_unpark(shared.waiting);
}

/* Runs fn on `count` threads; false: they did not end in 100 s, which is a guard against hanging. */
static bool run(void (*fn)(void *), unsigned count)
{
    bool good = true;
    atomic_store(&shared.ended, 0);
    atomic_store(&shared.cpus, 0);
    shared.waiting = kp_machine_thread_current();
    for (unsigned i = 0; i < count; i++)
        good = kp_thread_create("smp test", fn, NULL, NULL) == KP_OK && good;
    kp_time_t limit = kp_machine_now() + 600 * KP_NS_PER_S;
    while (good && atomic_load(&shared.ended) < count)
        good = kp_machine_thread_park(limit);
    return good;
}

static void note_cpu(void)
{
    atomic_fetch_or(&shared.cpus, 1u << kp_machine_cpu_current());
}

static void use_locks(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < LOCK_ROUNDS; i++) {
        kp_spin_lock(&shared.outer);
        uint64_t value = shared.counter;
        kp_spin_lock(&shared.inner);
        note_cpu();
        kp_spin_unlock(&shared.inner);
        if (atomic_fetch_add(&shared.inside, 1) != 0)
            atomic_store(&shared.bad, 1);
        atomic_fetch_sub(&shared.inside, 1);
        shared.counter = value + 1;
        kp_spin_unlock(&shared.outer);
    }
    leave();
}

/* What one CPU said must not lie after what another says later. */
static void read_clock(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        kp_time_t before = atomic_load(&shared.latest), now = kp_machine_now();
        if (now < before)
            atomic_store(&shared.bad, 1);
        while (now > before && !atomic_compare_exchange_weak(&shared.latest, &before, now))
            continue;
        note_cpu();
    }
    leave();
}

/* Every deadline comes, none too early, whichever CPU the thread is on. */
static void use_timers(void *argument)
{
    (void)argument;
    for (unsigned i = 1; i <= 20; i++) {
        kp_time_t deadline = kp_machine_now() + (kp_time_t)i * 100 * 1000;
        while (kp_machine_thread_park(deadline))
            continue;
        if (kp_machine_now() < deadline)
            atomic_store(&shared.bad, 1);
        note_cpu();
    }
    leave();
}

/* Allocates and frees on every CPU what was made on others. */
static void use_memory(void *argument)
{
    static void *_Atomic slots[64];
    uint32_t state = (uint32_t)kp_machine_now() | 1;
    (void)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        state = state * 1664525 + 1013904223;
        size_t size = state >> 20;
        uint8_t *mine = kp_kalloc(size + 8);
        if (!mine || mine[0] || mine[size])
            atomic_store(&shared.bad, 1);
        if (mine)
            memset(mine, 0xa5, size + 8);
        kp_kfree(atomic_exchange(&slots[state >> 10 & 63], mine));
        void *page = kp_x86_page_allocate();
        if (i % 16 == 0)
            note_cpu();
        kp_x86_page_free(page);
    }
    if (atomic_fetch_add(&shared.inside, 1) + 1 == 2 * kp_machine_cpu_count())
        for (unsigned i = 0; i < 64; i++)
            kp_kfree(atomic_exchange(&slots[i], NULL));
    leave();
}

/* Computes until all CPUs have been seen, or gives up. */
static void spread(void *argument)
{
    (void)argument;
    uint32_t all = (1u << kp_machine_cpu_count()) - 1;
    kp_time_t limit = kp_machine_now() + 600 * KP_NS_PER_S;
    while (atomic_load(&shared.cpus) != all && kp_machine_now() < limit)
        note_cpu();
    leave();
}

/* The protections of the CPU that runs this. */
static bool is_protected(void)
{
    const kp_x86_features_t *f = &kp_x86_features;
    uint64_t cr0, cr4, expected = 0;
    __asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    expected |= f->umip ? 1ull << 11 : 0;
    expected |= f->smep ? 1ull << 20 : 0;
    expected |= f->smap ? 1ull << 21 : 0;
    bool fsgsbase = cr4 & 1ull << 16;
    uint64_t efer = kp_x86_msr_read(0xc0000080);
    return (cr0 & 1ull << 16) && (cr4 & expected) == expected && !fsgsbase && (efer & 1ull << 11) &&
           !(kp_x86_flags() & 1ull << 18);
}

static void look_at_protection(void *argument)
{
    uint32_t all = (1u << kp_machine_cpu_count()) - 1;
    kp_time_t limit = kp_machine_now() + 600 * KP_NS_PER_S;
    (void)argument;
    while (atomic_load(&shared.cpus) != all && kp_machine_now() < limit) {
        kp_x86_interrupts_off(); /* stay on this CPU */
        if (!is_protected())
            atomic_store(&shared.bad, 1);
        note_cpu();
        kp_x86_interrupts_on();
    }
    leave();
}

static bool everywhere(void)
{
    return atomic_load(&shared.cpus) == (1u << kp_machine_cpu_count()) - 1;
}

static void test_threads(void)
{
    unsigned count = 2 * kp_machine_cpu_count();
    kp_test_report("smp_spread", run(spread, count) && everywhere());
    kp_test_report("smp_protection",
                   run(look_at_protection, count) && everywhere() && !atomic_load(&shared.bad));
    bool good = run(use_locks, count / 2 + 1);
    kp_test_report("smp_locks", good && !atomic_load(&shared.bad) &&
                                    shared.counter == (uint64_t)(count / 2 + 1) * LOCK_ROUNDS);
    good = run(read_clock, count);
    kp_test_report("smp_clock", good && !atomic_load(&shared.bad));
    good = run(use_timers, count);
    kp_test_report("smp_timers", good && !atomic_load(&shared.bad));
    uint64_t total, before, after;
    kp_x86_memory_usage(&total, &before);
    atomic_store(&shared.inside, 0);
    good = run(use_memory, count);
    /* What the CPUs keep at hand: some slabs of each size. */
    kp_x86_memory_usage(&total, &after);
    kp_test_report("smp_memory", good && !atomic_load(&shared.bad) && after + (1u << 20) >= before);
}

static bool starts(kp_test_process_t *test, kp_image_t *image, const uint8_t *entry)
{
    return kp_test_process_prepare(test, image, entry) &&
           kp_machine_thread_start_user(&test->thread, &test->process) == KP_OK;
}

/* Parks until the process has used some processor time, so that it is inside its loop. */
static bool is_under_way(kp_test_process_t *test)
{
    uint64_t used = kp_machine_thread_cpu_time(&test->thread) + KP_NS_PER_MS / 4;
    kp_time_t limit = kp_machine_now() + 600 * KP_NS_PER_S;
    while (kp_machine_thread_cpu_time(&test->thread) < used && kp_machine_now() < limit)
        kp_machine_thread_park(kp_machine_now() + KP_NS_PER_MS / 4);
    return kp_machine_thread_cpu_time(&test->thread) >= used;
}

/* Processes on other CPUs look at pages that are taken away under them: they must see it, without
   being interrupted for anything else, and never what the pages become afterwards. */
static void test_shootdown(void)
{
    enum { PROCESSES = 4, TIMES = 25 };
    static kp_test_process_t tests[PROCESSES];
    static kp_image_t images[PROCESSES];
    static kp_vmo_t vmo;
    bool good = true;
    for (unsigned round = 0; round < TIMES && good; round++) {
        uint32_t word = 0x1234;
        memset(&vmo, 0, sizeof(vmo));
        good = kp_machine_vmo_init(&vmo.machine, KP_PAGE_SIZE) == KP_OK &&
               kp_machine_vmo_write(&vmo.machine, 0, &word, sizeof(word)) == KP_OK;
        unsigned count = KP_MIN(kp_machine_cpu_count(), (uint32_t)PROCESSES);
        for (unsigned i = 0; i < count && good; i++)
            good = kp_test_process_prepare(&tests[i], &images[i], kp_test_wait_for_zero) &&
                   kp_machine_space_map(&tests[i].process.space, WINDOW, &vmo, 0, KP_PAGE_SIZE,
                                        false) == KP_OK &&
                   kp_machine_thread_start_user(&tests[i].thread, &tests[i].process) == KP_OK;
        for (unsigned i = 0; i < count && good; i++)
            good = is_under_way(&tests[i]);
        good = good && kp_machine_vmo_decommit(&vmo.machine, 0, KP_PAGE_SIZE) == KP_OK;
        /* The page that was freed is used again at once, for something else. */
        uint8_t *pages[8];
        for (unsigned i = 0; i < 8; i++) {
            pages[i] = kp_x86_page_allocate();
            if (pages[i])
                memset(pages[i], 0x77, KP_PAGE_SIZE);
        }
        for (unsigned i = 0; i < count && good; i++)
            good = kp_test_process_wait(&tests[i]) && tests[i].process.exit_code == 0;
        for (unsigned i = 0; i < 8; i++)
            kp_x86_page_free(pages[i]);
        kp_machine_vmo_destroy(&vmo.machine);
    }
    kp_test_report("smp_shootdown", good);
}

static uint32_t counted(kp_test_process_t *test)
{
    uint32_t value = 0;
    if (kp_machine_space_copy_in(&test->process.space, &value, 0, sizeof(value)) != KP_OK)
        value = 0;
    return value;
}

/* Waits until the process has counted on; processor time alone would not do: the host may have stopped
   the CPU meanwhile. */
static bool counts_on(kp_test_process_t *test, uint32_t from)
{
    kp_time_t limit = kp_machine_now() + 600 * KP_NS_PER_S;
    while (counted(test) == from && kp_machine_now() < limit)
        kp_machine_thread_park(kp_machine_now() + KP_NS_PER_MS / 4);
    return counted(test) != from;
}

static void test_suspend(void)
{
    enum { TIMES = 25 };
    static kp_test_process_t test;
    static kp_image_t image;
    bool good = starts(&test, &image, kp_test_count) && counts_on(&test, 0), stands = true;
    for (unsigned i = 0; i < TIMES && good; i++) {
        kp_machine_thread_suspend(&test.thread);
        uint32_t first = counted(&test);
        kp_machine_thread_park(kp_machine_now() + KP_NS_PER_MS / 2);
        stands = stands && counted(&test) == first;
        kp_machine_thread_resume(&test.thread);
        good = counts_on(&test, first);
    }
    kp_test_report("suspend", good && stands);
    kp_machine_thread_suspend(&test.thread);
    kp_machine_thread_suspend(&test.thread);
    atomic_store(&test.thread.dying, true);
    kp_machine_thread_kill(&test.thread);
    kp_test_report("suspended_killed", kp_test_process_wait(&test));

    /* Suspended before its first instruction. */
    good = kp_test_process_prepare(&test, &image, kp_test_count);
    kp_machine_thread_suspend(&test.thread);
    good = good && kp_machine_thread_start_user(&test.thread, &test.process) == KP_OK;
    kp_machine_thread_park(kp_machine_now() + 2 * KP_NS_PER_MS);
    good = good && counted(&test) == 0;
    kp_machine_thread_resume(&test.thread);
    good = good && counts_on(&test, 0);
    kp_machine_thread_kill(&test.thread);
    kp_test_report("suspended_from_the_start", kp_test_process_wait(&test) && good);
}

/* Bands and caps reach the threads: measured by processor time, not by the clock. */
static void test_policy(void)
{
    enum { HOGS = KP_X86_CPUS_MAX + 1 };
    static kp_test_process_t front[HOGS], back;
    static kp_image_t images[HOGS + 1];
    kp_job_policy_t foreground = {.band = KP_BAND_FOREGROUND, .weight = 100};
    kp_job_policy_t background = {.band = KP_BAND_BACKGROUND, .weight = 100};
    unsigned count = kp_machine_cpu_count();
    bool good = kp_test_process_prepare(&back, &images[HOGS], kp_test_count);
    kp_machine_thread_set_policy(&back.thread, &background); /* also before it starts */
    good = good && kp_machine_thread_start_user(&back.thread, &back.process) == KP_OK;
    for (unsigned i = 0; i < count; i++) {
        good = starts(&front[i], &images[i], kp_test_count) && good;
        kp_machine_thread_set_policy(&front[i].thread, &foreground);
    }
    for (unsigned i = 0; i < count; i++)
        good = is_under_way(&front[i]) && good;
    /* As soon as the fronts have found their CPUs nothing is left for the one behind them. */
    uint64_t before = 0, used = 1;
    for (unsigned i = 0; i < 50 && used > 0; i++) {
        before = kp_machine_thread_cpu_time(&back.thread);
        kp_machine_thread_park(kp_machine_now() + 30 * KP_NS_PER_MS);
        used = kp_machine_thread_cpu_time(&back.thread) - before;
    }
    kp_test_report("policy_bands", good && used == 0);
    for (unsigned i = 0; i < count; i++)
        kp_machine_thread_kill(&front[i].thread);
    for (unsigned i = 0; i < count; i++)
        good = kp_test_process_wait(&front[i]) && good;

    static kp_sched_cap_t cap;
    kp_sched_cap_init(&cap, NULL, 5);
    kp_machine_thread_set_cap(&back.thread, &cap);
    before = kp_machine_thread_cpu_time(&back.thread);
    kp_time_t start = kp_machine_now(), elapsed = 0;
    /* A host that stops the CPU lets it run over the limit; it pays that back in later windows. */
    bool capped = false;
    for (unsigned i = 0; i < 80 && !capped; i++) {
        kp_machine_thread_park(kp_machine_now() + 150 * KP_NS_PER_MS);
        elapsed = kp_machine_now() - start;
        used = kp_machine_thread_cpu_time(&back.thread) - before;
        capped = used > 0 && used < (uint64_t)(elapsed + KP_SCHED_CAP_WINDOW) / 100 * 8;
    }
    kp_test_report("policy_cap", good && capped);
    kp_machine_thread_kill(&back.thread);
    good = kp_test_process_wait(&back);
    kp_test_report("policy_killed", good);
}

/* Each CPU admits one thread that wants half of it; the one more runs as a service does. What ends gives
   its share back. */
static void test_admission(void)
{
    enum { MOST = KP_X86_CPUS_MAX + 1 };
    static kp_test_process_t tests[MOST];
    static kp_image_t images[MOST];
    kp_job_policy_t policy = {.band = KP_BAND_DEADLINE,
                              .weight = 100,
                              .period_ns = 10 * KP_NS_PER_MS,
                              .budget_ns = 5 * KP_NS_PER_MS};
    unsigned count = kp_machine_cpu_count() + 1;
    bool good = true;
    for (unsigned round = 0; round < 2; round++) {
        unsigned admitted = 0;
        uint32_t cpus = 0;
        for (unsigned i = 0; i < count; i++) {
            good = kp_test_process_prepare(&tests[i], &images[i], kp_test_count) && good;
            kp_machine_thread_set_policy(&tests[i].thread, &policy);
            if (tests[i].thread.machine.entity.band == KP_BAND_DEADLINE) {
                admitted++;
                cpus |= 1u << atomic_load(&tests[i].thread.machine.cpu);
            } else {
                good = tests[i].thread.machine.entity.band == KP_BAND_SYSTEM && good;
            }
            good =
                kp_machine_thread_start_user(&tests[i].thread, &tests[i].process) == KP_OK && good;
        }
        good = good && admitted == count - 1 && cpus == (1u << (count - 1)) - 1;
        /* All get on: budgets leave room for the others. */
        for (unsigned i = 0; i < count; i++)
            good = counts_on(&tests[i], 0) && good;
        for (unsigned i = 0; i < count; i++)
            kp_machine_thread_kill(&tests[i].thread);
        for (unsigned i = 0; i < count; i++)
            good = kp_test_process_wait(&tests[i]) && good;
    }
    kp_test_report("policy_admission", good);
}

static uint64_t interrupts(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < kp_x86_view.count; i++)
        sum += atomic_load(&kp_x86_cpus[i]->interrupts);
    return sum;
}

/* Nothing to do: nobody is woken but for the one deadline, by timers armed before it, and by those that
   fire a little early because their rate is not known well. A tick would be 40 and more on each CPU. */
static void test_idle(void)
{
    kp_machine_thread_park(kp_machine_now() + 20 * KP_NS_PER_MS);
    uint64_t before = interrupts();
    kp_machine_thread_park(kp_machine_now() + 400 * KP_NS_PER_MS);
    uint64_t taken = interrupts() - before;
    kp_test_report("idle_takes_no_interrupts", taken >= 1 && taken <= 16);
}

void kp_test_smp_started(void)
{
    kp_time_t limit = kp_machine_now() + 600 * KP_NS_PER_S;
    while (kp_x86_view.count < kp_machine_cpu_count() && kp_machine_now() < limit)
        kp_machine_thread_park(kp_machine_now() + KP_NS_PER_MS);
    kp_test_report("smp_started", kp_x86_view.count == kp_machine_cpu_count());
}

/* Threads that ask each CPU, also the one that they happen to run on, and are moved meanwhile. */
static void ask_all(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < ROUNDS / 40; i++)
        kp_x86_smp_barrier(i % kp_x86_view.count);
    leave();
}

void kp_test_smp(void)
{
    kp_test_report("smp_barriers", run(ask_all, 2 * kp_machine_cpu_count()));
    test_threads();
    test_shootdown();
    test_suspend();
    test_policy();
    test_admission();
    test_idle();
    /* As if the CPUs' counters differed, from here on. */
    kp_x86_clock_set_unsynchronised(1);
    atomic_store(&shared.latest, 0);
    bool good = run(read_clock, 2 * kp_machine_cpu_count());
    kp_test_report("smp_clock_unsynchronised", good && !atomic_load(&shared.bad));
}
