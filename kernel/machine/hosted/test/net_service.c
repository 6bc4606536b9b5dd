/* The service `net` over host sockets, against small servers of our own on the loopback. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/net.h"
#include "tests/kp_test_hosted.h"

#define BUNDLE "build/test/runtime.bundle"

static kp_capability_t service; /* one connection, for all tests */
static uint32_t last_txid;

/* ---- servers ---- */

typedef struct server {
    int listener;
    uint16_t port;
    void (*serve)(int file);
    pthread_t thread;
} server_t;

static void *run_server(void *argument)
{
    server_t *server = argument;
    int file = accept(server->listener, NULL, NULL);
    if (file >= 0) {
        server->serve(file);
        close(file);
    }
    return NULL;
}

static bool start_server(server_t *server, void (*serve)(int file))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    server->serve = serve;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 ||
        bind(server->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(server->listener, 4) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &size) != 0)
        return false;
    server->port = ntohs(address.sin_port);
    return !serve || pthread_create(&server->thread, NULL, run_server, server) == 0;
}

static void stop_server(server_t *server)
{
    if (server->serve)
        pthread_join(server->thread, NULL);
    close(server->listener);
}

/* ---- a client ---- */

static kp_message_t *receive(kp_capability_t end)
{
    kp_message_t *message = NULL;
    kp_status_t status = kp_channel_receive(end, kp_machine_now() + KP_TEST_PATIENCE, &message);
    if (status != KP_OK)
        KP_FAIL("receive: %s", kp_status_name(status));
    return message;
}

static kp_status_t connect_to(uint16_t port, kp_capability_t *stream)
{
    kp_net_connect_t request = {
        {KP_NET_CONNECT, ++last_txid}, {.family = 4, .bytes = {127, 0, 0, 1}}, port};
    if (kp_channel_send(service, &request, sizeof(request), NULL, 0) != KP_OK)
        return KP_ERR_IO;
    kp_message_t *message = receive(service);
    kp_net_connected_t connected = {.status = KP_ERR_PROTOCOL};
    if (message && message->byte_count == sizeof(connected))
        memcpy(&connected, message->bytes, sizeof(connected));
    if (message && connected.status == KP_OK && message->capability_count == 1)
        *stream = kp_capability_take(&message->capabilities[0]);
    KP_EXPECT_INT(connected.header.txid, last_txid);
    if (message)
        kp_message_destroy(message);
    return connected.status;
}

static kp_status_t send_segment(kp_capability_t stream, uint32_t kind, const void *bytes,
                                size_t size)
{
    static uint8_t buffer[sizeof(kp_net_segment_t) + KP_NET_SEGMENT_MAX];
    kp_net_segment_t segment = {kind, 0};
    memcpy(buffer, &segment, sizeof(segment));
    if (size > 0)
        memcpy(buffer + sizeof(segment), bytes, size);
    for (;;) {
        kp_status_t status = kp_channel_send(stream, buffer, sizeof(segment) + size, NULL, 0);
        if (status != KP_ERR_SHOULD_WAIT)
            return status;
        status = kp_wait_one(stream.object, KP_SIGNAL_WRITABLE | KP_SIGNAL_PEER_CLOSED,
                             kp_machine_now() + KP_TEST_PATIENCE, NULL);
        if (status != KP_OK)
            return status;
    }
}

/* Reads until FIN (KP_OK) or ERROR (its status) or silence; total bytes and a checksum. */
static kp_status_t drain(kp_capability_t stream, size_t *total, uint32_t *sum)
{
    *total = 0;
    *sum = 0;
    for (;;) {
        kp_message_t *message = receive(stream);
        if (!message || message->byte_count < sizeof(kp_net_segment_t))
            return KP_ERR_PROTOCOL;
        kp_net_segment_t segment;
        memcpy(&segment, message->bytes, sizeof(segment));
        for (size_t i = sizeof(segment); i < message->byte_count; i++)
            *sum = *sum * 31 + message->bytes[i];
        *total += message->byte_count - sizeof(segment);
        kp_message_destroy(message);
        if (segment.kind == KP_NET_SEGMENT_FIN)
            return KP_OK;
        if (segment.kind == KP_NET_SEGMENT_ERROR)
            return segment.status;
    }
}

/* ---- names ---- */

static kp_net_resolved_t resolve(const char *name)
{
    uint8_t bytes[sizeof(kp_net_resolve_t) + 300];
    kp_net_resolve_t request = {{KP_NET_RESOLVE, ++last_txid}, (uint32_t)strlen(name)};
    kp_net_resolved_t resolved = {.status = KP_ERR_PROTOCOL};
    memcpy(bytes, &request, sizeof(request));
    memcpy(bytes + sizeof(request), name, strlen(name));
    if (kp_channel_send(service, bytes, sizeof(request) + strlen(name), NULL, 0) != KP_OK)
        return resolved;
    kp_message_t *message = receive(service);
    if (message && message->byte_count == sizeof(resolved))
        memcpy(&resolved, message->bytes, sizeof(resolved));
    if (message)
        kp_message_destroy(message);
    KP_EXPECT_INT(resolved.header.txid, last_txid);
    return resolved;
}

KP_TEST(resolve_numbers_and_localhost)
{
    kp_net_resolved_t resolved = resolve("127.0.0.1");
    KP_EXPECT_INT(resolved.status, KP_OK);
    KP_EXPECT_INT(resolved.count, 1);
    KP_EXPECT_INT(resolved.addresses[0].family, 4);
    KP_EXPECT_INT(resolved.addresses[0].bytes[0], 127);
    resolved = resolve("localhost");
    KP_EXPECT_INT(resolved.status, KP_OK);
    KP_EXPECT(resolved.count >= 1);
}

KP_TEST(resolve_failures)
{
    KP_EXPECT_INT(resolve("does-not-exist.invalid").status, KP_ERR_NAME_NOT_RESOLVED);
    KP_EXPECT_INT(resolve("").status, KP_ERR_NAME_NOT_RESOLVED);
    char longest[281];
    memset(longest, 'a', 280);
    longest[280] = 0;
    KP_EXPECT_INT(resolve(longest).status, KP_ERR_NAME_NOT_RESOLVED);
}

/* ---- streams ---- */

static void serve_echo(int file)
{
    char buffer[4096];
    ssize_t count;
    while ((count = recv(file, buffer, sizeof(buffer), 0)) > 0) {
        if (send(file, buffer, (size_t)count, MSG_NOSIGNAL) != count)
            return;
    }
}

KP_TEST(echo_and_half_close)
{
    server_t server;
    kp_capability_t stream = {0};
    KP_REQUIRE(start_server(&server, serve_echo));
    KP_EXPECT_INT(connect_to(server.port, &stream), KP_OK);
    KP_REQUIRE(stream.object);
    size_t total;
    uint32_t sum, expected = 0;
    for (const char *at = "hello there"; *at; at++)
        expected = expected * 31 + (uint8_t)*at;
    KP_EXPECT_INT(send_segment(stream, KP_NET_SEGMENT_DATA, "hello ", 6), KP_OK);
    KP_EXPECT_INT(send_segment(stream, KP_NET_SEGMENT_DATA, "there", 5), KP_OK);
    KP_EXPECT_INT(send_segment(stream, KP_NET_SEGMENT_FIN, NULL, 0), KP_OK);
    KP_EXPECT_INT(drain(stream, &total, &sum), KP_OK);
    KP_EXPECT_INT(total, 11);
    KP_EXPECT_INT(sum, expected);
    kp_capability_close(&stream);
    stop_server(&server);
}

enum { LARGE = 6 << 20 };

static void serve_large(int file)
{
    uint8_t *bytes = malloc(LARGE);
    for (size_t i = 0; bytes && i < LARGE; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    for (size_t sent = 0; bytes && sent < LARGE;) {
        ssize_t count = send(file, bytes + sent, LARGE - sent, MSG_NOSIGNAL);
        if (count <= 0)
            break;
        sent += (size_t)count;
    }
    free(bytes);
}

/* Much more than the channel holds: the service must wait for us, and lose nothing. */
KP_TEST(large_body_with_a_slow_reader)
{
    server_t server;
    kp_capability_t stream = {0};
    KP_REQUIRE(start_server(&server, serve_large));
    KP_EXPECT_INT(connect_to(server.port, &stream), KP_OK);
    KP_REQUIRE(stream.object);
    kp_wait_many(NULL, 0, kp_machine_now() + 100 * KP_NS_PER_MS);
    uint32_t expected = 0, sum;
    size_t total;
    for (size_t i = 0; i < LARGE; i++)
        expected = expected * 31 + (uint8_t)(i * 2654435761u >> 24);
    KP_EXPECT_INT(drain(stream, &total, &sum), KP_OK);
    KP_EXPECT_INT(total, LARGE);
    KP_EXPECT_INT(sum, expected);
    kp_capability_close(&stream);
    stop_server(&server);
}

static atomic_size_t swallowed;

static void serve_swallow(int file)
{
    static char buffer[65536];
    ssize_t count;
    usleep(50000); /* lets the queue fill */
    while ((count = recv(file, buffer, sizeof(buffer), 0)) > 0)
        swallowed += (size_t)count;
}

KP_TEST(large_upload)
{
    server_t server;
    kp_capability_t stream = {0};
    static uint8_t block[KP_NET_SEGMENT_MAX];
    KP_REQUIRE(start_server(&server, serve_swallow));
    KP_EXPECT_INT(connect_to(server.port, &stream), KP_OK);
    KP_REQUIRE(stream.object);
    for (int i = 0; i < 200; i++)
        KP_EXPECT_INT(send_segment(stream, KP_NET_SEGMENT_DATA, block, sizeof(block)), KP_OK);
    KP_EXPECT_INT(send_segment(stream, KP_NET_SEGMENT_FIN, NULL, 0), KP_OK);
    size_t total;
    uint32_t sum;
    KP_EXPECT_INT(drain(stream, &total, &sum), KP_OK);
    KP_EXPECT_INT(swallowed, 200 * sizeof(block));
    kp_capability_close(&stream);
    stop_server(&server);
}

static void serve_reset(int file)
{
    char byte;
    if (recv(file, &byte, 1, 0) == 1 && send(file, "part", 4, MSG_NOSIGNAL) == 4)
        usleep(20000); /* a reset discards what the peer has not taken yet */
    struct linger now = {1, 0};
    setsockopt(file, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

KP_TEST(reset_in_the_middle)
{
    server_t server;
    kp_capability_t stream = {0};
    KP_REQUIRE(start_server(&server, serve_reset));
    KP_EXPECT_INT(connect_to(server.port, &stream), KP_OK);
    KP_REQUIRE(stream.object);
    KP_EXPECT_INT(send_segment(stream, KP_NET_SEGMENT_DATA, "x", 1), KP_OK);
    size_t total;
    uint32_t sum;
    KP_EXPECT_INT(drain(stream, &total, &sum), KP_ERR_CONNECTION_RESET);
    KP_EXPECT_INT(total, 4);
    kp_capability_close(&stream);
    stop_server(&server);
}

static atomic_int abort_seen;

static void serve_until_abort(int file)
{
    char byte;
    ssize_t count = recv(file, &byte, 1, 0);
    abort_seen = count < 0 ? 1 : 2; /* reset, or a clean end */
}

KP_TEST(close_without_fin_aborts)
{
    server_t server;
    kp_capability_t stream = {0};
    KP_REQUIRE(start_server(&server, serve_until_abort));
    KP_EXPECT_INT(connect_to(server.port, &stream), KP_OK);
    kp_capability_close(&stream);
    stop_server(&server);
    KP_EXPECT_INT(abort_seen, 1);
}

KP_TEST(refused)
{
    server_t server;
    kp_capability_t stream = {0};
    KP_REQUIRE(start_server(&server, NULL));
    stop_server(&server); /* its port is free, and nobody listens */
    KP_EXPECT_INT(connect_to(server.port, &stream), KP_ERR_CONNECTION_REFUSED);
    KP_EXPECT_INT(connect_to(0, &stream), KP_ERR_INVALID_ARGUMENT);
}

KP_TEST(segments_that_break_the_protocol)
{
    server_t server;
    kp_capability_t stream = {0};
    KP_REQUIRE(start_server(&server, serve_until_abort));
    KP_EXPECT_INT(connect_to(server.port, &stream), KP_OK);
    KP_REQUIRE(stream.object);
    KP_EXPECT_INT(send_segment(stream, 99, "x", 1), KP_OK);
    kp_signals_t observed = 0;
    KP_EXPECT_INT(kp_wait_one(stream.object, KP_SIGNAL_PEER_CLOSED,
                              kp_machine_now() + KP_TEST_PATIENCE, &observed),
                  KP_OK);
    kp_capability_close(&stream);
    stop_server(&server);
}

KP_TEST(requests_that_break_the_protocol)
{
    static const uint32_t requests[][4] = {{99, 1}, {KP_NET_RESOLVE, 1, 1000}, {KP_NET_CONNECT, 1}};
    for (size_t i = 0; i < KP_ARRAY_COUNT(requests); i++) {
        kp_service_t *net;
        kp_capability_t connection;
        KP_REQUIRE(kp_service_find("net", &net) == KP_OK);
        KP_REQUIRE(kp_service_connect(net, &connection) == KP_OK);
        KP_EXPECT_INT(kp_channel_send(connection, requests[i], 12, NULL, 0), KP_OK);
        KP_EXPECT_INT(kp_wait_one(connection.object, KP_SIGNAL_PEER_CLOSED,
                                  kp_machine_now() + KP_TEST_PATIENCE, NULL),
                      KP_OK);
        kp_capability_close(&connection);
    }
}

static int run_tests(void *context)
{
    (void)context;
    kp_service_t *net;
    if (kp_service_find("net", &net) != KP_OK || kp_service_connect(net, &service) != KP_OK)
        return 1;
    int failed = kp_test_all(NULL, NULL, NULL);
    kp_capability_close(&service);
    return failed;
}

int main(void)
{
    kp_hosted_options_t options = {
        .bundle_path = BUNDLE,
        .command_line = "shell=off display=off http=off",
        .net = KP_HOSTED_NET_HOST,
        .log_level = -1,
    };
    return kp_test_hosted(&options, run_tests, NULL, NULL);
}
