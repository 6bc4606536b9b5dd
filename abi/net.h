/* Service "net": names and TCP connections. A connection is a channel.

   Client -> service on the connection channel of the service:
     RESOLVE   kp_net_resolve_t + name bytes          -> kp_net_resolved_t
     CONNECT   kp_net_connect_t                       -> kp_net_connected_t, with one handle: the socket
     STATUS    kp_message_header_t                    -> kp_net_status_t (link, address, name server)

   On the socket channel, each message is one kp_net_segment_t and then its bytes:
     DATA      1..KP_NET_SEGMENT_MAX stream bytes, either direction
     FIN       no bytes: this direction ends cleanly
     ERROR     (from the service) status tells why the connection broke; nothing follows
   Back-pressure: a full channel (WRITABLE) stops the writer; the service opens its TCP window only
   as the client reads. Closing the channel without FIN aborts the connection. */
#ifndef KP_ABI_NET_H
#define KP_ABI_NET_H

#include "abi/message.h"

enum {
    KP_NET_RESOLVE = 1,
    KP_NET_CONNECT = 2,
    KP_NET_STATUS = 3,
};

#define KP_NET_NAME_MAX 253u
#define KP_NET_ADDRESSES_MAX 8u
#define KP_NET_SEGMENT_MAX 32768u

typedef struct kp_net_address {
    uint32_t family;   /* 4 or 6 */
    uint8_t bytes[16]; /* network order; IPv4 in the first four */
} kp_net_address_t;

typedef struct kp_net_resolve {
    kp_message_header_t header;
    uint32_t name_size; /* bytes that follow, no NUL */
} kp_net_resolve_t;

typedef struct kp_net_resolved {
    kp_message_header_t header;
    kp_status_t status; /* OK, ERR_NAME_NOT_RESOLVED, ERR_UNREACHABLE, ERR_TIMED_OUT */
    uint32_t count;
    kp_net_address_t addresses[KP_NET_ADDRESSES_MAX];
} kp_net_resolved_t;

typedef struct kp_net_connect {
    kp_message_header_t header;
    kp_net_address_t address;
    uint32_t port;
} kp_net_connect_t;

typedef struct kp_net_connected {
    kp_message_header_t header;
    kp_status_t
        status; /* OK (one handle), ERR_CONNECTION_REFUSED, ERR_UNREACHABLE, ERR_TIMED_OUT */
} kp_net_connected_t;

typedef struct kp_net_status {
    kp_message_header_t header;
    uint32_t configured; /* 1 once an address is bound */
    kp_net_address_t address;
    kp_net_address_t gateway;
    kp_net_address_t name_server;
} kp_net_status_t;

enum {
    KP_NET_SEGMENT_DATA = 1,
    KP_NET_SEGMENT_FIN = 2,
    KP_NET_SEGMENT_ERROR = 3,
};

typedef struct kp_net_segment {
    uint32_t kind;
    kp_status_t status; /* ERROR only */
} kp_net_segment_t;

KP_STATIC_ASSERT(sizeof(kp_net_address_t) == 20, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_net_segment_t) == 8, "ABI layout");

#endif
