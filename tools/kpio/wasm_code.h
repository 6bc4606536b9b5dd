/* Where kpio wasm gets code from: the options about compiling, the cache's folder. */
#ifndef KP_TOOLS_KPIO_WASM_CODE_H
#define KP_TOOLS_KPIO_WASM_CODE_H

#include "runtime/compiler-process/obtain.h"

typedef struct kp_wasm_code_choice {
    bool in_process, lazy, no_cache;
    bool cache_needed;  /* it is said, too, when no folder for the cache is known */
    unsigned jobs;      /* 0: one for each processor, at most KP_WASM_JOBS_MAX */
    const char *folder; /* of the cache; NULL: the usual one */
} kp_wasm_code_choice_t;

/* Takes --cache DIR, --compiler WHERE, --compile WHEN, --jobs N; false: no such option or value. */
bool kp_wasm_code_option(kp_wasm_code_choice_t *choice, const char *name, const char *value);

/* Options for obtain.h. The cache is open, or NULL after a line on standard error that says why, or without one when
   there shall be none. kp_code_cache_close is the caller's. */
kp_code_options_t kp_wasm_code_options(const kp_wasm_code_choice_t *choice,
                                       kp_wasm_allocator_t allocator, uint32_t flags);

/* The folder for compiled code of KPIO itself, below that of kpio wasm (folder; NULL: the usual one): made, with its
   secret, if it is not there. False: there is none, which was said unless no folder is known. */
bool kp_wasm_code_system_folder(const char *folder, char *path, size_t size);

/* Says that the module at `path` is compiled, but was not stored. */
void kp_wasm_code_not_kept(const char *path, kp_status_t status);

/* Says why there is no code; the exit code. */
int kp_wasm_code_failed(const kp_code_options_t *options, const char *path, kp_status_t status,
                        const kp_compile_failure_t *failure);

#endif
