/* What threads.c and its program find at the begin of the program's linear memory. */
#ifndef KP_HOSTED_TEST_THREADS_H
#define KP_HOSTED_TEST_THREADS_H

#include "abi/ipc.h"
#include "abi/types.h"

enum {
    THREADS_GENERATIONS = 1,
    THREADS_SPIN,
    THREADS_FAULT,
    THREADS_OVERFLOW,
    THREADS_FIRST_LEAVES,
    THREADS_MAPPINGS,
    THREADS_RAW,
    THREADS_LIAR,
    THREADS_CALLS,
    THREADS_MAKERS,
};

/* Of THREADS_MAKERS: so many threads make so many each. */
enum { THREADS_MAKERS_COUNT = 4, THREADS_MADE = 14 };

/* Where pages come and go. */
#define THREADS_PAGE 0x100000u

typedef struct threads_shared {
    uint32_t part;
    uint32_t peer;
    uint64_t argument;
    _Atomic uint32_t done, never, staying;
    kp_time_t time;
    uint64_t page_address; /* of slot 1, and what is in it where */
    uint32_t number_offset, thread_offset, state_call, state_leave, wake_number;
    kp_channel_call_t io[8];
    volatile uint64_t counts[8];
    uint8_t bytes[8][64];
} threads_shared_t;

#endif
