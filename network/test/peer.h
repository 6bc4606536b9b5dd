/* The other end of the wire for tests of netstack: a gateway 10.0.2.2 that answers ARP for all of
   10.0.2.0/24 but the guest and 10.0.2.99, a DHCP server, a name server 10.0.2.3 and a TCP of its
   own, written apart from lwIP so that they check each other. The wire between them loses, doubles
   and reorders frames as told, deterministically. Time is kp_sim.now.

   TCP ports: 7 echo; 9 swallows, checks the pattern; 19 sends peer.source_size bytes of the
   pattern, then FIN; 81 refuses; 82 never answers; 83 sends half of source_size, then resets; 84
   host unreachable by ICMP; 85 like 9, but its window stays shut while peer.is_window_shut. */
#ifndef KP_NETWORK_TEST_PEER_H
#define KP_NETWORK_TEST_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/types.h"

#define PEER_CONNECTIONS_MAX 64

typedef struct peer_connection {
    bool is_used;
    uint16_t port, guest_port;
    uint32_t first_sequence, sent, sent_acked; /* of our stream: SYN is byte 0, data from 1 */
    uint32_t received;                         /* next sequence expected of the guest */
    uint32_t guest_window, guest_shift;
    bool is_established, guest_fin, fin_acked;
    uint32_t window;          /* what we offer */
    uint64_t stream_received; /* bytes of the guest in order */
    uint64_t source_limit;    /* bytes we have to send; UINT64_MAX while the echo is open */
    bool is_reset_at_end;
    uint8_t *echo;
    uint64_t echo_size;
    kp_time_t timer; /* 0: none */
    int duplicate_acks;
} peer_connection_t;

typedef struct peer {
    /* Of each 1000 frames, in both directions. */
    uint32_t loss, duplicate, reorder;
    kp_time_t delay;
    bool is_dhcp_silent;
    uint64_t source_size;
    bool is_window_shut;
    /* What was seen. */
    uint32_t dhcp_discovers, dns_queries, resets, syns;
    uint64_t bad_checksums, pattern_errors, stream_bytes, frames, lost;
    uint64_t most_unacked; /* of guest data beyond a shut window */
    peer_connection_t connections[PEER_CONNECTIONS_MAX];
} peer_t;

extern peer_t peer;

/* Hooks the wire to the simulated device and clock; state of earlier tests is gone. */
void peer_reset(void);
/* The byte at this place of every test stream. */
uint8_t peer_pattern(uint64_t offset);
/* A frame straight to the guest, without loss. */
void peer_inject(const void *frame, size_t size);

#endif
