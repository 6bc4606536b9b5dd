/* One fetch: curl's transfer on one side, RESPONSE, DATA and END on the other. */
#include "network/http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a message to the client came to. Full: asks for a WRITABLE. Short of memory or quota: the
   end of that no signal tells, so the clock does. Both are ERR_SHOULD_WAIT to the caller. */
kp_status_t kp_http_client_sent(kp_http_client_t *client, kp_status_t status)
{
    if (status == KP_ERR_QUOTA || status == KP_ERR_NO_MEMORY) {
        client->is_starved = true;
        kp_http_t *http = client->http;
        if (!kp_loop_timer_is_set(&http->retry))
            kp_loop_timer_set(&http->loop, &http->retry, kp_now() + KP_HTTP_RETRY_TIME);
        status = KP_ERR_SHOULD_WAIT;
    }
    if (status == KP_ERR_SHOULD_WAIT)
        client->is_writable = false;
    return status;
}

/* KP_OK, ERR_SHOULD_WAIT, or the client is of no use any more. */
static kp_status_t send_response(kp_http_exchange_t *exchange)
{
    kp_http_client_t *client = exchange->client;
    char *url = NULL;
    long http_status = 0;
    if (!client->is_writable)
        return KP_ERR_SHOULD_WAIT;
    if (curl_easy_getinfo(exchange->easy, CURLINFO_EFFECTIVE_URL, &url) != CURLE_OK || !url)
        url = exchange->url;
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &http_status);
    size_t url_size = strlen(url);
    if (url_size > KP_HTTP_URL_MAX)
        url_size = 0; /* a redirect to an absurd address: the client keeps the one it asked for */
    kp_http_response_t response = {.header = {KP_HTTP_RESPONSE, exchange->txid},
                                   .http_status = (uint32_t)http_status,
                                   .url_size = (uint32_t)url_size,
                                   .headers_size = (uint32_t)exchange->headers_size};
    kp_message_part_t parts[] = {{&response, sizeof(response)},
                                 {url, url_size},
                                 {exchange->headers, exchange->headers_size}};
    kp_status_t status =
        kp_http_client_sent(client, kp_message_send_parts(client->channel, parts, 3, NULL, 0));
    if (status == KP_OK)
        exchange->is_responded = true;
    return status;
}

static kp_status_t send_end(kp_http_exchange_t *exchange)
{
    kp_http_client_t *client = exchange->client;
    kp_status_t status = client->is_writable ? kp_http_bulk_announce(client) : KP_ERR_SHOULD_WAIT;
    if (status != KP_OK)
        return status;
    kp_http_end_t end = {.header = {KP_HTTP_END, exchange->txid},
                         .status = exchange->status,
                         .text_size = (uint32_t)strlen(exchange->text)};
    return kp_http_client_sent(client,
                               kp_message_send_with(client->channel, &end, sizeof(end),
                                                    exchange->text, end.text_size, NULL, 0));
}

/* The next bytes of the body, *done of them. KP_OK, ERR_SHOULD_WAIT, or the client is of no use. */
static kp_status_t send_body(kp_http_exchange_t *exchange, const char *bytes, size_t size,
                             size_t *done)
{
    kp_http_client_t *client = exchange->client;
    if (!client->is_writable)
        return KP_ERR_SHOULD_WAIT;
    if (client->has_ring && size >= KP_HTTP_RING_MIN)
        return kp_http_bulk_write(client, exchange->txid, bytes, size, done);
    kp_status_t status = kp_http_bulk_announce(client);
    if (status != KP_OK)
        return status;
    kp_message_header_t head = {KP_HTTP_DATA, exchange->txid};
    size_t count = size < KP_HTTP_DATA_MAX ? size : KP_HTTP_DATA_MAX;
    status = kp_http_client_sent(
        client, kp_message_send_with(client->channel, &head, sizeof(head), bytes, count, NULL, 0));
    if (status == KP_OK)
        *done = count;
    return status;
}

/* curl's write callback: decoded bytes of the body. */
static size_t on_body(char *bytes, size_t one, size_t size, void *context)
{
    kp_http_exchange_t *exchange = context;
    kp_http_client_t *client = exchange->client;
    (void)one; /* always 1 */
    if (size == 0)
        return 0;
    kp_status_t status = exchange->is_responded ? KP_OK : send_response(exchange);
    if (status == KP_OK && size > KP_HTTP_BODY_MAX - exchange->body_size) {
        exchange->status = KP_ERR_TOO_LARGE;
        return CURL_WRITEFUNC_ERROR;
    }
    size_t done = exchange->ahead < size ? exchange->ahead : size;
    while (status == KP_OK && done < size) {
        size_t count = 0;
        status = send_body(exchange, bytes + done, size - done, &count);
        done += count;
    }
    if (status == KP_ERR_SHOULD_WAIT) {
        exchange->is_paused = true;
        exchange->ahead = done;
        return CURL_WRITEFUNC_PAUSE; /* curl offers the same bytes again */
    }
    if (status != KP_OK) {
        client->is_broken = true;
        return CURL_WRITEFUNC_ERROR;
    }
    exchange->ahead -= exchange->ahead < size ? exchange->ahead : size;
    exchange->body_size += size;
    return size;
}

/* curl's header callback: one line, of each response in a chain of redirects. */
static size_t on_header(char *line, size_t one, size_t size, void *context)
{
    kp_http_exchange_t *exchange = context;
    (void)one;
    if (!exchange->client->http->is_first_byte_marked) {
        exchange->client->http->is_first_byte_marked = true;
        (void)kp_boot_mark_text("first-byte"); /* only the benchmark misses it */
    }
    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        exchange->headers_size = 0; /* a new response: only the last one counts */
        return size;
    }
    if (size <= 2 || size > KP_HTTP_HEADERS_MAX - exchange->headers_size)
        return size; /* the empty line; or too many headers: the first 32 KiB are passed on */
    if (!exchange->headers) {
        exchange->headers = malloc(KP_HTTP_HEADERS_MAX);
        if (!exchange->headers)
            return CURL_WRITEFUNC_ERROR;
    }
    size_t bare = size;
    while (bare && (line[bare - 1] == '\r' || line[bare - 1] == '\n'))
        bare--;
    if (bare + 2 > KP_HTTP_HEADERS_MAX - exchange->headers_size)
        return size;
    memcpy(exchange->headers + exchange->headers_size, line, bare);
    memcpy(exchange->headers + exchange->headers_size + bare, "\r\n", 2);
    exchange->headers_size += bare + 2;
    return size;
}

/* Sets all options; false when memory is short. */
static bool set_options(kp_http_exchange_t *exchange, const kp_http_parts_t *parts)
{
    const kp_http_t *http = exchange->client->http;
    CURL *easy = exchange->easy;
    CURLcode code = CURLE_OK;
#define SET(option, value) \
    if (code == CURLE_OK)  \
    code = curl_easy_setopt(easy, option, value)
    SET(CURLOPT_PRIVATE, exchange);
    SET(CURLOPT_URL, exchange->url);
    SET(CURLOPT_PROTOCOLS_STR, "http");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, (long)KP_HTTP_REDIRECTS_MAX);
    SET(CURLOPT_ACCEPT_ENCODING, ""); /* all that this curl decodes: gzip, deflate, br */
    SET(CURLOPT_USERAGENT, KP_HTTP_USER_AGENT);
    SET(CURLOPT_HTTPHEADER, exchange->request_headers);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, exchange);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, exchange);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, 0L); /* socket.h says why */
    SET(CURLOPT_CONNECTTIMEOUT_MS, http->connect_timeout_ms);
    SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
    SET(CURLOPT_LOW_SPEED_TIME, http->stall_seconds);
    SET(CURLOPT_BUFFERSIZE, 32768L);
    if (strcmp(parts->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    } else if (strcmp(parts->method, "GET") != 0 || parts->body_size) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)parts->body_size);
        SET(CURLOPT_COPYPOSTFIELDS, parts->body_size ? (const char *)parts->body : "");
        SET(CURLOPT_POST, 1L);
        if (strcmp(parts->method, "POST") != 0)
            SET(CURLOPT_CUSTOMREQUEST, parts->method);
    }
#undef SET
    return code == CURLE_OK;
}

static kp_http_exchange_t *add(kp_http_client_t *client, uint32_t txid)
{
    kp_http_exchange_t *exchange = calloc(1, sizeof(*exchange));
    if (!exchange)
        return NULL;
    exchange->client = client;
    exchange->txid = txid;
    kp_http_exchange_t **last = &client->exchanges;
    while (*last) /* first come, first served; there are few */
        last = &(*last)->next;
    *last = exchange;
    client->exchange_count++;
    client->http->exchange_count++;
    return exchange;
}

kp_status_t kp_http_exchange_refuse(kp_http_client_t *client, uint32_t txid, kp_status_t status,
                                    const char *text)
{
    kp_http_exchange_t *exchange = add(client, txid);
    if (!exchange)
        return KP_ERR_NO_MEMORY;
    exchange->is_done = true;
    exchange->status = status;
    snprintf(exchange->text, sizeof(exchange->text), "%s", text);
    client->http->is_busy = true;
    return KP_OK;
}

kp_status_t kp_http_exchange_start(kp_http_client_t *client, uint32_t txid, kp_http_parts_t *parts)
{
    kp_http_exchange_t *exchange = add(client, txid);
    if (!exchange)
        return KP_ERR_NO_MEMORY;
    exchange->url = parts->url;
    exchange->request_headers = parts->headers;
    parts->url = NULL;
    parts->headers = NULL;
    CURLcode result = CURLE_OK;
    if (!kp_http_url_is_http(exchange->url)) {
        result = CURLE_UNSUPPORTED_PROTOCOL;
    } else {
        exchange->easy = curl_easy_init();
        if (!exchange->easy || !set_options(exchange, parts))
            result = CURLE_OUT_OF_MEMORY;
    }
    kp_http_url_host(exchange->url, exchange->host, sizeof(exchange->host));
    exchange->is_waiting = result == CURLE_OK;
    client->http->is_busy = true; /* it begins at the end of the round */
    if (result != CURLE_OK)
        kp_http_exchange_finish(exchange, result);
    return KP_OK;
}

static uint32_t running_to(const kp_http_client_t *client, const char *host)
{
    uint32_t count = 0;
    for (const kp_http_exchange_t *at = client->exchanges; at; at = at->next)
        count += at->easy && !at->is_waiting && !at->is_done && strcasecmp(at->host, host) == 0;
    return count;
}

void kp_http_exchanges_begin(kp_http_client_t *client)
{
    for (kp_http_exchange_t *at = client->exchanges; at; at = at->next) {
        if (!at->is_waiting || running_to(client, at->host) >= KP_HTTP_CLIENT_HOST_MAX)
            continue;
        at->is_waiting = false;
        if (curl_multi_add_handle(client->http->multi, at->easy) != CURLM_OK)
            kp_http_exchange_finish(at, CURLE_OUT_OF_MEMORY);
    }
}

static void release_easy(kp_http_exchange_t *exchange)
{
    if (!exchange->easy)
        return;
    /* Both only fail for handles that curl does not know. */
    (void)curl_multi_remove_handle(exchange->client->http->multi, exchange->easy);
    curl_easy_cleanup(exchange->easy);
    exchange->easy = NULL;
}

void kp_http_exchange_finish(kp_http_exchange_t *exchange, CURLcode result)
{
    long http_status = 0;
    exchange->is_done = true;
    exchange->is_paused = false;
    exchange->client->http->is_busy = true;
    if (exchange->status == KP_ERR_TOO_LARGE)
        result = CURLE_FILESIZE_EXCEEDED; /* curl only knows that we wanted no more */
    exchange->status = kp_http_failure_describe(exchange, result, exchange->text);
    if (exchange->easy && result == CURLE_OK)
        (void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &http_status);
    exchange->has_response = http_status != 0;
    if (!exchange->has_response)
        release_easy(exchange); /* otherwise RESPONSE still needs its URL and status */
}

void kp_http_exchange_cancel(kp_http_exchange_t *exchange)
{
    if (exchange->is_done)
        return; /* its END is on the way already */
    exchange->is_done = true;
    exchange->is_waiting = false;
    exchange->is_paused = false;
    exchange->has_response = false;
    exchange->status = KP_ERR_CANCELLED;
    exchange->text[0] = 0;
    exchange->client->http->is_busy = true;
    release_easy(exchange);
}

bool kp_http_exchange_resume(kp_http_exchange_t *exchange)
{
    kp_http_client_t *client = exchange->client;
    if (exchange->is_paused && client->is_ring_full)
        return false;
    if (exchange->is_paused) {
        exchange->is_paused = false;
        client->http->is_busy = true;
        /* May call on_body at once, which may pause again. A failure ends the transfer: curl tells
           through its messages. */
        (void)curl_easy_pause(exchange->easy, CURLPAUSE_CONT);
        return false;
    }
    if (!exchange->is_done)
        return false;
    kp_status_t status = KP_OK;
    if (exchange->has_response && !exchange->is_responded)
        status = send_response(exchange);
    if (status == KP_OK)
        status = send_end(exchange);
    if (status == KP_ERR_SHOULD_WAIT)
        return false;
    if (status != KP_OK)
        client->is_broken = true;
    return true;
}

void kp_http_exchange_destroy(kp_http_exchange_t *exchange)
{
    kp_http_client_t *client = exchange->client;
    release_easy(exchange);
    kp_http_exchange_t **at = &client->exchanges;
    while (*at != exchange)
        at = &(*at)->next;
    *at = exchange->next;
    client->exchange_count--;
    client->http->exchange_count--;
    curl_slist_free_all(exchange->request_headers);
    free(exchange->url);
    free(exchange->headers);
    free(exchange);
}
