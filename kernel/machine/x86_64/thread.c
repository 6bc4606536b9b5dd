/* Threads: one run queue per CPU with priority bands, round robin inside a band, preemption by time
   slice only when another thread of the band waits, and no ticks otherwise. User threads that wake
   go ahead of user threads that compute (band WOKEN), so that a message or a packet is answered at
   once while a page is being laid out.

   Locks: `lock` guards everything here and is the innermost lock (unpark is called under others).
   It is held across kp_x86_switch: the thread that is switched to releases it. */
#include "kernel/machine/x86_64/thread.h"

#include "kernel/machine/x86_64/lapic.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/timer.h"
#include "kernel/machine/x86_64/trap.h"
#include "kernel/trace/trace.h"

#define SLICE (10 * KP_NS_PER_MS)
#define SLICE_WOKEN (2 * KP_NS_PER_MS)
/* A thread that used more than WINDOW_SHARE of the last WINDOW gets no precedence for waking. */
#define WINDOW (100 * KP_NS_PER_MS)
#define WINDOW_SHARE (25 * KP_NS_PER_MS)

enum { STATE_NEW = 0, STATE_READY, STATE_RUNNING, STATE_PARKED, STATE_DEAD };
enum {
    MSR_KERNEL_GS_BASE = 0xc0000102,
    FPU_ALIGN = 64,
    X87_DEFAULT = 0x37f,
    MXCSR_DEFAULT = 0x1f80
};

static kp_spinlock_t lock;
static kp_x86_timers_t timers; /* guarded by: lock */
static kp_list_t dead;         /* ended threads for the reaper; guarded by: lock */
static uint64_t switches;      /* guarded by: lock */
static kp_thread_t idle, reaper;

/* ---- Spin locks ---- */

void kp_spin_init(kp_spinlock_t *spin)
{
    atomic_init(&spin->next, 0);
    atomic_init(&spin->serving, 0);
}

void kp_spin_lock(kp_spinlock_t *spin)
{
    bool interrupts = kp_x86_flags() & KP_X86_FLAG_INTERRUPT;
    kp_x86_interrupts_off();
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    if (cpu->lock_depth++ == 0)
        cpu->lock_interrupts = interrupts;
    uint32_t ticket = atomic_fetch_add_explicit(&spin->next, 1, memory_order_relaxed);
    /* With one CPU a taken lock can only be our own: that would never end. */
    if (atomic_load_explicit(&spin->serving, memory_order_acquire) != ticket)
        kp_panic("spin lock %p taken twice", (void *)spin);
}

void kp_spin_unlock(kp_spinlock_t *spin)
{
    uint32_t serving = atomic_load_explicit(&spin->serving, memory_order_relaxed);
    atomic_store_explicit(&spin->serving, serving + 1, memory_order_release);
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    KP_ASSERT(cpu->lock_depth > 0);
    if (--cpu->lock_depth > 0 || !cpu->lock_interrupts)
        return;
    if (cpu->reschedule)
        kp_x86_thread_preempt();
    kp_x86_interrupts_on();
}

/* ---- The run queue; lock is held ---- */

static kp_time_t slice_end(const kp_machine_thread_t *thread)
{
    return thread->slice_start + (thread->band == KP_X86_BAND_WOKEN ? SLICE_WOKEN : SLICE);
}

/* Is there a thread that the end of the current one's slice would let run? */
static bool others_wait(const kp_x86_cpu_t *cpu)
{
    const kp_machine_thread_t *current = cpu->current;
    if (current == cpu->idle)
        return false;
    return !kp_list_is_empty(&cpu->ready[current->band]) ||
           (current->band == KP_X86_BAND_WOKEN && !kp_list_is_empty(&cpu->ready[KP_X86_BAND_USER]));
}

static void timer_program(kp_x86_cpu_t *cpu)
{
    kp_time_t next = kp_x86_timers_first(&timers);
    if (others_wait(cpu))
        next = KP_MIN(next, slice_end(cpu->current));
    /* One that fires too early costs less than arming again at every change. */
    if (next < cpu->timer_armed)
        kp_x86_timer_arm(next);
}

static void make_ready(kp_machine_thread_t *thread)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    thread->state = STATE_READY;
    kp_list_append(&cpu->ready[thread->band], &thread->run_link);
    if (thread->band > cpu->current->band)
        cpu->reschedule = true;
    else
        timer_program(cpu);
}

/* From park. */
static void make_woken(kp_machine_thread_t *thread)
{
    if (thread->space) {
        bool moderate =
            thread->window_used < WINDOW_SHARE || kp_machine_now() - thread->window_start > WINDOW;
        thread->band = moderate ? KP_X86_BAND_WOKEN : KP_X86_BAND_USER;
    }
    make_ready(thread);
}

static kp_machine_thread_t *pick(kp_x86_cpu_t *cpu)
{
    for (unsigned band = KP_X86_BANDS; band-- > 0;) {
        if (kp_list_is_empty(&cpu->ready[band]))
            continue;
        kp_machine_thread_t *thread =
            KP_CONTAINER_OF(cpu->ready[band].next, kp_machine_thread_t, run_link);
        kp_list_remove(&thread->run_link);
        return thread;
    }
    return cpu->idle;
}

/* Kernel code never touches SSE or x87, so the registers stay with the user thread that used them
   last until another one runs. Inside a system call they are dead but for their control words. */
static void fpu_leave(kp_machine_thread_t *thread)
{
    thread->fpu_valid = !thread->in_call;
    if (thread->fpu_valid) {
        kp_x86_fpu_save(thread->fpu);
        return;
    }
    __asm__ volatile("stmxcsr %0" : "=m"(thread->mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(thread->x87_control));
}

static void fpu_enter(kp_machine_thread_t *thread)
{
    if (thread->fpu_valid) {
        kp_x86_fpu_load(thread->fpu);
        return;
    }
    kp_x86_fpu_load_initial();
    __asm__ volatile("ldmxcsr %0" : : "m"(thread->mxcsr));
    __asm__ volatile("fldcw %0" : : "m"(thread->x87_control));
}

static void space_enter(kp_x86_cpu_t *cpu, const kp_machine_thread_t *thread)
{
    if (cpu->root == thread->space->root)
        return;
    cpu->root = thread->space->root;
    kp_x86_root_write(cpu->root);
    /* Ring 3 can zero its GS base by loading a selector; the next process must not see that. */
    kp_x86_msr_write(MSR_KERNEL_GS_BASE, KP_X86_USER_MEMORY);
}

static void account(kp_machine_thread_t *machine, kp_time_t now)
{
    kp_thread_t *thread = KP_CONTAINER_OF(machine, kp_thread_t, machine);
    kp_time_t used = now - machine->slice_start;
    atomic_fetch_add_explicit(&thread->cpu_time_ns, (uint64_t)used, memory_order_relaxed);
    if (now - machine->window_start > WINDOW) {
        machine->window_start = now;
        machine->window_used = 0;
    }
    machine->window_used += used;
}

/* lock is held: the CPU goes over to `next`. Returns when the previous thread runs again. */
static void switch_to(kp_x86_cpu_t *cpu, kp_machine_thread_t *previous, kp_machine_thread_t *next)
{
    cpu->current = next;
    if (previous->space && previous->state != STATE_DEAD)
        fpu_leave(previous);
    if (next->space) {
        space_enter(cpu, next);
        if (cpu->fpu_owner != next)
            fpu_enter(next);
        cpu->fpu_owner = next;
    }
    cpu->kernel_stack = cpu->tss.stack[0] = next->stack_top;
    switches++;
    kp_trace_switch(KP_CONTAINER_OF(previous, kp_thread_t, machine)->object.koid,
                    KP_CONTAINER_OF(next, kp_thread_t, machine)->object.koid);
    bool interrupts = cpu->lock_interrupts;
    kp_x86_switch(&previous->stack_pointer, next->stack_pointer);
    kp_x86_cpu()->lock_interrupts = interrupts;
}

/* Runs the next thread; the current one is ready, parked or dead. Returns when it runs again. */
static void switch_away(void)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    kp_machine_thread_t *previous = cpu->current;
    KP_ASSERT(cpu->lock_depth == 1);
    kp_machine_thread_t *next = pick(cpu);
    cpu->reschedule = false;
    kp_time_t now = kp_machine_now();
    if (previous != cpu->idle)
        account(previous, now);
    next->state = STATE_RUNNING;
    next->slice_start = now;
    cpu->current = next;
    timer_program(cpu);
    if (next != previous)
        switch_to(cpu, previous, next);
}

void kp_x86_thread_preempt(void)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    if (!cpu->reschedule || !cpu->scheduling || cpu->lock_depth > 0)
        return;
    kp_spin_lock(&lock);
    if (cpu->current != cpu->idle)
        make_ready(cpu->current);
    switch_away();
    kp_spin_unlock(&lock);
}

void kp_x86_user_return(void)
{
    for (;;) {
        const kp_x86_cpu_t *cpu = kp_x86_cpu();
        if (atomic_load_explicit(&cpu->current->killed, memory_order_relaxed))
            kp_x86_thread_exit();
        if (!cpu->reschedule)
            return;
        kp_x86_thread_preempt();
    }
}

void kp_x86_thread_timer(void)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    kp_spin_lock(&lock);
    cpu->timer_armed = KP_TIME_INFINITE;
    kp_time_t now = kp_machine_now();
    kp_machine_thread_t *thread;
    while ((thread = kp_x86_timers_pop(&timers, now))) {
        thread->timed_out = true;
        make_woken(thread);
    }
    if (others_wait(cpu) && now >= slice_end(cpu->current)) {
        if (cpu->current->band == KP_X86_BAND_WOKEN)
            cpu->current->band = KP_X86_BAND_USER;
        cpu->reschedule = true;
    } else {
        timer_program(cpu);
    }
    kp_spin_unlock(&lock);
}

/* ---- The machine interface ---- */

kp_thread_t *kp_machine_thread_current(void)
{
    return KP_CONTAINER_OF(kp_x86_cpu()->current, kp_thread_t, machine);
}

bool kp_machine_thread_park(kp_time_t deadline)
{
    bool woken = true;
    kp_spin_lock(&lock);
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    kp_machine_thread_t *current = cpu->current;
    KP_ASSERT(cpu->lock_depth == 1 && current != cpu->idle);
    if (!current->token && !atomic_load_explicit(&current->killed, memory_order_relaxed)) {
        if (deadline <= kp_machine_now()) {
            woken = false;
        } else {
            current->state = STATE_PARKED;
            current->timed_out = false;
            if (deadline != KP_TIME_INFINITE)
                kp_x86_timers_add(&timers, current, deadline);
            switch_away();
            woken = !current->timed_out || current->token;
        }
    }
    current->token = false;
    kp_spin_unlock(&lock);
    return woken;
}

static void wake(kp_machine_thread_t *thread)
{
    if (thread->state != STATE_PARKED)
        return;
    kp_x86_timers_remove(&timers, thread);
    make_woken(thread);
}

void kp_machine_thread_unpark(kp_thread_t *thread)
{
    kp_spin_lock(&lock);
    thread->machine.token = true;
    wake(&thread->machine);
    kp_spin_unlock(&lock);
}

bool kp_machine_thread_handoff(kp_thread_t *to, kp_time_t deadline)
{
    kp_machine_thread_t *next = &to->machine;
    kp_spin_lock(&lock);
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    kp_machine_thread_t *current = cpu->current;
    KP_ASSERT(cpu->lock_depth == 1 && current != cpu->idle);
    /* Straight over, past the run queue, when `to` waits and nothing else is due. */
    if (next->state != STATE_PARKED || current->token || cpu->reschedule ||
        atomic_load_explicit(&current->killed, memory_order_relaxed)) {
        kp_spin_unlock(&lock);
        kp_machine_thread_unpark(to);
        return kp_machine_thread_park(deadline);
    }
    next->token = true;
    kp_x86_timers_remove(&timers, next);
    current->state = STATE_PARKED;
    current->timed_out = false;
    if (deadline != KP_TIME_INFINITE)
        kp_x86_timers_add(&timers, current, deadline);
    kp_time_t now = kp_machine_now();
    account(current, now);
    /* The callee runs in at least the caller's band. */
    next->state = STATE_RUNNING;
    next->slice_start = now;
    if (next->band < current->band && current->band <= KP_X86_BAND_WOKEN)
        next->band = current->band;
    cpu->current = next;
    if (deadline < cpu->timer_armed)
        timer_program(cpu);
    switch_to(cpu, current, next);
    bool woken = !current->timed_out || current->token;
    current->token = false;
    kp_spin_unlock(&lock);
    return woken;
}

void kp_machine_thread_set_policy(kp_thread_t *thread, const kp_job_policy_t *policy)
{
    (void)thread;
    (void)policy;
}

void kp_machine_thread_kill(kp_thread_t *thread)
{
    kp_spin_lock(&lock);
    atomic_store_explicit(&thread->machine.killed, true, memory_order_relaxed);
    wake(&thread->machine);
    kp_spin_unlock(&lock);
}

static kp_status_t start(kp_machine_thread_t *thread)
{
    thread->stack_top = kp_x86_stack_allocate();
    if (!thread->stack_top)
        return KP_ERR_NO_MEMORY;
    /* What kp_x86_switch pops: six registers, then the return address; then the stack is aligned.
     */
    uint64_t *stack = (uint64_t *)(thread->stack_top - 16) - 7;
    memset(stack, 0, 6 * sizeof(*stack));
    stack[6] = (uint64_t)kp_x86_thread_entry;
    stack[7] = stack[8] = 0;
    thread->stack_pointer = (uint64_t)stack;
    kp_list_init(&thread->run_link);
    kp_spin_lock(&lock);
    make_ready(thread);
    kp_spin_unlock(&lock);
    return KP_OK;
}

kp_status_t kp_machine_thread_start(kp_thread_t *thread, void (*fn)(void *), void *argument)
{
    thread->machine.function = fn;
    thread->machine.argument = argument;
    thread->machine.band = KP_X86_BAND_KERNEL;
    return start(&thread->machine);
}

kp_status_t kp_machine_thread_start_user(kp_thread_t *thread, kp_process_t *process)
{
    kp_machine_thread_t *machine = &thread->machine;
    machine->fpu_memory = kp_kalloc(kp_x86_features.fpu_size + FPU_ALIGN);
    if (!machine->fpu_memory)
        return KP_ERR_NO_MEMORY;
    machine->fpu = (void *)KP_ROUND_UP((uint64_t)machine->fpu_memory, (uint64_t)FPU_ALIGN);
    machine->mxcsr = MXCSR_DEFAULT;
    machine->x87_control = X87_DEFAULT;
    machine->process = process;
    machine->space = &process->space;
    machine->band = KP_X86_BAND_USER;
    kp_status_t status = start(machine);
    if (status != KP_OK) {
        kp_kfree(machine->fpu_memory);
        machine->fpu_memory = machine->fpu = NULL;
        machine->space = NULL;
    }
    return status;
}

void kp_x86_thread_begin(void)
{
    kp_machine_thread_t *thread = kp_x86_cpu()->current;
    kp_x86_cpu()->lock_interrupts = true;
    kp_spin_unlock(&lock);
    if (thread->space && !atomic_load_explicit(&thread->killed, memory_order_relaxed))
        kp_x86_user_enter(thread->space->base + thread->space->image->entry, KP_X86_USER_STACK_TOP,
                          KP_X86_USER_MEMORY, thread->space->memory_bytes / KP_WASM_PAGE_SIZE);
    if (!thread->space)
        thread->function(thread->argument);
    kp_x86_thread_exit();
}

void kp_x86_thread_exit(void)
{
    kp_spin_lock(&lock);
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    KP_ASSERT(cpu->lock_depth == 1);
    kp_machine_thread_t *current = cpu->current;
    current->state = STATE_DEAD;
    if (cpu->fpu_owner == current)
        cpu->fpu_owner = NULL;
    kp_list_append(&dead, &current->run_link);
    reaper.machine.token = true;
    wake(&reaper.machine);
    switch_away();
    kp_panic("a dead thread ran");
}

/* Ends threads for good: not on their own stack. Holding the lock means that they have left it. */
static void reap(void *argument)
{
    (void)argument;
    for (;;) {
        kp_spin_lock(&lock);
        kp_machine_thread_t *thread = NULL;
        if (!kp_list_is_empty(&dead)) {
            thread = KP_CONTAINER_OF(dead.next, kp_machine_thread_t, run_link);
            kp_list_remove(&thread->run_link);
        }
        kp_spin_unlock(&lock);
        if (!thread) {
            kp_machine_thread_park(KP_TIME_INFINITE);
            continue;
        }
        kp_x86_stack_free(thread->stack_top);
        kp_kfree(thread->fpu_memory);
        thread->stack_top = 0;
        thread->fpu_memory = thread->fpu = NULL;
        kp_thread_ended(KP_CONTAINER_OF(thread, kp_thread_t, machine));
    }
}

void kp_x86_thread_forget_space(uint64_t root)
{
    kp_spin_lock(&lock);
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    if (cpu->root == root) {
        cpu->root = kp_x86_paging_root();
        kp_x86_root_write(cpu->root);
    }
    kp_spin_unlock(&lock);
}

uint64_t kp_x86_thread_switches(void)
{
    return switches;
}

void kp_x86_thread_init(void)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    kp_list_init(&dead);
    kp_list_init(&idle.machine.run_link);
    idle.machine.state = STATE_RUNNING;
    idle.machine.band = KP_X86_BAND_IDLE;
    cpu->idle = cpu->current = &idle.machine;
    cpu->scheduling = true;
    if (kp_machine_thread_start(&reaper, reap, NULL) != KP_OK)
        kp_panic("no memory for the first threads");
}

void kp_x86_thread_idle(void)
{
    for (;;) {
        kp_x86_interrupts_off();
        kp_x86_thread_preempt();
        __asm__ volatile("sti; hlt" : : : "memory"); /* no interrupt can slip in between */
    }
}
