#include "kernel/object/process.h"

#include "kernel/object/process_private.h"
#include "kernel/trace/trace.h"

#define PAGES_PER_WASM_PAGE (KP_WASM_PAGE_SIZE / KP_PAGE_SIZE)

/* All processes whose thread has not left, in the order of their koids. */
static kp_list_t processes = {&processes, &processes};
static kp_spinlock_t processes_lock; /* before process locks */

static void process_destroy(kp_object_t *object)
{
    kp_process_t *process = kp_process_from_object(object);
    KP_CHECK(!process->has_space && !process->mappings);
    kp_capability_close(&process->startup);
    kp_job_t *job = process->job;
    kp_quota_release(process->quota);
    kp_object_fini(object);
    kp_kfree(process);
    kp_object_release(&job->object);
}

static const kp_object_ops_t process_ops = {.destroy = process_destroy};

/* Destroys the space once the thread has gone and nobody inspects it. The last step of a process's
   end: TERMINATED says that everything is freed. */
static void process_space_drop(kp_process_t *process)
{
    kp_spin_lock(process->object.lock);
    bool drop = process->has_space && process->thread_gone && process->inspectors == 0;
    if (drop)
        process->has_space = false;
    kp_spin_unlock(process->object.lock);
    if (!drop)
        return;
    kp_machine_space_destroy(&process->space);
    kp_mapping_clear(process);
    uint32_t pages = atomic_exchange(&process->memory_pages, 0);
    kp_quota_refund(process->quota, KP_QUOTA_PAGES, (uint64_t)pages * PAGES_PER_WASM_PAGE);
    kp_job_leave(process);
    if (process->ended)
        process->ended(process);
    kp_object_signal(&process->object, 0, KP_SIGNAL_TERMINATED);
}

static void process_log_end(const kp_process_t *process)
{
    unsigned long long id = process->object.koid;
    switch (process->exit_reason) {
    case KP_EXIT_NORMAL:
        kp_log("process", KP_LOG_INFO, "%s (%llu) exited with %d", process->name, id,
               (int)process->exit_code);
        break;
    case KP_EXIT_TRAP:
    case KP_EXIT_FAULT:
        kp_log("process", KP_LOG_WARN, "%s (%llu) ended by %s %d at 0x%llx", process->name, id,
               process->exit_reason == KP_EXIT_TRAP ? "trap" : "fault", (int)process->exit_code,
               (unsigned long long)process->fault_address);
        break;
    default:
        kp_log("process", KP_LOG_INFO, "%s (%llu) was killed", process->name, id);
        break;
    }
}

void kp_process_thread_gone(kp_process_t *process, kp_thread_t *thread)
{
    kp_spin_lock(&processes_lock);
    kp_list_remove(&process->link);
    kp_spin_lock(process->object.lock);
    process->thread = NULL;
    process->thread_gone = true;
    if (process->exit_reason == KP_EXIT_NONE)
        process->exit_reason = KP_EXIT_KILLED; /* the machine itself ended it */
    kp_capability_t startup = kp_capability_take(&process->startup);
    kp_spin_unlock(process->object.lock);
    kp_spin_unlock(&processes_lock);

    atomic_fetch_add(&process->cpu_time_ns, atomic_load(&thread->cpu_time_ns));
    process_log_end(process);
    kp_trace(KP_TRACE_PROCESS_END, process->object.koid, process->exit_reason,
             (uint32_t)process->exit_code);
    kp_object_release(&thread->object); /* process->thread's */
    kp_capability_close(&startup);
    kp_handle_table_clear(&process->handles);
    process_space_drop(process);
}

/* What kp_process_create has made so far is undone; the thread never ran. */
static void process_unmake(kp_process_t *process, kp_thread_t *thread)
{
    if (process->has_space) {
        kp_machine_space_destroy(&process->space);
        process->has_space = false;
    }
    uint32_t pages = atomic_exchange(&process->memory_pages, 0);
    kp_quota_refund(process->quota, KP_QUOTA_PAGES, (uint64_t)pages * PAGES_PER_WASM_PAGE);
    kp_handle_table_clear(&process->handles);
    if (process->quota)
        kp_job_leave(process);
    process->thread = NULL;
    process->exit_reason = KP_EXIT_NO_START;
    process->thread_gone = true;
    if (thread) {
        kp_object_release(&thread->object);
        kp_object_release(&thread->object);
        kp_object_release(&process->object); /* the thread's */
    }
    kp_object_release(&process->object);
}

kp_status_t kp_process_create(kp_process_options_t *options, kp_process_t **out)
{
    const kp_image_t *image = options->image;
    kp_process_t *process = kp_kalloc(sizeof(*process));
    if (!process)
        return KP_ERR_NO_MEMORY;
    kp_object_init(&process->object, KP_TYPE_PROCESS, &process_ops);
    kp_list_init(&process->link);
    kp_list_init(&process->membership.link);
    process->job = options->job;
    kp_object_acquire(&process->job->object);
    kp_name_copy(process->name, sizeof(process->name), options->name);
    process->image = image;
    process->ended = options->ended;
    process->memory_maximum = image->info.maximum_pages;
    process->quota = kp_quota_create(process->job->quota, NULL);
    kp_handle_table_init(&process->handles, process->quota);
    if (!process->quota) {
        process_unmake(process, NULL);
        return KP_ERR_NO_MEMORY;
    }
    uint32_t initial = image->info.initial_pages;
    kp_status_t status = kp_object_charge(&process->object, process->quota);
    if (status == KP_OK)
        status = kp_job_join(process);
    if (status == KP_OK)
        status = kp_quota_charge(process->quota, KP_QUOTA_PAGES,
                                 (uint64_t)initial * PAGES_PER_WASM_PAGE);
    if (status == KP_OK) {
        atomic_store(&process->memory_pages, initial);
        status =
            kp_machine_space_create(&process->space, image, initial, image->info.maximum_pages);
    }
    if (status != KP_OK) {
        process_unmake(process, NULL);
        return status;
    }
    process->has_space = true;
    kp_thread_t *thread = kp_thread_alloc(process->name, process);
    if (!thread) {
        process_unmake(process, NULL);
        return KP_ERR_NO_MEMORY;
    }
    process->thread = thread;
    kp_object_acquire(&thread->object);
    kp_job_thread_start(thread);
    process->startup = kp_capability_take(&options->startup);
    status = kp_machine_thread_start_user(thread, process);
    if (status != KP_OK) {
        options->startup = kp_capability_take(&process->startup);
        process_unmake(process, thread);
        return status;
    }
    /* It runs, and may even have ended already. */
    kp_spin_lock(&processes_lock);
    kp_spin_lock(process->object.lock);
    if (!process->thread_gone)
        kp_list_append(&processes, &process->link);
    kp_spin_unlock(process->object.lock);
    kp_spin_unlock(&processes_lock);
    if (!kp_job_enter(process))
        kp_process_end(process, KP_EXIT_KILLED, 0, 0);
    *out = process;
    return KP_OK;
}

void kp_process_end(kp_process_t *process, uint32_t exit_reason, int32_t code, uint64_t address)
{
    kp_spin_lock(process->object.lock);
    kp_thread_t *thread = NULL;
    if (process->exit_reason == KP_EXIT_NONE) {
        process->exit_reason = exit_reason;
        process->exit_code = code;
        process->fault_address = address;
        thread = process->thread;
        if (thread)
            kp_object_acquire(&thread->object);
    }
    kp_spin_unlock(process->object.lock);
    if (!thread)
        return;
    atomic_store_explicit(&thread->dying, true, memory_order_release);
    kp_machine_thread_kill(thread);
    kp_object_release(&thread->object);
}

void kp_process_fault(kp_process_t *process, uint32_t exit_reason, int32_t code, uint64_t address)
{
    kp_process_end(process, exit_reason, code, address);
}

void kp_process_info(kp_process_t *process, kp_process_info_t *out)
{
    memset(out, 0, sizeof(*out));
    out->id = process->object.koid;
    memcpy(out->name, process->name, sizeof(out->name));
    out->messages_sent = atomic_load(&process->messages_sent);
    out->calls = atomic_load(&process->calls);
    out->cpu_time_ns = atomic_load(&process->cpu_time_ns);

    kp_spin_lock(process->object.lock);
    out->exit_reason = process->exit_reason;
    out->exit_code = process->exit_code;
    out->fault_address = process->fault_address;
    if (process->thread)
        out->cpu_time_ns += kp_machine_thread_cpu_time(process->thread);
    bool inspect = process->has_space && !process->thread_gone;
    if (inspect)
        process->inspectors++;
    kp_spin_unlock(process->object.lock);

    out->memory_bytes = kp_process_memory_size(process);
    if (!inspect)
        return;
    kp_machine_space_usage(&process->space, &out->private_bytes, &out->shared_bytes);
    kp_spin_lock(process->object.lock);
    process->inspectors--;
    kp_spin_unlock(process->object.lock);
    process_space_drop(process);
}

/* The first listed process with a larger koid than `after`, referenced. */
static kp_process_t *process_next(uint64_t after)
{
    kp_process_t *found = NULL;
    kp_spin_lock(&processes_lock);
    for (kp_list_t *link = processes.next; link != &processes; link = link->next) {
        kp_process_t *process = KP_CONTAINER_OF(link, kp_process_t, link);
        if (process->object.koid > after && (!found || process->object.koid < found->object.koid))
            found = process;
    }
    if (found)
        kp_object_acquire(&found->object);
    kp_spin_unlock(&processes_lock);
    return found;
}

void kp_process_each(void (*fn)(kp_process_t *process, void *context), void *context)
{
    uint64_t last = 0;
    for (kp_process_t *process; (process = process_next(last)) != NULL;) {
        last = process->object.koid;
        fn(process, context);
        kp_object_release(&process->object);
    }
}
