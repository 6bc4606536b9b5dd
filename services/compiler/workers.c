/* Processes that compile: each of our own program, in a job of its own, with one end of a channel and nothing
   else. */
#include <string.h>

#include "abi/job.h"
#include "abi/startup.h"
#include "runtime/program/kp.h"
#include "services/compiler/service.h"
#include "services/compiler/worker.h"

/* What one module may cost: the program's own maximum, the artefact once more, stacks. */
#define PAGES_MAX ((uint64_t)1024 << 8)

/* Processor time that any module should be compiled in, on the slowest machine; and how many times as long a worker may
   get none, on the busiest, before it is taken for one that sleeps. */
#ifndef KP_COMPILER_TIME_BASE /* tests have less */
#define KP_COMPILER_TIME_BASE (10 * KP_NS_PER_S)
#define KP_COMPILER_PATIENCE 30
#endif
/* After which who waits hears that he is not forgotten. */
#ifndef KP_COMPILER_BEAT
#define KP_COMPILER_BEAT (10 * KP_NS_PER_S)
#endif
#define TIME_EACH_MIB (4 * KP_NS_PER_S)
#define WATCH_EVERY (KP_COMPILER_TIME_BASE / 10)

static void close_handle(kp_handle_t *handle)
{
    if (*handle != KP_HANDLE_NONE)
        (void)kp_handle_close(*handle);
    *handle = KP_HANDLE_NONE;
}

void kp_compiler_worker_end(kp_compiler_worker_t *worker)
{
    if (worker->process != KP_HANDLE_NONE)
        (void)kp_process_kill(worker->process); /* it has done its work, or nobody wants it */
    close_handle(&worker->process);
    close_handle(&worker->control);
    close_handle(&worker->job);
}

kp_status_t kp_compiler_worker_band(const kp_compiler_worker_t *worker, uint32_t band)
{
    const kp_job_policy_t policy = {.band = band, .weight = 100};
    return kp_job_set_policy(worker->job, &policy);
}

static kp_status_t job_make(kp_compiler_service_t *service, uint32_t band,
                            kp_compiler_worker_t *worker)
{
    const kp_job_limits_t limits = {.handles = 256,
                                    .queued_bytes = 256 << 10,
                                    .pages = PAGES_MAX,
                                    .processes = 1,
                                    .objects = 256};
    int64_t job = kp_job_create(service->job, &limits);
    if (job < 0)
        return (kp_status_t)job;
    worker->job = (kp_handle_t)job;
    return kp_compiler_worker_band(worker, band);
}

/* Its startup message takes `control`. */
static kp_status_t process_make(kp_compiler_service_t *service, kp_handle_t control,
                                kp_compiler_worker_t *worker)
{
    static const char text[] = "compiler\0" KP_COMPILER_WORKER_ARGUMENT "\0control";
    const kp_startup_header_t head = {
        .magic = KP_STARTUP_MAGIC, .argument_count = 2, .handle_count = 1};
    kp_handle_t startup[2];
    kp_status_t status = kp_channel_create(startup);
    if (status == KP_OK) {
        status =
            kp_message_send_with(startup[0], &head, sizeof(head), text, sizeof(text), &control, 1);
        if (status == KP_OK)
            control = KP_HANDLE_NONE;
        int64_t made = status;
        if (status == KP_OK) {
            const kp_process_create_t options = {
                .code = service->program, .startup = startup[1], .name = "compiler-worker"};
            made = kp_process_create(worker->job, &options);
        }
        if (made > 0) {
            startup[1] = KP_HANDLE_NONE;
            worker->process = (kp_handle_t)made;
            status = kp_process_start(worker->process);
        } else {
            status = (kp_status_t)made;
        }
        close_handle(&startup[0]);
        close_handle(&startup[1]);
    }
    close_handle(&control);
    return status;
}

kp_status_t kp_compiler_worker_start(kp_compiler_service_t *service, uint32_t band,
                                     const kp_compiler_request_t *request, kp_handle_t module,
                                     kp_compiler_worker_t *worker)
{
    kp_handle_t ends[2];
    *worker = (kp_compiler_worker_t){.job = KP_HANDLE_NONE};
    kp_status_t status = job_make(service, band, worker);
    if (status == KP_OK)
        status = kp_channel_create(ends);
    if (status == KP_OK) {
        worker->control = ends[0];
        status = process_make(service, ends[1], worker);
    }
    if (status == KP_OK) {
        int64_t copy =
            kp_handle_duplicate(module, KP_RIGHT_READ | KP_RIGHT_MAP | KP_RIGHT_TRANSFER);
        kp_handle_t moved = copy > 0 ? (kp_handle_t)copy : KP_HANDLE_NONE;
        status = copy < 0 ? (kp_status_t)copy
                          : kp_message_send_with(worker->control, request, sizeof(*request), NULL,
                                                 0, &moved, 1);
        if (status != KP_OK)
            close_handle(&moved);
    }
    if (status != KP_OK)
        kp_compiler_worker_end(worker);
    return status;
}

uint64_t kp_compiler_worker_time(const kp_compiler_worker_t *worker)
{
    kp_process_info_t info;
    return worker->process != KP_HANDLE_NONE && kp_process_info(worker->process, &info) == KP_OK
               ? info.cpu_time_ns
               : 0;
}

/* ---- time ---- */

void kp_compiler_watch_set(kp_compiler_service_t *service)
{
    if (!kp_loop_timer_is_set(&service->watch))
        kp_loop_timer_set(&service->loop, &service->watch, kp_now() + WATCH_EVERY);
}

bool kp_compiler_is_late(const kp_compiler_request_t *request, kp_compiler_pace_t *pace,
                         uint64_t used)
{
    kp_time_t limit = KP_COMPILER_TIME_BASE + TIME_EACH_MIB * (request->module_size >> 20);
    kp_time_t now = kp_now();
    if (used != pace->used)
        *pace = (kp_compiler_pace_t){.used = used, .since = now};
    return now - pace->since > KP_COMPILER_TIME_BASE * KP_COMPILER_PATIENCE ||
           used > (uint64_t)limit;
}

bool kp_compiler_is_due(kp_time_t asked)
{
    return kp_now() - asked > KP_COMPILER_BEAT;
}

/* ---- what it made ---- */

bool kp_compiler_worker_answer(kp_compiler_service_t *service, kp_handle_t control,
                               kp_compiler_answer_t *answer)
{
    *answer =
        (kp_compiler_answer_t){.reply = {.status = KP_ERR_PROCESS_DEAD, .function = UINT32_MAX}};
    kp_status_t status = kp_message_receive(control, &service->message);
    if (status == KP_ERR_SHOULD_WAIT)
        return false;
    const kp_compiler_reply_t *sent = kp_message_as(&service->message, sizeof(*sent));
    if (status == KP_OK && sent) {
        answer->is_alive = true;
        answer->reply = *sent;
        answer->artefact = kp_message_take(&service->message, 0);
        kp_compiler_reply_clean(&answer->reply);
    }
    kp_message_clear(&service->message);
    return true;
}

kp_status_t kp_compiler_artefact_take(kp_compiler_service_t *service, kp_compiler_answer_t *answer,
                                      const kp_compiler_request_t *request,
                                      const kp_compiler_functions_t *functions,
                                      const kp_compiler_key_t *key, kp_compiler_account_t *account,
                                      kp_compiler_entry_t **entry)
{
    const kp_compiler_reply_t *reply = &answer->reply;
    kp_wasm_code_header_t header;
    uint64_t bytes = ((uint64_t)reply->artefact_size + KP_PAGE_SIZE - 1) & ~(KP_PAGE_SIZE - 1ull);
    kp_status_t status =
        kp_vmo_size(answer->artefact) == (int64_t)bytes ? KP_OK : KP_ERR_PROCESS_DEAD;
    if (status == KP_OK)
        status = kp_compiler_cache_reserve(&service->cache, bytes);
    int64_t code = status;
    if (status == KP_OK)
        code = kp_code_create(service->authority, answer->artefact);
    /* Nobody can change it any more: now it can be looked at. */
    if (code > 0) {
        status = kp_vmo_read(answer->artefact, 0, &header, sizeof(header));
        if (status != KP_OK ||
            !kp_compiler_artefact_check(&header, reply->artefact_size, request, functions))
            status = KP_ERR_PROCESS_DEAD;
    } else {
        status = (kp_status_t)code;
    }
    close_handle(&answer->artefact);
    if (status != KP_OK && status != KP_ERR_QUOTA && status != KP_ERR_NO_MEMORY)
        status = KP_ERR_PROCESS_DEAD; /* what it gave is no artefact */
    *entry = NULL;
    if (status == KP_OK) {
        *entry = kp_compiler_cache_add(&service->cache, key, (kp_handle_t)code,
                                       reply->artefact_size, bytes, account);
        status = *entry ? KP_OK : KP_ERR_NO_MEMORY;
    }
    if (status != KP_OK && code > 0)
        (void)kp_handle_close((kp_handle_t)code);
    return status;
}
