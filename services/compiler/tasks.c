/* Requests in work: copying and hashing their modules, giving them to workers, taking results. */
#include <stdlib.h>
#include <string.h>

#include "abi/startup.h"
#include "runtime/program/kp.h"
#include "services/compiler/service.h"
#include "services/compiler/worker.h"

static void close_handle(kp_handle_t *handle)
{
    if (*handle != KP_HANDLE_NONE)
        (void)kp_handle_close(*handle);
    *handle = KP_HANDLE_NONE;
}

/* ---- the end of a task ---- */

static void load_leave(kp_compiler_task_t *task)
{
    if (task->state != KP_COMPILER_LOADING)
        return;
    kp_compiler_load_end(&task->service->disk, &task->load);
    task->service->loads--;
    task->client->loads--;
    task->state = KP_COMPILER_SEEKING;
}

static void worker_leave(kp_compiler_task_t *task)
{
    if (task->state != KP_COMPILER_WORKING)
        return;
    kp_compiler_service_t *service = task->service;
    kp_loop_unwatch(&service->loop, task->worker.control);
    kp_compiler_worker_end(&task->worker);
    if (task->is_background) {
        service->background_workers--;
        return;
    }
    service->workers--;
    service->large_workers -= task->request.module_size > KP_COMPILER_LARGE;
    task->client->workers--;
    if (task->connection)
        task->connection->workers--;
}

static void task_free(kp_compiler_task_t *task)
{
    kp_compiler_service_t *service = task->service;
    kp_compiler_task_t **link = &service->tasks;
    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    worker_leave(task);
    load_leave(task);
    close_handle(&task->module);
    service->pending -= task->request.module_size;
    task->client->pending -= task->request.module_size;
    if (task->connection && task->transaction != KP_TRANSACTION_NONE)
        task->connection->requests--;
    if (task->connection)
        task->connection->tickets -= task->ticket != 0;
    else
        task->client->whole--;
    kp_loop_timer_set(&service->loop, &service->settled, KP_TIME_POLL);
    free(task);
}

/* Nobody waits for the answer at the moment: it is kept until he asks again. */
static bool task_hold(kp_compiler_task_t *task, const kp_compiler_reply_t *reply, bool has_code)
{
    if (!task->connection || task->transaction != KP_TRANSACTION_NONE)
        return false;
    worker_leave(task);
    load_leave(task);
    task->state = KP_COMPILER_DONE;
    task->done = *reply;
    task->has_code = has_code;
    return true;
}

/* The answer, without code. */
static void task_reply(kp_compiler_task_t *task, const kp_compiler_reply_t *reply)
{
    kp_compiler_connection_t *connection = task->connection;
    kp_transaction_t transaction = task->transaction;
    if (task_hold(task, reply, false))
        return;
    task_free(task);
    if (connection)
        kp_compiler_answer(connection, transaction, reply, KP_HANDLE_NONE);
}

static void task_fail(kp_compiler_task_t *task, kp_status_t status)
{
    const kp_compiler_reply_t reply = {.status = status, .function = UINT32_MAX};
    task_reply(task, &reply);
}

/* Gives the client, if there is one, the entry's code. */
static void task_deliver(kp_compiler_task_t *task, kp_compiler_entry_t *entry,
                         kp_compiler_reply_t *reply)
{
    kp_compiler_connection_t *connection = task->connection;
    kp_transaction_t transaction = task->transaction;
    if (task_hold(task, reply, true))
        return;
    task_free(task);
    if (connection)
        kp_compiler_deliver(connection, transaction, entry, reply);
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

/* One more handle to the artefact, if it may be kept on disk; nobody can write it once it is code. */
static kp_handle_t artefact_keep(const kp_compiler_service_t *service,
                                 const kp_compiler_answer_t *answer)
{
    if (answer->artefact == KP_HANDLE_NONE ||
        !kp_compiler_disk_may_store(&service->disk, answer->reply.artefact_size))
        return KP_HANDLE_NONE;
    int64_t kept = kp_handle_duplicate(answer->artefact, KP_RIGHT_READ);
    return kept > 0 ? (kp_handle_t)kept : KP_HANDLE_NONE;
}

static void on_worker(void *context, kp_handle_t control, kp_signals_t observed)
{
    kp_compiler_task_t *task = context;
    kp_compiler_service_t *service = task->service;
    kp_compiler_answer_t answer;
    (void)observed;
    if (!kp_compiler_worker_answer(service, control, &answer))
        return;
    kp_compiler_entry_t *entry = NULL;
    kp_status_t status = answer.reply.status;
    if (!answer.is_alive && task->is_late)
        status = KP_ERR_TIMED_OUT;
    kp_handle_t kept = artefact_keep(service, &answer);
    if (status == KP_OK)
        status = answer.artefact == KP_HANDLE_NONE
                     ? KP_ERR_PROCESS_DEAD
                     : kp_compiler_artefact_take(service, &answer, &task->request, NULL, &task->key,
                                                 &task->client->account, &entry);
    close_handle(&answer.artefact);
    if (status == KP_OK && kept != KP_HANDLE_NONE) {
        kp_compiler_disk_store(&service->disk, &task->key, kept, answer.reply.artefact_size,
                               &task->client->stores);
        kp_loop_timer_set(&service->loop, &service->storing, KP_TIME_POLL);
    } else {
        close_handle(&kept);
    }
    if (status == KP_OK) {
        task->client->completed += task->is_background;
        kp_compiler_sessions_retire(service, &task->key);
        task_deliver(task, entry, &answer.reply);
    } else {
        answer.reply.status = status;
        task_reply(task, &answer.reply);
    }
    kp_compiler_tasks_pump(service);
}

static kp_status_t worker_start(kp_compiler_task_t *task)
{
    kp_compiler_service_t *service = task->service;
    kp_compiler_request_t order = task->request;
    order.ordinal = KP_COMPILER_COMPILE;
    kp_status_t status =
        kp_compiler_worker_start(service, task->is_background ? KP_BAND_BACKGROUND : KP_BAND_NORMAL,
                                 &order, task->module, &task->worker);
    if (status == KP_OK) {
        status = kp_loop_watch(&service->loop, task->worker.control,
                               KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, on_worker, task);
        if (status != KP_OK)
            kp_compiler_worker_end(&task->worker);
    }
    if (status != KP_OK)
        return status;
    task->state = KP_COMPILER_WORKING;
    task->pace = (kp_compiler_pace_t){.since = kp_now()};
    kp_compiler_watch_set(service);
    if (task->is_background) {
        service->background_workers++;
        return KP_OK;
    }
    task->client->workers++;
    task->connection->workers++;
    service->workers++;
    service->large_workers += task->request.module_size > KP_COMPILER_LARGE;
    return KP_OK;
}

/* Is somebody compiling the same already? Then its result is waited for; and somebody waits for it now. */
static bool joins_work(const kp_compiler_task_t *task)
{
    for (kp_compiler_task_t *each = task->service->tasks; each; each = each->next) {
        if (each->state != KP_COMPILER_WORKING ||
            memcmp(&each->key, &task->key, sizeof(each->key)) != 0)
            continue;
        if (each->is_background && !task->is_background && !each->is_urgent)
            each->is_urgent = kp_compiler_worker_band(&each->worker, KP_BAND_NORMAL) == KP_OK;
        return true;
    }
    return false;
}

/* May it have a worker now, as far as numbers go? */
static bool has_room(const kp_compiler_task_t *task)
{
    const kp_compiler_service_t *service = task->service;
    if (task->is_background)
        return service->background_workers < KP_COMPILER_BACKGROUND_WORKERS;

    return service->workers < KP_COMPILER_WORKERS &&
           task->client->workers < KP_COMPILER_CLIENT_WORKERS &&
           (task->request.module_size <= KP_COMPILER_LARGE ||
            service->large_workers < KP_COMPILER_LARGE_WORKERS);
}

/* Of the tasks that wait and may have a worker: the oldest of the client that has fewest. */
static kp_compiler_task_t *task_pick(const kp_compiler_service_t *service)
{
    kp_compiler_task_t *best = NULL;
    for (kp_compiler_task_t *each = service->tasks; each; each = each->next) {
        /* NOLINTNEXTLINE: a task that was freed has left the list */
        if (each->state != KP_COMPILER_WAITING || joins_work(each) || !has_room(each))
            continue;
        if (!best || each->client->workers < best->client->workers)
            best = each;
    }
    return best;
}

void kp_compiler_tasks_pump(kp_compiler_service_t *service)
{
    kp_compiler_task_t *task;
    while ((task = task_pick(service))) {
        if (task_find(task)) /* made while it waited */
            continue;
        kp_status_t status = worker_start(task);
        if (status != KP_OK)
            task_fail(task, status);
    }
}

/* Those who have waited for long hear that it goes on. */
static void tasks_beat(kp_compiler_service_t *service)
{
    for (kp_compiler_task_t *task = service->tasks; task; task = task->next) {
        kp_compiler_connection_t *connection = task->connection;
        if (!connection || task->transaction == KP_TRANSACTION_NONE ||
            !kp_compiler_is_due(task->asked) ||
            (task->ticket == 0 && connection->tickets == KP_COMPILER_REQUESTS_MAX))
            continue;
        if (task->ticket == 0) {
            connection->tickets++;
            task->ticket = ++connection->numbers;
        }
        kp_compiler_answer_later(connection, &task->transaction, task->ticket);
    }
}

void kp_compiler_task_wait(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                           uint32_t ticket)
{
    kp_compiler_task_t *task = connection->service->tasks;
    while (task && (task->connection != connection || ticket == 0 || task->ticket != ticket ||
                    task->transaction != KP_TRANSACTION_NONE))
        task = task->next;
    if (!task) {
        const kp_compiler_reply_t reply = {.status = KP_ERR_INVALID_ARGUMENT,
                                           .function = UINT32_MAX};
        kp_compiler_answer(connection, transaction, &reply, KP_HANDLE_NONE);
        return;
    }
    connection->requests++;
    task->transaction = transaction;
    task->asked = kp_now();
    if (task->state != KP_COMPILER_DONE)
        return;
    kp_compiler_reply_t reply = task->done;
    kp_compiler_entry_t *entry =
        task->has_code ? kp_compiler_cache_find(&connection->service->cache, &task->key) : NULL;
    if (entry) {
        task_deliver(task, entry, &reply);
    } else if (!task->has_code) {
        task_reply(task, &reply);
    } else { /* evicted meanwhile: once more */
        task->state = KP_COMPILER_WAITING;
        kp_compiler_tasks_pump(connection->service);
    }
}

void kp_compiler_tasks_watch(void *context)
{
    kp_compiler_service_t *service = context;
    for (kp_compiler_task_t *task = service->tasks; task; task = task->next) {
        if (task->state != KP_COMPILER_WORKING || task->is_late ||
            !kp_compiler_is_late(&task->request, &task->pace,
                                 kp_compiler_worker_time(&task->worker)))
            continue;
        task->is_late = true;
        (void)kp_process_kill(task->worker.process); /* its channel tells on_worker */
    }
    kp_compiler_sessions_watch(service);
    kp_compiler_tasks_pump(service);
    tasks_beat(service);
    if (service->tasks || service->session_workers > 0)
        kp_compiler_watch_set(service);
}

/* ---- the beginning of a task ---- */

/* Opens the module for its client instead of compiling it. False: there are too many open. */
static bool task_open(kp_compiler_task_t *task)
{
    kp_compiler_connection_t *connection = task->connection;
    uint32_t number =
        kp_compiler_session_open(connection, &task->request, &task->key, task->module);
    if (number == 0)
        return false;
    task->module = KP_HANDLE_NONE;
    const kp_compiler_reply_t reply = {.status = KP_OK, .function = UINT32_MAX, .module = number};
    task_reply(task, &reply);
    return true;
}

/* Nowhere: it is to be compiled. */
static void task_miss(kp_compiler_task_t *task)
{
    task->state = KP_COMPILER_WAITING;
    if (task->request.ordinal != KP_COMPILER_OPEN || !task_open(task))
        kp_compiler_tasks_pump(task->service);
}

static bool is_loading(const kp_compiler_service_t *service, const kp_compiler_key_t *key)
{
    for (const kp_compiler_task_t *each = service->tasks; each; each = each->next) {
        if (each->state == KP_COMPILER_LOADING && memcmp(&each->key, key, sizeof(*key)) == 0)
            return true;
    }
    return false;
}

/* The oldest that may look into the directory now. */
static kp_compiler_task_t *seeking_pick(const kp_compiler_service_t *service)
{
    kp_compiler_task_t *task = service->tasks;
    /* NOLINTNEXTLINE: a task that was freed has left the list */
    while (task &&
           (task->state != KP_COMPILER_SEEKING || is_loading(service, &task->key) ||
            service->loads == KP_COMPILER_LOADS || task->client->loads == KP_COMPILER_CLIENT_LOADS))
        task = task->next;
    return task;
}

static void seeking_pump(kp_compiler_service_t *service)
{
    kp_compiler_task_t *task;
    while ((task = seeking_pick(service))) {
        if (task_find(task)) /* read while it waited */
            continue;
        if (kp_compiler_load_begin(&service->disk, &task->key, &task->load) != KP_OK) {
            task_miss(task);
            continue;
        }
        task->state = KP_COMPILER_LOADING;
        service->loads++;
        task->client->loads++;
        kp_loop_timer_set(&service->loop, &service->slices, KP_TIME_POLL);
    }
}

/* The directory's entry is in memory and authentic. False: it is not of use. */
static bool task_adopt(kp_compiler_task_t *task)
{
    kp_compiler_service_t *service = task->service;
    kp_compiler_entry_t *entry = NULL;
    kp_compiler_answer_t answer = {
        .is_alive = true,
        .reply = {.artefact_size = (uint32_t)task->load.header.size},
        .artefact = task->load.vmo,
    };
    task->load.vmo = KP_HANDLE_NONE;
    if (kp_compiler_cache_find(&service->cache, &task->key)) { /* a worker was faster */
        close_handle(&answer.artefact);
    } else {
        kp_status_t status = kp_compiler_artefact_take(service, &answer, &task->request, NULL,
                                                       &task->key, &task->client->account, &entry);
        close_handle(&answer.artefact);
        if (status == KP_ERR_PROCESS_DEAD) /* no code for this module */
            kp_compiler_disk_reject(&service->disk, &task->key);
        if (status != KP_OK)
            return false;
    }
    load_leave(task);
    if (task->connection)
        task->connection->counts.loaded++;
    return task_find(task);
}

static void load_slice(kp_compiler_task_t *task)
{
    kp_compiler_service_t *service = task->service;
    kp_status_t status = kp_compiler_load_step(&service->disk, &task->load);
    if (status == KP_ERR_SHOULD_WAIT)
        return;
    if (status != KP_OK || !task_adopt(task)) {
        load_leave(task);
        task_miss(task);
    }
    seeking_pump(service);
}

static void hash_slice(kp_compiler_task_t *task)
{
    kp_compiler_service_t *service = task->service;
    uint32_t left = task->request.module_size - task->hashed;
    uint32_t part = left < KP_COMPILER_SLICE ? left : KP_COMPILER_SLICE;
    kp_status_t status =
        part ? kp_vmo_read(task->module, task->hashed, service->slice, part) : KP_OK;
    if (status != KP_OK) {
        task_fail(task, status);
        return;
    }
    kp_sha256_add(&task->hash, service->slice, part);
    task->hashed += part;
    if (task->hashed < task->request.module_size)
        return;
    kp_sha256_end(&task->hash, task->key.module);
    task->state = KP_COMPILER_SEEKING;
    if (!task_find(task))
        seeking_pump(service);
}

/* One slice of the first that is hashed or read; the next one's turn is then. */
void kp_compiler_tasks_slice(void *context)
{
    kp_compiler_service_t *service = context;
    kp_compiler_task_t **link = &service->tasks;
    while (*link && (*link)->state != KP_COMPILER_HASHING && (*link)->state != KP_COMPILER_LOADING)
        link = &(*link)->next;
    kp_compiler_task_t *task = *link;
    if (!task)
        return;
    kp_loop_timer_set(&service->loop, &service->slices, KP_TIME_POLL);
    if (task->next) { /* behind the others */
        *link = task->next;
        task->next = NULL;
        while (*link)
            link = &(*link)->next;
        *link = task;
    }
    if (task->state == KP_COMPILER_HASHING)
        hash_slice(task);
    else
        load_slice(task);
}

/* ---- the module ---- */

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

static void task_add(kp_compiler_task_t *task)
{
    task->client->pending += task->request.module_size;
    task->service->pending += task->request.module_size;
    kp_compiler_task_t **link = &task->service->tasks;
    while (*link)
        link = &(*link)->next;
    *link = task;
}

bool kp_compiler_task_complete(kp_compiler_connection_t *connection,
                               const kp_compiler_request_t *request, const kp_compiler_key_t *key,
                               kp_handle_t module)
{
    kp_compiler_job_t *client = connection->client;
    kp_compiler_service_t *service = connection->service;
    if (kp_compiler_cache_find(&service->cache, key))
        return true;
    for (const kp_compiler_task_t *each = service->tasks; each; each = each->next) {
        if (each->is_background && memcmp(&each->key, key, sizeof(*key)) == 0)
            return true;
    }
    if (client->whole >= KP_COMPILER_CLIENT_BACKGROUND ||
        client->pending + request->module_size > KP_COMPILER_CLIENT_PENDING_BYTES ||
        service->pending + request->module_size > KP_COMPILER_PENDING_BYTES)
        return false;
    kp_compiler_task_t *task = calloc(1, sizeof(*task));
    int64_t copy = task ? kp_handle_duplicate(module, KP_RIGHTS_SAME) : 0;
    if (copy <= 0) {
        free(task);
        return false;
    }
    task->service = service;
    task->client = client;
    task->request = *request;
    task->key = *key;
    task->module = (kp_handle_t)copy;
    task->state = KP_COMPILER_WAITING;
    task->is_background = true;
    client->whole++;
    task_add(task);
    return true;
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
    task->client = connection->client;
    task->transaction = transaction;
    task->asked = kp_now();
    task->request = *request;
    task->key.version = (uint32_t)KP_WASM_CODE_VERSION << 16 | (uint32_t)KP_WASM_LAYOUT_VERSION;
    task->key.cpu = request->cpu;
    task->key.flags = request->flags;
    task->key.count = UINT32_MAX;
    kp_sha256_begin(&task->hash);
    connection->requests++;
    task_add(task);
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
    kp_compiler_watch_set(service);
}

void kp_compiler_tasks_drop(kp_compiler_connection_t *connection)
{
    kp_compiler_service_t *service = connection->service;
    for (kp_compiler_task_t *task = service->tasks, *next; task; task = next) {
        next = task->next;
        if (task->connection == connection)
            task_free(task);
    }
    kp_compiler_tasks_pump(service);
}
