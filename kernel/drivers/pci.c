#include "kernel/drivers/pci.h"

#include "kernel/machine/x86_64/interrupt.h"
#include "kernel/machine/x86_64/io.h"
#include "kernel/machine/x86_64/memory.h"

enum {
    PORT_ADDRESS = 0xcf8,
    PORT_DATA = 0xcfc,
    REGISTER_COMMAND = 0x04,
    REGISTER_STATUS = 0x06,
    REGISTER_CLASS = 0x0a,
    REGISTER_HEADER = 0x0e,
    REGISTER_BAR = 0x10,
    REGISTER_SECONDARY_BUS = 0x19,
    REGISTER_SUBSYSTEM = 0x2e,
    REGISTER_CAPABILITIES = 0x34,
    COMMAND_MEMORY = 1 << 1,
    COMMAND_MASTER = 1 << 2,
    COMMAND_NO_INTX = 1 << 10,
    CAPABILITY_MSIX = 0x11,
    MSIX_ENABLE = 1 << 15,
    MSIX_ALL_MASKED = 1 << 14,
    CLASS_BRIDGE_PCI = 0x0604,
    CAPABILITIES_MAX = 48, /* of 4 bytes and more in 192 bytes: the list cannot be longer */
};

/* Where BARs go that the firmware left empty (qboot assigns none): the end of the 32-bit hole,
   which is free of RAM and of the q35's ECAM, and below the I/O APIC. */
#define PLACE_FIRST 0xf0000000ull
#define PLACE_END 0xfec00000ull

#define FUNCTIONS_MAX 64u

typedef struct scan {
    kp_pci_function_t functions[FUNCTIONS_MAX];
    size_t count;
    uint64_t place; /* everything from here to PLACE_END is free */
} scan_t;

static uint32_t config_read(uint16_t address, uint8_t offset)
{
    kp_x86_out32(PORT_ADDRESS, 0x80000000u | (uint32_t)address << 8 | (offset & 0xfcu));
    return kp_x86_in32(PORT_DATA);
}

static void config_write(uint16_t address, uint8_t offset, uint32_t value)
{
    kp_x86_out32(PORT_ADDRESS, 0x80000000u | (uint32_t)address << 8 | (offset & 0xfcu));
    kp_x86_out32(PORT_DATA, value);
}

uint8_t kp_pci_read8(const kp_pci_function_t *function, uint8_t offset)
{
    return (uint8_t)(config_read(function->address, offset) >> (offset & 3) * 8);
}

uint16_t kp_pci_read16(const kp_pci_function_t *function, uint8_t offset)
{
    return (uint16_t)(config_read(function->address, offset) >> (offset & 2) * 8);
}

uint32_t kp_pci_read32(const kp_pci_function_t *function, uint8_t offset)
{
    return config_read(function->address, offset);
}

void kp_pci_write16(const kp_pci_function_t *function, uint8_t offset, uint16_t value)
{
    kp_x86_out32(PORT_ADDRESS, 0x80000000u | (uint32_t)function->address << 8 | (offset & 0xfcu));
    kp_x86_out16((uint16_t)(PORT_DATA + (offset & 2)), value);
}

void kp_pci_write32(const kp_pci_function_t *function, uint8_t offset, uint32_t value)
{
    config_write(function->address, offset, value);
}

/* Reads and sizes one BAR; returns how many registers it takes. */
static uint32_t bar_read(kp_pci_function_t *function, uint32_t index)
{
    uint8_t at = (uint8_t)(REGISTER_BAR + index * 4);
    uint32_t low = kp_pci_read32(function, at);
    if (low & 1)
        return 1; /* I/O ports: not used */
    bool wide = (low & 6) == 4 && index + 1 < KP_PCI_BAR_COUNT;
    uint64_t physical = low & ~0xfull, mask;
    kp_pci_write32(function, at, 0xffffffff);
    mask = kp_pci_read32(function, at) & ~0xfull;
    kp_pci_write32(function, at, low);
    if (wide) {
        uint32_t high = kp_pci_read32(function, (uint8_t)(at + 4));
        physical |= (uint64_t)high << 32;
        kp_pci_write32(function, (uint8_t)(at + 4), 0xffffffff);
        mask |= (uint64_t)kp_pci_read32(function, (uint8_t)(at + 4)) << 32;
        kp_pci_write32(function, (uint8_t)(at + 4), high);
    } else {
        mask |= 0xffffffffull << 32;
    }
    uint64_t size = ~mask + 1;
    if ((mask & 0xfffffff0u) == 0 && !wide)
        size = 0; /* not implemented */
    /* A size is a power of two; anything else is no memory we may map. */
    if (size && (size & (size - 1)) == 0) {
        function->bars[index].physical = physical;
        function->bars[index].size = size;
    }
    return wide ? 2 : 1;
}

static void function_read(scan_t *scan, uint16_t address, uint32_t id)
{
    if (scan->count == FUNCTIONS_MAX) {
        kp_log("pci", KP_LOG_WARN, "more than %u functions; the rest is ignored", FUNCTIONS_MAX);
        return;
    }
    kp_pci_function_t *function = &scan->functions[scan->count++];
    *function = (kp_pci_function_t){
        .address = address, .vendor = (uint16_t)id, .device = (uint16_t)(id >> 16)};
    function->subsystem = kp_pci_read16(function, REGISTER_SUBSYSTEM);
    /* Sizing writes all ones into the BARs: the function must not decode them meanwhile. */
    uint16_t command = kp_pci_read16(function, REGISTER_COMMAND);
    kp_pci_write16(function, REGISTER_COMMAND, (uint16_t)(command & ~(COMMAND_MEMORY | 1)));
    for (uint32_t bar = 0; bar < KP_PCI_BAR_COUNT;)
        bar += bar_read(function, bar);
    kp_pci_write16(function, REGISTER_COMMAND, command);
    for (uint32_t bar = 0; bar < KP_PCI_BAR_COUNT; bar++) {
        uint64_t end = function->bars[bar].physical + function->bars[bar].size;
        if (function->bars[bar].physical && end > scan->place && end <= PLACE_END)
            scan->place = end;
    }
}

static void bus_scan(scan_t *scan, uint8_t bus, uint32_t depth)
{
    for (uint32_t device = 0; device < 32; device++) {
        uint16_t address = (uint16_t)(bus << 8 | device << 3);
        uint32_t functions = 1;
        for (uint32_t i = 0; i < functions; i++, address++) {
            uint32_t id = config_read(address, 0);
            if ((id & 0xffff) == 0xffff || id == 0)
                continue;
            uint8_t header = (uint8_t)(config_read(address, REGISTER_HEADER & 0xfc) >> 16);
            if (i == 0 && header & 0x80)
                functions = 8;
            if ((header & 0x7f) == 0)
                function_read(scan, address, id);
            uint16_t class = (uint16_t)(config_read(address, REGISTER_CLASS & 0xfc) >> 16);
            if ((header & 0x7f) == 1 && class == CLASS_BRIDGE_PCI && depth < 8) {
                uint8_t secondary =
                    (uint8_t)(config_read(address, REGISTER_SECONDARY_BUS & 0xfc) >> 8);
                if (secondary > bus) /* numbered by the firmware, and no way to loop */
                    bus_scan(scan, secondary, depth + 1);
            }
        }
    }
}

/* Gives every memory BAR without an address one; what finds no room stays unusable. */
static void bars_place(scan_t *scan)
{
    for (size_t i = 0; i < scan->count; i++) {
        kp_pci_function_t *function = &scan->functions[i];
        for (uint32_t bar = 0; bar < KP_PCI_BAR_COUNT; bar++) {
            uint64_t size = function->bars[bar].size;
            if (!size || function->bars[bar].physical)
                continue;
            uint64_t at = KP_ROUND_UP(scan->place, KP_MAX(size, (uint64_t)KP_PAGE_SIZE));
            if (size > PLACE_END - PLACE_FIRST || at + size > PLACE_END)
                continue;
            kp_pci_write32(function, (uint8_t)(REGISTER_BAR + bar * 4), (uint32_t)at);
            function->bars[bar].physical = at;
            scan->place = at + size;
        }
    }
}

size_t kp_pci_scan(void (*found)(const kp_pci_function_t *function, void *context), void *context)
{
    scan_t *scan = kp_kalloc(sizeof *scan);
    if (!scan) {
        kp_log("pci", KP_LOG_ERROR, "no memory to look for devices");
        return 0;
    }
    scan->place = PLACE_FIRST;
    bus_scan(scan, 0, 0);
    bars_place(scan);
    size_t count = scan->count;
    for (size_t i = 0; i < count; i++)
        found(&scan->functions[i], context);
    kp_kfree(scan);
    return count;
}

volatile uint8_t *kp_pci_bar_map(kp_pci_function_t *function, uint32_t bar)
{
    if (bar >= KP_PCI_BAR_COUNT || !function->bars[bar].physical)
        return NULL;
    kp_pci_bar_t *at = &function->bars[bar];
    if (!at->mapped)
        at->mapped = kp_x86_map_mmio(at->physical, at->size);
    return at->mapped;
}

void kp_pci_enable(const kp_pci_function_t *function)
{
    uint16_t command = kp_pci_read16(function, REGISTER_COMMAND);
    kp_pci_write16(function, REGISTER_COMMAND,
                   (uint16_t)(command | COMMAND_MEMORY | COMMAND_MASTER));
}

uint8_t kp_pci_capability(const kp_pci_function_t *function, uint8_t id, uint8_t after)
{
    if (!(kp_pci_read16(function, REGISTER_STATUS) & 1 << 4))
        return 0;
    bool take = after == 0;
    uint8_t at = kp_pci_read8(function, REGISTER_CAPABILITIES) & 0xfc;
    for (uint32_t i = 0; at >= 0x40 && i < CAPABILITIES_MAX; i++) {
        uint16_t head = kp_pci_read16(function, at);
        if (take && (uint8_t)head == id)
            return at;
        take = take || at == after;
        at = (uint8_t)(head >> 8) & 0xfc;
    }
    return 0;
}

kp_status_t kp_pci_msix_enable(kp_pci_function_t *function)
{
    uint8_t at = kp_pci_capability(function, CAPABILITY_MSIX, 0);
    if (!at)
        return KP_ERR_NOT_SUPPORTED;
    uint16_t control = kp_pci_read16(function, (uint8_t)(at + 2));
    uint32_t where = kp_pci_read32(function, (uint8_t)(at + 4));
    uint32_t bar = where & 7, offset = where & ~7u, count = (control & 0x7ffu) + 1;
    volatile uint8_t *mapped = kp_pci_bar_map(function, bar);
    if (!mapped)
        return KP_ERR_NOT_SUPPORTED;
    if (offset > function->bars[bar].size ||
        (uint64_t)count * 16 > function->bars[bar].size - offset)
        return KP_ERR_BAD_FORMAT;
    function->msix_table = (volatile uint32_t *)(volatile void *)(mapped + offset);
    function->msix_count = (uint16_t)count;
    function->msix_capability = at;
    kp_pci_write16(function, (uint8_t)(at + 2),
                   (uint16_t)(control | MSIX_ENABLE | MSIX_ALL_MASKED));
    for (uint32_t i = 0; i < count; i++)
        function->msix_table[(size_t)i * 4 + 3] = 1;
    kp_pci_write16(function, (uint8_t)(at + 2),
                   (uint16_t)((control | MSIX_ENABLE) & ~MSIX_ALL_MASKED));
    uint16_t command = kp_pci_read16(function, REGISTER_COMMAND);
    kp_pci_write16(function, REGISTER_COMMAND, (uint16_t)(command | COMMAND_NO_INTX));
    return KP_OK;
}

kp_status_t kp_pci_msix_connect(kp_pci_function_t *function, uint16_t index,
                                void (*handler)(void *), void *argument)
{
    uint8_t vector = 0;
    if (!function->msix_table || index >= function->msix_count)
        return KP_ERR_NOT_SUPPORTED;
    kp_status_t status = kp_x86_interrupt_allocate(handler, argument, &vector);
    if (status != KP_OK)
        return status;
    uint64_t address = kp_x86_msi_address();
    volatile uint32_t *entry = function->msix_table + (size_t)index * 4;
    entry[0] = (uint32_t)address;
    entry[1] = (uint32_t)(address >> 32);
    entry[2] = kp_x86_msi_data(vector);
    entry[3] = 0;
    return KP_OK;
}
