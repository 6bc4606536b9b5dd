#include "kernel/machine/x86_64/test/stand_in.h"

#include "kernel/init/files.h"

static int failures;
static atomic_uint kernel_threads; /* the first, and those of tests that are not gone yet */

void kp_test_report(const char *name, bool good)
{
    kp_log("selftest", KP_LOG_INFO, "%s %s", good ? "ok" : "not ok", name);
    failures += !good;
}

int kp_test_failures(void)
{
    return failures;
}

kp_status_t kp_thread_create(const char *name, void (*fn)(void *), void *argument,
                             kp_thread_t **out)
{
    kp_thread_t *thread = kp_kalloc(sizeof(*thread));
    if (!thread)
        return KP_ERR_NO_MEMORY;
    kp_snprintf(thread->name, sizeof(thread->name), "%s", name);
    atomic_fetch_add(&kernel_threads, 1);
    kp_status_t status = kp_machine_thread_start(thread, fn, argument);
    if (status != KP_OK) {
        kp_kfree(thread);
        atomic_fetch_sub(&kernel_threads, 1);
    } else if (out) {
        *out = thread;
    }
    return status;
}

void kp_test_threads_settle(void)
{
    while (atomic_load(&kernel_threads) > 1)
        kp_machine_thread_park(kp_machine_now() + KP_NS_PER_MS);
}

void kp_files_symbol(const kp_image_t *image, uint64_t offset, char *name, size_t size)
{
    (void)image;
    kp_snprintf(name, size, "at_%llx", (unsigned long long)offset);
}

void kp_process_fault_place(kp_process_t *process, const uint64_t *places, size_t count,
                            void (*name)(const kp_image_t *image, uint64_t offset, char *text,
                                         size_t size))
{
    if (count)
        name(process->image, places[0], process->fault_function, sizeof(process->fault_function));
}

void kp_vmo_release(kp_vmo_t *vmo)
{
    atomic_fetch_sub(&vmo->object.references, 1); /* the tests' own stay */
}

void kp_thread_ended(kp_thread_t *thread)
{
    if (!thread->process) {
        kp_kfree(thread);
        atomic_fetch_sub(&kernel_threads, 1);
        return;
    }
    kp_test_process_t *test = KP_CONTAINER_OF(thread, kp_test_process_t, thread);
    kp_thread_t *waiting = test->waiting;
    while (atomic_load(&test->held))
        kp_machine_thread_park(kp_machine_now() + KP_NS_PER_MS);
    kp_machine_space_destroy(&test->process.space);
    atomic_store(&test->ended, true);
    kp_machine_thread_unpark(waiting);
}

bool kp_thread_is_dying(const kp_thread_t *thread)
{
    return atomic_load(&thread->dying);
}

static void process_end(kp_process_t *process, uint32_t reason, int32_t code, uint64_t address)
{
    process->exit_reason = reason;
    process->exit_code = code;
    process->fault_address = address;
    atomic_store(&process->threads[0]->dying, true);
    kp_machine_thread_kill(process->threads[0]);
}

void kp_process_fault(kp_process_t *process, uint32_t reason, int32_t code, uint64_t address)
{
    process_end(process, reason, code, address);
}

int64_t kp_syscall_dispatch(uint32_t number, const uint64_t arguments[6])
{
    kp_thread_t *thread = kp_machine_thread_current();
    switch (number) {
    case KP_TEST_CALL_EXIT:
        process_end(thread->process, KP_EXIT_NORMAL, (int32_t)arguments[0], 0);
        return 0;
    case KP_TEST_CALL_SUM: {
        int64_t sum = 0;
        for (unsigned i = 0; i < 6; i++)
            sum += (int64_t)arguments[i];
        return sum;
    }
    case KP_TEST_CALL_PARK:
        /* arguments[0]: milliseconds; 0: for ever. */
        while (!kp_thread_is_dying(thread) &&
               kp_machine_thread_park(arguments[0] ? kp_machine_now() +
                                                         (kp_time_t)arguments[0] * KP_NS_PER_MS
                                                   : KP_TIME_INFINITE)) {
        }
        return 0;
    default:
        return KP_ERR_INVALID_ARGUMENT;
    }
}

bool kp_test_process_wait(kp_test_process_t *process)
{
    kp_time_t deadline = kp_machine_now() + 600 * KP_NS_PER_S;
    while (!atomic_load(&process->ended))
        if (!kp_machine_thread_park(deadline))
            return atomic_load(&process->ended);
    return true;
}
