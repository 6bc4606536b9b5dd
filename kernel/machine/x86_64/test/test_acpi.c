/* The reader of ACPI's tables on the host: a firmware's memory is 4 GiB that can be read. */
#include <stdlib.h>
#include <sys/mman.h>

#include "kernel/machine/x86_64/acpi.h"
#include "kernel/machine/x86_64/memory.h"
#include "tests/kp_test.h"

enum { RSDP = 0xe0010, ROOT = 0x7fe0000, MADT = 0x7fe1000, OTHER = 0x7fe2000 };

uint64_t kp_x86_direct_base, kp_x86_mmio_base, kp_x86_stack_base, kp_x86_slide, kp_x86_canary;
static uint8_t *memory;

static void put32(uint64_t at, uint32_t value)
{
    memcpy(memory + at, &value, sizeof(value));
}

static void sum(uint64_t at, uint32_t size, uint32_t where)
{
    uint8_t total = 0;
    memory[at + where] = 0;
    for (uint32_t i = 0; i < size; i++)
        total = (uint8_t)(total + memory[at + i]);
    memory[at + where] = (uint8_t)-total;
}

static void table(uint64_t at, const char *signature, uint32_t size)
{
    memcpy(memory + at, signature, 4);
    put32(at + 4, size);
    sum(at, size, 9);
}

static uint32_t madt_size;

static void lapic(uint8_t id, uint32_t flags)
{
    uint8_t *entry = memory + MADT + madt_size;
    entry[0] = 0;
    entry[1] = 8;
    entry[3] = id;
    put32(MADT + madt_size + 4, flags);
    madt_size += 8;
}

static void x2apic(uint32_t id, uint32_t flags)
{
    memory[MADT + madt_size] = 9;
    memory[MADT + madt_size + 1] = 16;
    put32(MADT + madt_size + 4, id);
    put32(MADT + madt_size + 8, flags);
    madt_size += 16;
}

/* Good tables with four CPUs that are there, and others that are not. */
static void firmware(bool extended)
{
    if (!memory) {
        memory = mmap(NULL, 1ull << 32, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        kp_x86_direct_base = (uint64_t)memory;
    }
    memset(memory + 0x400, 0, 0x100);
    memset(memory + RSDP, 0, 64);
    memset(memory + ROOT, 0, 0x3000);
    memcpy(memory + RSDP, "RSD PTR ", 8);
    memory[RSDP + 15] = extended ? 2 : 0;
    put32(RSDP + 16, ROOT);
    put32(RSDP + 24, ROOT);
    sum(RSDP, 20, 8);
    table(OTHER, "FACP", 100);
    madt_size = 44;
    lapic(0, 1);
    lapic(2, 1);
    lapic(4, 0);                  /* a socket without a CPU */
    memory[MADT + madt_size] = 1; /* an I/O APIC */
    memory[MADT + madt_size + 1] = 12;
    madt_size += 12;
    x2apic(2, 1); /* again */
    x2apic(700, 1);
    lapic(6, 1);
    table(MADT, "APIC", madt_size);
    uint32_t width = extended ? 8 : 4;
    put32(ROOT + 36, OTHER);
    put32(ROOT + 36 + width, MADT);
    table(ROOT, extended ? "XSDT" : "RSDT", 36 + 2 * width);
}

static kp_x86_boot_t boot;

static uint32_t cpus(uint64_t rsdp)
{
    memset(&boot, 0, sizeof(boot));
    boot.rsdp = rsdp;
    kp_x86_acpi_read(&boot);
    return boot.cpu_count;
}

KP_TEST(finds_the_cpus)
{
    for (int extended = 0; extended < 2; extended++) {
        firmware(extended);
        KP_EXPECT_INT(cpus(RSDP), 4); /* as the loader said */
        KP_EXPECT_INT(cpus(0), 4);    /* searched */
        KP_EXPECT(boot.cpus[0] == 0 && boot.cpus[1] == 2 && boot.cpus[2] == 700 &&
                  boot.cpus[3] == 6);
    }
}

KP_TEST(broken_tables_mean_no_list)
{
    firmware(true);
    memory[MADT + 20]++;
    KP_EXPECT_INT(cpus(0), 0);
    firmware(true);
    memory[ROOT + 20]++; /* the XSDT is bad, and there is no RSDT */
    KP_EXPECT_INT(cpus(0), 0);
    firmware(false);
    memory[RSDP]++;
    KP_EXPECT_INT(cpus(0), 0);
    KP_EXPECT_INT(cpus(0xfffffff0), 0);
    KP_EXPECT_INT(cpus(UINT64_MAX - 4), 0);
    firmware(false);
    memory[MADT + 45] = 0; /* an entry of no length */
    sum(MADT, madt_size, 9);
    KP_EXPECT_INT(cpus(0), 0);
    firmware(false);
    put32(MADT + 4, 1u << 30);
    KP_EXPECT_INT(cpus(0), 0);
}

KP_TEST(any_bytes)
{
    srand(3);
    for (unsigned run = 0; run < 20000; run++) {
        firmware(run % 2);
        static const uint64_t places[] = {RSDP, ROOT, MADT};
        static const uint32_t sizes[] = {36, 52, 120};
        for (unsigned i = 0; i < 4; i++) {
            unsigned which = (unsigned)rand() % 3;
            memory[places[which] + (uint64_t)rand() % sizes[which]] = (uint8_t)rand();
        }
        if (run % 3) { /* good sums let the rest be read */
            sum(MADT, madt_size, 9);
            sum(ROOT, run % 2 ? 52 : 44, 9);
            sum(RSDP, 20, 8);
        }
        KP_EXPECT(cpus(run % 5 ? 0 : RSDP) <= KP_X86_BOOT_CPUS_MAX);
    }
}

KP_TEST_MAIN()
