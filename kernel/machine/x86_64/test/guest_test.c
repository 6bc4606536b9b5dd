/* Guest memories: a program's thread touches one through code made at run time, while it grows, others come
   and go, and it is destroyed; what it cost comes back. */
#include "kernel/machine/x86_64/memory.h"
#include "kernel/machine/x86_64/promise.h"
#include "kernel/machine/x86_64/test/stand_in.h"
#include "kernel/object/vmo.h"

extern const uint8_t kp_test_image[], kp_test_guest_loop[], kp_test_guest_handler[];

#define MIB ((uint64_t)1 << 20)
enum { CODE = 0, FAULTS = 8, STOP = 16, MEMORY = 24 };

static kp_vmo_t vmo;
static kp_image_t image;
static kp_test_process_t test;

static uint64_t free_bytes(void)
{
    uint64_t total, left;
    kp_x86_memory_usage(&total, &left);
    return left;
}

static bool code_make(void)
{
    static const uint8_t code[] = {0xc6, 0x07, 0x01, 0xc3}; /* movb $1, (%rdi); ret */
    memset(&vmo, 0, sizeof(vmo));
    return kp_machine_vmo_init(&vmo.machine, KP_PAGE_SIZE) == KP_OK &&
           kp_machine_vmo_write(&vmo.machine, 0, code, sizeof(code)) == KP_OK &&
           kp_machine_vmo_seal_write(&vmo.machine) == KP_OK;
}

static bool word_write(uint32_t at, uint64_t word)
{
    return kp_machine_space_copy_out(&test.process.space, at, &word, sizeof(word)) == KP_OK;
}

static uint64_t word_read(uint32_t at)
{
    uint64_t word = 0;
    (void)kp_machine_space_copy_in(&test.process.space, &word, at, sizeof(word));
    return word;
}

static void pause(void)
{
    (void)kp_machine_thread_park(kp_machine_now() + KP_NS_PER_MS);
}

/* The program runs, with an empty memory in slot 0. */
static bool begin(bool handled)
{
    kp_machine_space_t *space = &test.process.space;
    uint64_t code = 0, memory = 0;
    bool good = kp_test_process_prepare(&test, &image, kp_test_guest_loop) &&
                kp_machine_space_map_code(space, &vmo, KP_PAGE_SIZE, &code) == KP_OK &&
                kp_machine_space_guest_create(space, 0, KP_GUEST_RESERVE_MAX, &memory) == KP_OK;
    uint64_t handler = space->base + (uint64_t)(kp_test_guest_handler - kp_test_image);
    good = good && kp_machine_space_guest_handler(space, memory) == KP_ERR_BAD_ADDRESS &&
           kp_machine_space_guest_handler(space, code) == KP_ERR_BAD_ADDRESS &&
           kp_machine_space_guest_handler(space, UINT64_MAX / 2) == KP_ERR_BAD_ADDRESS &&
           (!handled || kp_machine_space_guest_handler(space, handler) == KP_OK);
    return good && word_write(CODE, code) && word_write(MEMORY, memory) &&
           kp_machine_thread_start_user(&test.thread, &test.process) == KP_OK;
}

static void test_grow(void)
{
    kp_machine_space_t *space = &test.process.space;
    uint64_t before = free_bytes(), other, size = 0;
    bool good = begin(true);
    for (unsigned round = 0; good && size < 8 * MIB; round++) {
        uint32_t slot = 1 + round % 3;
        good = kp_machine_space_guest_grow(space, 0, size, size + 64 * 1024) == KP_OK &&
               kp_machine_space_guest_create(space, slot, 2 * MIB, &other) == KP_OK &&
               kp_machine_space_guest_grow(space, slot, 0, MIB) == KP_OK &&
               kp_machine_space_guest_destroy(space, slot) == KP_OK;
        size += 64 * 1024;
        if (round % 8 == 0)
            pause();
    }
    uint64_t faults = word_read(FAULTS);
    good = good && faults > 0;
    /* Nothing is beyond its size now. */
    pause();
    faults = word_read(FAULTS);
    for (int i = 0; i < 20; i++)
        pause();
    good = good && word_read(FAULTS) == faults && word_write(STOP, 1);
    good = kp_test_process_wait(&test) && good && test.process.exit_reason == KP_EXIT_NORMAL &&
           test.process.exit_code == 42;
    kp_test_report("guest_grows_while_it_is_touched", good && free_bytes() + MIB / 2 >= before);
}

static void test_destroy(void)
{
    bool good = true;
    for (int round = 0; round < 20 && good; round++) {
        kp_machine_space_t *space = &test.process.space;
        uint64_t before = free_bytes();
        good = begin(true) && kp_machine_space_guest_grow(space, 0, 0, 8 * MIB) == KP_OK;
        pause();
        uint64_t memory = word_read(MEMORY);
        atomic_store(&test.held, true); /* the process may end in the middle */
        good = good && kp_machine_space_guest_destroy(space, 0) == KP_OK;
        atomic_store(&test.held, false);
        good = kp_test_process_wait(&test) && good && test.process.exit_reason == KP_EXIT_FAULT &&
               test.process.exit_code == 14 && test.process.fault_address - memory < 8 * MIB &&
               free_bytes() + MIB / 2 >= before;
    }
    kp_test_report("guest_destroyed_while_it_is_touched", good);
    good = begin(false) && kp_test_process_wait(&test) &&
           test.process.exit_reason == KP_EXIT_FAULT && test.process.exit_code == 14;
    kp_test_report("guest_without_handler", good);
}

/* What was promised is not promised again, and comes back. */
static void test_promise(void)
{
    kp_machine_space_t *space = &test.process.space;
    uint64_t memory, pages = free_bytes() / KP_PAGE_SIZE, size = 0;
    bool good =
        kp_test_process_prepare(&test, &image, kp_test_guest_loop) &&
        kp_machine_space_guest_create(space, 5, KP_GUEST_RESERVE_MAX, &memory) == KP_OK &&
        kp_machine_space_guest_grow(space, 5, 0, (pages + 16) * KP_PAGE_SIZE) == KP_ERR_NO_MEMORY;
    while (good && kp_machine_space_guest_grow(space, 5, size, size + 4 * MIB) == KP_OK)
        size += 4 * MIB;
    good = good && size > pages * KP_PAGE_SIZE / 2 && size < pages * KP_PAGE_SIZE &&
           !kp_x86_promise(4 * MIB / KP_PAGE_SIZE) &&
           kp_machine_space_grow(space, 3, 3 + 128) == KP_ERR_NO_MEMORY;
    if (good)
        good = kp_machine_space_guest_destroy(space, 5) == KP_OK &&
               kp_x86_promise(size / 2 / KP_PAGE_SIZE);
    if (good)
        kp_x86_promise_end(size / 2 / KP_PAGE_SIZE);
    kp_machine_space_destroy(space);
    kp_test_report("guest_promises", good);
}

void kp_test_guest(void)
{
    if (!code_make()) {
        kp_test_report("guest_code", false);
        return;
    }
    test_grow();
    test_destroy();
    test_promise();
    kp_machine_vmo_destroy(&vmo.machine);
}
