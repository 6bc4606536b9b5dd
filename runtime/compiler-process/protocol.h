/* What is said between a host and its compiler process (client.h, process.c): one message at a time over a socket
   of packets, each answered by a reply. Descriptors travel with the messages that name them.

   The host believes nothing of a reply: sizes are compared with the files', text is cleaned, what is
   compiled is checked by its loader. */
#ifndef KP_RUNTIME_COMPILER_PROCESS_PROTOCOL_H
#define KP_RUNTIME_COMPILER_PROCESS_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/compile/code.h"

enum {
    KP_COMPILER_PROTOCOL = 1,
    KP_COMPILER_SOCKET = 3, /* the process's only descriptor at first */
    KP_COMPILER_VERSION =
        KP_COMPILER_PROTOCOL << 28 | KP_WASM_CODE_VERSION << 14 | KP_WASM_LAYOUT_VERSION,
};

typedef enum kp_compiler_order_kind {
    KP_COMPILER_OPEN,     /* first and once; with the module's file, sealed */
    KP_COMPILER_VALIDATE, /* all bodies */
    KP_COMPILER_COMPILE,  /* with an empty file, to which the artefact is written */
} kp_compiler_order_kind_t;

typedef struct kp_compiler_order {
    uint32_t kind;
    uint32_t version;      /* KP_COMPILER_VERSION */
    uint32_t first, count; /* COMPILE: of the module's own functions; all, unless flags has LAZY */
    /* OPEN */
    uint32_t features, flags, cpu; /* kp_wasm_options_t, kp_wasm_compile_options_t */
    uint32_t jobs;
    uint32_t cpu_seconds;
    uint32_t unused;
    uint64_t module_bytes, memory_bytes, code_bytes;
} kp_compiler_order_t;

typedef struct kp_compiler_reply {
    int32_t status;
    uint32_t error_kind, offset, function; /* kp_wasm_error_t */
    uint64_t size;                         /* of the artefact */
    char reason[96], detail[80];
} kp_compiler_reply_t;

/* The process's side: waits for an order. *file is the descriptor that came with it, -1: none. False: the host has
   gone or talks nonsense. */
bool kp_compiler_order_receive(kp_compiler_order_t *order, int *file);

#endif
