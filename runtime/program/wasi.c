/* WASI preview 1 inside the module: the functions that wasi-libc imports, defined here, so that the linker resolves
   them and no WASI import is left. What they do is runtime/wasi over its host KPIO. */
#include "runtime/program/wasi.h"

#include "runtime/program/internal.h"
#include "runtime/program/kp.h"
#include "runtime/program/startup.h"
#include "runtime/wasi/kpio_internal.h"

static kp_wasi_t *wasi; /* until the process ends */
static kp_wasi_host_t host;
kp_status_t (*kp_program_wasi_directories)(kp_wasi_t *wasi);

static kp_wasi_file_t *input_without_reading(kp_handle_t handle)
{
    static const kp_wasi_file_ops_t ops = {.close = kp_wasi_kpio_stream_close};
    return kp_wasi_kpio_stream_create(handle, &ops, sizeof(kp_wasi_kpio_stream_t));
}
kp_wasi_file_t *(*kp_program_wasi_input)(kp_handle_t handle) = input_without_reading;

static kp_status_t create(void)
{
    const kp_wasi_options_t options = {.host = &host};
    kp_status_t status = kp_wasi_create(&options, &wasi);
    if (status == KP_OK)
        status = kp_wasi_kpio_streams_give(wasi, NULL, kp_program_wasi_input);
    if (status == KP_OK && kp_program_wasi_directories)
        status = kp_program_wasi_directories(wasi);
    return status;
}

/* Without memory for this a program could not do anything. */
__attribute__((noinline)) static void ensure(void)
{
    if (!wasi && create() != KP_OK)
        kp_process_trap(KP_TRAP_ABORT, 0);
}

__attribute__((noinline)) int32_t kp_program_wasi_call(kp_wasi_fn function,
                                                       const uint64_t *arguments)
{
    ensure();
    kp_wasi_context_t context = {.wasi = wasi, .arguments = arguments};
    context.memory.size = (uint64_t)__builtin_wasm_memory_size(0) << 16;
    return function(&context);
}

/* Each time: a process that was a snapshot has those of its own startup message. */
static void texts_set(void)
{
    ensure();
    wasi->options.arguments = kp_startup_arguments(&wasi->options.argument_count);
    wasi->options.environment = kp_startup_environment(&wasi->options.environment_count);
}

void kp_output_flush(void)
{
    if (wasi)
        kp_wasi_kpio_flush(wasi);
}

_Noreturn void __imported_wasi_snapshot_preview1_proc_exit(int32_t code);
_Noreturn void __imported_wasi_snapshot_preview1_proc_exit(int32_t code)
{
    kp_output_flush();
    kp_process_exit(code);
}

/* The host's functions, arguments and environment come with the functions that need them: the linker leaves out the
   others. */
#define FIRST_args_get texts_set()
#define FIRST_args_sizes_get texts_set()
#define FIRST_environ_get texts_set()
#define FIRST_environ_sizes_get texts_set()
#define FIRST_clock_time_get host.clock_time = kp_wasi_kpio_clock_time
#define FIRST_clock_res_get host.clock_resolution = kp_wasi_kpio_clock_resolution
#define FIRST_random_get host.random = kp_wasi_kpio_random
#define FIRST_poll_oneoff host.poll = kp_wasi_kpio_poll, FIRST_clock_time_get
#define FIRST_sched_yield host.yield = kp_wasi_kpio_yield

#define WASI_FUNCTION SHIM
#define WASI_OPTIONS_FUNCTION(name, ...) SHIM_AFTER((FIRST_##name), name, __VA_ARGS__)
#define WASI_READ_FUNCTION(...) /* wasi_read.c */
#define WASI_PATH_FUNCTION(...) /* wasi_path.c */
#define WASI_EXIT_FUNCTION(...)
#include "runtime/wasi/functions.def"
