/* A decoded module becomes code that runs, by the compiler service: whole, or function by function. For native
   programs (runtime/native): the runner, the specification suites. */
#ifndef KP_SERVICES_COMPILER_OBTAIN_H
#define KP_SERVICES_COMPILER_OBTAIN_H

#include "runtime/compile/lazy.h"
#include "services/compiler/client.h"

typedef struct kp_compiler_options {
    kp_wasm_allocator_t allocator;
    uint32_t flags, cpu; /* as abi/compiler.h's */
    kp_time_t patience;  /* the client's: how long the service may be silent, ns */
    /* Groups of functions that are compiled when one of them is first called have that many bytes of bodies; 0: all
       at once. Modules that would have too many groups get larger ones. */
    uint32_t lazy_bytes;
} kp_compiler_options_t;

typedef struct kp_compiler_module {
    const kp_wasm_tier_t *tier;
    void *tier_module;
    bool is_cached; /* all of it was there */

    /* Private. */
    kp_compiler_options_t options;
    kp_compiler_client_t *compiler;
    kp_handle_t file;
    const kp_wasm_module_t *module;
    uint32_t number; /* 0: not open */
    kp_wasm_code_t *code;
    kp_wasm_lazy_t *lazy;
    struct kp_compiler_group *groups;
} kp_compiler_module_t;

/* `file`: a VMO with the module's bytes (READ | DUPLICATE | TRANSFER; borrowed, like the client and the module, until
   kp_compiler_discard). Without lazy_bytes the service validates, with them this does, unless all is there. The
   structure must stay where it is. *reply says what the service said, *error what the validation found (both set in
   every case). Errors: of the client, of kp_wasm_code_adopt, of the validation. A service that dies is asked once
   more, here and later. */
kp_status_t kp_compiler_obtain(kp_compiler_module_t *compiled, const kp_compiler_options_t *options,
                               kp_compiler_client_t *compiler, kp_handle_t file,
                               const kp_wasm_module_t *module, kp_compiler_reply_t *reply,
                               kp_wasm_error_t *error);
/* After the stores whose instances use it. Harmless on a zeroed one. */
void kp_compiler_discard(kp_compiler_module_t *compiled);

#endif
