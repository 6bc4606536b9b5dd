/* What the boot loader told us, whichever it was. */
#ifndef KP_X86_BOOT_H
#define KP_X86_BOOT_H

#include "kernel/base/base.h"

enum { KP_X86_REGIONS_MAX = 64, KP_X86_COMMAND_LINE_MAX = 1024, KP_X86_BOOT_CPUS_MAX = 64 };

typedef struct kp_x86_region {
    uint64_t start, end; /* physical */
} kp_x86_region_t;

typedef struct kp_x86_framebuffer {
    uint64_t physical; /* 0: none */
    uint32_t width, height, pitch, bits;
    uint8_t red_shift, green_shift, blue_shift;
} kp_x86_framebuffer_t;

typedef struct kp_x86_boot {
    kp_x86_region_t ram[KP_X86_REGIONS_MAX]; /* usable, sorted, whole pages, without overlaps */
    uint32_t ram_count;
    uint64_t ram_bytes;     /* all usable RAM, with the kernel and the bundle, which `ram` lacks */
    kp_x86_region_t bundle; /* the first module, as it lies; end exclusive, not rounded */
    uint64_t rsdp;          /* physical address of ACPI's root pointer; 0: not told */
    uint64_t trampoline;    /* a free page below 640 KiB, where CPUs start; 0: none */
    uint32_t cpus[KP_X86_BOOT_CPUS_MAX]; /* LAPIC ids of all CPUs, the boot CPU among them */
    uint32_t cpu_count;                  /* 0: not told */
    kp_x86_framebuffer_t framebuffer;
    char command_line[KP_X86_COMMAND_LINE_MAX];
    bool multiboot;
} kp_x86_boot_t;

/* Reads hvm_start_info (kind 0) or the multiboot2 information (kind 1) at a physical address below
   4 GiB through the boot page tables. ERR_BAD_FORMAT: not what it should be. */
kp_status_t kp_x86_boot_read(kp_x86_boot_t *boot, uint32_t kind, uint64_t information);
/* The loader's information, valid after boot. */
extern kp_x86_boot_t kp_x86_boot;

/* The value of "name=" (or "" for a bare word) on the command line, up to the next space, in `to`;
   false: not there or too long. */
bool kp_x86_boot_option(const char *name, char *to, size_t size);

#endif
