/* A connection: TCP on one side, a socket channel on the other, and as little as possible between.

   Received bytes become messages at once; lwIP's window opens again only when the channel has taken
   them, so an unread connection holds TCP_WND bytes at most. In the other direction the channel is
   read only while TCP has room. lwIP's callbacks only note; kp_netstack_connections_run acts. */
#include "network/netstack/netstack.h"

#include <string.h>

#include <lwip/etharp.h>

static void on_channel(void *context, kp_handle_t channel, kp_signals_t observed);

/* Takes lwIP's block away from the connection: no callback will come any more. */
static struct tcp_pcb *detach(kp_netstack_connection_t *connection)
{
    struct tcp_pcb *pcb = connection->pcb;
    connection->pcb = NULL;
    if (pcb) {
        tcp_arg(pcb, NULL);
        tcp_recv(pcb, NULL);
        tcp_sent(pcb, NULL);
        tcp_err(pcb, NULL);
    }
    return pcb;
}

static void close_gracefully(kp_netstack_connection_t *connection)
{
    struct tcp_pcb *pcb = detach(connection);
    if (pcb && tcp_close(pcb) != ERR_OK)
        tcp_abort(pcb); /* no memory for a FIN: a reset needs none */
}

static void close_abruptly(kp_netstack_connection_t *connection)
{
    struct tcp_pcb *pcb = detach(connection);
    if (pcb)
        tcp_abort(pcb);
}

static kp_netstack_chunk_t *chunk_new(kp_netstack_t *stack)
{
    kp_netstack_chunk_t *chunk = stack->spare;
    if (chunk)
        stack->spare = NULL;
    else
        chunk = kp_netstack_allocate(sizeof(*chunk));
    if (chunk) {
        chunk->next = NULL;
        chunk->size = 0;
        chunk->head = (kp_net_segment_t){.kind = KP_NET_SEGMENT_DATA, .status = KP_OK};
    }
    return chunk;
}

static void chunk_free(kp_netstack_t *stack, kp_netstack_chunk_t *chunk)
{
    if (stack->spare)
        kp_netstack_free(chunk);
    else
        stack->spare = chunk;
}

static void chunks_free(kp_netstack_t *stack, kp_netstack_chunk_t *first)
{
    while (first) {
        kp_netstack_chunk_t *chunk = first;
        first = chunk->next;
        chunk_free(stack, chunk);
    }
}

static err_t on_received(void *context, struct tcp_pcb *pcb, struct pbuf *packet, err_t error)
{
    kp_netstack_connection_t *connection = context;
    kp_netstack_t *stack = connection->stack;
    (void)pcb;
    if (error != ERR_OK)
        return error;
    if (!packet) {
        connection->remote_fin = true;
        return ERR_OK;
    }
    /* All or nothing: lwIP keeps what is refused and offers the same again. A packet that closes a
       hole comes with all that waited behind it, up to the whole window. */
    kp_netstack_chunk_t *tail = connection->first, *more = NULL, **more_last = &more;
    while (tail && tail->next)
        tail = tail->next;
    uint32_t total = packet->tot_len, room = tail ? KP_NET_SEGMENT_MAX - tail->size : 0;
    for (uint32_t have = room; have < total; have += KP_NET_SEGMENT_MAX) {
        kp_netstack_chunk_t *chunk = chunk_new(stack);
        if (!chunk) {
            chunks_free(stack, more);
            return ERR_MEM;
        }
        *more_last = chunk;
        more_last = &chunk->next;
    }
    if (more) {
        *connection->last = more;
        connection->last = more_last;
    }
    kp_netstack_chunk_t *to = room ? tail : more;
    for (uint32_t done = 0; done < total; to = to->next) {
        uint32_t count = KP_NET_SEGMENT_MAX - to->size;
        if (count > total - done)
            count = total - done;
        pbuf_copy_partial(packet, to->bytes + to->size, (u16_t)count, (u16_t)done);
        to->size += count;
        done += count;
    }
    pbuf_free(packet);
    return ERR_OK;
}

/* lwIP has freed its block: the connection was reset, or given up after too many retries. */
static void on_error(void *context, err_t error)
{
    kp_netstack_connection_t *connection = context;
    connection->pcb = NULL;
    if (connection->error != KP_OK)
        return;
    if (error == ERR_CLSD) /* closed in both directions, as it should */
        connection->remote_fin = true;
    else if (error == ERR_RST)
        connection->error =
            connection->is_connected ? KP_ERR_CONNECTION_RESET : KP_ERR_CONNECTION_REFUSED;
    else
        connection->error = KP_ERR_TIMED_OUT;
}

static err_t on_connected(void *context, struct tcp_pcb *pcb, err_t error)
{
    kp_netstack_connection_t *connection = context;
    (void)pcb;
    connection->is_connected = error == ERR_OK;
    return ERR_OK;
}

static void reply_connected(kp_netstack_client_t *client, uint32_t txid, kp_status_t status,
                            kp_handle_t handle)
{
    kp_net_connected_t reply = {.header = {KP_NET_CONNECT, txid}, .status = status};
    if (client)
        kp_netstack_reply(client, &reply, sizeof(reply), handle);
    else if (handle != KP_HANDLE_NONE)
        (void)kp_handle_close(handle); /* the only failure would be that it is closed */
}

static void destroy(kp_netstack_connection_t *connection)
{
    kp_netstack_t *stack = connection->stack;
    close_abruptly(connection);
    if (connection->channel != KP_HANDLE_NONE) {
        kp_loop_unwatch(&stack->loop, connection->channel);
        (void)kp_handle_close(connection->channel);
    }
    chunks_free(stack, connection->first);
    kp_netstack_free(connection->unsent);
    if (connection->client)
        connection->client->connection_count--;
    kp_netstack_connection_t **at = &stack->connections;
    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    stack->connection_count--;
    kp_netstack_free(connection);
}

/* A random local port (RFC 6056): guessing it is half of guessing a connection. */
static err_t bind_random(kp_netstack_connection_t *connection)
{
    err_t error = ERR_USE;
    for (int i = 0; i < 64 && error == ERR_USE; i++) {
        connection->local_port = (uint16_t)(49152 + kp_netstack_random() % 16384);
        error = tcp_bind(connection->pcb, IP_ANY_TYPE, connection->local_port);
    }
    return error;
}

void kp_netstack_connection_open(kp_netstack_t *stack, kp_netstack_client_t *client, uint32_t txid,
                                 const kp_net_address_t *address, uint16_t port)
{
    kp_status_t status = KP_OK;
    ip_addr_t remote = {0};
    memcpy(&ip_2_ip4(&remote)->addr, address->bytes, 4);
    bool is_usable = address->family == 4 && !ip4_addr_isany_val(*ip_2_ip4(&remote)) &&
                     !ip4_addr_isloopback(ip_2_ip4(&remote)) &&
                     !ip4_addr_ismulticast(ip_2_ip4(&remote)) &&
                     !ip4_addr_isbroadcast(ip_2_ip4(&remote), &stack->netif);
    if (!is_usable)
        status = KP_ERR_UNREACHABLE;
    else if (stack->connection_count >= KP_NETSTACK_CONNECTIONS_MAX ||
             client->connection_count >= KP_NETSTACK_CLIENT_CONNECTIONS_MAX)
        status = KP_ERR_QUOTA;
    kp_netstack_connection_t *connection =
        status == KP_OK ? kp_netstack_allocate_zeroed(1, sizeof(*connection)) : NULL;
    if (!connection) {
        reply_connected(client, txid, status != KP_OK ? status : KP_ERR_NO_MEMORY, KP_HANDLE_NONE);
        return;
    }
    connection->stack = stack;
    connection->client = client;
    connection->txid = txid;
    connection->last = &connection->first;
    connection->look_at_hop = kp_now() + KP_NETSTACK_FIRST_HOP_TIMEOUT;
    connection->next = stack->connections;
    stack->connections = connection;
    stack->connection_count++;
    client->connection_count++;

    connection->pcb = tcp_new_ip_type(IPADDR_TYPE_V4);
    err_t error = connection->pcb ? bind_random(connection) : ERR_MEM;
    if (error == ERR_OK) {
        tcp_arg(connection->pcb, connection);
        tcp_recv(connection->pcb, on_received);
        tcp_err(connection->pcb, on_error);
        tcp_nagle_disable(connection->pcb); /* clients write whole requests */
        error = tcp_connect(connection->pcb, &remote, port, on_connected);
    }
    if (error == ERR_RTE)
        connection->error = KP_ERR_UNREACHABLE;
    else if (error != ERR_OK)
        connection->error = KP_ERR_NO_MEMORY;
}

void kp_netstack_connection_reject(kp_netstack_t *stack, uint16_t local_port,
                                   const ip4_addr_t *remote, uint16_t remote_port,
                                   uint32_t sequence, kp_status_t why)
{
    for (kp_netstack_connection_t *at = stack->connections; at; at = at->next) {
        const struct tcp_pcb *pcb = at->pcb;
        if (!pcb || at->is_connected || at->local_port != local_port || pcb->state != SYN_SENT ||
            pcb->remote_port != remote_port || ip_2_ip4(&pcb->remote_ip)->addr != remote->addr ||
            pcb->lastack != sequence)
            continue;
        if (at->error == KP_OK)
            at->error = why;
    }
}

/* The connection stands: the client gets its end of a new channel. */
static void introduce(kp_netstack_connection_t *connection)
{
    kp_netstack_t *stack = connection->stack;
    kp_handle_t ends[2];
    kp_status_t status = kp_channel_create(ends);
    if (status == KP_OK) {
        status = kp_loop_watch(&stack->loop, ends[0], KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED,
                               on_channel, connection);
        if (status != KP_OK) {
            (void)kp_handle_close(ends[0]);
            (void)kp_handle_close(ends[1]);
        }
    }
    if (status != KP_OK) {
        connection->error = status;
        return;
    }
    connection->channel = ends[0];
    connection->is_writable = true;
    reply_connected(connection->client, connection->txid, KP_OK, ends[1]);
}

/* Only notes: the end of the round looks at every connection. */
static void on_channel(void *context, kp_handle_t channel, kp_signals_t observed)
{
    kp_netstack_connection_t *connection = context;
    (void)channel;
    if (observed & KP_SIGNAL_READABLE)
        connection->is_readable = true;
    if (observed & KP_SIGNAL_WRITABLE)
        connection->is_writable = true;
    if (observed & KP_SIGNAL_PEER_CLOSED && !connection->client_gone) {
        connection->client_gone = true;
        connection->gone_since = kp_now();
        connection->is_readable = true; /* what it left, and then the end */
    }
}

/* A message to the channel. ERR_SHOULD_WAIT when it can be sent later, by a signal or by the clock.
 */
static kp_status_t tell(kp_netstack_connection_t *connection, const void *bytes, size_t size,
                        kp_time_t now)
{
    kp_status_t status = kp_channel_write(connection->channel, bytes, size, NULL, 0);
    if (status == KP_ERR_QUOTA || status == KP_ERR_NO_MEMORY) {
        connection->retry_at = now + KP_NETSTACK_RETRY_TIME;
        status = KP_ERR_SHOULD_WAIT;
    }
    if (status == KP_ERR_SHOULD_WAIT) {
        connection->is_writable = false;
        if (!connection->unread_since)
            connection->unread_since = now;
    } else {
        connection->unread_since = 0;
    }
    return status;
}

/* Received bytes to the channel. False when the connection is of no use to the client any more. */
static bool pass_received(kp_netstack_connection_t *connection, kp_time_t now)
{
    if (connection->retry_at && now >= connection->retry_at) {
        connection->retry_at = 0;
        connection->is_writable = true;
    }
    if (!connection->is_writable)
        return true;
    while (connection->first) {
        kp_netstack_chunk_t *chunk = connection->first;
        kp_status_t status = tell(connection, &chunk->head, sizeof(chunk->head) + chunk->size, now);
        if (status != KP_OK)
            return status == KP_ERR_SHOULD_WAIT;
        if (connection->pcb)
            tcp_recved(connection->pcb, (u16_t)chunk->size);
        connection->first = chunk->next;
        if (!connection->first)
            connection->last = &connection->first;
        chunk_free(connection->stack, chunk);
    }
    if (connection->error == KP_OK && !(connection->remote_fin && !connection->remote_fin_told))
        return true;
    kp_net_segment_t end = {.kind = KP_NET_SEGMENT_FIN};
    if (connection->error != KP_OK)
        end = (kp_net_segment_t){KP_NET_SEGMENT_ERROR, connection->error};
    kp_status_t status = tell(connection, &end, sizeof(end), now);
    if (status == KP_ERR_SHOULD_WAIT)
        return true;
    connection->remote_fin_told = true;
    return status == KP_OK && connection->error == KP_OK;
}

/* As much as TCP takes now; returns bytes, or negative when the connection cannot go on. */
static int32_t offer(kp_netstack_connection_t *connection, const uint8_t *bytes, uint32_t size)
{
    uint32_t done = 0;
    while (done < size) {
        uint32_t count = size - done;
        if (count > tcp_sndbuf(connection->pcb))
            count = tcp_sndbuf(connection->pcb);
        if (count > 4 * TCP_MSS)
            count = 4 * TCP_MSS; /* small pieces, so that lack of memory stops only the last */
        if (!count)
            break;
        err_t error = tcp_write(connection->pcb, bytes + done, (u16_t)count, TCP_WRITE_FLAG_COPY);
        if (error == ERR_MEM)
            break;
        if (error != ERR_OK)
            return -1;
        done += count;
    }
    return (int32_t)done;
}

/* One message of the client. False when it breaks the protocol or memory is short. */
static bool accept_message(kp_netstack_connection_t *connection, kp_message_t *message)
{
    const kp_net_segment_t *segment = kp_message_as(message, sizeof(*segment));
    if (!segment || message->handle_count || connection->client_fin)
        return false;
    uint32_t size = message->size - (uint32_t)sizeof(*segment);
    if (segment->kind == KP_NET_SEGMENT_FIN && size == 0) {
        connection->client_fin = true;
        return true;
    }
    if (segment->kind != KP_NET_SEGMENT_DATA || size == 0 || size > KP_NET_SEGMENT_MAX)
        return false;
    const uint8_t *bytes = message->bytes + sizeof(*segment);
    int32_t done = offer(connection, bytes, size);
    if (done < 0)
        return false;
    if ((uint32_t)done == size)
        return true;
    connection->unsent = kp_netstack_allocate(size - (uint32_t)done);
    if (!connection->unsent)
        return false;
    connection->unsent_size = size - (uint32_t)done;
    connection->unsent_done = 0;
    memcpy(connection->unsent, bytes + done, connection->unsent_size);
    return true;
}

/* The client's bytes to TCP. False when the connection is over, in peace or not. */
static bool pass_sent(kp_netstack_connection_t *connection)
{
    while (connection->pcb && !connection->client_fin_sent) {
        if (connection->unsent) {
            int32_t done = offer(connection, connection->unsent + connection->unsent_done,
                                 connection->unsent_size - connection->unsent_done);
            if (done < 0)
                return false;
            connection->unsent_done += (uint32_t)done;
            if (connection->unsent_done < connection->unsent_size)
                break;
            kp_netstack_free(connection->unsent);
            connection->unsent = NULL;
        }
        if (connection->client_fin) {
            err_t error = tcp_shutdown(connection->pcb, 0, 1);
            connection->client_fin_sent = error == ERR_OK;
            if (error != ERR_OK && error != ERR_MEM)
                return false;
            break;
        }
        if (!connection->is_readable || tcp_sndbuf(connection->pcb) == 0)
            break;
        kp_message_t *message = &connection->stack->message;
        kp_status_t status = kp_message_receive(connection->channel, message);
        if (status == KP_ERR_SHOULD_WAIT) {
            connection->is_readable = false;
            break;
        }
        if (status != KP_OK || !accept_message(connection, message))
            return false; /* closed without FIN, or a broken message: an abort */
    }
    if (connection->pcb)
        (void)tcp_output(connection->pcb); /* what it cannot send now it sends by its timer */
    return true;
}

static void watch(kp_netstack_connection_t *connection)
{
    kp_signals_t signals = 0;
    if (!connection->is_readable && !connection->client_fin && connection->pcb)
        signals |= KP_SIGNAL_READABLE;
    if (!connection->client_gone)
        signals |= KP_SIGNAL_PEER_CLOSED;
    if (!connection->is_writable && !connection->retry_at && !connection->client_gone)
        signals |= KP_SIGNAL_WRITABLE;
    /* Changes an existing watch: cannot fail. */
    (void)kp_loop_watch(&connection->stack->loop, connection->channel, signals, on_channel,
                        connection);
}

/* The first hop towards the host does not answer ARP: no packet of ours ever leaves, so there is no
   point in asking on until TCP gives up. */
static bool is_first_hop_silent(const kp_netstack_connection_t *connection)
{
    struct netif *netif = &connection->stack->netif;
    struct eth_addr *hardware;
    const ip4_addr_t *found, *hop = ip_2_ip4(&connection->pcb->remote_ip);
    if (!ip4_addr_net_eq(hop, netif_ip4_addr(netif), netif_ip4_netmask(netif)))
        hop = netif_ip4_gw(netif);
    return etharp_find_addr(netif, hop, &hardware, &found) < 0;
}

/* Does all that can be done for one connection now; destroys it when it is over. */
static void run(kp_netstack_connection_t *connection, kp_time_t now)
{
    if (connection->channel == KP_HANDLE_NONE) {
        if (now >= connection->look_at_hop) {
            connection->look_at_hop = KP_TIME_INFINITE;
            if (connection->pcb && !connection->is_connected && connection->error == KP_OK &&
                is_first_hop_silent(connection))
                connection->error = KP_ERR_UNREACHABLE;
        }
        if (connection->is_connected && connection->error == KP_OK && connection->client)
            introduce(connection);
        if (connection->channel == KP_HANDLE_NONE) {
            if (connection->error != KP_OK)
                reply_connected(connection->client, connection->txid, connection->error,
                                KP_HANDLE_NONE);
            else if (connection->client)
                return; /* still connecting */
            destroy(connection);
            return;
        }
    }
    if (!connection->client_gone && !pass_received(connection, now)) {
        destroy(connection);
        return;
    }
    if (!pass_sent(connection)) {
        destroy(connection);
        return;
    }
    bool is_sent = connection->client_fin_sent || !connection->pcb;
    if (is_sent && (connection->remote_fin || connection->client_gone))
        close_gracefully(connection);
    bool is_told = connection->remote_fin_told || connection->client_gone;
    bool is_lingering = connection->client_gone && !is_sent;
    if (is_lingering && now - connection->gone_since >= KP_NETSTACK_LINGER_TIMEOUT) {
        destroy(connection);
        return;
    }
    if (!connection->pcb && is_told && connection->error == KP_OK) {
        destroy(connection);
        return;
    }
    if (!connection->pcb && connection->client_gone) {
        destroy(connection);
        return;
    }
    watch(connection);
}

void kp_netstack_connections_run(kp_netstack_t *stack, kp_time_t now)
{
    for (kp_netstack_connection_t *at = stack->connections, *next; at; at = next) {
        next = at->next;
        run(at, now);
    }
}

kp_time_t kp_netstack_connections_deadline(const kp_netstack_t *stack)
{
    kp_time_t deadline = KP_TIME_INFINITE;
    for (const kp_netstack_connection_t *at = stack->connections; at; at = at->next) {
        if (at->client_gone && at->gone_since + KP_NETSTACK_LINGER_TIMEOUT < deadline)
            deadline = at->gone_since + KP_NETSTACK_LINGER_TIMEOUT;
        if (at->retry_at && !at->client_gone && at->retry_at < deadline)
            deadline = at->retry_at;
        if (at->channel == KP_HANDLE_NONE && at->look_at_hop < deadline)
            deadline = at->look_at_hop;
    }
    return deadline;
}

void kp_netstack_connection_relieve(kp_netstack_t *stack, kp_time_t now)
{
    kp_netstack_connection_t *victim = NULL;
    uint32_t most = 0;
    for (kp_netstack_connection_t *at = stack->connections; at; at = at->next) {
        uint32_t held = 0;
        for (const kp_netstack_chunk_t *chunk = at->first; chunk; chunk = chunk->next)
            held += chunk->size;
        bool is_stale = at->unread_since && now - at->unread_since >= KP_NETSTACK_STALE_TIME;
        if (is_stale && at->error == KP_OK && held > most) {
            victim = at;
            most = held;
        }
    }
    if (!victim)
        return;
    kp_log("memory is short: cutting a connection with %u unread bytes", most);
    victim->error = KP_ERR_NO_MEMORY;
    close_abruptly(victim);
    while (victim->first) { /* only the memory helps */
        kp_netstack_chunk_t *chunk = victim->first;
        victim->first = chunk->next;
        kp_netstack_free(chunk);
    }
    victim->last = &victim->first;
}

void kp_netstack_connections_clear(kp_netstack_t *stack)
{
    while (stack->connections)
        destroy(stack->connections);
    kp_netstack_free(stack->spare);
    stack->spare = NULL;
}
