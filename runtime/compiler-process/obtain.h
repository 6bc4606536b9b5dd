/* A decoded module becomes code that runs: from the cache, or compiled, in this process or in one of its own, at once by
   several threads or lazily. What kpio wasm and libkpwasm use. Host code (Linux, x86-64). */
#ifndef KP_RUNTIME_COMPILER_PROCESS_OBTAIN_H
#define KP_RUNTIME_COMPILER_PROCESS_OBTAIN_H

#include "runtime/cache/cache.h"
#include "runtime/compile/lazy.h"
#include "runtime/compiler-process/client.h"

enum {
    /* Groups of lazy compilation, bytes of bodies. README.md has the measurement. */
    KP_WASM_LAZY_BYTES = 8 << 10,
};

typedef struct kp_code_options {
    kp_wasm_allocator_t allocator; /* called by all threads at the same time */
    uint32_t flags;                /* kp_wasm_compile_flag_t without LAZY */
    bool own_process;              /* the compiler gets one */
    bool lazy;                     /* bodies are validated at once, compiled at their first call */
    uint32_t lazy_bytes;           /* 0: KP_WASM_LAZY_BYTES */
    unsigned jobs;                 /* threads that compile; 0: one */
    kp_compiler_limits_t limits;   /* of the process */
    /* NULL: none. Whole artefacts are looked for in it, also when `lazy`; what is compiled whole is stored. When a
       lazy module's first function is called, the whole is compiled beside it and stored (keep.h), so that the
       next start finds it. Its errors are none: without it everything goes on, slower. */
    kp_code_cache_t *cache;
} kp_code_options_t;

typedef struct kp_code_source {
    const kp_wasm_tier_t *tier;
    void *tier_module;
    bool is_cached;
    kp_status_t stored; /* what became of storing it in the cache; KP_OK when that was not due */

    /* Private. */
    kp_wasm_code_t *code;
    kp_wasm_lazy_t *lazy;
    struct kp_lazy_source *lazy_source;
    kp_code_entry_t entry;
    kp_compiled_t compiled;
    kp_wasm_artefact_t artefact;
} kp_code_source_t;

/* The module, with its bytes, must outlive *source, and that the stores whose instances use it. Errors: those of
   kp_wasm_compile and of kp_compiler_process_start and so on; *failure says why in one line. */
kp_status_t kp_code_obtain(const kp_code_options_t *options, const kp_wasm_module_t *module,
                           kp_code_source_t *source, kp_compile_failure_t *failure);
/* What is compiled beside a lazy module and not done yet is given up. */
void kp_code_discard(kp_code_source_t *source);
/* Waits for it before. What became of storing it; KP_OK when none of the module has run, or nothing was to be done. */
kp_status_t kp_code_finish(kp_code_source_t *source);

/* Only the artefact, compiled as kp_code_obtain does (not lazily), whatever the cache has; stored in the cache. For
   files. Freed by kp_code_discard. */
kp_status_t kp_code_compile(const kp_code_options_t *options, const kp_wasm_module_t *module,
                            kp_code_source_t *source, const void **bytes, size_t *size,
                            kp_compile_failure_t *failure);

#endif
