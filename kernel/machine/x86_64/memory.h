/* Memory of the x86_64 machine, for drivers and for this machine's own files.

   Kernel virtual addresses: all RAM is mapped readable and writable (never executable) at
   KP_X86_DIRECT_BASE + physical, except the kernel's text and constants and the boot archive, which
   are read-only there. The kernel itself runs in the last 2 GiB; MMIO and kernel stacks have own
   ranges. Where exactly is chosen at each boot (kaslr.c). */
#ifndef KP_X86_MEMORY_H
#define KP_X86_MEMORY_H

#include "kernel/base/base.h"
#include "kernel/machine/x86_64/kaslr.h"

/* The ranges: 48 TiB, 16 TiB and 16 TiB. */
#define KP_X86_DIRECT_MIN 0xffff800000000000ull
#define KP_X86_DIRECT_END 0xffffb00000000000ull
#define KP_X86_MMIO_MIN 0xffffc00000000000ull
#define KP_X86_STACK_MIN 0xffffd00000000000ull
/* The image is linked for this plus its physical address, and runs kp_x86_slide above that. */
#define KP_X86_KERNEL_BASE 0xffffffff80000000ull
#define KP_X86_KERNEL_OFFSET (KP_X86_KERNEL_BASE + kp_x86_slide)

/* Constant once the kernel runs. */
extern uint64_t kp_x86_direct_base, kp_x86_mmio_base, kp_x86_stack_base;
#define KP_X86_DIRECT_BASE kp_x86_direct_base
#define KP_X86_MMIO_BASE kp_x86_mmio_base
#define KP_X86_STACK_BASE kp_x86_stack_base

/* One page of RAM (KP_PAGE_SIZE, page-aligned, NOT zeroed), or NULL: none left. O(1). The pointer
   is in the direct map. Any context but interrupt handlers; also with locks held. */
void *kp_x86_page_allocate(void);
/* The same, zeroed. */
void *kp_x86_page_allocate_zeroed(void);
void kp_x86_page_free(void *page);

/* count physically contiguous pages, aligned to their own size up to 4 KiB << 11, NOT zeroed; for
   rings and DMA buffers. NULL: no such run, or count is 0 or above 2048 (8 MiB). */
void *kp_x86_pages_allocate(size_t count);
/* count as it was allocated. */
void kp_x86_pages_free(void *pages, size_t count);

/* The physical address of kernel memory: the direct map (pages, kp_kalloc, VMO pages) or the kernel
   image (static variables). Not for MMIO or kernel stacks: panics. */
uint64_t kp_x86_physical(const void *memory);
/* The direct map's address of RAM. */
static inline void *kp_x86_direct(uint64_t physical)
{
    return (void *)(KP_X86_DIRECT_BASE + physical);
}

/* Maps device registers (any physical range outside RAM, need not be page-aligned) uncached,
   writable, never executable. The mapping stays for ever. NULL: no memory, or the range is RAM. */
volatile void *kp_x86_map_mmio(uint64_t physical, uint64_t size);

/* Bytes of all usable RAM (kernel image and boot archive included), and the free ones. */
void kp_x86_memory_usage(uint64_t *total_bytes, uint64_t *free_bytes);

/* Tests: the n-th next allocation (page or kp_kalloc) from now fails, once; 0 switches it off. */
void kp_x86_allocation_fail_at(uint64_t n);

#endif
