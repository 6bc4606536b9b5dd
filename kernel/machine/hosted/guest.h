/* Guest memories: between guest.c, space.c and the sandbox. */
#ifndef KP_HOSTED_GUEST_H
#define KP_HOSTED_GUEST_H

#include "abi/calls.h"
#include "kernel/machine/machine.h"

/* A slot's reservation is address space where nothing is mapped: only the agent maps, and only what it is
   told. */
#define KP_HOSTED_GUEST_STRIDE ((uint64_t)9 << 30)
#define KP_HOSTED_GUESTS_SIZE (KP_GUESTS_MAX * KP_HOSTED_GUEST_STRIDE)

/* Memory that processes' growth was promised, of what the host has in all; bytes. */
bool kp_hosted_promise(uint64_t bytes);
void kp_hosted_promise_end(uint64_t bytes);

/* So much of linear memory was mapped or unmapped: no memory is kept for it any more. */
void kp_hosted_promise_drop(kp_machine_space_t *space, uint64_t bytes);

/* The space is destroyed, its process dead. */
void kp_hosted_guests_free(kp_machine_space_t *space);

#endif
