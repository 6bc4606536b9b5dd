/* The real http service, libcurl included, through the bridge to the test server. Nothing depends
   on how long something takes: time limits are those of the service, shortened. */
#include "network/test/http_harness.h"

KP_TEST(a_small_page)
{
    kp_sim_reset();
    start_server();
    http = calloc(1, sizeof(*http));
    http_service = kp_sim_service_create();
    net_service = kp_sim_service_create();
    bridge_start(net_service);
    client = (kp_handle_t)kp_service_connect(http_service);
    KP_REQUIRE(curl_global_init_mem(CURL_GLOBAL_NOTHING, curl_malloc, free, curl_realloc,
                                    curl_strdup, curl_calloc) == CURLE_OK);
    KP_REQUIRE(kp_http_init(http, http_service, net_service) == KP_OK);
    reply_t reply = fetch("/small.html");
    char url[1024];
    url_of(url, sizeof(url), "/small.html");
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT_INT(reply.http_status, 200);
    KP_EXPECT_STRING(reply.url, url);
    KP_EXPECT_STRING(reply.body, "<h1>Small</h1>\n");
    KP_EXPECT_STRING(reply.text, "");
    KP_EXPECT(strstr(reply.headers, "Content-Type: text/html; charset=utf-8\r\n"));
    forget(reply);
}

KP_TEST(what_the_server_sees)
{
    reply_t reply =
        fetch_with("GET", "/echo-headers",
                   "Accept: text/html\r\nX-Empty: \r\nHost: evil\r\nUser-Agent: x\r\n", "");
    char host[64];
    snprintf(host, sizeof(host), "Host: good.test:%u\r\n", port);
    KP_EXPECT(strstr(reply.body, host));
    KP_EXPECT(strstr(reply.body, "User-Agent: " KP_HTTP_USER_AGENT "\r\n"));
    KP_EXPECT(strstr(reply.body, "Accept-Encoding: deflate, gzip, br\r\n"));
    KP_EXPECT(strstr(reply.body, "Accept: text/html\r\n"));
    KP_EXPECT(strstr(reply.body, "X-Empty:"));
    KP_EXPECT(!strstr(reply.body, "evil"));
    forget(reply);
}

KP_TEST(methods_and_bodies)
{
    reply_t reply = fetch_with("POST", "/echo-body", "Content-Type: text/plain\r\n", "a=b&c");
    KP_EXPECT_STRING(reply.body, "a=b&c");
    forget(reply);
    reply = fetch_with("PUT", "/echo-body", "", "put");
    KP_EXPECT_STRING(reply.body, "put");
    forget(reply);
    reply = fetch_with("HEAD", "/small.html", "", "");
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT_INT(reply.http_status, 200);
    KP_EXPECT_INT(reply.body_size, 0);
    forget(reply);
    reply = fetch_with("POST", "/redirect", "", "x"); /* becomes a GET, as in browsers */
    KP_EXPECT_INT(reply.http_status, 200);
    KP_EXPECT(!strstr(reply.body, "Content-Length"));
    forget(reply);
}

KP_TEST(http_errors_are_responses)
{
    reply_t reply = fetch("/status/404");
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT_INT(reply.http_status, 404);
    KP_EXPECT(strstr(reply.body, "404"));
    forget(reply);
    reply = fetch("/status/204");
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT_INT(reply.http_status, 204);
    forget(reply);
    reply = fetch("/empty");
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT_INT(reply.http_status, 200);
    KP_EXPECT_INT(reply.body_size, 0);
    forget(reply);
    reply = fetch("/until-close?size=100000");
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT_INT(reply.body_size, 100000);
    forget(reply);
}

KP_TEST(redirects)
{
    char path[256], url[1024];
    reply_t reply = fetch("/redirect?n=20");
    url_of(url, sizeof(url), "/echo-headers");
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT_STRING(reply.url, url);
    forget(reply);
    snprintf(path, sizeof(path), "/redirect?to=http://other.test:%u/small.html", port);
    reply = fetch(path);
    KP_EXPECT_STRING(reply.body, "<h1>Small</h1>\n");
    KP_EXPECT(strncmp(reply.url, "http://other.test:", 18) == 0);
    forget(reply);
    forget(expect_failure("/redirect-loop", KP_ERR_TOO_MANY_REDIRECTS, "redirects without end"));
    forget(expect_failure("/redirect?n=21", KP_ERR_TOO_MANY_REDIRECTS, "redirects without end"));
    reply = expect_failure("/redirect?to=https://good.test/", KP_ERR_UNSUPPORTED_SCHEME, "https");
    KP_EXPECT(!reply.is_responded);
    forget(reply);
    forget(expect_failure("/redirect?to=file:///etc/passwd", KP_ERR_UNSUPPORTED_SCHEME, "file"));
}

KP_TEST(addresses_that_are_none)
{
    forget(expect_failure("https://good.test/", KP_ERR_UNSUPPORTED_SCHEME, "https"));
    forget(expect_failure("ftp://good.test/", KP_ERR_UNSUPPORTED_SCHEME, "ftp"));
    forget(expect_failure("http://:80/", KP_ERR_INVALID_ARGUMENT, "not an address"));
    forget(expect_failure("http://good.test:99999/", KP_ERR_INVALID_ARGUMENT, "not an address"));
    reply_t reply = fetch("javascript://x");
    KP_EXPECT_INT(reply.status, KP_ERR_UNSUPPORTED_SCHEME);
    forget(reply);
}

KP_TEST(connections_that_fail_say_why)
{
    forget(expect_failure("http://missing.test/", KP_ERR_NAME_NOT_RESOLVED,
                          "missing.test: the host name"));
    forget(expect_failure("http://unreachable.test/", KP_ERR_UNREACHABLE, "unreachable.test: "));
    forget(expect_failure("http://127.0.0.1:1/", KP_ERR_CONNECTION_REFUSED, "127.0.0.1:1: "));
    forget(expect_failure("http://[::1]:80/", KP_ERR_UNREACHABLE, "[::1]:80: "));
    http->connect_timeout_ms = 300;
    forget(expect_failure("http://silent.test/", KP_ERR_TIMED_OUT, "does not answer"));
    forget(expect_failure("http://mute.test/", KP_ERR_TIMED_OUT, "does not answer"));
    http->connect_timeout_ms = 15000;
}

KP_TEST(a_name_with_several_addresses)
{
    static const char *const names[] = {"unreachable-first.test", "silent-first.test"};
    for (int i = 0; i < 2; i++) {
        char url[128];
        snprintf(url, sizeof(url), "http://%s:%u/small.html", names[i], port);
        reply_t reply = fetch(url);
        KP_EXPECT_INT(reply.status, KP_OK);
        KP_EXPECT_INT(reply.http_status, 200);
        forget(reply);
    }
}

KP_TEST(replies_that_break)
{
    reply_t reply =
        expect_failure("/reset?after=4096", KP_ERR_CONNECTION_RESET, "reset in the middle");
    KP_EXPECT_INT(reply.http_status, 200);
    KP_EXPECT_INT(reply.body_size, 4096); /* what arrived stays usable */
    forget(reply);
    reply = expect_failure("/short?after=5000", KP_ERR_CONNECTION_RESET, "in the middle");
    KP_EXPECT_INT(reply.body_size, 5000);
    forget(reply);
    forget(expect_failure("/reset-now", KP_ERR_CONNECTION_RESET, "before there was a reply"));
    forget(expect_failure("/no-reply", KP_ERR_CONNECTION_RESET, "without a reply"));
    reply = expect_failure("/bad-chunk", KP_ERR_PROTOCOL, "breaks the rules");
    KP_EXPECT_STRING(reply.body, "<p>Good chunk</p>");
    forget(reply);
    forget(expect_failure("/garbage", KP_ERR_PROTOCOL, "not HTTP"));
    forget(expect_failure("/huge-headers", KP_ERR_PROTOCOL, ": "));
    http->stall_seconds = 1;
    reply = expect_failure("/stall", KP_ERR_TIMED_OUT, "stopped sending");
    KP_EXPECT_INT(reply.body_size, 1024);
    forget(reply);
    http->stall_seconds = KP_HTTP_STALL_SECONDS;
}

KP_TEST(content_codings)
{
    reply_t reply = fetch("/gzip");
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT(strstr(reply.body, "This text came as gzip."));
    forget(reply);
    reply = fetch("/brotli");
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT_STRING(reply.body, "hello");
    forget(reply);
    reply = expect_failure("/gzip-corrupt", KP_ERR_BAD_FORMAT, "damaged");
    forget(reply);
    reply = fetch("/gzip-truncated"); /* as browsers do: what there is counts */
    KP_EXPECT_INT(reply.http_status, 200);
    KP_EXPECT(strstr(reply.body, "<title>Zipped"));
    forget(reply);
    reply = fetch("/gzip?mb=8");
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT_INT(reply.body_size, 8 << 20);
    forget(reply);
}

KP_TEST(large_bodies)
{
    reply_t reply = fetch("/huge?mb=50");
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT(reply.body_size > 50u << 20);
    forget(reply);
    reply = expect_failure("/huge?mb=70", KP_ERR_TOO_LARGE, "64 MiB");
    KP_EXPECT(reply.body_size <= KP_HTTP_BODY_MAX);
    KP_EXPECT(reply.body_size > KP_HTTP_BODY_MAX - (1 << 20));
    forget(reply);
    reply = expect_failure("/gzip?mb=100", KP_ERR_TOO_LARGE, "64 MiB"); /* 300 KB on the wire */
    KP_EXPECT(reply.body_size <= KP_HTTP_BODY_MAX);
    forget(reply);
}

KP_TEST(client_that_does_not_read_stops_its_transfer)
{
    reply_t reply = {0};
    kp_handle_t other = (kp_handle_t)kp_service_connect(http_service);
    uint64_t before = bridge.bytes_received;
    request_on(client, "GET", "/huge?mb=40", "", "");
    reply.txid = last_txid;
    for (int i = 0; i < 300; i++)
        kp_http_step(http, kp_now() + 5 * KP_NS_PER_MS);
    /* The client's queue, the socket channel's and one piece within curl; and the host's sockets.
     */
    KP_EXPECT(bridge.bytes_received - before > 256 * 1024);
    KP_EXPECT(bridge.bytes_received - before < 6u << 20);
    /* Others go on meanwhile. */
    kp_handle_t mine = client;
    client = other;
    reply_t small = fetch("/small.html");
    KP_EXPECT_INT(small.status, KP_OK);
    forget(small);
    client = mine;
    finish(&reply);
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT(reply.body_size > 40u << 20);
    forget(reply);
    kp_handle_close(other);
}

/* ---- Bodies through a ring ---- */

static kp_handle_t plain; /* `client`, while a test's own stands in its place */

static void ring_client_begin(void)
{
    plain = client;
    client = (kp_handle_t)kp_service_connect(http_service);
    lend_ring(client, KP_HTTP_RING_BYTES);
    ring_bytes = 0;
}

static void ring_client_end(void)
{
    kp_handle_close(client);
    take_ring_back();
    client = plain;
    for (int i = 0; i < 5; i++)
        kp_http_step(http, kp_now() + KP_NS_PER_MS);
    KP_EXPECT_INT(http->client_count, 1);
    KP_EXPECT_INT(http->exchange_count, 0);
}

static void same_body(const char *path)
{
    reply_t reply = fetch(path);
    kp_handle_t mine = client;
    client = plain;
    reply_t other = fetch(path);
    client = mine;
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT_INT(reply.body_size, other.body_size);
    KP_EXPECT(reply.body_size == other.body_size &&
              memcmp(reply.body, other.body, reply.body_size) == 0);
    forget(reply);
    forget(other);
}

KP_TEST(long_bodies_come_through_the_ring)
{
    ring_client_begin();
    same_body("/huge?mb=5");
    KP_EXPECT(ring_bytes > 4u << 20);
    same_body("/gzip?mb=1");
    size_t before = ring_bytes;
    same_body("/small.html");
    KP_EXPECT_INT(ring_bytes, before); /* not worth it */
    /* The kernel has room for messages now and then. */
    kp_sim.quota = 60000;
    reply_t reply = fetch("/huge?mb=1");
    kp_sim.quota = -1;
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT_INT(reply.body_size, (1 << 20) + 35);
    forget(reply);
    /* Several bodies at once share it. */
    reply_t replies[3] = {0};
    for (int i = 0; i < 3; i++) {
        request_on(client, "GET", "/huge?mb=2", "", "");
        replies[i].txid = last_txid;
    }
    while (!replies[0].is_ended || !replies[1].is_ended || !replies[2].is_ended) {
        KP_REQUIRE(wait_for(client) && kp_message_receive(client, &message) == KP_OK);
        uint32_t txid = kp_message_head(&message).txid;
        KP_REQUIRE(txid >= replies[0].txid && txid <= replies[2].txid);
        KP_EXPECT(take(&replies[txid - replies[0].txid]));
    }
    for (int i = 0; i < 3; i++) {
        KP_EXPECT(replies[i].status == KP_OK && replies[i].body_size == (2u << 20) + 35);
        KP_EXPECT(memcmp(replies[i].body, replies[0].body, replies[0].body_size) == 0);
    }
    for (int i = 0; i < 3; i++)
        forget(replies[i]);
    ring_client_end();
}

KP_TEST(a_full_ring_stops_its_clients_bodies)
{
    ring_client_begin();
    uint64_t before = bridge.bytes_received;
    reply_t reply = {0};
    request_on(client, "GET", "/huge?mb=40", "", "");
    reply.txid = last_txid;
    for (int i = 0; i < 200; i++)
        kp_http_step(http, kp_now() + 5 * KP_NS_PER_MS);
    KP_EXPECT(bridge.bytes_received - before < 6u << 20);
    KP_EXPECT(kp_sim_channel_waiting(client) < 32); /* the queue does not fill instead */
    /* Others go on meanwhile. */
    kp_handle_t mine = client;
    client = plain;
    forget(fetch("/huge?mb=1"));
    client = mine;
    /* One that is cancelled takes nothing from those that come after it. */
    kp_message_header_t cancel = {KP_HTTP_CANCEL, reply.txid};
    kp_message_send(client, &cancel, sizeof(cancel));
    finish(&reply);
    KP_EXPECT_INT(reply.status, KP_ERR_CANCELLED);
    forget(reply);
    same_body("/huge?mb=2");
    ring_client_end();
}

KP_TEST(a_hostile_ring_costs_its_client_the_connection)
{
    for (int way = 0; way < 8; way++) {
        ring_client_begin();
        _Atomic uint32_t *words = ring_memory.bytes;
        kp_message_header_t head = {KP_HTTP_RING, 0};
        switch (way) {
        case 0: /* has read what was not written */
            words[16] = 0x12345;
            break;
        case 1: /* wants no more */
            words[17] = 1;
            break;
        case 2: /* a second ring */
            kp_handle_close(ring_event);
            kp_vmo_buffer_destroy(&ring_memory);
            lend_ring(client, KP_HTTP_RING_BYTES);
            break;
        case 3:
            kp_message_send(client, &head, sizeof(head));
            break;
        default: /* as its first: too small; not a VMO; one handle; bytes after the head */
            kp_handle_close(client);
            take_ring_back();
            client = (kp_handle_t)kp_service_connect(http_service);
            if (way == 4) {
                lend_ring(client, 4096);
                break;
            }
            ring_event = (kp_handle_t)kp_event_create();
            KP_REQUIRE(kp_vmo_buffer_create(&ring_memory, 4096) == KP_OK);
            const kp_handle_t handles[2] = {(kp_handle_t)kp_event_create(),
                                            (kp_handle_t)kp_event_create()};
            kp_message_send_with(client, &head, sizeof(head), "x", way == 7, handles,
                                 way == 6 ? 1 : 2);
            if (way == 6)
                kp_handle_close(handles[1]);
            break;
        }
        request_on(client, "GET", "/huge?mb=1", "", "");
        for (int i = 0; i < 50 && http->client_count > 1; i++)
            kp_http_step(http, kp_now() + 5 * KP_NS_PER_MS);
        if (http->client_count != 1)
            KP_FAIL("way %d was accepted", way);
        ring_client_end();
    }
}

KP_TEST(quota_of_the_kernel_is_waited_for)
{
    kp_sim.quota = 60000;
    reply_t reply = fetch("/huge?mb=1");
    kp_sim.quota = -1;
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT_INT(reply.body_size, (1 << 20) + 35);
    forget(reply);
}

KP_TEST(many_exchanges_share_few_connections)
{
    kp_handle_t others[3];
    bridge.connections_most = bridge.connections_open;
    for (int i = 0; i < 3; i++) {
        others[i] = (kp_handle_t)kp_service_connect(http_service);
        for (int k = 0; k < 15; k++)
            request_on(others[i], "GET", k % 3 ? "/small.html" : "/huge?mb=1", "", "");
    }
    for (int i = 0; i < 3; i++) {
        for (int ends = 0; ends < 15;) {
            KP_REQUIRE(wait_for(others[i]));
            KP_REQUIRE(kp_message_receive(others[i], &message) == KP_OK);
            const kp_http_end_t *end = kp_message_as(&message, sizeof(*end));
            if (kp_message_head(&message).ordinal == KP_HTTP_END) {
                KP_EXPECT_INT(end->status, KP_OK);
                ends++;
            }
        }
        kp_handle_close(others[i]);
    }
    /* Six for each client, and idle ones of earlier tests. */
    KP_EXPECT(bridge.connections_most <= 3 * KP_HTTP_CLIENT_HOST_MAX + 4);
    uint32_t made = bridge.connections_made;
    for (int i = 0; i < 5; i++)
        forget(fetch("/small.html"));
    KP_EXPECT_INT(bridge.connections_made, made);
}

KP_TEST(cancelling)
{
    reply_t reply = {0};
    request_on(client, "GET", "/no-answer", "", "");
    for (int i = 0; i < 10; i++)
        kp_http_step(http, kp_now() + 5 * KP_NS_PER_MS);
    kp_message_header_t cancel = {KP_HTTP_CANCEL, last_txid};
    kp_message_send(client, &cancel, sizeof(cancel));
    finish(&reply);
    KP_EXPECT_INT(reply.status, KP_ERR_CANCELLED);
    forget(reply);
    kp_message_send(client, &cancel, sizeof(cancel)); /* too late: ignored */
    forget(fetch("/small.html"));

    kp_handle_t other = (kp_handle_t)kp_service_connect(http_service);
    request_on(other, "GET", "/no-answer", "", "");
    request_on(other, "GET", "/huge?mb=50", "", "");
    for (int i = 0; i < 20; i++)
        kp_http_step(http, kp_now() + 5 * KP_NS_PER_MS);
    KP_EXPECT_INT(http->exchange_count, 2);
    kp_handle_close(other);
    for (int i = 0; i < 5; i++)
        kp_http_step(http, kp_now() + 5 * KP_NS_PER_MS);
    KP_EXPECT_INT(http->exchange_count, 0);
    KP_EXPECT_INT(http->client_count, 1);
}

static bool is_closed(kp_handle_t channel)
{
    kp_signals_t observed;
    for (int i = 0; i < 5; i++)
        kp_http_step(http, kp_now() + KP_NS_PER_MS);
    return kp_object_wait_one(channel, KP_SIGNAL_PEER_CLOSED, KP_TIME_POLL, &observed) == KP_OK;
}

KP_TEST(malformed_messages_close_that_client_only)
{
    struct {
        kp_http_request_t head;
        char tail[64];
    } bad[12];
    static const char *const tails[12] = {
        [0] = "GEThttp://a/", [1] = "GEThttp://a/",  [2] = "GEThttp://a/", [3] = "G Thttp://a/",
        [4] = "GEThttp: //a", [5] = "GEThttp://a/X", [6] = "GEThttp://a/", [7] = "GEThttp://a/",
    };
    for (int i = 0; i < 8; i++) {
        bad[i].head = (kp_http_request_t){.header = {KP_HTTP_REQUEST, 5},
                                          .destination = KP_HTTP_FOR_IMAGE,
                                          .method_size = 3,
                                          .url_size = 9};
        snprintf(bad[i].tail, sizeof(bad[i].tail), "%s", tails[i]);
    }
    bad[0].head.header.txid = 0;
    bad[1].head.url_size = 0xfffffff0;
    bad[2].head.header.ordinal = KP_HTTP_DATA;
    bad[6].head.destination = 0;
    bad[7].head.body_size = 10;
    for (int i = 0; i < 8; i++) {
        kp_handle_t channel = (kp_handle_t)kp_service_connect(http_service);
        kp_message_send(channel, &bad[i], sizeof(bad[i].head) + strlen(bad[i].tail));
        if (!is_closed(channel))
            KP_FAIL("message %d was accepted", i);
        kp_handle_close(channel);
    }
    static const char *const lines[] = {"No colon\r\n", "A: b", "A: b\n", ": x\r\n", "A: b\rc\r\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        kp_handle_t channel = (kp_handle_t)kp_service_connect(http_service);
        request_on(channel, "GET", "/small.html", lines[i], "");
        if (!is_closed(channel))
            KP_FAIL("header %zu was accepted", i);
        kp_handle_close(channel);
    }
    kp_handle_t channel = (kp_handle_t)kp_service_connect(http_service);
    request_on(channel, "GET", "/no-answer", "", "");
    last_txid--; /* the same txid again */
    request_on(channel, "GET", "/no-answer", "", "");
    KP_EXPECT(is_closed(channel));
    kp_handle_close(channel);
    reply_t reply = fetch("/small.html");
    KP_EXPECT_INT(reply.status, KP_OK);
    forget(reply);
}

KP_TEST(too_many_exchanges_are_refused)
{
    kp_handle_t other = (kp_handle_t)kp_service_connect(http_service);
    kp_sim.queue_messages = 1000;
    for (uint32_t i = 0; i < KP_HTTP_CLIENT_EXCHANGES_MAX + 10; i++)
        request_on(other, "GET", "/no-answer", "", "");
    for (int i = 0; i < 10; i++) {
        KP_REQUIRE(wait_for(other));
        KP_REQUIRE(kp_message_receive(other, &message) == KP_OK);
        const kp_http_end_t *end = kp_message_as(&message, sizeof(*end));
        KP_REQUIRE(end && end->header.ordinal == KP_HTTP_END);
        KP_EXPECT_INT(end->status, KP_ERR_QUOTA);
    }
    kp_handle_close(other);
    kp_sim.queue_messages = 64;
    reply_t reply = fetch("/small.html");
    KP_EXPECT_INT(reply.status, KP_OK);
    forget(reply);
}

KP_TEST(out_of_memory_is_an_error_and_passes)
{
    uint32_t failures = 0;
    http->connect_timeout_ms = http->stall_seconds = 0; /* nothing may wait for a time limit */
    for (long n = 0; n < 260; n += n < 80 ? 1 : 7) {
        reply_t reply = {0};
        request_on(client, "GET", n % 2 ? "/gzip" : "/redirect?n=2", "Accept: a/b\r\n", "");
        allocations_left = n;
        finish(&reply);
        allocations_left = -1;
        failures += reply.status != KP_OK;
        if (reply.status == KP_OK)
            KP_EXPECT(reply.body_size > 0);
        forget(reply);
    }
    KP_EXPECT(failures > 20);
    http->connect_timeout_ms = KP_HTTP_CONNECT_SECONDS * 1000L;
    http->stall_seconds = KP_HTTP_STALL_SECONDS;
    reply_t reply = fetch("/gzip");
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT(strstr(reply.body, "This text came as gzip."));
    forget(reply);
}

KP_TEST(the_network_service_dies_and_comes_back)
{
    reply_t reply = {0};
    request_on(client, "GET", "/stall", "", "");
    while (!reply.is_responded) {
        KP_REQUIRE(wait_for(client) && kp_message_receive(client, &message) == KP_OK);
        KP_REQUIRE(take(&reply));
    }
    bridge_stop();
    finish(&reply);
    KP_EXPECT_INT(reply.status, KP_ERR_UNREACHABLE);
    KP_EXPECT(strstr(reply.text, "the network service has stopped"));
    forget(reply);
    /* While there is none, requests wait; one that comes up serves them. */
    memset(&reply, 0, sizeof(reply));
    request_on(client, "GET", "/small.html", "", "");
    for (int i = 0; i < 5; i++)
        kp_http_step(http, kp_now() + KP_NS_PER_MS);
    bridge_start(net_service);
    finish(&reply);
    KP_EXPECT_INT(reply.status, KP_OK);
    KP_EXPECT_STRING(reply.body, "<h1>Small</h1>\n");
    forget(reply);
    /* It dies with a look-up unanswered. */
    memset(&reply, 0, sizeof(reply));
    request_on(client, "GET", "http://mute.test/", "", "");
    for (int i = 0; i < 5; i++)
        kp_http_step(http, kp_now() + KP_NS_PER_MS);
    bridge_stop();
    finish(&reply);
    KP_EXPECT_INT(reply.status, KP_ERR_UNREACHABLE);
    forget(reply);
    bridge_start(net_service);
}

KP_TEST(nothing_is_left_behind)
{
    kp_handle_close(client);
    for (int i = 0; i < 5; i++)
        kp_http_step(http, kp_now() + KP_NS_PER_MS);
    KP_EXPECT_INT(http->client_count, 0);
    KP_EXPECT_INT(http->exchange_count, 0);
    kp_http_clear(http);
    curl_global_cleanup();
    free(http);
    bridge_stop();
    KP_EXPECT_INT(kp_sim_handle_count(), 2); /* the two services */
    kp_sim_reset();
    stop_server();
}

KP_TEST_MAIN()
