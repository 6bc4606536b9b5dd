/* Asking the compiler service for code (abi/compiler.h). For WebAssembly programs and for native ones:
   needs kp.h's calls and nothing of libc but memcpy and memset. */
#ifndef KP_SERVICES_COMPILER_CLIENT_H
#define KP_SERVICES_COMPILER_CLIENT_H

#include <stdbool.h>

#include "abi/compiler.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kp_compiler {
    kp_handle_t service; /* svc:compiler with KP_RIGHT_CONNECT; borrowed */
    kp_handle_t channel; /* NONE: not connected */
    /* 0: the deadlines below are those of whole operations. Else they do not count: an operation takes as long as it
       takes, but ERR_TIMED_OUT if the service says nothing at all for so long, ns. */
    kp_time_t patience;
} kp_compiler_client_t;

/* A compiler's answer: code that can be mapped (code_map), and where the caller mapped it. */
typedef struct kp_compiler_code {
    kp_handle_t code; /* owned */
    uint64_t address; /* of the artefact (runtime/compile/code.h) for native code; 0: not mapped */
    uint32_t size;    /* of the artefact */
    bool is_cached;
    uint64_t compile_ns;
} kp_compiler_code_t;

/* Borrows svc:compiler until kp_compiler_disconnect. Never blocks. Errors: service_connect. */
kp_status_t kp_compiler_connect(kp_compiler_client_t *compiler, kp_handle_t service);
/* Closes the connection: codes that came over it can no longer be mapped; what is mapped stays. */
void kp_compiler_disconnect(kp_compiler_client_t *compiler);

/* Compiles the first size bytes of a VMO (READ | DUPLICATE | TRANSFER; borrowed) and maps the code.
   flags, cpu: abi/compiler.h. *reply (may be NULL) has the service's whole answer, zero when there was none.
   ERR_PEER_CLOSED: the service died meanwhile; the next call connects to the new one, and may be tried at
   once. ERR_TIMED_OUT at the deadline. Others: abi/compiler.h, code_map's. */
kp_status_t kp_compiler_compile_vmo(kp_compiler_client_t *compiler, kp_handle_t module,
                                    uint32_t size, uint32_t flags, uint32_t cpu, kp_time_t deadline,
                                    kp_compiler_code_t *code, kp_compiler_reply_t *reply);
/* The same of bytes in memory, which are copied. */
kp_status_t kp_compiler_compile(kp_compiler_client_t *compiler, const void *module, uint32_t size,
                                uint32_t flags, uint32_t cpu, kp_time_t deadline,
                                kp_compiler_code_t *code, kp_compiler_reply_t *reply);
/* A handle to code that does nothing, by which a client may have guest memories (guest_create) before it has code
   that uses them. */
kp_status_t kp_compiler_authority(kp_compiler_client_t *compiler, kp_time_t deadline,
                                  kp_handle_t *code);

/* ---- function by function ---- */

/* As kp_compiler_compile_vmo, unless the whole module's code is not there yet: then *number > 0 and *code is zero. The
   caller validates the module. */
kp_status_t kp_compiler_open_vmo(kp_compiler_client_t *compiler, kp_handle_t module, uint32_t size,
                                 uint32_t flags, uint32_t cpu, kp_time_t deadline, uint32_t *number,
                                 kp_compiler_code_t *code, kp_compiler_reply_t *reply);
/* Functions [first, first + count) of the module's own, of an open module. *number becomes 0 when the code is the whole
   module's: then it is closed. ERR_PEER_CLOSED: the service died; open it again. */
kp_status_t kp_compiler_functions(kp_compiler_client_t *compiler, uint32_t *number, uint32_t first,
                                  uint32_t count, kp_time_t deadline, kp_compiler_code_t *code,
                                  kp_compiler_reply_t *reply);

/* Unmaps and closes. Harmless on a zeroed one. */
void kp_compiler_code_release(kp_compiler_code_t *code);
kp_status_t kp_compiler_ask_info(kp_compiler_client_t *compiler, kp_time_t deadline,
                                 kp_compiler_info_t *info);
/* Waits until what was compiled for the caller's job is whole and kept, as far as it will be: before the system ends. */
kp_status_t kp_compiler_settle(kp_compiler_client_t *compiler, kp_time_t deadline);

#ifdef __cplusplus
}
#endif

#endif
