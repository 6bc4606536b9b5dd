/* The compiler: WebAssembly to x86-64 in one pass over each body, which validates it at the same time.
   Time and memory are linear in the bytes of the module. Input may be hostile: what it can cost is
   bounded by the module's limits and by code_maximum.

   Nothing here runs code or needs executable memory: it can work in a process that has neither. */
#ifndef KP_RUNTIME_COMPILE_COMPILE_H
#define KP_RUNTIME_COMPILE_COMPILE_H

#include "runtime/compile/code.h"
#include "runtime/wasm/body.h"

typedef struct kp_wasm_compile_options {
    kp_wasm_allocator_t allocator; /* of the artefact and of the work space */
    uint32_t flags;                /* kp_wasm_compile_flag_t */
    uint32_t cpu;                  /* kp_wasm_cpu_feature_t that may be used */
    size_t code_maximum;           /* bytes of code; at most 1 GiB */
} kp_wasm_compile_options_t;

/* Guarded memories, this processor, 512 MiB. */
kp_wasm_compile_options_t kp_wasm_compile_options_init(kp_wasm_allocator_t allocator);

typedef struct kp_wasm_artefact {
    void *bytes; /* kp_wasm_code_header_t and what follows */
    size_t size;
    kp_wasm_allocator_t allocator;
} kp_wasm_artefact_t;

/* Compiles all functions of a decoded module. *error as kp_wasm_body_visit fills it. Errors: an invalid
   body's; KP_ERR_NO_MEMORY; KP_ERR_TOO_LARGE (code_maximum, or a frame above 64 MiB). On an error
   nothing stays allocated. */
kp_status_t kp_wasm_compile(const kp_wasm_module_t *module,
                            const kp_wasm_compile_options_t *options, kp_wasm_artefact_t *artefact,
                            kp_wasm_error_t *error);
void kp_wasm_artefact_free(kp_wasm_artefact_t *artefact);

/* ---- lazily ----
   `first` and `count` here and below are among the module's own functions (imports not counted). */

/* An artefact of some functions, with options.flags & KP_WASM_COMPILE_LAZY; validates only these. */
kp_status_t kp_wasm_compile_range(const kp_wasm_module_t *module,
                                  const kp_wasm_compile_options_t *options, uint32_t first,
                                  uint32_t count, kp_wasm_artefact_t *artefact,
                                  kp_wasm_error_t *error);

/* How many functions from `first` on have that many bytes of bodies together: to cut a module into ranges
   or parts. 0 only when none is left. */
uint32_t kp_wasm_compile_split(const kp_wasm_module_t *module, uint32_t first, uint32_t bytes);

/* ---- in parallel ----
   Parts of one module may be compiled by several threads at the same time, each with an allocator that
   it may call then; joined they are byte by byte what kp_wasm_compile makes. */

typedef struct kp_wasm_part kp_wasm_part_t;

kp_status_t kp_wasm_part_compile(const kp_wasm_module_t *module,
                                 const kp_wasm_compile_options_t *options, uint32_t first,
                                 uint32_t count, kp_wasm_part_t **part, kp_wasm_error_t *error);
/* NULL is allowed. Uses the allocator it was compiled with. */
void kp_wasm_part_free(kp_wasm_part_t *part);
/* The parts, in order, must be the whole module. Uses the first one's allocator; keeps the parts.
   KP_ERR_NO_MEMORY, KP_ERR_TOO_LARGE. */
kp_status_t kp_wasm_parts_join(kp_wasm_part_t *const *parts, uint32_t count,
                               kp_wasm_artefact_t *artefact);

#endif
