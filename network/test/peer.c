#include "network/test/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network/test/sim.h"

#define MSS 1460u
#define RETRANSMIT (200 * KP_NS_PER_MS)
#define BURST (32 * MSS)
#define GATEWAY 0x0a000202u
#define NAME_SERVER 0x0a000203u
#define GUEST 0x0a00020fu
#define SILENT 0x0a000263u

peer_t peer;

typedef struct event {
    struct event *next;
    kp_time_t time;
    bool is_to_guest;
    size_t size;
    uint8_t frame[];
} event_t;

static event_t *events;
static uint8_t guest_mac[6];
static const uint8_t peer_mac[6] = {0x52, 0x55, 10, 0, 2, 2};

uint8_t peer_pattern(uint64_t offset)
{
    return (uint8_t)(offset * 31 + (offset >> 8) * 7 + (offset >> 16));
}

/* --- bytes ---- */
static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}
static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}
static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}
static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint16_t checksum(uint32_t sum, const uint8_t *at, size_t size)
{
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += get16(at + i);
    if (size & 1)
        sum += (uint32_t)at[size - 1] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static uint32_t pseudo_sum(const uint8_t *ip, uint32_t protocol, size_t size)
{
    return (uint32_t)get16(ip + 12) + get16(ip + 14) + get16(ip + 16) + get16(ip + 18) + protocol +
           (uint32_t)size;
}

/* --- the wire ---- */
static void schedule(const uint8_t *frame, size_t size, bool is_to_guest, kp_time_t delay)
{
    event_t *event = calloc(1, sizeof(*event) + size);
    if (!event)
        abort();
    event->time = kp_sim.now + delay;
    event->is_to_guest = is_to_guest;
    event->size = size;
    memcpy(event->frame, frame, size);
    event_t **at = &events;
    while (*at && (*at)->time <= event->time)
        at = &(*at)->next;
    event->next = *at;
    *at = event;
}

static bool chance(uint32_t of_1000)
{
    return of_1000 && kp_sim_random() % 1000 < of_1000;
}

static void carry(const uint8_t *frame, size_t size, bool is_to_guest)
{
    peer.frames++;
    if (chance(peer.loss)) {
        peer.lost++;
        return;
    }
    kp_time_t delay = peer.delay;
    if (chance(peer.reorder))
        delay += (1 + kp_sim_random() % 20) * KP_NS_PER_MS;
    schedule(frame, size, is_to_guest, delay);
    if (chance(peer.duplicate))
        schedule(frame, size, is_to_guest, delay + KP_NS_PER_MS);
}

void peer_inject(const void *frame, size_t size)
{
    schedule(frame, size, true, 0);
}

static bool on_transmit(void *context, const uint8_t *frame, size_t size)
{
    (void)context;
    carry(frame, size, false);
    return true;
}

/* Sends an IP packet whose payload is in place after the two headers; fills them in. */
static void send_ip(uint8_t *frame, uint32_t from, uint32_t to, uint8_t protocol, size_t payload)
{
    uint8_t *ip = frame + 14;
    memcpy(frame, guest_mac, 6);
    memcpy(frame + 6, peer_mac, 6);
    put16(frame + 12, 0x0800);
    memset(ip, 0, 20);
    ip[0] = 0x45;
    put16(ip + 2, (uint32_t)(20 + payload));
    ip[8] = 64;
    ip[9] = protocol;
    put32(ip + 12, from);
    put32(ip + 16, to);
    put16(ip + 10, checksum(0, ip, 20));
    carry(frame, 34 + payload, true);
}

static void send_udp(uint8_t *frame, uint32_t from, uint32_t to, uint16_t from_port,
                     uint16_t to_port, size_t payload)
{
    uint8_t *udp = frame + 34;
    put16(udp, from_port);
    put16(udp + 2, to_port);
    put16(udp + 4, (uint32_t)(8 + payload));
    put16(udp + 6, 0); /* no checksum */
    send_ip(frame, from, to, 17, 8 + payload);
}

/* --- DHCP and DNS ---- */
static void on_dhcp(const uint8_t *request, size_t size)
{
    uint8_t frame[600] = {0};
    uint8_t *reply = frame + 42;
    uint8_t kind = 0;
    for (size_t i = 240; i + 2 < size && request[i] != 255; i += 2u + request[i + 1]) {
        if (request[i] == 53)
            kind = request[i + 2];
    }
    if (kind == 1)
        peer.dhcp_discovers++;
    if (peer.is_dhcp_silent || (kind != 1 && kind != 3))
        return;
    reply[0] = 2;
    reply[1] = 1;
    reply[2] = 6;
    memcpy(reply + 4, request + 4, 4);
    put32(reply + 16, GUEST);
    memcpy(reply + 28, guest_mac, 6);
    put32(reply + 236, 0x63825363);
    uint8_t *option = reply + 240;
    *option++ = 53;
    *option++ = 1;
    *option++ = kind == 1 ? 2 : 5;
    static const struct {
        uint8_t code;
        uint32_t value;
    } values[] = {{54, GATEWAY}, {51, 86400}, {1, 0xffffff00}, {3, GATEWAY}, {6, NAME_SERVER}};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        *option++ = values[i].code;
        *option++ = 4;
        put32(option, values[i].value);
        option += 4;
    }
    *option++ = 255;
    send_udp(frame, GATEWAY, 0xffffffff, 67, 68, 300);
}

/* good.test is 10.0.2.2; silent.test gets no answer; all else does not exist. */
static void on_dns(const uint8_t *query, size_t size, uint16_t port)
{
    uint8_t frame[600] = {0};
    uint8_t *reply = frame + 42;
    char name[256] = "";
    size_t at = 12, used = 0;
    peer.dns_queries++;
    while (at < size && query[at] && used + query[at] + 2 < sizeof(name)) {
        memcpy(name + used, query + at + 1, query[at]);
        used += query[at];
        name[used++] = '.';
        at += 1u + query[at];
    }
    size_t end = at + 5;
    if (end > size || end > 400 || strcmp(name, "silent.test.") == 0)
        return;
    bool is_good = strcmp(name, "good.test.") == 0;
    memcpy(reply, query, end);
    put16(reply + 2, is_good ? 0x8180 : 0x8183);
    put16(reply + 6, is_good);
    put32(reply + 8, 0);
    if (is_good) {
        put16(reply + end, 0xc00c);
        put16(reply + end + 2, 1);
        put16(reply + end + 4, 1);
        put32(reply + end + 6, 60);
        put16(reply + end + 10, 4);
        put32(reply + end + 12, GATEWAY);
        end += 16;
    }
    send_udp(frame, NAME_SERVER, GUEST, 53, port, end);
}

/* --- TCP ---- */
enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static void send_segment(peer_connection_t *connection, uint32_t sequence, uint8_t flags,
                         uint64_t offset, size_t size)
{
    uint8_t frame[1514] = {0};
    uint8_t *tcp = frame + 34;
    size_t head = 20;
    put16(tcp, connection->port);
    put16(tcp + 2, connection->guest_port);
    put32(tcp + 4, sequence);
    put32(tcp + 8, connection->received);
    tcp[13] = flags;
    put16(tcp + 14, connection->window);
    if (flags & SYN) { /* MSS and a window scale of 0 */
        memcpy(tcp + 20, (const uint8_t[]){2, 4, 0x05, 0xb4, 1, 3, 3, 0}, 8);
        head = 28;
    }
    tcp[12] = (uint8_t)(head / 4 << 4);
    for (size_t i = 0; i < size; i++)
        tcp[head + i] = connection->echo ? connection->echo[offset + i] : peer_pattern(offset + i);
    uint8_t ip[20] = {0};
    put32(ip + 12, GATEWAY);
    put32(ip + 16, GUEST);
    put16(tcp + 16, checksum(pseudo_sum(ip, 6, head + size), tcp, head + size));
    send_ip(frame, GATEWAY, GUEST, 6, head + size);
}

/* Bytes of our stream that exist now, and whether it ends there. */
static uint64_t available(const peer_connection_t *connection, bool *is_end)
{
    if (connection->port == 7) {
        *is_end = connection->guest_fin;
        return connection->echo_size;
    }
    *is_end = connection->source_limit || connection->guest_fin || connection->port == 19;
    return connection->source_limit;
}

/* Sends what the window allows; sequence offsets: 0 SYN, 1.. data, then FIN. */
static void pump(peer_connection_t *connection)
{
    bool is_end;
    uint64_t have = available(connection, &is_end);
    if (!connection->is_established)
        return;
    uint64_t window = connection->guest_window < BURST ? connection->guest_window : BURST;
    while (connection->sent < 1 + have && connection->sent - connection->sent_acked < window) {
        uint64_t size = 1 + have - connection->sent;
        uint64_t room = window - (connection->sent - connection->sent_acked);
        size = size < MSS ? size : MSS;
        size = size < room ? size : room;
        send_segment(connection, connection->first_sequence + connection->sent, ACK,
                     connection->sent - 1, (size_t)size);
        connection->sent += (uint32_t)size;
    }
    if (connection->sent == 1 + have && is_end) {
        if (connection->is_reset_at_end) {
            send_segment(connection, connection->first_sequence + connection->sent, RST | ACK, 0,
                         0);
            connection->is_used = false;
            return;
        }
        send_segment(connection, connection->first_sequence + connection->sent, FIN | ACK, 0, 0);
        connection->sent++;
    }
    bool is_waiting = connection->sent != connection->sent_acked || connection->sent < 1 + have;
    if (is_waiting && !connection->timer)
        connection->timer = kp_sim.now + RETRANSMIT;
}

static void on_retransmit(peer_connection_t *connection)
{
    bool is_end;
    uint64_t have = available(connection, &is_end);
    connection->timer = 0;
    if (!connection->is_established) {
        send_segment(connection, connection->first_sequence, SYN | ACK, 0, 0);
        connection->timer = kp_sim.now + RETRANSMIT;
        return;
    }
    connection->sent = connection->sent_acked;
    if (connection->guest_window == 0 && connection->sent < 1 + have) { /* a probe */
        send_segment(connection, connection->first_sequence + connection->sent, ACK,
                     connection->sent - 1, 1);
        connection->timer = kp_sim.now + RETRANSMIT;
        return;
    }
    pump(connection);
}

static void send_reset(const uint8_t *tcp, size_t size)
{
    peer_connection_t none = {.port = get16(tcp + 2), .guest_port = get16(tcp)};
    none.received = get32(tcp + 4) + (uint32_t)size + ((tcp[13] & (SYN | FIN)) != 0);
    send_segment(&none, tcp[13] & ACK ? get32(tcp + 8) : 0, RST | ACK, 0, 0);
}

static void send_unreachable(const uint8_t *ip)
{
    uint8_t frame[100] = {0};
    uint8_t *icmp = frame + 34;
    icmp[0] = 3;
    icmp[1] = 1; /* host unreachable */
    memcpy(icmp + 8, ip, 28);
    put16(icmp + 2, checksum(0, icmp, 36));
    send_ip(frame, GATEWAY, GUEST, 1, 36);
}

static peer_connection_t *open_connection(const uint8_t *tcp)
{
    for (int i = 0; i < PEER_CONNECTIONS_MAX; i++) {
        peer_connection_t *connection = &peer.connections[i];
        if (connection->is_used)
            continue;
        free(connection->echo);
        *connection = (peer_connection_t){.is_used = true,
                                          .port = get16(tcp + 2),
                                          .guest_port = get16(tcp),
                                          .first_sequence = kp_sim_random(),
                                          .received = get32(tcp + 4) + 1,
                                          .window = 65535};
        size_t end = (size_t)(tcp[12] >> 4) * 4;
        for (size_t at = 20; at < end && tcp[at]; at += tcp[at] == 1 ? 1u : tcp[at + 1]) {
            if (tcp[at] == 3)
                connection->guest_shift = tcp[at + 2];
        }
        if (connection->port == 7) {
            connection->echo = calloc(1, 4u << 20);
            connection->window = 32768;
        }
        if (connection->port == 19)
            connection->source_limit = peer.source_size;
        if (connection->port == 83) {
            connection->source_limit = peer.source_size / 2;
            connection->is_reset_at_end = true;
        }
        if (connection->port == 85 && peer.is_window_shut)
            connection->window = 2000;
        return connection;
    }
    return NULL;
}

static void on_tcp_data(peer_connection_t *connection, const uint8_t *bytes, size_t size,
                        uint32_t sequence, bool is_fin)
{
    uint32_t skip = connection->received - sequence;
    if (skip > size || connection->guest_fin)
        return; /* a hole before it, or all known: the ACK says what we want */
    for (size_t i = skip; i < size; i++) {
        uint64_t offset = connection->stream_received++;
        if (bytes[i] != peer_pattern(offset))
            peer.pattern_errors++;
        if (connection->echo && connection->echo_size < 4u << 20)
            connection->echo[connection->echo_size++] = bytes[i];
    }
    peer.stream_bytes += size - skip;
    connection->received += (uint32_t)(size - skip);
    if (connection->port == 85 && peer.is_window_shut) {
        connection->window =
            connection->window > size - skip ? connection->window - (uint32_t)(size - skip) : 0;
    }
    if (is_fin) {
        connection->received++;
        connection->guest_fin = true;
    }
}

static void on_tcp(const uint8_t *ip, const uint8_t *tcp, size_t total)
{
    size_t head = (size_t)(tcp[12] >> 4) * 4;
    uint8_t flags = tcp[13];
    uint16_t port = get16(tcp + 2);
    if (checksum(pseudo_sum(ip, 6, total), tcp, total) != 0)
        peer.bad_checksums++;
    if (head < 20 || head > total)
        return;
    size_t size = total - head;
    peer_connection_t *connection = NULL;
    for (int i = 0; i < PEER_CONNECTIONS_MAX; i++) {
        peer_connection_t *at = &peer.connections[i];
        if (at->is_used && at->port == port && at->guest_port == get16(tcp))
            connection = at;
    }
    if (flags & RST) {
        peer.resets++;
        if (connection)
            connection->is_used = false;
        return;
    }
    if (flags & SYN) {
        peer.syns++;
        if (port == 84)
            send_unreachable(ip);
        if (port == 82 || port == 84)
            return;
        bool is_served = port == 7 || port == 9 || port == 19 || port == 83 || port == 85;
        if (!connection && is_served)
            connection = open_connection(tcp);
        if (!connection) {
            send_reset(tcp, size);
            return;
        }
        send_segment(connection, connection->first_sequence, SYN | ACK, 0, 0);
        if (!connection->timer)
            connection->timer = kp_sim.now + RETRANSMIT;
        return;
    }
    if (!connection) {
        send_reset(tcp, size);
        return;
    }
    uint32_t acked = get32(tcp + 8) - connection->first_sequence;
    uint32_t window = (uint32_t)get16(tcp + 14) << connection->guest_shift;
    if (!connection->is_established && acked == 1) {
        connection->is_established = true;
        connection->sent = connection->sent_acked = 1;
        connection->timer = 0;
    }
    if (acked > connection->sent_acked && acked < 1u << 31) {
        connection->sent_acked = acked;
        if (connection->sent < acked)
            connection->sent = acked;
        connection->timer = 0;
        connection->duplicate_acks = 0;
    } else if (acked == connection->sent_acked && size == 0 && !(flags & FIN) &&
               connection->sent > acked && window == connection->guest_window &&
               ++connection->duplicate_acks == 3) {
        connection->sent = acked; /* go back: simple, and good enough for a wire */
    }
    connection->guest_window = window;
    if (size || flags & FIN) {
        on_tcp_data(connection, tcp + head, size, get32(tcp + 4), flags & FIN);
        send_segment(connection, connection->first_sequence + connection->sent, ACK, 0, 0);
    }
    pump(connection);
    if (connection->guest_fin && connection->sent_acked == connection->sent) {
        bool is_end;
        uint64_t have = available(connection, &is_end);
        if (is_end && connection->sent == 2 + have)
            connection->is_used = false; /* both directions are closed and acknowledged */
    }
}

static void on_frame(const uint8_t *frame, size_t size)
{
    if (size < 34)
        return;
    memcpy(guest_mac, frame + 6, 6);
    const uint8_t *ip = frame + 14;
    if (get16(frame + 12) == 0x0806) {
        uint8_t reply[60] = {0};
        uint32_t wanted = get32(ip + 24);
        if (size < 42 || get16(ip + 6) != 1 || wanted == GUEST || wanted == SILENT ||
            wanted >> 8 != GUEST >> 8)
            return;
        memcpy(reply, guest_mac, 6);
        memcpy(reply + 6, peer_mac, 6);
        put16(reply + 12, 0x0806);
        memcpy(reply + 14, ip, 8);
        put16(reply + 20, 2);
        memcpy(reply + 22, peer_mac, 6);
        put32(reply + 28, wanted);
        memcpy(reply + 32, ip + 8, 10);
        carry(reply, sizeof(reply), true);
        return;
    }
    size_t total = get16(ip + 2);
    if (get16(frame + 12) != 0x0800 || ip[0] != 0x45 || total + 14 > size || total < 28)
        return;
    if (checksum(0, ip, 20) != 0)
        peer.bad_checksums++;
    if (ip[9] == 17 && get16(ip + 22) == 67)
        on_dhcp(ip + 28, total - 28);
    else if (ip[9] == 17 && get16(ip + 22) == 53)
        on_dns(ip + 28, total - 28, get16(ip + 20));
    else if (ip[9] == 6 && total >= 40)
        on_tcp(ip, ip + 20, total - 20);
}

static void on_idle(void *context, kp_time_t deadline)
{
    (void)context;
    kp_time_t next = events ? events->time : KP_TIME_INFINITE;
    peer_connection_t *timed = NULL;
    for (int i = 0; i < PEER_CONNECTIONS_MAX; i++) {
        peer_connection_t *at = &peer.connections[i];
        if (at->is_used && at->timer && at->timer < next) {
            next = at->timer;
            timed = at;
        }
    }
    if (next > deadline || next == KP_TIME_INFINITE) {
        if (deadline == KP_TIME_INFINITE) {
            fprintf(stderr, "peer: nothing will ever happen\n");
            abort();
        }
        kp_sim.now = deadline;
        return;
    }
    if (next > kp_sim.now)
        kp_sim.now = next;
    if (timed) {
        on_retransmit(timed);
        return;
    }
    event_t *event = events;
    events = event->next;
    if (event->is_to_guest)
        kp_sim_device_deliver(event->frame, event->size);
    else
        on_frame(event->frame, event->size);
    free(event);
}

void peer_reset(void)
{
    while (events) {
        event_t *event = events;
        events = event->next;
        free(event);
    }
    for (int i = 0; i < PEER_CONNECTIONS_MAX; i++)
        free(peer.connections[i].echo);
    peer = (peer_t){.delay = KP_NS_PER_MS / 5, .source_size = 100000};
    kp_sim.idle = on_idle;
    kp_sim.transmit = on_transmit;
}
