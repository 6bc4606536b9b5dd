/* The service "net": clients, and the messages they send. A client that breaks the protocol loses
   its channel; its established connections, which are channels of their own, go on. */
#include "network/netstack/netstack.h"

#include <string.h>

#include <lwip/dns.h>

/* Messages read from one client before the others get their turn. */
#define MESSAGES_A_ROUND 32

static void on_client(void *context, kp_handle_t channel, kp_signals_t observed);

void kp_netstack_reply(kp_netstack_client_t *client, const void *message, size_t size,
                       kp_handle_t handle)
{
    kp_status_t status = KP_ERR_PEER_CLOSED;
    if (!client->is_broken)
        status =
            kp_channel_write(client->channel, message, size, &handle, handle != KP_HANDLE_NONE);
    if (status == KP_OK)
        return;
    if (handle != KP_HANDLE_NONE)
        (void)kp_handle_close(handle); /* it is ours: cannot fail */
    client->is_broken = true;
}

void kp_netstack_request_finish(kp_netstack_request_t *request)
{
    kp_netstack_request_t **at = &request->stack->requests;
    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
    if (request->client)
        request->client->request_count--;
    kp_netstack_free(request);
}

static void fail(kp_netstack_client_t *client, uint32_t ordinal, uint32_t txid, kp_status_t status)
{
    if (ordinal == KP_NET_RESOLVE) {
        kp_net_resolved_t reply = {.header = {ordinal, txid}, .status = status};
        kp_netstack_reply(client, &reply, sizeof(reply), KP_HANDLE_NONE);
    } else {
        kp_net_connected_t reply = {.header = {ordinal, txid}, .status = status};
        kp_netstack_reply(client, &reply, sizeof(reply), KP_HANDLE_NONE);
    }
}

static void start(kp_netstack_request_t *request)
{
    if (request->ordinal == KP_NET_RESOLVE) {
        kp_netstack_name_resolve(request);
        return;
    }
    if (request->client)
        kp_netstack_connection_open(request->stack, request->client, request->txid,
                                    &request->address, request->port);
    kp_netstack_request_finish(request);
}

/* Reads a RESOLVE or CONNECT into request; false when it is malformed. */
static bool parse(const kp_message_t *message, kp_netstack_request_t *request)
{
    if (request->ordinal == KP_NET_RESOLVE) {
        const kp_net_resolve_t *resolve = kp_message_as(message, sizeof(*resolve));
        if (!resolve || resolve->name_size == 0 || resolve->name_size > KP_NET_NAME_MAX)
            return false;
        kp_reader_t reader = kp_message_tail(message, sizeof(*resolve));
        const uint8_t *name = kp_reader_borrow(&reader, resolve->name_size);
        if (!name || kp_reader_left(&reader) != 0)
            return false;
        memcpy(request->name, name, resolve->name_size);
        request->name[resolve->name_size] = 0;
        return memchr(name, 0, resolve->name_size) == NULL;
    }
    const kp_net_connect_t *connect = kp_message_as(message, sizeof(*connect));
    if (!connect || message->size != sizeof(*connect) || connect->port == 0 ||
        connect->port > 65535 || (connect->address.family != 4 && connect->address.family != 6))
        return false;
    request->address = connect->address;
    request->port = (uint16_t)connect->port;
    return true;
}

static void copy_address(kp_net_address_t *to, const ip4_addr_t *from)
{
    to->family = 4;
    memcpy(to->bytes, &from->addr, 4);
}

static void answer_status(kp_netstack_client_t *client, uint32_t txid)
{
    kp_netstack_t *stack = client->stack;
    kp_net_status_t reply = {.header = {KP_NET_STATUS, txid}, .configured = stack->is_configured};
    copy_address(&reply.address, netif_ip4_addr(&stack->netif));
    copy_address(&reply.gateway, netif_ip4_gw(&stack->netif));
    copy_address(&reply.name_server, ip_2_ip4(dns_getserver(0)));
    kp_netstack_reply(client, &reply, sizeof(reply), KP_HANDLE_NONE);
}

/* One message. False when it breaks the protocol. */
static bool accept_message(kp_netstack_client_t *client, const kp_message_t *message)
{
    kp_netstack_t *stack = client->stack;
    kp_message_header_t head = kp_message_head(message);
    if (head.txid == 0 || message->handle_count)
        return false;
    if (head.ordinal == KP_NET_STATUS) {
        if (message->size != sizeof(head))
            return false;
        answer_status(client, head.txid);
        return true;
    }
    if (head.ordinal != KP_NET_RESOLVE && head.ordinal != KP_NET_CONNECT)
        return false;
    kp_netstack_request_t parsed = {.stack = stack,
                                    .client = client,
                                    .ordinal = head.ordinal,
                                    .txid = head.txid,
                                    .started = kp_now()};
    if (!parse(message, &parsed))
        return false;
    if (head.ordinal == KP_NET_RESOLVE &&
        !kp_netstack_name_is_valid(parsed.name, strlen(parsed.name))) {
        fail(client, head.ordinal, head.txid, KP_ERR_NAME_NOT_RESOLVED);
        return true;
    }
    if (client->request_count >= KP_NETSTACK_CLIENT_REQUESTS_MAX) {
        fail(client, head.ordinal, head.txid, KP_ERR_QUOTA);
        return true;
    }
    kp_netstack_request_t *request = kp_netstack_allocate(sizeof(*request));
    if (!request) {
        fail(client, head.ordinal, head.txid, KP_ERR_NO_MEMORY);
        return true;
    }
    *request = parsed;
    request->next = stack->requests;
    stack->requests = request;
    client->request_count++;
    if (stack->is_configured)
        start(request);
    return true;
}

static void on_client(void *context, kp_handle_t channel, kp_signals_t observed)
{
    kp_netstack_client_t *client = context;
    (void)observed;
    for (int i = 0; i < MESSAGES_A_ROUND && !client->is_broken; i++) {
        kp_message_t *message = &client->stack->message;
        kp_status_t status = kp_message_receive(channel, message);
        if (status == KP_ERR_SHOULD_WAIT)
            return;
        if (status != KP_OK || !accept_message(client, message)) {
            if (status != KP_ERR_PEER_CLOSED)
                kp_log("a client broke the protocol");
            client->is_broken = true;
        }
        kp_message_clear(message);
    }
}

static void destroy_client(kp_netstack_client_t **at)
{
    kp_netstack_client_t *client = *at;
    kp_netstack_t *stack = client->stack;
    for (kp_netstack_request_t *request = stack->requests; request; request = request->next) {
        if (request->client == client)
            request->client = NULL;
    }
    for (kp_netstack_connection_t *connection = stack->connections; connection;
         connection = connection->next) {
        if (connection->client == client)
            connection->client = NULL;
    }
    kp_loop_unwatch(&stack->loop, client->channel);
    (void)kp_handle_close(client->channel);
    *at = client->next;
    stack->client_count--;
    kp_netstack_free(client);
}

static void add_client(kp_netstack_t *stack, kp_handle_t channel)
{
    kp_netstack_client_t *client = NULL;
    if (stack->client_count < KP_NETSTACK_CLIENTS_MAX)
        client = kp_netstack_allocate_zeroed(1, sizeof(*client));
    if (client) {
        client->stack = stack;
        client->channel = channel;
        if (kp_loop_watch(&stack->loop, channel, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED,
                          on_client, client) == KP_OK) {
            client->next = stack->clients;
            stack->clients = client;
            stack->client_count++;
            return;
        }
        kp_netstack_free(client);
    }
    kp_log("no room for another client");
    (void)kp_handle_close(channel);
}

static void on_service(void *context, kp_handle_t service, kp_signals_t observed)
{
    kp_netstack_t *stack = context;
    kp_message_t *message = &stack->message;
    (void)observed;
    kp_status_t status;
    while ((status = kp_message_receive(service, message)) == KP_OK) {
        kp_handle_t channel = kp_message_take(message, 0);
        if (channel != KP_HANDLE_NONE)
            add_client(stack, channel);
        kp_message_clear(message);
    }
    if (status == KP_ERR_SHOULD_WAIT)
        return;
    /* The registry let go of us: no new clients, but those we have are served. */
    kp_log("the service registry is gone (%s)", kp_status_name(status));
    kp_loop_unwatch(&stack->loop, service);
}

kp_status_t kp_netstack_service_init(kp_netstack_t *stack, kp_handle_t service)
{
    int64_t channel = kp_service_register(service);
    if (channel < 0)
        return (kp_status_t)channel;
    stack->service = (kp_handle_t)channel;
    return kp_loop_watch(&stack->loop, stack->service, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED,
                         on_service, stack);
}

void kp_netstack_service_run(kp_netstack_t *stack, kp_time_t now)
{
    for (kp_netstack_request_t *at = stack->requests, *next; at; at = next) {
        next = at->next; /* finishing one request removes no other */
        if (at->is_with_resolver)
            continue;
        if (!at->client) {
            kp_netstack_request_finish(at);
        } else if (stack->is_configured) {
            start(at);
        } else if (now - at->started >= KP_NETSTACK_CONFIGURE_TIMEOUT) {
            fail(at->client, at->ordinal, at->txid, KP_ERR_UNREACHABLE);
            kp_netstack_request_finish(at);
        }
    }
    for (kp_netstack_client_t **at = &stack->clients; *at;) {
        if ((*at)->is_broken)
            destroy_client(at);
        else
            at = &(*at)->next;
    }
}

kp_time_t kp_netstack_service_deadline(const kp_netstack_t *stack)
{
    kp_time_t deadline = KP_TIME_INFINITE;
    for (const kp_netstack_request_t *at = stack->requests; at; at = at->next) {
        kp_time_t limit = at->started + KP_NETSTACK_CONFIGURE_TIMEOUT;
        if (!at->is_with_resolver && limit < deadline)
            deadline = limit;
    }
    return deadline;
}

void kp_netstack_service_clear(kp_netstack_t *stack)
{
    while (stack->clients)
        destroy_client(&stack->clients);
    for (kp_netstack_request_t *at = stack->requests, *next; at; at = next) {
        next = at->next;
        if (!at->is_with_resolver) /* lwIP still points to the others */
            kp_netstack_request_finish(at);
    }
}
