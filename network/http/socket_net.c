/* The service's side of the sockets: RESOLVE, CONNECT and their replies, and the death of the
   service. Replies find their socket by txid; one that comes too late finds none, and its handle is
   closed. */
#include "network/http/socket_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"

kp_socket_layer_t kp_socket_layer;

static const struct {
    kp_status_t status;
    int error;
} errors[] = {
    {KP_ERR_CONNECTION_REFUSED, ECONNREFUSED},
    {KP_ERR_CONNECTION_RESET, ECONNRESET},
    {KP_ERR_TIMED_OUT, ETIMEDOUT},
    {KP_ERR_UNREACHABLE, ENETUNREACH},
    {KP_ERR_NAME_NOT_RESOLVED, ENOENT},
    {KP_ERR_PEER_CLOSED, ENETDOWN},
    {KP_ERR_NO_MEMORY, ENOMEM},
    {KP_ERR_QUOTA, EMFILE},
    {KP_ERR_PROTOCOL, EPROTO},
};

int kp_socket_status_error(kp_status_t status)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (errors[i].status == status)
            return errors[i].error;
    }
    return EIO;
}

kp_status_t kp_socket_error_status(int error)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (errors[i].error == error)
            return errors[i].status;
    }
    return KP_ERR_IO;
}

void kp_socket_fail(kp_socket_t *socket, int error)
{
    kp_loop_timer_cancel(&socket->next_address);
    socket->phase = KP_SOCKET_FAILED;
    socket->error = error;
    socket->txid = 0;
}

static void on_channel(void *context, kp_handle_t channel, kp_signals_t observed)
{
    kp_socket_t *socket = context;
    (void)channel;
    if (observed & (KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED) || observed == 0)
        socket->is_readable = true;
    if (observed & (KP_SIGNAL_WRITABLE | KP_SIGNAL_PEER_CLOSED))
        socket->is_writable = true;
    kp_socket_watch(socket);
}

void kp_socket_watch(kp_socket_t *socket)
{
    if (socket->phase != KP_SOCKET_CONNECTED)
        return;
    kp_signals_t signals = 0;
    if (socket->wants_reading && !socket->is_readable && !socket->rest)
        signals |= KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED;
    if (socket->wants_writing && !socket->is_writable)
        signals |= KP_SIGNAL_WRITABLE | KP_SIGNAL_PEER_CLOSED;
    kp_status_t status =
        kp_loop_watch(kp_socket_layer.loop, socket->channel, signals, on_channel, socket);
    if (status != KP_OK) {
        socket->error = kp_socket_status_error(status);
        socket->is_readable = socket->is_writable = true;
    }
}

void kp_socket_release(kp_socket_t *socket)
{
    if (socket->channel == KP_HANDLE_NONE)
        return;
    kp_loop_unwatch(kp_socket_layer.loop, socket->channel);
    kp_net_segment_t fin = {.kind = KP_NET_SEGMENT_FIN};
    /* When it does not fit, closing means an abort, which is as good. */
    (void)kp_message_send(socket->channel, &fin, sizeof(fin));
    (void)kp_handle_close(socket->channel); /* it is ours: cannot fail */
    socket->channel = KP_HANDLE_NONE;
}

/* The service died, or misbehaves: whoever waits for a reply fails; the next request finds the
   service that was started in its place. */
static void drop_service(int error)
{
    kp_socket_layer_t *layer = &kp_socket_layer;
    kp_loop_unwatch(layer->loop, layer->net);
    (void)kp_handle_close(layer->net);
    layer->net = KP_HANDLE_NONE;
    for (int i = 0; i < KP_SOCKET_COUNT_MAX; i++) {
        kp_socket_t *socket = &layer->sockets[i];
        if (socket->phase == KP_SOCKET_RESOLVING || socket->phase == KP_SOCKET_CONNECTING)
            kp_socket_fail(socket, error);
    }
}

static void on_net(void *context, kp_handle_t channel, kp_signals_t observed)
{
    (void)context;
    (void)channel;
    (void)observed;
    kp_socket_net_receive();
}

/* Sends a request, with a connection to the service made if there is none. */
static void ask(kp_socket_t *socket, const void *head, size_t head_size, const char *tail,
                size_t tail_size)
{
    kp_socket_layer_t *layer = &kp_socket_layer;
    /* Twice: the service may have died without our having been told yet. */
    for (int i = 0; i < 2; i++) {
        if (layer->net == KP_HANDLE_NONE) {
            int64_t channel = kp_service_connect(layer->service);
            if (channel < 0) {
                kp_socket_fail(socket, kp_socket_status_error((kp_status_t)channel));
                return;
            }
            layer->net = (kp_handle_t)channel;
            kp_status_t status = kp_loop_watch(
                layer->loop, layer->net, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, on_net, NULL);
            if (status != KP_OK) {
                drop_service(kp_socket_status_error(status));
                kp_socket_fail(socket, kp_socket_status_error(status));
                return;
            }
        }
        kp_status_t status =
            kp_message_send_with(layer->net, head, head_size, tail, tail_size, NULL, 0);
        if (status == KP_OK)
            return;
        if (status == KP_ERR_SHOULD_WAIT) { /* it does not read: hundreds of requests wait there */
            kp_socket_fail(socket, EMFILE);
            return;
        }
        kp_socket_phase_t phase = socket->phase;
        drop_service(ENETDOWN);
        if (i == 0) {
            socket->phase = phase;
            socket->error = 0;
            socket->txid = ((const kp_message_header_t *)head)->txid;
        }
    }
}

static uint32_t new_txid(void)
{
    if (++kp_socket_layer.last_txid == 0)
        kp_socket_layer.last_txid = 1;
    return kp_socket_layer.last_txid;
}

void kp_socket_begin_name(kp_socket_t *socket, const char *name)
{
    socket->phase = KP_SOCKET_RESOLVING;
    socket->txid = new_txid();
    kp_net_resolve_t request = {.header = {KP_NET_RESOLVE, socket->txid},
                                .name_size = (uint32_t)strlen(name)};
    ask(socket, &request, sizeof(request), name, request.name_size);
}

static void on_address_timeout(void *context)
{
    kp_socket_begin_address(context); /* a late reply to the old txid finds nobody */
}

void kp_socket_begin_address(kp_socket_t *socket)
{
    socket->phase = KP_SOCKET_CONNECTING;
    kp_loop_timer_cancel(&socket->next_address);
    if (socket->address_next + 1 < socket->address_count) {
        kp_loop_timer_init(&socket->next_address, on_address_timeout, socket);
        kp_loop_timer_set(kp_socket_layer.loop, &socket->next_address,
                          kp_now() + KP_SOCKET_ADDRESS_TIMEOUT);
    }
    socket->txid = new_txid();
    kp_net_connect_t request = {.header = {KP_NET_CONNECT, socket->txid},
                                .address = socket->addresses[socket->address_next++],
                                .port = socket->port};
    ask(socket, &request, sizeof(request), NULL, 0);
}

static bool on_resolved(kp_socket_t *socket, const kp_message_t *message)
{
    const kp_net_resolved_t *reply = kp_message_as(message, sizeof(*reply));
    if (!reply)
        return false;
    if (reply->status != KP_OK) {
        kp_socket_fail(socket, kp_socket_status_error(reply->status));
        return true;
    }
    if (reply->count == 0 || reply->count > KP_NET_ADDRESSES_MAX)
        return false;
    socket->address_count = reply->count;
    socket->address_next = 0;
    memcpy(socket->addresses, reply->addresses, reply->count * sizeof(reply->addresses[0]));
    kp_socket_begin_address(socket);
    return true;
}

static bool on_connected(kp_socket_t *socket, kp_message_t *message)
{
    const kp_net_connected_t *reply = kp_message_as(message, sizeof(*reply));
    if (!reply)
        return false;
    if (reply->status != KP_OK) {
        if (socket->address_next < socket->address_count)
            kp_socket_begin_address(socket);
        else
            kp_socket_fail(socket, kp_socket_status_error(reply->status));
        return true;
    }
    kp_handle_t channel = kp_message_take(message, 0);
    if (channel == KP_HANDLE_NONE)
        return false;
    kp_loop_timer_cancel(&socket->next_address);
    socket->channel = channel;
    socket->phase = KP_SOCKET_CONNECTED;
    socket->txid = 0;
    socket->is_writable = true;
    socket->is_readable = false;
    kp_socket_watch(socket);
    return true;
}

void kp_socket_net_receive(void)
{
    kp_socket_layer_t *layer = &kp_socket_layer;
    while (layer->net != KP_HANDLE_NONE) {
        kp_status_t status = kp_message_receive(layer->net, &layer->message);
        if (status == KP_ERR_SHOULD_WAIT)
            return;
        if (status != KP_OK) {
            drop_service(ENETDOWN);
            return;
        }
        kp_message_header_t head = kp_message_head(&layer->message);
        kp_socket_t *socket = NULL;
        for (int i = 0; i < KP_SOCKET_COUNT_MAX && head.txid; i++) {
            if (layer->sockets[i].txid == head.txid)
                socket = &layer->sockets[i];
        }
        bool is_good = true;
        if (socket && socket->phase == KP_SOCKET_RESOLVING && head.ordinal == KP_NET_RESOLVE)
            is_good = on_resolved(socket, &layer->message);
        else if (socket && socket->phase == KP_SOCKET_CONNECTING && head.ordinal == KP_NET_CONNECT)
            is_good = on_connected(socket, &layer->message);
        if (!is_good)
            kp_socket_fail(socket, EPROTO);
        kp_message_clear(&layer->message);
    }
}
