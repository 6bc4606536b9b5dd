#include "kernel/object/thread.h"

#include "kernel/object/process.h"
#include "kernel/object/process_private.h"
#include "kernel/trace/trace.h"

static void thread_destroy(kp_object_t *object)
{
    kp_thread_t *thread = kp_thread_from_object(object);
    kp_object_fini(object);
    kp_kfree(thread);
}

static const kp_object_ops_t thread_ops = {.destroy = thread_destroy};

void kp_name_copy(char *to, size_t size, const char *from)
{
    size_t length = KP_MIN(strlen(from), size - 1);
    memcpy(to, from, length);
    memset(to + length, 0, size - length);
}

kp_thread_t *kp_thread_alloc(const char *name, kp_process_t *process)
{
    kp_thread_t *thread = kp_kalloc(sizeof(*thread));
    if (!thread)
        return NULL;
    kp_object_init(&thread->object, KP_TYPE_THREAD, &thread_ops);
    kp_name_copy(thread->name, sizeof(thread->name), name);
    thread->process = process;
    if (process) {
        kp_object_acquire(&process->object);
        thread->process_id = process->object.koid;
    }
    kp_trace_thread(thread->object.koid, thread->process_id, thread->name);
    return thread;
}

kp_status_t kp_thread_create(const char *name, void (*fn)(void *), void *argument,
                             kp_thread_t **out)
{
    kp_thread_t *thread = kp_thread_alloc(name, NULL);
    if (!thread)
        return KP_ERR_NO_MEMORY;
    /* The reference of kp_thread_alloc is the running thread's; it may end before we return. */
    kp_object_acquire(&thread->object);
    kp_status_t status = kp_machine_thread_start(thread, fn, argument);
    if (status != KP_OK) {
        kp_object_release(&thread->object);
        kp_object_release(&thread->object);
        return status;
    }
    if (out)
        *out = thread;
    else
        kp_object_release(&thread->object);
    return KP_OK;
}

kp_thread_t *kp_thread_adopt(const char *name)
{
    return kp_thread_alloc(name, NULL);
}

bool kp_thread_is_dying(const kp_thread_t *thread)
{
    return thread && atomic_load_explicit(&thread->dying, memory_order_acquire);
}

void kp_thread_ended(kp_thread_t *thread)
{
    kp_process_t *process = thread->process;
    bool was_last = process && kp_process_thread_leave(process, thread);
    kp_object_signal(&thread->object, 0, KP_SIGNAL_TERMINATED);
    if (was_last)
        kp_process_threads_gone(process);
    /* The thread last: it may be the one that runs here. */
    if (process)
        kp_object_release(&process->object);
    kp_object_release(&thread->object);
}
