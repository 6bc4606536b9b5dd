/* netstack for the fuzz targets: one for all inputs, since lwIP cannot be started twice, against the peer of
   network/test. */
#ifndef KP_NETWORK_FUZZ_STACK_H
#define KP_NETWORK_FUZZ_STACK_H

#include <stdlib.h>

#include "network/netstack/netstack.h"
#include "network/test/peer.h"
#include "network/test/sim.h"

static kp_netstack_t *stack;
static kp_handle_t service;
static kp_message_t message;

static inline void steps(kp_time_t duration)
{
    kp_time_t end = kp_sim.now + duration;
    while (kp_sim.now < end)
        kp_netstack_step(stack, end);
}

/* Before the first input; the others find it. */
static inline void stack_start(void)
{
    if (!stack) {
        kp_sim_reset();
        peer_reset();
        stack = calloc(1, sizeof(*stack));
        service = kp_sim_service_create();
        if (!stack || kp_netstack_init(stack, kp_sim_device_create(), service) != KP_OK)
            abort();
        steps(KP_NS_PER_S);
        if (!stack->is_configured)
            abort();
    }
    peer_reset(); /* it does not know of connections that inputs have cut */
}

/* A connection to the peer's port 7, or KP_HANDLE_NONE. */
static inline kp_handle_t open_socket(kp_handle_t client)
{
    kp_net_connect_t request = {
        .header = {KP_NET_CONNECT, 1}, .address = {.family = 4, .bytes = {10, 0, 2, 2}}, .port = 7};
    kp_message_send(client, &request, sizeof(request));
    /* Longer than an ARP exchange; and than a first hop may be silent. */
    for (int i = 0; i < 400 && kp_sim_channel_waiting(client) == 0; i++)
        steps(10 * KP_NS_PER_MS);
    if (kp_message_receive(client, &message) != KP_OK)
        return KP_HANDLE_NONE;
    return kp_message_take(&message, 0);
}

/* After each input: everything of it goes. The memory in use then. */
static inline size_t stack_settle(void)
{
    kp_netstack_connections_clear(stack);
    steps(12 * KP_NS_PER_S); /* names time out, old blocks are freed */
    return kp_netstack_memory_used();
}

#endif
