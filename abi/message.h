/* The head of every message of every protocol between processes. A reply carries its request's
   ordinal and txid; an event has txid 0. Readers check byte counts against the layout and reject
   a message that is too short with KP_ERR_PROTOCOL (see abi/reader.h for variable parts). */
#ifndef KP_ABI_MESSAGE_H
#define KP_ABI_MESSAGE_H

#include "abi/types.h"

typedef struct kp_message_header {
    uint32_t ordinal; /* which message, unique within its protocol */
    uint32_t txid;    /* chosen by the client; not 0 */
} kp_message_header_t;

KP_STATIC_ASSERT(sizeof(kp_message_header_t) == 8, "ABI layout");

#endif
