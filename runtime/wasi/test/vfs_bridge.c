#include "runtime/wasi/test/vfs_bridge.h"

#include "kernel/vfs/test/client.h"

static client_t client;
static kp_vfs_source_t *ramfs;
static uint64_t objects_before, allocations_before;

bool bridge_open(uint64_t pages)
{
    const kp_ramfs_options_t options = {.pages_max = pages};
    kp_test_attach("test");
    objects_before = kp_object_count(KP_TYPE_NONE);
    allocations_before = kp_test_allocations();
    client = (client_t){.process = kp_test_process(CLIENT_PAGES, CLIENT_PAGES, NULL)};
    return client.process && kp_ramfs_create(&options, &ramfs) == KP_OK;
}

bool bridge_close(void)
{
    kp_test_process_end(client.process);
    kp_vfs_source_release(ramfs);
    return kp_object_count(KP_TYPE_NONE) == objects_before &&
           kp_test_allocations() == allocations_before;
}

uint32_t bridge_directory(void)
{
    return client_connect(&client, ramfs, "", KP_FILE_RIGHTS_CHANGE) == KP_OK ? client.channel : 0;
}

int32_t bridge_ask(uint32_t channel, const kp_file_request_t *request, const void *first,
                   const void *second, kp_file_reply_t *reply, const uint8_t **data, size_t *size,
                   uint32_t *handle)
{
    client.channel = channel;
    kp_status_t status = client_ask(&client, *request, first, second, KP_HANDLE_NONE);
    kp_channel_call_t call;
    memcpy(&call, kp_test_memory(client.process, CLIENT_CALL_AT), sizeof(call));
    *reply = client.reply;
    *data = client.data;
    *size = call.reply.byte_count;
    *handle = client.handle;
    return status;
}

void bridge_handle_close(uint32_t handle)
{
    (void)kp_test_call(client.process, handle_close,
                       handle); /* a test's mistake shows in the counts */
}
