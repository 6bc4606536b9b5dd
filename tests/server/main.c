/* testserver: a web server for tests. README.md in this folder says how it is used. */
#include "tests/server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *served_folder = ".";
static FILE *log_file;

bool reply_send(request_t *request, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size) {
        ssize_t sent = send(request->fd, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0) {
            request->keep_alive = false;
            return false;
        }
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 301:
        return "Moved Permanently";
    case 302:
        return "Found";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 500:
        return "Internal Server Error";
    default:
        return "Status";
    }
}

bool reply_head(request_t *request, int status, const char *type, int64_t length, const char *extra)
{
    char head[8192], size[64] = "";
    if (length >= 0)
        snprintf(size, sizeof size, "Content-Length: %lld\r\n", (long long)length);
    int count = snprintf(
        head, sizeof head,
        "HTTP/1.1 %d %s\r\nServer: KPIO-testserver\r\nContent-Type: %s\r\n%s%s%s\r\n", status,
        reason_of(status), type, size, extra, request->keep_alive ? "" : "Connection: close\r\n");
    request->status = status;
    return reply_send(request, head, (size_t)count);
}

bool reply_body(request_t *request, const void *bytes, size_t size)
{
    if (request->headers_only)
        return true;
    if (!reply_send(request, bytes, size))
        return false;
    request->sent += size;
    return true;
}

void reply_bytes(request_t *request, int status, const char *type, const char *extra,
                 const void *bytes, size_t size)
{
    if (reply_head(request, status, type, (int64_t)size, extra))
        reply_body(request, bytes, size);
}

void reply_page(request_t *request, int status, const char *text)
{
    char page[512];
    int size =
        snprintf(page, sizeof page, "<!DOCTYPE html><title>%d %s</title><h1>%d %s</h1><p>%s</p>\n",
                 status, reason_of(status), status, reason_of(status), text);
    reply_bytes(request, status, "text/html; charset=utf-8", "", page, (size_t)size);
}

void reply_reset(request_t *request)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0}; /* close() then sends RST */
    setsockopt(request->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    request->keep_alive = false;
}

/* Decodes %XX in place; false for a bad escape or an encoded NUL. */
static bool percent_decode(char *text)
{
    char *out = text;
    for (; *text; text++) {
        char byte = *text;
        if (byte == '%') {
            char digits[3] = {text[1], text[1] ? text[2] : 0, 0}, *end;
            byte = (char)strtoul(digits, &end, 16);
            if (end != digits + 2 || !byte)
                return false;
            text += 2;
        }
        *out++ = byte;
    }
    *out = 0;
    return true;
}

bool query_string(const request_t *request, const char *name, char *out, size_t capacity)
{
    size_t name_size = strlen(name);
    for (const char *at = request->query; *at;) {
        size_t size = strcspn(at, "&");
        if (size > name_size && strncmp(at, name, name_size) == 0 && at[name_size] == '=') {
            size -= name_size + 1;
            if (size >= capacity)
                return false;
            memcpy(out, at + name_size + 1, size);
            out[size] = 0;
            return percent_decode(out);
        }
        at += size + (at[size] == '&');
    }
    return false;
}

uint64_t query_number(const request_t *request, const char *name, uint64_t fallback,
                      uint64_t maximum)
{
    char text[32], *end;
    if (!query_string(request, name, text, sizeof text) || !*text)
        return fallback;
    uint64_t value = strtoull(text, &end, 10);
    if (*end)
        return fallback;
    return value < maximum ? value : maximum;
}

const char *header_value(const request_t *request, const char *name)
{
    static _Thread_local char value[4096];
    size_t name_size = strlen(name);
    for (const char *at = request->headers; *at;) {
        size_t size = strcspn(at, "\r\n");
        if (size > name_size && strncasecmp(at, name, name_size) == 0 && at[name_size] == ':') {
            const char *from = at + name_size + 1;
            while (*from == ' ')
                from++;
            snprintf(value, sizeof value, "%.*s", (int)(at + size - from), from);
            return value;
        }
        at += size;
        at += strspn(at, "\r\n");
    }
    return "";
}

/* Receives until `bytes` holds the whole head; the head's size with the empty line, 0 at the end.
 */
static size_t receive_head(request_t *request)
{
    for (;;) {
        request->bytes[request->size] = 0;
        char *end = strstr(request->bytes, "\r\n\r\n");
        if (end)
            return (size_t)(end - request->bytes) + 4;
        if (request->size == REQUEST_MAX)
            return 0;
        ssize_t got =
            recv(request->fd, request->bytes + request->size, REQUEST_MAX - request->size, 0);
        if (got <= 0)
            return 0;
        request->size += (size_t)got;
    }
}

/* Splits the head that receive_head found. */
static bool parse_head(request_t *request, size_t head_size)
{
    request->bytes[head_size - 2] = 0; /* the empty line; the last header keeps its line end */
    char *line_end = strstr(request->bytes, "\r\n");
    if (!line_end)
        line_end = request->bytes + head_size - 4;
    memcpy(request->header_copy, line_end + 2, strlen(line_end + 2) + 1);
    request->headers = request->header_copy;
    *line_end = 0;
    char *save, *method = strtok_r(request->bytes, " ", &save);
    char *target = strtok_r(NULL, " ", &save), *version = strtok_r(NULL, " ", &save);
    if (!method || !target || !version || strncmp(version, "HTTP/1.", 7) != 0 || *target != '/')
        return false;
    request->method = method;
    memcpy(request->target_copy, target, strlen(target) + 1);
    request->target = request->target_copy;
    char *query = strchr(target, '?');
    if (query)
        *query++ = 0;
    request->query = query ? query : "";
    request->path = target;
    request->headers_only = strcmp(method, "HEAD") == 0;
    const char *connection = header_value(request, "Connection");
    request->keep_alive = strcmp(version, "HTTP/1.0") != 0 && strcasecmp(connection, "close") != 0;
    return percent_decode(target);
}

/* Answers one request; false when the connection is to be closed. */
static bool serve_one(request_t *request)
{
    size_t head_size = receive_head(request);
    if (!head_size)
        return false;
    request->status = 0;
    request->sent = 0;
    request->target = "?";
    request->method = "?";
    size_t used = head_size;
    bool good = parse_head(request, head_size);
    if (good) {
        /* A body must fit the buffer after the head. */
        uint64_t body = strtoull(header_value(request, "Content-Length"), NULL, 10);
        if (body > REQUEST_MAX - head_size) {
            request->keep_alive = false;
            reply_page(request, 413, "the request is too large");
            good = false;
        }
        while (good && request->size < head_size + body) {
            ssize_t got =
                recv(request->fd, request->bytes + request->size, REQUEST_MAX - request->size, 0);
            if (got <= 0)
                return false;
            request->size += (size_t)got;
        }
        request->body = request->bytes + head_size;
        request->body_size = (size_t)body;
        used += (size_t)body;
        if (good && !special_answer(request))
            files_answer(request);
    } else {
        request->keep_alive = false;
        reply_page(request, 400, "not a request this server knows");
    }
    flockfile(log_file);
    fprintf(log_file, "%s %s %d %llu\n", request->method, request->target, request->status,
            (unsigned long long)request->sent);
    fflush(log_file);
    funlockfile(log_file);
    if (!request->keep_alive)
        return false;
    memmove(request->bytes, request->bytes + used, request->size - used);
    request->size -= used;
    return true;
}

static void *serve_connection(void *argument)
{
    request_t *request = calloc(1, sizeof *request);
    if (request) {
        request->fd = (int)(intptr_t)argument;
        request->root = served_folder;
        while (serve_one(request))
            ;
    }
    close((int)(intptr_t)argument);
    free(request);
    return NULL;
}

static int usage(void)
{
    fprintf(stderr, "usage: testserver [--port N] [--bind ADDRESS] [--log FILE]\n"
                    "                  [--keep-running] [FOLDER]\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool keep_running = false;
    log_file = stdout;
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--keep-running") == 0) {
            keep_running = true;
        } else if (strcmp(argv[i], "--port") == 0 && has_value) {
            address.sin_port = htons((uint16_t)atoi(argv[++i]));
        } else if (strcmp(argv[i], "--bind") == 0 && has_value) {
            if (inet_pton(AF_INET, argv[++i], &address.sin_addr) != 1)
                return usage();
        } else if (strcmp(argv[i], "--log") == 0 && has_value) {
            log_file = fopen(argv[++i], "w");
            if (!log_file) {
                perror(argv[i]);
                return 1;
            }
        } else if (argv[i][0] == '-') {
            return usage();
        } else {
            served_folder = argv[i];
        }
    }
    /* A test that dies leaves no server behind. */
    if (!keep_running)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof address;
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 128) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        perror("testserver");
        return 1;
    }
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                poll(NULL, 0, 10);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)fd) != 0) {
            close(fd);
            continue;
        }
        pthread_detach(thread);
    }
}
