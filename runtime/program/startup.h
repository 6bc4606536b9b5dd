/* What the process was given at its start: arguments (main's argv), environment and named handles
   (abi/startup.h). The startup message is read at the first use of any of these; nothing need be
   initialised. A process whose message is missing or malformed ends with KP_TRAP_ABORT: it could
   not do anything. */
#ifndef KP_RUNTIME_PROGRAM_STARTUP_H
#define KP_RUNTIME_PROGRAM_STARTUP_H

#include <stddef.h>

#include "abi/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Takes the handle with this name ("svc:http", "dev:gpu0", "control", "coordinator"): it is the
   caller's now. KP_HANDLE_NONE when no such handle was given, or it has been taken. */
kp_handle_t kp_startup_take(const char *name);

/* The bytes of a boot-archive file ("fonts/DejaVuSans.ttf", without "file:"), mapped read-only into
   linear memory; *size (may be NULL) gets its length. Mapped once, shared by all processes, stays
   until the process ends: a second call returns the same address. NULL when the process was not
   given this file or memory is short. Bytes after the end up to the page's end are zero. */
const void *kp_startup_file(const char *path, size_t *size);

/* The file that kp_startup_name(index) names ("file:..."), without mapping it: its length in bytes, and bytes out of
   it. ERR_NOT_FOUND when the name is of no file or its handle was taken, ERR_OUT_OF_RANGE unless
   offset + count <= length, vmo_read's errors. */
kp_status_t kp_startup_file_size(size_t index, uint64_t *size);
kp_status_t kp_startup_file_read(size_t index, uint64_t offset, void *bytes, size_t count);

/* The names of all handles given, in the message's order, as the creator wrote them without the
   size suffix ("file:fonts/DejaVuSans.ttf"), also of taken ones. NULL at and after the end. */
const char *kp_startup_name(size_t index);

/* Becomes a snapshot (process_freeze): closes the handles that came and were not taken, and freezes.
   Returns KP_OK in each clone, which then has the handles and arguments of its own startup message;
   files that were mapped before stay where they are. On error the process goes on, without the handles
   that were closed. ERR_BAD_STATE: it holds other handles, or mappings that may change. */
kp_status_t kp_startup_freeze(void);

/* Arguments, as main gets them: for code far from main. argument 0 is the program's name. NULL at
   and after the end. */
const char *kp_startup_argument(size_t index);
/* All of them, and the environment ("NAME=value"), each with a NULL behind the last; *count (may be NULL)
   says how many. They stay until the process becomes a snapshot. */
const char *const *kp_startup_arguments(size_t *count);
const char *const *kp_startup_environment(size_t *count);

#ifdef __cplusplus
}
#endif

#endif
