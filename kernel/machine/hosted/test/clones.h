/* What clones.c orders and its program does: a message each way. */
#ifndef KP_HOSTED_TEST_CLONES_H
#define KP_HOSTED_TEST_CLONES_H

#include "abi/ipc.h"
#include "abi/types.h"

enum {
    CLONES_FILL = 1, /* bytes become `value`, by the program */
    CLONES_CHECK,    /* 0, or 1 + the place in the range of the first that is not `value` */
    CLONES_RANDOM,   /* the kernel writes there by a call; the call's result */
    CLONES_GROW,     /* by `value` pages of 64 KiB */
    CLONES_MAP,      /* a new VMO of that length, writable if `value`; the result */
    CLONES_UNMAP,
    CLONES_RACE,   /* threads and the kernel write into the same pages; 0, or a line */
    CLONES_SEND,   /* the reply is of those bytes */
    CLONES_FREEZE, /* without a reply; goes on with the next startup channel */
    CLONES_EXIT,   /* with `value` */
    CLONES_SCATTER, /* a new VMO of a page, at every other page: `value` mappings; how many were made */
};

typedef struct clones_order {
    uint32_t what, address, length, value;
} clones_order_t;

/* In linear memory: where the program keeps what it needs; the first page that it leaves alone. */
#define CLONES_ROOM 0u
#define CLONES_FREE 0x10000u
#define CLONES_MEMORY 0x200000u /* all of it at first */

typedef struct clones_room {
    clones_order_t order;
    kp_channel_message_t message;
    int64_t reply;
    _Atomic uint32_t done, never;
    uint32_t channel, vmo;
} clones_room_t;

/* Of CLONES_RACE: bytes of each thread in a page. */
enum { CLONES_RACERS = 3, CLONES_RACE_ROUNDS = 300, CLONES_RACE_SHARE = 1024 };

#endif
