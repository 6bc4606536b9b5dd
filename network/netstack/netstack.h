/* The program "netstack": TCP/IP over one network device, offered as the service "net" (abi/net.h).
   This header is shared by the files of this folder and by its tests; other programs speak
   abi/net.h.

   One thread, one event loop. lwIP keeps its state in globals, so there is one kp_netstack_t in a
   process. lwIP's callbacks only note what happened; everything that may close a connection runs
   afterwards, in kp_netstack_step, so nothing is freed under lwIP's feet.

   Files: main.c start; interface.c frames and DHCP; timers.c when lwIP is called next; names.c
   RESOLVE; connection.c a socket; service.c clients and their messages; memory.c the budget. */
#ifndef KP_NETWORK_NETSTACK_H
#define KP_NETWORK_NETSTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/device.h"
#include "abi/net.h"
#include "runtime/program/kp.h"
#include "runtime/program/loop.h"
#include "runtime/program/message.h"

#include "network/netstack/port/lwipopts.h" /* named here for the dependencies of the build */

#include <lwip/netif.h>
#include <lwip/tcp.h>

/* Limits. All memory of the stack, received and unsent bytes included, is within the budget; when
   it is used up, frames are dropped and the connection whose client has left most bytes unread for
   long is cut. */
#define KP_NETSTACK_BUDGET ((size_t)4 << 20)
#define KP_NETSTACK_RECEIVE_BUDGET ((size_t)3 << 20) /* above it incoming frames are dropped */
#define KP_NETSTACK_CLIENTS_MAX 32u
/* Times the bytes that a channel's queue holds (256 KiB) it is within the quota of queued bytes. */
#define KP_NETSTACK_CONNECTIONS_MAX 112u
#define KP_NETSTACK_CLIENT_CONNECTIONS_MAX 96u
#define KP_NETSTACK_CLIENT_REQUESTS_MAX 64u /* unanswered */
#define KP_NETSTACK_FRAME_MAX 1514u
#define KP_NETSTACK_SEND_QUEUE_MAX 64u /* frames waiting for the device */
/* How long requests wait for an address before they fail with ERR_UNREACHABLE. */
#define KP_NETSTACK_CONFIGURE_TIMEOUT (10 * KP_NS_PER_S)
/* How long a connection whose client has gone may take to send what the client wrote. */
#define KP_NETSTACK_LINGER_TIMEOUT (20 * KP_NS_PER_S)
/* A connection attempt whose first hop has not answered ARP by then is ERR_UNREACHABLE. */
#define KP_NETSTACK_FIRST_HOP_TIMEOUT (3 * KP_NS_PER_S)
/* When to try again after the kernel had no memory or quota for a message. */
#define KP_NETSTACK_RETRY_TIME (20 * KP_NS_PER_MS)
/* Unread for this long, a connection may be cut when memory is short. */
#define KP_NETSTACK_STALE_TIME (5 * KP_NS_PER_S)

typedef struct kp_netstack kp_netstack_t;
typedef struct kp_netstack_client kp_netstack_client_t;
typedef struct kp_netstack_request kp_netstack_request_t;
typedef struct kp_netstack_connection kp_netstack_connection_t;

/* A client of the service: one channel. */
struct kp_netstack_client {
    kp_netstack_t *stack;
    kp_handle_t channel;
    uint32_t connection_count;
    uint32_t request_count;
    bool is_broken; /* closed at the end of the round */
    kp_netstack_client_t *next;
};

/* A RESOLVE or CONNECT that is not answered yet. */
struct kp_netstack_request {
    kp_netstack_t *stack;
    kp_netstack_client_t *client; /* NULL when it has gone: then nobody is answered */
    uint32_t ordinal;
    uint32_t txid;
    kp_time_t started;
    kp_net_address_t address; /* CONNECT */
    uint16_t port;
    char name[KP_NET_NAME_MAX + 1]; /* RESOLVE */
    bool is_with_resolver;          /* lwIP will call back */
    kp_netstack_request_t *next;
};

/* Received bytes on their way to the client: a message of the socket channel. */
typedef struct kp_netstack_chunk {
    struct kp_netstack_chunk *next;
    uint32_t size; /* of bytes */
    kp_net_segment_t head;
    uint8_t bytes[KP_NET_SEGMENT_MAX];
} kp_netstack_chunk_t;

struct kp_netstack_connection {
    kp_netstack_t *stack;
    kp_netstack_client_t *client; /* for its quota and the reply; NULL when it has gone */
    uint32_t txid;
    struct tcp_pcb *pcb; /* NULL once lwIP has freed it */
    kp_handle_t channel; /* NONE until connected */
    uint16_t local_port;
    kp_netstack_chunk_t *first, **last; /* received, not accepted by the channel yet */
    kp_time_t unread_since;             /* when the channel last refused; 0 while it accepts */
    uint8_t *unsent;                    /* of the client's last message, what TCP had no room for */
    uint32_t unsent_size, unsent_done;
    kp_time_t look_at_hop; /* when to look whether the first hop answers */
    bool is_readable;      /* the channel has a message, or its end was seen */
    bool is_writable;      /* the channel takes a message, as far as we know */
    kp_time_t
        retry_at;      /* not 0: the kernel was short of memory or quota; no signal tells the end */
    bool is_connected; /* lwIP said so */
    bool remote_fin;   /* the peer has ended its direction */
    bool remote_fin_told;
    bool client_fin;      /* so has the client */
    bool client_fin_sent; /* and TCP knows */
    bool client_gone;     /* its end of the channel is closed */
    kp_time_t gone_since;
    kp_status_t error; /* not OK: told to the client after the received bytes, then the end */
    kp_netstack_connection_t *next;
};

struct kp_netstack {
    kp_loop_t loop;
    kp_handle_t device;
    kp_handle_t service; /* channel of new connections */
    kp_net_info_t info;
    struct netif netif;
    bool is_configured;                                /* an address is bound */
    struct kp_netstack_frame *send_first, **send_last; /* frames the device had no room for */
    uint32_t send_count;
    kp_netstack_client_t *clients;
    uint32_t client_count;
    kp_netstack_request_t *requests;
    kp_netstack_connection_t *connections;
    uint32_t connection_count;
    kp_netstack_chunk_t *spare; /* one kept chunk, so that steady traffic does not allocate */
    kp_time_t tcp_next, dns_next, dhcp_next, lease_next, arp_next; /* when each timer is due */
    kp_message_t message;                     /* scratch: one received message */
    uint8_t frame[KP_NETSTACK_FRAME_MAX + 2]; /* scratch: one frame */
    uint64_t frames_in, frames_out, frames_dropped;
};

/* main.c. Takes both handles (service: KP_RIGHT_SERVE). On error nothing is kept but the process
   cannot try again: lwIP has been started. */
kp_status_t kp_netstack_init(kp_netstack_t *stack, kp_handle_t device, kp_handle_t service);
/* One round: waits for something to do, at most until the deadline, and does it. */
kp_status_t kp_netstack_step(kp_netstack_t *stack, kp_time_t deadline);
/* Ends everything, for tests; the device and service handles stay open. */
void kp_netstack_clear(kp_netstack_t *stack);

/* interface.c: the device as lwIP's network interface, with DHCP begun. */
kp_status_t kp_netstack_interface_init(kp_netstack_t *stack);
/* Hands one received frame to the stack; the bytes are copied. */
void kp_netstack_interface_input(kp_netstack_t *stack, const uint8_t *frame, size_t size);

/* timers.c: calls lwIP's timers that are due; returns when to call again (or KP_TIME_INFINITE). */
kp_time_t kp_netstack_timers_run(kp_netstack_t *stack, kp_time_t now);

/* names.c */
bool kp_netstack_name_is_valid(const char *name, size_t size);
/* Answers the request now or later; owns it from here on. */
void kp_netstack_name_resolve(kp_netstack_request_t *request);
/* How many names lwIP is asking for: its timer must run. */
uint32_t kp_netstack_names_pending(const kp_netstack_t *stack);

/* connection.c. open: the client gets CONNECTED when it is decided. */
void kp_netstack_connection_open(kp_netstack_t *stack, kp_netstack_client_t *client, uint32_t txid,
                                 const kp_net_address_t *address, uint16_t port);
/* Moves bytes between channels and TCP, ends what has ended. After each round of events. */
void kp_netstack_connections_run(kp_netstack_t *stack, kp_time_t now);
/* The earliest deadline of a connection. */
kp_time_t kp_netstack_connections_deadline(const kp_netstack_t *stack);
/* ICMP says that a connection attempt with this first sequence number cannot succeed. */
void kp_netstack_connection_reject(kp_netstack_t *stack, uint16_t local_port,
                                   const ip4_addr_t *remote, uint16_t remote_port,
                                   uint32_t sequence, kp_status_t why);
/* Memory is short: cuts the connection that has most bytes unread for long, if there is one. */
void kp_netstack_connection_relieve(kp_netstack_t *stack, kp_time_t now);
/* Everything at once, for tests and for an orderly end. */
void kp_netstack_connections_clear(kp_netstack_t *stack);

/* service.c */
kp_status_t kp_netstack_service_init(kp_netstack_t *stack, kp_handle_t service);
/* Requests that waited for an address: started when there is one, or failed at their deadline.
   Also buries clients that broke the rules. */
void kp_netstack_service_run(kp_netstack_t *stack, kp_time_t now);
kp_time_t kp_netstack_service_deadline(const kp_netstack_t *stack);
/* Sends a reply to a client; one that does not read its replies is dropped. */
void kp_netstack_reply(kp_netstack_client_t *client, const void *message, size_t size,
                       kp_handle_t handle);
/* Takes the request out of the stack's list and frees it. */
void kp_netstack_request_finish(kp_netstack_request_t *request);
void kp_netstack_service_clear(kp_netstack_t *stack);

/* memory.c */
size_t kp_netstack_memory_used(void);
/* For tests: after that many allocations all fail; negative: none fails. */
void kp_netstack_memory_fail_after(int64_t count);

#endif
