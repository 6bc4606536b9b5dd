/* A process that asks for files, for tests of the kernel's file systems. */
#ifndef KP_KERNEL_VFS_TEST_CLIENT_H
#define KP_KERNEL_VFS_TEST_CLIENT_H

#include "abi/file.h"
#include "abi/ipc.h"
#include "kernel/test/machine.h"
#include "kernel/vfs/ramfs.h"

/* Where things lie in its memory. */
enum {
    CLIENT_CALL_AT = 0x100,
    CLIENT_HANDLES_AT = 0x200,
    CLIENT_REQUEST_AT = 0x1000,
    CLIENT_REPLY_AT = 0x12000,
    CLIENT_BUFFER_AT = 0x30000,
    CLIENT_PAGES = 8,
};

typedef struct client {
    kp_process_t *process;
    kp_handle_t channel;
    kp_file_reply_t reply; /* of the last request */
    uint8_t *data;         /* behind it, in the process's memory */
    kp_handle_t handle;    /* that came with it, or NONE */
} client_t;

/* One request with up to one handle, and its reply. What channel_call said, or the reply's status. */
static inline kp_status_t client_ask(client_t *client, kp_file_request_t request, const void *first,
                                     const void *second, kp_handle_t handle)
{
    uint8_t *memory = kp_test_memory(client->process, 0);
    size_t size = sizeof(request) + request.first_size + request.second_size;
    memcpy(memory + CLIENT_REQUEST_AT, &request, sizeof(request));
    if (request.first_size)
        memcpy(memory + CLIENT_REQUEST_AT + sizeof(request), first, request.first_size);
    if (request.second_size)
        memcpy(memory + CLIENT_REQUEST_AT + sizeof(request) + request.first_size, second,
               request.second_size);
    memcpy(memory + CLIENT_HANDLES_AT, &handle, sizeof(handle));
    kp_channel_call_t call = {
        .request = {.bytes = CLIENT_REQUEST_AT,
                    .byte_count = (uint32_t)size,
                    .handles = CLIENT_HANDLES_AT,
                    .handle_count = handle ? 1 : 0},
        .reply = {.bytes = CLIENT_REPLY_AT,
                  .byte_count = KP_CHANNEL_BYTES_MAX,
                  .handles = CLIENT_HANDLES_AT + 16,
                  .handle_count = 4},
    };
    memcpy(memory + CLIENT_CALL_AT, &call, sizeof(call));
    kp_status_t status = (kp_status_t)kp_test_call(client->process, channel_call, client->channel,
                                                   CLIENT_CALL_AT, (uint64_t)KP_TIME_INFINITE);
    memcpy(&call, memory + CLIENT_CALL_AT, sizeof(call));
    client->handle = KP_HANDLE_NONE;
    memset(&client->reply, 0, sizeof(client->reply));
    client->data = memory + CLIENT_REPLY_AT + sizeof(client->reply);
    if (status != KP_OK)
        return status;
    if (call.reply.byte_count < sizeof(client->reply))
        return KP_ERR_PROTOCOL;
    memcpy(&client->reply, memory + CLIENT_REPLY_AT, sizeof(client->reply));
    if (call.reply.handle_count > 0)
        memcpy(&client->handle, memory + CLIENT_HANDLES_AT + 16, sizeof(kp_handle_t));
    return client->reply.status;
}

/* With texts. */
static inline kp_status_t client_path(client_t *client, uint32_t operation, uint32_t id,
                                      const char *first, const char *second, uint32_t flags)
{
    return client_ask(client,
                      (kp_file_request_t){.operation = operation,
                                          .id = id,
                                          .flags = flags,
                                          .rights = KP_FILE_RIGHTS_ALL,
                                          .first_size = first ? (uint32_t)strlen(first) : 0,
                                          .second_size = second ? (uint32_t)strlen(second) : 0},
                      first, second, KP_HANDLE_NONE);
}

static inline kp_status_t client_open(client_t *client, uint32_t id, const char *path,
                                      uint32_t flags, uint32_t *out)
{
    kp_status_t status = client_path(client, KP_FILE_OPEN, id, path, NULL, flags);
    *out = client->reply.id;
    return status;
}

static inline kp_status_t client_write(client_t *client, uint32_t id, uint64_t offset,
                                       const void *bytes, uint32_t count)
{
    return client_ask(
        client,
        (kp_file_request_t){
            .operation = KP_FILE_WRITE, .id = id, .offset = offset, .first_size = count},
        bytes, NULL, KP_HANDLE_NONE);
}

static inline kp_status_t client_read(client_t *client, uint32_t id, uint64_t offset,
                                      uint32_t count)
{
    return client_ask(
        client,
        (kp_file_request_t){.operation = KP_FILE_READ, .id = id, .offset = offset, .count = count},
        NULL, NULL, KP_HANDLE_NONE);
}

/* A client of a source's root (or of what path means below it), charged to its process. */
static inline kp_status_t client_connect(client_t *client, kp_vfs_source_t *source,
                                         const char *path, uint32_t rights)
{
    kp_capability_t capability;
    kp_status_t status = kp_vfs_open(source, path, rights, client->process->quota, &capability);
    return status == KP_OK ? kp_handle_add(&client->process->handles, capability, &client->channel)
                           : status;
}

#endif
