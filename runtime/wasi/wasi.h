/* WASI preview 1: one implementation for all ways to run a program. It sees a program's memory as bytes with a
   size, and the world through a host (host.h): Linux files under opened directories (linux.h), or KPIO's calls (kpio.h).

   A program can reach what its descriptors name and nothing else: directories are given one by one, paths never
   leave them (also not by "..", absolute names or symbolic links), and rights only shrink.

   A kp_wasi_t belongs to one thread at a time. */
#ifndef KP_RUNTIME_WASI_WASI_H
#define KP_RUNTIME_WASI_WASI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"
#include "runtime/wasi/abi.h"
#include "runtime/wasi/host.h"

/* A program's linear memory during one call. Every access is checked against size. */
typedef struct kp_wasi_memory {
    uint8_t *base;
    uint64_t size;
} kp_wasi_memory_t;

typedef enum kp_wasi_function {
#define WASI_FUNCTION(name, ...) KP_WASI_##name,
#include "runtime/wasi/functions.def"
    KP_WASI_FUNCTIONS
} kp_wasi_function_t;

typedef struct kp_wasi_signature {
    const char *name;
    const char *parameters; /* one letter each: i = i32, I = i64 */
} kp_wasi_signature_t;
extern const kp_wasi_signature_t kp_wasi_signatures[KP_WASI_FUNCTIONS];

typedef struct kp_wasi kp_wasi_t;

typedef struct kp_wasi_options {
    /* Borrowed: they stay as long as the program can ask for them. Environment entries are "NAME=value". */
    const char *const *arguments;
    size_t argument_count;
    const char *const *environment;
    size_t environment_count;
    const kp_wasi_host_t *host; /* clocks, entropy, waiting; stays */
    uint32_t descriptors_max;   /* 0: 1024 */
} kp_wasi_options_t;

/* ERR_NO_MEMORY. */
kp_status_t kp_wasi_create(const kp_wasi_options_t *options, kp_wasi_t **out);
/* Closes all descriptors. NULL is allowed. */
void kp_wasi_destroy(kp_wasi_t *wasi);

/* Gives the program a descriptor: the lowest free number, so 0, 1, 2 come first. The file is taken, also on
   error. name: of a directory that the program shall find as preopened ("/data"), copied; else NULL. ERR_NO_MEMORY,
   ERR_QUOTA. */
kp_status_t kp_wasi_give(kp_wasi_t *wasi, kp_wasi_file_t *file, uint64_t rights_base,
                         uint64_t rights_inheriting, const char *name, uint32_t *descriptor);

/* The same for a standard stream (the program may only read, or only write; is_terminal: a person is behind it), and
   for a directory that is preopened as `name`, to read only or for all. */
kp_status_t kp_wasi_give_stream(kp_wasi_t *wasi, kp_wasi_file_t *file, bool is_input,
                                bool is_terminal);
kp_status_t kp_wasi_give_directory(kp_wasi_t *wasi, kp_wasi_file_t *file, const char *name,
                                   bool read_only);

/* Calls a function with its arguments (i32 zero-extended). The result is the errno; a function that ends the
   program has set kp_wasi_has_exited. */
kp_wasi_errno_t kp_wasi_call(kp_wasi_t *wasi, kp_wasi_memory_t memory, kp_wasi_function_t function,
                             const uint64_t *arguments);

/* Did the program call proc_exit? Then the embedder stops it and *code is its code. */
bool kp_wasi_has_exited(const kp_wasi_t *wasi, uint32_t *code);

#endif
