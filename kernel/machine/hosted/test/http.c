/* The real programs http and (with the argument "slirp") netstack on the machine hosted, against a
   small web server of our own: a body of 1 MiB arrives whole through every layer. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/http.h"
#include "tests/kp_test_hosted.h"

#define BUNDLE "build/test/http.bundle"
enum { BODY_SIZE = 1 << 20 };

static uint16_t port;

static uint8_t body_byte(size_t index)
{
    return (uint8_t)(index * 2654435761u >> 23);
}

static void *serve(void *argument)
{
    int listener = *(int *)argument;
    static uint8_t body[BODY_SIZE];
    for (size_t i = 0; i < BODY_SIZE; i++)
        body[i] = body_byte(i);
    for (int file; (file = accept(listener, NULL, NULL)) >= 0; close(file)) {
        char head[4096];
        size_t count = 0;
        for (ssize_t got; count < sizeof(head) - 1; count += (size_t)got) {
            got = recv(file, head + count, sizeof(head) - 1 - count, 0);
            if (got <= 0)
                break;
            head[count + (size_t)got] = 0;
            if (strstr(head, "\r\n\r\n"))
                break;
        }
        snprintf(head, sizeof(head),
                 "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", BODY_SIZE);
        if (send(file, head, strlen(head), MSG_NOSIGNAL) < 0)
            continue;
        for (size_t sent = 0; sent < BODY_SIZE;) {
            ssize_t more = send(file, body + sent, BODY_SIZE - sent, MSG_NOSIGNAL);
            if (more <= 0)
                break;
            sent += (size_t)more;
        }
    }
    return NULL;
}

static int listen_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 8) != 0 || getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        return -1;
    port = ntohs(address.sin_port);
    return listener;
}

static void fetch(kp_capability_t http)
{
    char url[128];
    uint8_t bytes[512];
    snprintf(url, sizeof(url), "http://%s:%u/", kp_test_host, port);
    kp_http_request_t request = {.header = {KP_HTTP_REQUEST, 7},
                                 .destination = KP_HTTP_FOR_DOCUMENT,
                                 .method_size = 3,
                                 .url_size = (uint32_t)strlen(url)};
    memcpy(bytes, &request, sizeof(request));
    memcpy(bytes + sizeof(request), "GET", 3);
    memcpy(bytes + sizeof(request) + 3, url, strlen(url));
    KP_REQUIRE(kp_channel_send(http, bytes, sizeof(request) + 3 + strlen(url), NULL, 0) == KP_OK);
    size_t received = 0, wrong = 0;
    uint32_t http_status = 0;
    for (bool is_over = false; !is_over;) {
        kp_message_t *message;
        kp_message_header_t header = {0};
        KP_REQUIRE(kp_channel_receive(http, kp_machine_now() + KP_TEST_PATIENCE, &message) ==
                   KP_OK);
        if (message->byte_count >= sizeof(header))
            memcpy(&header, message->bytes, sizeof(header));
        if (header.ordinal == KP_HTTP_RESPONSE) {
            http_status = ((const kp_http_response_t *)message->bytes)->http_status;
        } else if (header.ordinal == KP_HTTP_DATA) {
            for (size_t i = sizeof(header); i < message->byte_count; i++)
                wrong += message->bytes[i] != body_byte(received++);
        } else {
            is_over = true;
            KP_EXPECT_INT(header.ordinal, KP_HTTP_END);
            KP_EXPECT_INT(((const kp_http_end_t *)message->bytes)->status, KP_OK);
        }
        kp_message_destroy(message);
    }
    KP_EXPECT_INT(http_status, 200);
    KP_EXPECT_INT(received, BODY_SIZE);
    KP_EXPECT_INT(wrong, 0);
}

KP_TEST(fetch_1_mib)
{
    kp_service_t *service;
    kp_capability_t http = {0};
    kp_time_t start = kp_machine_now();
    KP_REQUIRE(kp_service_find("http", &service) == KP_OK);
    KP_REQUIRE(kp_service_connect(service, &http) == KP_OK);
    fetch(http);
    printf("# boot to the end of 1 MiB: %lld ms\n",
           (long long)((kp_machine_now() - start) / KP_NS_PER_MS));
    kp_capability_close(&http);
}

int main(void)
{
    int listener = listen_somewhere();
    if (listener < 0)
        return 1;
    pid_t server = fork();
    if (server == 0) {
        serve(&listener);
        _exit(0);
    }
    int failed = kp_test_over_networks(BUNDLE);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return failed != 0;
}
