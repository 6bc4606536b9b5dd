/* What one CPU owns, reached through GS, and the registers that set it up. */
#ifndef KP_X86_CPU_H
#define KP_X86_CPU_H

#include "kernel/machine/machine.h"

/* Segment selectors; the order is what syscall and sysret demand. */
#define KP_X86_KERNEL_CODE 0x08
#define KP_X86_KERNEL_DATA 0x10
#define KP_X86_USER_DATA 0x1b
#define KP_X86_USER_CODE 0x23
#define KP_X86_TSS 0x28

#define KP_X86_FLAG_INTERRUPT 0x200ull

/* Interrupt stacks that work whatever state the CPU was in (index into the TSS, from 1). */
enum { KP_X86_IST_DOUBLE_FAULT = 1, KP_X86_IST_NMI = 2, KP_X86_IST_MACHINE_CHECK = 3 };

typedef struct kp_x86_tss {
    uint32_t reserved0;
    uint64_t stack[3]; /* [0]: taken when an interrupt comes in ring 3 */
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map;
} __attribute__((packed)) kp_x86_tss_t;

/* A user thread that wakes from park runs in band WOKEN, ahead of those that compute, until it has
   run for a short slice; thread.c bounds how much of the CPU that may take. */
enum {
    KP_X86_BAND_IDLE = 0,
    KP_X86_BAND_USER = 1,
    KP_X86_BAND_WOKEN = 2,
    KP_X86_BAND_KERNEL = 3,
    KP_X86_BANDS = 4,
};

/* entry.S knows the first four offsets. Only its own CPU uses it, with interrupts off or on a
   thread that cannot move (SMP: only with interrupts off), except where said. */
typedef struct kp_x86_cpu {
    struct kp_x86_cpu *self;
    uint64_t kernel_stack; /* top, of the current thread */
    uint64_t user_stack;   /* scratch of the system call entry */
    kp_machine_thread_t *current;
    uint32_t number;
    uint32_t lock_depth;  /* spin locks held */
    bool lock_interrupts; /* were interrupts on when the first was taken */
    bool reschedule;      /* another thread should run as soon as no lock is held */
    bool scheduling;      /* threads run on this CPU */
    kp_machine_thread_t *idle;
    kp_machine_thread_t *fpu_owner; /* whose SSE registers are in the CPU; NULL: nobody's */
    uint64_t root;                  /* CR3 */
    kp_list_t ready[KP_X86_BANDS];  /* guarded by the scheduler's lock */
    kp_time_t timer_armed;          /* when the LAPIC timer will fire; KP_TIME_INFINITE: off */
    kp_x86_tss_t tss;
    uint64_t gdt[7];
} kp_x86_cpu_t;

_Static_assert(offsetof(kp_x86_cpu_t, kernel_stack) == 8, "entry.S");
_Static_assert(offsetof(kp_x86_cpu_t, user_stack) == 16, "entry.S");

static inline kp_x86_cpu_t *kp_x86_cpu(void)
{
    kp_x86_cpu_t *cpu;
    __asm__ volatile("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

/* What this CPU offers; filled by kp_x86_cpu_features, the same on every CPU. */
typedef struct kp_x86_features {
    bool pcid, x2apic, tsc_deadline, xsave, avx, rdrand, rdseed, smep, smap, umip, huge_pages;
    bool invariant_tsc, hypervisor;
    bool emulated;          /* QEMU without hardware virtualisation: string instructions are slow */
    uint32_t fpu_size;      /* bytes of the XSAVE (or FXSAVE) area */
    uint64_t fpu_mask;      /* XCR0 */
    uint32_t physical_bits; /* width of physical addresses */
} kp_x86_features_t;
extern kp_x86_features_t kp_x86_features;

/* Reads CPUID; stops the machine with one line when x86-64-v2 is not met. */
void kp_x86_cpu_features(void);
/* GDT, TSS, GS, interrupt stacks of the boot CPU. Nothing else works before. */
void kp_x86_cpu_init_boot(void);
/* Control registers and system call registers: SMEP, SMAP, UMIP, SSE, XSAVE, SYSCALL. After the
   features are known and the kernel's final page tables are in use. */
void kp_x86_cpu_protect(void);

/* SSE and AVX state: save, load, and load what a fresh thread has. Area aligned to 64. */
void kp_x86_fpu_save(void *area);
void kp_x86_fpu_load(const void *area);
void kp_x86_fpu_load_initial(void);

typedef struct kp_x86_cpuid {
    uint32_t a, b, c, d;
} kp_x86_cpuid_t;

static inline kp_x86_cpuid_t kp_x86_cpuid(uint32_t leaf, uint32_t index)
{
    kp_x86_cpuid_t r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(index));
    return r;
}

static inline uint64_t kp_x86_msr_read(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void kp_x86_msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint64_t kp_x86_tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* a * b / divisor with a 128-bit product; the quotient must fit 64 bits (b < divisor, or small). */
static inline uint64_t kp_x86_multiply_divide(uint64_t a, uint64_t b, uint64_t divisor)
{
    uint64_t low, high;
    __asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(a), "r"(b) : "cc");
    __asm__("divq %2" : "+a"(low), "+d"(high) : "r"(divisor) : "cc");
    return low;
}

static inline uint64_t kp_x86_flags(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
    return flags;
}

static inline void kp_x86_interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline void kp_x86_interrupts_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}

#endif
