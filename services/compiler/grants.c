/* Who was given what. */
#include <stdlib.h>

#include "runtime/program/kp.h"
#include "services/compiler/service.h"

#define CLIENT_RIGHTS (KP_RIGHT_EXECUTE | KP_RIGHT_MAP | KP_RIGHT_INSPECT | KP_RIGHT_TRANSFER)

static void close_handle(kp_handle_t handle)
{
    if (handle != KP_HANDLE_NONE)
        (void)kp_handle_close(handle);
}

bool kp_compiler_entry_is_held(void *context, kp_compiler_entry_t *entry)
{
    (void)context;
    kp_code_info_t info;
    /* Ours: the entry's handle, and one for each grant. */
    return kp_code_info(entry->code, &info) != KP_OK || info.mappings > 0 ||
           info.handles > 1 + entry->grants;
}

static void grant_remove(kp_compiler_grant_t **at)
{
    kp_compiler_grant_t *grant = *at;
    *at = grant->next;
    grant->entry->grants--;
    grant->client->granted -= grant->entry->bytes;
    (void)kp_handle_revoke(grant->code); /* what the client still has says ERR_REVOKED */
    close_handle(grant->code);
    free(grant);
}

static kp_compiler_grant_t **grant_find(kp_compiler_grant_t **list,
                                        const kp_compiler_entry_t *entry)
{
    while (*list && (*list)->entry != entry)
        list = &(*list)->next;
    return list;
}

static void left_remove(kp_compiler_grant_t **at)
{
    kp_compiler_grant_t *grant = *at;
    *at = grant->next;
    grant->client->granted -= grant->entry->bytes;
    free(grant);
}

void kp_compiler_entry_drop(void *context, kp_compiler_entry_t *entry)
{
    kp_compiler_service_t *service = context;
    for (kp_compiler_connection_t *each = service->connections; each && entry->grants > 0;
         each = each->next) {
        kp_compiler_grant_t **at = grant_find(&each->grants, entry);
        if (*at)
            grant_remove(at);
    }
    for (kp_compiler_job_t *each = service->clients; each; each = each->next) {
        kp_compiler_grant_t **at = grant_find(&each->left, entry);
        if (*at)
            left_remove(at);
    }
    close_handle(entry->code);
}

uint64_t kp_compiler_grants_held(kp_compiler_connection_t *connection)
{
    uint64_t held = 0;
    for (kp_compiler_grant_t **at = &connection->grants; *at;) {
        kp_compiler_entry_t *entry = (*at)->entry;
        if (!kp_compiler_entry_is_held(NULL, entry)) {
            grant_remove(at);
            continue;
        }
        held += entry->bytes;
        at = &(*at)->next;
    }
    return held;
}

/* Has one of the client's connections the entry? */
static bool is_granted(const kp_compiler_service_t *service, const kp_compiler_job_t *client,
                       const kp_compiler_entry_t *entry)
{
    for (kp_compiler_connection_t *each = service->connections; each; each = each->next) {
        if (each->client == client && *grant_find(&each->grants, entry))
            return true;
    }
    return false;
}

static bool is_mapped(const kp_compiler_entry_t *entry)
{
    kp_code_info_t info;
    return kp_code_info(entry->code, &info) != KP_OK || info.mappings > 0;
}

uint64_t kp_compiler_client_left(kp_compiler_service_t *service, kp_compiler_job_t *client)
{
    uint64_t left = 0;
    for (kp_compiler_grant_t **at = &client->left; *at;) {
        if (!is_mapped((*at)->entry) || is_granted(service, client, (*at)->entry)) {
            left_remove(at);
            continue;
        }
        left += (*at)->entry->bytes;
        at = &(*at)->next;
    }
    return left;
}

uint64_t kp_compiler_client_held(kp_compiler_service_t *service, kp_compiler_job_t *client)
{
    uint64_t held = 0;
    for (kp_compiler_connection_t *each = service->connections; each; each = each->next) {
        if (each->client == client)
            held += kp_compiler_grants_held(each);
    }
    return held + kp_compiler_client_left(service, client);
}

void kp_compiler_grants_revoke(kp_compiler_connection_t *connection)
{
    kp_compiler_job_t *client = connection->client;
    for (kp_compiler_grant_t *grant; (grant = connection->grants);) {
        connection->grants = grant->next;
        grant->entry->grants--;
        (void)kp_handle_revoke(grant->code); /* nobody can map it any more; who has still has */
        close_handle(grant->code);
        grant->code = KP_HANDLE_NONE;
        if (!is_mapped(grant->entry) || *grant_find(&client->left, grant->entry)) {
            client->granted -= grant->entry->bytes;
            free(grant);
            continue;
        }
        grant->next = client->left;
        client->left = grant;
    }
}

int64_t kp_compiler_grant(kp_compiler_connection_t *connection, kp_compiler_entry_t *entry)
{
    kp_compiler_grant_t *grant = *grant_find(&connection->grants, entry);
    if (grant)
        return kp_handle_duplicate(grant->code, CLIENT_RIGHTS);
    kp_compiler_grant_t **left = grant_find(&connection->client->left, entry);
    if (*left)
        left_remove(left); /* it counts once */
    kp_compiler_job_t *client = connection->client;
    /* What it really holds costs a call for each: only when that decides. */
    if (client->granted + entry->bytes > KP_COMPILER_CLIENT_BYTES_MAX &&
        kp_compiler_client_held(connection->service, client) + entry->bytes >
            KP_COMPILER_CLIENT_BYTES_MAX)
        return KP_ERR_QUOTA;
    grant = calloc(1, sizeof(*grant));
    if (!grant)
        return KP_ERR_NO_MEMORY;
    int64_t own = kp_handle_duplicate(entry->code, KP_RIGHTS_SAME);
    int64_t code = own < 0 ? own : kp_handle_duplicate((kp_handle_t)own, CLIENT_RIGHTS);
    if (code < 0) {
        close_handle(own > 0 ? (kp_handle_t)own : KP_HANDLE_NONE);
        free(grant);
        return code;
    }
    grant->entry = entry;
    grant->client = client;
    client->granted += entry->bytes;
    grant->code = (kp_handle_t)own;
    grant->next = connection->grants;
    connection->grants = grant;
    entry->grants++;
    return code;
}
