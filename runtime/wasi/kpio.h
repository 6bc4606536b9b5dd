/* WASI over KPIO: clocks, entropy, waiting and standard streams by kernel calls (runtime/program/kp.h), files of the
   startup message, files in memory. Serves programs that are built ahead of time (runtime/program/wasi.c) and native
   code that runs users' modules; neither keeps anything here outside of its kp_wasi_t.

   In short, what a runner does:
     options.host = &kp_wasi_kpio_host; kp_wasi_create(&options, &wasi);
     kp_wasi_kpio_streams(wasi, streams); kp_wasi_kpio_files(wasi, "/"); kp_wasi_kpio_directories(wasi);
     ... kp_wasi_call(...) ...; kp_wasi_destroy(wasi). */
#ifndef KP_RUNTIME_WASI_KPIO_H
#define KP_RUNTIME_WASI_KPIO_H

#include "abi/types.h"
#include "runtime/wasi/wasi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For kp_wasi_options_t. A poll waits for at most KP_WAIT_MANY_MAX different handles: NOTSUP beyond. */
extern const kp_wasi_host_t kp_wasi_kpio_host;

/* Gives 0, 1 and 2: input, output, errors. Each handle is a channel (a message is a piece of the stream; the peer's
   end is the stream's) or a device that reads and writes bytes; taken, also on error. KP_HANDLE_NONE: the input is at
   its end, output goes to the kernel's log line by line (a line is cut into pieces of 1024 bytes; what the log refuses
   is lost). ERR_NO_MEMORY. */
kp_status_t kp_wasi_kpio_streams(kp_wasi_t *wasi, const kp_handle_t streams[3]);
/* The same with the handles "stdin", "stdout", "stderr" of the startup message (abi/startup.h). */
kp_status_t kp_wasi_kpio_startup_streams(kp_wasi_t *wasi);
/* Logs what lines to the log hold back for want of a newline; kp_wasi_destroy and fd_close do so too. */
void kp_wasi_kpio_flush(kp_wasi_t *wasi);

/* Gives a read-only directory with the files of the startup message ("file:fonts/x.ttf" is fonts/x.ttf), preopened as
   `name`. Contents are read from the VMOs when they are asked for. ERR_NO_MEMORY. */
kp_status_t kp_wasi_kpio_files(kp_wasi_t *wasi, const char *name);

/* Gives the directories of the startup message ("dir:NAME=RIGHTS"), preopened by their names; those without the right to
   write are read-only. ERR_NO_MEMORY. */
kp_status_t kp_wasi_kpio_directories(kp_wasi_t *wasi);
/* Was (or is) one of that name in it? */
bool kp_wasi_kpio_has_directory(const char *name);
/* Gives one: a channel that speaks abi/file.h; taken, also on error. */
kp_status_t kp_wasi_kpio_give_directory(kp_wasi_t *wasi, kp_handle_t channel, const char *name,
                                        bool read_only);

/* For programs that were given no "/tmp": gives an empty directory in memory, preopened as `name`, for at most `bytes` of contents (NOSPC beyond); it goes with
   its last descriptor. ERR_NO_MEMORY. */
kp_status_t kp_wasi_kpio_temporary(kp_wasi_t *wasi, const char *name, uint64_t bytes);
#define KP_WASI_KPIO_TEMPORARY_BYTES (UINT64_C(64) << 20) /* usual */

#ifdef __cplusplus
}
#endif

#endif
