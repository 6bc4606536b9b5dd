/* Open modules, whose functions are compiled when their client asks for them. Each has a worker that keeps
   the module decoded; it ends when it was idle for long or another module needs one more, and starts again when
   it is needed. When its client is
   quiet or gone, the whole module is compiled in the background: then it is in the cache like any other, and
   the next question is answered with all of it. */
#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"
#include "services/compiler/service.h"

/* Without a question: the client is quiet; the worker ends. */
#define QUIET (KP_NS_PER_S / 4)
#define IDLE (10 * KP_NS_PER_S)
/* Open: quiet or not, the client will not have asked for all soon. */
#define LONG (3 * KP_NS_PER_S)

static void session_pump(kp_compiler_session_t *session);
static void waiting_pump(kp_compiler_service_t *service);

static void worker_stop(kp_compiler_session_t *session)
{
    kp_compiler_service_t *service = session->connection->service;
    if (session->worker.control == KP_HANDLE_NONE)
        return;
    session->spent += kp_compiler_worker_time(&session->worker);
    kp_loop_unwatch(&service->loop, session->worker.control);
    kp_compiler_worker_end(&session->worker);
    service->session_workers--;
    session->connection->client->session_workers--;
}

/* The oldest question is answered. */
static kp_transaction_t ask_take(kp_compiler_session_t *session)
{
    kp_transaction_t transaction = session->asks[0].transaction;
    session->ask_count--;
    memmove(&session->asks[0], &session->asks[1], session->ask_count * sizeof(session->asks[0]));
    session->connection->requests -= transaction != KP_TRANSACTION_NONE;
    session->is_busy = false;
    session->used = kp_now();
    return transaction;
}

/* Who was told to wait and has not asked again will, and then finds the functions in the cache, or asks anew. */
static void ask_fail(kp_compiler_session_t *session, const kp_compiler_reply_t *reply)
{
    kp_transaction_t transaction = ask_take(session);
    if (transaction != KP_TRANSACTION_NONE)
        kp_compiler_answer(session->connection, transaction, reply, KP_HANDLE_NONE);
}

static void ask_deliver(kp_compiler_session_t *session, kp_compiler_entry_t *entry,
                        kp_compiler_reply_t *reply)
{
    kp_transaction_t transaction = ask_take(session);
    if (transaction != KP_TRANSACTION_NONE)
        kp_compiler_deliver(session->connection, transaction, entry, reply);
}

static kp_compiler_key_t key_of(const kp_compiler_session_t *session,
                                const kp_compiler_functions_t *functions)
{
    kp_compiler_key_t key = session->key;
    key.flags |= KP_WASM_COMPILE_LAZY;
    key.first = functions->first;
    key.count = functions->count;
    return key;
}

static kp_compiler_functions_t functions_of(const kp_compiler_session_t *session)
{
    return (kp_compiler_functions_t){.ordinal = KP_COMPILER_FUNCTIONS,
                                     .module = session->number,
                                     .first = session->asks[0].first,
                                     .count = session->asks[0].count};
}

/* ---- the worker ---- */

static void on_worker(void *context, kp_handle_t control, kp_signals_t observed)
{
    kp_compiler_session_t *session = context;
    kp_compiler_service_t *service = session->connection->service;
    kp_compiler_answer_t answer;
    (void)observed;
    if (!kp_compiler_worker_answer(service, control, &answer))
        return;
    kp_compiler_reply_t *reply = &answer.reply;
    if (!answer.is_alive) {
        worker_stop(session);
        if (session->is_late)
            reply->status = session->failure.status = KP_ERR_TIMED_OUT;
    }
    if (!session->is_busy) { /* unasked: it ended, or talks nonsense */
        worker_stop(session);
    } else if (reply->status == KP_OK && answer.artefact != KP_HANDLE_NONE) {
        const kp_compiler_functions_t functions = functions_of(session);
        const kp_compiler_key_t key = key_of(session, &functions);
        kp_compiler_entry_t *entry = kp_compiler_cache_find(&service->cache, &key);
        kp_status_t status =
            entry ? KP_OK /* another connection was faster */
                  : kp_compiler_artefact_take(service, &answer, &session->request, &functions, &key,
                                              &session->connection->client->account, &entry);
        reply->status = status;
        reply->module = session->number;
        if (status == KP_OK)
            ask_deliver(session, entry, reply);
        else
            ask_fail(session, reply);
    } else {
        if (reply->status == KP_OK)
            reply->status = KP_ERR_PROCESS_DEAD;
        ask_fail(session, reply);
    }
    if (answer.artefact != KP_HANDLE_NONE)
        (void)kp_handle_close(answer.artefact);
    session_pump(session);
    waiting_pump(service);
}

/* The worker that was idle for longest, of that client or (NULL) of any. */
static kp_compiler_session_t *idle_find(const kp_compiler_service_t *service,
                                        const kp_compiler_job_t *client)
{
    kp_compiler_session_t *found = NULL;
    for (kp_compiler_connection_t *each = service->connections; each; each = each->next) {
        kp_compiler_session_t *session = each->sessions;
        for (; session && (!client || each->client == client); session = session->next) {
            if (session->worker.control != KP_HANDLE_NONE && !session->is_busy &&
                (!found || session->used < found->used))
                found = session;
        }
    }
    return found;
}

/* May it have a worker? Makes room by stopping an idle one. */
static bool worker_may_start(const kp_compiler_session_t *session)
{
    kp_compiler_service_t *service = session->connection->service;
    kp_compiler_job_t *client = session->connection->client;
    kp_compiler_session_t *idle;
    if (client->session_workers < KP_COMPILER_CLIENT_SESSION_WORKERS) {
        if (service->session_workers < KP_COMPILER_SESSION_WORKERS)
            return true;
        client = NULL;
    }
    idle = idle_find(service, client);
    if (idle)
        worker_stop(idle);
    return idle != NULL;
}

static kp_status_t worker_start(kp_compiler_session_t *session)
{
    kp_compiler_service_t *service = session->connection->service;
    kp_status_t status = kp_compiler_worker_start(service, KP_BAND_NORMAL, &session->request,
                                                  session->module, &session->worker);
    if (status != KP_OK)
        return status;
    status = kp_loop_watch(&service->loop, session->worker.control,
                           KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, on_worker, session);
    if (status != KP_OK) {
        kp_compiler_worker_end(&session->worker);
        return status;
    }
    service->session_workers++;
    session->connection->client->session_workers++;
    kp_compiler_watch_set(service);
    return KP_OK;
}

/* ---- questions ---- */

/* From the cache: the whole module, or these functions. */
static bool ask_find(kp_compiler_session_t *session)
{
    kp_compiler_service_t *service = session->connection->service;
    const kp_compiler_functions_t functions = functions_of(session);
    const kp_compiler_key_t key = key_of(session, &functions);
    kp_compiler_reply_t reply = {.is_cached = 1};
    kp_compiler_entry_t *entry = kp_compiler_cache_find(&service->cache, &session->key);
    if (entry) {
        session->is_whole = true;
        worker_stop(session);
    } else {
        entry = kp_compiler_cache_find(&service->cache, &key);
        reply.module = session->number;
    }
    if (!entry)
        return false;
    ask_deliver(session, entry, &reply);
    return true;
}

/* Questions without an answer go with their connection. */
static void session_free(kp_compiler_session_t *session)
{
    kp_compiler_connection_t *connection = session->connection;
    kp_compiler_session_t **link = &connection->sessions;
    while (*link != session)
        link = &(*link)->next;
    *link = session->next;
    worker_stop(session);
    (void)kp_handle_close(session->module);
    connection->client->pending -= session->request.module_size;
    connection->service->pending -= session->request.module_size;
    connection->client->modules--;
    connection->service->sessions--;
    free(session);
}

static void session_pump(kp_compiler_session_t *session)
{
    while (session->ask_count > 0 && !session->is_busy) {
        if (ask_find(session))
            continue;
        session->is_waiting = session->failure.status == KP_OK &&
                              session->worker.control == KP_HANDLE_NONE &&
                              !worker_may_start(session);
        if (session->is_waiting)
            return; /* for somebody's worker */
        kp_compiler_reply_t reply = session->failure;
        const kp_compiler_functions_t functions = functions_of(session);
        if (reply.status == KP_OK && session->worker.control == KP_HANDLE_NONE)
            reply.status = worker_start(session);
        if (reply.status == KP_OK)
            reply.status = kp_message_send(session->worker.control, &functions, sizeof(functions));
        if (reply.status == KP_ERR_PEER_CLOSED) /* it ended while it was idle */
            reply.status = KP_ERR_PROCESS_DEAD;
        if (reply.status != KP_OK) {
            ask_fail(session, &reply);
            continue;
        }
        session->is_busy = true;
        session->pace.since = kp_now();
    }
    if (session->is_whole && session->ask_count == 0) /* the client has it all */
        session_free(session);
}

static kp_compiler_session_t *due_find(const kp_compiler_service_t *service)
{
    for (kp_compiler_connection_t *each = service->connections; each; each = each->next) {
        kp_compiler_session_t *session = each->sessions;
        /* NOLINTNEXTLINE: a session that was freed has left the list */
        while (session && !session->is_due)
            session = session->next;
        if (session)
            return session;
    }
    return NULL;
}

/* A worker may have become idle: for those who wait for one. Each is tried once; any may be gone by then. */
static void waiting_pump(kp_compiler_service_t *service)
{
    kp_compiler_session_t *session;
    for (kp_compiler_connection_t *each = service->connections; each; each = each->next) {
        for (session = each->sessions; session; session = session->next)
            session->is_due = session->is_waiting;
    }
    while ((session = due_find(service))) {
        session->is_due = false;
        session_pump(session);
    }
}

/* The question that was told to wait. */
static kp_compiler_ask_t *waiting_find(kp_compiler_session_t *session,
                                       const kp_compiler_functions_t *functions)
{
    for (uint32_t i = 0; i < session->ask_count; i++) {
        kp_compiler_ask_t *ask = &session->asks[i];
        if (ask->transaction == KP_TRANSACTION_NONE && ask->first == functions->first &&
            ask->count == functions->count)
            return ask;
    }
    return NULL;
}

/* Those who have waited for long hear that it goes on. */
static void asks_beat(kp_compiler_session_t *session)
{
    kp_compiler_connection_t *connection = session->connection;
    for (uint32_t i = 0; i < session->ask_count; i++) {
        kp_compiler_ask_t *ask = &session->asks[i];
        if (ask->transaction == KP_TRANSACTION_NONE || !kp_compiler_is_due(ask->asked))
            continue;
        kp_compiler_answer_later(connection, &ask->transaction, session->number);
    }
}

void kp_compiler_session_ask(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                             const kp_compiler_functions_t *functions)
{
    kp_compiler_session_t *session = connection->sessions;
    while (session && session->number != functions->module)
        session = session->next;
    kp_compiler_ask_t *again = session ? waiting_find(session, functions) : NULL;
    if (again) {
        again->transaction = transaction;
        again->asked = kp_now();
        connection->requests++;
        return;
    }
    bool is_full = session && session->ask_count == KP_COMPILER_REQUESTS_MAX;
    if (!session || is_full || functions->count == 0 ||
        functions->count > UINT32_MAX - functions->first) {
        const kp_compiler_reply_t reply = {
            .status = is_full ? KP_ERR_QUOTA : KP_ERR_INVALID_ARGUMENT, .function = UINT32_MAX};
        kp_compiler_answer(connection, transaction, &reply, KP_HANDLE_NONE);
        return;
    }
    connection->requests++;
    session->asks[session->ask_count++] = (kp_compiler_ask_t){.transaction = transaction,
                                                              .asked = kp_now(),
                                                              .first = functions->first,
                                                              .count = functions->count};
    kp_compiler_watch_set(connection->service);
    session_pump(session);
}

/* ---- the module ---- */

uint32_t kp_compiler_session_open(kp_compiler_connection_t *connection,
                                  const kp_compiler_request_t *request,
                                  const kp_compiler_key_t *key, kp_handle_t module)
{
    kp_compiler_service_t *service = connection->service;
    if (connection->client->modules >= KP_COMPILER_MODULES_MAX ||
        service->sessions >= KP_COMPILER_SESSIONS)
        return 0;
    kp_compiler_session_t *session = calloc(1, sizeof(*session));
    if (!session)
        return 0;
    session->connection = connection;
    session->request = *request;
    session->key = *key;
    session->module = module;
    session->failure.function = UINT32_MAX;
    session->opened = session->used = kp_now();
    session->number = ++connection->numbers;
    session->next = connection->sessions;
    connection->sessions = session;
    connection->client->pending += request->module_size;
    connection->client->modules++;
    service->pending += request->module_size;
    service->sessions++;
    if (worker_may_start(session))
        (void)worker_start(session); /* else at the first question */
    return session->number;
}

static void session_complete(kp_compiler_session_t *session)
{
    session->is_completing = kp_compiler_task_complete(session->connection, &session->request,
                                                       &session->key, session->module);
}

void kp_compiler_sessions_complete(kp_compiler_connection_t *connection)
{
    kp_compiler_session_t *session = connection->sessions;
    for (; session; session = session->next) {
        if (!session->is_completing && !session->is_whole)
            session_complete(session);
    }
}

void kp_compiler_sessions_drop(kp_compiler_connection_t *connection)
{
    while (connection->sessions) {
        /* NOLINTNEXTLINE: a session that was freed has left the list */
        if (!connection->sessions->is_completing)
            session_complete(connection->sessions);
        session_free(connection->sessions);
    }
    waiting_pump(connection->service);
}

void kp_compiler_sessions_retire(kp_compiler_service_t *service, const kp_compiler_key_t *key)
{
    for (kp_compiler_connection_t *each = service->connections; each; each = each->next) {
        for (kp_compiler_session_t *session = each->sessions; session; session = session->next) {
            if (!session->is_busy && memcmp(&session->key, key, sizeof(*key)) == 0)
                worker_stop(session);
        }
    }
}

void kp_compiler_sessions_watch(kp_compiler_service_t *service)
{
    kp_time_t now = kp_now();
    for (kp_compiler_connection_t *each = service->connections; each; each = each->next) {
        for (kp_compiler_session_t *session = each->sessions; session; session = session->next) {
            bool works = session->worker.control != KP_HANDLE_NONE;
            asks_beat(session);
            if (!session->is_busy)
                session->pace.since = now;
            if (works && !session->is_late &&
                kp_compiler_is_late(&session->request, &session->pace,
                                    session->spent + kp_compiler_worker_time(&session->worker))) {
                session->is_late = true;
                (void)kp_process_kill(session->worker.process); /* its channel tells on_worker */
            } else if (works && !session->is_busy && now - session->used > IDLE) {
                worker_stop(session);
            }
            if (!session->is_completing &&
                (now - session->used > QUIET || now - session->opened > LONG))
                session_complete(session);
        }
    }
}
