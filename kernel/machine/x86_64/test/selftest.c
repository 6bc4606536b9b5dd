/* The machine's self-test: a kernel whose core is stand_in.c. "panic=..." on the command line
   provokes one of the faults that must end in a panic; run.sh reads what it prints. */
#include "kernel/machine/x86_64/boot.h"
#include "kernel/machine/x86_64/memory.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/symbols.h"
#include "kernel/machine/x86_64/test/stand_in.h"

enum { BLOCKS = 300, ROUNDS = 100 };

static void test_protection(void)
{
    kp_test_report("wx_and_user_bits", kp_x86_paging_violations() == 0);
    uint64_t offset = 99;
    const char *name = kp_x86_symbol_find((uint64_t)kp_kernel_main, &offset);
    kp_test_report("symbols", name && strcmp(name, "kp_kernel_main") == 0 && offset == 0);
}

/* Hands out all RAM by single pages, and takes it back. How many. */
static uint64_t exhaust(bool *is_out)
{
    void **chain = NULL;
    uint64_t count = 0;
    for (void **page; (page = kp_x86_page_allocate()); chain = page, count++)
        *page = chain;
    *is_out = !kp_kalloc(100000);
    while (chain) {
        void **next = *chain;
        kp_x86_page_free(chain);
        chain = next;
    }
    return count;
}

/* All RAM can be handed out, but a 256th for its books, and comes back: the same pages each time. */
static void test_exhaustion(void)
{
    uint64_t total, fresh, before, after;
    bool is_out, is_out_again;
    kp_test_threads_settle(); /* the clock's and the CPUs' starts have ended, and given back what they had */
    kp_x86_memory_usage(&total, &fresh);
    uint64_t first = exhaust(&is_out) * KP_PAGE_SIZE;
    kp_x86_memory_usage(&total, &before);
    bool good =
        is_out && before == first && first <= fresh && before + total / 256 + 65536 >= fresh;
    good = good && exhaust(&is_out_again) * KP_PAGE_SIZE == before && is_out_again;
    kp_x86_memory_usage(&total, &after);
    kp_test_report("pages_exhausted", good && before == after);
}

static void test_pages(void)
{
    static void *blocks[BLOCKS];
    uint64_t total, before, middle, after;
    kp_x86_memory_usage(&total, &before);
    bool good = true;
    for (unsigned i = 0; i < BLOCKS; i++) {
        size_t count = i % 50 + 1, order = 1;
        while (order < count)
            order *= 2;
        blocks[i] = kp_x86_pages_allocate(count);
        good = good && blocks[i] && (uint64_t)blocks[i] % (order * KP_PAGE_SIZE) == 0;
        for (size_t k = 0; good && k < count; k++)
            memset((char *)blocks[i] + k * KP_PAGE_SIZE, (int)i, 16);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        for (size_t k = 0; good && k < i % 50 + 1; k++)
            good = ((uint8_t *)blocks[i])[k * KP_PAGE_SIZE] == (uint8_t)i;
    kp_x86_memory_usage(&total, &middle);
    good = good && before - middle == (BLOCKS / 50) * (50 * 51 / 2) * (uint64_t)KP_PAGE_SIZE;
    for (unsigned i = 0; i < BLOCKS; i += 2)
        kp_x86_pages_free(blocks[i], i % 50 + 1);
    for (unsigned i = 1; i < BLOCKS; i += 2)
        kp_x86_pages_free(blocks[i], i % 50 + 1);
    kp_x86_memory_usage(&total, &after);
    kp_test_report("pages", good && before == after);

    /* The largest run is there again, so freed blocks did join. */
    void *large = kp_x86_pages_allocate(2048);
    kp_test_report("pages_join", large && (uint64_t)large % (8u << 20) == 0 &&
                                     !kp_x86_pages_allocate(2049) && !kp_x86_pages_allocate(0));
    kp_x86_pages_free(large, 2048);
}

/* Stacks that are not needed any more go back, but a few; their places are used again. */
static void test_stacks(void)
{
    enum { STACKS = 200, SIZE = 24576, KEPT = 16 };
    static uint64_t stacks[STACKS];
    uint64_t total, before = 0, after[3], highest[3] = {0};
    bool good = true;
    for (unsigned round = 0; round < 3; round++) {
        kp_x86_memory_usage(&total, &before);
        for (unsigned i = 0; i < STACKS && good; i++) {
            stacks[i] = kp_x86_stack_allocate();
            good = stacks[i] != 0;
            for (uint64_t at = 8; at < SIZE && good; at += 1000)
                *(volatile uint64_t *)((stacks[i] - at) & ~7ull) = i * 7919 + at;
            highest[round] = KP_MAX(highest[round], stacks[i]);
        }
        for (unsigned i = 0; i < STACKS && good; i++)
            for (uint64_t at = 8; at < SIZE; at += 1000)
                good = good && *(volatile uint64_t *)((stacks[i] - at) & ~7ull) == i * 7919 + at;
        for (unsigned i = 0; i < STACKS; i++)
            kp_x86_stack_free(stacks[i]);
        kp_x86_memory_usage(&total, &after[round]);
    }
    /* Page tables and what remembers the places stay. */
    good = good && after[2] + KEPT * SIZE + 131072 >= before && after[1] == after[2] &&
           highest[0] == highest[2];
    kp_test_report("stacks_go_back", good);
}

static void test_heap(void)
{
    static uint8_t *blocks[BLOCKS];
    bool good = true;
    for (unsigned i = 0; i < BLOCKS; i++) {
        size_t size = (size_t)i * i / 2;
        blocks[i] = kp_kalloc(size);
        good = good && blocks[i] && (uint64_t)blocks[i] % 16 == 0;
        for (size_t k = 0; good && k < size; k++)
            good = blocks[i][k] == 0;
        if (good)
            memset(blocks[i], (int)i, size);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        for (size_t k = 0; good && k < (size_t)i * i / 2; k++)
            good = blocks[i][k] == (uint8_t)i;
    for (unsigned i = 0; i < BLOCKS; i++)
        kp_kfree(blocks[(i * 7) % BLOCKS]);
    kp_kfree(NULL);
    good = good && !kp_kalloc((8u << 20) + 1);
    kp_x86_allocation_fail_at(2);
    void *first = kp_kalloc(20), *second = kp_kalloc(20), *third = kp_kalloc(20);
    good = good && first && !second && third;
    kp_kfree(first);
    kp_kfree(third);
    kp_test_report("heap", good);
}

typedef struct pair {
    kp_thread_t *first;
    atomic_uint turns;
    atomic_bool stop;
    atomic_ulong counts[2];
    atomic_uint gone;
} pair_t;

static void answer(void *argument)
{
    pair_t *pair = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        while (atomic_load(&pair->turns) % 2 == 0)
            kp_machine_thread_park(KP_TIME_INFINITE);
        atomic_fetch_add(&pair->turns, 1);
        kp_machine_thread_unpark(pair->first);
    }
}

static void count_0(void *argument)
{
    pair_t *pair = argument;
    while (!atomic_load(&pair->stop))
        atomic_fetch_add(&pair->counts[0], 1);
    atomic_fetch_add(&pair->gone, 1);
}

static void count_1(void *argument)
{
    pair_t *pair = argument;
    while (!atomic_load(&pair->stop))
        atomic_fetch_add(&pair->counts[1], 1);
    atomic_fetch_add(&pair->gone, 1);
}

static void answer_handoff(void *argument)
{
    pair_t *pair = argument;
    while (!atomic_load(&pair->stop)) {
        if (atomic_load(&pair->turns) % 2 == 1) {
            atomic_fetch_add(&pair->turns, 1);
            kp_machine_thread_handoff(pair->first, KP_TIME_INFINITE);
        } else {
            kp_machine_thread_park(KP_TIME_INFINITE);
        }
    }
    atomic_fetch_add(&pair->gone, 1);
    kp_machine_thread_unpark(pair->first);
}

/* Rounds of hand-off and back, with and without a deadline; each is exactly two switches on one CPU. */
static void test_handoff(void)
{
    static pair_t pair;
    kp_thread_t *other = NULL;
    pair.first = kp_machine_thread_current();
    bool good = kp_thread_create("answer", answer_handoff, &pair, &other) == KP_OK;
    kp_machine_thread_park(kp_machine_now() + KP_NS_PER_MS);
    for (unsigned i = 0; i < ROUNDS && good; i++) {
        atomic_fetch_add(&pair.turns, 1);
        kp_time_t deadline = i % 2 ? KP_TIME_INFINITE : kp_machine_now() + 600 * KP_NS_PER_S;
        while (atomic_load(&pair.turns) % 2 == 1)
            good = kp_machine_thread_handoff(other, deadline) && good;
    }
    kp_test_report("handoff", good && atomic_load(&pair.turns) == 2 * ROUNDS);
    /* The other one does not answer an even turn: the deadline passes. */
    good = !kp_machine_thread_handoff(other, kp_machine_now() + 2 * KP_NS_PER_MS);
    kp_test_report("handoff_deadline", good);
    atomic_store(&pair.stop, true);
    kp_machine_thread_unpark(other);
    kp_time_t limit = kp_machine_now() + 600 * KP_NS_PER_S;
    while (!atomic_load(&pair.gone) && kp_machine_now() < limit)
        kp_machine_thread_park(kp_machine_now() + KP_NS_PER_MS);
    kp_test_report("handoff_ended", atomic_load(&pair.gone) == 1);
}

static void test_threads(void)
{
    static pair_t pair;
    kp_thread_t *self = kp_machine_thread_current(), *other = NULL;
    kp_time_t start = kp_machine_now();
    bool good = !kp_machine_thread_park(start + 5 * KP_NS_PER_MS) &&
                kp_machine_now() >= start + 5 * KP_NS_PER_MS && !kp_machine_thread_park(0);
    kp_machine_thread_unpark(self);
    kp_machine_thread_unpark(self);
    good = good && kp_machine_thread_park(KP_TIME_INFINITE) && !kp_machine_thread_park(0);
    kp_test_report("park", good);

    pair.first = self;
    good = kp_thread_create("answer", answer, &pair, &other) == KP_OK;
    for (unsigned i = 0; i < ROUNDS && good; i++) {
        atomic_fetch_add(&pair.turns, 1);
        kp_machine_thread_unpark(other);
        while (atomic_load(&pair.turns) % 2 == 1)
            kp_machine_thread_park(KP_TIME_INFINITE);
    }
    kp_test_report("ping_pong", good && atomic_load(&pair.turns) == 2 * ROUNDS);
    test_handoff();

    /* Three threads of one band that never park: all go on. */
    good = kp_thread_create("count 0", count_0, &pair, NULL) == KP_OK &&
           kp_thread_create("count 1", count_1, &pair, NULL) == KP_OK;
    kp_time_t limit = kp_machine_now() + 600 * KP_NS_PER_S;
    while (good && (!atomic_load(&pair.counts[0]) || !atomic_load(&pair.counts[1])) &&
           kp_machine_now() < limit)
        ;
    good = good && atomic_load(&pair.counts[0]) && atomic_load(&pair.counts[1]);
    atomic_store(&pair.stop, true);
    while (atomic_load(&pair.gone) < 2 && kp_machine_now() < limit)
        kp_machine_thread_park(kp_machine_now() + KP_NS_PER_MS);
    kp_test_report("kernel_preempted", good && atomic_load(&pair.gone) == 2);
}

static void test_time_and_random(void)
{
    kp_time_t last = kp_machine_now();
    bool good = last > 0;
    for (unsigned i = 0; i < 100000; i++) {
        kp_time_t now = kp_machine_now();
        good = good && now >= last;
        last = now;
    }
    /* Between 2024 and 2100, and running. */
    uint64_t real = kp_machine_realtime();
    good = good && real > 1704067200ull * 1000000000 && real < 4102444800ull * 1000000000;
    kp_machine_thread_park(kp_machine_now() + 2 * KP_NS_PER_MS);
    kp_test_report("clocks", good && kp_machine_realtime() >= real + 2000000);

    uint8_t a[1000] = {0}, b[1000] = {0};
    unsigned ones = 0;
    good = kp_machine_random(a, sizeof(a)) == KP_OK && kp_machine_random(b, sizeof(b)) == KP_OK;
    for (unsigned i = 0; i < sizeof(a); i++)
        for (unsigned k = 0; k < 8; k++)
            ones += a[i] >> k & 1;
    kp_test_report("random", good && memcmp(a, b, sizeof(a)) != 0 && ones > 3700 && ones < 4300);
}

static uint64_t depth(uint64_t n)
{
    volatile uint8_t room[512];
    memset((void *)room, (int)n, sizeof(room));
    if (n < UINT64_MAX)
        n += depth(n + 1);
    return n + room[n % sizeof(room)];
}

/* Writes past its array, as a missing check would. */
__attribute__((noinline)) static void overrun(const char *what)
{
    char room[16];
    volatile char *at = room;
    for (unsigned i = 0; i < 48; i++)
        at[i] = what[i % 4];
}

__attribute__((noinline)) static void provoke(const char *what)
{
    void (*in_data)(void) = (void (*)(void))(uint64_t)kp_kalloc(16);
    static kp_spinlock_t lock;
    if (strcmp(what, "stack") == 0)
        kp_log("selftest", KP_LOG_INFO, "%llu", (unsigned long long)depth(0));
    else if (strcmp(what, "text") == 0)
        *(volatile uint8_t *)kp_kernel_main = 0;
    else if (strcmp(what, "alias") == 0)
        *(volatile uint8_t *)kp_x86_direct(kp_x86_physical((const void *)kp_kernel_main)) = 0;
    else if (strcmp(what, "execute") == 0)
        in_data();
    else if (strcmp(what, "frame") == 0)
        overrun(what);
    else if (strcmp(what, "check") == 0)
        KP_CHECK(what[0] == 0);
    else if (strcmp(what, "lock") == 0) {
        kp_spin_lock(&lock);
        kp_spin_lock(&lock);
    }
}

/* "bench": what the machine's primitives cost here. */
static void bench(void)
{
    enum { SIZE = 1 << 20, TIMES = 20, SHIFT = 5 * 4096, SWITCHES = 2000 };
    static pair_t pair;
    char *a = kp_kalloc(SIZE), *b = kp_kalloc(SIZE + SHIFT);
    KP_CHECK(a && b);
    b += SHIFT; /* not in the same slots of an emulator's TLB */
    kp_time_t start = kp_machine_now();
    for (unsigned i = 0; i < TIMES; i++)
        memset(a, (int)i, SIZE);
    kp_time_t middle = kp_machine_now();
    for (unsigned i = 0; i < TIMES; i++)
        memcpy(b, a, SIZE);
    kp_time_t end = kp_machine_now();
    kp_log("bench", KP_LOG_INFO, "memset %lld ns, memcpy %lld ns a page of 4 KiB",
           (long long)(middle - start) / (TIMES * SIZE / 4096),
           (long long)(end - middle) / (TIMES * SIZE / 4096));
    kp_thread_t *other = NULL;
    pair.first = kp_machine_thread_current();
    start = kp_machine_now();
    for (unsigned round = 0; round < SWITCHES / ROUNDS; round++) {
        KP_CHECK(kp_thread_create("answer", answer, &pair, &other) == KP_OK);
        for (unsigned i = 0; i < ROUNDS; i++) {
            atomic_fetch_add(&pair.turns, 1);
            kp_machine_thread_unpark(other);
            while (atomic_load(&pair.turns) % 2 == 1)
                kp_machine_thread_park(KP_TIME_INFINITE);
        }
    }
    kp_log("bench", KP_LOG_INFO, "unpark, switch and back: %lld ns",
           (long long)(kp_machine_now() - start) / SWITCHES);
    static pair_t server;
    server.first = pair.first;
    KP_CHECK(kp_thread_create("answer", answer_handoff, &server, &other) == KP_OK);
    kp_machine_thread_park(kp_machine_now() + KP_NS_PER_MS);
    start = kp_machine_now();
    for (unsigned i = 0; i < SWITCHES; i++) {
        atomic_fetch_add(&server.turns, 1);
        while (atomic_load(&server.turns) % 2 == 1)
            kp_machine_thread_handoff(other, KP_TIME_INFINITE);
    }
    kp_log("bench", KP_LOG_INFO, "hand-off and back: %lld ns",
           (long long)(kp_machine_now() - start) / SWITCHES);
    start = kp_machine_now();
    for (unsigned i = 0; i < 10000; i++)
        kp_kfree(kp_kalloc(100));
    kp_log("bench", KP_LOG_INFO, "allocate and free 100 bytes: %lld ns",
           (long long)(kp_machine_now() - start) / 10000);
    kp_test_user_bench();
    kp_machine_shutdown(1);
}

void kp_kernel_main(const kp_boot_t *boot)
{
    char what[16];
    if (kp_x86_boot_option("bench", what, sizeof(what)))
        bench();
    if (kp_x86_boot_option("panic=", what, sizeof(what)))
        provoke(what);
    kp_test_report("command_line", kp_x86_boot_option("selftest", what, sizeof(what)) &&
                                       !kp_x86_boot_option("self", what, sizeof(what)));
    if (kp_x86_boot_option("bundle=", what, sizeof(what))) {
        const uint64_t *word = boot->bundle;
        kp_test_report("bundle",
                       word && boot->bundle_size == 5000 && word[0] == 0x4141414141414141);
    }
    kp_test_smp_started();
    test_protection();
    test_exhaustion(); /* so all books are made, and what is free stays the same below */
    test_pages();
    test_stacks();
    test_heap();
    test_threads();
    test_time_and_random();
    kp_test_smp();
    kp_test_user();
    kp_test_vmo();
    kp_test_code();
    kp_test_guest();
    uint64_t total, before, after;
    kp_x86_memory_usage(&total, &before);
    kp_test_stress(kp_x86_boot_option("stress", what, sizeof(what)) ? 20000 : 300);
    kp_x86_memory_usage(&total, &after);
    /* Kernel stacks are kept for reuse: at most 8 more than before. */
    kp_test_report("stress_memory_returned", after + 8 * 24576 + 65536 >= before);
    kp_test_report("wx_and_user_bits_after", kp_x86_paging_violations() == 0);
    kp_log("selftest", KP_LOG_INFO, "end, %d failed", kp_test_failures());
    kp_machine_shutdown(kp_test_failures() ? 2 : 1);
}
