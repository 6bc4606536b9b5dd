/* What the user named on the command line: a URL or a file. Host code. */
#ifndef KP_TOOLS_KPIO_TARGET_H
#define KP_TOOLS_KPIO_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"

typedef struct kp_target {
    char url[8192]; /* absolute */
    uint8_t *file;  /* a local file's bytes, NULL for what goes over the network; owned */
    size_t file_size;
} kp_target_t;

#define KP_TARGET_FILE_MAX ((size_t)64 << 20)

/* "scheme:..." stays as it is, except that file: URLs and everything that names an existing file
   are read here and get a file:// URL; other text is taken as a host name with http://. On failure
   error holds the cause in one line; kp_target_clear is still to be called. */
kp_status_t kp_target_read(const char *text, kp_target_t *target, char *error, size_t error_size);
void kp_target_clear(kp_target_t *target);

#endif
