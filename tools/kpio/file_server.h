/* A small web server of one folder, in a process of its own, so that a local page finds its style
   sheets and pictures and a guest finds local pages. It listens on 127.0.0.1 only, on a free port,
   and answers only paths that begin with a secret, so no other user of this machine reads files by
   it. GET and HEAD, one request a connection. Host code. */
#ifndef KP_TOOLS_KPIO_FILE_SERVER_H
#define KP_TOOLS_KPIO_FILE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/status.h"

typedef struct kp_file_server {
    pid_t child; /* ends with this process */
    uint16_t port;
    char secret[33];
} kp_file_server_t;

/* Forks: before this program has threads. root: an absolute path without symbolic links (realpath);
   nothing outside of it is served. ERR_IO: errno tells. */
kp_status_t kp_file_server_start(kp_file_server_t *server, const char *root);
void kp_file_server_stop(kp_file_server_t *server);

/* The request's path below "/SECRET/", decoded, without query; "" and folders end with '/'. False:
   not a GET or HEAD request of ours (another path, an escape of the folder, a NUL, too long).
   request: the head of a request, not necessarily whole. */
bool kp_file_server_parse(const char *request, size_t size, const char *secret, char *path,
                          size_t path_size, bool *is_head);

#endif
