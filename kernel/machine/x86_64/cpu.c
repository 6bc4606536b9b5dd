/* A CPU's own state, its features and protective control bits. */
#include "kernel/machine/x86_64/cpu.h"

#include "kernel/machine/x86_64/kaslr.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/speculation.h"
#include "kernel/machine/x86_64/trap.h"

enum {
    MSR_EFER = 0xc0000080,
    MSR_STAR = 0xc0000081,
    MSR_LSTAR = 0xc0000082,
    MSR_FMASK = 0xc0000084,
    MSR_GS_BASE = 0xc0000101,
    MSR_KERNEL_GS_BASE = 0xc0000102,
};

#define CR0_TS (1ull << 3)
#define CR0_EM (1ull << 2)
#define CR4_TSD (1ull << 2)
#define CR4_PGE (1ull << 7)
#define CR4_OSFXSR (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP (1ull << 11)
#define CR4_OSXSAVE (1ull << 18)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)

/* Cleared when a system call enters: interrupts, direction, trap, alignment check (SMAP), nested.
 */
#define SYSCALL_CLEARS 0x47700ull

enum { IST_STACK = 4096, IST_STACKS = 3 };

kp_x86_features_t kp_x86_features;

kp_x86_cpu_t *kp_x86_cpus[KP_X86_CPUS_MAX];
kp_sched_view_t kp_x86_view = {.count = 1};

static kp_x86_cpu_t boot_cpu;
/* The boot CPU's until there are page tables. Each ends with the CPU's address, which the entry loads GS from: in these states GS may be
 * anything. */
static uint8_t ist_stacks[IST_STACKS][IST_STACK] __attribute__((aligned(16)));
static uint8_t fpu_initial[4096] __attribute__((aligned(64)));

static bool bit(uint32_t value, unsigned number)
{
    return value >> number & 1;
}

void kp_x86_cpu_features(void)
{
    static const struct {
        bool extended;
        uint8_t number; /* of ECX, leaf 1 or 0x80000001 */
        const char *name;
    } required[] = {{false, 0, "SSE3"},    {false, 9, "SSSE3"},   {false, 13, "CMPXCHG16B"},
                    {false, 19, "SSE4.1"}, {false, 20, "SSE4.2"}, {false, 23, "POPCNT"},
                    {true, 0, "LAHF-SAHF"}};
    kp_x86_features_t *f = &kp_x86_features;
    kp_x86_cpuid_t basic = kp_x86_cpuid(1, 0);
    kp_x86_cpuid_t extended = kp_x86_cpuid(0x80000001, 0);
    for (unsigned i = 0; i < KP_ARRAY_COUNT(required); i++)
        if (!bit(required[i].extended ? extended.c : basic.c, required[i].number))
            kp_x86_console_stop("this CPU lacks ", required[i].name,
                                " (KPIO needs x86-64-v2, any PC since about 2009)");
    f->pcid = bit(basic.c, 17);
    f->x2apic = bit(basic.c, 21);
    f->tsc_deadline = bit(basic.c, 24);
    f->xsave = bit(basic.c, 26) && kp_x86_cpuid(0, 0).a >= 13;
    f->avx = f->xsave && bit(basic.c, 28);
    f->rdrand = bit(basic.c, 30);
    f->hypervisor = bit(basic.c, 31);
    f->real_fences = !f->hypervisor;
    if (f->hypervisor) {
        kp_x86_cpuid_t name = kp_x86_cpuid(0x40000000, 0);
        f->emulated = name.b == 0x54474354 && name.c == 0x43544743;    /* "TCGTCGTCGTCG" */
        f->real_fences = name.b == 0x4b4d564b && name.c == 0x564b4d56; /* "KVMKVMKVM" */
    }
    f->huge_pages = bit(extended.d, 26);
    if (kp_x86_cpuid(0, 0).a >= 7) {
        kp_x86_cpuid_t seven = kp_x86_cpuid(7, 0);
        f->smep = bit(seven.b, 7);
        f->rdseed = bit(seven.b, 18);
        f->smap = bit(seven.b, 20);
        f->umip = bit(seven.c, 2);
    }
    uint32_t last = kp_x86_cpuid(0x80000000, 0).a;
    f->invariant_tsc = last >= 0x80000007 && bit(kp_x86_cpuid(0x80000007, 0).d, 8);
    f->physical_bits = last >= 0x80000008 ? kp_x86_cpuid(0x80000008, 0).a & 0xff : 36;
    f->fpu_size = 512;
}

__attribute__((no_stack_protector)) static void ist_set(kp_x86_cpu_t *cpu, unsigned index,
                                                        uint64_t top)
{
    top -= 16;
    *(kp_x86_cpu_t **)top = cpu;
    cpu->tss.ist[index] = top;
}

__attribute__((no_stack_protector)) static void cpu_init(kp_x86_cpu_t *cpu, uint32_t number)
{
    cpu->self = cpu;
    cpu->number = number;
    cpu->canary = kp_x86_canary;
    cpu->timer_armed = KP_TIME_INFINITE;
    cpu->tss.io_map = sizeof(cpu->tss);
    kp_x86_cpus[number] = cpu;
}

__attribute__((no_stack_protector)) void kp_x86_cpu_init_boot(void)
{
    kp_x86_cpu_t *cpu = &boot_cpu;
    cpu_init(cpu, 0);
    for (unsigned i = 0; i < IST_STACKS; i++)
        ist_set(cpu, i, (uint64_t)ist_stacks[i] + IST_STACK);
    kp_x86_cpu_load(cpu);
}

static bool ist_guarded(kp_x86_cpu_t *cpu)
{
    for (unsigned i = 0; i < IST_STACKS; i++) {
        uint64_t top = kp_x86_stack_allocate();
        if (!top)
            return false;
        ist_set(cpu, i, top);
    }
    return true;
}

void kp_x86_cpu_guard_stacks(void)
{
    if (!ist_guarded(&boot_cpu))
        kp_panic("no memory for the interrupt stacks");
}

kp_x86_cpu_t *kp_x86_cpu_create(uint32_t number, uint32_t apic)
{
    kp_x86_cpu_t *cpu = kp_kalloc(sizeof(*cpu));
    uint64_t stack = kp_x86_stack_allocate();
    if (!cpu || !stack || !ist_guarded(cpu)) {
        kp_kfree(cpu);
        kp_x86_stack_free(stack);
        return NULL; /* an interrupt stack or two are lost: memory is out, and it happens once */
    }
    cpu->apic = apic;
    cpu->kernel_stack = stack;
    cpu_init(cpu, number);
    return cpu;
}

__attribute__((no_stack_protector)) void kp_x86_cpu_load(kp_x86_cpu_t *cpu)
{
    uint64_t tss = (uint64_t)&cpu->tss;
    cpu->gdt[1] = 0x00af9b000000ffff; /* kernel code */
    cpu->gdt[2] = 0x00cf93000000ffff; /* kernel data */
    cpu->gdt[3] = 0x00cff3000000ffff; /* user data */
    cpu->gdt[4] = 0x00affb000000ffff; /* user code */
    cpu->gdt[5] = (sizeof(cpu->tss) - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 |
                  (tss >> 24 & 0xff) << 56; /* TSS, two entries */
    cpu->gdt[6] = tss >> 32;
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt};
    __asm__ volatile("lgdt %0\n"
                     "pushq %1\n"
                     "leaq 1f(%%rip), %%rax\n"
                     "pushq %%rax\n"
                     "lretq\n"
                     "1: movw %w2, %%ss\n"
                     "movw %w2, %%ds\n"
                     "movw %w2, %%es\n"
                     "ltr %w3\n"
                     :
                     : "m"(pointer), "i"(KP_X86_KERNEL_CODE), "r"(KP_X86_KERNEL_DATA),
                       "r"(KP_X86_TSS)
                     : "rax", "memory");
    kp_x86_msr_write(MSR_GS_BASE, (uint64_t)cpu);
}

void kp_x86_cpu_protect(void)
{
    kp_x86_features_t *f = &kp_x86_features;
    uint64_t cr0, cr4;
    __asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("movq %0, %%cr0" : : "r"(cr0 & ~(CR0_TS | CR0_EM)));
    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    cr4 |= CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    if (f->umip)
        cr4 |= CR4_UMIP;
    if (f->smep)
        cr4 |= CR4_SMEP;
    if (f->smap)
        cr4 |= CR4_SMAP;
    if (f->xsave)
        cr4 |= CR4_OSXSAVE;
    /* FSGSBASE stays off: ring 3 cannot change GS, so GS needs no saving. See KP_X86_USER_GS. */
    __asm__ volatile("movq %0, %%cr4" : : "r"(cr4) : "memory");
    if (f->xsave) {
        f->fpu_mask = f->avx ? 7 : 3; /* the same on every CPU */
        __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)f->fpu_mask), "d"(0));
        f->fpu_size = kp_x86_cpuid(13, 0).b;
    }
    KP_CHECK(f->fpu_size <= sizeof(fpu_initial));
    /* The initial state: fninit's control word, MXCSR's default, zero registers. */
    *(uint16_t *)&fpu_initial[0] = 0x37f;
    *(uint32_t *)&fpu_initial[24] = 0x1f80;
    *(uint64_t *)&fpu_initial[512] = f->xsave ? 3 : 0; /* XSTATE_BV: take x87 and SSE from here */

    kp_x86_speculation_cpu();
    kp_x86_msr_write(MSR_STAR, (uint64_t)KP_X86_KERNEL_DATA << 48 | 3ull << 48 |
                                   (uint64_t)KP_X86_KERNEL_CODE << 32);
    kp_x86_msr_write(MSR_LSTAR, (uint64_t)kp_x86_syscall_entry);
    kp_x86_msr_write(MSR_FMASK, SYSCALL_CLEARS);
    kp_x86_msr_write(MSR_KERNEL_GS_BASE, KP_X86_USER_MEMORY);
}

void kp_x86_fpu_save(void *area)
{
    if (kp_x86_features.xsave)
        __asm__ volatile("xsave64 (%0)"
                         :
                         : "r"(area), "a"((uint32_t)kp_x86_features.fpu_mask), "d"(0)
                         : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

void kp_x86_fpu_load(const void *area)
{
    if (kp_x86_features.xsave)
        __asm__ volatile("xrstor64 (%0)"
                         :
                         : "r"(area), "a"((uint32_t)kp_x86_features.fpu_mask), "d"(0)
                         : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

void kp_x86_fpu_load_initial(void)
{
    kp_x86_fpu_load(fpu_initial);
}

uint32_t kp_machine_cpu_current(void)
{
    uint32_t number;
    __asm__ volatile("movl %%gs:%c1, %0" : "=r"(number) : "i"(offsetof(kp_x86_cpu_t, number)));
    return number;
}
