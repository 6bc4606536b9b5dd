/* A program with threads for threads.c, without a library: what runtime/image/image.h says is all it has.
   The test writes which part to play into linear memory before it starts. Exit code 0, or the line of
   the check that failed. */
#include "abi/ipc.h"
#include "kernel/machine/hosted/test/bare_program.h"
#include "kernel/machine/hosted/test/threads.h"

__attribute__((section(".note.kpio"), used, aligned(4))) static const kp_image_note_t note =
    KP_IMAGE_NOTE_FLAGS(KP_IMAGE_MACHINE_HOSTED, KP_IMAGE_THREADS, 32, 1024);

static threads_shared_t *shared; /* at linear memory's begin */

static int64_t create(uint64_t entry, uint64_t argument)
{
    return call(KP_CALL_thread_create, entry, argument, 0, 0, 0);
}

static void wait_for(_Atomic uint32_t *word, uint32_t value)
{
    for (;;) {
        uint32_t now = *word;
        if (now == value)
            return;
        int64_t status = call(KP_CALL_futex_wait, at(word), now, 4, 0, (uint64_t)KP_TIME_INFINITE);
        CHECK(status == KP_OK || status == KP_ERR_BAD_STATE);
    }
}

static void add_one(_Atomic uint32_t *word)
{
    ++*word;
    call(KP_CALL_futex_wake, at(word), UINT32_MAX, 0, 0, 0);
}

static void sleep_for(kp_time_t ns)
{
    (void)call(KP_CALL_clock_get, KP_CLOCK_MONOTONIC, at(&shared->time), 0, 0, 0);
    shared->never = 0;
    call(KP_CALL_futex_wait, at(&shared->never), 0, 4, 0, (uint64_t)(shared->time + ns));
}

/* ---- threads ---- */

enum { WORK = 1, SPIN, FAULT, OVERFLOW, LAST, WRITE, GROW, RAW, LIAR, CALL, MAKE, STAY };

static void work(uint32_t index)
{
    uint8_t *mine = shared->bytes[index];
    for (uint32_t round = 0; round < 200; round++) {
        CHECK(call(KP_CALL_random_get, at(mine), 32, 0, 0, 0) == KP_OK);
        shared->counts[index]++;
        if (round % 50 == 0)
            sleep_for(100000);
        for (uint32_t i = 32; i < 64; i++) /* nobody else's answers come here */
            CHECK(mine[i] == 0);
    }
}

static int deep(int depth)
{
    volatile uint8_t frame[4096];
    frame[depth % 4096] = 1;
    return depth < 0 ? 0 : deep(depth + 1) + frame[(depth + 1) % 4096];
}

static void thread(uint64_t entry, uint64_t argument)
{
    switch (entry) {
    case WORK:
        work((uint32_t)argument);
        break;
    case SPIN:
        add_one(&shared->done);
        for (;;)
            shared->counts[argument]++;
    case FAULT:
        *((volatile uint8_t *)shared + 0x30000000) = 1;
        break;
    case OVERFLOW:
        (void)deep(0);
        break;
    case LAST:
        sleep_for(20000000);
        finish(7);
        break;
    case WRITE: /* answers into a page that another thread changes */
        for (uint32_t i = 0; i < 20000; i++) {
            int64_t status = call(KP_CALL_random_get, THREADS_PAGE + 64, 2000, 0, 0, 0);
            CHECK(status == KP_OK || status == KP_ERR_BAD_ADDRESS);
        }
        break;
    case GROW:
        for (uint32_t i = 0; i < 50; i++)
            CHECK(call(KP_CALL_memory_grow, 1, 0, 0, 0, 0) > 0);
        break;
    case RAW: {
        long result;
        __asm__ volatile("syscall"
                         : "=a"(result)
                         : "a"(argument), "D"(0L)
                         : "rcx", "r11", "memory");
        break;
    }
    case LIAR: { /* says that it has gone, and goes on */
        volatile uint8_t *page = (volatile uint8_t *)shared->page_address;
        *(volatile uint32_t *)(page + shared->number_offset) = KP_CALL_thread_exit;
        *(volatile uint32_t *)page = shared->state_call;
        /* The kernel is told by the wake of its futex. */
        long result;
        register long r10 __asm__("r10") = 2;
        __asm__ volatile("syscall"
                         : "=a"(result)
                         : "a"((long)shared->wake_number), "D"(page),
                           "S"(shared->wake_number == 202 ? 1L : 0xffffffffL), "d"(1L), "r"(r10)
                         : "rcx", "r11", "memory");
        while (*(volatile uint32_t *)page != shared->state_leave)
            continue;
        *(volatile uint32_t *)(page + shared->thread_offset) = 0;
        for (;;)
            shared->counts[0]++;
    }
    case CALL:
        for (uint32_t i = 0; i < 300; i++) {
            kp_channel_call_t *io = &shared->io[argument];
            io->request.bytes = (uint32_t)at(shared->bytes[argument]);
            io->request.byte_count = 64;
            io->reply = io->request;
            uint8_t before = shared->bytes[argument][7];
            CHECK(call(KP_CALL_channel_call, shared->peer, at(io), (uint64_t)KP_TIME_INFINITE, 0,
                       0) == KP_OK);
            CHECK(shared->bytes[argument][7] == (uint8_t)(before + 1));
            shared->counts[argument]++;
        }
        break;
    case MAKE:
        for (uint32_t i = 0; i < THREADS_MADE; i++)
            CHECK(create(STAY, 0) > 0);
        break;
    case STAY:
        add_one(&shared->staying);
        wait_for(&shared->staying, THREADS_MAKERS_COUNT * THREADS_MADE);
        break;
    default:
        CHECK(!"an entry");
    }
    add_one(&shared->done);
}

/* ---- the first thread ---- */

static void generations(void)
{
    for (uint32_t round = 0; round < 20; round++) {
        shared->done = 0;
        for (uint64_t i = 0; i < 8; i++)
            CHECK(create(WORK, i) > 0);
        wait_for(&shared->done, 8);
    }
    for (uint32_t i = 0; i < 8; i++)
        CHECK(shared->counts[i] == 20 * 200);
}

/* Threads that stay for a while are made by several at once. */
static void makers(void)
{
    for (uint64_t i = 0; i < THREADS_MAKERS_COUNT; i++)
        CHECK(create(MAKE, i) > 0);
    wait_for(&shared->done, THREADS_MAKERS_COUNT * (THREADS_MADE + 1));
}

static void change_mappings(void)
{
    int64_t vmo = call(KP_CALL_vmo_create, 4096, 0, 0, 0, 0);
    CHECK(vmo > 0 && create(WRITE, 0) > 0 && create(GROW, 0) > 0);
    for (uint32_t i = 0; i < 2000; i++) {
        CHECK(call(KP_CALL_vmo_map, (uint64_t)vmo, 0, THREADS_PAGE, 4096, i & KP_VMO_MAP_WRITE) ==
              KP_OK);
        CHECK(call(KP_CALL_vmo_unmap, THREADS_PAGE, 4096, 0, 0, 0) == KP_OK);
    }
    wait_for(&shared->done, 2);
}

/* The server first hears one caller, which gets a lane, then four at once. */
static void calls(void)
{
    int64_t channel = call(KP_CALL_startup_channel, 0, 0, 0, 0, 0);
    CHECK(channel > 0);
    shared->peer = (uint32_t)channel;
    thread(CALL, 0);
    for (uint64_t i = 1; i < 5; i++)
        CHECK(create(CALL, i) > 0);
    thread(CALL, 5);
    wait_for(&shared->done, 6);
}

__attribute__((used)) void start(uint8_t *memory, uint64_t pages, kp_image_call_fn function,
                                 uint64_t is_further, uint64_t entry, uint64_t argument);
void start(uint8_t *memory, uint64_t pages, kp_image_call_fn function, uint64_t is_further,
           uint64_t entry, uint64_t argument)
{
    (void)pages;
    if (is_further) {
        thread(entry, argument);
        call(KP_CALL_thread_exit, 0, 0, 0, 0, 0);
        finish(__LINE__);
    }
    linear_memory = memory;
    shared = (threads_shared_t *)memory;
    machine_call = function;
    switch (shared->part) {
    case THREADS_GENERATIONS:
        generations();
        break;
    case THREADS_SPIN:
        for (uint64_t i = 0; i < 3; i++)
            CHECK(create(SPIN, i) > 0);
        for (;;)
            shared->counts[3]++;
    case THREADS_FAULT:
    case THREADS_OVERFLOW:
    case THREADS_RAW:
        CHECK(create(SPIN, 0) > 0);
        wait_for(&shared->done, 1);
        CHECK(create(shared->part == THREADS_FAULT      ? FAULT
                     : shared->part == THREADS_OVERFLOW ? OVERFLOW
                                                        : RAW,
                     shared->argument) > 0);
        wait_for(&shared->done, 99);
        break;
    case THREADS_FIRST_LEAVES:
        CHECK(create(LAST, 0) > 0);
        call(KP_CALL_thread_exit, 0, 0, 0, 0, 0);
        finish(__LINE__);
        break;
    case THREADS_MAPPINGS:
        change_mappings();
        break;
    case THREADS_LIAR:
        CHECK(create(LIAR, 0) > 0);
        sleep_for(100000000);
        for (uint32_t i = 0; i < 100; i++)
            CHECK(create(LIAR, 0) > 0);
        break;
    case THREADS_CALLS:
        calls();
        break;
    case THREADS_MAKERS:
        makers();
        break;
    default:
        CHECK(!"a part");
    }
    finish(0);
}
