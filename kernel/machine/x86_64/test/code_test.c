/* Code made at run time: it runs, nobody writes it, it goes when it is unmapped, its tables are used again,
   and its pages are the VMO's. */
#include "kernel/machine/x86_64/memory.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/space_private.h"
#include "kernel/machine/x86_64/test/stand_in.h"
#include "kernel/machine/x86_64/space.h"
#include "kernel/machine/x86_64/vmo.h"

extern const uint8_t kp_test_run_code[];

enum { CODE_PAGES = 700 }; /* two page tables */

static kp_vmo_t vmo;
static kp_image_t image;

static uint64_t free_bytes(void)
{
    uint64_t total, left;
    kp_x86_memory_usage(&total, &left);
    return left;
}

/* A sealed VMO whose pages `from` and up each begin with code that returns the page's number. */
static bool vmo_make(uint64_t pages, uint64_t from)
{
    memset(&vmo, 0, sizeof(vmo));
    bool good = kp_machine_vmo_init(&vmo.machine, pages * KP_PAGE_SIZE) == KP_OK;
    for (uint32_t i = (uint32_t)from; i < pages && good; i++) {
        uint8_t code[6] = {0xb8, 0, 0, 0, 0, 0xc3}; /* mov eax, i; ret */
        memcpy(code + 1, &i, 4);
        good = kp_machine_vmo_write(&vmo.machine, (uint64_t)i * KP_PAGE_SIZE, code, sizeof(code)) ==
               KP_OK;
    }
    return good && kp_machine_vmo_seal_write(&vmo.machine) == KP_OK;
}

static bool prepare(kp_test_process_t *test, uint64_t *address)
{
    return kp_test_process_prepare(test, &image, kp_test_run_code) &&
           kp_machine_space_map_code(&test->process.space, &vmo, CODE_PAGES * KP_PAGE_SIZE,
                                     address) == KP_OK;
}

/* Runs the process, which calls and, unless 0, writes there. */
static bool run(kp_test_process_t *test, uint64_t call, uint64_t write)
{
    const uint64_t words[2] = {call, write};
    return kp_machine_space_copy_out(&test->process.space, 0, words, sizeof(words)) == KP_OK &&
           kp_machine_thread_start_user(&test->thread, &test->process) == KP_OK &&
           kp_test_process_wait(test);
}

/* Every page of user memory that may be executed is not writable. */
static bool is_writable_and_executable(const uint64_t *table, unsigned level)
{
    for (unsigned i = 0; i < (level == 3 ? 256 : 512); i++) {
        if (!(table[i] & KP_X86_PTE_PRESENT))
            continue;
        if (level == 0 ? (table[i] & KP_X86_PTE_WRITE) && !(table[i] & KP_X86_PTE_NO_EXECUTE)
                       : is_writable_and_executable(kp_x86_direct(table[i] & KP_X86_PTE_ADDRESS),
                                                    level - 1))
            return true;
    }
    return false;
}

static void test_run(void)
{
    static kp_test_process_t test;
    uint64_t at = 0;
    bool good = prepare(&test, &at);
    uint64_t own = 0, shared = 0;
    kp_machine_space_usage(&test.process.space, &own, &shared);
    good = good && shared == (CODE_PAGES + 1) * KP_PAGE_SIZE && /* and a text page */
           !is_writable_and_executable(kp_x86_direct(test.process.space.root), 3);
    uint64_t last = (CODE_PAGES - 1) * (uint64_t)KP_PAGE_SIZE;
    good = run(&test, at + last, 0) && test.process.exit_code == CODE_PAGES - 1 && good;
    kp_test_report("code_runs", good && test.process.exit_reason == KP_EXIT_NORMAL);

    good = prepare(&test, &at) && run(&test, at + KP_PAGE_SIZE, at + KP_PAGE_SIZE) &&
           test.process.exit_reason == KP_EXIT_FAULT && test.process.exit_code == 14 &&
           test.process.fault_address == at + KP_PAGE_SIZE;
    kp_test_report("code_is_not_writable", good);

    good = prepare(&test, &at) && run(&test, at + last + KP_PAGE_SIZE, 0) &&
           test.process.exit_reason == KP_EXIT_FAULT;
    kp_test_report("code_ends_with_a_gap", good);

    good =
        prepare(&test, &at) &&
        kp_machine_space_unmap_code(&test.process.space, at, CODE_PAGES * KP_PAGE_SIZE) == KP_OK &&
        run(&test, at + KP_PAGE_SIZE, 0) && test.process.exit_reason == KP_EXIT_FAULT;
    kp_test_report("code_unmapped", good);
}

/* Many ranges that come and go in one space: they never overlap, and no table is lost. */
static void test_ranges(void)
{
    enum { RANGES = 32, ROUNDS = 2000 };
    static kp_test_process_t test;
    uint64_t starts[RANGES] = {0}, lengths[RANGES] = {0}, seed = 1;
    kp_machine_space_t *space = &test.process.space;
    bool good = kp_test_process_prepare(&test, &image, kp_test_run_code);
    uint64_t most = 0, own = 0, shared = 0;
    for (unsigned round = 0; round < ROUNDS && good; round++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        unsigned i = (unsigned)(seed >> 33) % RANGES;
        if (lengths[i]) {
            good = kp_machine_space_unmap_code(space, starts[i], lengths[i]) == KP_OK;
            lengths[i] = 0;
            continue;
        }
        uint64_t length = (1 + (seed >> 40) % CODE_PAGES) * KP_PAGE_SIZE;
        good = kp_machine_space_map_code(space, &vmo, length, &starts[i]) == KP_OK;
        lengths[i] = length;
        for (unsigned k = 0; k < RANGES && good; k++)
            good = k == i || !lengths[k] || starts[i] + length < starts[k] ||
                   starts[k] + lengths[k] < starts[i];
        uint8_t code[6];
        good = good && kp_x86_space_read(space, starts[i] + length - KP_PAGE_SIZE, code, 6) &&
               code[0] == (length == KP_PAGE_SIZE ? 0 : 0xb8);
        kp_machine_space_usage(space, &own, &shared);
        most = KP_MAX(most, own);
    }
    /* All ranges together have at most 32 * 700 pages: 44 tables, and a few beside. */
    good = good && most <= 80 * KP_PAGE_SIZE;
    kp_machine_space_destroy(space);
    kp_test_report("code_ranges", good);
}

/* Every allocation of a mapping may fail; nothing may be lost. */
static void test_no_memory(void)
{
    static kp_test_process_t test;
    bool good = true, complete = false;
    for (unsigned n = 1; n < 40 && good && !complete; n++) {
        uint64_t before = free_bytes(), at;
        good = kp_test_process_prepare(&test, &image, kp_test_run_code);
        kp_x86_allocation_fail_at(n);
        kp_status_t status =
            kp_machine_space_map_code(&test.process.space, &vmo, CODE_PAGES * KP_PAGE_SIZE, &at);
        kp_x86_allocation_fail_at(0);
        complete = status == KP_OK;
        good = good && (complete || status == KP_ERR_NO_MEMORY);
        kp_machine_space_destroy(&test.process.space);
        good = good && free_bytes() >= before;
    }
    kp_test_report("code_no_memory", good && complete);
}

void kp_test_code(void)
{
    bool warm = vmo_make(CODE_PAGES, 1); /* page 0 is a hole: mapping makes it */
    test_run();
    test_ranges();
    test_no_memory();
    /* A device that asks for a page of it gets that page, not another. */
    void *page;
    bool exclusive;
    kp_spin_lock(&vmo.machine.lock);
    warm = warm &&
           kp_x86_vmo_page(&vmo.machine, KP_PAGE_SIZE, false, true, &page, &exclusive) == KP_OK;
    kp_spin_unlock(&vmo.machine.lock);
    kp_vmo_t clone = {0};
    warm = warm && kp_machine_vmo_clone(&vmo.machine, 0, CODE_PAGES * KP_PAGE_SIZE,
                                        &clone.machine) == KP_OK;
    kp_test_report("code_pages_stay",
                   warm && kp_machine_vmo_page(&vmo.machine, KP_PAGE_SIZE) == page);
    kp_machine_vmo_destroy(&clone.machine);
    kp_machine_vmo_destroy(&vmo.machine);
    bool pinned = kp_machine_vmo_init(&vmo.machine, KP_PAGE_SIZE) == KP_OK &&
                  kp_machine_vmo_page(&vmo.machine, 0) &&
                  kp_machine_vmo_seal_write(&vmo.machine) == KP_ERR_BAD_STATE;
    kp_machine_vmo_destroy(&vmo.machine);
    kp_test_report("code_not_of_devices", pinned);
}
