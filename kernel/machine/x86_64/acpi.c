/* Finding the CPUs in ACPI's tables. The firmware is trusted, but bounds are kept: a broken table means
   one CPU, not a fault. */
#include "kernel/machine/x86_64/acpi.h"

#include "kernel/machine/x86_64/memory.h"

enum {
    HEADER = 36,
    TABLE_MAX = 1 << 20,
    MADT_ENTRIES = 44,
    MADT_LAPIC = 0,
    MADT_X2APIC = 9,
    ENABLED = 1,
    BDA_EBDA = 0x40e, /* segment of the extended BIOS data area */
    BIOS_START = 0xe0000,
    BIOS_END = 0x100000,
};

static const uint8_t *at(uint64_t physical, uint64_t size)
{
    if (physical == 0 || physical + size < physical || physical + size > 1ull << 32)
        return NULL;
    return kp_x86_direct(physical);
}

static uint32_t read32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static uint64_t read64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static bool sum_is_zero(const uint8_t *bytes, uint32_t size)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

static uint64_t search(uint64_t start, uint64_t end)
{
    for (uint64_t address = start; address + 20 <= end; address += 16) {
        const uint8_t *bytes = at(address, 20);
        if (bytes && memcmp(bytes, "RSD PTR ", 8) == 0 && sum_is_zero(bytes, 20))
            return address;
    }
    return 0;
}

static uint64_t root_pointer(void)
{
    uint16_t segment;
    memcpy(&segment, kp_x86_direct(BDA_EBDA), sizeof(segment));
    uint64_t ebda = (uint64_t)segment << 4, found = 0;
    if (ebda >= 0x400 && ebda < 0xa0000)
        found = search(ebda, KP_MIN(ebda + 1024, 0xa0000ull));
    return found ? found : search(BIOS_START, BIOS_END);
}

/* A whole table with a good sum and the signature; NULL: not that. */
static const uint8_t *table(uint64_t physical, const char *signature, uint32_t *size)
{
    const uint8_t *bytes = at(physical, HEADER);
    if (!bytes || memcmp(bytes, signature, 4) != 0)
        return NULL;
    *size = read32(bytes + 4);
    if (*size < HEADER || *size > TABLE_MAX || !at(physical, *size) || !sum_is_zero(bytes, *size))
        return NULL;
    return bytes;
}

static void cpu_add(kp_x86_boot_t *boot, uint32_t apic, uint32_t flags)
{
    if (!(flags & ENABLED) || boot->cpu_count == KP_X86_BOOT_CPUS_MAX)
        return;
    for (uint32_t i = 0; i < boot->cpu_count; i++)
        if (boot->cpus[i] == apic)
            return;
    boot->cpus[boot->cpu_count++] = apic;
}

static void read_madt(kp_x86_boot_t *boot, const uint8_t *madt, uint32_t size)
{
    for (uint32_t i = MADT_ENTRIES; i + 2 <= size;) {
        uint8_t type = madt[i], length = madt[i + 1];
        if (length < 2 || length > size - i)
            return;
        if (type == MADT_LAPIC && length >= 8)
            cpu_add(boot, madt[i + 3], read32(madt + i + 4));
        else if (type == MADT_X2APIC && length >= 16)
            cpu_add(boot, read32(madt + i + 4), read32(madt + i + 8));
        i += length;
    }
}

void kp_x86_acpi_read(kp_x86_boot_t *boot)
{
    uint32_t size, madt_size;
    const uint8_t *root = at(boot->rsdp, HEADER);
    if (!root || memcmp(root, "RSD PTR ", 8) != 0)
        root = at(root_pointer(), HEADER);
    if (!root)
        return;
    /* Revision 2 and later have 64-bit pointers in the XSDT. */
    const uint8_t *list = root[15] >= 2 ? table(read64(root + 24), "XSDT", &size) : NULL;
    uint32_t width = list ? 8 : 4;
    if (!list)
        list = table(read32(root + 16), "RSDT", &size);
    if (!list)
        return;
    for (uint32_t i = HEADER; i + width <= size; i += width) {
        const uint8_t *madt =
            table(width == 8 ? read64(list + i) : read32(list + i), "APIC", &madt_size);
        if (madt && madt_size >= MADT_ENTRIES) {
            read_madt(boot, madt, madt_size);
            return;
        }
    }
}
