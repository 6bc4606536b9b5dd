/* Service "compiler": WebAssembly modules to code objects (docs/security.md, services/compiler).

   A client asks by channel_call on a connection to svc:compiler: one request, one handle with it, one
   reply. The programs' library for it is services/compiler/client.h.

     COMPILE  kp_compiler_request_t and the module: a VMO (READ | DUPLICATE). What the client writes there
              while the service works has no effect: the service takes a copy-on-write copy first.
              Reply: kp_compiler_reply_t; with KP_OK one handle: the artefact (runtime/compile/code.h) as code
              (EXECUTE, MAP, INSPECT, TRANSFER), to be mapped by code_map. The same module asked for again,
              by anybody, with the same flags and processor features, gives the same code object while it is
              in the service's cache. The handle is revoked when the connection closes; mappings stay.
     OPEN     as COMPILE, of a module that is to be compiled function by function. Reply: kp_compiler_reply_t; when
              the whole module's code is there already, as COMPILE's. Else no handle and a number, `module`, by
              which this connection asks for functions. The service has not looked at the module yet: who opens
              it validates it. Meanwhile, when the connection is quiet or gone, the service compiles the whole.
     FUNCTIONS kp_compiler_functions_t, no handle: these functions of an open module. Reply: kp_compiler_reply_t; with
              KP_OK one handle: either their code, in which calls out of the range go through funcinsts
              (KP_WASM_COMPILE_LAZY), and `module`; or, with `module` 0, the code of the whole module, which
              closes it.
     WAIT     kp_compiler_functions_t, no handle. COMPILE and OPEN that take long are answered by ERR_SHOULD_WAIT and a
              number, `module`, and go on: this asks again for the answer to that one, and may be told to wait again.
              FUNCTIONS that take long are answered by ERR_SHOULD_WAIT too: the same FUNCTIONS asks again. So a
              service that is silent for long is none, however slow the machine is.
     INFO     kp_compiler_request_t, no handle. Reply: kp_compiler_info_t, of this connection only.
     SETTLE   kp_compiler_request_t, no handle: for who is about to end the system. What the connection has open is
              compiled whole now. Reply: kp_compiler_info_t, when nothing of the connection's job is being compiled in
              the background or written to the cache's directory any more. One at a time of a connection:
              ERR_BUSY in its status.

   Errors in the reply's status: KP_ERR_BAD_FORMAT, KP_ERR_NOT_SUPPORTED, KP_ERR_TOO_LARGE (the module; text,
   offset and function say where), KP_ERR_INVALID_ARGUMENT (the request), KP_ERR_ACCESS_DENIED and
   KP_ERR_WRONG_TYPE (the handle), KP_ERR_TIMED_OUT (the module took longer than any should),
   KP_ERR_QUOTA (the client, which is the job that its process is in, holds code of
   KP_COMPILER_CLIENT_BYTES_MAX, or all memory for code is held),
   KP_ERR_NO_MEMORY, KP_ERR_PROCESS_DEAD (the process that compiled it crashed). A message that is no
   request closes the connection. */
#ifndef KP_ABI_COMPILER_H
#define KP_ABI_COMPILER_H

#include "abi/types.h"

enum {
    KP_COMPILER_COMPILE = 1,
    KP_COMPILER_INFO = 2,
    KP_COMPILER_OPEN = 3,
    KP_COMPILER_FUNCTIONS = 4,
    KP_COMPILER_SETTLE = 5,
    KP_COMPILER_WAIT = 6,
};

#define KP_COMPILER_MODULE_BYTES_MAX (64u << 20)
#define KP_COMPILER_CODE_BYTES_MAX (128u << 20)
/* Code that one client was given and somebody still holds. */
#define KP_COMPILER_CLIENT_BYTES_MAX (128u << 20)
/* Of one connection; further requests wait in its channel. */
#define KP_COMPILER_REQUESTS_MAX 4u
/* Of one job; OPEN beyond compiles the whole module. */
#define KP_COMPILER_MODULES_MAX 64u
#define KP_COMPILER_TEXT_MAX 200u

typedef struct kp_compiler_request {
    uint32_t ordinal;
    uint32_t flags; /* kp_wasm_compile_flag_t: guarded, interruption, fuel; not lazy */
    uint32_t cpu; /* kp_wasm_cpu_feature_t that the code may use: of the processor it will run on */
    uint32_t module_size; /* bytes, at most the VMO's */
} kp_compiler_request_t;

typedef struct kp_compiler_functions {
    uint32_t ordinal;
    uint32_t module;       /* the number that OPEN gave */
    uint32_t first, count; /* among the module's own functions; count > 0 */
} kp_compiler_functions_t;

typedef struct kp_compiler_reply {
    kp_status_t status;
    uint32_t is_cached;     /* 1: it was there already */
    uint32_t artefact_size; /* bytes; the code object has whole pages */
    uint32_t offset;        /* in the module, of what is wrong with it */
    uint32_t function;      /* index; UINT32_MAX: outside bodies */
    uint32_t text_size;
    uint64_t compile_ns; /* decoding and compiling alone; 0 when it was there */
    uint32_t module;     /* OPEN, FUNCTIONS; with ERR_SHOULD_WAIT: for WAIT */
    uint32_t reserved;   /* 0 */
    char text
        [KP_COMPILER_TEXT_MAX]; /* one line for people, with offset and function; may be empty */
} kp_compiler_reply_t;

typedef struct kp_compiler_info {
    kp_status_t status;
    uint32_t found;    /* requests that the cache answered */
    uint32_t compiled; /* that were compiled */
    uint32_t refused;  /* that ended with an error */
    uint64_t held; /* bytes of code on this connection's account, or mapped since earlier ones */
    uint32_t requests;  /* in work */
    uint32_t workers;   /* that compile for it now */
    uint32_t modules;   /* of its job: open */
    uint32_t completed; /* of its job: were opened and are compiled whole */
    uint32_t loaded;    /* requests whose answer was read from the cache's directory */
    uint32_t reserved;  /* 0 */
} kp_compiler_info_t;

KP_STATIC_ASSERT(sizeof(kp_compiler_request_t) == 16, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_compiler_functions_t) == 16, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_compiler_reply_t) == 40 + KP_COMPILER_TEXT_MAX, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_compiler_info_t) == 48, "ABI layout");

#endif
