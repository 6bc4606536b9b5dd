/* Traps and interrupts, and what becomes of a process that faults. */
#include "kernel/machine/x86_64/trap.h"

#include "abi/calls.h"
#include "kernel/machine/x86_64/interrupt.h"
#include "kernel/machine/x86_64/io.h"
#include "kernel/machine/x86_64/lapic.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/smp.h"
#include "kernel/machine/x86_64/space.h"
#include "kernel/machine/x86_64/space_guest.h"
#include "kernel/machine/x86_64/thread.h"
#include "kernel/machine/x86_64/user_copy.h"
#include "kernel/machine/x86_64/user_trace.h"
#include "kernel/trace/trace.h"

enum {
    EXCEPTIONS = 32,
    DOUBLE_FAULT = 8,
    NMI = 2,
    MACHINE_CHECK = 18,
    GATE_INTERRUPT = 0x8e,
    PIC_MASTER = 0x20,
    PIC_SLAVE = 0xa0,
    PIC_VECTORS = 0x20,
    ERROR_PRESENT = 1,
    ERROR_WRITE = 2,
    ERROR_EXECUTE = 16,
};

typedef struct gate {
    uint16_t low, selector;
    uint8_t ist, type;
    uint16_t middle;
    uint32_t high, reserved;
} gate_t;

typedef struct driver_vector {
    void (*handler)(void *);
    void *argument;
} driver_vector_t;

static gate_t gates[256] __attribute__((aligned(16)));
static kp_spinlock_t lock;
static driver_vector_t drivers[KP_X86_VECTOR_DRIVER_LAST - KP_X86_VECTOR_DRIVER_FIRST + 1];

static const char *const exception_names[EXCEPTIONS] = {
    [0] = "division error",      [1] = "debug",          [2] = "non-maskable interrupt",
    [3] = "breakpoint",          [4] = "overflow",       [5] = "bound range",
    [6] = "invalid instruction", [7] = "no FPU",         [8] = "double fault",
    [10] = "invalid TSS",        [11] = "no segment",    [12] = "stack segment",
    [13] = "general protection", [14] = "page fault",    [16] = "x87",
    [17] = "alignment",          [18] = "machine check", [19] = "SIMD",
};

extern uint8_t kp_x86_clac_site[], kp_x86_clac_site_1[], kp_x86_clac_site_2[], kp_x86_clac_site_3[],
    kp_x86_clac_site_4[], kp_x86_clac_site_5[];
extern uint8_t kp_x86_stac_site_0[], kp_x86_stac_site_1[], kp_x86_stac_site_2[],
    kp_x86_stac_site_3[];

/* All legacy interrupts go to unused vectors and are masked: KPIO uses MSI and the LAPIC. */
static void pic_silence(void)
{
    kp_x86_out8(PIC_MASTER, 0x11);
    kp_x86_out8(PIC_SLAVE, 0x11);
    kp_x86_out8(PIC_MASTER + 1, PIC_VECTORS);
    kp_x86_out8(PIC_SLAVE + 1, PIC_VECTORS + 8);
    kp_x86_out8(PIC_MASTER + 1, 4);
    kp_x86_out8(PIC_SLAVE + 1, 2);
    kp_x86_out8(PIC_MASTER + 1, 1);
    kp_x86_out8(PIC_SLAVE + 1, 1);
    kp_x86_out8(PIC_MASTER + 1, 0xff);
    kp_x86_out8(PIC_SLAVE + 1, 0xff);
}

void kp_x86_trap_init(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t entry = kp_x86_trap_entries[i];
        uint8_t ist = i == DOUBLE_FAULT    ? KP_X86_IST_DOUBLE_FAULT
                      : i == NMI           ? KP_X86_IST_NMI
                      : i == MACHINE_CHECK ? KP_X86_IST_MACHINE_CHECK
                                           : 0;
        gates[i] = (gate_t){
            .low = (uint16_t)entry,
            .selector = KP_X86_KERNEL_CODE,
            .ist = ist,
            .type = GATE_INTERRUPT,
            .middle = (uint16_t)(entry >> 16),
            .high = (uint32_t)(entry >> 32),
        };
    }
    kp_x86_trap_load();
    pic_silence();
}

void kp_x86_trap_load(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof(gates) - 1, (uint64_t)gates};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void kp_x86_trap_patch(void)
{
    static const uint8_t clac[3] = {0x0f, 0x01, 0xca}, stac[3] = {0x0f, 0x01, 0xcb};
    uint8_t *const clacs[] = {kp_x86_clac_site,   kp_x86_clac_site_1, kp_x86_clac_site_2,
                              kp_x86_clac_site_3, kp_x86_clac_site_4, kp_x86_clac_site_5};
    uint8_t *const stacs[] = {kp_x86_stac_site_0, kp_x86_stac_site_1, kp_x86_stac_site_2,
                              kp_x86_stac_site_3};
    for (size_t i = 0; kp_x86_features.smap && i < KP_ARRAY_COUNT(clacs); i++)
        memcpy(clacs[i], clac, sizeof(clac));
    for (size_t i = 0; kp_x86_features.smap && i < KP_ARRAY_COUNT(stacs); i++)
        memcpy(stacs[i], stac, sizeof(stac));
}

kp_status_t kp_x86_interrupt_allocate(void (*handler)(void *), void *argument, uint8_t *vector)
{
    kp_status_t status = KP_ERR_NO_MEMORY;
    kp_spin_lock(&lock);
    for (unsigned i = 0; i < KP_ARRAY_COUNT(drivers) && status != KP_OK; i++) {
        if (drivers[i].handler)
            continue;
        drivers[i] = (driver_vector_t){handler, argument};
        *vector = (uint8_t)(KP_X86_VECTOR_DRIVER_FIRST + i);
        status = KP_OK;
    }
    kp_spin_unlock(&lock);
    return status;
}

void kp_x86_interrupt_free(uint8_t vector)
{
    KP_CHECK(vector >= KP_X86_VECTOR_DRIVER_FIRST && vector <= KP_X86_VECTOR_DRIVER_LAST);
    kp_spin_lock(&lock);
    drivers[vector - KP_X86_VECTOR_DRIVER_FIRST] = (driver_vector_t){NULL, NULL};
    kp_spin_unlock(&lock);
}

uint64_t kp_x86_msi_address(void)
{
    /* Whichever CPU the driver's thread runs on, and LAPIC ids above 255 cannot be reached. */
    return 0xfee00000ull | (uint64_t)(kp_x86_cpus[0]->apic & 0xff) << 12;
}

uint32_t kp_x86_msi_data(uint8_t vector)
{
    return vector;
}

static void interrupt(uint64_t vector)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    atomic_store_explicit(&cpu->interrupts,
                          atomic_load_explicit(&cpu->interrupts, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    kp_trace(KP_TRACE_INTERRUPT, vector, 0, 0);
    if (vector == KP_X86_VECTOR_TIMER) {
        kp_x86_lapic_acknowledge();
        kp_x86_thread_tick(true);
    } else if (vector == KP_X86_VECTOR_KICK) {
        kp_x86_lapic_acknowledge();
        kp_x86_smp_kicked();
    } else if (vector == KP_X86_VECTOR_REQUEST) {
        kp_x86_lapic_acknowledge();
        kp_x86_smp_poll();
    } else if (vector >= KP_X86_VECTOR_DRIVER_FIRST && vector <= KP_X86_VECTOR_DRIVER_LAST) {
        driver_vector_t driver = drivers[vector - KP_X86_VECTOR_DRIVER_FIRST];
        kp_x86_lapic_acknowledge();
        if (driver.handler)
            driver.handler(driver.argument);
    }
    /* Others are spurious (LAPIC 0xff, masked PIC): no acknowledgement, nothing to do. */
    kp_trace(KP_TRACE_INTERRUPT_END, vector, 0, 0);
}

static void user_fault(const kp_x86_frame_t *frame, uint32_t reason, int32_t code, uint64_t address)
{
    kp_x86_user_trace(frame, reason == KP_EXIT_TRAP ? "trap" : "fault", code, address);
    kp_process_fault(kp_x86_current()->process, reason, code, address);
}

static void user_page_fault(kp_x86_frame_t *frame, uint64_t address)
{
    kp_status_t status = kp_x86_space_fault(
        kp_x86_current()->space, address, frame->error & ERROR_WRITE, frame->error & ERROR_EXECUTE);
    kp_trace(KP_TRACE_FAULT, address,
             (frame->error & ERROR_WRITE ? 1u : 0) | (frame->error & ERROR_EXECUTE ? 2u : 0),
             status != KP_OK);
    if (status == KP_OK || (status == KP_ERR_BAD_ADDRESS &&
                            kp_x86_guest_deliver(kp_x86_current()->space, frame, address)))
        return;
    uint64_t offset = address - KP_X86_USER_MEMORY, below_top;
    uint32_t slot;
    if (status == KP_ERR_NO_MEMORY)
        user_fault(frame, KP_EXIT_FAULT, KP_ERR_NO_MEMORY, address);
    else if (offset < KP_IMAGE_MEMORY_RESERVE)
        user_fault(frame, KP_EXIT_TRAP, KP_TRAP_OUT_OF_BOUNDS, offset);
    else if (kp_x86_user_stack_find(address, &slot, &below_top) && below_top >= KP_IMAGE_STACK_SIZE)
        user_fault(frame, KP_EXIT_TRAP, KP_TRAP_STACK_OVERFLOW, address);
    else
        user_fault(frame, KP_EXIT_FAULT, KP_X86_VECTOR_PAGE_FAULT, address);
}

static void user_exception(kp_x86_frame_t *frame, uint64_t fault_address)
{
    kp_x86_interrupts_on();
    if (frame->vector == KP_X86_VECTOR_PAGE_FAULT)
        user_page_fault(frame, fault_address);
    else
        user_fault(frame, KP_EXIT_FAULT, (int32_t)frame->vector, frame->rip);
}

void kp_x86_trap(kp_x86_frame_t *frame)
{
    bool user = frame->cs & 3;
    uint64_t fault_address = 0;
    if (frame->vector == KP_X86_VECTOR_PAGE_FAULT)
        __asm__ volatile("movq %%cr2, %0" : "=r"(fault_address));
    if (frame->vector >= EXCEPTIONS) {
        interrupt(frame->vector);
        if (!user && (frame->flags & KP_X86_FLAG_INTERRUPT))
            kp_x86_thread_preempt();
        return;
    }
    bool fatal =
        frame->vector == NMI || frame->vector == DOUBLE_FAULT || frame->vector == MACHINE_CHECK;
    if (frame->vector == NMI && kp_x86_smp_is_stopping())
        for (;;)
            __asm__ volatile("cli; hlt");
    if (user && !fatal) {
        user_exception(frame, fault_address);
        return;
    }
    if (frame->vector == KP_X86_VECTOR_PAGE_FAULT &&
        frame->rip >= (uint64_t)kp_x86_user_copy_begin &&
        frame->rip < (uint64_t)kp_x86_user_copy_end && fault_address < KP_X86_USER_END) {
        frame->rip = (uint64_t)kp_x86_user_copy_fault;
        return;
    }
    const char *name = exception_names[frame->vector] ? exception_names[frame->vector] : "reserved";
    if (frame->vector == DOUBLE_FAULT) {
        __asm__ volatile("movq %%cr2, %0" : "=r"(fault_address));
        if (kp_x86_stack_is_guard(fault_address))
            kp_x86_panic_frame(frame, "kernel stack overflow");
    }
    if (frame->vector == KP_X86_VECTOR_PAGE_FAULT)
        kp_x86_panic_frame(frame, "page fault in the kernel: %s of 0x%016llx, %s",
                           frame->error & ERROR_EXECUTE ? "execution"
                           : frame->error & ERROR_WRITE ? "write"
                                                        : "read",
                           (unsigned long long)fault_address,
                           frame->error & ERROR_PRESENT ? "not allowed" : "not mapped");
    kp_x86_panic_frame(frame, "%s in the kernel, error code 0x%llx", name,
                       (unsigned long long)frame->error);
}

_Static_assert(KP_CALL_channel_reply_receive == 16, "entry.S: LEAN_CALL_LAST");

void kp_x86_syscall(kp_x86_frame_t *frame)
{
    kp_machine_thread_t *thread = kp_x86_current();
    const uint64_t arguments[6] = {frame->rdi, frame->rsi, frame->rdx,
                                   frame->r10, frame->r8,  frame->r9};
    thread->in_call = true;
    if (frame->rax == KP_CALL_process_trap)
        kp_x86_user_trace(frame, "trap", (int32_t)frame->rdi, frame->rsi);
    frame->rax = (uint64_t)kp_syscall_dispatch((uint32_t)frame->rax, arguments);
    if (atomic_load_explicit(&thread->attention, memory_order_relaxed) & KP_X86_ATTENTION_KILLED)
        kp_x86_thread_exit();
    thread->in_call = false;
}
