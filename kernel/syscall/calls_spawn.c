/* Making processes from code objects and snapshots. */
#include "abi/job.h"
#include "kernel/ipc/channel.h"
#include "kernel/object/code.h"
#include "kernel/object/snapshot.h"
#include "kernel/object/wait.h"
#include "kernel/syscall/call.h"

/* Names come into logs and reports. */
static bool name_is_valid(const char name[32])
{
    for (size_t i = 0; i < 32; i++) {
        char c = name[i];
        if (c == 0)
            return i > 0;
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return false;
}

static kp_status_t lookup(kp_call_t *call, kp_handle_t handle, uint32_t type, kp_rights_t need,
                          kp_object_t **object)
{
    return kp_handle_lookup_typed(&call->process->handles, handle, type, need, object);
}

/* What the options say beside handles. */
static bool options_are_valid(const kp_process_create_t *wanted)
{
    return wanted->reserved == 0 && name_is_valid(wanted->name);
}

/* Is the startup handle one that can be moved (or none)? It is looked at again when it is. */
static kp_status_t startup_check(kp_call_t *call, kp_handle_t startup)
{
    kp_object_t *channel = NULL;
    if (startup == KP_HANDLE_NONE)
        return KP_OK;
    kp_status_t status = lookup(call, startup, KP_TYPE_CHANNEL, KP_RIGHT_TRANSFER, &channel);
    kp_object_release(channel);
    return status;
}

/* Makes the process and moves the startup channel into it; on error everything stays with the
   caller. Returns the call's result. */
static int64_t make(kp_call_t *call, const kp_process_create_t *wanted,
                    kp_process_options_t *options)
{
    kp_handle_table_t *table = &call->process->handles;
    kp_handle_t result;
    kp_status_t status = kp_handle_reserve(table, 1, &result);
    if (status != KP_OK)
        return status;
    bool has_startup = wanted->startup != KP_HANDLE_NONE;
    if (has_startup)
        status = kp_handle_lift(table, 1, &wanted->startup, KP_RIGHT_TRANSFER, &options->startup);
    if (status != KP_OK) {
        kp_handle_unreserve(table, 1, &result);
        return status;
    }
    kp_object_t *channel = has_startup ? kp_capability_acquire(&options->startup) : NULL;
    kp_process_t *process;
    if (has_startup && (!channel || channel->type != KP_TYPE_CHANNEL))
        status = channel ? KP_ERR_WRONG_TYPE : KP_ERR_REVOKED;
    else
        status = kp_process_make(options, &process);
    if (status != KP_OK) {
        if (has_startup)
            kp_handle_settle(table, 1, &wanted->startup, &options->startup);
        kp_object_release(channel);
        kp_handle_unreserve(table, 1, &result);
        return status;
    }
    if (has_startup) {
        kp_wait_cancel(channel, table, wanted->startup);
        kp_handle_unreserve(table, 1, &wanted->startup);
        kp_object_release(channel);
    }
    kp_handle_fill(
        table, result,
        kp_capability_create(&process->object, kp_object_default_rights(KP_TYPE_PROCESS)));
    kp_object_release(&process->object);
    return result;
}

/* Reads what is wanted and checks it but for the process it is to be made of. *object: the wanted code or job,
   whichever `type` says; the caller releases it. */
static kp_status_t decode(kp_call_t *call, kp_process_create_t *wanted, uint32_t type,
                          kp_object_t **object)
{
    kp_status_t status = kp_user_read(call->process, wanted, call->arguments[1], sizeof(*wanted));
    if (status == KP_OK)
        status = type == KP_TYPE_CODE ? lookup(call, wanted->code, type, KP_RIGHT_EXECUTE, object)
                                      : lookup(call, wanted->job, type, KP_RIGHT_MANAGE, object);
    if (status != KP_OK)
        return status;
    status = startup_check(call, wanted->startup);
    if (status == KP_OK && !options_are_valid(wanted))
        status = KP_ERR_INVALID_ARGUMENT;
    if (status != KP_OK)
        kp_object_release(*object);
    return status;
}

int64_t kp_call_process_create(kp_call_t *call)
{
    kp_process_create_t wanted;
    kp_object_t *code;
    kp_status_t status = decode(call, &wanted, KP_TYPE_CODE, &code);
    if (status != KP_OK)
        return status;
    int64_t result = KP_ERR_WRONG_TYPE; /* made at run time: not a program */
    if (kp_code_from_object(code)->image) {
        kp_process_options_t options = {
            .name = wanted.name,
            .image = kp_code_from_object(code)->image,
            .job = kp_job_from_object(call->object),
        };
        result = make(call, &wanted, &options);
    }
    kp_object_release(code);
    return result;
}

int64_t kp_call_process_clone(kp_call_t *call)
{
    kp_process_create_t wanted;
    kp_object_t *job;
    kp_status_t status = decode(call, &wanted, KP_TYPE_JOB, &job);
    if (status != KP_OK)
        return status;
    kp_snapshot_t *snapshot = kp_process_snapshot(kp_process_from_object(call->object));
    int64_t result = KP_ERR_BAD_STATE;
    if (snapshot) {
        kp_process_options_t options = {
            .name = wanted.name,
            .snapshot = snapshot,
            .job = kp_job_from_object(job),
        };
        result = make(call, &wanted, &options);
        kp_snapshot_release(snapshot);
    }
    kp_object_release(job);
    return result;
}

int64_t kp_call_process_start(kp_call_t *call)
{
    return kp_process_start(kp_process_from_object(call->object));
}

int64_t kp_call_process_freeze(kp_call_t *call)
{
    return kp_process_freeze(call->process);
}

int64_t kp_call_process_suspend(kp_call_t *call)
{
    return kp_process_suspend(kp_process_from_object(call->object));
}

int64_t kp_call_process_resume(kp_call_t *call)
{
    return kp_process_resume(kp_process_from_object(call->object));
}
