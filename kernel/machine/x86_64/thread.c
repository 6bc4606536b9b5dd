/* Threads on CPUs: parking, waking, switching. Which thread runs is kernel/sched's decision; each CPU has
   a queue of its own.

   A thread belongs to one CPU at a time (`cpu`), whose lock guards its state; it changes CPU only while
   it does not run, under that lock. These locks are the innermost ones (unpark is called under others)
   and one is held across kp_x86_switch: the thread that is switched to releases it, so whoever gets
   the lock knows that a thread which no longer runs has left its stack. Two of them are held at once
   only when the second was free to take (kp_x86_spin_try). */
#include "kernel/machine/x86_64/thread.h"

#include "kernel/machine/x86_64/clock.h"
#include "kernel/machine/x86_64/hand_off.h"
#include "kernel/machine/x86_64/lapic.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/smp.h"
#include "kernel/machine/x86_64/speculation.h"
#include "kernel/machine/x86_64/spin.h"
#include "kernel/machine/x86_64/trap.h"
#include "kernel/trace/trace.h"

enum {
    STATE_NEW = 0,
    STATE_READY, /* in its CPU's queue, also when a cap holds it back */
    STATE_RUNNING = KP_X86_THREAD_RUNNING,
    STATE_PARKED = KP_X86_THREAD_PARKED,
    STATE_STOPPED, /* suspended, about to return to ring 3 */
    STATE_MOVING,  /* woken; on its way to another CPU's queue */
    STATE_DEAD
};
enum {
    FPU_ALIGN = 64,
    X87_DEFAULT = 0x37f,
    MXCSR_DEFAULT = 0x1f80
};
#define ROTATION (50 * KP_NS_PER_MS)

static kp_spinlock_t dead_lock;         /* before the CPUs' */
static kp_list_t dead = {&dead, &dead}; /* ended threads for the reaper; guarded by: dead_lock */
static kp_spinlock_t admission_lock;    /* before the CPUs' */
static kp_thread_t idle[KP_X86_CPUS_MAX], reaper;

static kp_machine_thread_t *thread_of(kp_sched_entity_t *entity)
{
    return KP_CONTAINER_OF(entity, kp_machine_thread_t, entity);
}

/* ---- Locks ---- */

/* Takes the calling CPU's lock. */
static inline kp_x86_cpu_t *own_lock(void)
{
    bool interrupts = kp_x86_flags() & KP_X86_FLAG_INTERRUPT;
    kp_x86_interrupts_off(); /* from here on the CPU stays the same */
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    KP_ASSERT(cpu->lock_depth == 0);
    cpu->lock_depth = 1;
    cpu->lock_interrupts = interrupts;
    kp_x86_spin_take(&cpu->lock, cpu);
    return cpu;
}

static inline void own_unlock(void)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    kp_x86_spin_give(&cpu->lock);
    cpu->lock_depth = 0;
    if (!cpu->lock_interrupts)
        return;
    if (__builtin_expect(atomic_load_explicit(&cpu->reschedule, memory_order_relaxed), 0))
        kp_x86_thread_preempt();
    kp_x86_interrupts_on();
}

/* Takes the lock of the CPU that the thread belongs to. */
static kp_x86_cpu_t *thread_lock(kp_machine_thread_t *thread)
{
    for (;;) {
        kp_x86_cpu_t *cpu = kp_x86_cpus[atomic_load_explicit(&thread->cpu, memory_order_relaxed)];
        kp_spin_lock(&cpu->lock);
        if (atomic_load_explicit(&thread->cpu, memory_order_relaxed) == cpu->number)
            return cpu;
        kp_spin_unlock(&cpu->lock);
    }
}

static void timer_add(kp_x86_cpu_t *cpu, kp_machine_thread_t *thread, kp_time_t deadline)
{
    thread->timer_armed = true;
    kp_heap_add(&cpu->timers, &thread->timer, deadline);
}

static void timer_remove(kp_x86_cpu_t *cpu, kp_machine_thread_t *thread)
{
    if (!thread->timer_armed)
        return;
    thread->timer_armed = false;
    kp_heap_remove(&cpu->timers, &thread->timer);
}

/* ---- One CPU's queue; its lock is held ---- */

/* What other CPUs see of this one when they place threads. */
static void publish_others(kp_x86_cpu_t *cpu)
{
    const kp_sched_entity_t *current = cpu->queue.current;
    uint32_t load = cpu->queue.count + (current ? 1 : 0), bit = 1u << cpu->number;
    atomic_store_explicit(&kp_x86_view.rank[cpu->number],
                          (uint8_t)(current ? current->rank + 1 : 0), memory_order_relaxed);
    atomic_store_explicit(&kp_x86_view.load[cpu->number], load, memory_order_relaxed);
    /* Placement may choose a CPU between its wake-up and its first thread only once. */
    bool was_idle = atomic_load_explicit(&kp_x86_view.idle, memory_order_relaxed) & bit;
    if (was_idle != (load == 0)) {
        if (load == 0)
            atomic_fetch_or_explicit(&kp_x86_view.idle, bit, memory_order_relaxed);
        else
            atomic_fetch_and_explicit(&kp_x86_view.idle, ~bit, memory_order_relaxed);
    }
}

static inline void publish(kp_x86_cpu_t *cpu)
{
    if (kp_x86_view.count > 1)
        publish_others(cpu);
}

static void timer_program(kp_x86_cpu_t *cpu, kp_time_t now)
{
    kp_time_t next = kp_sched_next(&cpu->queue, now);
    const kp_heap_node_t *first = kp_heap_first(&cpu->timers);
    if (first)
        next = KP_MIN(next, first->key);
    /* One that fires too early costs less than arming again at every change. */
    if (next < cpu->timer_armed)
        kp_x86_timer_arm(next);
}

/* A thread that is in no queue becomes ready on `cpu`, which it belongs to. */
static void enqueue(kp_x86_cpu_t *cpu, kp_machine_thread_t *thread, kp_time_t now)
{
    thread->state = STATE_READY;
    bool preempts = kp_sched_wake(&cpu->queue, &thread->entity, now);
    publish(cpu);
    if (preempts)
        atomic_store_explicit(&cpu->reschedule, true, memory_order_relaxed);
    if (cpu != kp_x86_cpu())
        kp_x86_smp_kick(cpu);
    else if (!preempts)
        timer_program(cpu, now);
}

/* Takes a ready thread from `from` to `to`; both locks are held. `from` must not be in the middle of a
   switch: the thread before may be in its queue already and still on its stack. */
static bool move_one(kp_x86_cpu_t *from, kp_x86_cpu_t *to, int above, kp_time_t now)
{
    kp_sched_entity_t *entity = kp_sched_steal(&from->queue, above, now);
    if (!entity)
        return false;
    publish(from);
    kp_machine_thread_t *thread = thread_of(entity);
    atomic_store_explicit(&thread->cpu, to->number, memory_order_relaxed);
    enqueue(to, thread, now);
    return true;
}

/* This CPU has nothing to do: takes a thread from the one that has the most. */
static bool steal(kp_x86_cpu_t *cpu, kp_time_t now)
{
    int victim = kp_x86_view.count > 1 ? kp_sched_busiest(&kp_x86_view, cpu->number, 2) : -1;
    if (victim < 0 || !kp_x86_spin_try(&kp_x86_cpus[victim]->lock))
        return false;
    bool moved = move_one(kp_x86_cpus[victim], cpu, -1, now);
    kp_spin_unlock(&kp_x86_cpus[victim]->lock);
    return moved;
}

static bool push(kp_x86_cpu_t *cpu, uint32_t number, int above, kp_time_t now)
{
    kp_x86_cpu_t *other = kp_x86_cpus[number];
    if (!kp_x86_spin_try(&other->lock))
        return false;
    bool moved = move_one(cpu, other, above, now);
    kp_spin_unlock(&other->lock);
    return moved;
}

/* Threads wait here while another CPU runs something of a lower rank, or nothing: one goes there. Not
   one that is about to run here: two CPUs could hand it to and fro for ever. */
static void push_up(kp_x86_cpu_t *cpu, kp_time_t now)
{
    if (kp_x86_view.count == 1 || cpu->queue.occupied == 0 || !cpu->queue.current)
        return;
    int waiting = 31 - __builtin_clz(cpu->queue.occupied), lowest = waiting;
    if (waiting > cpu->queue.current->rank)
        return;
    uint32_t number = 0;
    for (uint32_t i = 0; i < kp_x86_view.count; i++) {
        int running = atomic_load_explicit(&kp_x86_view.rank[i], memory_order_relaxed) - 1;
        if (i != cpu->number && running < lowest) {
            lowest = running;
            number = i;
        }
    }
    if (lowest < waiting)
        (void)push(cpu, number, lowest, now);
}

/* Threads wait here: one goes to a CPU that has fewer. Where the difference is one, they take turns, so
   that three threads that compute share two CPUs evenly. */
static void balance(kp_x86_cpu_t *cpu, kp_time_t now)
{
    if (kp_x86_view.count == 1 || cpu->queue.count == 0 || !cpu->queue.current ||
        now - cpu->balanced < ROTATION)
        return;
    uint32_t least = cpu->queue.count + 1, number = cpu->number;
    for (uint32_t i = 0; i < kp_x86_view.count; i++) {
        uint32_t load = atomic_load_explicit(&kp_x86_view.load[i], memory_order_relaxed);
        if (i != cpu->number && load < least) {
            least = load;
            number = i;
        }
    }
    cpu->balanced = now;
    if (number != cpu->number)
        (void)push(cpu, number, -1, now);
}

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

void kp_x86_thread_publish(kp_x86_cpu_t *cpu)
{
    publish_others(cpu);
}

void kp_x86_thread_push_up(kp_x86_cpu_t *cpu)
{
    push_up(cpu, cpu->queue.charged);
}

/* On the thread that was switched to, its CPU's lock still held. Only now the thread before has left its
   stack, and may go elsewhere. */
static inline void switch_arrive(bool interrupts)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    cpu->lock_interrupts = interrupts;
    if (__builtin_expect(cpu->queue.count > 0, 0))
        push_up(cpu, cpu->queue.charged);
}

/* The CPU, whose lock is held, goes over to `next`. Returns when the previous thread runs again, on
   whichever CPU. */
static inline __attribute__((always_inline)) void
switch_to(kp_x86_cpu_t *cpu, kp_machine_thread_t *previous, kp_machine_thread_t *next)
{
    next->state = STATE_RUNNING;
    cpu->current = next;
    if (previous->space && previous->state != STATE_DEAD)
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
    switch_arrive(interrupts);
}

/* Runs the next thread; the current one is ready, parked, stopped or dead and no longer the queue's
   current. Returns when it runs again. */
static void switch_away(kp_x86_cpu_t *cpu, kp_time_t now)
{
    kp_machine_thread_t *previous = cpu->current;
    KP_ASSERT(cpu->lock_depth == 1);
    kp_sched_entity_t *entity = kp_sched_pick(&cpu->queue, now);
    if (!entity) {
        publish(cpu);
        if (steal(cpu, now))
            entity = kp_sched_pick(&cpu->queue, now);
    }
    atomic_store_explicit(&cpu->reschedule, false, memory_order_relaxed);
    publish(cpu);
    timer_program(cpu, now);
    kp_machine_thread_t *next = entity ? thread_of(entity) : cpu->idle;
    if (next != previous)
        switch_to(cpu, previous, next);
    else
        next->state = STATE_RUNNING;
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
        cpu->current->state = STATE_READY;
        kp_sched_put(&cpu->queue, now);
    }
    switch_away(cpu, now);
    own_unlock();
}

/* The current thread is suspended: it stops here, with nothing of the kernel held, until it is resumed
   or killed. */
static void stop_while_suspended(void)
{
    kp_x86_cpu_t *cpu = own_lock();
    kp_machine_thread_t *current = cpu->current;
    if (atomic_load_explicit(&current->attention, memory_order_relaxed) ==
        KP_X86_ATTENTION_SUSPEND) {
        kp_time_t now = kp_x86_clock_now();
        current->state = STATE_STOPPED;
        kp_sched_block(&cpu->queue, now);
        switch_away(cpu, now);
    }
    own_unlock();
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
        timer_remove(cpu, thread);
        thread->timed_out = true;
        enqueue(cpu, thread, now);
    }
    push_up(cpu, now);
    balance(cpu, now);
    if (kp_sched_tick(&cpu->queue, now))
        atomic_store_explicit(&cpu->reschedule, true, memory_order_relaxed);
    else
        timer_program(cpu, now);
    kp_spin_unlock(&cpu->lock);
}

/* ---- The machine interface ---- */

kp_thread_t *kp_machine_thread_current(void)
{
    return KP_CONTAINER_OF(kp_x86_current(), kp_thread_t, machine);
}

static bool is_killed(const kp_machine_thread_t *thread)
{
    return atomic_load_explicit(&thread->attention, memory_order_relaxed) & KP_X86_ATTENTION_KILLED;
}

/* The current thread was parked and runs again, or never was: what park returns. Its CPU's lock is
   held and released. */
static bool park_end(kp_machine_thread_t *current, bool woken)
{
    current->token = false;
    own_unlock();
    return woken;
}

bool kp_machine_thread_park(kp_time_t deadline)
{
    bool woken = true;
    kp_x86_cpu_t *cpu = own_lock();
    kp_machine_thread_t *current = cpu->current;
    KP_ASSERT(cpu->lock_depth == 1 && current != cpu->idle);
    if (!current->token && !is_killed(current)) {
        kp_time_t now = kp_x86_clock_now();
        if (deadline <= now) {
            woken = false;
        } else {
            current->state = STATE_PARKED;
            current->timed_out = false;
            if (deadline != KP_TIME_INFINITE)
                timer_add(cpu, current, deadline);
            kp_sched_block(&cpu->queue, now);
            switch_away(cpu, now);
            woken = !current->timed_out || current->token;
        }
    }
    return park_end(current, woken);
}

/* home's lock is held, and released: a parked or stopped thread becomes ready, where it has most of a
   CPU. */
static void wake_and_unlock(kp_x86_cpu_t *home, kp_machine_thread_t *thread)
{
    timer_remove(home, thread);
    unsigned target = home->number;
    if (kp_x86_view.count > 1 && thread->entity.band != KP_BAND_DEADLINE)
        target = kp_sched_place(&kp_x86_view, target, thread->entity.rank);
    if (target != home->number) {
        thread->state = STATE_MOVING;
        atomic_store_explicit(&thread->cpu, target, memory_order_relaxed);
        kp_spin_unlock(&home->lock);
        home = kp_x86_cpus[target];
        kp_spin_lock(&home->lock);
    }
    enqueue(home, thread, kp_machine_now());
    kp_spin_unlock(&home->lock);
}

void kp_machine_thread_unpark(kp_thread_t *thread)
{
    kp_machine_thread_t *machine = &thread->machine;
    kp_x86_cpu_t *home = thread_lock(machine);
    machine->token = true;
    if (machine->state == STATE_PARKED)
        wake_and_unlock(home, machine);
    else
        kp_spin_unlock(&home->lock);
}

/* A parked thread of another CPU comes to this one, still parked: the hand-off that follows wakes
   it. */
static void pull(kp_machine_thread_t *thread)
{
    kp_x86_cpu_t *home = thread_lock(thread);
    if (thread->state == STATE_PARKED && thread->entity.band != KP_BAND_DEADLINE) {
        timer_remove(home, thread);
        atomic_store_explicit(&thread->cpu, kp_x86_cpu()->number, memory_order_relaxed);
    }
    kp_spin_unlock(&home->lock);
}

/* What remains when the switch cannot go straight over. The lock is held and released. */
static __attribute__((noinline)) bool handoff_slowly(kp_thread_t *to, kp_time_t deadline)
{
    kp_machine_thread_t *next = &to->machine;
    own_unlock();
    if (atomic_load_explicit(&next->cpu, memory_order_relaxed) != kp_machine_cpu_current())
        pull(next);
    kp_x86_cpu_t *cpu = own_lock();
    kp_machine_thread_t *current = cpu->current;
    kp_time_t now = kp_x86_clock_now();
    if (atomic_load_explicit(&next->cpu, memory_order_relaxed) != cpu->number ||
        next->state != STATE_PARKED || current->token || is_killed(current) || deadline <= now ||
        atomic_load_explicit(&cpu->reschedule, memory_order_relaxed) ||
        !kp_sched_may_hand_off(&cpu->queue, &next->entity, now)) {
        own_unlock();
        kp_machine_thread_unpark(to);
        return kp_machine_thread_park(deadline);
    }
    next->token = true;
    timer_remove(cpu, next);
    current->state = STATE_PARKED;
    current->timed_out = false;
    if (deadline != KP_TIME_INFINITE)
        timer_add(cpu, current, deadline);
    kp_sched_hand_off(&cpu->queue, &next->entity, now);
    publish(cpu);
    timer_program(cpu, now);
    switch_to(cpu, current, next);
    return park_end(current, !current->timed_out || current->token);
}

bool kp_machine_thread_handoff(kp_thread_t *to, kp_time_t deadline)
{
    kp_machine_thread_t *next = &to->machine;
    kp_x86_cpu_t *cpu = own_lock();
    kp_machine_thread_t *current = cpu->current;
    KP_ASSERT(current != cpu->idle);
    /* Straight over, past the queue, when `to` waits here, without a deadline, and nothing else is due. */
    if (atomic_load_explicit(&next->cpu, memory_order_relaxed) != cpu->number ||
        next->state != STATE_PARKED || next->timer_armed || deadline != KP_TIME_INFINITE ||
        current->token || is_killed(current) ||
        atomic_load_explicit(&cpu->reschedule, memory_order_relaxed) ||
        !kp_sched_hand_off_usual(&cpu->queue, &next->entity, kp_x86_clock_now()))
        return handoff_slowly(to, deadline);
    next->token = true;
    current->state = STATE_PARKED;
    current->timed_out = false;
    publish(cpu);
    switch_to(cpu, current, next);
    current->token = false;
    own_unlock();
    return true;
}

/* The result: the other CPU that runs the thread; -1: none. */
static int attention_set(kp_machine_thread_t *thread, uint32_t bit)
{
    kp_x86_cpu_t *home = thread_lock(thread);
    atomic_fetch_or(&thread->attention, bit);
    bool stays = bit == KP_X86_ATTENTION_SUSPEND;
    if (!stays && (thread->state == STATE_PARKED || thread->state == STATE_STOPPED)) {
        wake_and_unlock(home, thread);
        return -1;
    }
    /* In ring 3 on another CPU: the interrupt brings it into the kernel. */
    int elsewhere = -1;
    if (thread->state == STATE_RUNNING && home != kp_x86_cpu()) {
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
    kp_x86_cpu_t *home = thread_lock(machine);
    atomic_fetch_and(&machine->attention, ~(uint32_t)KP_X86_ATTENTION_SUSPEND);
    if (machine->state == STATE_STOPPED)
        wake_and_unlock(home, machine);
    else
        kp_spin_unlock(&home->lock);
}

/* Takes a share of a CPU for the deadline class: of the thread's own, or of another if the thread is
   not running and can go there. False: there is none. */
static bool admit(kp_machine_thread_t *thread, uint32_t share)
{
    kp_x86_cpu_t *home = thread_lock(thread);
    bool may_move = thread->state == STATE_PARKED || thread->state == STATE_NEW;
    kp_x86_cpu_t *chosen = NULL;
    for (uint32_t i = 0; i < kp_x86_view.count && !chosen; i++) {
        kp_x86_cpu_t *cpu = kp_x86_cpus[(home->number + i) % kp_x86_view.count];
        if ((cpu == home || may_move) && cpu->deadline_share + share <= KP_SCHED_SHARE_MAX)
            chosen = cpu;
    }
    if (chosen) {
        chosen->deadline_share += share;
        thread->deadline_share = (uint16_t)share;
        if (chosen != home) {
            /* Its deadline of park does not follow: it wakes now instead, which park allows. */
            bool parked = thread->state == STATE_PARKED;
            timer_remove(home, thread);
            atomic_store_explicit(&thread->cpu, chosen->number, memory_order_relaxed);
            if (parked)
                thread->state = STATE_MOVING;
            kp_spin_unlock(&home->lock);
            if (parked) {
                kp_spin_lock(&chosen->lock);
                thread->token = true;
                enqueue(chosen, thread, kp_machine_now());
                kp_spin_unlock(&chosen->lock);
            }
            return true;
        }
    }
    kp_spin_unlock(&home->lock);
    return chosen != NULL;
}

static void share_return(kp_machine_thread_t *thread)
{
    /* It does not leave its CPU while it has a share. */
    kp_x86_cpus[atomic_load_explicit(&thread->cpu, memory_order_relaxed)]->deadline_share -=
        thread->deadline_share;
    thread->deadline_share = 0;
}

void kp_machine_thread_set_policy(kp_thread_t *thread, const kp_job_policy_t *policy)
{
    kp_machine_thread_t *machine = &thread->machine;
    kp_job_policy_t wanted = *policy;
    kp_spin_lock(&admission_lock);
    if (machine->deadline_share)
        share_return(machine);
    uint32_t share = kp_sched_share(&wanted);
    if (share && (is_killed(machine) || !admit(machine, share)))
        wanted.band = KP_BAND_SYSTEM;
    kp_x86_cpu_t *home = thread_lock(machine);
    if (!machine->entity.inverse_weight)
        kp_sched_entity_init(&machine->entity, KP_BAND_NORMAL);
    kp_sched_set_policy(&home->queue, &machine->entity, &wanted, kp_machine_now());
    publish(home);
    /* The order may have changed: look at once. */
    atomic_store_explicit(&home->reschedule, true, memory_order_relaxed);
    if (home != kp_x86_cpu())
        kp_x86_smp_kick(home);
    kp_spin_unlock(&home->lock);
    kp_spin_unlock(&admission_lock);
}

void kp_machine_thread_set_cap(kp_thread_t *thread, kp_sched_cap_t *cap)
{
    kp_x86_cpu_t *home = thread_lock(&thread->machine);
    thread->machine.entity.cap = cap;
    atomic_store_explicit(&home->reschedule, true, memory_order_relaxed);
    if (home != kp_x86_cpu())
        kp_x86_smp_kick(home);
    kp_spin_unlock(&home->lock);
}

uint64_t kp_machine_thread_cpu_time(kp_thread_t *thread)
{
    kp_x86_cpu_t *home = thread_lock(&thread->machine);
    if (home->queue.current == &thread->machine.entity)
        kp_sched_charge(&home->queue, kp_machine_now());
    uint64_t used = (uint64_t)thread->machine.entity.used;
    kp_spin_unlock(&home->lock);
    return used;
}

/* ---- Beginning and end ---- */

static kp_status_t start(kp_machine_thread_t *thread, uint8_t rank)
{
    thread->stack_top = kp_x86_stack_allocate();
    if (!thread->stack_top)
        return KP_ERR_NO_MEMORY;
    /* Where kp_x86_switch goes on; then the stack is aligned. */
    uint64_t *stack = (uint64_t *)(thread->stack_top - 16) - 1;
    stack[0] = (uint64_t)kp_x86_thread_entry;
    stack[1] = stack[2] = 0;
    thread->stack_pointer = (uint64_t)stack;
    kp_list_init(&thread->dead_link);
    kp_x86_cpu_t *home = thread_lock(thread);
    if (!thread->entity.inverse_weight)
        kp_sched_entity_init(&thread->entity, rank);
    wake_and_unlock(home, thread);
    return KP_OK;
}

kp_status_t kp_machine_thread_start(kp_thread_t *thread, void (*fn)(void *), void *argument)
{
    thread->machine.function = fn;
    thread->machine.argument = argument;
    return start(&thread->machine, KP_SCHED_KERNEL);
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
    kp_status_t status = start(machine, KP_BAND_NORMAL);
    if (status != KP_OK) {
        kp_kfree(machine->fpu_memory);
        machine->fpu_memory = machine->fpu = NULL;
        machine->space = NULL;
    }
    return status;
}

void kp_x86_thread_begin(void)
{
    kp_machine_thread_t *thread = kp_x86_current();
    switch_arrive(true);
    own_unlock();
    if (thread->space) {
        kp_x86_interrupts_off();
        kp_x86_user_return(); /* it may have been killed or suspended already */
        kp_x86_user_begin(thread->space);
    }
    thread->function(thread->argument);
    kp_x86_thread_exit();
}

void kp_x86_thread_exit(void)
{
    kp_machine_thread_t *current = kp_x86_current();
    kp_spin_lock(&admission_lock); /* from here on it is not admitted any more */
    atomic_fetch_or(&current->attention, (uint32_t)KP_X86_ATTENTION_KILLED);
    if (current->deadline_share)
        share_return(current);
    kp_spin_unlock(&admission_lock);
    /* From the list on to the last switch nothing comes between: the reaper waits for that. */
    kp_x86_interrupts_off();
    kp_spin_lock(&dead_lock);
    kp_list_append(&dead, &current->dead_link);
    kp_spin_unlock(&dead_lock);
    kp_machine_thread_unpark(&reaper);
    kp_x86_cpu_t *cpu = own_lock();
    KP_ASSERT(cpu->lock_depth == 1);
    kp_time_t now = kp_x86_clock_now();
    current->state = STATE_DEAD;
    if (cpu->fpu_owner == current)
        cpu->fpu_owner = NULL;
    kp_sched_block(&cpu->queue, now);
    switch_away(cpu, now);
    kp_panic("a dead thread ran");
}

/* Ends threads for good: not on their own stack. */
static void reap(void *argument)
{
    (void)argument;
    for (;;) {
        kp_spin_lock(&dead_lock);
        kp_machine_thread_t *thread = NULL;
        if (!kp_list_is_empty(&dead)) {
            thread = KP_CONTAINER_OF(dead.next, kp_machine_thread_t, dead_link);
            kp_list_remove(&thread->dead_link);
        }
        kp_spin_unlock(&dead_lock);
        if (!thread) {
            kp_machine_thread_park(KP_TIME_INFINITE);
            continue;
        }
        /* On another CPU it may still be on its way out. Its CPU's lock means that it has left. */
        for (bool left = false; !left;) {
            kp_x86_cpu_t *home = thread_lock(thread);
            left = thread->state == STATE_DEAD;
            kp_spin_unlock(&home->lock);
            if (!left)
                __asm__ volatile("pause");
        }
        kp_x86_stack_free(thread->stack_top);
        kp_kfree(thread->fpu_memory);
        thread->stack_top = 0;
        thread->fpu_memory = thread->fpu = NULL;
        kp_thread_ended(KP_CONTAINER_OF(thread, kp_thread_t, machine));
    }
}

uint64_t kp_x86_thread_switches(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < kp_x86_view.count; i++)
        sum += __atomic_load_n(&kp_x86_cpus[i]->switches, __ATOMIC_RELAXED);
    return sum;
}

void kp_x86_thread_init(void)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    kp_machine_thread_t *thread = &idle[cpu->number].machine;
    thread->state = STATE_RUNNING;
    thread->stack_top = cpu->kernel_stack;
    atomic_init(&thread->cpu, cpu->number);
    cpu->idle = cpu->current = thread;
    cpu->scheduling = true;
}

void kp_x86_thread_start_reaper(void)
{
    if (kp_machine_thread_start(&reaper, reap, NULL) != KP_OK)
        kp_panic("no memory for the first threads");
}

void kp_x86_thread_idle(void)
{
    for (;;) {
        kp_x86_interrupts_off();
        kp_x86_cpu_t *cpu = kp_x86_cpu();
        if (kp_x86_view.count > 1) {
            kp_spin_lock(&cpu->lock);
            steal(cpu, kp_machine_now());
            kp_spin_unlock(&cpu->lock);
        }
        if (atomic_load_explicit(&cpu->reschedule, memory_order_relaxed))
            kp_x86_thread_preempt();
        else
            __asm__ volatile("sti; hlt" : : : "memory"); /* no interrupt can slip in between */
    }
}
