/* What netstack_test.c stands on: one stack on the simulated kernel, a client of it, and virtual time.
   Included once: everything is static. */
#ifndef KP_NETWORK_TEST_NETSTACK_HARNESS_H
#define KP_NETWORK_TEST_NETSTACK_HARNESS_H

#include "network/netstack/netstack.h"
#include "network/test/peer.h"
#include "network/test/sim.h"
#include "tests/kp_test.h"

#include <stdlib.h>

#include <lwip/dhcp.h>
#include <lwip/etharp.h>

#define SECOND KP_NS_PER_S

static kp_netstack_t *stack;
static kp_handle_t service, client;
static uint32_t last_txid;
static kp_message_t message;

static void steps(kp_time_t duration)
{
    kp_time_t end = kp_sim.now + duration;
    while (kp_sim.now < end)
        kp_netstack_step(stack, end);
}

/* Runs the stack until the channel has something to read or time is over. */
static bool wait_for(kp_handle_t channel, kp_time_t duration)
{
    kp_time_t end = kp_sim.now + duration;
    for (;;) {
        kp_signals_t observed;
        if (kp_object_wait_one(channel, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, KP_TIME_POLL,
                               &observed) == KP_OK)
            return true;
        if (kp_sim.now >= end)
            return false;
        kp_netstack_step(stack, end);
    }
}

static kp_handle_t connect_client(void)
{
    return (kp_handle_t)kp_service_connect(service);
}

static kp_status_t resolve(const char *name, kp_net_resolved_t *out)
{
    kp_net_resolve_t request = {.header = {KP_NET_RESOLVE, ++last_txid},
                                .name_size = (uint32_t)strlen(name)};
    kp_message_send_with(client, &request, sizeof(request), name, strlen(name), NULL, 0);
    if (!wait_for(client, 60 * SECOND) || kp_message_receive(client, &message) != KP_OK)
        return KP_ERR_BAD_STATE;
    const kp_net_resolved_t *reply = kp_message_as(&message, sizeof(*reply));
    if (!reply || reply->header.txid != last_txid || reply->header.ordinal != KP_NET_RESOLVE)
        return KP_ERR_BAD_STATE;
    *out = *reply;
    return reply->status;
}

static void send_connect(kp_handle_t channel, uint8_t last_byte, uint16_t port)
{
    kp_net_connect_t request = {.header = {KP_NET_CONNECT, ++last_txid},
                                .address = {.family = 4, .bytes = {10, 0, 2, last_byte}},
                                .port = port};
    kp_message_send(channel, &request, sizeof(request));
}

/* The status of the next CONNECTED; *out gets the socket. */
static kp_status_t connected(kp_handle_t channel, kp_handle_t *out)
{
    *out = KP_HANDLE_NONE;
    if (!wait_for(channel, 60 * SECOND) || kp_message_receive(channel, &message) != KP_OK)
        return KP_ERR_BAD_STATE;
    const kp_net_connected_t *reply = kp_message_as(&message, sizeof(*reply));
    if (!reply || reply->header.ordinal != KP_NET_CONNECT)
        return KP_ERR_BAD_STATE;
    *out = kp_message_take(&message, 0);
    return reply->status;
}

static kp_handle_t dial(uint16_t port)
{
    kp_handle_t socket;
    send_connect(client, 2, port);
    KP_EXPECT_INT(connected(client, &socket), KP_OK);
    return socket;
}

static kp_status_t send_data(kp_handle_t socket, uint64_t offset, size_t size)
{
    static uint8_t bytes[KP_NET_SEGMENT_MAX];
    for (size_t i = 0; i < size; i++)
        bytes[i] = peer_pattern(offset + i);
    kp_net_segment_t segment = {.kind = KP_NET_SEGMENT_DATA};
    return kp_message_send_with(socket, &segment, sizeof(segment), bytes, size, NULL, 0);
}

static void send_fin(kp_handle_t socket)
{
    kp_net_segment_t segment = {.kind = KP_NET_SEGMENT_FIN};
    KP_EXPECT_INT(kp_message_send(socket, &segment, sizeof(segment)), KP_OK);
}

/* Reads until FIN (KP_OK), ERROR (its status) or the channel's end (ERR_PEER_CLOSED); checks the
   pattern. */
static kp_status_t read_all(kp_handle_t socket, uint64_t *count)
{
    kp_time_t end = kp_sim.now + 300 * SECOND;
    while (kp_sim.now < end) {
        if (!wait_for(socket, 60 * SECOND)) {
            return KP_ERR_TIMED_OUT;
        }
        kp_status_t status = kp_message_receive(socket, &message);
        if (status != KP_OK)
            return status;
        const kp_net_segment_t *segment = kp_message_as(&message, sizeof(*segment));
        if (!segment)
            return KP_ERR_BAD_FORMAT;
        if (segment->kind == KP_NET_SEGMENT_FIN)
            return KP_OK;
        if (segment->kind == KP_NET_SEGMENT_ERROR)
            return segment->status;
        for (size_t i = sizeof(*segment); i < message.size; i++) {
            if (message.bytes[i] != peer_pattern((*count)++))
                return KP_ERR_BAD_FORMAT;
        }
    }
    return KP_ERR_TIMED_OUT;
}

/* Everything of a test is gone: handles, connections, lwIP's blocks after TIME_WAIT. */
static void expect_idle(size_t handles)
{
    steps(30 * SECOND);
    KP_EXPECT_INT(stack->connection_count, 0);
    KP_EXPECT_INT(kp_sim_handle_count(), handles);
    KP_EXPECT_INT(peer.bad_checksums, 0);
    KP_EXPECT_INT(peer.pattern_errors, 0);
}

#endif
