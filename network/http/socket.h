/* Sockets for libcurl over the service "net": descriptors that are channels. curl calls the
   functions of kpio_sockets.h (deps/config/curl); this header is what the program itself needs of
   the same layer.

   curl passes no context to its socket calls, so the layer is one static state: one event loop, one
   thread. Nothing here blocks: kp_socket_getaddrinfo gives each host name an address of its own (in
   a random part of 100::/64, the discard prefix of RFC 6666) at once, and connecting to such an
   address resolves the name first. So a name that does not exist is a failed connection
   with errno ENOENT. A name is remembered for the next KP_SOCKET_NAMES look-ups only: curl connects
   right after it looked up, its own cache must be off.

   errno of a broken connection, as SO_ERROR and receive give it: ECONNREFUSED, ECONNRESET,
   ETIMEDOUT, ENETUNREACH, ENOENT (name), ENETDOWN (the service itself went away), ENOMEM, EPROTO.
 */
#ifndef KP_NETWORK_HTTP_SOCKET_H
#define KP_NETWORK_HTTP_SOCKET_H

#include <stdbool.h>

#include "runtime/program/loop.h"

#define KP_SOCKET_COUNT_MAX 128
#define KP_SOCKET_NAMES 256
#define KP_SOCKET_FIRST_FD 4096 /* far from WASI's own descriptors */

/* Borrows both for ever. service: svc:net with KP_RIGHT_CONNECT; connected at the first use, and
   anew after the service has died. */
void kp_socket_layer_init(kp_loop_t *loop, kp_handle_t service);
/* Closes all sockets and the connection to the service. */
void kp_socket_layer_clear(void);

/* What the loop is to wait for, from curl's socket callback. An unknown descriptor is ignored. */
void kp_socket_set_interest(int fd, bool is_reading, bool is_writing);

typedef void (*kp_socket_ready_fn)(void *context, int fd, bool is_readable, bool is_writable);
/* Calls ready for each socket on which something that it waits for can be done. True when some can
   go on at once: the loop must not sleep. */
bool kp_socket_run(kp_socket_ready_fn ready, void *context);

/* The status that an errno of this layer stands for. */
kp_status_t kp_socket_error_status(int error);

#endif
