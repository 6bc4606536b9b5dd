/* In the place of compiler, its process and cache: libkpwasm-interpret.a. Engines are told KPWASM_TIER_INTERPRET, so only the
   discarding of no code is ever called. */
#include <stdio.h>

#include "runtime/embed/internal.h"

const bool kp_embed_has_compiler = false;

kp_status_t kp_code_obtain(const kp_code_options_t *options, const kp_wasm_module_t *module,
                           kp_code_source_t *source, kp_compile_failure_t *failure)
{
    (void)options, (void)module;
    *source = (kp_code_source_t){0};
    snprintf(failure->text, sizeof failure->text, "this library has no compiler");
    return KP_ERR_NOT_SUPPORTED;
}

void kp_code_discard(kp_code_source_t *source)
{
    (void)source;
}

kp_status_t kp_code_cache_open(const char *path, uint64_t bytes_max, kp_code_cache_t **out)
{
    (void)path, (void)bytes_max;
    *out = NULL;
    return KP_ERR_NOT_SUPPORTED;
}

void kp_code_cache_close(kp_code_cache_t *cache)
{
    (void)cache;
}
