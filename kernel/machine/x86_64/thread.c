/* Threads on CPUs: parking, waking, switching. Which thread runs is kernel/sched's decision; each CPU has
   a queue of its own (thread_queue.c). Locks: thread_private.h. */
#include "kernel/machine/x86_64/hand_off.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/speculation.h"
#include "kernel/machine/x86_64/thread_private.h"
#include "kernel/machine/x86_64/trap.h"
#include "kernel/trace/trace.h"

/* ---- Switching ---- */

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

static void fpu_enter(kp_x86_cpu_t *cpu, kp_machine_thread_t *thread)
{
    /* Still there? Another CPU may have had it since. */
    if (cpu->fpu_owner == thread && thread->fpu_cpu == cpu->number + 1)
        return;
    if (!thread->fpu_valid) {
        kp_x86_fpu_enter_dead(cpu, thread);
        return;
    }
    cpu->fpu_owner = thread;
    thread->fpu_cpu = cpu->number + 1;
    kp_x86_fpu_load(thread->fpu);
}

static void space_enter(kp_x86_cpu_t *cpu, kp_machine_space_t *space)
{
    if (cpu->space != space)
        kp_x86_space_switch(cpu, cpu->space, space);
}

void kp_x86_thread_enter(kp_x86_cpu_t *cpu, kp_machine_thread_t *next)
{
    space_enter(cpu, next->space);
    fpu_enter(cpu, next);
}

void kp_x86_thread_push_up(kp_x86_cpu_t *cpu)
{
    kp_x86_queue_push_up(cpu, cpu->queue.charged);
}

/* The CPU, whose lock is held, goes over to `next`. Returns when the previous thread runs again, on
   whichever CPU. */
static inline __attribute__((always_inline)) void
switch_to(kp_x86_cpu_t *cpu, kp_machine_thread_t *previous, kp_machine_thread_t *next)
{
    next->state = KP_X86_THREAD_RUNNING;
    cpu->current = next;
    if (previous->space && previous->state != KP_X86_THREAD_DEAD)
        fpu_leave(previous);
    if (next->space) {
        space_enter(cpu, next->space);
        fpu_enter(cpu, next);
    }
    cpu->kernel_stack = cpu->tss.stack[0] = next->stack_top;
    cpu->switches++;
    kp_thread_t *thread = KP_CONTAINER_OF(previous, kp_thread_t, machine);
    atomic_store_explicit(&thread->cpu_time_ns, (uint64_t)previous->entity.used,
                          memory_order_relaxed);
    kp_trace_switch(thread->object.koid, KP_CONTAINER_OF(next, kp_thread_t, machine)->object.koid);
    bool interrupts = cpu->lock_interrupts;
    kp_x86_switch(&previous->stack_pointer, next->stack_pointer);
    kp_x86_thread_arrive(interrupts);
}

void kp_x86_thread_switch(kp_x86_cpu_t *cpu, kp_time_t now)
{
    kp_machine_thread_t *previous = cpu->current;
    KP_ASSERT(cpu->lock_depth == 1);
    kp_sched_entity_t *entity = kp_sched_pick(&cpu->queue, now);
    if (!entity) {
        kp_x86_queue_publish(cpu);
        if (kp_x86_queue_steal(cpu, now))
            entity = kp_sched_pick(&cpu->queue, now);
    }
    atomic_store_explicit(&cpu->reschedule, false, memory_order_relaxed);
    kp_x86_queue_publish(cpu);
    kp_x86_queue_timer(cpu, now);
    kp_machine_thread_t *next = entity ? kp_x86_thread_of(entity) : cpu->idle;
    if (next != previous)
        switch_to(cpu, previous, next);
    else
        next->state = KP_X86_THREAD_RUNNING;
}

void kp_x86_thread_preempt(void)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    if (!atomic_load_explicit(&cpu->reschedule, memory_order_relaxed) || !cpu->scheduling ||
        cpu->lock_depth > 0)
        return;
    kp_spin_lock(&cpu->lock);
    kp_time_t now = kp_x86_clock_now();
    if (cpu->current != cpu->idle) {
        cpu->current->state = KP_X86_THREAD_READY;
        kp_sched_put(&cpu->queue, now);
    }
    kp_x86_thread_switch(cpu, now);
    kp_x86_own_unlock();
}

/* The current thread is suspended: it stops here, with nothing of the kernel held, until it is resumed
   or killed. */
static void stop_while_suspended(void)
{
    kp_x86_cpu_t *cpu = kp_x86_own_lock();
    kp_machine_thread_t *current = cpu->current;
    if (atomic_load_explicit(&current->attention, memory_order_relaxed) ==
        KP_X86_ATTENTION_SUSPEND) {
        kp_time_t now = kp_x86_clock_now();
        current->state = KP_X86_THREAD_STOPPED;
        kp_sched_block(&cpu->queue, now);
        kp_x86_thread_switch(cpu, now);
    }
    kp_x86_own_unlock();
}

void kp_x86_user_return(void)
{
    for (;;) {
        const kp_x86_cpu_t *cpu = kp_x86_cpu();
        uint32_t attention = atomic_load_explicit(&cpu->current->attention, memory_order_relaxed);
        if (attention & KP_X86_ATTENTION_KILLED)
            kp_x86_thread_exit();
        if (attention & KP_X86_ATTENTION_SUSPEND)
            stop_while_suspended();
        else if (atomic_load_explicit(&cpu->reschedule, memory_order_relaxed))
            kp_x86_thread_preempt();
        else
            return;
    }
}

void kp_x86_thread_tick(bool expired)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    if (!cpu->scheduling)
        return;
    kp_spin_lock(&cpu->lock);
    if (expired)
        cpu->timer_armed = KP_TIME_INFINITE;
    kp_time_t now = kp_x86_clock_now();
    for (kp_heap_node_t *node; (node = kp_heap_first(&cpu->timers)) && node->key <= now;) {
        kp_machine_thread_t *thread = KP_CONTAINER_OF(node, kp_machine_thread_t, timer);
        kp_x86_queue_timer_remove(cpu, thread);
        thread->timed_out = true;
        kp_x86_queue_add(cpu, thread, now);
    }
    kp_x86_queue_push_up(cpu, now);
    kp_x86_queue_balance(cpu, now);
    if (kp_sched_tick(&cpu->queue, now))
        atomic_store_explicit(&cpu->reschedule, true, memory_order_relaxed);
    else
        kp_x86_queue_timer(cpu, now);
    kp_spin_unlock(&cpu->lock);
}

/* ---- The machine interface ---- */

kp_thread_t *kp_machine_thread_current(void)
{
    return KP_CONTAINER_OF(kp_x86_current(), kp_thread_t, machine);
}

/* The current thread was parked and runs again, or never was: what park returns. Its CPU's lock is
   held and released. */
static bool park_end(kp_machine_thread_t *current, bool woken)
{
    current->token = false;
    kp_x86_own_unlock();
    return woken;
}

bool kp_machine_thread_park(kp_time_t deadline)
{
    bool woken = true;
    kp_x86_cpu_t *cpu = kp_x86_own_lock();
    kp_machine_thread_t *current = cpu->current;
    KP_ASSERT(cpu->lock_depth == 1 && current != cpu->idle);
    if (!current->token && !kp_x86_thread_is_killed(current)) {
        kp_time_t now = kp_x86_clock_now();
        if (deadline <= now) {
            woken = false;
        } else {
            current->state = KP_X86_THREAD_PARKED;
            current->timed_out = false;
            if (deadline != KP_TIME_INFINITE)
                kp_x86_queue_timer_add(cpu, current, deadline);
            kp_sched_block(&cpu->queue, now);
            kp_x86_thread_switch(cpu, now);
            woken = !current->timed_out || current->token;
        }
    }
    return park_end(current, woken);
}

void kp_x86_thread_wake(kp_x86_cpu_t *home, kp_machine_thread_t *thread)
{
    kp_x86_queue_timer_remove(home, thread);
    unsigned target = home->number;
    if (kp_x86_view.count > 1 && thread->entity.band != KP_BAND_DEADLINE)
        target =
            kp_sched_place(&kp_x86_view, target, KP_MAX(thread->entity.rank, thread->entity.floor));
    if (target != home->number) {
        thread->state = KP_X86_THREAD_MOVING;
        atomic_store_explicit(&thread->cpu, target, memory_order_relaxed);
        kp_spin_unlock(&home->lock);
        home = kp_x86_cpus[target];
        kp_spin_lock(&home->lock);
    }
    kp_x86_queue_add(home, thread, kp_machine_now());
    kp_spin_unlock(&home->lock);
}

void kp_machine_thread_unpark(kp_thread_t *thread)
{
    kp_machine_thread_t *machine = &thread->machine;
    kp_x86_cpu_t *home = kp_x86_thread_lock(machine);
    machine->token = true;
    if (machine->state == KP_X86_THREAD_PARKED)
        kp_x86_thread_wake(home, machine);
    else
        kp_spin_unlock(&home->lock);
}

void kp_machine_thread_unpark_lent(kp_thread_t *thread)
{
    kp_machine_thread_t *machine = &thread->machine;
    kp_x86_cpu_t *own = kp_x86_own_lock();
    const kp_sched_entity_t *donor = &own->current->entity;
    uint8_t lent = donor->rank;
    kp_x86_own_unlock();
    kp_x86_cpu_t *home = kp_x86_thread_lock(machine);
    bool look = kp_sched_lend(&home->queue, &machine->entity, donor, lent, kp_machine_now());
    machine->token = true;
    if (machine->state == KP_X86_THREAD_PARKED) {
        kp_x86_thread_wake(home, machine);
        return;
    }
    kp_x86_queue_publish(home);
    if (look)
        atomic_store_explicit(&home->reschedule, true, memory_order_relaxed);
    if (look && home != kp_x86_cpu())
        kp_x86_smp_kick(home);
    kp_spin_unlock(&home->lock);
}

uint32_t kp_machine_thread_lent(void)
{
    return kp_x86_current()->entity.floor; /* nobody changes it while the thread runs */
}

void kp_machine_thread_lent_keep(bool keep)
{
    kp_x86_current()->entity.keeps_donor = keep;
}

/* A parked thread of another CPU comes to this one, still parked: the hand-off that follows wakes
   it. */
static void pull(kp_machine_thread_t *thread)
{
    kp_x86_cpu_t *home = kp_x86_thread_lock(thread);
    if (thread->state == KP_X86_THREAD_PARKED && thread->entity.band != KP_BAND_DEADLINE) {
        kp_x86_queue_timer_remove(home, thread);
        atomic_store_explicit(&thread->cpu, kp_x86_cpu()->number, memory_order_relaxed);
    }
    kp_spin_unlock(&home->lock);
}

/* What remains when the switch cannot go straight over. The lock is held and released. */
static __attribute__((noinline)) bool handoff_slowly(kp_thread_t *to, kp_time_t deadline)
{
    kp_machine_thread_t *next = &to->machine;
    kp_x86_own_unlock();
    if (atomic_load_explicit(&next->cpu, memory_order_relaxed) != kp_machine_cpu_current())
        pull(next);
    kp_x86_cpu_t *cpu = kp_x86_own_lock();
    kp_machine_thread_t *current = cpu->current;
    kp_time_t now = kp_x86_clock_now();
    if (atomic_load_explicit(&next->cpu, memory_order_relaxed) != cpu->number ||
        next->state != KP_X86_THREAD_PARKED || current->token || kp_x86_thread_is_killed(current) ||
        deadline <= now || atomic_load_explicit(&cpu->reschedule, memory_order_relaxed) ||
        !kp_sched_may_hand_off(&cpu->queue, &next->entity, now)) {
        kp_x86_own_unlock();
        kp_machine_thread_unpark_lent(to);
        return kp_machine_thread_park(deadline);
    }
    next->token = true;
    kp_x86_queue_timer_remove(cpu, next);
    current->state = KP_X86_THREAD_PARKED;
    current->timed_out = false;
    if (deadline != KP_TIME_INFINITE)
        kp_x86_queue_timer_add(cpu, current, deadline);
    kp_sched_hand_off(&cpu->queue, &next->entity, now);
    kp_x86_queue_publish(cpu);
    kp_x86_queue_timer(cpu, now);
    switch_to(cpu, current, next);
    return park_end(current, !current->timed_out || current->token);
}

bool kp_machine_thread_handoff(kp_thread_t *to, kp_time_t deadline)
{
    kp_machine_thread_t *next = &to->machine;
    kp_x86_cpu_t *cpu = kp_x86_own_lock();
    kp_machine_thread_t *current = cpu->current;
    KP_ASSERT(current != cpu->idle);
    /* Straight over, past the queue, when `to` waits here, without a deadline, and nothing else is due. */
    if (atomic_load_explicit(&next->cpu, memory_order_relaxed) != cpu->number ||
        next->state != KP_X86_THREAD_PARKED || next->timer_armed || deadline != KP_TIME_INFINITE ||
        current->token || kp_x86_thread_is_killed(current) ||
        atomic_load_explicit(&cpu->reschedule, memory_order_relaxed) ||
        !kp_sched_hand_off_usual(&cpu->queue, &next->entity, kp_x86_clock_now()))
        return handoff_slowly(to, deadline);
    next->token = true;
    current->state = KP_X86_THREAD_PARKED;
    current->timed_out = false;
    kp_x86_queue_publish(cpu);
    switch_to(cpu, current, next);
    current->token = false;
    kp_x86_own_unlock();
    return true;
}

/* The result: the other CPU that runs the thread; -1: none. */
static int attention_set(kp_machine_thread_t *thread, uint32_t bit)
{
    kp_x86_cpu_t *home = kp_x86_thread_lock(thread);
    atomic_fetch_or(&thread->attention, bit);
    bool stays = bit == KP_X86_ATTENTION_SUSPEND;
    if (!stays &&
        (thread->state == KP_X86_THREAD_PARKED || thread->state == KP_X86_THREAD_STOPPED)) {
        kp_x86_thread_wake(home, thread);
        return -1;
    }
    /* In ring 3 on another CPU: the interrupt brings it into the kernel. */
    int elsewhere = -1;
    if (thread->state == KP_X86_THREAD_RUNNING && home != kp_x86_cpu()) {
        kp_x86_smp_kick(home);
        elsewhere = (int)home->number;
    }
    kp_spin_unlock(&home->lock);
    return elsewhere;
}

void kp_machine_thread_kill(kp_thread_t *thread)
{
    (void)attention_set(&thread->machine, KP_X86_ATTENTION_KILLED);
}

void kp_machine_thread_suspend(kp_thread_t *thread)
{
    int elsewhere = attention_set(&thread->machine, KP_X86_ATTENTION_SUSPEND);
    /* Once the CPU that runs it has taken an interrupt, it cannot return to ring 3 any more without
       seeing the bit. */
    if (elsewhere >= 0)
        kp_x86_smp_barrier((uint32_t)elsewhere);
}

void kp_machine_thread_resume(kp_thread_t *thread)
{
    kp_machine_thread_t *machine = &thread->machine;
    kp_x86_cpu_t *home = kp_x86_thread_lock(machine);
    atomic_fetch_and(&machine->attention, ~(uint32_t)KP_X86_ATTENTION_SUSPEND);
    if (machine->state == KP_X86_THREAD_STOPPED)
        kp_x86_thread_wake(home, machine);
    else
        kp_spin_unlock(&home->lock);
}
