/* The special paths: what a browser meets when a server or the network misbehaves. */
#include "tests/server/server.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HTML "text/html; charset=utf-8"
#define MIB (UINT64_C(1) << 20)

static void sleep_ms(uint64_t ms)
{
    struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

/* Waits until the peer closes (or ten minutes, so that no thread stays for ever). */
static void wait_for_peer(request_t *request)
{
    struct pollfd item = {.fd = request->fd, .events = POLLRDHUP};
    poll(&item, 1, 600000);
    request->keep_alive = false;
}

/* Numbered paragraphs of HTML, exactly `size` bytes from `offset` of an endless page. */
static bool send_paragraphs(request_t *request, uint64_t size)
{
    char block[65536];
    uint64_t sent = 0, line = 0;
    while (sent < size) {
        size_t filled = 0;
        while (filled + 128 < sizeof block)
            filled += (size_t)snprintf(block + filled, sizeof block - filled,
                                       "<p>Paragraph %llu of a page that is very long.</p>\n",
                                       (unsigned long long)line++);
        if (filled > size - sent)
            filled = (size_t)(size - sent);
        if (!reply_body(request, block, filled))
            return false;
        if (request->headers_only)
            return true;
        sent += filled;
    }
    return true;
}

static void answer_reset(request_t *request)
{
    uint64_t after = query_number(request, "after", 4096, 64 * MIB);
    if (reply_head(request, 200, HTML, (int64_t)(after + 100000), "") &&
        send_paragraphs(request, after))
        sleep_ms(50); /* a reset discards what the receiver has not read yet */
    reply_reset(request);
}

static void answer_reset_now(request_t *request)
{
    reply_reset(request);
}

static void answer_no_reply(request_t *request)
{
    request->keep_alive = false;
}

static void answer_short(request_t *request)
{
    uint64_t after = query_number(request, "after", 4096, 64 * MIB);
    request->keep_alive = false;
    if (reply_head(request, 200, HTML, (int64_t)(after + 100000), ""))
        send_paragraphs(request, after);
}

static void answer_redirect_loop(request_t *request)
{
    char extra[128];
    snprintf(extra, sizeof extra, "Location: /redirect-loop?n=%llu\r\n",
             (unsigned long long)query_number(request, "n", 0, UINT32_MAX) + 1);
    reply_bytes(request, 302, HTML, extra, "", 0);
}

/* /redirect?to=URL, /redirect?n=3 (that many steps, then /echo-headers); &status=301 */
static void answer_redirect(request_t *request)
{
    char to[4096], extra[4200];
    uint64_t left = query_number(request, "n", 1, 1000);
    if (!query_string(request, "to", to, sizeof to)) {
        if (left > 1)
            snprintf(to, sizeof to, "/redirect?n=%llu", (unsigned long long)left - 1);
        else
            snprintf(to, sizeof to, "/echo-headers");
    }
    if (strpbrk(to, "\r\n")) {
        reply_page(request, 400, "a line break in the target");
        return;
    }
    snprintf(extra, sizeof extra, "Location: %s\r\n", to);
    reply_bytes(request, (int)query_number(request, "status", 302, 399), HTML, extra, "", 0);
}

static void answer_empty(request_t *request)
{
    reply_bytes(request, 200, HTML, "", "", 0);
}

static void answer_huge(request_t *request)
{
    static const char head[] = "<!DOCTYPE html><title>Huge</title>\n";
    uint64_t size = query_number(request, "mb", 50, 4096) * MIB;
    if (reply_head(request, 200, HTML, (int64_t)(size + sizeof head - 1), "") &&
        reply_body(request, head, sizeof head - 1))
        send_paragraphs(request, size);
}

static bool send_chunk(request_t *request, const char *at, size_t size)
{
    char head[32];
    int length = snprintf(head, sizeof head, "%zx\r\n", size);
    if (!reply_send(request, head, (size_t)length) || !reply_send(request, at, size) ||
        !reply_send(request, "\r\n", 2))
        return false;
    request->sent += size;
    return true;
}

/* /slow?parts=5&ms=200: chunks with a pause before each. */
static void answer_slow(request_t *request)
{
    uint64_t parts = query_number(request, "parts", 5, 10000);
    uint64_t ms = query_number(request, "ms", 200, 60000);
    if (!reply_head(request, 200, HTML, -1, "Transfer-Encoding: chunked\r\n") ||
        request->headers_only)
        return;
    for (uint64_t i = 0; i < parts; i++) {
        char text[64];
        sleep_ms(ms);
        int length = snprintf(text, sizeof text, "<p>Part %llu</p>\n", (unsigned long long)i);
        if (!send_chunk(request, text, (size_t)length))
            return;
    }
    reply_send(request, "0\r\n\r\n", 5);
}

static void answer_bad_chunk(request_t *request)
{
    request->keep_alive = false;
    if (reply_head(request, 200, HTML, -1, "Transfer-Encoding: chunked\r\n") &&
        send_chunk(request, "<p>Good chunk</p>", 17))
        reply_send(request, "zz\r\nrubbish", 11);
}

static void answer_stall(request_t *request)
{
    if (reply_head(request, 200, HTML, 100000, ""))
        send_paragraphs(request, 1024);
    wait_for_peer(request);
}

static void answer_no_answer(request_t *request)
{
    wait_for_peer(request);
}

/* /status/404 and so on; 204 and 304 have no body. */
static void answer_status(request_t *request)
{
    int status = atoi(request->path + strlen("/status/"));
    if (status < 200 || status > 599)
        reply_page(request, 400, "statuses are 200 to 599");
    else if (status == 204 || status == 304)
        reply_head(request, status, HTML, -1, "");
    else
        reply_page(request, status, "as you asked");
}

static void answer_gzip(request_t *request)
{
    static const char page[] =
        "<!DOCTYPE html><title>Zipped</title><p>This text came as gzip.</p>\n";
    bytes_t body = {0};
    uint64_t mb = query_number(request, "mb", 0, 1024);
    if (mb) {
        char *zeros = calloc(1, MIB);
        if (zeros)
            gzip_encode(&body, memset(zeros, ' ', MIB), MIB, mb);
        free(zeros);
    } else {
        gzip_encode(&body, page, sizeof page - 1, 1);
    }
    size_t size = body.size;
    if (!body.at) { /* a megabyte was not to be had */
        reply_page(request, 500, "out of memory");
        return;
    }
    if (strcmp(request->path, "/gzip-truncated") == 0)
        size -= mb ? size / 2 : 20; /* the checksum and the end of the text are missing */
    else if (strcmp(request->path, "/gzip-corrupt") == 0)
        body.at[size - 8] ^= 0xff; /* the checksum */
    reply_bytes(request, 200, HTML, "Content-Encoding: gzip\r\n", body.at, size);
    bytes_free(&body);
}

static void answer_brotli(request_t *request)
{
    /* RFC 7932: window of 22 bits, one last meta-block that is stored as it is. */
    static const uint8_t body[] = {0x0b, 0x02, 0x80, 'h', 'e', 'l', 'l', 'o', 0x03};
    reply_bytes(request, 200, HTML, "Content-Encoding: br\r\n", body, sizeof body);
}

static void answer_binary(request_t *request)
{
    uint8_t block[65536];
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof block; i++) {
        state = state * 1664525u + 1013904223u;
        block[i] = (uint8_t)(state >> 24);
    }
    reply_bytes(request, 200, HTML, "", block, sizeof block);
}

/* /png?w=64&h=64 and /truncated-png: the first half of the same. */
static void answer_png(request_t *request)
{
    bytes_t body = {0};
    png_encode(&body, (uint32_t)query_number(request, "w", 64, 4096),
               (uint32_t)query_number(request, "h", 64, 4096));
    size_t size = request->path[1] == 't' ? body.size / 2 : body.size;
    reply_bytes(request, 200, "image/png", "", body.at, size);
    bytes_free(&body);
}

static void answer_echo_headers(request_t *request)
{
    reply_bytes(request, 200, "text/plain; charset=utf-8", "", request->headers,
                strlen(request->headers));
}

static void answer_echo_body(request_t *request)
{
    reply_bytes(request, 200, "application/octet-stream", "", request->body, request->body_size);
}

static void answer_until_close(request_t *request)
{
    static const char head[] = "HTTP/1.0 200 OK\r\nContent-Type: " HTML "\r\n\r\n";
    request->keep_alive = false;
    request->status = 200;
    if (reply_send(request, head, sizeof head - 1))
        send_paragraphs(request, query_number(request, "size", 10000, 64 * MIB));
}

static void answer_garbage(request_t *request)
{
    request->keep_alive = false;
    reply_send(request, "\x16\x03\x01 this is not HTTP\r\n\r\n", 24);
}

/* Headers without end. */
static void answer_huge_headers(request_t *request)
{
    char line[1024];
    memset(line, 'x', sizeof line);
    line[0] = 'X';
    line[1] = ':';
    line[sizeof line - 2] = '\r';
    line[sizeof line - 1] = '\n';
    request->keep_alive = false;
    request->status = 200;
    bool ok = reply_send(request, "HTTP/1.1 200 OK\r\n", 17);
    for (int i = 0; ok && i < 65536; i++)
        ok = reply_send(request, line, sizeof line);
}

bool special_answer(request_t *request)
{
    static const struct {
        const char *path;
        void (*answer)(request_t *);
    } table[] = {
        {"/reset", answer_reset},
        {"/reset-now", answer_reset_now},
        {"/no-reply", answer_no_reply},
        {"/short", answer_short},
        {"/redirect-loop", answer_redirect_loop},
        {"/redirect", answer_redirect},
        {"/empty", answer_empty},
        {"/huge", answer_huge},
        {"/slow", answer_slow},
        {"/bad-chunk", answer_bad_chunk},
        {"/stall", answer_stall},
        {"/no-answer", answer_no_answer},
        {"/gzip", answer_gzip},
        {"/gzip-truncated", answer_gzip},
        {"/gzip-corrupt", answer_gzip},
        {"/brotli", answer_brotli},
        {"/binary-as-html", answer_binary},
        {"/png", answer_png},
        {"/truncated-png", answer_png},
        {"/echo-headers", answer_echo_headers},
        {"/echo-body", answer_echo_body},
        {"/until-close", answer_until_close},
        {"/garbage", answer_garbage},
        {"/huge-headers", answer_huge_headers},
    };
    if (strncmp(request->path, "/status/", 8) == 0) {
        answer_status(request);
        return true;
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(request->path, table[i].path) == 0) {
            table[i].answer(request);
            return true;
        }
    }
    return false;
}
