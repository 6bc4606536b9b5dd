/* The imports that take paths, and the directories that a program finds: "/" with the files of the startup message, to
   read only; those that it was given ("dir:NAME"); and "/tmp" in its own memory unless it was given one. */
#include "runtime/program/wasi.h"
#include "runtime/wasi/kpio.h"

static kp_status_t give_directories(kp_wasi_t *wasi)
{
    kp_status_t status = kp_wasi_kpio_files(wasi, "/");
    if (status == KP_OK)
        status = kp_wasi_kpio_directories(wasi);
    if (status == KP_OK && !kp_wasi_kpio_has_directory("/tmp"))
        status = kp_wasi_kpio_temporary(wasi, "/tmp", KP_WASI_KPIO_TEMPORARY_BYTES);
    return status;
}

/* The linker keeps a constructor if anything else of its file is kept: only then is any of this in a program. It
   runs before wasi-libc's (priority 51), which asks for preopened directories. */
__attribute__((constructor(50))) static void paths_wanted(void)
{
    kp_program_wasi_directories = give_directories;
}

#define WASI_FUNCTION(...)
#define WASI_READ_FUNCTION(...)
#define WASI_PATH_FUNCTION SHIM
#define WASI_OPTIONS_FUNCTION(...)
#define WASI_EXIT_FUNCTION(...)
#include "runtime/wasi/functions.def"
