/* What the user named on the command line: a URL or a file. Host code. */
#ifndef KP_TOOLS_KPIO_TARGET_H
#define KP_TOOLS_KPIO_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"
#include "tools/kpio/file_server.h"

typedef struct kp_target {
    char url[8192];  /* absolute */
    char path[4096]; /* of a local file, absolute, without symbolic links; else "" */
    uint8_t *file;   /* a local file's bytes, NULL for what goes over the network; owned */
    size_t file_size;
} kp_target_t;

#define KP_TARGET_FILE_MAX ((size_t)64 << 20)

/* "scheme:..." stays as it is, except that file: URLs and everything that names an existing file
   are read here and get a file:// URL; other text is taken as a host name with http://. On failure
   error holds the cause in one line; kp_target_clear is still to be called. */
kp_status_t kp_target_read(const char *text, kp_target_t *target, char *error, size_t error_size);

/* Starts a file server for a local file and gives the target an http URL on it, so that what the
   file refers to is found. root: the folder that is served, NULL: the file's own. host: how the
   page's side names this machine. On failure error holds the cause, nothing runs and the URL is as
   it was; ERR_INVALID_ARGUMENT: root is no folder, or the file is not below it. */
kp_status_t kp_target_serve(kp_target_t *target, const char *root, const char *host,
                            kp_file_server_t *server, char *error, size_t error_size);

void kp_target_clear(kp_target_t *target);

#endif
