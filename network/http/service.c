/* The service "http": clients, their messages, and the loop that drives curl. */
#include "network/http/http.h"

#include <stdlib.h>
#include <string.h>

#include "network/http/request.h"
#include "network/http/socket.h"

/* Messages read from one client before the others get their turn. */
#define MESSAGES_A_ROUND 32
#define RECOVERY_TIME (100 * KP_NS_PER_MS)

static void on_client(void *context, kp_handle_t channel, kp_signals_t observed);

static kp_http_exchange_t *find(const kp_http_client_t *client, uint32_t txid)
{
    kp_http_exchange_t *at = client->exchanges;
    while (at && at->txid != txid)
        at = at->next;
    return at;
}

/* One message. Not OK: the client is to be closed. */
static kp_status_t accept_message(kp_http_client_t *client, kp_message_t *message)
{
    kp_message_header_t head = kp_message_head(message);
    if (head.ordinal == KP_HTTP_RING)
        return kp_http_bulk_accept(client, message);
    if (head.txid == 0 || message->handle_count)
        return KP_ERR_PROTOCOL;
    kp_http_exchange_t *known = find(client, head.txid);
    if (head.ordinal == KP_HTTP_CANCEL && message->size == sizeof(head)) {
        if (known) /* else its END crossed the message */
            kp_http_exchange_cancel(known);
        return KP_OK;
    }
    if (head.ordinal != KP_HTTP_REQUEST || known)
        return KP_ERR_PROTOCOL;
    kp_http_parts_t parts;
    kp_status_t status = kp_http_parts_parse(message->bytes, message->size, &parts);
    if (status == KP_ERR_PROTOCOL)
        return status;
    if (status != KP_OK)
        return kp_http_exchange_refuse(client, head.txid, status, kp_status_text(status));
    if (client->exchange_count >= KP_HTTP_CLIENT_EXCHANGES_MAX ||
        client->http->exchange_count >= KP_HTTP_EXCHANGES_MAX)
        status = kp_http_exchange_refuse(client, head.txid, KP_ERR_QUOTA,
                                         "too many fetches at the same time");
    else
        status = kp_http_exchange_start(client, head.txid, &parts);
    kp_http_parts_clear(&parts);
    return status;
}

static void watch_client(kp_http_client_t *client)
{
    kp_signals_t signals = KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED;
    /* Refused exchanges count too: who floods us with requests is not read until it reads. */
    if (client->exchange_count >= 2 * KP_HTTP_CLIENT_EXCHANGES_MAX)
        signals = KP_SIGNAL_PEER_CLOSED;
    if (!client->is_writable && !client->is_starved)
        signals |= KP_SIGNAL_WRITABLE;
    /* Changes an existing watch: cannot fail. */
    (void)kp_loop_watch(&client->http->loop, client->channel, signals, on_client, client);
}

static void on_client(void *context, kp_handle_t channel, kp_signals_t observed)
{
    kp_http_client_t *client = context;
    kp_message_t *message = &client->http->message;
    if (observed & KP_SIGNAL_WRITABLE)
        client->is_writable = true;
    if (observed & KP_SIGNAL_PEER_CLOSED || observed == 0) {
        client->is_broken = true; /* nobody is there to read any answer */
        return;
    }
    for (int i = 0; i < MESSAGES_A_ROUND && !client->is_broken &&
                    client->exchange_count < 2 * KP_HTTP_CLIENT_EXCHANGES_MAX;
         i++) {
        kp_status_t status = kp_message_receive(channel, message);
        if (status == KP_ERR_SHOULD_WAIT)
            break;
        if (status == KP_OK)
            status = accept_message(client, message);
        if (status != KP_OK) {
            if (status != KP_ERR_PEER_CLOSED)
                kp_log("closing a client: %s", kp_status_text(status));
            client->is_broken = true;
        }
        kp_message_clear(message);
    }
}

static void add_client(kp_http_t *http, kp_handle_t channel)
{
    kp_http_client_t *client = NULL;
    if (http->client_count < KP_HTTP_CLIENTS_MAX)
        client = calloc(1, sizeof(*client));
    if (client) {
        client->http = http;
        client->channel = channel;
        client->is_writable = true;
        if (kp_loop_watch(&http->loop, channel, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED,
                          on_client, client) == KP_OK) {
            client->next = http->clients;
            http->clients = client;
            http->client_count++;
            return;
        }
        free(client);
    }
    kp_log("no room for another client");
    (void)kp_handle_close(channel);
}

static void destroy_client(kp_http_client_t **at)
{
    kp_http_client_t *client = *at;
    while (client->exchanges)
        kp_http_exchange_destroy(client->exchanges);
    kp_http_bulk_clear(client);
    kp_loop_unwatch(&client->http->loop, client->channel);
    (void)kp_handle_close(client->channel);
    *at = client->next;
    client->http->client_count--;
    free(client);
}

static void on_service(void *context, kp_handle_t service, kp_signals_t observed)
{
    kp_http_t *http = context;
    kp_message_t *message = &http->message;
    (void)observed;
    kp_status_t status;
    while ((status = kp_message_receive(service, message)) == KP_OK) {
        kp_handle_t channel = kp_message_take(message, 0);
        if (channel != KP_HANDLE_NONE)
            add_client(http, channel);
        kp_message_clear(message);
    }
    if (status == KP_ERR_SHOULD_WAIT)
        return;
    kp_log("the service registry is gone (%s)", kp_status_name(status));
    kp_loop_unwatch(&http->loop, service);
}

/* --- curl ------------------------------------------------------------------------------------- */

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *unused)
{
    (void)easy;
    (void)context;
    (void)unused;
    kp_socket_set_interest(fd, what == CURL_POLL_IN || what == CURL_POLL_INOUT,
                           what == CURL_POLL_OUT || what == CURL_POLL_INOUT);
    return 0;
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *context)
{
    kp_http_t *http = context;
    (void)multi;
    if (timeout_ms < 0)
        kp_loop_timer_cancel(&http->timer);
    else
        kp_loop_timer_set(&http->loop, &http->timer, kp_now() + timeout_ms * KP_NS_PER_MS);
    return 0;
}

static void on_retry(void *context)
{
    kp_http_t *http = context;
    for (kp_http_client_t *at = http->clients; at; at = at->next) {
        at->is_writable |= at->is_starved;
        at->is_starved = false;
    }
}

/* curl ran out of memory between transfers, and may have lost a timer or a socket of them: asks all
   of them what they wait for, a little later, until that works. */
static void on_curl_result(kp_http_t *http, CURLMcode code)
{
    if (code == CURLM_OK)
        return;
    kp_log("curl: %s", curl_multi_strerror(code));
    kp_loop_timer_set(&http->loop, &http->recovery, kp_now() + RECOVERY_TIME);
}

static void on_recovery(void *context)
{
    kp_http_t *http = context;
    int running;
    on_curl_result(http, curl_multi_perform(http->multi, &running));
}

static void on_timer(void *context)
{
    kp_http_t *http = context;
    int running;
    on_curl_result(http, curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running));
}

static void on_ready(void *context, int fd, bool is_readable, bool is_writable)
{
    kp_http_t *http = context;
    int running;
    int bits = (is_readable ? CURL_CSELECT_IN : 0) | (is_writable ? CURL_CSELECT_OUT : 0);
    on_curl_result(http, curl_multi_socket_action(http->multi, fd, bits, &running));
}

static void collect_finished(kp_http_t *http)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(http->multi, &left))) {
        char *exchange = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result; /* gone with the handle */
        if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange) == CURLE_OK &&
            exchange)
            kp_http_exchange_finish((kp_http_exchange_t *)exchange, result);
    }
}

static void run_client(kp_http_client_t *client)
{
    for (kp_http_exchange_t *at = client->exchanges, *next; at; at = next) {
        next = at->next;
        if (client->is_broken || !client->is_writable)
            break;
        if (kp_http_exchange_resume(at))
            kp_http_exchange_destroy(at);
    }
    if (!client->is_broken) {
        kp_status_t status = kp_http_bulk_announce(client);
        client->is_broken = status != KP_OK && status != KP_ERR_SHOULD_WAIT;
        kp_http_exchanges_begin(client);
    }
    watch_client(client);
}

kp_status_t kp_http_step(kp_http_t *http, kp_time_t deadline)
{
    kp_status_t status = kp_loop_step(&http->loop, http->is_busy ? KP_TIME_POLL : deadline);
    if (http->is_busy && status == KP_ERR_TIMED_OUT)
        status = KP_OK;
    http->is_busy = kp_socket_run(on_ready, http);
    collect_finished(http);
    for (kp_http_client_t **at = &http->clients; *at;) {
        run_client(*at);
        if ((*at)->is_broken)
            destroy_client(at);
        else
            at = &(*at)->next;
    }
    return status;
}

kp_status_t kp_http_init(kp_http_t *http, kp_handle_t service, kp_handle_t net)
{
    *http = (kp_http_t){.connect_timeout_ms = KP_HTTP_CONNECT_SECONDS * 1000L,
                        .stall_seconds = KP_HTTP_STALL_SECONDS};
    kp_loop_init(&http->loop);
    kp_loop_timer_init(&http->timer, on_timer, http);
    kp_loop_timer_init(&http->retry, on_retry, http);
    kp_loop_timer_init(&http->recovery, on_recovery, http);
    kp_socket_layer_init(&http->loop, net);
    int64_t channel = kp_service_register(service);
    if (channel < 0)
        return (kp_status_t)channel;
    http->service = (kp_handle_t)channel;
    kp_status_t status = kp_loop_watch(
        &http->loop, http->service, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, on_service, http);
    if (status != KP_OK)
        return status;
    if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
        return KP_ERR_NO_MEMORY;
    http->multi = curl_multi_init();
    if (!http->multi)
        return KP_ERR_NO_MEMORY;
    CURLMcode code = CURLM_OK;
#define SET(option, value) \
    if (code == CURLM_OK)  \
    code = curl_multi_setopt(http->multi, option, value)
    SET(CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    SET(CURLMOPT_SOCKETDATA, http);
    SET(CURLMOPT_TIMERFUNCTION, on_curl_timer);
    SET(CURLMOPT_TIMERDATA, http);
    SET(CURLMOPT_MAX_HOST_CONNECTIONS, (long)KP_HTTP_HOST_CONNECTIONS_MAX);
    SET(CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)KP_HTTP_CONNECTIONS_MAX);
    SET(CURLMOPT_MAXCONNECTS, (long)KP_HTTP_IDLE_CONNECTIONS_MAX);
#undef SET
    return code == CURLM_OK ? KP_OK : KP_ERR_NO_MEMORY;
}

void kp_http_clear(kp_http_t *http)
{
    while (http->clients)
        destroy_client(&http->clients);
    curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    kp_socket_layer_clear();
    kp_loop_unwatch(&http->loop, http->service);
    (void)kp_handle_close(http->service);
    kp_loop_clear(&http->loop);
}
