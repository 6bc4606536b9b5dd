/* The process itself, its threads, other processes, time, random bytes, the log. */
#include "kernel/browser/coordinator.h"
#include "kernel/init/boot.h"
#include "kernel/syscall/call.h"

#define RANDOM_MAX ((uint64_t)65536)
#define LOG_MAX ((uint64_t)1024)
/* A process may log this many lines in a row, and one more each LOG_PERIOD: the log is slow (a serial
   port) and everybody's. */
#define LOG_BURST 200u
#define LOG_PERIOD (20 * KP_NS_PER_MS)

int64_t kp_call_null(kp_call_t *call)
{
    (void)call;
    return KP_OK;
}

int64_t kp_call_clock_get(kp_call_t *call)
{
    uint64_t now;
    switch (call->arguments[0]) {
    case KP_CLOCK_MONOTONIC:
        now = (uint64_t)kp_machine_now();
        break;
    case KP_CLOCK_REALTIME:
        now = kp_machine_realtime();
        break;
    case KP_CLOCK_PROCESS: {
        kp_process_info_t info;
        kp_process_info(call->process, &info);
        now = info.cpu_time_ns;
        break;
    }
    case KP_CLOCK_THREAD:
        now = kp_machine_thread_cpu_time(kp_machine_thread_current());
        break;
    default:
        return KP_ERR_INVALID_ARGUMENT;
    }
    return kp_user_write(call->process, call->arguments[1], &now, sizeof(now));
}

int64_t kp_call_random_get(kp_call_t *call)
{
    uint64_t address = call->arguments[0], count = call->arguments[1];
    if (count > RANDOM_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    kp_status_t status = kp_user_check(call->process, address, count);
    uint8_t bytes[1024];
    while (status == KP_OK && count > 0) {
        size_t part = (size_t)KP_MIN(count, (uint64_t)sizeof(bytes));
        status = kp_machine_random(bytes, part);
        if (status == KP_OK)
            status = kp_user_write(call->process, address, bytes, part);
        address += part;
        count -= part;
    }
    return status;
}

/* May it log a line now? *left_out: how many lines were not logged since the last that was. */
static bool log_admit(kp_process_t *process, uint32_t *left_out)
{
    kp_time_t now = kp_machine_now();
    kp_spin_lock(process->object.lock);
    /* log_until: when all lines so far are paid for, if each costs LOG_PERIOD. */
    process->log_until = KP_MAX(process->log_until, now);
    bool admitted = process->log_until - now < LOG_BURST * LOG_PERIOD;
    if (admitted) {
        process->log_until += LOG_PERIOD;
        *left_out = process->log_left_out;
        process->log_left_out = 0;
    } else {
        process->log_left_out += process->log_left_out < UINT32_MAX;
    }
    kp_spin_unlock(process->object.lock);
    return admitted;
}

int64_t kp_call_debug_log(kp_call_t *call)
{
    uint64_t count = call->arguments[1];
    if (count > LOG_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    char text[LOG_MAX + 1];
    kp_status_t status = kp_user_read(call->process, text, call->arguments[0], (size_t)count);
    if (status != KP_OK)
        return status;
    while (count > 0 && text[count - 1] == '\n')
        count--;
    /* One line, without terminal control; bytes of UTF-8 stay. */
    for (uint64_t i = 0; i < count; i++) {
        uint8_t byte = (uint8_t)text[i];
        if (byte < 0x20 || byte == 0x7f)
            text[i] = ' ';
    }
    text[count] = 0;
    uint32_t left_out;
    if (!log_admit(call->process, &left_out))
        return KP_ERR_SHOULD_WAIT;
    if (left_out)
        kp_log("process", KP_LOG_WARN, "%s: %u lines were left out", call->process->name, left_out);
    kp_log("process", KP_LOG_INFO, "%s: %s", call->process->name, text);
    return KP_OK;
}

int64_t kp_call_startup_channel(kp_call_t *call)
{
    kp_process_t *process = call->process;
    kp_handle_t handle;
    kp_status_t status = kp_handle_reserve(&process->handles, 1, &handle);
    if (status != KP_OK)
        return status;
    kp_capability_t startup = kp_process_startup_take(process);
    if (!startup.object) {
        kp_handle_unreserve(&process->handles, 1, &handle);
        return KP_ERR_NOT_FOUND;
    }
    kp_handle_fill(&process->handles, handle, startup);
    return handle;
}

int64_t kp_call_process_exit(kp_call_t *call)
{
    kp_process_end(call->process, KP_EXIT_NORMAL, (int32_t)call->arguments[0], 0);
    return KP_OK;
}

int64_t kp_call_process_trap(kp_call_t *call)
{
    kp_process_end(call->process, KP_EXIT_TRAP, (int32_t)call->arguments[0], call->arguments[1]);
    return KP_OK;
}

int64_t kp_call_process_info(kp_call_t *call)
{
    kp_process_info_t info;
    kp_status_t status = kp_user_check(call->process, call->arguments[1], sizeof(info));
    if (status != KP_OK)
        return status;
    kp_process_info(kp_process_from_object(call->object), &info);
    return kp_user_write(call->process, call->arguments[1], &info, sizeof(info));
}

int64_t kp_call_process_kill(kp_call_t *call)
{
    kp_process_end(kp_process_from_object(call->object), KP_EXIT_KILLED, 0, 0);
    return KP_OK;
}

/* ---- Threads ---- */

static kp_capability_t thread_capability(kp_thread_t *thread)
{
    return kp_capability_create(&thread->object, kp_object_default_rights(KP_TYPE_THREAD));
}

int64_t kp_call_thread_create(kp_call_t *call)
{
    kp_handle_table_t *table = &call->process->handles;
    kp_handle_t handle;
    kp_status_t status = kp_handle_reserve(table, 1, &handle);
    if (status != KP_OK)
        return status;
    kp_thread_t *thread;
    status =
        kp_process_thread_create(call->process, call->arguments[0], call->arguments[1], &thread);
    if (status != KP_OK) {
        kp_handle_unreserve(table, 1, &handle);
        return status;
    }
    kp_handle_fill(table, handle, thread_capability(thread));
    kp_object_release(&thread->object);
    return handle;
}

int64_t kp_call_thread_exit(kp_call_t *call)
{
    (void)call;
    kp_process_thread_exit();
    return KP_OK;
}

int64_t kp_call_thread_self(kp_call_t *call)
{
    return kp_call_result_handle(call, thread_capability(kp_machine_thread_current()));
}

int64_t kp_call_tab_create(kp_call_t *call)
{
    kp_handle_table_t *table = &call->process->handles;
    kp_handle_t handles[2];
    kp_status_t status = kp_handle_reserve(table, 2, handles);
    if (status != KP_OK)
        return status;
    kp_tab_created_t created = {.channel = handles[0], .process = handles[1]};
    status = kp_user_write(call->process, call->arguments[1], &created, sizeof(created));
    kp_capability_t channel, process;
    if (status == KP_OK)
        status = kp_coordinator_tab_create(&channel, &process);
    if (status != KP_OK) {
        kp_handle_unreserve(table, 2, handles);
        return status;
    }
    kp_handle_fill(table, handles[0], channel);
    kp_handle_fill(table, handles[1], process);
    return KP_OK;
}

int64_t kp_call_tab_set_role(kp_call_t *call)
{
    kp_object_t *process;
    kp_status_t status =
        kp_handle_lookup_typed(&call->process->handles, kp_call_handle(call->arguments[1]),
                               KP_TYPE_PROCESS, KP_RIGHT_MANAGE, &process);
    if (status != KP_OK)
        return status;
    uint64_t role = call->arguments[2];
    status = role > KP_TAB_ROLE_CHROME
                 ? KP_ERR_INVALID_ARGUMENT
                 : kp_coordinator_tab_set_role(kp_process_from_object(process), (uint32_t)role);
    kp_object_release(process);
    return status;
}

int64_t kp_call_boot_mark(kp_call_t *call)
{
    char name[KP_BOOT_MARK_MAX + 1] = {0};
    uint64_t count = call->arguments[1];
    if (count == 0 || count > KP_BOOT_MARK_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    kp_status_t status = kp_user_read(call->process, name, call->arguments[0], (size_t)count);
    return status == KP_OK ? kp_boot_mark(name) : status;
}
