#include "network/test/bridge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/net.h"
#include "network/test/sim.h"
#include "runtime/program/message.h"

#define SOCKETS_MAX 256
#define CLIENTS_MAX 16

typedef struct bridge_socket {
    int fd;
    kp_handle_t channel, client; /* channel NONE: connecting */
    uint32_t txid;
    bool is_ended_in, is_ended_out;
    uint8_t *unsent;
    size_t unsent_size, unsent_done;
    uint8_t *held; /* a segment that the channel did not take */
    size_t held_size;
} bridge_socket_t;

bridge_t bridge;
static kp_handle_t registry, clients[CLIENTS_MAX];
static bridge_socket_t *sockets[SOCKETS_MAX];
static kp_message_t message;

static void reply_connected(kp_handle_t client, uint32_t txid, kp_status_t status,
                            kp_handle_t handle)
{
    kp_net_connected_t reply = {.header = {KP_NET_CONNECT, txid}, .status = status};
    if (kp_channel_write(client, &reply, sizeof(reply), &handle, handle != 0) != KP_OK && handle)
        kp_handle_close(handle);
}

static void close_socket(int index, bool is_abort)
{
    bridge_socket_t *at = sockets[index];
    struct linger linger = {1, 0};
    if (is_abort)
        setsockopt(at->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(at->fd);
    if (at->channel)
        kp_handle_close(at->channel);
    free(at->unsent);
    free(at->held);
    free(at);
    sockets[index] = NULL;
    bridge.connections_open--;
}

static void on_resolve(kp_handle_t client, const kp_net_resolve_t *request, const char *name)
{
    kp_net_resolved_t reply = {.header = request->header, .status = KP_ERR_NAME_NOT_RESOLVED};
    char text[256];
    snprintf(text, sizeof(text), "%.*s", (int)request->name_size, name);
    bridge.resolves++;
    static const struct {
        const char *name;
        uint8_t address[4];
    } known[] = {{"good.test", {127, 0, 0, 1}},         {"other.test", {127, 0, 0, 1}},
                 {"unreachable.test", {192, 0, 2, 1}},  {"unreachable-first.test", {192, 0, 2, 1}},
                 {"silent-first.test", {192, 0, 2, 2}}, {"silent.test", {192, 0, 2, 2}}};
    if (strcmp(text, "mute.test") == 0)
        return;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(text, known[i].name) == 0) {
            reply.status = KP_OK;
            reply.count = 1;
            reply.addresses[0].family = 4;
            memcpy(reply.addresses[0].bytes, known[i].address, 4);
            if (strstr(text, "-first")) { /* and then one that works */
                reply.count = 2;
                reply.addresses[1] = (kp_net_address_t){.family = 4, .bytes = {127, 0, 0, 1}};
            }
        }
    }
    kp_message_send(client, &reply, sizeof(reply));
}

static void on_connect(kp_handle_t client, const kp_net_connect_t *request)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)request->port)};
    memcpy(&to.sin_addr, request->address.bytes, 4);
    if (request->address.family != 4 || request->address.bytes[0] != 127) {
        if (request->address.bytes[3] != 2)
            reply_connected(client, request->header.txid, KP_ERR_UNREACHABLE, 0);
        return;
    }
    int index = 0;
    while (index < SOCKETS_MAX && sockets[index])
        index++;
    bridge_socket_t *at = index < SOCKETS_MAX ? calloc(1, sizeof(*at)) : NULL;
    if (!at)
        abort();
    at->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    at->client = client;
    at->txid = request->header.txid;
    sockets[index] = at;
    bridge.connections_open++;
    bridge.connections_made++;
    if (bridge.connections_open > bridge.connections_most)
        bridge.connections_most = bridge.connections_open;
    if (connect(at->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS) {
        reply_connected(client, at->txid, KP_ERR_UNREACHABLE, 0);
        close_socket(index, true);
    }
}

static bool pump_client(int index)
{
    kp_handle_t client = clients[index];
    kp_status_t status = kp_message_receive(client, &message);
    if (status == KP_ERR_SHOULD_WAIT)
        return false;
    if (status != KP_OK) {
        kp_handle_close(client);
        clients[index] = 0;
        return true;
    }
    kp_message_header_t head = kp_message_head(&message);
    const kp_net_resolve_t *resolve = kp_message_as(&message, sizeof(*resolve));
    const kp_net_connect_t *connect_request = kp_message_as(&message, sizeof(*connect_request));
    if (head.ordinal == KP_NET_RESOLVE && resolve)
        on_resolve(client, resolve, (const char *)message.bytes + sizeof(*resolve));
    else if (head.ordinal == KP_NET_CONNECT && connect_request)
        on_connect(client, connect_request);
    return true;
}

/* Bytes of the network to the channel. */
static bool pump_in(bridge_socket_t *at)
{
    static struct {
        kp_net_segment_t head;
        uint8_t bytes[KP_NET_SEGMENT_MAX];
    } segment;
    if (at->held) {
        if (kp_message_send(at->channel, at->held, at->held_size) != KP_OK)
            return false;
        free(at->held);
        at->held = NULL;
        return true;
    }
    if (at->is_ended_in)
        return false;
    ssize_t got = recv(at->fd, segment.bytes, sizeof(segment.bytes), 0);
    if (got < 0 && errno == EAGAIN)
        return false;
    segment.head = (kp_net_segment_t){KP_NET_SEGMENT_DATA, KP_OK};
    if (got == 0)
        segment.head.kind = KP_NET_SEGMENT_FIN;
    if (got < 0)
        segment.head = (kp_net_segment_t){KP_NET_SEGMENT_ERROR, KP_ERR_CONNECTION_RESET};
    at->is_ended_in = got <= 0;
    size_t size = sizeof(segment.head) + (got > 0 ? (size_t)got : 0);
    bridge.bytes_received += got > 0 ? (uint64_t)got : 0;
    if (kp_message_send(at->channel, &segment, size) != KP_OK) {
        at->held = malloc(size);
        memcpy(at->held, &segment, size);
        at->held_size = size;
    }
    return true;
}

/* The client's bytes to the network; false when there is nothing to do. Sets *is_over. */
static bool pump_out(bridge_socket_t *at, bool *is_over)
{
    if (at->unsent) {
        ssize_t sent = send(at->fd, at->unsent + at->unsent_done, at->unsent_size - at->unsent_done,
                            MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        at->unsent_done += (size_t)sent;
        if (at->unsent_done == at->unsent_size) {
            free(at->unsent);
            at->unsent = NULL;
        }
        return true;
    }
    kp_status_t status = kp_message_receive(at->channel, &message);
    if (status == KP_ERR_SHOULD_WAIT)
        return false;
    *is_over = status != KP_OK;
    const kp_net_segment_t *segment = kp_message_as(&message, sizeof(*segment));
    if (status != KP_OK || !segment)
        return true;
    if (segment->kind == KP_NET_SEGMENT_FIN) {
        shutdown(at->fd, SHUT_WR);
        at->is_ended_out = true;
        return true;
    }
    at->unsent_size = message.size - sizeof(*segment);
    at->unsent = malloc(at->unsent_size + 1);
    at->unsent_done = 0;
    memcpy(at->unsent, message.bytes + sizeof(*segment), at->unsent_size);
    return true;
}

static bool pump_socket(int index)
{
    bridge_socket_t *at = sockets[index];
    if (!at->channel) {
        struct pollfd item = {.fd = at->fd, .events = POLLOUT};
        int error = 0;
        socklen_t size = sizeof(error);
        if (poll(&item, 1, 0) <= 0)
            return false;
        getsockopt(at->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            reply_connected(at->client, at->txid,
                            error == ECONNREFUSED ? KP_ERR_CONNECTION_REFUSED : KP_ERR_UNREACHABLE,
                            0);
            close_socket(index, true);
            return true;
        }
        kp_handle_t ends[2];
        kp_channel_create(ends);
        at->channel = ends[0];
        reply_connected(at->client, at->txid, KP_OK, ends[1]);
        return true;
    }
    bool is_over = false;
    bool is_any = pump_out(at, &is_over);
    if (is_over) {
        close_socket(index, !at->is_ended_out);
        return true;
    }
    return pump_in(at) || is_any;
}

static bool pump(void)
{
    bool is_any = false;
    if (registry && kp_message_receive(registry, &message) == KP_OK) {
        for (int i = 0; i < CLIENTS_MAX; i++) {
            if (!clients[i]) {
                clients[i] = kp_message_take(&message, 0);
                break;
            }
        }
        is_any = true;
    }
    for (int i = 0; i < CLIENTS_MAX; i++)
        is_any |= clients[i] && pump_client(i);
    for (int i = 0; i < SOCKETS_MAX; i++)
        is_any |= sockets[i] && pump_socket(i);
    return is_any;
}

static void on_idle(void *context, kp_time_t deadline)
{
    (void)context;
    if (pump())
        return;
    struct pollfd items[SOCKETS_MAX];
    nfds_t count = 0;
    for (int i = 0; i < SOCKETS_MAX; i++) {
        const bridge_socket_t *at = sockets[i];
        if (!at)
            continue;
        short events = 0;
        if (!at->channel || at->unsent)
            events |= POLLOUT;
        if (at->channel && !at->held && !at->is_ended_in)
            events |= POLLIN;
        if (events)
            items[count++] = (struct pollfd){.fd = at->fd, .events = events};
    }
    /* The deadline may have passed meanwhile; a negative limit would wait for ever. */
    kp_time_t left = (deadline - kp_now()) / KP_NS_PER_MS + 1;
    poll(items, count, left < 0 ? 0 : left < 100 ? (int)left : 100);
}

void bridge_start(kp_handle_t service)
{
    int64_t channel = kp_service_register(service);
    if (channel < 0)
        abort();
    registry = (kp_handle_t)channel;
    kp_sim.idle = on_idle;
    kp_sim.is_real_time = true;
}

void bridge_stop(void)
{
    for (int i = 0; i < SOCKETS_MAX; i++) {
        if (sockets[i])
            close_socket(i, true);
    }
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (clients[i])
            kp_handle_close(clients[i]);
        clients[i] = 0;
    }
    kp_handle_close(registry);
    registry = 0;
}
