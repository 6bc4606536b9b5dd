/* System calls: numbers, and what is common to all. Programs include runtime/program/kp.h, which
   declares one function `kp_NAME` per call. What each call does, with its arguments: abi/calls.def;
   the same as a page: docs/calls.md.

   Common errors: ERR_BAD_HANDLE, ERR_REVOKED, ERR_WRONG_TYPE, ERR_ACCESS_DENIED (a handle),
   ERR_BAD_ADDRESS (a buffer outside the caller's memory), ERR_INVALID_ARGUMENT, ERR_NO_MEMORY,
   ERR_QUOTA. A call that fails has had no effect, unless said. */
#ifndef KP_ABI_CALLS_H
#define KP_ABI_CALLS_H

#include "abi/types.h"

enum {
#define KP_CALL(number, name, ...) KP_CALL_##name = (number),
#include "abi/calls.def"
#undef KP_CALL
    KP_CALL_LIMIT = 128 /* numbers are below this */
};

typedef struct kp_object_info {
    uint64_t koid; /* unique for the life of the system */
    uint32_t type; /* KP_TYPE_* */
    kp_rights_t rights;
} kp_object_info_t;

typedef struct kp_vmo_info {
    uint64_t size;
    uint64_t private_bytes; /* committed, and nobody else's */
    uint64_t shared_bytes;  /* committed, and shared with clones until one side writes */
    uint32_t mappings;
    uint32_t seals; /* KP_VMO_SEAL_* */
} kp_vmo_info_t;

/* Kinds of code. */
enum {
    KP_CODE_PROGRAM = 1, /* of the boot archive: for process_create */
    KP_CODE_MADE = 2,    /* by code_create: for code_map */
};

#define KP_CODE_SIZE_MAX ((uint64_t)1 << 30)
#define KP_CODE_MAPPINGS_MAX 1024u /* of one process */

typedef struct kp_code_info {
    uint64_t size;     /* bytes, a multiple of KP_PAGE_SIZE */
    uint32_t kind;     /* KP_CODE_* */
    uint32_t handles;  /* to it, anywhere; also in messages on their way */
    uint32_t mappings; /* KP_CODE_MADE: by code_map, in all processes */
    uint32_t reserved; /* 0 */
} kp_code_info_t;
KP_STATIC_ASSERT(sizeof(kp_code_info_t) == 24, "ABI layout");

#define KP_GUESTS_MAX 128u /* of one process */
/* A 32-bit index and a 32-bit offset, and more than the widest access. */
#define KP_GUEST_RESERVE_MAX (((uint64_t)8 << 30) + 65536)

typedef struct kp_tab_created {
    kp_handle_t channel;
    kp_handle_t process;
} kp_tab_created_t;

/* What a tab is for. Until its owner has said so it has no role, and runs in the band NORMAL. */
enum {
    KP_TAB_ROLE_BACKGROUND =
        0,                  /* nobody sees it: what is left of the processor, and never all of it */
    KP_TAB_ROLE_FRONT = 1,  /* what the user looks at */
    KP_TAB_ROLE_CHROME = 2, /* part of the shell's own surface: its toolbar */
};

#endif
