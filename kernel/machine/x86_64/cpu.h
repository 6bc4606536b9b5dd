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
#define KP_X86_FLAG_DIRECTION 0x400ull

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

enum { KP_X86_CPUS_MAX = 16 }; /* those beyond are left alone */
_Static_assert((int)KP_X86_CPUS_MAX <= (int)KP_SCHED_CPUS_MAX, "placement");

/* entry.S and kp_x86_current know the first four offsets. Only its own CPU uses it, with interrupts off,
   except where said. */
typedef struct kp_x86_cpu {
    struct kp_x86_cpu *self;
    uint64_t kernel_stack; /* top, of the current thread */
    uint64_t user_stack;   /* scratch of the system call entry */
    kp_machine_thread_t *current;
    uint32_t number;
    uint32_t lock_depth;     /* spin locks held */
    uint64_t canary;         /* of the stack protector, which the compiler reads at GS:40 */
    bool lock_interrupts;    /* were interrupts on when the first was taken */
    bool scheduling;         /* threads run on this CPU */
    _Atomic bool reschedule; /* another thread should run as soon as no lock is held */
    _Atomic bool kicked;     /* a kick is on its way: no need for another; any CPU */
    kp_machine_thread_t *idle;
    kp_machine_thread_t *fpu_owner; /* whose SSE registers are in the CPU, if its fpu_cpu agrees */
    kp_machine_space_t *space;      /* CR3's; NULL: the kernel's own tables */
    kp_time_t timer_armed;          /* when the LAPIC timer will fire; KP_TIME_INFINITE: off */
    uint32_t apic;                  /* LAPIC's id */

    kp_spinlock_t lock;      /* the scheduler's: this CPU's threads and queue, used by any CPU */
    kp_sched_queue_t queue;  /* guarded by: lock */
    kp_heap_t timers;        /* deadlines of parked threads; guarded by: lock */
    kp_time_t balanced;      /* when a thread was last pushed away for fairness */
    uint32_t deadline_share; /* admitted, of 1024; guarded by: the admission's lock */

    uint64_t switches;           /* others read it as it comes */
    _Atomic uint64_t interrupts; /* taken, all kinds */
    kp_x86_tss_t tss;
    uint64_t gdt[7];
} kp_x86_cpu_t;

_Static_assert(offsetof(kp_x86_cpu_t, kernel_stack) == 8, "entry.S");
_Static_assert(offsetof(kp_x86_cpu_t, user_stack) == 16, "entry.S");
_Static_assert(offsetof(kp_x86_cpu_t, current) == 24, "kp_x86_current, entry.S");
_Static_assert(offsetof(kp_x86_cpu_t, reschedule) == 50, "entry.S");
_Static_assert(offsetof(kp_machine_thread_t, attention) == 0, "entry.S");
_Static_assert(offsetof(kp_machine_thread_t, in_call) == 4, "entry.S");

_Static_assert(offsetof(kp_x86_cpu_t, canary) == 40, "-fstack-protector");

/* All CPUs that run threads: [0, kp_x86_view.count). An entry stays once it is set. */
extern kp_x86_cpu_t *kp_x86_cpus[KP_X86_CPUS_MAX];
extern kp_sched_view_t kp_x86_view;

static inline kp_x86_cpu_t *kp_x86_cpu(void)
{
    kp_x86_cpu_t *cpu;
    __asm__ volatile("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

/* The running thread; one instruction, so that it may be asked with interrupts on. */
static inline kp_machine_thread_t *kp_x86_current(void)
{
    kp_machine_thread_t *current;
    __asm__ volatile("movq %%gs:24, %0" : "=r"(current));
    return current;
}

/* What this CPU offers; filled by kp_x86_cpu_features, the same on every CPU. */
typedef struct kp_x86_features {
    bool pcid, x2apic, tsc_deadline, xsave, avx, rdrand, rdseed, smep, smap, umip, huge_pages;
    bool invariant_tsc, hypervisor;
    bool emulated; /* QEMU without hardware virtualisation: string instructions are slow */
    /* A processor executes our instructions itself: its fences order memory for devices too. Not so
       in an emulator; under a hypervisor that is not known, not relied on. */
    bool real_fences;
    uint32_t fpu_size;      /* bytes of the XSAVE (or FXSAVE) area */
    uint64_t fpu_mask;      /* XCR0 */
    uint32_t physical_bits; /* width of physical addresses */
} kp_x86_features_t;
extern kp_x86_features_t kp_x86_features;

/* Reads CPUID; stops the machine with one line when x86-64-v2 is not met. */
void kp_x86_cpu_features(void);
/* GDT, TSS, GS, interrupt stacks of the boot CPU. Nothing else works before. */
void kp_x86_cpu_init_boot(void);
/* The state of another CPU, made by the boot CPU: guarded stacks, nothing loaded. NULL: no memory. */
kp_x86_cpu_t *kp_x86_cpu_create(uint32_t number, uint32_t apic);
/* The boot CPU's interrupt stacks get guard pages too, once there are page tables for them. */
void kp_x86_cpu_guard_stacks(void);
/* Loads the calling CPU's GDT, TSS and GS. */
void kp_x86_cpu_load(kp_x86_cpu_t *cpu);
/* Control registers and system call registers of the calling CPU: SMEP, SMAP, UMIP, SSE, XSAVE,
   SYSCALL. After the features are known and the kernel's final page tables are in use. */
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
