/* A process's half of a lane's protocol (lane.h). Runs in the sandbox, and in tests with threads. */
#ifndef KP_HOSTED_LANE_SIDE_H
#define KP_HOSTED_LANE_SIDE_H

#include "kernel/machine/hosted/lane.h"
#include "kernel/machine/hosted/spin.h"

typedef struct kp_lane_side {
    kp_lane_t *lane;      /* NULL: no lane in this slot */
    kp_call_page_t *page; /* the process's own */
    uint32_t slot;
    uint32_t number; /* client: of its last call; server: of the request that it took last */
    bool is_owing;   /* server: it took that request and has not replied */
    kp_spin_t spin;
} kp_lane_side_t;

void kp_lane_side_init(kp_lane_side_t *side, kp_lane_t *lane, kp_call_page_t *page, uint32_t slot);

typedef enum kp_lane_result {
    KP_LANE_DONE,       /* the reply is here: kp_lane_reply_size, then kp_lane_reply_copy */
    KP_LANE_RESEND,     /* nobody has seen the request: make the call through the kernel */
    KP_LANE_ASK_KERNEL, /* wait for the reply in the kernel, by kp_lane_transaction(side->number) */
    KP_LANE_TIMED_OUT,  /* the deadline passed; a reply would be dropped */
} kp_lane_result_t;

/* ---- Client ---- */
/* host_deadline: CLOCK_MONOTONIC in ns; INT64_MAX: none. */
kp_lane_result_t kp_lane_call(kp_lane_side_t *side, const uint8_t *bytes, uint32_t count,
                              int64_t host_deadline);
/* After KP_LANE_DONE; at most KP_CHANNEL_BYTES_MAX, read once: pass it on. */
uint32_t kp_lane_reply_size(const kp_lane_side_t *side);

/* ---- Server ---- */
/* Waits while LISTEN. True: a request was taken: side->number, and its size, read once, in *count.
   False: make the receive through the kernel; nothing is left here. */
bool kp_lane_wait(kp_lane_side_t *side, uint32_t room, uint32_t *count);
/* Replies to the request taken last, and listens again if asked. False: the client waits in the
   kernel: reply there. */
bool kp_lane_answer(kp_lane_side_t *side, const uint8_t *bytes, uint32_t count, bool and_listen);
/* The reply will go through the kernel: sends the client there. */
void kp_lane_defer(kp_lane_side_t *side);
/* REPLY -> LISTEN. False: make the receive through the kernel. */
bool kp_lane_listen(kp_lane_side_t *side);
/* The server will do something else: nothing is left here. */
void kp_lane_leave(kp_lane_side_t *side);

#endif
