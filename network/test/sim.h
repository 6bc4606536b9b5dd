/* A kernel for unit tests of the network programs: kp_call (runtime/program/kp.h) over channels,
   services and one network device in this process. Everything above that one function is the real
   code. Handles are never used twice, so a stale one is an error, not a surprise. Single-threaded:
   a wait that would block calls the idle hook, which moves the clock or the outside world. */
#ifndef KP_NETWORK_TEST_SIM_H
#define KP_NETWORK_TEST_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/program/kp.h"

typedef struct kp_sim {
    kp_time_t now;
    /* Nothing is ready and deadline lies ahead: advance now (to the deadline at most) or make
       something ready. Without a hook time jumps to the deadline. */
    void (*idle)(void *context, kp_time_t deadline);
    void *idle_context;
    /* A program wrote a frame to the device; false: the device is full. */
    bool (*transmit)(void *context, const uint8_t *frame, size_t size);
    void *transmit_context;
    bool is_real_time;       /* clock_get reads the machine's clock */
    uint32_t queue_messages; /* a channel's limits */
    uint32_t queue_bytes;
    int64_t quota;   /* bytes that all queues together may hold; negative: no limit */
    uint32_t random; /* state of the generator behind random_get */
    char last_log[256];
    bool is_verbose;
} kp_sim_t;

extern kp_sim_t kp_sim;

/* Closes all handles, empties everything, clock at one second. */
void kp_sim_reset(void);
/* Handles that are open: what a test expects to be back at its start value. */
size_t kp_sim_handle_count(void);
/* A service (all rights): register on one duplicate, connect on the other. */
kp_handle_t kp_sim_service_create(void);
kp_handle_t kp_sim_device_create(void);
/* The device receives a frame; false when its queue of 256 is full. */
bool kp_sim_device_deliver(const uint8_t *frame, size_t size);
/* The device's WRITABLE comes back after transmit said no. */
void kp_sim_device_drained(void);
uint32_t kp_sim_random(void);
/* Messages waiting on a channel's end. */
size_t kp_sim_channel_waiting(kp_handle_t channel);

#endif
