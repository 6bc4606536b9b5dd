/* The program wasm-runner: runs one user's WebAssembly program (WASI preview 1) in a process of its own.

   Startup message (abi/startup.h):
     arguments  wasm-runner [--tier interpret|compile] [--compile eager|lazy] [--fuel N] [--max-memory BYTES]
                [--memory checked] [--settle yes] [--env NAME=VALUE]... [--stdin NAME] [--] MODULE [ARGUMENT]...   MODULE names the file: `program/x.wasm` is the handle
                "file:program/x.wasm"; the program gets it as its argument 0, without directories
     environment   the program's, too
     handles    file:MODULE; file:NAME for --stdin; stdin, stdout, stderr (each may be missing); svc:compiler: without it programs
                are interpreted; other files: the program finds them below "/"
   Nothing else reaches the program: no other handle is ever looked at on its behalf.

   How it ends: with the program's exit code (process_exit); by the trap's KP_TRAP_* with the backtrace on
   the standard error; KP_TRAP_LIMIT when the fuel is used up; code 1 when the module is bad, lacks an import or
   memory is short, code 2 when the arguments are wrong, each with one line that says why. */
#ifndef KP_RUNTIME_RUNNER_RUNNER_H
#define KP_RUNTIME_RUNNER_RUNNER_H

#include "runtime/compile/code.h"
#include "runtime/interpret/interpret.h"
#include "runtime/wasi/wasi.h"
#include "services/compiler/obtain.h"

enum {
    KP_RUNNER_FAILED = 1,
    KP_RUNNER_USAGE = 2,
    KP_RUNNER_ENVIRONMENT_MAX = 256,
};

typedef enum kp_runner_tier {
    KP_RUNNER_TIER_ANY, /* compiled where a compiler answers */
    KP_RUNNER_TIER_INTERPRET,
    KP_RUNNER_TIER_COMPILE,
} kp_runner_tier_t;

typedef enum kp_runner_compile {
    KP_RUNNER_COMPILE_ANY, /* large modules lazily */
    KP_RUNNER_COMPILE_EAGER,
    KP_RUNNER_COMPILE_LAZY,
} kp_runner_compile_t;

typedef struct kp_runner_options {
    kp_runner_tier_t tier;
    kp_runner_compile_t compile;
    bool metered;
    bool settles;        /* ends when the compiler has kept what it made for it */
    bool checked_memory; /* no guard pages, though they were to be had */
    int64_t fuel;
    uint64_t memory_maximum; /* bytes */
    const char *module;      /* the file's name */
    const char *input;       /* a file's name; NULL: the handle stdin */
    const char *const *environment;
    size_t environment_count;
    const char **arguments; /* of the program; 0: its name */
    size_t argument_count;
} kp_runner_options_t;

/* False: wrong, and said so. `own` is room for the environment of the options and of the startup message. */
bool kp_runner_parse(int argc, char **argv, kp_runner_options_t *options,
                     const char *own[KP_RUNNER_ENVIRONMENT_MAX]);

/* The file becomes the standard input; after kp_wasi_kpio_files, whose descriptor follows the streams. ERR_NOT_FOUND,
   ERR_TOO_LARGE (the name). */
kp_status_t kp_runner_input(kp_wasi_t *wasi, const char *name);

/* The directories of the startup message. If "/" is among them it takes the place of the startup message's files, which
   kp_wasi_kpio_files gave first. ERR_NO_MEMORY. */
kp_status_t kp_runner_directories(kp_wasi_t *wasi);

/* A module in memory and what runs it. */
typedef struct kp_runner_code {
    uint8_t *bytes; /* the file, mapped */
    size_t size;
    kp_wasm_module_t *module;
    kp_wasm_interpreted_t *interpreted; /* one of the two */
    kp_compiler_module_t compiled;      /* tier NULL: it is the other */
    kp_compiler_client_t compiler;
    kp_handle_t file;
    bool is_guarded; /* compiled for memories with guard pages */
} kp_runner_code_t;

/* Finds, decodes, and validates or compiles it. KP_OK, else it was said why. */
kp_status_t kp_runner_load(const kp_runner_options_t *options, kp_wasm_allocator_t allocator,
                           kp_runner_code_t *code);

/* Waits until what was compiled is kept, if that was asked for. */
void kp_runner_settle(const kp_runner_options_t *options, kp_runner_code_t *code);

/* Compiles it once more, for checked memories, in place of what it was compiled to for guarded ones, which
   nothing uses any more. KP_OK, else it was said why. */
kp_status_t kp_runner_compile_checked(const kp_runner_options_t *options,
                                      kp_wasm_allocator_t allocator, kp_runner_code_t *code);

/* Instantiates and calls _start. Ends the process. */
_Noreturn void kp_runner_run(const kp_runner_options_t *options, kp_wasm_allocator_t allocator,
                             kp_runner_code_t *code, kp_wasi_t *wasi);

#endif
