/* Files of the host KPIO: a client of the protocol of directories (abi/file.h). Between kpio_directory.c
   and kpio_path.c, which have the operations, and kpio_ask.c, which has the messages.

   What a server answers is not trusted: sizes are checked, names and types too, and what makes no sense is IO. One that
   does not answer keeps its client waiting, as a disk would. */
#ifndef KP_RUNTIME_WASI_KPIO_DIRECTORY_H
#define KP_RUNTIME_WASI_KPIO_DIRECTORY_H

#include "abi/file.h"
#include "runtime/wasi/kpio_internal.h"

/* One channel, and all that is open by it. */
typedef struct kp_wasi_kpio_server {
    kp_handle_t channel; /* owned */
    unsigned holders;
    kp_time_t patience; /* with each request, ns: ERR_TIMED_OUT; 0: for ever */
    uint8_t *bytes;     /* room for one message; owned */
    size_t room;
} kp_wasi_kpio_server_t;

/* A request and what came back. */
typedef struct kp_wasi_kpio_ask {
    kp_file_request_t request;
    const void *first, *second; /* of the sizes in the request */
    kp_file_reply_t reply;
    const uint8_t *data; /* reply.count bytes, until the server's next request (WRITE: none) */
    kp_handle_t handle;  /* with ERR_ELSEWHERE: the caller's; else NONE */
} kp_wasi_kpio_ask_t;

/* Sends and waits. The reply's status, or why there is none: channel_call's errors, ERR_NO_MEMORY, ERR_PROTOCOL.
   data_room: how many bytes the reply may have. */
kp_status_t kp_wasi_kpio_ask(kp_wasi_kpio_server_t *server, kp_wasi_kpio_ask_t *ask,
                             size_t data_room);

/* Takes the handle, also on error (NULL: no memory); one holder. */
kp_wasi_kpio_server_t *kp_wasi_kpio_server_create(kp_handle_t channel);
void kp_wasi_kpio_server_release(kp_wasi_kpio_server_t *server);

/* The directory that the server's channel stands for; takes a hold of the server, also on error. NULL: no memory. */
kp_wasi_file_t *kp_wasi_kpio_directory(kp_wasi_kpio_server_t *server);

kp_wasi_errno_t kp_wasi_kpio_file_errno(kp_status_t status);

#endif
