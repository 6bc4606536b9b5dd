/* What the user named on the command line: a URL or a file. Host code. */
#ifndef KP_TOOLS_KPIO_TARGET_H
#define KP_TOOLS_KPIO_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"
#include "tools/kpio/file_server.h"

typedef struct kp_target {
    char url[8192];  /* absolute */
    char path[4096]; /* of a local file, absolute, without symbolic links; else "" */
    uint8_t *file;   /* a local file's bytes, NULL for what goes over the network; owned */
    size_t file_size;
    bool is_guess; /* a word that was taken for a host name because no file has this name */
} kp_target_t;

#define KP_TARGET_FILE_MAX ((size_t)64 << 20)

/* "scheme:..." stays as it is, except that file: URLs are read here, as is everything that names an
   existing file, begins with "/" or ".", or must have meant a file ("page.html", "pages/a.svg", not
   "example.org/page.html"): these get a file:// URL. Other text is taken as a host name with http://.
   On failure error holds the cause in one line; kp_target_clear is still to be called. */
kp_status_t kp_target_read(const char *text, kp_target_t *target, char *error, size_t error_size);

/* Starts a file server for a local file and gives the target an http URL on it, so that what the
   file refers to is found. root: the folder that is served, NULL: the file's own. host: how the
   page's side names this machine. On failure error holds the cause, nothing runs and the URL is as
   it was; ERR_INVALID_ARGUMENT: root is no folder, or the file is not below it. */
kp_status_t kp_target_serve(kp_target_t *target, const char *root, const char *host,
                            kp_file_server_t *server, char *error, size_t error_size);

/* Both for a browser that takes a URL as a word of its kernel's command line: what the user named,
   served when it is a local file; the server may run from then on, also on failure. */
kp_status_t kp_target_url(const char *text, const char *root, const char *host,
                          kp_file_server_t *server, char *url, size_t size, char *error,
                          size_t error_size);

/* kpio's exit code when one of them failed. */
int kp_target_exit(kp_status_t status);

void kp_target_clear(kp_target_t *target);

#endif
