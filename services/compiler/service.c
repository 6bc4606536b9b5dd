#include "services/compiler/service.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"

static void on_connection(void *context, kp_handle_t channel, kp_signals_t observed);

void kp_compiler_reply(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                       const void *reply, size_t size, kp_handle_t code)
{
    const kp_channel_message_t message = {
        .bytes = (uint32_t)kp_mem(reply),
        .byte_count = (uint32_t)size,
        .handles = (uint32_t)kp_mem(&code),
        .handle_count = code != KP_HANDLE_NONE,
        .transaction = transaction,
    };
    /* Whoever asked may have given up, or be gone. */
    if (kp_channel_reply(connection->channel, &message) != KP_OK && code != KP_HANDLE_NONE)
        (void)kp_handle_close(code);
}

void kp_compiler_answer_later(kp_compiler_connection_t *connection, kp_transaction_t *transaction,
                              uint32_t number)
{
    const kp_compiler_reply_t reply = {
        .status = KP_ERR_SHOULD_WAIT, .function = UINT32_MAX, .module = number};
    kp_compiler_reply(connection, *transaction, &reply, sizeof(reply), KP_HANDLE_NONE);
    *transaction = KP_TRANSACTION_NONE;
    connection->requests--;
    kp_compiler_connection_watch(connection);
}

void kp_compiler_answer(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                        const kp_compiler_reply_t *reply, kp_handle_t code)
{
    if (reply->status != KP_OK)
        connection->counts.refused++;
    else if (reply->is_cached)
        connection->counts.found++;
    else if (code != KP_HANDLE_NONE)
        connection->counts.compiled++;
    kp_compiler_reply(connection, transaction, reply, sizeof(*reply), code);
    kp_compiler_connection_watch(connection);
}

void kp_compiler_deliver(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                         kp_compiler_entry_t *entry, kp_compiler_reply_t *reply)
{
    int64_t code = kp_compiler_grant(connection, entry);
    if (code < 0)
        *reply = (kp_compiler_reply_t){.status = (kp_status_t)code};
    else
        reply->artefact_size = entry->artefact_size;
    reply->function = UINT32_MAX;
    kp_compiler_answer(connection, transaction, reply,
                       code < 0 ? KP_HANDLE_NONE : (kp_handle_t)code);
}

void kp_compiler_connection_watch(kp_compiler_connection_t *connection)
{
    kp_signals_t signals = KP_SIGNAL_PEER_CLOSED;
    if (connection->requests < KP_COMPILER_REQUESTS_MAX)
        signals |= KP_SIGNAL_READABLE;
    /* Changes a watch that there is: cannot fail. */
    (void)kp_loop_watch(&connection->service->loop, connection->channel, signals, on_connection,
                        connection);
}

/* Forgets clients without connections, but for those who still map code: else a client could hold more
   than its share by coming again. */
static void clients_forget(kp_compiler_service_t *service)
{
    kp_compiler_job_t **link = &service->clients;
    while (*link) {
        kp_compiler_job_t *client = *link;
        if (client->connections > 0 || client->whole > 0 || client->stores > 0 ||
            kp_compiler_client_left(service, client) > 0) {
            link = &client->next;
            continue;
        }
        kp_compiler_cache_leave(&service->cache, &client->account);
        *link = client->next;
        free(client);
    }
}

/* The client with that job, with one connection more; NULL: no memory, or it has too many. */
static kp_compiler_job_t *client_join(kp_compiler_service_t *service, uint64_t job)
{
    clients_forget(service);
    kp_compiler_job_t *client = service->clients;
    while (client && client->job != job)
        client = client->next;
    if (!client) {
        client = calloc(1, sizeof(*client));
        if (!client)
            return NULL;
        client->job = job;
        client->next = service->clients;
        service->clients = client;
    }
    if (client->connections == KP_COMPILER_CLIENT_CONNECTIONS)
        return NULL;
    client->connections++;
    return client;
}

static void client_leave(kp_compiler_service_t *service, kp_compiler_job_t *client)
{
    client->connections--;
    clients_forget(service);
}

static void connection_close(kp_compiler_connection_t *connection)
{
    kp_compiler_service_t *service = connection->service;
    kp_loop_unwatch(&service->loop, connection->channel);
    (void)kp_handle_close(connection->channel);
    kp_compiler_connection_t **link = &service->connections;
    while (*link != connection)
        link = &(*link)->next;
    kp_compiler_sessions_drop(connection);
    kp_compiler_tasks_drop(connection);
    *link = connection->next;
    service->connection_count--;
    kp_compiler_grants_revoke(connection);
    client_leave(service, connection->client);
    free(connection);
}

void kp_compiler_info_answer(kp_compiler_connection_t *connection, kp_transaction_t transaction)
{
    connection->counts.status = KP_OK;
    connection->counts.requests = connection->requests;
    connection->counts.workers = connection->workers;
    connection->counts.modules = connection->client->modules;
    connection->counts.completed = connection->client->completed;
    connection->counts.held = kp_compiler_grants_held(connection) +
                              kp_compiler_client_left(connection->service, connection->client);
    kp_compiler_reply(connection, transaction, &connection->counts, sizeof(connection->counts),
                      KP_HANDLE_NONE);
}

/* One message. False: the connection is to be closed. */
static bool accept(kp_compiler_connection_t *connection, const kp_channel_message_t *message,
                   const void *bytes, kp_handle_t module)
{
    kp_compiler_request_t request;
    kp_status_t status =
        kp_compiler_request_parse(bytes, message->byte_count, message->handle_count, &request);
    if (status == KP_ERR_PROTOCOL || message->transaction == KP_TRANSACTION_NONE) {
        if (message->handle_count)
            (void)kp_handle_close(module);
        return false;
    }
    if (status == KP_OK && request.ordinal == KP_COMPILER_INFO) {
        kp_compiler_info_answer(connection, message->transaction);
    } else if (status == KP_OK && request.ordinal == KP_COMPILER_SETTLE) {
        kp_compiler_settle(connection, message->transaction);
    } else if (status == KP_OK && request.ordinal == KP_COMPILER_FUNCTIONS) {
        kp_compiler_functions_t functions;
        memcpy(&functions, &request, sizeof(functions));
        kp_compiler_session_ask(connection, message->transaction, &functions);
    } else if (status == KP_OK && request.ordinal == KP_COMPILER_WAIT) {
        kp_compiler_functions_t functions;
        memcpy(&functions, &request, sizeof(functions));
        kp_compiler_task_wait(connection, message->transaction, functions.module);
    } else if (status == KP_OK) {
        kp_compiler_task_start(connection, message->transaction, &request, module);
    } else {
        const kp_compiler_reply_t reply = {.status = status, .function = UINT32_MAX};
        connection->counts.refused++;
        (void)kp_handle_close(module);
        kp_compiler_reply(connection, message->transaction, &reply, sizeof(reply), KP_HANDLE_NONE);
    }
    return true;
}

static void on_connection(void *context, kp_handle_t channel, kp_signals_t observed)
{
    kp_compiler_connection_t *connection = context;
    if (observed & KP_SIGNAL_PEER_CLOSED || observed == 0) {
        connection_close(connection); /* nobody is there to read any answer */
        return;
    }
    if (connection->requests >= KP_COMPILER_REQUESTS_MAX) {
        kp_compiler_connection_watch(connection);
        return;
    }
    _Alignas(8) uint8_t bytes[sizeof(kp_compiler_request_t)];
    kp_handle_t module = KP_HANDLE_NONE;
    kp_channel_message_t message = {.bytes = (uint32_t)kp_mem(bytes),
                                    .byte_count = sizeof(bytes),
                                    .handles = (uint32_t)kp_mem(&module),
                                    .handle_count = 1};
    kp_status_t status = kp_channel_receive(channel, &message, KP_TIME_POLL);
    if (status == KP_ERR_TIMED_OUT)
        return;
    if (status != KP_OK || !accept(connection, &message, bytes, module)) {
        connection_close(connection);
        return;
    }
    kp_compiler_connection_watch(connection);
}

static kp_status_t connection_add(kp_compiler_service_t *service, kp_handle_t channel, uint64_t job)
{
    if (service->connection_count == KP_COMPILER_CONNECTIONS_MAX)
        return KP_ERR_QUOTA;
    kp_compiler_connection_t *connection = calloc(1, sizeof(*connection));
    kp_compiler_job_t *client = connection ? client_join(service, job) : NULL;
    if (!client) {
        free(connection);
        return KP_ERR_NO_MEMORY;
    }
    connection->service = service;
    connection->client = client;
    connection->channel = channel;
    kp_status_t status =
        kp_loop_watch(&service->loop, channel, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED,
                      on_connection, connection);
    if (status != KP_OK) {
        client_leave(service, client);
        free(connection);
        return status;
    }
    connection->next = service->connections;
    service->connections = connection;
    service->connection_count++;
    return KP_OK;
}

static void on_registry(void *context, kp_handle_t registry, kp_signals_t observed)
{
    kp_compiler_service_t *service = context;
    (void)observed;
    kp_status_t status;
    while ((status = kp_message_receive(registry, &service->message)) == KP_OK) {
        kp_handle_t channel = kp_message_take(&service->message, 0);
        const kp_service_request_t *request =
            kp_message_as(&service->message, sizeof(kp_service_request_t));
        if (channel != KP_HANDLE_NONE &&
            (!request || connection_add(service, channel, request->job) != KP_OK))
            (void)kp_handle_close(channel);
        kp_message_clear(&service->message);
    }
    if (status != KP_ERR_SHOULD_WAIT)
        kp_loop_stop(&service->loop, status);
}

kp_status_t kp_compiler_service_init(kp_compiler_service_t *service,
                                     const kp_compiler_handles_t *handles, uint64_t disk_bytes)
{
    service->authority = handles->authority;
    service->program = handles->program;
    service->job = handles->job;
    kp_compiler_disk_init(&service->disk, handles->directory, disk_bytes);
    service->cache.bytes_max = KP_COMPILER_CACHE_BYTES;
    service->cache.count_max = KP_COMPILER_ENTRIES_MAX;
    service->cache.context = service;
    service->cache.is_held = kp_compiler_entry_is_held;
    service->cache.drop = kp_compiler_entry_drop;
    kp_loop_init(&service->loop);
    kp_loop_timer_init(&service->slices, kp_compiler_tasks_slice, service);
    kp_loop_timer_init(&service->watch, kp_compiler_tasks_watch, service);
    kp_loop_timer_init(&service->storing, kp_compiler_tasks_store, service);
    kp_loop_timer_init(&service->settled, kp_compiler_tasks_settled, service);
    int64_t requests = kp_service_register(handles->registry);
    if (requests < 0)
        return (kp_status_t)requests;
    service->requests = (kp_handle_t)requests;
    return kp_loop_watch(&service->loop, service->requests, KP_SIGNAL_READABLE, on_registry,
                         service);
}

kp_status_t kp_compiler_service_run(kp_compiler_service_t *service)
{
    return (kp_status_t)kp_loop_run(&service->loop);
}
