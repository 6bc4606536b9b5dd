/* The service "net" for tests of http: abi/net.h over real sockets to 127.0.0.1, in this process.
   The simulated kernel's idle hook drives it. Names: good.test and other.test are 127.0.0.1;
   unreachable.test resolves, but connecting fails; silent.test never answers a CONNECT;
   unreachable-first.test and silent-first.test have 127.0.0.1 as a second address;
   mute.test never answers a RESOLVE; all else does not exist. */
#ifndef KP_NETWORK_TEST_BRIDGE_H
#define KP_NETWORK_TEST_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/types.h"

typedef struct bridge {
    uint32_t connections_made, connections_open, connections_most, resolves;
    uint64_t bytes_received; /* from the network, passed on to sockets */
} bridge_t;

extern bridge_t bridge;

/* Serves on this service, with the simulated kernel's clock made real. */
void bridge_start(kp_handle_t service);
/* The service dies: every channel closes. */
void bridge_stop(void);

#endif
