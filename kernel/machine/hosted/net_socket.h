/* A host TCP socket as a channel (abi/net.h): two kernel threads carry bytes, one each way. */
#ifndef KP_HOSTED_NET_SOCKET_H
#define KP_HOSTED_NET_SOCKET_H

#include "kernel/object/object.h"

/* The status that an errno of connect, send or recv means. */
kp_status_t kp_hosted_net_status(int error);

/* Takes a connected blocking socket and gives the client's end of its channel. From now on the
   threads own the file: it is closed when the client closes the channel, or after both ends said
   FIN or the connection broke and the client closed. On error the file is closed too. */
kp_status_t kp_hosted_net_socket_start(int file, kp_capability_t *client_end);

/* Sends, waiting while the receiver's queue is full. ERR_PEER_CLOSED, ERR_CANCELLED (stop_signals,
   which may be 0, appeared on the end), ... The capabilities are taken on success only. */
kp_status_t kp_hosted_net_send(kp_capability_t end, const void *bytes, size_t size,
                               kp_capability_t *capabilities, size_t capability_count,
                               kp_signals_t stop_signals);

#endif
