/* Service "http": fetches for tabs. Strings are UTF-8 without NUL; variable parts follow the struct
   in the order of their size fields.

   Client -> service:  REQUEST (txid names the exchange), CANCEL (same txid)
   Service -> client:  RESPONSE once, DATA 0..n times, END once, all with the request's txid.
   END may come without RESPONSE when the exchange failed before one. A failed body (reset, too
   large) is DATA... then END with the error: what arrived stays usable.

   Long bodies go through a ring (runtime/program/ring.h) that the client lends the service for as long as
   it is connected: RING, once, before the first REQUEST or at any time later; a service without it sends
   messages. From then on DATA_IN_RING may stand in place of DATA: its bytes are the next in the ring, and
   have been written when it arrives. The client takes all of them, also of an exchange that it has
   cancelled. So the order of messages is that of the bytes, a body waits in memory of the client's,
   and a client that does not read stops its own bodies when the ring is full.

   Redirects are followed by the service (limit 20, then ERR_TOO_MANY_REDIRECTS); RESPONSE carries
   the final URL. Content codings are decoded. */
#ifndef KP_ABI_HTTP_H
#define KP_ABI_HTTP_H

#include "abi/message.h"

enum {
    KP_HTTP_REQUEST = 1,
    KP_HTTP_CANCEL = 2,
    KP_HTTP_RESPONSE = 3,
    KP_HTTP_DATA = 4,
    KP_HTTP_END = 5,
    KP_HTTP_RING = 6, /* client: kp_message_header_t; handles: VMO, event; txid is not used */
    KP_HTTP_DATA_IN_RING = 7,
};

#define KP_HTTP_RING_BYTES 65536u /* capacity; the VMO is of KP_RING_VMO_SIZE of this */

/* What the response is for (the kernel's filter and caches use it later). */
enum {
    KP_HTTP_FOR_DOCUMENT = 1,
    KP_HTTP_FOR_STYLE = 2,
    KP_HTTP_FOR_IMAGE = 3,
    KP_HTTP_FOR_SCRIPT = 4,
    KP_HTTP_FOR_FONT = 5,
    KP_HTTP_FOR_OTHER = 6,
};

#define KP_HTTP_URL_MAX 16384u
#define KP_HTTP_HEADERS_MAX 32768u
#define KP_HTTP_DATA_MAX 61440u
#define KP_HTTP_BODY_MAX (64u << 20) /* bytes of a body; beyond it END carries ERR_TOO_LARGE */

typedef struct kp_http_request {
    kp_message_header_t header;
    uint32_t destination;  /* KP_HTTP_FOR_* */
    uint32_t method_size;  /* "GET" */
    uint32_t url_size;     /* absolute, http: */
    uint32_t headers_size; /* "Name: value\r\n" lines to add, may be 0 */
    uint32_t body_size;
} kp_http_request_t;

typedef struct kp_http_response {
    kp_message_header_t header;
    uint32_t http_status;  /* 200, 404, ... */
    uint32_t url_size;     /* final URL after redirects */
    uint32_t headers_size; /* "Name: value\r\n" lines of the final response */
} kp_http_response_t;

/* DATA: kp_message_header_t, then 1..KP_HTTP_DATA_MAX bytes of the body. */

typedef struct kp_http_ring_data {
    kp_message_header_t header;
    uint32_t size; /* 1..KP_HTTP_RING_BYTES */
} kp_http_ring_data_t;

typedef struct kp_http_end {
    kp_message_header_t header;
    kp_status_t status;
    uint32_t text_size; /* one line for people that says more than the status; may be 0 */
} kp_http_end_t;

#endif
