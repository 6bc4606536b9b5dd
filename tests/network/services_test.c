/* http and netstack as they are shipped, on the machine hosted: fetches that go wrong, and services
   that die, over the host's sockets and over the stack of our own (libslirp on the other end of the
   wire). The test server plays the web. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/http.h"
#include "kernel/object/process.h"
#include "tests/kp_test_hosted.h"

#define BUNDLE "build/test/http.bundle"

static unsigned port;
static uint32_t last_txid;

typedef struct reply {
    uint32_t http_status;
    uint64_t size;
    kp_status_t status; /* ERR_PEER_CLOSED: http went away before END */
    char text[256];
} reply_t;

static kp_capability_t connect_http(void)
{
    kp_service_t *service;
    kp_capability_t http = {0};
    if (kp_service_find("http", &service) != KP_OK || kp_service_connect(service, &http) != KP_OK)
        KP_FAIL("no service http");
    return http;
}

static void request(kp_capability_t http, const char *path)
{
    char bytes[512], url[256];
    if (path[0] == '/')
        snprintf(url, sizeof(url), "http://%s:%u%s", kp_test_host, port, path);
    else
        snprintf(url, sizeof(url), "%s", path);
    kp_http_request_t head = {.header = {KP_HTTP_REQUEST, ++last_txid},
                              .destination = KP_HTTP_FOR_DOCUMENT,
                              .method_size = 3,
                              .url_size = (uint32_t)strlen(url)};
    memcpy(bytes, &head, sizeof(head));
    size_t size = sizeof(head);
    size += (size_t)snprintf(bytes + size, sizeof(bytes) - size, "GET%s", url);
    KP_EXPECT_INT(kp_channel_send(http, bytes, size, NULL, 0), KP_OK);
}

/* Takes one message; true when the exchange is over. */
static bool receive(kp_capability_t http, reply_t *reply)
{
    kp_message_t *message;
    kp_message_header_t head = {0};
    kp_status_t status = kp_channel_receive(http, kp_machine_now() + KP_TEST_PATIENCE, &message);
    if (status != KP_OK) {
        reply->status = status;
        return true;
    }
    bool is_over = false;
    if (message->byte_count >= sizeof(head))
        memcpy(&head, message->bytes, sizeof(head));
    if (head.ordinal == KP_HTTP_RESPONSE) {
        reply->http_status = ((const kp_http_response_t *)message->bytes)->http_status;
    } else if (head.ordinal == KP_HTTP_DATA) {
        reply->size += message->byte_count - sizeof(head);
    } else if (head.ordinal == KP_HTTP_END) {
        const kp_http_end_t *end = (const kp_http_end_t *)message->bytes;
        reply->status = end->status;
        snprintf(reply->text, sizeof(reply->text), "%.*s", (int)end->text_size,
                 (const char *)message->bytes + sizeof(*end));
        is_over = true;
    }
    kp_message_destroy(message);
    return is_over;
}

static reply_t fetch(kp_capability_t http, const char *path)
{
    reply_t reply = {0};
    request(http, path);
    while (!receive(http, &reply))
        ;
    return reply;
}

static void expect(kp_capability_t http, const char *path, kp_status_t status, uint32_t http_status,
                   int64_t size, const char *text)
{
    reply_t reply = fetch(http, path);
    if (reply.status != status || reply.http_status != http_status ||
        (size >= 0 && reply.size != (uint64_t)size) || !strstr(reply.text, text))
        KP_FAIL("%s: %s, %u, %llu bytes, \"%s\"", path, kp_status_name(reply.status),
                reply.http_status, (unsigned long long)reply.size, reply.text);
}

KP_TEST(fetches)
{
    kp_capability_t http = connect_http();
    expect(http, "/services_test.c", KP_OK, 200, -1, "");
    expect(http, "/status/404", KP_OK, 404, -1, "");
    expect(http, "/empty", KP_OK, 200, 0, "");
    expect(http, "/redirect?n=10", KP_OK, 200, -1, "");
    expect(http, "/gzip", KP_OK, 200, 67, "");
    expect(http, "/slow?parts=4&ms=20", KP_OK, 200, -1, "");
    expect(http, "/huge?mb=50", KP_OK, 200, (50 << 20) + 35, "");
    kp_capability_close(&http);
}

KP_TEST(fetches_that_fail)
{
    char refused[64];
    kp_capability_t http = connect_http();
    snprintf(refused, sizeof(refused), "http://%s:1/", kp_test_host);
    expect(http, "/reset?after=30000", KP_ERR_CONNECTION_RESET, 200, 30000, "in the middle");
    expect(http, "/reset-now", KP_ERR_CONNECTION_RESET, 0, 0, "before there was a reply");
    expect(http, "/short?after=7000", KP_ERR_CONNECTION_RESET, 200, 7000, "in the middle");
    expect(http, "/no-reply", KP_ERR_CONNECTION_RESET, 0, 0, "without a reply");
    expect(http, "/redirect-loop", KP_ERR_TOO_MANY_REDIRECTS, 0, 0, "without end");
    expect(http, "/garbage", KP_ERR_PROTOCOL, 0, 0, "not HTTP");
    expect(http, "/huge?mb=65", KP_ERR_TOO_LARGE, 200, -1, "larger than");
    expect(http, refused, KP_ERR_CONNECTION_REFUSED, 0, 0, ":1: the host refused");
    reply_t reply = fetch(http, "http://no-such-name.invalid/");
    KP_EXPECT(reply.status == KP_ERR_NAME_NOT_RESOLVED || reply.status == KP_ERR_TIMED_OUT ||
              reply.status == KP_ERR_UNREACHABLE);
    KP_EXPECT(strstr(reply.text, "no-such-name.invalid: "));
    expect(http, "/status/200", KP_OK, 200, -1, ""); /* and still works */
    kp_capability_close(&http);
}

KP_TEST(many_clients_at_once)
{
    enum { CLIENTS = 20 };
    kp_capability_t clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_http();
        request(clients[i], i % 2 ? "/huge?mb=1" : "/slow?parts=3&ms=5");
    }
    for (int i = 0; i < CLIENTS; i++) {
        reply_t reply = {0};
        while (!receive(clients[i], &reply))
            ;
        KP_EXPECT_INT(reply.status, KP_OK);
        KP_EXPECT_INT(reply.size, i % 2 ? (1 << 20) + 35 : 42);
        kp_capability_close(&clients[i]);
    }
}

static void end_if_named(kp_process_t *process, void *context)
{
    kp_process_info_t info;
    kp_process_info(process, &info);
    if (strcmp(info.name, context) == 0)
        kp_process_end(process, KP_EXIT_KILLED, 0, 0);
}

/* Begins a fetch that never ends by itself, and waits until its first bytes are here. */
static reply_t begin_endless(kp_capability_t http)
{
    reply_t reply = {0};
    request(http, "/stall");
    while (reply.size == 0 && !receive(http, &reply))
        ;
    KP_EXPECT_INT(reply.http_status, 200);
    return reply;
}

KP_TEST(http_dies_and_comes_back)
{
    kp_capability_t http = connect_http();
    reply_t reply = begin_endless(http);
    kp_process_each(end_if_named, (void *)"http");
    while (!receive(http, &reply))
        ;
    KP_EXPECT_INT(reply.status, KP_ERR_PEER_CLOSED);
    kp_capability_close(&http);
    http = connect_http();
    expect(http, "/services_test.c", KP_OK, 200, -1, "");
    kp_capability_close(&http);
}

KP_TEST(netstack_dies_and_comes_back)
{
    if (strcmp(kp_test_host, "127.0.0.1") == 0)
        return; /* the kernel itself serves the network here */
    kp_capability_t http = connect_http();
    reply_t reply = begin_endless(http);
    kp_process_each(end_if_named, (void *)"netstack");
    while (!receive(http, &reply))
        ;
    KP_EXPECT_INT(reply.status, KP_ERR_UNREACHABLE);
    KP_EXPECT(strstr(reply.text, "the network service has stopped"));
    expect(http, "/services_test.c", KP_OK, 200, -1, ""); /* waits for the new one */
    kp_capability_close(&http);
}

static pid_t start_server(void)
{
    int ends[2];
    char line[16] = "";
    if (pipe(ends) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl(KP_TESTSERVER, "testserver", "--log", "/dev/null", "tests/network", NULL);
        _exit(127);
    }
    close(ends[1]);
    if (read(ends[0], line, sizeof(line) - 1) > 0)
        port = (unsigned)atoi(line);
    close(ends[0]);
    return pid;
}

int main(void)
{
    pid_t server = start_server();
    int failed = 1;
    if (port)
        failed = kp_test_over_networks(BUNDLE);
    else
        printf("not ok test server: it does not start\n");
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    return failed != 0;
}
