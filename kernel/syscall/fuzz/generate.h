/* Makes system calls as a hostile but knowing program would: any call of abi/calls.def with arguments of
   the declared kinds, mostly such that the call gets past its checks, now and then not. Needs nothing of
   the kernel: the same code drives calls from inside a test and from a program. */
#ifndef KP_KERNEL_FUZZ_GENERATE_H
#define KP_KERNEL_FUZZ_GENERATE_H

#include <stdbool.h>

#include "abi/call_table.h"

#define KP_GENERATE_HANDLES 64u
#define KP_GENERATE_CALLS (sizeof(kp_call_table) / sizeof(kp_call_table[0]))

typedef struct kp_generate {
    /* Where the next decision comes from: bytes until they end (then 0), or, when NULL, `seed`. */
    const uint8_t *bytes;
    size_t byte_count, byte_at;
    uint64_t seed;

    /* A part of the caller's memory to work in: its address as calls take it, and its size (a multiple
       of 64 KiB). The lower half holds what calls read; mappings mostly go to the upper. */
    uint64_t arena;
    uint32_t arena_size;
    uint32_t deadline_ns; /* how far in the future deadlines may lie; 0: calls only poll */

    bool
        is_crowd; /* other threads of the process are at work: nothing that ends it or maps memory */

    void *context; /* of these: */
    int64_t (*call)(void *context, uint32_t number, const uint64_t arguments[6]);
    uint32_t (*type_of)(void *context, kp_handle_t handle); /* KP_TYPE_NONE: names nothing usable */
    bool (*write)(void *context, uint64_t address, const void *bytes, size_t count);
    bool (*read)(void *context, uint64_t address, void *bytes, size_t count);
    kp_time_t (*now)(void *context);

    /* Handles that it has (or had), with their types. */
    struct {
        kp_handle_t handle;
        uint32_t type;
    } handles[KP_GENERATE_HANDLES];
    unsigned handle_count;        /* ever seen */
    kp_transaction_t transaction; /* of the last message that was received */

    uint64_t code_address;  /* where code was mapped last */
    uint64_t guest_address; /* the reservation made last */

    uint64_t made[KP_GENERATE_CALLS], succeeded[KP_GENERATE_CALLS];
} kp_generate_t;

/* A number below `below` (0: 0). */
uint32_t kp_generate_pick(kp_generate_t *generate, uint32_t below);
/* Remembers a handle. */
void kp_generate_see(kp_generate_t *generate, kp_handle_t handle);
/* Makes one call; its result. */
int64_t kp_generate_call(kp_generate_t *generate);

#endif
