/* What went wrong with a fetch: a status for programs and one line for people, "HOST: CAUSE". */
#include "network/http/http.h"
#include "network/http/socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool kp_http_url_is_http(const char *url)
{
    return strncasecmp(url, "http:", 5) == 0;
}

void kp_http_url_host(const char *url, char *out, size_t capacity)
{
    const char *from = strstr(url, "://");
    from = from ? from + 3 : url;
    size_t size = strcspn(from, "/?#");
    for (size_t i = 0; i < size; i++) {
        if (from[i] == '@') {
            from += i + 1;
            size -= i + 1;
            i = (size_t)-1;
        }
    }
    if (size >= capacity)
        size = capacity - 1;
    memcpy(out, from, size);
    out[size] = 0;
    for (char *at = out; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?'; /* one line, whatever the URL holds */
    }
}

/* The scheme that the last response redirects to, when it names one that is not http; else NULL.
   Its size goes to *size. */
static const char *foreign_scheme(const kp_http_exchange_t *exchange, size_t *size)
{
    const char *at = exchange->headers, *end = at ? at + exchange->headers_size : NULL;
    while (at && at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at)); /* every line has its end */
        size_t line_size = (size_t)(line_end - at);
        if (line_size > 9 && strncasecmp(at, "location:", 9) == 0) {
            const char *value = at + 9;
            while (value < line_end && *value == ' ')
                value++;
            const char *rest = memchr(value, ':', (size_t)(line_end - value));
            const char *path = memchr(value, '/', (size_t)(line_end - value));
            if (!rest || (path && path < rest) || kp_http_url_is_http(value))
                return NULL;
            *size = (size_t)(rest - value);
            return value;
        }
        at = line_end + 1;
    }
    return NULL;
}

static kp_status_t of_connecting(long error, const char **cause)
{
    kp_status_t status = kp_socket_error_status((int)error);
    *cause = kp_status_text(status);
    if (status == KP_ERR_PEER_CLOSED) { /* ENETDOWN */
        *cause = "the network service has stopped";
        return KP_ERR_UNREACHABLE;
    }
    if (status == KP_ERR_TIMED_OUT)
        *cause = "the host does not answer";
    if (status == KP_ERR_PROTOCOL || status == KP_ERR_IO) {
        *cause = "connecting failed";
        return KP_ERR_IO;
    }
    return status;
}

static kp_status_t of_receiving(long error, bool is_in_body, const char **cause)
{
    /* curl says "receive error" of broken chunks and endless headers too; then no socket call
       failed (EINPROGRESS is left from connecting). */
    if (error == 0 || error == EINPROGRESS || error == EAGAIN) {
        *cause = "the reply breaks the rules of HTTP";
        return KP_ERR_PROTOCOL;
    }
    kp_status_t status = kp_socket_error_status((int)error);
    switch (status) {
    case KP_ERR_PEER_CLOSED:
        *cause = "the network service has stopped";
        return KP_ERR_UNREACHABLE;
    case KP_ERR_TIMED_OUT:
        *cause = "the host stopped answering";
        return status;
    case KP_ERR_NO_MEMORY:
        *cause = kp_status_text(status);
        return status;
    default:
        *cause = is_in_body ? "the connection was reset in the middle of the page"
                            : "the connection was reset before there was a reply";
        return KP_ERR_CONNECTION_RESET;
    }
}

kp_status_t kp_http_failure_describe(const kp_http_exchange_t *exchange, CURLcode result,
                                     char text[KP_HTTP_TEXT_MAX])
{
    char *effective = NULL;
    long error = 0, http_status = 0;
    double connected = 0;
    if (exchange->easy) {
        (void)curl_easy_getinfo(exchange->easy, CURLINFO_EFFECTIVE_URL, &effective);
        (void)curl_easy_getinfo(exchange->easy, CURLINFO_OS_ERRNO, &error);
        (void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &http_status);
        (void)curl_easy_getinfo(exchange->easy, CURLINFO_PRETRANSFER_TIME, &connected);
    }
    const char *url = effective && *effective ? effective : exchange->url ? exchange->url : "";
    char host[128], cause_text[96];
    const char *cause = NULL, *scheme;
    size_t scheme_size = 0;
    kp_status_t status;
    bool is_in_body = exchange->headers_size || exchange->is_responded;
    kp_http_url_host(url, host, sizeof(host));
    text[0] = 0;
    switch (result) {
    case CURLE_OK:
        return KP_OK;
    case CURLE_UNSUPPORTED_PROTOCOL:
        /* curl's word for two things: a scheme it lacks, and a reply without a status line. */
        scheme = kp_http_url_is_http(url) ? foreign_scheme(exchange, &scheme_size) : url;
        if (scheme == url)
            scheme_size = strcspn(url, ":");
        if (!scheme) {
            status = KP_ERR_PROTOCOL;
            cause = "the reply is not HTTP";
            break;
        }
        status = KP_ERR_UNSUPPORTED_SCHEME;
        snprintf(cause_text, sizeof(cause_text), "%.*s: addresses are not supported",
                 (int)(scheme_size < 32 ? scheme_size : 32), scheme);
        cause = cause_text;
        break;
    case CURLE_URL_MALFORMAT:
        status = KP_ERR_INVALID_ARGUMENT;
        cause = "this is not an address";
        break;
    case CURLE_COULDNT_RESOLVE_HOST:
        status = KP_ERR_NAME_NOT_RESOLVED;
        cause = kp_status_text(status);
        break;
    case CURLE_COULDNT_CONNECT:
        status = of_connecting(error, &cause);
        break;
    case CURLE_OPERATION_TIMEDOUT:
        status = KP_ERR_TIMED_OUT;
        cause = connected > 0 ? "the server stopped sending" : "the host does not answer";
        break;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        status = of_receiving(error, is_in_body, &cause);
        break;
    case CURLE_GOT_NOTHING:
        status = KP_ERR_CONNECTION_RESET;
        cause = "the server closed the connection without a reply";
        break;
    case CURLE_PARTIAL_FILE:
        status = KP_ERR_CONNECTION_RESET;
        cause = "the server closed the connection in the middle of the page";
        break;
    case CURLE_TOO_MANY_REDIRECTS:
        status = KP_ERR_TOO_MANY_REDIRECTS;
        cause = kp_status_text(status);
        break;
    case CURLE_BAD_CONTENT_ENCODING:
        status = KP_ERR_BAD_FORMAT;
        cause = "the compressed page is damaged";
        break;
    case CURLE_OUT_OF_MEMORY:
        status = KP_ERR_NO_MEMORY;
        cause = kp_status_text(status);
        break;
    case CURLE_TOO_LARGE:
    case CURLE_FILESIZE_EXCEEDED:
        status = KP_ERR_TOO_LARGE;
        cause = "the page is larger than 64 MiB";
        break;
    case CURLE_WEIRD_SERVER_REPLY:
    default:
        status = KP_ERR_PROTOCOL;
        cause = is_in_body && http_status ? "the reply breaks the rules of HTTP"
                                          : "the reply is not HTTP";
        break;
    }
    snprintf(text, KP_HTTP_TEXT_MAX, "%s: %s", host, cause);
    return status;
}
