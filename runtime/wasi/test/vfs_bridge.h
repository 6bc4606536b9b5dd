/* The kernel's real file systems under a native test of WASI: kpio_ask.h's messages go through the system calls of a
   process of the kernel's test machine. Apart from the kernel's headers, whose kp_log is another than programs'. */
#ifndef KP_RUNTIME_WASI_TEST_VFS_BRIDGE_H
#define KP_RUNTIME_WASI_TEST_VFS_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/file.h"

/* A kernel with an empty ramfs of so many pages, and a process. False: it failed. */
bool bridge_open(uint64_t pages);
/* Everything is given back. True: the kernel's objects and memory are as before. */
bool bridge_close(void);
/* A handle of the process to the ramfs's root. 0: failed. */
uint32_t bridge_directory(void);
/* As kp_wasi_kpio_ask; *data: the bytes behind the reply, *size with it. */
int32_t bridge_ask(uint32_t channel, const kp_file_request_t *request, const void *first,
                   const void *second, kp_file_reply_t *reply, const uint8_t **data, size_t *size,
                   uint32_t *handle);
void bridge_handle_close(uint32_t handle);

#endif
