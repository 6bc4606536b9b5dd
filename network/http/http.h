/* The program "http": fetches for tabs (abi/http.h), by libcurl over the service "net". This header
   is shared by the files of this folder and by its tests; other programs speak abi/http.h.

   One thread, one event loop: client channels, sockets (socket.h) and curl's timer. Nothing blocks.
   A client that does not read stops its own transfers only: curl pauses them, their sockets are not
   read, and TCP's window closes.

   Files: main.c start; service.c clients and requests; exchange.c one fetch; bulk.c long bodies through a
   client's ring; failure.c what went wrong, in a status and in words; socket*.c sockets for curl. */
#ifndef KP_NETWORK_HTTP_H
#define KP_NETWORK_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "abi/http.h"
#include "runtime/program/kp.h"
#include "runtime/program/loop.h"
#include "runtime/program/message.h"
#include "runtime/program/ring.h"
#include "runtime/program/vmo.h"

#define KP_HTTP_CLIENTS_MAX 64u
#define KP_HTTP_CLIENT_EXCHANGES_MAX 64u /* beyond it END carries ERR_QUOTA */
#define KP_HTTP_EXCHANGES_MAX 128u
/* Transfers of one client to one host at a time; more wait their turn. It is per client, so that a
   tab which does not read keeps no other from the same host. The other two are over all clients. */
#define KP_HTTP_CLIENT_HOST_MAX 6u
#define KP_HTTP_HOST_CONNECTIONS_MAX 48
#define KP_HTTP_CONNECTIONS_MAX 96
#define KP_HTTP_IDLE_CONNECTIONS_MAX 16
#define KP_HTTP_REDIRECTS_MAX 20
#define KP_HTTP_CONNECT_SECONDS 15             /* name and connection */
#define KP_HTTP_STALL_SECONDS 30               /* without a byte, once connected */
#define KP_HTTP_RETRY_TIME (20 * KP_NS_PER_MS) /* after the kernel had no room for a message */
#define KP_HTTP_RING_MIN 4096u /* shorter pieces of a body are messages: bench/README.md */
#define KP_HTTP_TEXT_MAX 256   /* of END */
#define KP_HTTP_USER_AGENT "Mozilla/5.0 (KPIO) KPIO/0.1"

typedef struct kp_http kp_http_t;
typedef struct kp_http_client kp_http_client_t;
typedef struct kp_http_exchange kp_http_exchange_t;

struct kp_http_client {
    kp_http_t *http;
    kp_handle_t channel;
    kp_http_exchange_t *exchanges;
    uint32_t exchange_count;
    bool is_writable; /* its channel takes messages, as far as we know */
    bool is_starved;  /* not writable for want of memory or quota: http->retry ends that */
    bool is_broken;   /* closed at the end of the round */
    /* Its ring for long bodies (bulk.c), if it has lent one. */
    bool has_ring;
    bool is_ring_full; /* until the client has read */
    kp_ring_t ring;
    kp_vmo_buffer_t ring_memory;
    kp_handle_t ring_event;
    uint32_t unannounced, unannounced_txid; /* bytes in the ring that no message has told of yet */
    kp_http_client_t *next;
};

struct kp_http_exchange {
    kp_http_client_t *client;
    uint32_t txid;
    CURL *easy; /* NULL when it could not even start */
    struct curl_slist *request_headers;
    char *url;           /* as requested */
    char host[128];      /* of it, with the port; "" for a refused request */
    bool is_waiting;     /* for its turn; curl does not know it yet */
    char *headers;       /* of the latest response, "Name: value\r\n" lines; owned */
    size_t headers_size; /* at most KP_HTTP_HEADERS_MAX; further lines are dropped */
    uint64_t body_size;  /* decoded bytes sent to the client */
    size_t ahead;        /* of what curl offers next: sent already, before the pause */
    bool is_paused;      /* curl waits for the client to read */
    bool is_responded;   /* RESPONSE is sent */
    bool is_done;        /* curl has finished; END is still to be sent */
    bool has_response;   /* and RESPONSE before it, if it was not sent yet */
    kp_status_t status;
    char text[KP_HTTP_TEXT_MAX];
    kp_http_exchange_t *next;
};

struct kp_http {
    kp_loop_t loop;
    kp_loop_timer_t timer;    /* curl's */
    kp_loop_timer_t retry;    /* of clients that are starved */
    kp_loop_timer_t recovery; /* after curl ran out of memory */
    kp_handle_t service;      /* channel of new connections */
    CURLM *multi;
    kp_http_client_t *clients;
    uint32_t client_count;
    uint32_t exchange_count;
    bool is_first_byte_marked; /* boot mark "first-byte": the first reply from the network */
    bool is_busy;              /* something can go on without waiting */
    kp_message_t message;      /* scratch */
    /* Tests shorten these; milliseconds and seconds. */
    long connect_timeout_ms;
    long stall_seconds;
};

/* service.c. Takes service (KP_RIGHT_SERVE) and net (svc:net, KP_RIGHT_CONNECT). One in a process.
   ERR_NO_MEMORY or what registering gives. */
kp_status_t kp_http_init(kp_http_t *http, kp_handle_t service, kp_handle_t net);
/* One round: waits for something to do, at most until the deadline, and does it. */
kp_status_t kp_http_step(kp_http_t *http, kp_time_t deadline);
/* Ends everything, for tests: clients see their channels close. */
void kp_http_clear(kp_http_t *http);

/* A parsed REQUEST; the strings are owned by whoever parsed and NUL-terminated. */
typedef struct kp_http_parts {
    char method[16];
    char *url;
    struct curl_slist *headers;
    const uint8_t *body; /* borrowed from the message */
    size_t body_size;
} kp_http_parts_t;

/* exchange.c. Starts a fetch; takes url and headers of parts, also on failure (then an END with the
   reason is on its way). ERR_NO_MEMORY: nothing was made, parts stay the caller's. */
kp_status_t kp_http_exchange_start(kp_http_client_t *client, uint32_t txid, kp_http_parts_t *parts);
/* The same for a request that is refused: only an END. */
kp_status_t kp_http_exchange_refuse(kp_http_client_t *client, uint32_t txid, kp_status_t status,
                                    const char *text);
/* The transfer is over, by curl's word. */
void kp_http_exchange_finish(kp_http_exchange_t *exchange, CURLcode result);
/* The client does not want it any more: ends with ERR_CANCELLED. */
void kp_http_exchange_cancel(kp_http_exchange_t *exchange);
/* Goes on after the client's channel became writable. True when the exchange is over: destroy it.
 */
bool kp_http_exchange_resume(kp_http_exchange_t *exchange);
/* Frees it and takes it out of its client's list; nothing is sent. */
void kp_http_exchange_destroy(kp_http_exchange_t *exchange);

/* bulk.c. A RING message: takes its handles. ERR_PROTOCOL; short of memory the client gets messages. */
kp_status_t kp_http_bulk_accept(kp_http_client_t *client, kp_message_t *message);
/* Tells of what is in the ring and was not told of; before any message that must come after it. KP_OK,
   ERR_SHOULD_WAIT, or the client is of no use any more. */
kp_status_t kp_http_bulk_announce(kp_http_client_t *client);
/* Puts bytes of a body into the ring, *done of them; results as above. The client is told of all that came
   in a round by one message. */
kp_status_t kp_http_bulk_write(kp_http_client_t *client, uint32_t txid, const void *bytes,
                               size_t count, size_t *done);
void kp_http_bulk_clear(kp_http_client_t *client);
/* exchange.c: what sending to the client came to, noted in it; its result is as above. */
kp_status_t kp_http_client_sent(kp_http_client_t *client, kp_status_t status);

/* Lets the client's waiting exchanges begin whose turn has come. */
void kp_http_exchanges_begin(kp_http_client_t *client);

/* failure.c: what END says about a transfer that ended with this result. */
kp_status_t kp_http_failure_describe(const kp_http_exchange_t *exchange, CURLcode result,
                                     char text[KP_HTTP_TEXT_MAX]);
/* "host:port" of an absolute URL, as written, without user and password; one line whatever the URL
   holds; cut at the capacity. */
void kp_http_url_host(const char *url, char *out, size_t capacity);
/* The scheme is "http", whatever its case. */
bool kp_http_url_is_http(const char *url);

#endif
