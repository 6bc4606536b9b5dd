/* How threads compete, begin and end: policy and admission, the first switch, the reaper, the idle
   thread. */
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/space.h"
#include "kernel/machine/x86_64/thread_private.h"
#include "kernel/machine/x86_64/trap.h"

enum { FPU_ALIGN = 64, X87_DEFAULT = 0x37f, MXCSR_DEFAULT = 0x1f80 };

static kp_spinlock_t dead_lock;         /* before the CPUs' */
static kp_list_t dead = {&dead, &dead}; /* ended threads for the reaper; guarded by: dead_lock */
static kp_spinlock_t admission_lock;    /* before the CPUs' */
static kp_thread_t idle[KP_X86_CPUS_MAX], reaper;

/* ---- Policy ---- */

/* Takes a share of a CPU for the deadline class: of the thread's own, or of another if the thread is
   not running and can go there. False: there is none. */
static bool admit(kp_machine_thread_t *thread, uint32_t share)
{
    kp_x86_cpu_t *home = kp_x86_thread_lock(thread);
    bool may_move = thread->state == KP_X86_THREAD_PARKED || thread->state == KP_X86_THREAD_NEW;
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
            bool parked = thread->state == KP_X86_THREAD_PARKED;
            kp_x86_queue_timer_remove(home, thread);
            atomic_store_explicit(&thread->cpu, chosen->number, memory_order_relaxed);
            if (parked)
                thread->state = KP_X86_THREAD_MOVING;
            kp_spin_unlock(&home->lock);
            if (parked) {
                kp_spin_lock(&chosen->lock);
                thread->token = true;
                kp_x86_queue_add(chosen, thread, kp_machine_now());
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
    if (share && (kp_x86_thread_is_killed(machine) || !admit(machine, share)))
        wanted.band = KP_BAND_SYSTEM;
    kp_x86_cpu_t *home = kp_x86_thread_lock(machine);
    if (!machine->entity.inverse_weight)
        kp_sched_entity_init(&machine->entity, KP_BAND_NORMAL);
    kp_sched_set_policy(&home->queue, &machine->entity, &wanted, kp_machine_now());
    kp_x86_queue_publish(home);
    /* The order may have changed: look at once. */
    atomic_store_explicit(&home->reschedule, true, memory_order_relaxed);
    if (home != kp_x86_cpu())
        kp_x86_smp_kick(home);
    kp_spin_unlock(&home->lock);
    kp_spin_unlock(&admission_lock);
}

void kp_machine_thread_set_cap(kp_thread_t *thread, kp_sched_cap_t *cap)
{
    kp_x86_cpu_t *home = kp_x86_thread_lock(&thread->machine);
    thread->machine.entity.cap = cap;
    atomic_store_explicit(&home->reschedule, true, memory_order_relaxed);
    if (home != kp_x86_cpu())
        kp_x86_smp_kick(home);
    kp_spin_unlock(&home->lock);
}

uint64_t kp_machine_thread_cpu_time(kp_thread_t *thread)
{
    kp_x86_cpu_t *home = kp_x86_thread_lock(&thread->machine);
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
    kp_x86_cpu_t *home = kp_x86_thread_lock(thread);
    if (!thread->entity.inverse_weight)
        kp_sched_entity_init(&thread->entity, rank);
    kp_x86_thread_wake(home, thread);
    return KP_OK;
}

kp_status_t kp_machine_thread_start(kp_thread_t *thread, void (*fn)(void *), void *argument)
{
    thread->machine.function = fn;
    thread->machine.argument = argument;
    return start(&thread->machine, KP_SCHED_KERNEL);
}

static kp_status_t start_user(kp_thread_t *thread, kp_process_t *process)
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

kp_status_t kp_machine_thread_start_user(kp_thread_t *thread, kp_process_t *process)
{
    return start_user(thread, process);
}

kp_status_t kp_machine_thread_start_further(kp_thread_t *thread, kp_process_t *process,
                                            uint64_t entry, uint64_t argument)
{
    KP_CHECK(thread->slot > 0 && thread->slot < KP_PROCESS_THREADS_MAX);
    thread->machine.stack_slot = thread->slot;
    thread->machine.words[0] = entry;
    thread->machine.words[1] = argument;
    kp_x86_space_stack_begin(&process->space, thread->slot);
    kp_status_t status = start_user(thread, process);
    if (status != KP_OK)
        kp_x86_space_stack_end(&process->space, thread->slot);
    return status;
}

void kp_x86_thread_begin(void)
{
    kp_machine_thread_t *thread = kp_x86_current();
    kp_x86_thread_arrive(true);
    kp_x86_own_unlock();
    if (thread->space) {
        kp_x86_interrupts_off();
        kp_x86_user_return(); /* it may have been killed or suspended already */
        kp_x86_user_begin(thread);
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
    kp_x86_cpu_t *cpu = kp_x86_own_lock();
    KP_ASSERT(cpu->lock_depth == 1);
    kp_time_t now = kp_x86_clock_now();
    current->state = KP_X86_THREAD_DEAD;
    if (cpu->fpu_owner == current)
        cpu->fpu_owner = NULL;
    kp_sched_block(&cpu->queue, now);
    kp_x86_thread_switch(cpu, now);
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
            kp_x86_cpu_t *home = kp_x86_thread_lock(thread);
            left = thread->state == KP_X86_THREAD_DEAD;
            kp_spin_unlock(&home->lock);
            if (!left)
                __asm__ volatile("pause");
        }
        if (thread->stack_slot)
            kp_x86_space_stack_end(thread->space, thread->stack_slot);
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
    thread->state = KP_X86_THREAD_RUNNING;
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
            kp_x86_queue_steal(cpu, kp_machine_now());
            kp_spin_unlock(&cpu->lock);
        }
        if (atomic_load_explicit(&cpu->reschedule, memory_order_relaxed))
            kp_x86_thread_preempt();
        else
            __asm__ volatile("sti; hlt" : : : "memory"); /* no interrupt can slip in between */
    }
}
