/* A CPU's queue of threads, and what moves between CPUs. All with the CPU's lock held. */
#include "kernel/machine/x86_64/lapic.h"
#include "kernel/machine/x86_64/thread_private.h"

#define ROTATION (50 * KP_NS_PER_MS)

void kp_x86_queue_timer_add(kp_x86_cpu_t *cpu, kp_machine_thread_t *thread, kp_time_t deadline)
{
    thread->timer_armed = true;
    kp_heap_add(&cpu->timers, &thread->timer, deadline);
}

void kp_x86_queue_timer_remove(kp_x86_cpu_t *cpu, kp_machine_thread_t *thread)
{
    if (!thread->timer_armed)
        return;
    thread->timer_armed = false;
    kp_heap_remove(&cpu->timers, &thread->timer);
}

void kp_x86_thread_publish(kp_x86_cpu_t *cpu)
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

void kp_x86_queue_timer(kp_x86_cpu_t *cpu, kp_time_t now)
{
    kp_time_t next = kp_sched_next(&cpu->queue, now);
    const kp_heap_node_t *first = kp_heap_first(&cpu->timers);
    if (first)
        next = KP_MIN(next, first->key);
    /* One that fires too early costs less than arming again at every change. */
    if (next < cpu->timer_armed)
        kp_x86_timer_arm(next);
}

void kp_x86_queue_add(kp_x86_cpu_t *cpu, kp_machine_thread_t *thread, kp_time_t now)
{
    thread->state = KP_X86_THREAD_READY;
    bool preempts = kp_sched_wake(&cpu->queue, &thread->entity, now);
    kp_x86_queue_publish(cpu);
    if (preempts)
        atomic_store_explicit(&cpu->reschedule, true, memory_order_relaxed);
    if (cpu != kp_x86_cpu())
        kp_x86_smp_kick(cpu);
    else if (!preempts)
        kp_x86_queue_timer(cpu, now);
}

/* Takes a ready thread from `from` to `to`; both locks are held. `from` must not be in the middle of a
   switch: the thread before may be in its queue already and still on its stack. */
static bool move_one(kp_x86_cpu_t *from, kp_x86_cpu_t *to, int above, kp_time_t now)
{
    kp_sched_entity_t *entity = kp_sched_steal(&from->queue, above, now);
    if (!entity)
        return false;
    kp_x86_queue_publish(from);
    kp_machine_thread_t *thread = kp_x86_thread_of(entity);
    atomic_store_explicit(&thread->cpu, to->number, memory_order_relaxed);
    kp_x86_queue_add(to, thread, now);
    return true;
}

bool kp_x86_queue_steal(kp_x86_cpu_t *cpu, kp_time_t now)
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

void kp_x86_queue_push_up(kp_x86_cpu_t *cpu, kp_time_t now)
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

void kp_x86_queue_balance(kp_x86_cpu_t *cpu, kp_time_t now)
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
