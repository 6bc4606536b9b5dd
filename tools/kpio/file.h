/* Whole files. Host code. */
#ifndef KP_TOOLS_KPIO_FILE_H
#define KP_TOOLS_KPIO_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"

/* Reads a regular file of at most `limit` bytes into malloc'ed memory (with a NUL behind it), which
   the caller frees. Never waits: a pipe without a writer is no file either. ERR_NOT_FOUND,
   ERR_ACCESS_DENIED, ERR_TOO_LARGE, ERR_NOT_SUPPORTED (not a regular file), ERR_NO_MEMORY, ERR_IO. */
kp_status_t kp_file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size);

/* What kp_file_read returned, in words for the user. */
const char *kp_file_reason(kp_status_t status);

/* Writes path completely or not at all (temporary file beside it, rename); "-": standard output.
   Devices and pipes are written directly. ERR_IO: errno tells. */
kp_status_t kp_file_write(const char *path, const void *bytes, size_t size);

/* A new empty file in $TMPDIR (else /tmp), open for reading and writing: its descriptor (close-on-exec), and its name in
   path ("FOLDER/kpio-NAME-" and six characters), which the caller removes. -1: errno tells; no file was made. */
int kp_file_temporary(const char *name, char *path, size_t size);

#endif
