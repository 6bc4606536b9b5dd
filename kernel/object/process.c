#include "kernel/object/process.h"

#include "kernel/object/code.h"
#include "kernel/object/guest.h"
#include "kernel/object/process_private.h"
#include "kernel/object/snapshot.h"
#include "kernel/object/wait.h"
#include "kernel/trace/trace.h"

#define PAGES_PER_WASM_PAGE (KP_WASM_PAGE_SIZE / KP_PAGE_SIZE)

/* All processes whose threads have not all left, in the order of their koids. */
static kp_list_t processes = {&processes, &processes};
static kp_spinlock_t processes_lock; /* before process locks */

static void process_finish(kp_process_t *process);

static void process_destroy(kp_object_t *object)
{
    kp_process_t *process = kp_process_from_object(object);
    KP_CHECK(!process->has_space && !process->mappings && !process->code_mapping_count &&
             !process->guests && !process->snapshot && !process->origin);
    kp_capability_close(&process->startup);
    kp_job_t *job = process->job;
    kp_quota_release(process->quota);
    kp_object_fini(object);
    kp_kfree(process);
    kp_object_release(&job->object);
}

/* Nobody can name it any more, so nobody can start or clone it: it would stay for ever. */
static void process_abandoned(kp_object_t *object)
{
    kp_process_t *process = kp_process_from_object(object);
    kp_spin_lock(object->lock);
    bool is_idle = process->state == KP_PROCESS_NEW || process->snapshot;
    kp_spin_unlock(object->lock);
    if (is_idle)
        kp_process_end(process, KP_EXIT_KILLED, 0, 0);
}

static const kp_object_ops_t process_ops = {.abandoned = process_abandoned,
                                            .destroy = process_destroy};

/* It runs, or never will: what lies in its startup channel is no longer out of everybody's reach. */
static void process_startup_settle(kp_process_t *process, kp_object_t *startup)
{
    atomic_store(&process->has_begun, true);
    if (startup && process->startup_rank)
        (void)startup->ops->startup(startup, process->startup_rank);
}

kp_capability_t kp_process_startup_take(kp_process_t *process)
{
    kp_spin_lock(process->object.lock);
    kp_capability_t startup = kp_capability_take(&process->startup);
    kp_spin_unlock(process->object.lock);
    process_startup_settle(process, startup.object);
    return startup;
}

static void process_begun(kp_process_t *process)
{
    kp_spin_lock(process->object.lock);
    kp_object_t *startup = process->startup.object;
    if (startup)
        kp_object_acquire(startup);
    kp_spin_unlock(process->object.lock);
    process_startup_settle(process, startup);
    kp_object_release(startup);
}

/* Counts page faults anew; nobody destroys the space meanwhile. */
static void process_faults_count(kp_process_t *process)
{
    uint64_t now = kp_machine_space_faults(&process->space);
    uint64_t seen = atomic_load(&process->faults);
    while (seen < now && !atomic_compare_exchange_weak(&process->faults, &seen, now)) {
    }
}

/* Frees the space and what it shows. */
static void process_space_free(kp_process_t *process)
{
    kp_machine_space_destroy(&process->space);
    process_faults_count(process);
    kp_mapping_clear(process);
    kp_code_mappings_clear(process);
    kp_guests_clear(process);
    uint32_t pages = atomic_exchange(&process->memory_pages, 0);
    kp_quota_refund(process->quota, KP_QUOTA_PAGES, (uint64_t)pages * PAGES_PER_WASM_PAGE);
    kp_snapshot_release(process->origin);
    process->origin = NULL;
}

/* Once nothing of the process runs and nobody inspects it: frees its space. Then it is a snapshot, or it
   has ended. */
static void process_space_drop(kp_process_t *process)
{
    kp_spin_lock(process->object.lock);
    bool drop = process->has_space && process->threads_gone && process->inspectors == 0;
    if (drop)
        process->has_space = false;
    kp_spin_unlock(process->object.lock);
    if (!drop)
        return;
    process_space_free(process);
    kp_spin_lock(process->object.lock);
    bool is_frozen = process->exit_reason == KP_EXIT_NONE;
    process->state = is_frozen ? KP_PROCESS_FROZEN : KP_PROCESS_ENDED;
    kp_spin_unlock(process->object.lock);
    if (is_frozen)
        kp_object_signal(&process->object, 0, KP_SIGNAL_FROZEN);
    else
        process_finish(process);
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
        kp_log("process", KP_LOG_WARN, "%s (%llu) ended by %s %d at 0x%llx%s%s", process->name, id,
               process->exit_reason == KP_EXIT_TRAP ? "trap" : "fault", (int)process->exit_code,
               (unsigned long long)process->fault_address, process->fault_function[0] ? " in " : "",
               process->fault_function);
        break;
    default:
        kp_log("process", KP_LOG_INFO, "%s (%llu) was killed", process->name, id);
        break;
    }
}

/* Its threads are out of the machine, or never were in it, and it does not become a snapshot. */
static void process_close(kp_process_t *process)
{
    process->is_closed = true;
    process_log_end(process);
    kp_trace(KP_TRACE_PROCESS_END, process->object.koid, process->exit_reason,
             (uint32_t)process->exit_code);
    kp_capability_t startup = kp_process_startup_take(process);
    kp_capability_close(&startup);
    kp_handle_table_clear(&process->handles);
}

/* The last step of a process's end: nothing of it is left but its object. */
static void process_finish(kp_process_t *process)
{
    if (!process->is_closed) /* it was about to be a snapshot */
        process_close(process);
    kp_spin_lock(process->object.lock);
    kp_snapshot_t *snapshot = process->snapshot;
    process->snapshot = NULL;
    kp_spin_unlock(process->object.lock);
    kp_snapshot_release(snapshot);
    kp_job_leave(process);
    if (process->ended)
        process->ended(process);
    kp_object_signal(&process->object, 0, KP_SIGNAL_TERMINATED);
}

void kp_process_threads_gone(kp_process_t *process)
{
    kp_spin_lock(&processes_lock);
    kp_list_remove(&process->link);
    kp_spin_lock(process->object.lock);
    process->threads_gone = true;
    if (!process->snapshot && process->exit_reason == KP_EXIT_NONE)
        process->exit_reason = KP_EXIT_KILLED; /* the machine itself ended it */
    bool has_ended = process->exit_reason != KP_EXIT_NONE;
    kp_spin_unlock(process->object.lock);
    kp_spin_unlock(&processes_lock);

    if (has_ended)
        process_close(process);
    process_space_drop(process);
}

/* One that has no thread in the machine has got its exit reason: it was never started, or is a
   snapshot. */
static void process_end_idle(kp_process_t *process)
{
    kp_spin_lock(process->object.lock);
    kp_thread_t *thread = process->threads[0];
    process->threads[0] = NULL;
    process->thread_count = process->thread_running = 0;
    process->threads_gone = true;
    bool has_space = process->has_space;
    kp_spin_unlock(process->object.lock);
    process_close(process);
    if (thread) {
        kp_object_signal(&thread->object, 0, KP_SIGNAL_TERMINATED);
        kp_object_release(&thread->object); /* process->threads' */
        kp_object_release(&thread->object); /* its own */
    }
    if (has_space)
        process_space_drop(process);
    else
        process_finish(process);
    if (thread)
        kp_object_release(&process->object); /* the thread's */
}

/* What kp_process_make has made so far is undone; nobody has seen the process. */
static void process_unmake(kp_process_t *process)
{
    if (process->has_space)
        process_space_free(process);
    process->has_space = false;
    uint32_t pages = atomic_exchange(&process->memory_pages, 0);
    kp_quota_refund(process->quota, KP_QUOTA_PAGES, (uint64_t)pages * PAGES_PER_WASM_PAGE);
    kp_snapshot_release(process->origin);
    process->origin = NULL;
    kp_handle_table_clear(&process->handles);
    if (process->quota)
        kp_job_leave(process);
    process->exit_reason = KP_EXIT_NO_START;
    kp_object_release(&process->object);
}

static kp_status_t process_make_space(kp_process_t *process, kp_process_options_t *options)
{
    kp_snapshot_t *snapshot = options->snapshot;
    process->image = snapshot ? snapshot->image : options->image;
    process->memory_maximum =
        snapshot ? snapshot->memory_maximum : process->image->info.maximum_pages;
    uint32_t initial = snapshot ? snapshot->memory_pages : process->image->info.initial_pages;
    kp_status_t status =
        kp_quota_charge(process->quota, KP_QUOTA_PAGES, (uint64_t)initial * PAGES_PER_WASM_PAGE);
    if (status != KP_OK)
        return status;
    atomic_store(&process->memory_pages, initial);
    if (snapshot) {
        process->origin = kp_snapshot_acquire(snapshot);
        status = kp_snapshot_clone_space(snapshot, process);
    } else {
        status = kp_machine_space_create(&process->space, process->image, initial,
                                         process->memory_maximum);
    }
    process->has_space = status == KP_OK;
    process->has_threads =
        snapshot ? snapshot->has_threads : process->image->info.flags & KP_IMAGE_THREADS;
    return status;
}

kp_status_t kp_process_make(kp_process_options_t *options, kp_process_t **out)
{
    kp_process_t *process = kp_kalloc(sizeof(*process));
    if (!process)
        return KP_ERR_NO_MEMORY;
    kp_object_init(&process->object, KP_TYPE_PROCESS, &process_ops);
    kp_list_init(&process->link);
    kp_list_init(&process->membership.link);
    kp_turn_init(&process->turn);
    process->job = options->job;
    kp_object_acquire(&process->job->object);
    kp_name_copy(process->name, sizeof(process->name), options->name);
    process->ended = options->ended;
    process->quota = kp_quota_create(process->job->quota, NULL);
    kp_handle_table_init(&process->handles, process->quota);
    kp_status_t status =
        process->quota ? kp_object_charge(&process->object, process->quota) : KP_ERR_NO_MEMORY;
    if (status == KP_OK)
        status = kp_job_join(process);
    if (status == KP_OK)
        status = process_make_space(process, options);
    if (status == KP_OK) {
        process->threads[0] = kp_thread_alloc(process->name, process);
        status = process->threads[0] ? KP_OK : KP_ERR_NO_MEMORY;
    }
    if (status != KP_OK) {
        process_unmake(process);
        return status;
    }
    kp_object_acquire(&process->threads[0]->object);
    process->thread_count = process->thread_running = 1;
    process->startup = kp_capability_take(&options->startup);
    kp_object_t *startup = process->startup.object;
    if (startup && startup->ops->startup)
        process->startup_rank = startup->ops->startup(startup, 0);
    if (!kp_job_enter(process)) /* from here on whoever kills the job ends it */
        kp_process_end(process, KP_EXIT_KILLED, 0, 0);
    *out = process;
    return KP_OK;
}

/* Gives the thread to the machine. The state is RUNNING already, and is_telling keeps suspensions away
   until the machine knows the thread. */
static kp_status_t process_launch(kp_process_t *process, kp_thread_t *thread)
{
    kp_job_thread_start(thread);
    kp_spin_lock(&processes_lock);
    kp_list_append(&processes, &process->link);
    kp_spin_unlock(&processes_lock);
    kp_status_t status = kp_machine_thread_start_user(thread, process);
    bool has_ended = false;
    if (status != KP_OK) {
        kp_spin_lock(&processes_lock);
        kp_list_remove(&process->link);
        kp_spin_unlock(&processes_lock);
    }
    kp_spin_lock(process->object.lock);
    process->is_telling = false;
    if (status != KP_OK) {
        has_ended = process->exit_reason != KP_EXIT_NONE;
        process->state = has_ended ? KP_PROCESS_ENDED : KP_PROCESS_NEW;
    }
    kp_spin_unlock(process->object.lock);
    kp_object_release(&thread->object);
    if (status == KP_OK)
        process_begun(process);
    if (has_ended) /* meanwhile, and whoever did it left this to us */
        process_end_idle(process);
    return status;
}

kp_status_t kp_process_start(kp_process_t *process)
{
    kp_status_t status = KP_OK;
    kp_spin_lock(process->object.lock);
    kp_thread_t *thread = NULL;
    if (process->exit_reason != KP_EXIT_NONE) {
        status = KP_ERR_PROCESS_DEAD;
    } else if (process->state != KP_PROCESS_NEW || process->wants_start) {
        status = KP_ERR_BAD_STATE;
    } else if (process->suspended > 0) {
        process->wants_start = true; /* its last resume starts it */
    } else {
        process->state = KP_PROCESS_RUNNING;
        process->is_telling = true;
        thread = process->threads[0];
        kp_object_acquire(&thread->object);
    }
    kp_spin_unlock(process->object.lock);
    return thread ? process_launch(process, thread) : status;
}

kp_status_t kp_process_create(kp_process_options_t *options, kp_process_t **out)
{
    kp_process_t *process;
    kp_status_t status = kp_process_make(options, &process);
    if (status != KP_OK)
        return status;
    status = kp_process_start(process);
    if (status == KP_ERR_PROCESS_DEAD)
        status = KP_OK; /* its job was killed just now: it is an ended process */
    if (status == KP_OK) {
        *out = process;
        return KP_OK;
    }
    options->startup = kp_process_startup_take(process);
    kp_process_end(process, KP_EXIT_NO_START, 0, 0);
    kp_object_release(&process->object);
    return status;
}

void kp_process_end(kp_process_t *process, uint32_t exit_reason, int32_t code, uint64_t address)
{
    const kp_thread_t *current = kp_machine_thread_current();
    bool is_first = false, is_idle = false;
    kp_spin_lock(process->object.lock);
    if (process->exit_reason == KP_EXIT_NONE) {
        is_first = true;
        process->exit_reason = exit_reason;
        process->exit_code = code;
        process->fault_address = address;
        if ((exit_reason == KP_EXIT_TRAP || exit_reason == KP_EXIT_FAULT) && current &&
            current->process == process) {
            process->fault_instruction = current->fault_instruction;
            memcpy(process->fault_function, current->fault_function,
                   sizeof(process->fault_function));
        }
        is_idle = process->state == KP_PROCESS_FROZEN || process->state == KP_PROCESS_NEW;
        if (is_idle)
            process->state = KP_PROCESS_ENDED;
    }
    kp_spin_unlock(process->object.lock);
    if (is_idle)
        process_end_idle(process);
    else if (is_first)
        kp_process_threads_kill(process);
}

/* Code of runtime/image that is on the way from a trap to the program's function. */
static bool is_runtime(const char *function)
{
    static const char *const prefixes[] = {"kp_image_", "wasm_rt_", "trap", "w2c_kpio_"};
    for (size_t i = 0; i < KP_ARRAY_COUNT(prefixes); i++) {
        if (strncmp(function, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return false;
}

void kp_process_fault_place(kp_process_t *process, const uint64_t *places, size_t count,
                            void (*name)(const kp_image_t *image, uint64_t offset, char *text,
                                         size_t size))
{
    char function[KP_PROCESS_FUNCTION_MAX] = "";
    uint64_t place = count ? places[0] : 0;
    for (size_t i = 0; i < count; i++) {
        char text[KP_PROCESS_FUNCTION_MAX];
        name(process->image, places[i], text, sizeof(text));
        if (!text[0] || is_runtime(text))
            continue;
        place = places[i];
        kp_name_copy(function, sizeof(function), text);
        break;
    }
    kp_thread_t *thread = kp_machine_thread_current();
    thread->fault_instruction = place;
    memcpy(thread->fault_function, function, sizeof(function));
}

/* ---- Suspending ---- */

static bool may_suspend(const kp_process_t *process)
{
    return process->exit_reason == KP_EXIT_NONE && !process->snapshot;
}

kp_status_t kp_process_suspend(kp_process_t *process)
{
    kp_status_t status = KP_OK;
    kp_spin_lock(process->object.lock);
    if (!may_suspend(process))
        status = KP_ERR_BAD_STATE;
    else if (process->suspended == INT32_MAX)
        status = KP_ERR_QUOTA;
    else
        process->suspended++;
    kp_spin_unlock(process->object.lock);
    if (status == KP_OK)
        kp_process_suspension_tell(process);
    return status;
}

kp_status_t kp_process_resume(kp_process_t *process)
{
    kp_status_t status = KP_OK;
    bool must_start = false;
    kp_spin_lock(process->object.lock);
    if (!may_suspend(process) || process->suspended == 0) {
        status = KP_ERR_BAD_STATE;
    } else if (--process->suspended == 0) {
        must_start = process->wants_start;
        process->wants_start = false;
    }
    kp_spin_unlock(process->object.lock);
    if (status != KP_OK)
        return status;
    kp_process_suspension_tell(process);
    /* Nobody is there to try again. */
    if (must_start && kp_process_start(process) == KP_ERR_NO_MEMORY)
        kp_process_end(process, KP_EXIT_NO_START, 0, 0);
    return KP_OK;
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

    kp_spin_lock(process->object.lock);
    out->exit_reason = process->exit_reason;
    out->exit_code = process->exit_code;
    out->fault_address = process->fault_address;
    out->fault_instruction = process->fault_instruction;
    memcpy(out->fault_function, process->fault_function, sizeof(out->fault_function));
    out->state = process->state;
    out->suspended = process->suspended;
    out->threads = process->thread_count;
    out->cpu_time_ns = atomic_load(&process->cpu_time_ns) + kp_process_threads_time(process);
    bool inspect = process->has_space && !process->threads_gone && !process->snapshot;
    if (inspect)
        process->inspectors++;
    kp_spin_unlock(process->object.lock);

    out->memory_bytes = kp_process_memory_size(process);
    kp_snapshot_t *snapshot = kp_process_snapshot(process);
    if (snapshot) {
        out->memory_bytes = (uint64_t)snapshot->memory_pages * KP_WASM_PAGE_SIZE;
        kp_machine_snapshot_usage(&snapshot->machine, &out->private_bytes, &out->shared_bytes);
        kp_snapshot_release(snapshot);
    }
    if (inspect)
        process_faults_count(process);
    out->faults = atomic_load(&process->faults);
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
