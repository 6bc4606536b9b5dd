/* Ports: one queue of packets about many objects. */
#ifndef KP_ABI_PORT_H
#define KP_ABI_PORT_H

#include "abi/types.h"

/* port_bind flags: exactly one of EDGE and LEVEL. */
enum {
    KP_PORT_EDGE = 1u << 0,
    KP_PORT_LEVEL = 1u << 1,
    KP_PORT_ONCE = 1u << 2,
};

/* kp_port_packet_t.kind */
enum {
    KP_PORT_SIGNALS = 1, /* a bound object has signals that were asked for */
    KP_PORT_CLOSED = 2,  /* the handle of a binding was closed or revoked; the binding is gone */
    KP_PORT_USER = 3,    /* port_post */
};

typedef struct kp_port_packet {
    uint64_t key;
    uint32_t kind;
    kp_signals_t observed; /* SIGNALS: the object's signals when the packet was made */
    uint64_t data[2];      /* USER: as posted; else 0 */
} kp_port_packet_t;

#define KP_PORT_PACKETS_MAX 256u /* of one port_wait, and posted ones waiting in a port */

KP_STATIC_ASSERT(sizeof(kp_port_packet_t) == 32, "ABI layout");

#endif
