/* A kernel for the host KPIO in a native test: channels, waiting on a clock that only waiting moves, the log, a startup
   message with files. One thread. */
#ifndef KP_RUNTIME_WASI_TEST_FAKE_KERNEL_H
#define KP_RUNTIME_WASI_TEST_FAKE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/types.h"

/* A handle that reads and writes bytes as a console does; it says SHOULD_WAIT every other time. */
kp_handle_t fake_device(void);
/* Lines of the log so far, each with a newline; cleared by the call. */
const char *fake_log(void);
/* From now on every call that can fail for want of memory does. */
void fake_memory_is_short(bool is_short);
/* A wait without end, which is a fault of the test otherwise, is cancelled. */
void fake_endless_waits_end(bool do_end);
/* How many handles are open beside those of the startup message. */
size_t fake_open_handles(void);

#endif
