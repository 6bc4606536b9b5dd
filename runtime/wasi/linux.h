/* WASI over Linux: files below opened directories (openat2 with RESOLVE_BENEATH, so no path leaves them), standard
   streams, sockets that were opened elsewhere, clocks, entropy, poll. Host code. */
#ifndef KP_RUNTIME_WASI_LINUX_H
#define KP_RUNTIME_WASI_LINUX_H

#include "runtime/wasi/wasi.h"

/* The host for kp_wasi_options_t. */
extern const kp_wasi_host_t kp_wasi_linux_host;

/* Wraps an open Linux descriptor, which it takes (also on error; owned false: left open at the end, for
   standard streams). NULL: no memory. */
kp_wasi_file_t *kp_wasi_linux_file(int fd, bool owned);

/* Gives 0, 1 and 2 of this process. */
kp_status_t kp_wasi_linux_streams(kp_wasi_t *wasi);
/* Opens a directory and gives it as preopened `name`. ERR_NOT_FOUND, ERR_ACCESS_DENIED, ERR_NOT_SUPPORTED (not a
   directory, or a kernel without openat2), ERR_NO_MEMORY. */
kp_status_t kp_wasi_linux_directory(kp_wasi_t *wasi, const char *path, const char *name,
                                    bool read_only);

#endif
