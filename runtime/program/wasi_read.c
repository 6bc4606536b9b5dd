/* The imports that read, and standard input: programs without them do not carry it. */
#include "runtime/program/wasi.h"
#include "runtime/wasi/kpio_internal.h"

/* As in wasi_path.c; before wasi-libc's own constructors too, which may make the first call. */
__attribute__((constructor(50))) static void reading_wanted(void)
{
    kp_program_wasi_input = kp_wasi_kpio_input;
}

#define WASI_FUNCTION(...)
#define WASI_READ_FUNCTION SHIM
#define WASI_PATH_FUNCTION(...)
#define WASI_OPTIONS_FUNCTION(...)
#define WASI_EXIT_FUNCTION(...)
#include "runtime/wasi/functions.def"
