/* The artefact of the compiler: one flat, position-independent block that can lie in a file and be mapped
   read-only by any number of processes; it needs no relocation. Code reaches everything outside through
   the instance (instance/instance.h, whose KP_WASM_LAYOUT_VERSION is part of the version).

   Layout: this header in a page of its own; the code at `code` (4096); behind it, at `tables`,
   offsets[function_count + 1] and, when clause_count > 0, clause_first[function_count + 1] and
   clauses[clause_count]. All offsets count from the header's begin.

   An artefact is trusted input: it is machine code. Only what the compiler service wrote, or a cache
   that authenticates it, may be loaded; kp_wasm_code_load checks the shape, not the code. */
#ifndef KP_RUNTIME_COMPILE_CODE_H
#define KP_RUNTIME_COMPILE_CODE_H

#include "runtime/instance/code.h"
#include "runtime/instance/store.h"

#define KP_WASM_CODE_MAGIC "KPWCODE\0"
enum { KP_WASM_CODE_VERSION = 4, KP_WASM_CODE_PAGE = 4096 };

/* What the code needs of the processor. The baseline is x86-64-v2. */
typedef enum kp_wasm_cpu_feature {
    KP_WASM_CPU_AVX = 1 << 0,
    KP_WASM_CPU_BMI2 = 1 << 1,
    KP_WASM_CPU_LZCNT = 1 << 2,
    KP_WASM_CPU_TZCNT = 1 << 3, /* BMI1 */
} kp_wasm_cpu_feature_t;

typedef enum kp_wasm_compile_flag {
    /* 32-bit memories are GUARDED; else every access is checked. */
    KP_WASM_COMPILE_GUARDED = 1 << 0,
    /* Loop heads look for interruptions (function entries always do). */
    KP_WASM_COMPILE_INTERRUPT = 1 << 1,
    KP_WASM_COMPILE_FUEL = 1 << 2,
    /* Calls to functions that are not compiled together with the caller go through their funcinsts, so
       that parts of a module can be compiled one by one, at first use. */
    KP_WASM_COMPILE_LAZY = 1 << 3,
} kp_wasm_compile_flag_t;

typedef struct kp_wasm_code_header {
    char magic[8];
    uint32_t version;        /* KP_WASM_CODE_VERSION << 16 | KP_WASM_LAYOUT_VERSION */
    uint32_t cpu;            /* kp_wasm_cpu_feature_t */
    uint32_t flags;          /* kp_wasm_compile_flag_t */
    uint32_t function_count; /* of the module's own, from first_function on */
    uint32_t clause_count;
    uint32_t code; /* KP_WASM_CODE_PAGE */
    uint32_t code_size;
    uint32_t tables;         /* a multiple of 16 */
    uint32_t size;           /* of it all */
    uint32_t module_size;    /* of the WebAssembly module, as a first check */
    uint32_t first_function; /* among the module's own */
    uint32_t unused[3];
} kp_wasm_code_header_t;
_Static_assert(sizeof(kp_wasm_code_header_t) == 64, "artefact layout");

/* The features of this processor. */
uint32_t kp_wasm_cpu_features(void);

/* Code in memory, ready to run; kp_wasm_compiled_tier's tier_module. It must outlive the stores whose
   instances use it. */
typedef struct kp_wasm_code kp_wasm_code_t;

/* Maps a copy of the artefact's code and registers it. `artefact` can be freed afterwards. The module
   must be the one it was compiled from, and outlive it. Errors: KP_ERR_BAD_FORMAT (not the shape of an
   artefact, or not of this module), KP_ERR_NOT_SUPPORTED (other version or processor),
   KP_ERR_NO_MEMORY. */
kp_status_t kp_wasm_code_load(const void *artefact, size_t size, const kp_wasm_module_t *module,
                              kp_wasm_allocator_t allocator, kp_wasm_code_t **code);
/* The same without a copy: `mapped` is the artefact's code (what begins at its offset
   KP_WASM_CODE_PAGE), read-execute, which the caller keeps mapped until the code is unloaded. */
kp_status_t kp_wasm_code_adopt(const void *artefact, size_t size, const void *mapped,
                               const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                               kp_wasm_code_t **code);
/* NULL is allowed. */
void kp_wasm_code_unload(kp_wasm_code_t *code);

/* The functions it holds, among the module's own; all, unless it was compiled lazily. */
uint32_t kp_wasm_code_first(const kp_wasm_code_t *code);
uint32_t kp_wasm_code_count(const kp_wasm_code_t *code);
/* These functions of the instance run this code from now on. KP_ERR_INVALID_ARGUMENT, KP_ERR_BAD_STATE as
   attach below. */
kp_status_t kp_wasm_code_attach(const kp_wasm_code_t *code, kp_wasm_instance_t *instance);

/* The compiled tier, of code that holds all functions. attach fails with KP_ERR_BAD_STATE when the code was compiled for guarded memories
   and the instance has others. */
extern const kp_wasm_tier_t kp_wasm_compiled_tier;

#endif
