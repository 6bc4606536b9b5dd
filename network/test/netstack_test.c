/* The real netstack, lwIP included, against the simulated wire and the peer of peer.c. lwIP cannot
   be started twice, so the tests share one stack; each leaves it idle. Virtual time: fast and
   exact. */
#include "network/test/netstack_harness.h"

static bool transmit_nothing(void *context, const uint8_t *frame, size_t size)
{
    (void)context;
    (void)frame;
    (void)size;
    return false;
}

KP_TEST(dhcp_binds_at_once_and_early_requests_wait)
{
    kp_sim_reset();
    peer_reset();
    stack = calloc(1, sizeof(*stack));
    service = kp_sim_service_create();
    client = connect_client(); /* before there is a server */
    kp_net_resolved_t reply;
    KP_REQUIRE(kp_netstack_init(stack, kp_sim_device_create(), service) == KP_OK);
    /* Nobody answers at first: requests fail in the end, and DHCP goes on asking. */
    peer.is_dhcp_silent = true;
    KP_EXPECT_INT(resolve("good.test", &reply), KP_ERR_UNREACHABLE);
    KP_EXPECT(peer.dhcp_discovers >= 2);
    KP_EXPECT(!stack->is_configured);
    peer.is_dhcp_silent = false;
    for (int i = 0; i < 100 && !stack->is_configured; i++)
        steps(SECOND);
    KP_EXPECT(stack->is_configured);
    KP_EXPECT_INT(resolve("good.test", &reply), KP_OK);
    /* From the start, with an answer: at once. */
    dhcp_release_and_stop(&stack->netif);
    steps(SECOND);
    KP_EXPECT(!stack->is_configured);
    peer.dhcp_discovers = 0;
    etharp_cleanup_netif(&stack->netif);
    KP_REQUIRE(dhcp_start(&stack->netif) == ERR_OK);
    kp_time_t start = kp_sim.now;
    KP_EXPECT_INT(resolve("192.168.1.1", &reply), KP_OK);
    KP_EXPECT_INT(resolve("other.test", &reply), KP_ERR_NAME_NOT_RESOLVED);
    KP_EXPECT_INT(peer.dhcp_discovers, 1);
    KP_EXPECT(stack->is_configured);
    /* Round trips (DHCP twice, ARP, DNS) of 0.4 ms each: no timer was waited for. */
    KP_EXPECT(kp_sim.now - start < 10 * KP_NS_PER_MS);
    KP_EXPECT_INT(resolve("good.test", &reply), KP_OK);
    static const uint8_t want[4] = {10, 0, 2, 2};
    KP_EXPECT_INT(reply.count, 1);
    KP_EXPECT_INT(reply.addresses[0].family, 4);
    KP_EXPECT(memcmp(reply.addresses[0].bytes, want, 4) == 0);
}

KP_TEST(status_tells_the_configuration)
{
    kp_message_header_t request = {KP_NET_STATUS, ++last_txid};
    kp_message_send(client, &request, sizeof(request));
    KP_REQUIRE(wait_for(client, SECOND));
    KP_EXPECT_INT(kp_message_receive(client, &message), KP_OK);
    const kp_net_status_t *reply = kp_message_as(&message, sizeof(*reply));
    KP_REQUIRE(reply);
    static const uint8_t want[4] = {10, 0, 2, 15};
    KP_EXPECT_INT(reply->configured, 1);
    KP_EXPECT(memcmp(reply->address.bytes, want, 4) == 0);
    KP_EXPECT_INT(reply->gateway.bytes[3], 2);
    KP_EXPECT_INT(reply->name_server.bytes[3], 3);
}

KP_TEST(names)
{
    kp_net_resolved_t reply;
    uint32_t queries = peer.dns_queries;
    KP_EXPECT_INT(resolve("good.test", &reply), KP_OK);
    KP_EXPECT_INT(peer.dns_queries, queries); /* from the cache */
    KP_EXPECT_INT(resolve("missing.test", &reply), KP_ERR_NAME_NOT_RESOLVED);
    KP_EXPECT_INT(resolve("192.168.7.9", &reply), KP_OK);
    KP_EXPECT_INT(reply.addresses[0].bytes[3], 9);
    KP_EXPECT_INT(resolve("bad..name", &reply), KP_ERR_NAME_NOT_RESOLVED);
    KP_EXPECT_INT(resolve("a b", &reply), KP_ERR_NAME_NOT_RESOLVED);
    char label[80];
    memset(label, 'a', 64);
    strcpy(label + 64, ".test");
    KP_EXPECT_INT(resolve(label, &reply), KP_ERR_NAME_NOT_RESOLVED);
    KP_EXPECT_INT(resolve("silent.test", &reply), KP_ERR_TIMED_OUT);
}

KP_TEST(connections_that_fail_say_why)
{
    kp_handle_t socket;
    size_t handles = kp_sim_handle_count();
    send_connect(client, 2, 81);
    KP_EXPECT_INT(connected(client, &socket), KP_ERR_CONNECTION_REFUSED);
    send_connect(client, 2, 84);
    KP_EXPECT_INT(connected(client, &socket), KP_ERR_UNREACHABLE);
    kp_time_t start = kp_sim.now;
    send_connect(client, 2, 82);
    KP_EXPECT_INT(connected(client, &socket), KP_ERR_TIMED_OUT);
    KP_EXPECT(kp_sim.now - start > 5 * SECOND);
    send_connect(client, 99, 80); /* no such neighbour */
    start = kp_sim.now;
    KP_EXPECT_INT(connected(client, &socket), KP_ERR_UNREACHABLE);
    KP_EXPECT(kp_sim.now - start < 5 * SECOND);
    kp_net_connect_t request = {.header = {KP_NET_CONNECT, ++last_txid},
                                .address = {.family = 4, .bytes = {127, 0, 0, 1}},
                                .port = 80};
    kp_message_send(client, &request, sizeof(request));
    KP_EXPECT_INT(connected(client, &socket), KP_ERR_UNREACHABLE);
    request.address = (kp_net_address_t){.family = 6, .bytes = {0xfe, 0xc0}};
    request.header.txid = ++last_txid;
    kp_message_send(client, &request, sizeof(request));
    KP_EXPECT_INT(connected(client, &socket), KP_ERR_UNREACHABLE);
    expect_idle(handles);
}

/* Echoes total bytes through port 7 and checks what comes back. */
static void echo(uint64_t total)
{
    kp_handle_t socket = dial(7);
    uint64_t sent = 0, received = 0;
    kp_time_t end = kp_sim.now + 600 * SECOND;
    kp_status_t status = KP_ERR_SHOULD_WAIT;
    while (status == KP_ERR_SHOULD_WAIT && kp_sim.now < end) {
        while (sent < total) {
            size_t size = total - sent < 20000 ? (size_t)(total - sent) : 20000;
            if (send_data(socket, sent, size) != KP_OK)
                break;
            sent += size;
            if (sent == total)
                send_fin(socket);
        }
        kp_netstack_step(stack, kp_sim.now + 10 * KP_NS_PER_MS);
        while ((status = kp_message_receive(socket, &message)) == KP_OK) {
            const kp_net_segment_t *segment = kp_message_as(&message, sizeof(*segment));
            KP_REQUIRE(segment && segment->kind != KP_NET_SEGMENT_ERROR);
            if (segment->kind == KP_NET_SEGMENT_FIN)
                break;
            for (size_t i = sizeof(*segment); i < message.size; i++) {
                if (message.bytes[i] != peer_pattern(received++))
                    KP_FAIL("byte %llu differs", (unsigned long long)received);
            }
        }
    }
    KP_EXPECT_INT(status, KP_OK);
    KP_EXPECT_INT(received, total);
    kp_handle_close(socket);
}

KP_TEST(echo_both_directions)
{
    size_t handles = kp_sim_handle_count();
    uint32_t resets = peer.resets;
    echo(1);
    echo(300000);
    expect_idle(handles);
    KP_EXPECT_INT(peer.resets, resets);
}

KP_TEST(download_and_orderly_end)
{
    size_t handles = kp_sim_handle_count();
    uint64_t count = 0;
    uint32_t resets = peer.resets;
    peer.source_size = 1000000;
    kp_handle_t socket = dial(19);
    KP_EXPECT_INT(read_all(socket, &count), KP_OK);
    KP_EXPECT_INT(count, 1000000);
    send_fin(socket);
    kp_handle_close(socket);
    expect_idle(handles);
    KP_EXPECT_INT(peer.resets, resets);
}

KP_TEST(loss_duplication_and_reordering)
{
    size_t handles = kp_sim_handle_count();
    for (uint32_t seed = 1; seed <= 6; seed++) {
        kp_sim.random = seed * 7919;
        peer.loss = seed == 6 ? 120 : 30;
        peer.duplicate = 30;
        peer.reorder = 50;
        peer.source_size = 200000;
        uint64_t count = 0;
        kp_handle_t socket = dial(19);
        KP_EXPECT_INT(read_all(socket, &count), KP_OK);
        KP_EXPECT_INT(count, 200000);
        kp_handle_close(socket);
        echo(60000);
    }
    KP_EXPECT(peer.lost > 20);
    peer.loss = peer.duplicate = peer.reorder = 0;
    expect_idle(handles);
}

KP_TEST(a_full_device_delays_but_loses_little)
{
    size_t handles = kp_sim_handle_count();
    bool (*transmit)(void *, const uint8_t *, size_t) = kp_sim.transmit;
    kp_handle_t socket = dial(9);
    uint64_t before = peer.stream_bytes;
    kp_sim.transmit = transmit_nothing;
    for (uint64_t at = 0; at < 60000; at += 20000)
        KP_EXPECT_INT(send_data(socket, at, 20000), KP_OK);
    steps(SECOND / 10);
    KP_EXPECT(stack->send_count > 0);
    kp_sim.transmit = transmit;
    kp_sim_device_drained();
    send_fin(socket);
    steps(10 * SECOND);
    KP_EXPECT_INT(stack->send_count, 0);
    KP_EXPECT_INT(peer.stream_bytes - before, 60000);
    kp_handle_close(socket);
    expect_idle(handles);
}

KP_TEST(reset_in_the_middle)
{
    size_t handles = kp_sim_handle_count();
    uint64_t count = 0;
    peer.source_size = 50000;
    kp_handle_t socket = dial(83);
    KP_EXPECT_INT(read_all(socket, &count), KP_ERR_CONNECTION_RESET);
    KP_EXPECT_INT(count, 25000); /* what arrived before is not lost */
    KP_EXPECT_INT(read_all(socket, &count), KP_ERR_PEER_CLOSED);
    kp_handle_close(socket);
    expect_idle(handles);
}

KP_TEST(slow_reader_shuts_the_window)
{
    size_t handles = kp_sim_handle_count();
    uint64_t count = 0;
    peer.source_size = 8u << 20;
    kp_sim.queue_messages = 4;
    kp_handle_t socket = dial(19);
    steps(20 * SECOND);
    uint32_t sent = 0;
    for (int i = 0; i < PEER_CONNECTIONS_MAX; i++) {
        if (peer.connections[i].is_used && peer.connections[i].port == 19)
            sent = peer.connections[i].sent_acked;
    }
    /* The channel's four messages, TCP's window, and no more. */
    KP_EXPECT(sent > 64 * 1024);
    KP_EXPECT(sent <= 4 * KP_NET_SEGMENT_MAX + TCP_WND + 1);
    KP_EXPECT(kp_netstack_memory_used() < TCP_WND + 128 * 1024);
    KP_EXPECT_INT(read_all(socket, &count), KP_OK);
    KP_EXPECT_INT(count, 8u << 20);
    kp_handle_close(socket);
    kp_sim.queue_messages = 64;
    expect_idle(handles);
}

KP_TEST(quota_of_the_kernel_is_waited_for)
{
    size_t handles = kp_sim_handle_count();
    uint64_t count = 0;
    peer.source_size = 300000;
    kp_handle_t socket = dial(19);
    kp_sim.quota = 40000;
    steps(SECOND);
    KP_EXPECT(kp_sim_channel_waiting(socket) > 0);
    KP_EXPECT_INT(read_all(socket, &count), KP_OK); /* slowly: one message at a time */
    KP_EXPECT_INT(count, 300000);
    kp_sim.quota = -1;
    kp_handle_close(socket);
    expect_idle(handles);
}

KP_TEST(shut_window_stops_the_writer)
{
    size_t handles = kp_sim_handle_count();
    uint64_t sent = 0;
    kp_sim.queue_messages = 4;
    peer.is_window_shut = true;
    kp_handle_t socket = dial(85);
    for (int i = 0; i < 2000; i++) {
        if (send_data(socket, sent, 16000) == KP_OK)
            sent += 16000;
        kp_netstack_step(stack, kp_sim.now + 10 * KP_NS_PER_MS);
    }
    /* Channel, one message that TCP did not take, TCP's buffer, the window. */
    KP_EXPECT(sent <= 4 * 16000 + 16000 + TCP_SND_BUF + 2000 + 16000);
    KP_EXPECT(sent >= TCP_SND_BUF);
    peer.is_window_shut = false;
    for (int i = 0; i < PEER_CONNECTIONS_MAX; i++)
        peer.connections[i].window = 65535;
    uint64_t before = peer.stream_bytes, count = 0;
    steps(5 * SECOND);
    send_fin(socket);
    KP_EXPECT_INT(read_all(socket, &count), KP_OK); /* the peer's FIN comes after ours */
    KP_EXPECT(peer.stream_bytes > before);
    kp_handle_close(socket);
    kp_sim.queue_messages = 64;
    expect_idle(handles);
}

KP_TEST(closing_without_fin_aborts)
{
    size_t handles = kp_sim_handle_count();
    uint32_t resets = peer.resets;
    kp_handle_t socket = dial(7);
    steps(SECOND);
    kp_handle_close(socket);
    steps(SECOND);
    KP_EXPECT_INT(peer.resets, resets + 1);
    expect_idle(handles);
}

KP_TEST(client_that_leaves_early_still_sends_all)
{
    size_t handles = kp_sim_handle_count();
    uint64_t before = peer.stream_bytes;
    kp_handle_t socket = dial(9);
    for (uint64_t at = 0; at < 200000; at += 20000)
        KP_EXPECT_INT(send_data(socket, at, 20000), KP_OK);
    send_fin(socket);
    kp_handle_close(socket);
    steps(5 * SECOND);
    KP_EXPECT_INT(peer.stream_bytes - before, 200000);
    expect_idle(handles);
}

static bool is_closed(kp_handle_t channel)
{
    kp_signals_t observed = 0;
    for (int i = 0; i < 50; i++)
        kp_netstack_step(stack, kp_sim.now + KP_NS_PER_MS);
    return kp_object_wait_one(channel, KP_SIGNAL_PEER_CLOSED, KP_TIME_POLL, &observed) == KP_OK;
}

KP_TEST(malformed_messages_close_that_client_only)
{
    kp_net_resolve_t resolve_head = {.header = {KP_NET_RESOLVE, 7}, .name_size = 200};
    kp_net_connect_t bad_port = {.header = {KP_NET_CONNECT, 8},
                                 .address = {.family = 4, .bytes = {10, 0, 2, 2}},
                                 .port = 70000};
    kp_net_connect_t bad_family = bad_port;
    bad_family.port = 80;
    bad_family.address.family = 5;
    kp_message_header_t unknown = {99, 1}, no_txid = {KP_NET_STATUS, 0};
    const struct {
        const void *bytes;
        size_t size;
    } bad[] = {
        {"", 0},
        {"abc", 3},
        {&unknown, sizeof(unknown)},
        {&no_txid, sizeof(no_txid)},
        {&resolve_head, sizeof(resolve_head)}, /* the name is missing */
        {&resolve_head, 8},
        {&bad_port, sizeof(bad_port)},
        {&bad_port, sizeof(bad_port) - 1},
        {&bad_family, sizeof(bad_family)},
    };
    size_t handles = kp_sim_handle_count();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        kp_handle_t channel = connect_client();
        kp_message_send(channel, bad[i].bytes, bad[i].size);
        if (!is_closed(channel))
            KP_FAIL("message %zu was accepted", i);
        kp_handle_close(channel);
    }
    kp_net_resolved_t reply;
    KP_EXPECT_INT(resolve("good.test", &reply), KP_OK);

    static const kp_net_segment_t segments[] = {
        {0, 0}, {KP_NET_SEGMENT_ERROR, -1}, {KP_NET_SEGMENT_DATA, 0}};
    for (size_t i = 0; i < 3; i++) {
        kp_handle_t socket = dial(7);
        kp_message_send(socket, &segments[i], sizeof(segments[i]));
        if (!is_closed(socket))
            KP_FAIL("segment %zu was accepted", i);
        kp_handle_close(socket);
    }
    kp_handle_t socket = dial(7); /* data after FIN */
    send_fin(socket);
    send_data(socket, 0, 10);
    KP_EXPECT(is_closed(socket) || kp_sim_channel_waiting(socket) > 0);
    kp_handle_close(socket);
    expect_idle(handles);
}

KP_TEST(quotas)
{
    size_t handles = kp_sim_handle_count();
    kp_handle_t greedy = connect_client(), sockets[256];
    uint32_t good = 0, refused = 0;
    kp_sim.queue_messages = 1000;
    for (int i = 0; i < 40; i++) {
        kp_handle_t socket;
        send_connect(greedy, 2, 7);
        if (connected(greedy, &socket) == KP_OK)
            sockets[good++] = socket;
    }
    for (int i = 0; i < 60 + (int)KP_NETSTACK_CLIENT_CONNECTIONS_MAX; i++)
        send_connect(greedy, 2, 82);
    for (int i = 0; i < 60 + (int)KP_NETSTACK_CLIENT_CONNECTIONS_MAX; i++) {
        kp_handle_t socket;
        refused += connected(greedy, &socket) == KP_ERR_QUOTA;
    }
    KP_EXPECT_INT(good, 40);
    KP_EXPECT_INT(refused, 100);
    for (uint32_t i = 0; i < good; i++)
        kp_handle_close(sockets[i]);
    kp_handle_close(greedy);
    kp_sim.queue_messages = 64;
    expect_idle(handles);
}

KP_TEST(many_connections_at_once_on_a_bad_wire)
{
    size_t handles = kp_sim_handle_count();
    kp_handle_t sockets[48];
    peer.loss = 20;
    peer.source_size = 30000;
    for (int i = 0; i < 48; i++)
        send_connect(client, 2, 19);
    for (int i = 0; i < 48; i++)
        KP_EXPECT_INT(connected(client, &sockets[i]), KP_OK);
    for (int i = 0; i < 48; i++) {
        uint64_t count = 0;
        KP_EXPECT_INT(read_all(sockets[i], &count), KP_OK);
        KP_EXPECT_INT(count, 30000);
        kp_handle_close(sockets[i]);
    }
    peer.loss = 0;
    expect_idle(handles);
}

KP_TEST(unread_connections_cannot_starve_the_others)
{
    size_t handles = kp_sim_handle_count();
    kp_handle_t sockets[40];
    peer.source_size = 1u << 20;
    kp_sim.queue_messages = 1;
    for (int i = 0; i < 40; i++)
        sockets[i] = dial(19);
    for (int i = 0; i < 200; i++) {
        steps(100 * KP_NS_PER_MS);
        KP_EXPECT(kp_netstack_memory_used() <= KP_NETSTACK_BUDGET);
    }
    peer.source_size = 200000;
    uint64_t count = 0;
    kp_handle_t socket = dial(19);
    KP_EXPECT_INT(read_all(socket, &count), KP_OK);
    KP_EXPECT_INT(count, 200000);
    kp_handle_close(socket);
    for (int i = 0; i < 40; i++)
        kp_handle_close(sockets[i]);
    kp_sim.queue_messages = 64;
    expect_idle(handles);
}

KP_TEST(out_of_memory_is_an_error_and_passes)
{
    size_t handles = kp_sim_handle_count();
    peer.source_size = 40000;
    for (int64_t n = 0; n < 60; n++) {
        kp_handle_t other = connect_client(), socket = KP_HANDLE_NONE;
        kp_netstack_memory_fail_after(n);
        send_connect(other, 2, 19);
        steps(SECOND);
        kp_netstack_memory_fail_after(-1);
        if (kp_message_receive(other, &message) == KP_OK)
            socket = kp_message_take(&message, 0);
        uint64_t count = 0;
        if (socket != KP_HANDLE_NONE) {
            kp_status_t status = read_all(socket, &count);
            KP_EXPECT(status == KP_OK ? count == 40000 : count < 40000);
            kp_handle_close(socket);
        }
        kp_handle_close(other);
    }
    uint64_t count = 0;
    kp_handle_t socket = dial(19);
    KP_EXPECT_INT(read_all(socket, &count), KP_OK);
    KP_EXPECT_INT(count, 40000);
    kp_handle_close(socket);
    expect_idle(handles);
}

KP_TEST(an_idle_stack_does_not_tick)
{
    steps(60 * SECOND);
    kp_time_t deadline = kp_netstack_timers_run(stack, kp_sim.now);
    KP_EXPECT_INT(deadline, stack->lease_next); /* once a minute, for DHCP */
    KP_EXPECT_INT(kp_netstack_connections_deadline(stack), KP_TIME_INFINITE);
    KP_EXPECT_INT(kp_netstack_service_deadline(stack), KP_TIME_INFINITE);
    KP_EXPECT(kp_netstack_memory_used() < 64 * 1024);
    kp_net_resolved_t reply;
    KP_EXPECT_INT(resolve("good.test", &reply), KP_OK); /* and wakes up */
    kp_handle_close(client);
    steps(SECOND);
    KP_EXPECT_INT(stack->client_count, 0);
    kp_netstack_clear(stack);
    free(stack);
    kp_sim_reset();
    peer_reset();
}

KP_TEST_MAIN()
