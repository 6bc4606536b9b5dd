/* Page tables. */
#ifndef KP_X86_PAGING_H
#define KP_X86_PAGING_H

#include "kernel/machine/x86_64/boot.h"
#include "kernel/machine/x86_64/memory.h"

#define KP_X86_PTE_PRESENT 0x001ull
#define KP_X86_PTE_WRITE 0x002ull
#define KP_X86_PTE_USER 0x004ull
#define KP_X86_PTE_UNCACHED 0x018ull /* PWT and PCD */
#define KP_X86_PTE_LARGE 0x080ull
#define KP_X86_PTE_GLOBAL 0x100ull
#define KP_X86_PTE_OWNED 0x200ull /* ours: freed with the mapping */
#define KP_X86_PTE_COPY 0x400ull  /* ours: copy on write */
#define KP_X86_PTE_NO_EXECUTE (1ull << 63)
#define KP_X86_PTE_ADDRESS 0x000ffffffffff000ull

/* Builds the kernel's final tables (see memory.h) from the boot information, turns them on and
   forgets the first ones: the null page and the low identity map are gone after it. */
void kp_x86_paging_init(const kp_x86_boot_t *boot);
/* Their physical address. Its upper half is in every address space. */
uint64_t kp_x86_paging_root(void);

/* Finds the entry of a 4 KiB page. create: makes missing tables (user-accessible) and adds them to
 *tables; otherwise, or when memory is out, NULL. NULL also when a large page covers the address. */
uint64_t *kp_x86_paging_entry(uint64_t root, uint64_t address, bool create, uint64_t *tables);

/* Maps [address, address + size) of the kernel's half with the largest pages that fit; all
 * page-aligned. */
kp_status_t kp_x86_paging_map(uint64_t address, uint64_t physical, uint64_t size, uint64_t flags);

/* Kernel stacks of 24 KiB with unmapped pages below. Returns the top, 0: no memory. */
uint64_t kp_x86_stack_allocate(void);
void kp_x86_stack_free(uint64_t top);
/* Is address in the unmapped part below a kernel stack? For panics. */
bool kp_x86_stack_is_guard(uint64_t address);

static inline void kp_x86_tlb_flush(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline uint64_t kp_x86_root_read(void)
{
    uint64_t root;
    __asm__ volatile("movq %%cr3, %0" : "=r"(root));
    return root;
}

static inline void kp_x86_root_write(uint64_t root)
{
    __asm__ volatile("movq %0, %%cr3" : : "r"(root) : "memory");
}

/* Walks every present page of the kernel's half; returns the number of pages that are writable and
   executable or that ring 3 could reach, and of pages mapped below the kernel's half. Self-test. */
uint64_t kp_x86_paging_violations(void);

#endif
