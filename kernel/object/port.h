/* Ports: one queue of packets about many objects. A binding watches an object's signals for a port; when
   they rise it enters the port's list of what is ready, which needs no memory, so that a signal never
   fails and costs O(1). Keys are found in O(log n). What is in the list says something once, however
   often it happened meanwhile, so the list is never longer than the bindings and the posted packets.

   A binding holds a reference to its object until the handle it was made by is gone; from then on
   only its last packet (KP_PORT_CLOSED) is left of it, and its key is taken until that is read.

   Locks: the port's object lock guards everything here. It is taken under the lock of a bound object, and
   no other object lock under it: a port cannot be bound to a port. */
#ifndef KP_KERNEL_PORT_H
#define KP_KERNEL_PORT_H

#include "abi/port.h"
#include "kernel/object/object.h"
#include "kernel/object/quota.h"
#include "kernel/object/wait.h"

/* How many bindings one object may have: what a signal costs its sender at most. */
#define KP_OBJECT_BINDINGS_MAX 1024u

typedef struct kp_port kp_port_t;

/* A capability with all rights of a port. Signals: READABLE when something is ready (or was), WRITABLE when
   a packet can be posted. ERR_NO_MEMORY. */
kp_status_t kp_port_create(kp_capability_t *port);

/* Watches the object (by a handle of a table, or for kernel code NULL and KP_HANDLE_NONE) from now on;
   signals that are set already count as a rise. Charged to quota (one object) until it is gone.
   ERR_ALREADY_EXISTS: the key; ERR_NOT_SUPPORTED: the object is a port; ERR_QUOTA: also
   KP_OBJECT_BINDINGS_MAX; ERR_INVALID_ARGUMENT: flags; ERR_CANCELLED: the port is closed. */
kp_status_t kp_port_bind(kp_port_t *port, kp_object_t *object, const kp_handle_table_t *table,
                         kp_handle_t handle, kp_signals_t signals, uint64_t key, uint32_t flags,
                         kp_quota_t *quota);
/* Nothing is reported under the key any more. ERR_NOT_FOUND. */
kp_status_t kp_port_unbind(kp_port_t *port, uint64_t key);
/* Charged to quota until it is read. ERR_SHOULD_WAIT: KP_PORT_PACKETS_MAX wait; ERR_CANCELLED: the port is
   closed. */
kp_status_t kp_port_post(kp_port_t *port, uint64_t key, const uint64_t data[2], kp_quota_t *quota);

/* Takes packets, in parts; each at most `capacity`, fewer (also none) when nothing more is ready now. What
   was taken waits on `taken` until kp_port_settle says whether it was delivered: if not, it is ready again,
   in its order and first. What is to be reported again (level) waits on `again` until the last part.
   Initialise both as empty lists; settle after each part, kp_port_take_end in any case. */
uint32_t kp_port_take(kp_port_t *port, kp_port_packet_t *packets, uint32_t capacity,
                      kp_list_t *taken);
void kp_port_settle(kp_port_t *port, kp_list_t *taken, kp_list_t *again, bool delivered);
void kp_port_take_end(kp_port_t *port, kp_list_t *again);

kp_port_t *kp_port_from_object(kp_object_t *object);

/* For wait.c, with the lock of the waiter's object held: a signal that it wants has risen. */
void kp_port_notify(kp_waiter_t *waiter, kp_signals_t now);
/* Likewise: its handle is gone. Unlinks it; the caller drops the binding's reference to the object. */
void kp_port_binding_end(kp_waiter_t *waiter);

#endif
