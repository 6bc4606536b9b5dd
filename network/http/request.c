/* Reading a REQUEST: bytes of a client, so nothing is believed. */
#include "network/http/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RFC 9110, 5.6.2. */
static bool is_token(char byte)
{
    bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    return is_letter || (byte >= '0' && byte <= '9') || (byte && strchr("!#$%&'*+-.^_`|~", byte));
}

/* Headers that are the service's own business, as in the Fetch standard ("forbidden
   request-header"); they are left out. */
static bool is_forbidden(const char *name, size_t size)
{
    static const char *const names[] = {
        "accept-charset",
        "accept-encoding",
        "connection",
        "content-length",
        "cookie",
        "cookie2",
        "date",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == size && strncasecmp(names[i], name, size) == 0)
            return true;
    }
    return size >= 6 && strncasecmp(name, "proxy-", 6) == 0;
}

/* Adds one "Name: value" line (without its end) to the list. */
static kp_status_t add_header(kp_http_parts_t *parts, const char *line, size_t size)
{
    size_t name_size = 0;
    while (name_size < size && is_token(line[name_size]))
        name_size++;
    if (name_size == 0 || name_size == size || line[name_size] != ':')
        return KP_ERR_PROTOCOL;
    size_t from = name_size + 1;
    while (from < size && line[from] == ' ')
        from++;
    for (size_t i = from; i < size; i++) {
        if (line[i] == 0 || line[i] == '\r' || line[i] == '\n')
            return KP_ERR_PROTOCOL;
    }
    if (is_forbidden(line, name_size))
        return KP_OK;
    /* curl writes "Name;" as a header without value, and "Name:" as "leave it out". */
    size_t value_size = size - from;
    char *text = malloc(name_size + value_size + 3);
    if (!text)
        return KP_ERR_NO_MEMORY;
    memcpy(text, line, name_size);
    if (value_size) {
        memcpy(text + name_size, ": ", 2);
        memcpy(text + name_size + 2, line + from, value_size);
        text[name_size + 2 + value_size] = 0;
    } else {
        memcpy(text + name_size, ";", 2);
    }
    struct curl_slist *longer = curl_slist_append(parts->headers, text);
    free(text);
    if (!longer)
        return KP_ERR_NO_MEMORY;
    parts->headers = longer;
    return KP_OK;
}

static kp_status_t add_headers(kp_http_parts_t *parts, const char *lines, size_t size)
{
    while (size) {
        const char *end = memchr(lines, '\n', size);
        if (!end || end == lines || end[-1] != '\r')
            return KP_ERR_PROTOCOL;
        kp_status_t status = add_header(parts, lines, (size_t)(end - lines) - 1);
        if (status != KP_OK)
            return status;
        size -= (size_t)(end - lines) + 1;
        lines = end + 1;
    }
    return KP_OK;
}

void kp_http_parts_clear(kp_http_parts_t *parts)
{
    free(parts->url);
    curl_slist_free_all(parts->headers);
    *parts = (kp_http_parts_t){0};
}

kp_status_t kp_http_parts_parse(const void *bytes, size_t size, kp_http_parts_t *parts)
{
    kp_http_request_t request;
    *parts = (kp_http_parts_t){0};
    kp_reader_t reader = kp_reader_init(bytes, size);
    const uint8_t *head = kp_reader_borrow(&reader, sizeof(request));
    if (!head)
        return KP_ERR_PROTOCOL;
    memcpy(&request, head, sizeof(request));
    const char *method = (const char *)kp_reader_borrow(&reader, request.method_size);
    const char *url = (const char *)kp_reader_borrow(&reader, request.url_size);
    const char *headers = (const char *)kp_reader_borrow(&reader, request.headers_size);
    const uint8_t *body = kp_reader_borrow(&reader, request.body_size);
    if (reader.failed || kp_reader_left(&reader) != 0 || request.method_size == 0 ||
        request.method_size >= sizeof(parts->method) || request.url_size == 0 ||
        request.url_size > KP_HTTP_URL_MAX || request.headers_size > KP_HTTP_HEADERS_MAX ||
        request.destination < KP_HTTP_FOR_DOCUMENT || request.destination > KP_HTTP_FOR_OTHER)
        return KP_ERR_PROTOCOL;
    for (size_t i = 0; i < request.method_size; i++) {
        if (!is_token(method[i]))
            return KP_ERR_PROTOCOL;
        parts->method[i] = method[i];
    }
    for (size_t i = 0; i < request.url_size; i++) {
        if ((unsigned char)url[i] <= 0x20 || url[i] == 0x7f)
            return KP_ERR_PROTOCOL;
    }
    parts->body = body;
    parts->body_size = request.body_size;
    parts->url = malloc(request.url_size + 1);
    kp_status_t status = KP_ERR_NO_MEMORY;
    if (parts->url) {
        memcpy(parts->url, url, request.url_size);
        parts->url[request.url_size] = 0;
        status = add_headers(parts, headers, request.headers_size);
    }
    if (status == KP_OK && request.body_size) { /* curl would wait a second for a 100 Continue */
        struct curl_slist *longer = curl_slist_append(parts->headers, "Expect:");
        if (longer)
            parts->headers = longer;
        else
            status = KP_ERR_NO_MEMORY;
    }
    if (status != KP_OK)
        kp_http_parts_clear(parts);
    return status;
}
