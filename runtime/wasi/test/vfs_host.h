/* What kpio_directory.c needs from below it, natively: messages by the bridge, clocks and entropy of the test. Included
   once by each test that runs WASI over the kernel's file systems. */
#ifndef KP_RUNTIME_WASI_TEST_VFS_HOST_H
#define KP_RUNTIME_WASI_TEST_VFS_HOST_H

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/program/kp.h"
#include "runtime/wasi/kpio_directory.h"
#include "runtime/wasi/test/vfs_bridge.h"

kp_wasi_kpio_server_t *kp_wasi_kpio_server_create(kp_handle_t channel)
{
    kp_wasi_kpio_server_t *server = malloc(sizeof(*server));
    if (server)
        *server = (kp_wasi_kpio_server_t){.channel = channel, .holders = 1};
    return server;
}

void kp_wasi_kpio_server_release(kp_wasi_kpio_server_t *server)
{
    if (--server->holders > 0)
        return;
    bridge_handle_close(server->channel);
    free(server);
}

kp_status_t kp_wasi_kpio_ask(kp_wasi_kpio_server_t *server, kp_wasi_kpio_ask_t *ask,
                             size_t data_room)
{
    size_t size;
    (void)data_room;
    return bridge_ask(server->channel, &ask->request, ask->first, ask->second, &ask->reply,
                      &ask->data, &size, &ask->handle);
}

const char *kp_startup_name(size_t index)
{
    (void)index;
    return NULL;
}

kp_handle_t kp_startup_take(const char *name)
{
    (void)name;
    return KP_HANDLE_NONE;
}

/* Calls but those of files: the log swallows, clocks are the host's. */
int64_t kp_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                uint64_t a5)
{
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_PROCESS_CPUTIME_ID,
                                       CLOCK_THREAD_CPUTIME_ID};
    struct timespec time;
    uint64_t ns;
    (void)a2, (void)a3, (void)a4, (void)a5;
    switch (number) {
    case KP_CALL_clock_get:
        if (a0 >= 4 || clock_gettime(clocks[a0], &time) != 0)
            return KP_ERR_INVALID_ARGUMENT;
        ns = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
        memcpy((void *)(uintptr_t)a1, &ns, sizeof(ns));
        return KP_OK;
    case KP_CALL_random_get:
        for (uint64_t i = 0; i < a1; i++)
            ((uint8_t *)(uintptr_t)a0)[i] = (uint8_t)(rand() >> 7);
        return KP_OK;
    case KP_CALL_debug_log:
        return KP_OK;
    case KP_CALL_object_wait_many:
        return KP_ERR_TIMED_OUT;
    default:
        return KP_ERR_BAD_HANDLE;
    }
}

#endif
