/* Requests in work: copying and hashing their modules, giving them to workers, taking results. */
#include <stdlib.h>
#include <string.h>

#include "abi/startup.h"
#include "runtime/program/kp.h"
#include "services/compiler/service.h"
#include "services/compiler/worker.h"

#define WATCH_EVERY KP_NS_PER_S
/* Processor time that any module should be compiled in, on the slowest machine; and how long a worker may
   be about it on a busy one. */
#define TIME_BASE (10 * KP_NS_PER_S)
#define TIME_EACH_MIB (4 * KP_NS_PER_S)
#define PATIENCE 30

static void close_handle(kp_handle_t *handle)
{
    if (*handle != KP_HANDLE_NONE)
        (void)kp_handle_close(*handle);
    *handle = KP_HANDLE_NONE;
}

/* ---- the end of a task ---- */

static void worker_leave(kp_compiler_task_t *task)
{
    if (task->state != KP_COMPILER_WORKING)
        return;
    kp_compiler_service_t *service = task->service;
    service->workers--;
    service->large_workers -= task->request.module_size > KP_COMPILER_LARGE;
    task->connection->workers--;
    task->connection->client->workers--;
    kp_loop_unwatch(&service->loop, task->control);
    (void)kp_process_kill(task->process); /* it has done its work, or nobody wants it */
    close_handle(&task->process);
    close_handle(&task->control);
}

static void task_free(kp_compiler_task_t *task)
{
    kp_compiler_service_t *service = task->service;
    kp_compiler_task_t **link = &service->tasks;
    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    worker_leave(task);
    close_handle(&task->module);
    service->pending -= task->request.module_size;
    task->connection->client->pending -= task->request.module_size;
    task->connection->requests--;
    free(task);
}

/* The answer; code is taken. */
static void task_reply(kp_compiler_task_t *task, const kp_compiler_reply_t *reply, kp_handle_t code)
{
    kp_compiler_connection_t *connection = task->connection;
    if (reply->status != KP_OK)
        connection->counts.refused++;
    else if (reply->is_cached)
        connection->counts.found++;
    else
        connection->counts.compiled++;
    kp_compiler_reply(connection, task->transaction, reply, sizeof(*reply), code);
    task_free(task);
    kp_compiler_connection_watch(connection);
}

static void task_fail(kp_compiler_task_t *task, kp_status_t status)
{
    const kp_compiler_reply_t reply = {.status = status, .function = UINT32_MAX};
    task_reply(task, &reply, KP_HANDLE_NONE);
}

/* Gives the client the entry's code. */
static void task_deliver(kp_compiler_task_t *task, kp_compiler_entry_t *entry,
                         kp_compiler_reply_t *reply)
{
    int64_t code = kp_compiler_grant(task->connection, entry);
    if (code < 0) {
        task_fail(task, (kp_status_t)code);
        return;
    }
    reply->status = KP_OK;
    reply->artefact_size = entry->artefact_size;
    reply->function = UINT32_MAX;
    task_reply(task, reply, (kp_handle_t)code);
}

static bool task_find(kp_compiler_task_t *task)
{
    kp_compiler_entry_t *entry = kp_compiler_cache_find(&task->service->cache, &task->key);
    if (!entry)
        return false;
    kp_compiler_reply_t reply = {.is_cached = 1};
    task_deliver(task, entry, &reply);
    return true;
}

/* ---- workers ---- */

/* A process of our own program with one end of a channel, and nothing else. */
static kp_status_t worker_make(kp_compiler_service_t *service, kp_handle_t *process,
                               kp_handle_t *control)
{
    static const char text[] = "compiler\0" KP_COMPILER_WORKER_ARGUMENT "\0control";
    kp_handle_t startup[2], ends[2];
    kp_status_t status = kp_channel_create(startup);
    if (status != KP_OK)
        return status;
    status = kp_channel_create(ends);
    if (status == KP_OK) {
        const kp_startup_header_t head = {
            .magic = KP_STARTUP_MAGIC, .argument_count = 2, .handle_count = 1};
        status =
            kp_message_send_with(startup[0], &head, sizeof(head), text, sizeof(text), &ends[1], 1);
        if (status != KP_OK) {
            close_handle(&ends[0]);
            close_handle(&ends[1]);
        }
    }
    int64_t made = status;
    if (status == KP_OK) {
        const kp_process_create_t options = {
            .code = service->program, .startup = startup[1], .name = "compiler-worker"};
        made = kp_process_create(service->job, &options);
        if (made > 0)
            startup[1] = KP_HANDLE_NONE;
        else
            close_handle(&ends[0]);
    }
    close_handle(&startup[0]);
    close_handle(&startup[1]);
    if (made < 0)
        return (kp_status_t)made;
    *process = (kp_handle_t)made;
    *control = ends[0];
    status = kp_process_start(*process);
    if (status != KP_OK) {
        close_handle(process);
        close_handle(control);
    }
    return status;
}

/* The worker's artefact becomes code, and everybody's. */
static void task_result(kp_compiler_task_t *task, kp_compiler_reply_t *reply, kp_handle_t vmo)
{
    kp_compiler_service_t *service = task->service;
    kp_wasm_code_header_t header;
    uint64_t bytes = ((uint64_t)reply->artefact_size + KP_PAGE_SIZE - 1) & ~(KP_PAGE_SIZE - 1ull);
    kp_status_t status = kp_vmo_size(vmo) == (int64_t)bytes ? KP_OK : KP_ERR_PROCESS_DEAD;
    if (status == KP_OK)
        status = kp_compiler_cache_reserve(&service->cache, bytes);
    int64_t code = status;
    if (status == KP_OK)
        code = kp_code_create(service->authority, vmo);
    /* Nobody can change it any more: now it can be looked at. */
    if (code > 0) {
        status = kp_vmo_read(vmo, 0, &header, sizeof(header));
        if (status != KP_OK ||
            !kp_compiler_artefact_check(&header, reply->artefact_size, &task->request))
            status = KP_ERR_PROCESS_DEAD;
    } else {
        status = (kp_status_t)code;
    }
    (void)kp_handle_close(vmo);
    kp_compiler_entry_t *entry = NULL;
    if (status == KP_OK) {
        entry =
            kp_compiler_cache_add(&service->cache, &task->key, (kp_handle_t)code,
                                  reply->artefact_size, bytes, &task->connection->client->account);
        status = entry ? KP_OK : KP_ERR_NO_MEMORY;
    }
    if (status == KP_OK) {
        task_deliver(task, entry, reply);
        return;
    }
    if (code > 0)
        (void)kp_handle_close((kp_handle_t)code);
    task_fail(task, status);
}

static void tasks_pump(kp_compiler_service_t *service);

static void on_worker(void *context, kp_handle_t control, kp_signals_t observed)
{
    kp_compiler_task_t *task = context;
    kp_compiler_service_t *service = task->service;
    (void)observed;
    kp_status_t status = kp_message_receive(control, &service->message);
    if (status == KP_ERR_SHOULD_WAIT)
        return;
    const kp_compiler_reply_t *sent = kp_message_as(&service->message, sizeof(*sent));
    if (status != KP_OK || !sent) {
        task_fail(task, task->is_late ? KP_ERR_TIMED_OUT : KP_ERR_PROCESS_DEAD);
    } else {
        kp_compiler_reply_t reply = *sent;
        kp_handle_t vmo = kp_message_take(&service->message, 0);
        kp_compiler_reply_clean(&reply);
        if (reply.status == KP_OK && vmo != KP_HANDLE_NONE) {
            task_result(task, &reply, vmo);
        } else {
            close_handle(&vmo);
            if (reply.status == KP_OK)
                reply.status = KP_ERR_PROCESS_DEAD;
            task_reply(task, &reply, KP_HANDLE_NONE);
        }
    }
    kp_message_clear(&service->message);
    tasks_pump(service);
}

static kp_status_t worker_start(kp_compiler_task_t *task)
{
    kp_compiler_service_t *service = task->service;
    kp_handle_t process, control;
    kp_status_t status = worker_make(service, &process, &control);
    if (status != KP_OK)
        return status;
    int64_t module =
        kp_handle_duplicate(task->module, KP_RIGHT_READ | KP_RIGHT_MAP | KP_RIGHT_TRANSFER);
    kp_handle_t moved = module > 0 ? (kp_handle_t)module : KP_HANDLE_NONE;
    status = module < 0 ? (kp_status_t)module
                        : kp_message_send_with(control, &task->request, sizeof(task->request), NULL,
                                               0, &moved, 1);
    if (status == KP_OK) {
        moved = KP_HANDLE_NONE;
        status = kp_loop_watch(&service->loop, control, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED,
                               on_worker, task);
    }
    if (status != KP_OK) {
        close_handle(&moved);
        (void)kp_process_kill(process);
        close_handle(&process);
        close_handle(&control);
        return status;
    }
    task->process = process;
    task->control = control;
    task->state = KP_COMPILER_WORKING;
    task->started = kp_now();
    task->connection->workers++;
    task->connection->client->workers++;
    service->workers++;
    service->large_workers += task->request.module_size > KP_COMPILER_LARGE;
    if (!kp_loop_timer_is_set(&service->watch))
        kp_loop_timer_set(&service->loop, &service->watch, kp_now() + WATCH_EVERY);
    return KP_OK;
}

/* Is somebody compiling the same already? Then its result is waited for. */
static bool is_in_work(const kp_compiler_service_t *service, const kp_compiler_key_t *key)
{
    for (const kp_compiler_task_t *each = service->tasks; each; each = each->next) {
        if (each->state == KP_COMPILER_WORKING && memcmp(&each->key, key, sizeof(*key)) == 0)
            return true;
    }
    return false;
}

/* Of the tasks that wait and may have a worker: the oldest of the client that has fewest. */
static kp_compiler_task_t *task_pick(const kp_compiler_service_t *service)
{
    kp_compiler_task_t *best = NULL;
    for (kp_compiler_task_t *each = service->tasks; each; each = each->next) {
        /* NOLINTNEXTLINE: a task that was freed has left the list */
        bool is_large = each->request.module_size > KP_COMPILER_LARGE;
        if (each->state != KP_COMPILER_WAITING ||
            each->connection->client->workers >= KP_COMPILER_CLIENT_WORKERS ||
            (is_large && service->large_workers >= KP_COMPILER_LARGE_WORKERS) ||
            is_in_work(service, &each->key))
            continue;
        if (!best || each->connection->client->workers < best->connection->client->workers)
            best = each;
    }
    return best;
}

static void tasks_pump(kp_compiler_service_t *service)
{
    kp_compiler_task_t *task;
    while (service->workers < KP_COMPILER_WORKERS && (task = task_pick(service))) {
        if (task_find(task)) /* made while it waited */
            continue;
        kp_status_t status = worker_start(task);
        if (status != KP_OK)
            task_fail(task, status);
    }
}

void kp_compiler_tasks_watch(void *context)
{
    kp_compiler_service_t *service = context;
    for (kp_compiler_task_t *task = service->tasks; task; task = task->next) {
        if (task->state != KP_COMPILER_WORKING)
            continue;
        kp_process_info_t info;
        kp_time_t limit = TIME_BASE + TIME_EACH_MIB * (task->request.module_size >> 20);
        bool is_late =
            kp_now() - task->started > limit * PATIENCE ||
            (kp_process_info(task->process, &info) == KP_OK && info.cpu_time_ns > (uint64_t)limit);
        if (is_late && !task->is_late) {
            task->is_late = true;
            (void)kp_process_kill(task->process); /* its channel tells on_worker */
        }
    }
    if (service->workers > 0)
        kp_loop_timer_set(&service->loop, &service->watch, kp_now() + WATCH_EVERY);
}

/* ---- the beginning of a task ---- */

void kp_compiler_tasks_slice(void *context)
{
    kp_compiler_service_t *service = context;
    kp_compiler_task_t **link = &service->tasks;
    while (*link && (*link)->state != KP_COMPILER_HASHING)
        link = &(*link)->next;
    kp_compiler_task_t *task = *link;
    if (!task)
        return;
    uint32_t left = task->request.module_size - task->hashed;
    uint32_t part = left < KP_COMPILER_SLICE ? left : KP_COMPILER_SLICE;
    kp_status_t status =
        part ? kp_vmo_read(task->module, task->hashed, service->slice, part) : KP_OK;
    kp_loop_timer_set(&service->loop, &service->slices, KP_TIME_POLL); /* the next one's turn */
    if (status != KP_OK) {
        task_fail(task, status);
        return;
    }
    kp_sha256_add(&task->hash, service->slice, part);
    task->hashed += part;
    if (task->hashed == task->request.module_size) {
        kp_sha256_end(&task->hash, task->key.module);
        task->state = KP_COMPILER_WAITING;
        if (!task_find(task))
            tasks_pump(service);
        return;
    }
    if (!task->next)
        return;
    *link = task->next; /* behind the others */
    task->next = NULL;
    while (*link)
        link = &(*link)->next;
    *link = task;
}

/* A copy that nobody else can write: the module from here on. */
static kp_status_t module_copy(kp_handle_t module, uint32_t size, kp_handle_t *out)
{
    uint64_t length = ((uint64_t)size + KP_PAGE_SIZE - 1) & ~(KP_PAGE_SIZE - 1ull);
    int64_t has = kp_vmo_size(module);
    if (has < 0)
        return (kp_status_t)has;
    if (length == 0)
        length = KP_PAGE_SIZE;
    if ((uint64_t)has < length)
        return KP_ERR_INVALID_ARGUMENT;
    int64_t copy = kp_vmo_clone(module, 0, length);
    if (copy < 0)
        return (kp_status_t)copy;
    *out = (kp_handle_t)copy;
    return kp_vmo_seal((kp_handle_t)copy, KP_VMO_SEAL_WRITE | KP_VMO_SEAL_RESIZE);
}

void kp_compiler_task_start(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                            const kp_compiler_request_t *request, kp_handle_t module)
{
    kp_compiler_service_t *service = connection->service;
    kp_compiler_task_t *task = calloc(1, sizeof(*task));
    if (!task) {
        const kp_compiler_reply_t reply = {.status = KP_ERR_NO_MEMORY, .function = UINT32_MAX};
        (void)kp_handle_close(module);
        kp_compiler_reply(connection, transaction, &reply, sizeof(reply), KP_HANDLE_NONE);
        return;
    }
    task->service = service;
    task->connection = connection;
    task->transaction = transaction;
    task->request = *request;
    task->key.version = (uint32_t)KP_WASM_CODE_VERSION << 16 | (uint32_t)KP_WASM_LAYOUT_VERSION;
    task->key.cpu = request->cpu;
    task->key.flags = request->flags;
    kp_sha256_begin(&task->hash);
    connection->requests++;
    connection->client->pending += request->module_size;
    service->pending += request->module_size;
    kp_compiler_task_t **link = &service->tasks;
    while (*link)
        link = &(*link)->next;
    *link = task;
    kp_status_t status = KP_ERR_QUOTA;
    if (connection->client->pending <= KP_COMPILER_CLIENT_PENDING_BYTES &&
        service->pending <= KP_COMPILER_PENDING_BYTES)
        status = module_copy(module, request->module_size, &task->module);
    (void)kp_handle_close(module);
    if (status != KP_OK) {
        task_fail(task, status);
        return;
    }
    kp_loop_timer_set(&service->loop, &service->slices, KP_TIME_POLL);
}

void kp_compiler_tasks_drop(kp_compiler_connection_t *connection)
{
    kp_compiler_service_t *service = connection->service;
    for (kp_compiler_task_t *task = service->tasks, *next; task; task = next) {
        next = task->next;
        if (task->connection == connection)
            task_free(task);
    }
    tasks_pump(service);
}
