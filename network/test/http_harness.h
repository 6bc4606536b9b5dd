/* What http_test.c stands on: the test server, the service under test, a client of it, and an end
   to curl's memory. Included once: everything is static. */
#ifndef KP_NETWORK_TEST_HTTP_HARNESS_H
#define KP_NETWORK_TEST_HTTP_HARNESS_H

#include "network/http/http.h"
#include "network/test/bridge.h"
#include "network/test/sim.h"
#include "tests/kp_test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUARD (120 * KP_NS_PER_S) /* a test that hangs fails */

static kp_http_t *http;
static kp_handle_t http_service, net_service, client;
static pid_t server;
static unsigned port;
static uint32_t last_txid;
static kp_message_t message;

/* The ring that the client has lent, once it has (lend_ring). */
static kp_vmo_buffer_t ring_memory;
static kp_handle_t ring_event;
static kp_ring_t ring;
static size_t ring_bytes; /* that came through it */

/* capacity: of the VMO, for a client that lies. */
static void lend_ring(kp_handle_t channel, size_t capacity)
{
    size_t size = KP_RING_VMO_SIZE(capacity);
    ring_event = (kp_handle_t)kp_event_create();
    if (kp_vmo_buffer_create(&ring_memory, size) != KP_OK)
        abort();
    if (capacity == KP_HTTP_RING_BYTES &&
        kp_ring_init(&ring, ring_memory.bytes, size, capacity, false, ring_event) != KP_OK)
        abort();
    const kp_handle_t handles[2] = {
        (kp_handle_t)kp_vmo_buffer_share(&ring_memory, KP_VMO_SHARE_WRITE),
        (kp_handle_t)kp_handle_duplicate(ring_event, KP_RIGHTS_SAME)};
    kp_message_header_t head = {KP_HTTP_RING, 0};
    KP_EXPECT_INT(kp_message_send_with(channel, &head, sizeof(head), NULL, 0, handles, 2), KP_OK);
}

static void take_ring_back(void)
{
    kp_handle_close(ring_event);
    kp_vmo_buffer_destroy(&ring_memory);
}

/* curl's memory, which a test can end. */
static long allocations_left = -1; /* negative: no end */

static bool may_allocate(void)
{
    if (allocations_left == 0)
        return false;
    if (allocations_left > 0)
        allocations_left--;
    return true;
}

static void *curl_malloc(size_t size)
{
    return may_allocate() ? malloc(size) : NULL;
}

static void *curl_realloc(void *memory, size_t size)
{
    return may_allocate() ? realloc(memory, size) : NULL;
}

static char *curl_strdup(const char *text)
{
    return may_allocate() ? strdup(text) : NULL;
}

static void *curl_calloc(size_t count, size_t size)
{
    return may_allocate() ? calloc(count, size) : NULL;
}

typedef struct reply {
    uint32_t txid; /* 0: of the last request */
    bool is_responded, is_ended;
    uint32_t http_status;
    char url[1024], headers[8192], text[512];
    char *body;
    size_t body_size, body_capacity;
    kp_status_t status;
} reply_t;

static char folder[1024]; /* the server's */

static void start_server(void)
{
    const char *temporary = getenv("TMPDIR");
    char path[sizeof(folder) + 16], line[16] = "";
    int ends[2];
    snprintf(folder, sizeof(folder), "%s/kpio-http-test-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(folder) || pipe(ends) != 0)
        abort();
    snprintf(path, sizeof(path), "%s/small.html", folder);
    FILE *file = fopen(path, "w");
    fputs("<h1>Small</h1>\n", file);
    fclose(file);
    server = fork();
    if (server == 0) {
        const char *program = getenv("KPIO_TESTSERVER");
        dup2(ends[1], 1);
        execl(program ? program : KP_TESTSERVER, "testserver", "--log", "/dev/null", folder, NULL);
        _exit(127);
    }
    if (read(ends[0], line, sizeof(line) - 1) <= 0) {
        fprintf(stderr, "the test server does not start\n");
        exit(2);
    }
    port = (unsigned)atoi(line);
}

static void stop_server(void)
{
    char path[sizeof(folder) + 16];
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    snprintf(path, sizeof(path), "%s/small.html", folder);
    if (unlink(path) != 0 || rmdir(folder) != 0)
        KP_FAIL("%s stays", folder);
}

static void url_of(char *out, size_t capacity, const char *path)
{
    if (path[0] != '/')
        snprintf(out, capacity, "%s", path);
    else
        snprintf(out, capacity, "http://good.test:%u%s", port, path);
}

static kp_status_t request_on(kp_handle_t channel, const char *method, const char *path,
                              const char *headers, const char *body)
{
    char url[1024];
    url_of(url, sizeof(url), path);
    kp_http_request_t request = {.header = {KP_HTTP_REQUEST, ++last_txid},
                                 .destination = KP_HTTP_FOR_DOCUMENT,
                                 .method_size = (uint32_t)strlen(method),
                                 .url_size = (uint32_t)strlen(url),
                                 .headers_size = (uint32_t)strlen(headers),
                                 .body_size = (uint32_t)strlen(body)};
    kp_message_part_t parts[] = {{&request, sizeof(request)},
                                 {method, request.method_size},
                                 {url, request.url_size},
                                 {headers, request.headers_size},
                                 {body, request.body_size}};
    return kp_message_send_parts(channel, parts, 5, NULL, 0);
}

static uint8_t *room_for(reply_t *reply, size_t size)
{
    if (reply->body_size + size > reply->body_capacity) {
        reply->body_capacity = (reply->body_size + size) * 2;
        reply->body = realloc(reply->body, reply->body_capacity);
    }
    reply->body_size += size;
    return (uint8_t *)reply->body + reply->body_size - size;
}

/* Takes the message in `message` into the reply; false when it breaks the protocol. */
static bool take(reply_t *reply)
{
    kp_message_header_t head = kp_message_head(&message);
    if (head.ordinal == KP_HTTP_DATA_IN_RING) { /* to be taken whose ever it is */
        static uint8_t bytes[KP_HTTP_RING_BYTES];
        const kp_http_ring_data_t *data = kp_message_as(&message, sizeof(*data));
        if (!data || data->size == 0 || data->size > sizeof(bytes) ||
            kp_ring_read(&ring, bytes, data->size) != data->size)
            return false;
        ring_bytes += data->size;
        if (head.txid == (reply->txid ? reply->txid : last_txid))
            memcpy(room_for(reply, data->size), bytes, data->size);
        return true;
    }
    if (head.txid != (reply->txid ? reply->txid : last_txid))
        return true; /* of an exchange that an earlier test gave up */
    if (head.ordinal == KP_HTTP_RESPONSE) {
        const kp_http_response_t *response = kp_message_as(&message, sizeof(*response));
        if (!response || reply->is_responded || reply->is_ended ||
            message.size != sizeof(*response) + response->url_size + response->headers_size)
            return false;
        const char *at = (const char *)message.bytes + sizeof(*response);
        reply->is_responded = true;
        reply->http_status = response->http_status;
        snprintf(reply->url, sizeof(reply->url), "%.*s", (int)response->url_size, at);
        snprintf(reply->headers, sizeof(reply->headers), "%.*s", (int)response->headers_size,
                 at + response->url_size);
        return true;
    }
    if (head.ordinal == KP_HTTP_DATA) {
        size_t size = message.size - sizeof(head);
        if (!reply->is_responded || reply->is_ended || size == 0 || size > KP_HTTP_DATA_MAX)
            return false;
        memcpy(room_for(reply, size), message.bytes + sizeof(head), size);
        return true;
    }
    const kp_http_end_t *end = kp_message_as(&message, sizeof(*end));
    if (head.ordinal != KP_HTTP_END || !end || reply->is_ended ||
        message.size != sizeof(*end) + end->text_size)
        return false;
    reply->is_ended = true;
    reply->status = end->status;
    snprintf(reply->text, sizeof(reply->text), "%.*s", (int)end->text_size,
             (const char *)message.bytes + sizeof(*end));
    return true;
}

static bool wait_for(kp_handle_t channel)
{
    kp_time_t end = kp_now() + GUARD;
    while (kp_sim_channel_waiting(channel) == 0) {
        kp_signals_t observed;
        if (kp_object_wait_one(channel, KP_SIGNAL_PEER_CLOSED, KP_TIME_POLL, &observed) == KP_OK)
            return false;
        if (kp_now() > end)
            return false;
        kp_http_step(http, kp_now() + KP_NS_PER_S);
    }
    return true;
}

static void finish(reply_t *reply)
{
    while (!reply->is_ended) {
        if (!wait_for(client) || kp_message_receive(client, &message) != KP_OK || !take(reply)) {
            KP_FAIL("the service went silent or broke the protocol");
            reply->is_ended = true;
            reply->status = KP_ERR_BAD_STATE;
        }
    }
    reply->body = realloc(reply->body, reply->body_size + 1);
    reply->body[reply->body_size] = 0;
}

static reply_t fetch_with(const char *method, const char *path, const char *headers,
                          const char *body)
{
    reply_t reply = {0};
    KP_EXPECT_INT(request_on(client, method, path, headers, body), KP_OK);
    finish(&reply);
    return reply;
}

static reply_t fetch(const char *path)
{
    return fetch_with("GET", path, "", "");
}

/* Fetches and expects this end; text of END must hold `cause`, and the host. */
static reply_t expect_failure(const char *path, kp_status_t status, const char *cause)
{
    reply_t reply = fetch(path);
    if (reply.status != status || !strstr(reply.text, cause) || !strchr(reply.text, ':') ||
        strchr(reply.text, '\n'))
        KP_FAIL("%s ended with %s, \"%s\"", path, kp_status_name(reply.status), reply.text);
    return reply;
}

static void forget(reply_t reply)
{
    free(reply.body);
}

#endif
