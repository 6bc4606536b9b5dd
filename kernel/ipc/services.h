/* The service registry: names that processes reach by capability (rights CONNECT or SERVE).

   A service has a request channel whose sending end the kernel holds: connect makes a channel,
   sends one end as a request and returns the other. Requests queue while there is no server. When a
   server dies its connections close, requests that it had not read stay for the next one. Signals
   of a service: WRITABLE: it has a server; PEER_CLOSED: its server is gone and no new one is there;
   READABLE: somebody has asked for it since it last had none.
 */
#ifndef KP_KERNEL_SERVICES_H
#define KP_KERNEL_SERVICES_H

#include "kernel/object/object.h"

#define KP_SERVICE_NAME_MAX 31u

typedef struct kp_service kp_service_t;

/* Finds or makes the service; the registry keeps it for ever, no reference for the caller.
   ERR_INVALID_ARGUMENT (empty or too long a name), ERR_NO_MEMORY. */
kp_status_t kp_service_find(const char *name, kp_service_t **out);
kp_object_t *kp_service_object(kp_service_t *service);
kp_service_t *kp_service_from_object(kp_object_t *object);
const char *kp_service_name(const kp_service_t *service);

/* The caller becomes the server: each message has one capability, the server's end of a connection.
   The channel cannot be written to (no KP_RIGHT_WRITE).
   ERR_ALREADY_EXISTS. */
kp_status_t kp_service_register(kp_service_t *service, kp_capability_t *requests);
/* ERR_SHOULD_WAIT when too many requests of clients that are still there wait unread. The connection is
   charged to quota: ERR_QUOTA. job: what the server is told (kp_service_request_t). */
kp_status_t kp_service_connect_for(kp_service_t *service, kp_quota_t *quota, uint64_t job,
                                   kp_capability_t *connection);
/* For kernel code. */
kp_status_t kp_service_connect(kp_service_t *service, kp_capability_t *connection);

#endif
