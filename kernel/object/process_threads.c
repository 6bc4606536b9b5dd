/* The threads of a process: how further ones begin, how all of them end, are suspended and counted. */
#include "kernel/object/process_private.h"

#include "kernel/object/wait.h"

/* ---- Slots ---- */

kp_thread_t *kp_process_thread_at(kp_process_t *process, uint32_t slot)
{
    kp_spin_lock(process->object.lock);
    kp_thread_t *thread = process->threads[slot];
    if (thread)
        kp_object_acquire(&thread->object);
    kp_spin_unlock(process->object.lock);
    return thread;
}

bool kp_process_has_thread(kp_process_t *process, const kp_thread_t *thread)
{
    kp_spin_lock(process->object.lock);
    bool has = process->threads[thread->slot] == thread;
    kp_spin_unlock(process->object.lock);
    return has;
}

uint64_t kp_process_threads_time(kp_process_t *process)
{
    uint64_t time = 0;
    uint32_t left = process->thread_count;
    for (uint32_t slot = 0; left > 0 && slot < KP_PROCESS_THREADS_MAX; slot++) {
        if (!process->threads[slot])
            continue;
        time += kp_machine_thread_cpu_time(process->threads[slot]);
        left--;
    }
    return time;
}

/* The thread gets a slot, with a reference, if the process still goes on. */
static kp_status_t thread_enter(kp_process_t *process, kp_thread_t *thread)
{
    kp_status_t status = KP_ERR_PROCESS_DEAD;
    kp_spin_lock(process->object.lock);
    if (process->exit_reason == KP_EXIT_NONE && !process->snapshot) {
        uint32_t slot = 1;
        while (slot < KP_PROCESS_THREADS_MAX && process->threads[slot])
            slot++;
        status = slot < KP_PROCESS_THREADS_MAX ? KP_OK : KP_ERR_QUOTA;
        if (status == KP_OK) {
            thread->slot = slot;
            process->threads[slot] = thread;
            process->thread_count++;
            process->thread_running++;
            kp_object_acquire(&thread->object);
        }
    }
    kp_spin_unlock(process->object.lock);
    return status;
}

bool kp_process_thread_leave(kp_process_t *process, kp_thread_t *thread)
{
    kp_spin_lock(process->object.lock);
    process->threads[thread->slot] = NULL;
    bool is_last = --process->thread_count == 0;
    bool is_unasked =
        !thread->is_exiting && process->exit_reason == KP_EXIT_NONE && !process->snapshot;
    if (!thread->is_exiting)
        process->thread_running--;
    atomic_fetch_add(&process->cpu_time_ns, atomic_load(&thread->cpu_time_ns));
    kp_spin_unlock(process->object.lock);
    if (thread->slot > 0)
        kp_quota_refund(process->quota, KP_QUOTA_PAGES, KP_THREAD_PAGES);
    if (is_unasked && !is_last) /* the machine itself ended it */
        kp_process_end(process, KP_EXIT_KILLED, 0, 0);
    kp_object_release(&thread->object); /* process->threads' */
    return is_last;
}

/* ---- Beginning and end ---- */

/* Nobody has run the thread. The caller is a thread of the process, so this is not its last. */
static void thread_unmake(kp_process_t *process, kp_thread_t *thread)
{
    kp_object_release(&thread->object); /* its own */
    kp_object_release(&process->object);
}

kp_status_t kp_process_thread_create(kp_process_t *process, uint64_t entry, uint64_t argument,
                                     kp_thread_t **out)
{
    if (!process->has_threads)
        return KP_ERR_NOT_SUPPORTED;
    kp_status_t status = kp_quota_charge(process->quota, KP_QUOTA_PAGES, KP_THREAD_PAGES);
    if (status != KP_OK)
        return status;
    kp_thread_t *thread = kp_thread_alloc(process->name, process);
    status = thread ? kp_object_charge(&thread->object, process->quota) : KP_ERR_NO_MEMORY;
    if (status == KP_OK)
        status = thread_enter(process, thread);
    if (status != KP_OK) {
        kp_quota_refund(process->quota, KP_QUOTA_PAGES, KP_THREAD_PAGES);
        if (thread)
            thread_unmake(process, thread);
        return status;
    }
    if (!process->handles.shared) /* then this is its only thread */
        kp_handle_table_share(&process->handles);
    kp_job_thread_start(thread);
    kp_process_suspension_tell(process);
    kp_object_acquire(&thread->object); /* it may end before we return */
    status = kp_machine_thread_start_further(thread, process, entry, argument);
    if (status == KP_OK) {
        *out = thread;
        return KP_OK;
    }
    kp_spin_lock(process->object.lock);
    thread->is_exiting = true;
    process->thread_running--;
    kp_spin_unlock(process->object.lock);
    (void)kp_process_thread_leave(process, thread);
    kp_object_signal(&thread->object, 0, KP_SIGNAL_TERMINATED);
    kp_object_release(&thread->object);
    thread_unmake(process, thread);
    return status;
}

void kp_process_thread_exit(void)
{
    kp_thread_t *thread = kp_machine_thread_current();
    kp_process_t *process = thread->process;
    kp_spin_lock(process->object.lock);
    bool is_last = !thread->is_exiting && --process->thread_running == 0;
    thread->is_exiting = true;
    kp_spin_unlock(process->object.lock);
    if (is_last) {
        kp_process_end(process, KP_EXIT_NORMAL, 0, 0);
        return;
    }
    atomic_store_explicit(&thread->dying, true, memory_order_release);
    kp_machine_thread_kill(thread);
}

void kp_process_threads_kill(kp_process_t *process)
{
    for (uint32_t slot = 0; slot < KP_PROCESS_THREADS_MAX; slot++) {
        kp_thread_t *thread = kp_process_thread_at(process, slot);
        if (!thread)
            continue;
        atomic_store_explicit(&thread->dying, true, memory_order_release);
        kp_machine_thread_kill(thread);
        kp_object_release(&thread->object);
    }
}

/* ---- Suspending ---- */

/* A thread whose machine has been told something else than what is wanted, referenced; NULL: none.
   The process's lock is held. */
static kp_thread_t *thread_untold(kp_process_t *process, bool suspend)
{
    if (process->state != KP_PROCESS_RUNNING)
        return NULL;
    for (uint32_t slot = 0; slot < KP_PROCESS_THREADS_MAX; slot++) {
        kp_thread_t *thread = process->threads[slot];
        if (!thread || thread->is_suspended == suspend)
            continue;
        thread->is_suspended = suspend;
        kp_object_acquire(&thread->object);
        return thread;
    }
    return NULL;
}

void kp_process_suspension_tell(kp_process_t *process)
{
    kp_spin_lock(process->object.lock);
    /* One at a time, so that what the machine was told last holds. */
    while (process->is_telling) {
        kp_spin_unlock(process->object.lock);
        (void)kp_wait_many(NULL, 0, kp_machine_now() + 50000); /* times out: that is the sleep */
        if (kp_thread_is_dying(kp_machine_thread_current()))
            return; /* the other one tells what is wanted at its end */
        kp_spin_lock(process->object.lock);
    }
    process->is_telling = true;
    for (;;) {
        bool suspend = process->suspended > 0;
        kp_thread_t *thread = thread_untold(process, suspend);
        if (!thread)
            break;
        kp_spin_unlock(process->object.lock);
        if (suspend)
            kp_machine_thread_suspend(thread);
        else
            kp_machine_thread_resume(thread);
        kp_object_release(&thread->object);
        kp_spin_lock(process->object.lock);
    }
    process->is_telling = false;
    kp_spin_unlock(process->object.lock);
}
