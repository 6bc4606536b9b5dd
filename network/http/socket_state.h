/* Private to socket.c (what curl sees), socket_net.c (what the service sees) and socket_names.c. */
#ifndef KP_NETWORK_HTTP_SOCKET_STATE_H
#define KP_NETWORK_HTTP_SOCKET_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "abi/net.h"
#include "network/http/socket.h"
#include "runtime/program/message.h"

/* An address that has not answered by then is left for the next of its name (RFC 8305's idea: a
   dead IPv6 must not cost the user the page). */
#define KP_SOCKET_ADDRESS_TIMEOUT (2 * KP_NS_PER_S)

typedef enum kp_socket_phase {
    KP_SOCKET_FREE,
    KP_SOCKET_OPEN,       /* not connected, and never tried */
    KP_SOCKET_RESOLVING,  /* RESOLVE is sent */
    KP_SOCKET_CONNECTING, /* CONNECT is sent */
    KP_SOCKET_CONNECTED,
    KP_SOCKET_FAILED, /* error says why */
} kp_socket_phase_t;

typedef struct kp_socket {
    kp_socket_phase_t phase;
    bool is_stream;
    int family;
    int error; /* errno; sticky. While CONNECTED: receive gives it after the bytes */
    uint32_t txid;
    kp_handle_t channel;
    uint16_t port;
    uint32_t address_count, address_next;
    kp_net_address_t addresses[KP_NET_ADDRESSES_MAX];
    kp_loop_timer_t next_address; /* armed while one is tried and there are others */
    uint8_t *rest;                /* received, not taken by curl yet; owned */
    size_t rest_size, rest_done;
    bool is_ended;    /* FIN came */
    bool is_readable; /* a receive may give something: unknown counts as yes */
    bool is_writable;
    bool wants_reading, wants_writing;
} kp_socket_t;

typedef struct kp_socket_layer {
    kp_loop_t *loop;
    kp_handle_t service;
    kp_handle_t net; /* connection to the service; NONE before the first use and after its death */
    uint32_t last_txid;
    kp_socket_t sockets[KP_SOCKET_COUNT_MAX];
    kp_message_t message; /* scratch */
} kp_socket_layer_t;

extern kp_socket_layer_t kp_socket_layer;

/* socket_net.c. Begin: the socket goes to RESOLVING or CONNECTING, or FAILED at once. */
void kp_socket_begin_name(kp_socket_t *socket, const char *name);
void kp_socket_begin_address(kp_socket_t *socket);
/* Takes what the service has sent, without waiting. */
void kp_socket_net_receive(void);
/* Gives up the channel, if there is one; FIN first, so that the peer sees an orderly end. */
void kp_socket_release(kp_socket_t *socket);
/* Sets the loop's watch by what is wanted and not known yet. */
void kp_socket_watch(kp_socket_t *socket);
void kp_socket_fail(kp_socket_t *socket, int error);
int kp_socket_status_error(kp_status_t status);

/* socket_names.c: the name behind an invented address, or NULL (16 bytes, network order). */
const char *kp_socket_name_find(const uint8_t address[16]);
void kp_socket_names_clear(void);

#endif
