/* Keeping what was compiled: writing it to the cache's directory, and telling who waits until that is done. */
#include "runtime/program/kp.h"
#include "services/compiler/service.h"

void kp_compiler_tasks_store(void *context)
{
    kp_compiler_service_t *service = context;
    if (kp_compiler_disk_step(&service->disk))
        kp_loop_timer_set(&service->loop, &service->storing, KP_TIME_POLL);
    kp_loop_timer_set(&service->loop, &service->settled, KP_TIME_POLL);
}

static bool is_settled(const kp_compiler_job_t *client)
{
    return client->whole == 0 && client->stores == 0;
}

void kp_compiler_tasks_settled(void *context)
{
    kp_compiler_service_t *service = context;
    kp_compiler_connection_t *each = service->connections;
    for (; each; each = each->next) {
        kp_transaction_t transaction = each->settling;
        if (transaction == KP_TRANSACTION_NONE || !is_settled(each->client))
            continue;
        kp_compiler_sessions_complete(each); /* what there was no room for */
        kp_compiler_tasks_pump(service);
        if (!is_settled(each->client))
            continue;
        each->settling = KP_TRANSACTION_NONE;
        kp_compiler_info_answer(each, transaction);
    }
}

void kp_compiler_settle(kp_compiler_connection_t *connection, kp_transaction_t transaction)
{
    kp_compiler_service_t *service = connection->service;
    if (connection->settling != KP_TRANSACTION_NONE) {
        const kp_compiler_info_t busy = {.status = KP_ERR_BUSY};
        kp_compiler_reply(connection, transaction, &busy, sizeof(busy), KP_HANDLE_NONE);
        return;
    }
    connection->settling = transaction;
    kp_compiler_sessions_complete(connection);
    kp_compiler_tasks_pump(service);
    kp_loop_timer_set(&service->loop, &service->settled, KP_TIME_POLL);
}
