/* Reading what the boot loader left: PVH's hvm_start_info or multiboot2's tags. The loader is
   trusted as the firmware is, but bounds are kept so that a broken one gives a plain message. */
#include "kernel/machine/x86_64/boot.h"

#include "kernel/machine/x86_64/acpi.h"
#include "kernel/machine/x86_64/memory.h"

enum {
    RAM = 1,
    LOW_END = 0x100000,
    TABLE_MAX = 1024,
    TRAMPOLINE_MIN = 0x8000,
    TRAMPOLINE_END = 0xa0000
};

typedef struct hvm_start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp;
    uint64_t memory_map;
    uint32_t memory_map_count, reserved;
} hvm_start_info_t;

typedef struct hvm_module {
    uint64_t physical, size, command_line, reserved;
} hvm_module_t;

typedef struct hvm_memory {
    uint64_t physical, size;
    uint32_t type, reserved;
} hvm_memory_t;

typedef struct tag {
    uint32_t type, size;
} tag_t;

typedef struct tag_module {
    tag_t tag;
    uint32_t start, end;
} tag_module_t;

typedef struct tag_memory {
    tag_t tag;
    uint32_t entry_size, entry_version;
    hvm_memory_t entries[]; /* the same shape as Xen's */
} tag_memory_t;

typedef struct tag_framebuffer {
    tag_t tag;
    uint64_t physical;
    uint32_t pitch, width, height;
    uint8_t bits, kind;
    uint16_t reserved;
    uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size;
} __attribute__((packed)) tag_framebuffer_t;

extern char kp_x86_image_end[];

kp_x86_boot_t kp_x86_boot;

/* Boot page tables reach 4 GiB: NULL for what lies beyond. */
static const void *low_memory(uint64_t physical, uint64_t size)
{
    if (physical == 0 || physical + size < physical || physical + size > (1ull << 32))
        return NULL;
    return kp_x86_direct(physical);
}

static void command_line_copy(kp_x86_boot_t *boot, const char *text, size_t limit)
{
    size_t i = 0;
    for (; text && i < limit && i + 1 < sizeof(boot->command_line) && text[i]; i++)
        boot->command_line[i] = text[i];
    boot->command_line[i] = 0;
}

/* Adds usable RAM: whole pages above 1 MiB, kept sorted by insertion. */
static void ram_add(kp_x86_boot_t *boot, uint64_t start, uint64_t size, uint32_t type)
{
    uint64_t end = start + size;
    if (type != RAM || end < start || end > (1ull << 43))
        return;
    /* Below 1 MiB only a page to start CPUs on is used. */
    uint64_t low = KP_MAX(KP_ROUND_UP(start, KP_PAGE_SIZE), (uint64_t)TRAMPOLINE_MIN);
    if (!boot->trampoline && low + KP_PAGE_SIZE <= KP_MIN(end, (uint64_t)TRAMPOLINE_END))
        boot->trampoline = low;
    start = KP_MAX(KP_ROUND_UP(start, KP_PAGE_SIZE), (uint64_t)LOW_END);
    end -= end % KP_PAGE_SIZE;
    if (start >= end || boot->ram_count == KP_X86_REGIONS_MAX)
        return;
    uint32_t at = boot->ram_count++;
    for (; at > 0 && boot->ram[at - 1].start > start; at--)
        boot->ram[at] = boot->ram[at - 1];
    boot->ram[at] = (kp_x86_region_t){start, end};
}

/* Overlaps in a firmware's map would hand a page out twice: cut them. */
static void ram_cut_overlaps(kp_x86_boot_t *boot)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < boot->ram_count; i++) {
        kp_x86_region_t region = boot->ram[i];
        if (kept && region.start < boot->ram[kept - 1].end)
            region.start = boot->ram[kept - 1].end;
        if (region.start < region.end)
            boot->ram[kept++] = region;
    }
    boot->ram_count = kept;
}

static kp_status_t read_pvh(kp_x86_boot_t *boot, uint64_t information)
{
    const hvm_start_info_t *info = low_memory(information, sizeof(*info));
    if (!info || info->magic != 0x336ec578 || info->version < 1)
        return KP_ERR_BAD_FORMAT;
    boot->rsdp = info->rsdp;
    command_line_copy(boot, low_memory(info->command_line, 1), KP_X86_COMMAND_LINE_MAX);
    uint32_t count = KP_MIN(info->memory_map_count, (uint32_t)TABLE_MAX);
    const hvm_memory_t *memory = low_memory(info->memory_map, count * sizeof(*memory));
    if (!memory)
        return KP_ERR_BAD_FORMAT;
    for (uint32_t i = 0; i < count; i++)
        ram_add(boot, memory[i].physical, memory[i].size, memory[i].type);
    const hvm_module_t *module = low_memory(info->modules, sizeof(*module));
    if (info->module_count > 0 && module && low_memory(module->physical, module->size))
        boot->bundle = (kp_x86_region_t){module->physical, module->physical + module->size};
    return KP_OK;
}

static void read_tag(kp_x86_boot_t *boot, const tag_t *tag, uint64_t physical)
{
    const tag_module_t *module = (const void *)tag;
    const tag_memory_t *memory = (const void *)tag;
    const tag_framebuffer_t *frame = (const void *)tag;
    switch (tag->type) {
    case 1:
        command_line_copy(boot, (const char *)(tag + 1), tag->size - sizeof(*tag));
        break;
    case 3:
        if (tag->size >= sizeof(*module) && !boot->bundle.end && module->start < module->end)
            boot->bundle = (kp_x86_region_t){module->start, module->end};
        break;
    case 6:
        if (tag->size < sizeof(*memory) || memory->entry_size != sizeof(hvm_memory_t))
            break;
        for (uint32_t i = 0; i < (tag->size - sizeof(*memory)) / sizeof(hvm_memory_t); i++)
            ram_add(boot, memory->entries[i].physical, memory->entries[i].size,
                    memory->entries[i].type);
        break;
    case 8:
        if (tag->size >= sizeof(*frame) && frame->kind == 1)
            boot->framebuffer = (kp_x86_framebuffer_t){
                .physical = frame->physical,
                .width = frame->width,
                .height = frame->height,
                .pitch = frame->pitch,
                .bits = frame->bits,
                .red_shift = frame->red_position,
                .green_shift = frame->green_position,
                .blue_shift = frame->blue_position,
            };
        break;
    case 14:
    case 15:
        boot->rsdp = physical + sizeof(*tag);
        break;
    default:
        break;
    }
}

static kp_status_t read_multiboot(kp_x86_boot_t *boot, uint64_t information)
{
    const uint32_t *size = low_memory(information, 8);
    if (!size || information % 8 || !low_memory(information, *size))
        return KP_ERR_BAD_FORMAT;
    const uint8_t *bytes = (const void *)size;
    for (uint64_t at = 8; at + sizeof(tag_t) <= *size;) {
        const tag_t *tag = (const void *)(bytes + at);
        if (tag->type == 0)
            return boot->ram_count ? KP_OK : KP_ERR_BAD_FORMAT;
        if (tag->size < sizeof(tag_t) || tag->size > *size - at)
            return KP_ERR_BAD_FORMAT;
        read_tag(boot, tag, information + at);
        at += KP_ROUND_UP((uint64_t)tag->size, 8);
    }
    return KP_ERR_BAD_FORMAT;
}

/* Takes [start, end) out of the usable RAM; cuts a region in two where it must. */
static void ram_take(kp_x86_boot_t *boot, uint64_t start, uint64_t end)
{
    start -= start % KP_PAGE_SIZE;
    end = KP_ROUND_UP(end, KP_PAGE_SIZE);
    for (uint32_t i = 0; i < boot->ram_count; i++) {
        kp_x86_region_t *region = &boot->ram[i];
        if (start >= region->end || end <= region->start)
            continue;
        uint64_t tail = region->end;
        region->end = KP_MAX(start, region->start);
        if (end < tail)
            ram_add(boot, end, tail - end, RAM);
        /* An emptied region stays with start == end; who walks the list skips it. */
    }
}

kp_status_t kp_x86_boot_read(kp_x86_boot_t *boot, uint32_t kind, uint64_t information)
{
    boot->multiboot = kind == 1;
    kp_status_t status =
        boot->multiboot ? read_multiboot(boot, information) : read_pvh(boot, information);
    if (status != KP_OK)
        return status;
    ram_cut_overlaps(boot);
    kp_x86_acpi_read(boot);
    for (uint32_t i = 0; i < boot->ram_count; i++)
        boot->ram_bytes += boot->ram[i].end - boot->ram[i].start;
    ram_take(boot, LOW_END, (uint64_t)kp_x86_image_end - KP_X86_KERNEL_OFFSET);
    if (boot->bundle.end)
        ram_take(boot, boot->bundle.start, boot->bundle.end);
    return KP_OK;
}

bool kp_x86_boot_option(const char *name, char *to, size_t size)
{
    size_t length = strlen(name);
    const char *at = kp_x86_boot.command_line;
    while (*at) {
        size_t word = 0;
        while (at[word] && at[word] != ' ')
            word++;
        if (word >= length && memcmp(at, name, length) == 0 &&
            (word == length || name[length - 1] == '=')) {
            if (word - length >= size)
                return false;
            memcpy(to, at + length, word - length);
            to[word - length] = 0;
            return true;
        }
        at += word;
        while (*at == ' ')
            at++;
    }
    return false;
}
