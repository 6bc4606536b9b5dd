/* Messages to a server of files. */
#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"
#include "runtime/wasi/kpio_directory.h"

enum { HANDLES_MAX = 1 }; /* of a reply */

kp_wasi_kpio_server_t *kp_wasi_kpio_server_create(kp_handle_t channel)
{
    kp_wasi_kpio_server_t *server = malloc(sizeof(*server));
    if (server)
        *server = (kp_wasi_kpio_server_t){.channel = channel, .holders = 1};
    else
        (void)kp_handle_close(channel);
    return server;
}

void kp_wasi_kpio_server_release(kp_wasi_kpio_server_t *server)
{
    if (--server->holders > 0)
        return;
    (void)kp_handle_close(server->channel); /* fails only if somebody closed it for us */
    free(server->bytes);
    free(server);
}

/* Room for a request, and then for its reply, in the same place. */
static bool room_make(kp_wasi_kpio_server_t *server, size_t size)
{
    if (size <= server->room)
        return true;
    uint8_t *grown = realloc(server->bytes, size);
    if (!grown)
        return false;
    server->bytes = grown;
    server->room = size;
    return true;
}

/* Only a path can go on elsewhere. */
static bool may_go_on(const kp_file_request_t *request)
{
    const uint32_t paths = 1u << KP_FILE_OPEN | 1u << KP_FILE_STAT | 1u << KP_FILE_TIMES |
                           1u << KP_FILE_MAKE | 1u << KP_FILE_REMOVE | 1u << KP_FILE_RENAME |
                           1u << KP_FILE_LINK | 1u << KP_FILE_SYMLINK | 1u << KP_FILE_READLINK;
    return request->first_size > 0 && (paths >> request->operation & 1);
}

/* Does the reply have the form that its request's operation gives it? */
static bool reply_fits(const kp_wasi_kpio_ask_t *ask, size_t size, uint32_t handle_count)
{
    if (size < sizeof(ask->reply))
        return false;
    size_t data = size - sizeof(ask->reply);
    bool elsewhere = ask->reply.status == KP_ERR_ELSEWHERE;
    if (handle_count != (elsewhere ? 1 : 0) || ask->reply.status > 0 ||
        (elsewhere && !may_go_on(&ask->request)))
        return false;
    if (ask->request.operation == KP_FILE_WRITE)
        return data == 0 &&
               (ask->reply.status != KP_OK || ask->reply.count <= ask->request.first_size);
    return ask->reply.status == KP_OK || elsewhere ? data == ask->reply.count : data == 0;
}

kp_status_t kp_wasi_kpio_ask(kp_wasi_kpio_server_t *server, kp_wasi_kpio_ask_t *ask,
                             size_t data_room)
{
    const kp_file_request_t *request = &ask->request;
    size_t size = sizeof(*request) + request->first_size + request->second_size;
    size_t reply_size = sizeof(kp_file_reply_t) + data_room;
    kp_handle_t handles[HANDLES_MAX] = {KP_HANDLE_NONE};
    ask->handle = KP_HANDLE_NONE;
    if (!room_make(server, size > reply_size ? size : reply_size))
        return KP_ERR_NO_MEMORY;
    memcpy(server->bytes, request, sizeof(*request));
    if (request->first_size > 0)
        memcpy(server->bytes + sizeof(*request), ask->first, request->first_size);
    if (request->second_size > 0)
        memcpy(server->bytes + sizeof(*request) + request->first_size, ask->second,
               request->second_size);
    kp_channel_call_t call = {
        .request = {.bytes = (uint32_t)kp_mem(server->bytes), .byte_count = (uint32_t)size},
        .reply = {.bytes = (uint32_t)kp_mem(server->bytes),
                  .byte_count = (uint32_t)reply_size,
                  .handles = (uint32_t)kp_mem(handles),
                  .handle_count = HANDLES_MAX},
    };
    kp_status_t status = kp_channel_call(
        server->channel, &call, server->patience ? kp_now() + server->patience : KP_TIME_INFINITE);
    if (status == KP_ERR_BUFFER_TOO_SMALL) /* no server that keeps to the protocol says so much */
        return KP_ERR_PROTOCOL;
    if (status != KP_OK)
        return status;
    if (call.reply.byte_count >= sizeof(ask->reply))
        memcpy(&ask->reply, server->bytes, sizeof(ask->reply));
    if (!reply_fits(ask, call.reply.byte_count, call.reply.handle_count)) {
        for (uint32_t i = 0; i < call.reply.handle_count; i++)
            (void)kp_handle_close(handles[i]); /* ours: it came with the reply */
        return KP_ERR_PROTOCOL;
    }
    ask->data = server->bytes + sizeof(ask->reply);
    ask->handle = handles[0];
    return ask->reply.status;
}
