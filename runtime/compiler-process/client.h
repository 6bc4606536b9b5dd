/* Compiles in a Linux process of its own: one process for one module, started for it and ended with it, so that
   whatever a module does to the compiler ends there. The process has no file, no network, no memory of
   this one, no executable memory; limits on memory and time; it gets the module as a sealed memory file
   and writes the code to memory files that this side makes, and seals before it maps them.

   What the process cannot be kept from is bad code for its own module: code is trusted, see
   docs/security.md.

   The process is a child: a host that waits for any child (waitpid(-1)) may take its status first, then
   failures say less. Descriptors are close-on-exec. A kp_compiler_process_t belongs to one thread at a
   time. Host code (Linux, x86-64). */
#ifndef KP_RUNTIME_COMPILER_PROCESS_CLIENT_H
#define KP_RUNTIME_COMPILER_PROCESS_CLIENT_H

#include "runtime/compile/compile.h"

typedef struct kp_compiler_limits {
    uint64_t
        memory_bytes; /* of the process's address space and of each file; 0: 2 GiB and 64 bytes for each of the module */
    uint32_t cpu_seconds;   /* 0: 60 */
    uint32_t clock_seconds; /* for one answer; 0: 300 */
} kp_compiler_limits_t;

/* Why something failed: one line, good to be shown. */
typedef struct kp_compile_failure {
    char text[320];
} kp_compile_failure_t;

typedef struct kp_compiler_process kp_compiler_process_t;

/* A sealed memory file with these bytes; -1: exhausted. The caller closes it. */
int kp_compiler_module_file(const void *bytes, size_t size);

/* Starts a process and lets it decode the module, which must stay as it is only in the file. options: flags, cpu and
   code_maximum count. KP_ERR_NO_MEMORY, KP_ERR_NOT_SUPPORTED (no such processes or sandbox on this Linux),
   KP_ERR_PROCESS_DEAD, the decoder's errors. *failure may be NULL. */
kp_status_t kp_compiler_process_start(const kp_wasm_compile_options_t *options,
                                      kp_wasm_features_t features,
                                      const kp_compiler_limits_t *limits, unsigned jobs,
                                      int module_file, size_t module_size,
                                      kp_compiler_process_t **process,
                                      kp_compile_failure_t *failure);
/* Any thread, also while another waits for an answer, which then is that the process died. */
void kp_compiler_process_stop(kp_compiler_process_t *process);
/* NULL is allowed. Waits for its end. */
void kp_compiler_process_end(kp_compiler_process_t *process);

/* Validates all bodies. Errors of start, and an invalid body's. */
kp_status_t kp_compiler_process_validate(kp_compiler_process_t *process,
                                         kp_compile_failure_t *failure);

/* An artefact in a sealed file, mapped read-execute, never writable by anybody again. */
typedef struct kp_compiled {
    const uint8_t *bytes;
    size_t size;
} kp_compiled_t;

/* Functions [first, first + count); all of them unless options.flags has LAZY. Errors of validate;
   KP_ERR_PROTOCOL: the process lied. */
kp_status_t kp_compiler_process_compile(kp_compiler_process_t *process, uint32_t first,
                                        uint32_t count, kp_compiled_t *compiled,
                                        kp_compile_failure_t *failure);
void kp_compiled_unmap(kp_compiled_t *compiled);

/* For tests and measurements: the process's number. */
int kp_compiler_process_number(const kp_compiler_process_t *process);

#endif
