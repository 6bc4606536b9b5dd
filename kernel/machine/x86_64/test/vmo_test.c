/* VMOs against a model: random clones, writes, mappings, resizes; page tables never show anything
   else, and every page comes back. */
#include "kernel/machine/x86_64/memory.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/space.h"
#include "kernel/machine/x86_64/test/stand_in.h"
#include "kernel/machine/x86_64/trap.h"
#include "kernel/machine/x86_64/vmo.h"

/* A window of PAGES pages around a border of 2 MiB is mapped: page BASE + k of slot s at page
   s * PAGES + k of linear memory. */
enum { SLOTS = 6, LIMIT = 1100, BASE = 510, PAGES = 4, ROUNDS = 6000, LINEAR_PAGES = 3 };

static kp_vmo_t vmos[SLOTS];
static uint64_t sizes[SLOTS]; /* in pages; 0: no VMO */
static uint8_t model[SLOTS][LIMIT];
static bool mapped[SLOTS], writable[SLOTS];
static kp_machine_space_t space;
static uint8_t window[PAGES];
static uint32_t seed;

static uint32_t any(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static uint32_t window_address(unsigned slot)
{
    return slot * PAGES * KP_PAGE_SIZE;
}

static void unmap(unsigned slot)
{
    if (mapped[slot] &&
        kp_machine_space_unmap(&space, window_address(slot), PAGES * KP_PAGE_SIZE) == KP_OK)
        mapped[slot] = false;
}

static void destroy(unsigned slot)
{
    unmap(slot);
    if (mapped[slot])
        return; /* out of memory: another time */
    kp_machine_vmo_destroy(&vmos[slot].machine);
    sizes[slot] = 0;
}

/* What a page shows that is made when it is first looked at. */
static uint8_t filled_with(const void *context, uint64_t page)
{
    return (uint8_t)(*(const uint8_t *)context + page * 7);
}

static void fill(const void *context, uint64_t offset, void *page)
{
    memset(page, filled_with(context, offset / KP_PAGE_SIZE), KP_PAGE_SIZE);
}

static void create(unsigned slot)
{
    static const uint8_t first = 3;
    memset(&vmos[slot], 0, sizeof(vmos[slot]));
    uint64_t size = 1 + any(LIMIT);
    bool is_filled = any(2);
    kp_machine_vmo_t *vmo = &vmos[slot].machine;
    if ((is_filled ? kp_machine_vmo_init_filled(vmo, size * KP_PAGE_SIZE, fill, &first)
                   : kp_machine_vmo_init(vmo, size * KP_PAGE_SIZE)) != KP_OK)
        return;
    sizes[slot] = size;
    memset(model[slot], 0, LIMIT);
    for (uint64_t i = 0; i < size && is_filled; i++)
        model[slot][i] = filled_with(&first, i);
}

static void clone(unsigned from, unsigned slot)
{
    uint64_t first = any(2) ? 0 : any((uint32_t)sizes[from]);
    uint64_t count = any(2) ? sizes[from] - first : 1 + any((uint32_t)(sizes[from] - first));
    memset(&vmos[slot], 0, sizeof(vmos[slot]));
    if (kp_machine_vmo_clone(&vmos[from].machine, first * KP_PAGE_SIZE, count * KP_PAGE_SIZE,
                             &vmos[slot].machine) != KP_OK)
        return;
    sizes[slot] = count;
    memset(model[slot], 0, LIMIT);
    memcpy(model[slot], model[from] + first, count);
}

static void write_page(unsigned slot)
{
    uint64_t page = any((uint32_t)sizes[slot]);
    uint8_t value = (uint8_t)(1 + any(255));
    bool in_window = mapped[slot] && writable[slot] && any(2);
    kp_status_t status;
    if (in_window) {
        page = BASE + any(PAGES);
        uint32_t address = window_address(slot) + (uint32_t)(page - BASE) * KP_PAGE_SIZE;
        status = kp_machine_space_copy_out(&space, address + 17, &value, 1);
    } else {
        status = kp_machine_vmo_write(&vmos[slot].machine, page * KP_PAGE_SIZE + 17, &value, 1);
    }
    if (status == KP_OK)
        model[slot][page] = value;
}

static void resize(unsigned slot)
{
    uint64_t size = 1 + any(LIMIT);
    if (size < sizes[slot])
        unmap(slot);
    if ((size < sizes[slot] && mapped[slot]) ||
        kp_machine_vmo_resize(&vmos[slot].machine, size * KP_PAGE_SIZE) != KP_OK)
        return;
    if (size < sizes[slot])
        memset(model[slot] + size, 0, LIMIT - size);
    sizes[slot] = size;
}

static void decommit(unsigned slot)
{
    /* Inside one chunk: it is emptied whole or not at all when memory is short. */
    uint64_t first = any((uint32_t)sizes[slot]);
    uint64_t count = KP_MIN(1 + any(20), KP_MIN(sizes[slot], (first / 512 + 1) * 512) - first);
    if (kp_machine_vmo_decommit(&vmos[slot].machine, first * KP_PAGE_SIZE, count * KP_PAGE_SIZE) ==
        KP_OK)
        memset(model[slot] + first, 0, count);
}

static void touch(unsigned slot)
{
    uint64_t address = KP_X86_USER_MEMORY + window_address(slot) + any(PAGES) * KP_PAGE_SIZE;
    (void)kp_x86_space_fault(&space, address, writable[slot] && any(2), false);
}

static void step(void)
{
    unsigned slot = any(SLOTS), other = any(SLOTS);
    if (sizes[slot] == 0) {
        if (sizes[other] > 0 && any(3))
            clone(other, slot);
        else
            create(slot);
        return;
    }
    switch (any(12)) {
    case 0:
        destroy(slot);
        break;
    case 1:
        resize(slot);
        break;
    case 2:
        decommit(slot);
        break;
    case 3:
        unmap(slot);
        break;
    case 4:
    case 5:
        writable[slot] =
            any(2); /* of an earlier mapping too, when this fails: that only tests less */
        if (!mapped[slot] && sizes[slot] >= BASE + PAGES)
            mapped[slot] =
                kp_machine_space_map(&space, window_address(slot), &vmos[slot], BASE * KP_PAGE_SIZE,
                                     PAGES * KP_PAGE_SIZE, writable[slot]) == KP_OK;
        break;
    case 6:
    case 7:
    case 8:
        if (mapped[slot])
            touch(slot);
        break;
    default:
        write_page(slot);
        break;
    }
}

/* What each page table entry of the window shows, and what reading says. */
static bool check(unsigned slot)
{
    if (sizes[slot] == 0)
        return true;
    bool good = true;
    for (uint64_t k = 0; k < PAGES && mapped[slot]; k++) {
        uint64_t address = KP_X86_USER_MEMORY + window_address(slot) + k * KP_PAGE_SIZE;
        if (kp_x86_space_read(&space, address + 17, &window[k], 1))
            good = good && window[k] == model[slot][BASE + k];
        good = good &&
               kp_machine_space_copy_in(&space, &window[k],
                                        window_address(slot) + (uint32_t)k * KP_PAGE_SIZE + 17,
                                        1) == KP_OK &&
               window[k] == model[slot][BASE + k];
    }
    uint64_t page = any((uint32_t)sizes[slot]);
    uint8_t value = 0;
    good = good &&
           kp_machine_vmo_read(&vmos[slot].machine, page * KP_PAGE_SIZE + 17, &value, 1) == KP_OK &&
           value == model[slot][page];
    uint64_t own, shared;
    kp_machine_vmo_usage(&vmos[slot].machine, &own, &shared);
    return good && own + shared == kp_machine_vmo_committed(&vmos[slot].machine);
}

static bool run(bool is_short)
{
    kp_image_t image = {.name = "vmo", .span = KP_PAGE_SIZE};
    kp_x86_allocation_fail_at(0);
    if (kp_machine_space_create(&space, &image, LINEAR_PAGES, 16) != KP_OK)
        return false;
    bool good = true;
    for (unsigned i = 0; i < ROUNDS && good; i++) {
        kp_x86_allocation_fail_at(is_short && any(3) == 0 ? 1 + any(4) : 0);
        step();
        kp_x86_allocation_fail_at(0);
        for (unsigned slot = 0; slot < SLOTS && i % 4 == 0; slot++)
            good = good && check(slot);
    }
    kp_machine_space_destroy(&space);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        mapped[slot] = false;
        if (sizes[slot])
            destroy(slot);
    }
    return good;
}

static uint64_t free_bytes(void)
{
    uint64_t total, left;
    kp_x86_memory_usage(&total, &left);
    return left;
}

typedef struct memory {
    uint64_t free, vmo_pages;
} memory_t;

static memory_t memory_now(void)
{
    return (memory_t){free_bytes(), kp_x86_vmo_pages()};
}

/* Nothing is lost. With several CPUs the test may have been moved: each CPU keeps heap objects at hand. */
static bool is_back(memory_t before)
{
    uint64_t slack = kp_x86_view.count > 1 ? 32 * KP_PAGE_SIZE : 0;
    memory_t now = memory_now();
    return now.vmo_pages == before.vmo_pages && now.free + slack >= before.free &&
           now.free <= before.free + slack;
}

void kp_test_vmo(void)
{
    seed = 1;
    kp_test_threads_settle();
    bool warm = run(false); /* the heap keeps a page for each size */
    memory_t before = memory_now();
    kp_test_report("vmo_model", warm && run(false) && is_back(before));
    bool good = run(true);
    kp_test_report("vmo_model_no_memory", good && is_back(before));

    kp_machine_vmo_t *vmo = &vmos[0].machine, *copy = &vmos[1].machine;
    memset(vmos, 0, sizeof(vmos));
    good = kp_machine_vmo_init_contiguous(vmo, 700 * KP_PAGE_SIZE) == KP_OK;
    const uint8_t *first = good ? kp_machine_vmo_page(vmo, 0) : NULL;
    for (uint64_t i = 0; i < 700 && good; i++)
        good = kp_machine_vmo_page(vmo, i * KP_PAGE_SIZE) == first + i * KP_PAGE_SIZE;
    good = good && kp_machine_vmo_clone(vmo, 0, KP_PAGE_SIZE, copy) == KP_ERR_BAD_STATE;
    kp_machine_vmo_destroy(vmo);
    kp_test_report("vmo_contiguous", good && is_back(before));

    /* What is filled takes memory as it is looked at, a page at a time. */
    static const uint8_t nine = 9;
    uint8_t byte = 0;
    good = kp_machine_vmo_init_filled(vmo, 700 * KP_PAGE_SIZE, fill, &nine) == KP_OK;
    uint64_t none = kp_machine_vmo_committed(vmo);
    good = good && kp_machine_vmo_read(vmo, 600 * KP_PAGE_SIZE + 5, &byte, 1) == KP_OK &&
           byte == filled_with(&nine, 600) && none == 0 &&
           kp_machine_vmo_committed(vmo) == KP_PAGE_SIZE;
    /* A device that looks at it takes it from nobody. */
    const uint8_t *lent = good ? kp_machine_vmo_page(vmo, 3 * KP_PAGE_SIZE) : NULL;
    good = good && lent && lent[5] == filled_with(&nine, 3) &&
           kp_machine_vmo_clone(vmo, 0, 8 * KP_PAGE_SIZE, copy) == KP_OK &&
           kp_machine_vmo_write(copy, 3 * KP_PAGE_SIZE + 5, "x", 1) == KP_OK &&
           kp_machine_vmo_page(vmo, 3 * KP_PAGE_SIZE) == lent && lent[5] == filled_with(&nine, 3);
    if (good)
        kp_machine_vmo_destroy(copy);
    kp_machine_vmo_destroy(vmo);
    kp_test_report("vmo_filled", good && is_back(before));

    /* A clone of 64 MiB with data costs one count per 2 MiB: no page but the pointers'. */
    good = kp_machine_vmo_init(vmo, 64 << 20) == KP_OK;
    for (uint64_t at = 0; at < 64 << 20 && good; at += 64 << 10)
        good = kp_machine_vmo_write(vmo, at, &at, sizeof(at)) == KP_OK;
    uint64_t full = kp_x86_vmo_pages();
    kp_time_t start = kp_machine_now();
    good = good && kp_machine_vmo_clone(vmo, 0, 64 << 20, copy) == KP_OK;
    kp_time_t end = kp_machine_now();
    uint64_t own = 1, shared = 0;
    kp_machine_vmo_usage(copy, &own, &shared);
    good = good && kp_x86_vmo_pages() == full && own == 0 && shared == 1024 * KP_PAGE_SIZE;
    kp_machine_vmo_destroy(vmo);
    kp_machine_vmo_usage(copy, &own, &shared);
    good = good && own == 1024 * KP_PAGE_SIZE && shared == 0;
    kp_machine_vmo_destroy(copy);
    kp_test_report("vmo_clone_shares", good && is_back(before));
    kp_log("selftest", KP_LOG_INFO, "clone of 64 MiB: %lld ns", (long long)(end - start));
}
