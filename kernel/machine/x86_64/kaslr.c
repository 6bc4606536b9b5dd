/* Address space randomisation of the kernel: the image's virtual address, the map of all RAM, the ranges
   of registers and of stacks. Runs once, at the address the kernel was linked for, before any pointer
   was stored; the image is relocated by the table that the build makes (relocs.awk). The command line
   word "kaslr=off" leaves everything where it was linked, for debuggers. */
#include "kernel/machine/x86_64/kaslr.h"

#include "kernel/machine/x86_64/boot.h"
#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/io.h"
#include "kernel/machine/x86_64/memory.h"

enum {
    SLID_TABLES = 4,
    FIRST_SLOT = 8,
    DIRECT_ROOTS = 64,
    RANGE_BITS = 13,
    PRESENT = 3,
    LARGE = 0x83
};
#define SIZE_1G (1ull << 30)
#define SIZE_2M (1ull << 21)
#define SIZE_512G (1ull << 39)

uint64_t kp_x86_slide;
uint64_t kp_x86_canary;
uint64_t kp_x86_direct_base = KP_X86_DIRECT_MIN;
uint64_t kp_x86_mmio_base = KP_X86_MMIO_MIN;
uint64_t kp_x86_stack_base = KP_X86_STACK_MIN;

/* relocs.awk: places that hold an address of the image, as offsets from KP_X86_KERNEL_BASE; first those
   of 32 bits (sign-extended), then those of 64. */
extern const struct {
    uint32_t short_count, long_count;
    uint32_t places[];
} kp_x86_relocs;

extern char kp_x86_image_start[], kp_x86_image_end[];
/* boot.S */
extern uint64_t kp_x86_boot_root[512], kp_x86_boot_low[512], kp_x86_boot_high[512];
extern uint64_t kp_x86_boot_slid[512], kp_x86_boot_direct[512];
extern uint64_t kp_x86_boot_slid_tables[SLID_TABLES * 512];

uint64_t kp_x86_kaslr(uint32_t kind, uint64_t information);

static uint64_t physical(const void *address)
{
    return (uint64_t)address - KP_X86_KERNEL_BASE;
}

/* ---- Randomness: whatever there is, mixed; RDRAND and RDSEED are trusted only together with time ---- */

static uint64_t state[2];

static void mix(uint64_t value)
{
    /* Multiply and fold: each bit of the input reaches the whole state. */
    state[0] = (state[0] ^ value) * 0x9e3779b97f4a7c15;
    state[0] ^= state[0] >> 32;
    state[1] = (state[1] + state[0]) * 0xd6e8feb86659fd93;
    state[1] ^= state[1] >> 29;
}

static uint64_t take(void)
{
    mix(kp_x86_tsc());
    return state[0] ^ state[1];
}

static void gather(uint64_t information)
{
    bool carry = false;
    uint64_t word = 0;
    if (kp_x86_cpuid(1, 0).c >> 30 & 1)
        for (unsigned i = 0; i < 16; i++) {
            __asm__ volatile("rdrand %0" : "=r"(word), "=@ccc"(carry));
            if (carry)
                mix(word);
        }
    if (kp_x86_cpuid(0, 0).a >= 7 && (kp_x86_cpuid(7, 0).b >> 18 & 1))
        for (unsigned i = 0; i < 4; i++) {
            __asm__ volatile("rdseed %0" : "=r"(word), "=@ccc"(carry));
            if (carry)
                mix(word);
        }
    /* Port reads take a time that depends on the bus, or on the host's scheduling. */
    for (unsigned i = 0; i < 64; i++) {
        mix(kp_x86_tsc());
        mix(kp_x86_in8(0x61));
    }
    /* What the loader left (memory map, time, addresses). */
    const uint64_t *words = (const uint64_t *)(KP_X86_KERNEL_BASE + (information & (SIZE_1G - 1)));
    for (unsigned i = 0; i < 8; i++)
        mix(words[i]);
}

/* ---- Placing ---- */

/* A second view of the image at its new place, page by page, in the boot tables. */
static void map_slid(uint64_t slide)
{
    uint64_t start = physical(kp_x86_image_start) & ~(uint64_t)(KP_PAGE_SIZE - 1);
    uint64_t end = physical(kp_x86_image_end), address = KP_X86_KERNEL_BASE + slide + start;
    unsigned half = address >> 30 & 1;
    for (unsigned i = 0; i < FIRST_SLOT && half == 0; i++) /* where this code runs */
        kp_x86_boot_slid[i] = i * SIZE_2M | LARGE;
    uint64_t first = address / SIZE_2M;
    for (uint64_t at = start; at < end; at += KP_PAGE_SIZE, address += KP_PAGE_SIZE) {
        uint64_t table = address / SIZE_2M - first;
        kp_x86_boot_slid_tables[table * 512 + (address >> 12 & 511)] = at | PRESENT;
        kp_x86_boot_slid[address >> 21 & 511] =
            physical(&kp_x86_boot_slid_tables[table * 512]) | PRESENT;
    }
    kp_x86_boot_high[510 + half] = physical(kp_x86_boot_slid) | PRESENT;
}

static void map_direct(void)
{
    unsigned gigabyte = (unsigned)(kp_x86_direct_base >> 30 & 511);
    for (unsigned i = 0; i < 4; i++)
        kp_x86_boot_direct[gigabyte + i] = kp_x86_boot_low[i];
    kp_x86_boot_root[kp_x86_direct_base >> 39 & 511] = physical(kp_x86_boot_direct) | PRESENT;
}

static void relocate(uint64_t slide)
{
    for (uint32_t i = 0; i < kp_x86_relocs.short_count; i++) {
        uint32_t *place = (uint32_t *)(KP_X86_KERNEL_BASE + kp_x86_relocs.places[i]);
        *place += (uint32_t)slide;
    }
    const uint32_t *places = kp_x86_relocs.places + kp_x86_relocs.short_count;
    for (uint32_t i = 0; i < kp_x86_relocs.long_count; i++) {
        uint64_t *place = (uint64_t *)(KP_X86_KERNEL_BASE + places[i]);
        *place += slide;
    }
}

static bool contains(const char *text, const char *word)
{
    for (; *text; text++) {
        unsigned i = 0;
        while (word[i] && text[i] == word[i])
            i++;
        if (!word[i])
            return true;
    }
    return false;
}

/* The command line is not read yet: only this word, where the two loaders put it. */
static bool is_off(uint32_t kind, uint64_t information)
{
    const uint8_t *info = (const uint8_t *)(KP_X86_KERNEL_BASE + information);
    if (information >= SIZE_1G)
        return false;
    if (kind == 0) {
        uint64_t line;
        memcpy(&line, info + 24, sizeof(line)); /* hvm_start_info.cmdline_paddr */
        return line && line < SIZE_1G &&
               contains((const char *)(KP_X86_KERNEL_BASE + line), "kaslr=off");
    }
    for (uint32_t at = 8, tag[2]; at < 65536; at += (tag[1] + 7) & ~7u) {
        memcpy(tag, info + at, sizeof(tag));
        if (tag[0] == 0 || tag[1] < 8)
            return false;
        if (tag[0] == 1)
            return contains((const char *)info + at + 8, "kaslr=off");
    }
    return false;
}

/* From boot.S, on the boot tables. The result: the slide, with which the rest of the kernel runs. */
__attribute__((no_stack_protector)) uint64_t kp_x86_kaslr(uint32_t kind, uint64_t information)
{
    gather(information);
    kp_x86_canary = take() & ~0xffull;
    if (is_off(kind, information)) {
        map_direct();
        return 0;
    }
    /* Anywhere in the last 2 GiB, but not across the middle, and not over where this code runs. */
    uint64_t room = SIZE_1G - physical(kp_x86_image_end) - FIRST_SLOT * SIZE_2M;
    uint64_t slide = FIRST_SLOT * SIZE_2M + take() % (room / KP_PAGE_SIZE) * KP_PAGE_SIZE;
    slide += take() % 2 * SIZE_1G;
    kp_x86_direct_base += take() % DIRECT_ROOTS * SIZE_512G + take() % 508 * SIZE_1G;
    kp_x86_mmio_base += take() % (1u << RANGE_BITS) * SIZE_1G;
    kp_x86_stack_base += take() % (1u << RANGE_BITS) * SIZE_1G;
    state[0] = state[1] = 0;
    map_direct();
    map_slid(slide);
    kp_x86_slide = slide;
    relocate(slide);
    return slide;
}
