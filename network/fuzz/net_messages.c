/* Fuzz target: messages of clients to the service "net". The input is records of a target byte, a
   size (two bytes) and that many bytes. Target 0 and 1: two clients' channels; 2: the socket of an
   open connection; 3: closes and reconnects a client; 4: lets time pass. */
#include <stdlib.h>
#include <string.h>

#include "abi/reader.h"
#include "network/netstack/netstack.h"
#include "network/test/peer.h"
#include "network/test/sim.h"

static kp_netstack_t *stack;
static kp_handle_t service;
static kp_message_t message;

static void steps(kp_time_t duration)
{
    kp_time_t end = kp_sim.now + duration;
    while (kp_sim.now < end)
        kp_netstack_step(stack, end);
}

static kp_handle_t open_socket(kp_handle_t client)
{
    kp_net_connect_t request = {
        .header = {KP_NET_CONNECT, 1}, .address = {.family = 4, .bytes = {10, 0, 2, 2}}, .port = 7};
    kp_message_send(client, &request, sizeof(request));
    steps(20 * KP_NS_PER_MS);
    if (kp_message_receive(client, &message) != KP_OK || message.handle_count != 1)
        abort(); /* the last input has broken the service for others */
    return kp_message_take(&message, 0);
}

/* Reads what the service sends, so that it is not dropped for not reading. */
static void drain(kp_handle_t channel)
{
    while (kp_message_receive(channel, &message) == KP_OK)
        kp_message_clear(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!stack) {
        kp_sim_reset();
        peer_reset();
        stack = calloc(1, sizeof(*stack));
        service = kp_sim_service_create();
        if (!stack || kp_netstack_init(stack, kp_sim_device_create(), service) != KP_OK)
            abort();
        steps(KP_NS_PER_S);
    }
    peer_reset();
    kp_handle_t good = (kp_handle_t)kp_service_connect(service), socket = open_socket(good);
    kp_handle_t clients[2] = {(kp_handle_t)kp_service_connect(service),
                              (kp_handle_t)kp_service_connect(service)};
    kp_reader_t reader = kp_reader_init(data, size);
    while (kp_reader_left(&reader)) {
        uint8_t target = kp_reader_u8(&reader) % 5;
        size_t count = kp_reader_u16(&reader);
        if (count > kp_reader_left(&reader))
            count = kp_reader_left(&reader);
        const uint8_t *bytes = kp_reader_borrow(&reader, count);
        if (!bytes)
            break;
        if (target < 2)
            kp_message_send(clients[target], bytes, count);
        else if (target == 2)
            kp_message_send(socket, bytes, count);
        else if (target == 3) {
            kp_handle_close(clients[0]);
            clients[0] = (kp_handle_t)kp_service_connect(service);
        }
        steps(target == 4 ? KP_NS_PER_S : KP_NS_PER_MS / 10);
        drain(clients[0]);
        drain(clients[1]);
        drain(socket);
    }
    kp_handle_close(clients[0]);
    kp_handle_close(clients[1]);
    kp_handle_close(socket);
    kp_handle_close(good);
    kp_netstack_connections_clear(stack);
    steps(12 * KP_NS_PER_S);
    if (stack->client_count || stack->connection_count || kp_netstack_memory_used() > 256 * 1024)
        abort();
    return 0;
}
