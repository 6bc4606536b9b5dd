/* Jobs. */
#include "kernel/object/job.h"

#include "kernel/syscall/call.h"

int64_t kp_call_job_create(kp_call_t *call)
{
    kp_job_limits_t limits;
    kp_status_t status = kp_user_read(call->process, &limits, call->arguments[1], sizeof(limits));
    kp_job_t *job;
    if (status == KP_OK)
        status = kp_job_create(kp_job_from_object(call->object), &limits, &job);
    if (status != KP_OK)
        return status;
    /* Charged to the parent job by kp_job_create. */
    int64_t result = kp_call_result_handle(
        call, kp_capability_create(&job->object, kp_object_default_rights(KP_TYPE_JOB)));
    kp_object_release(&job->object);
    return result;
}

int64_t kp_call_job_set_policy(kp_call_t *call)
{
    kp_job_policy_t policy;
    kp_status_t status = kp_user_read(call->process, &policy, call->arguments[1], sizeof(policy));
    if (status == KP_OK)
        status = kp_job_set_policy(kp_job_from_object(call->object), &policy);
    return status;
}

int64_t kp_call_job_kill(kp_call_t *call)
{
    kp_job_kill(kp_job_from_object(call->object));
    return KP_OK;
}

int64_t kp_call_job_info(kp_call_t *call)
{
    kp_job_info_t info;
    kp_status_t status = kp_user_check(call->process, call->arguments[1], sizeof(info));
    if (status != KP_OK)
        return status;
    kp_job_info(kp_job_from_object(call->object), &info);
    return kp_user_write(call->process, call->arguments[1], &info, sizeof(info));
}
