#include "kernel/object/port.h"

#include "kernel/base/tree.h"

enum {
    BOUND = 0,  /* linked to the object, in the tree of keys */
    CLOSED = 1, /* not linked any more; in the tree and ready until its last packet is read */
    ENDING = 2, /* out of the tree: whoever set this takes it apart */
};

typedef struct port_item {
    kp_list_t link; /* in the port's ready list, or a taker's `taken` or `again` */
    bool is_packet;
} port_item_t;

typedef struct port_packet {
    port_item_t item;
    uint64_t key, data[2];
    kp_quota_t *quota;
} port_packet_t;

typedef struct port_binding {
    port_item_t item;
    kp_waiter_t waiter;  /* its link: guarded by the object's lock */
    kp_tree_node_t node; /* by key, in the port's tree */
    kp_port_t *port;     /* outlives the link: the port's end takes its bindings apart */
    kp_quota_t *quota;
    kp_signals_t pending;  /* EDGE: what was seen since the last report */
    kp_signals_t reported; /* EDGE: by a report that is not settled yet */
    uint8_t flags;         /* KP_PORT_* */
    uint8_t state;
    bool says_closed; /* the report that is not settled yet */
} port_binding_t;

struct kp_port {
    kp_object_t object;
    kp_tree_t bindings;
    kp_list_t ready; /* port_item_t.link, oldest first */
    uint32_t posted; /* packets in `ready` */
    bool closed;     /* no handle is left */
};

kp_port_t *kp_port_from_object(kp_object_t *object)
{
    KP_ASSERT(object->type == KP_TYPE_PORT);
    return KP_CONTAINER_OF(object, kp_port_t, object);
}

/* ---- Ready items; the port's lock is held ---- */

static void item_ready(kp_port_t *port, port_item_t *item)
{
    if (!kp_list_is_empty(&item->link))
        return;
    kp_list_append(&port->ready, &item->link);
    kp_object_signal_locked(&port->object, 0, KP_SIGNAL_READABLE);
}

/* Takes the binding out of everything of the port. Its object, referenced, if it is still linked. */
static kp_object_t *binding_retire(kp_port_t *port, port_binding_t *binding)
{
    kp_object_t *object = NULL;
    if (binding->state == BOUND) /* then the binding's own reference is still there */
        object = kp_object_acquire(binding->waiter.object);
    binding->state = ENDING;
    kp_tree_remove(&port->bindings, &binding->node);
    kp_list_remove(&binding->item.link);
    return object;
}

/* ---- Bindings ---- */

/* Takes a retired binding apart; no locks held. */
static void binding_free(port_binding_t *binding, kp_object_t *object)
{
    if (object) {
        kp_spin_lock(object->lock);
        bool linked = !kp_list_is_empty(&binding->waiter.link);
        if (linked) {
            kp_list_remove(&binding->waiter.link);
            object->bindings--;
        }
        kp_spin_unlock(object->lock);
        if (linked)
            kp_object_release(object); /* the binding's; else kp_wait_end has dropped it */
        kp_object_release(object);
    }
    kp_quota_refund(binding->quota, KP_QUOTA_OBJECTS, 1);
    kp_quota_release(binding->quota);
    kp_kfree(binding);
}

void kp_port_notify(kp_waiter_t *waiter, kp_signals_t now)
{
    port_binding_t *binding = KP_CONTAINER_OF(waiter, port_binding_t, waiter);
    kp_port_t *port = binding->port;
    kp_spin_lock(port->object.lock);
    if (binding->state == BOUND) {
        binding->pending |= now;
        item_ready(port, &binding->item);
    }
    kp_spin_unlock(port->object.lock);
}

void kp_port_binding_end(kp_waiter_t *waiter)
{
    port_binding_t *binding = KP_CONTAINER_OF(waiter, port_binding_t, waiter);
    kp_port_t *port = binding->port;
    kp_list_remove(&waiter->link);
    waiter->object->bindings--;
    kp_spin_lock(port->object.lock);
    if (binding->state == BOUND) {
        binding->state = CLOSED;
        item_ready(port, &binding->item);
    }
    kp_spin_unlock(port->object.lock);
}

/* Both locks are held. */
static kp_status_t binding_link(kp_port_t *port, port_binding_t *binding)
{
    kp_object_t *object = binding->waiter.object;
    if (port->closed)
        return KP_ERR_CANCELLED;
    if (kp_tree_find(&port->bindings, binding->node.key))
        return KP_ERR_ALREADY_EXISTS;
    if (object->bindings >= KP_OBJECT_BINDINGS_MAX)
        return KP_ERR_QUOTA;
    object->bindings++;
    kp_object_acquire(object);
    kp_list_append(&object->waiters, &binding->waiter.link);
    kp_tree_insert(&port->bindings, &binding->node);
    kp_signals_t now = atomic_load_explicit(&object->signals, memory_order_relaxed);
    if (now & binding->waiter.signals) {
        binding->pending = now;
        item_ready(port, &binding->item);
    }
    return KP_OK;
}

kp_status_t kp_port_bind(kp_port_t *port, kp_object_t *object, const kp_handle_table_t *table,
                         kp_handle_t handle, kp_signals_t signals, uint64_t key, uint32_t flags,
                         kp_quota_t *quota)
{
    uint32_t mode = flags & ~(uint32_t)KP_PORT_ONCE;
    if (mode != KP_PORT_EDGE && mode != KP_PORT_LEVEL)
        return KP_ERR_INVALID_ARGUMENT;
    if (object->type == KP_TYPE_PORT)
        return KP_ERR_NOT_SUPPORTED;
    kp_status_t status = kp_quota_charge(quota, KP_QUOTA_OBJECTS, 1);
    if (status != KP_OK)
        return status;
    port_binding_t *binding = kp_kalloc(sizeof(*binding));
    if (!binding) {
        kp_quota_refund(quota, KP_QUOTA_OBJECTS, 1);
        return KP_ERR_NO_MEMORY;
    }
    binding->quota = kp_quota_acquire(quota);
    kp_list_init(&binding->item.link);
    binding->waiter.object = object;
    binding->waiter.signals = signals;
    binding->waiter.table = table;
    binding->waiter.handle = handle;
    binding->node.key = key;
    binding->port = port;
    binding->flags = (uint8_t)flags;
    kp_spin_lock(object->lock);
    kp_spin_lock(port->object.lock);
    status = binding_link(port, binding);
    kp_spin_unlock(port->object.lock);
    kp_spin_unlock(object->lock);
    if (status != KP_OK)
        binding_free(binding, NULL);
    return status;
}

kp_status_t kp_port_unbind(kp_port_t *port, uint64_t key)
{
    port_binding_t *binding = NULL;
    kp_object_t *object = NULL;
    kp_spin_lock(port->object.lock);
    kp_tree_node_t *node = kp_tree_find(&port->bindings, key);
    if (node) {
        binding = KP_CONTAINER_OF(node, port_binding_t, node);
        object = binding_retire(port, binding);
    }
    kp_spin_unlock(port->object.lock);
    if (!binding)
        return KP_ERR_NOT_FOUND;
    binding_free(binding, object);
    return KP_OK;
}

/* ---- Packets ---- */

static void packet_free(port_packet_t *packet)
{
    kp_quota_refund(packet->quota, KP_QUOTA_QUEUED_BYTES, sizeof(*packet));
    kp_quota_release(packet->quota);
    kp_kfree(packet);
}

kp_status_t kp_port_post(kp_port_t *port, uint64_t key, const uint64_t data[2], kp_quota_t *quota)
{
    kp_status_t status = kp_quota_charge(quota, KP_QUOTA_QUEUED_BYTES, sizeof(port_packet_t));
    if (status != KP_OK)
        return status;
    port_packet_t *packet = kp_kalloc(sizeof(*packet));
    if (!packet) {
        kp_quota_refund(quota, KP_QUOTA_QUEUED_BYTES, sizeof(*packet));
        return KP_ERR_NO_MEMORY;
    }
    kp_list_init(&packet->item.link);
    packet->item.is_packet = true;
    packet->key = key;
    packet->data[0] = data[0];
    packet->data[1] = data[1];
    packet->quota = kp_quota_acquire(quota);
    kp_spin_lock(port->object.lock);
    if (port->closed)
        status = KP_ERR_CANCELLED;
    else if (port->posted == KP_PORT_PACKETS_MAX)
        status = KP_ERR_SHOULD_WAIT;
    if (status == KP_OK) {
        item_ready(port, &packet->item);
        if (++port->posted == KP_PORT_PACKETS_MAX)
            kp_object_signal_locked(&port->object, KP_SIGNAL_WRITABLE, 0);
    }
    kp_spin_unlock(port->object.lock);
    if (status != KP_OK)
        packet_free(packet);
    return status;
}

/* ---- Taking ---- */

/* What a ready binding has to say; false: nothing (any more). Lock held. */
static bool binding_report(port_binding_t *binding, kp_port_packet_t *packet)
{
    *packet = (kp_port_packet_t){.key = binding->node.key, .kind = KP_PORT_SIGNALS};
    binding->says_closed = binding->state == CLOSED;
    if (binding->says_closed) {
        packet->kind = KP_PORT_CLOSED;
        return true;
    }
    packet->observed =
        binding->flags & KP_PORT_EDGE
            ? binding->pending
            : atomic_load_explicit(&binding->waiter.object->signals, memory_order_acquire);
    binding->reported = binding->pending;
    binding->pending = 0;
    return packet->observed & binding->waiter.signals;
}

uint32_t kp_port_take(kp_port_t *port, kp_port_packet_t *packets, uint32_t capacity,
                      kp_list_t *taken)
{
    uint32_t count = 0;
    while (count < capacity) {
        kp_spin_lock(port->object.lock);
        if (kp_list_is_empty(&port->ready)) {
            kp_spin_unlock(port->object.lock);
            break;
        }
        port_item_t *item = KP_CONTAINER_OF(port->ready.next, port_item_t, link);
        kp_list_remove(&item->link);
        bool has_report = true;
        if (item->is_packet) {
            const port_packet_t *packet = KP_CONTAINER_OF(item, port_packet_t, item);
            packets[count] = (kp_port_packet_t){.key = packet->key,
                                                .kind = KP_PORT_USER,
                                                .data = {packet->data[0], packet->data[1]}};
        } else {
            has_report =
                binding_report(KP_CONTAINER_OF(item, port_binding_t, item), &packets[count]);
        }
        if (has_report) {
            kp_list_append(taken, &item->link);
            count++;
        }
        kp_spin_unlock(port->object.lock);
    }
    return count;
}

/* One that was reported, out of all lists. What to take apart without the lock, or NULL; *object as
   binding_retire's. Lock held. */
static port_binding_t *binding_settle(kp_port_t *port, port_binding_t *binding, kp_list_t *again,
                                      kp_object_t **object)
{
    if (binding->says_closed || binding->flags & KP_PORT_ONCE) {
        *object = binding_retire(port, binding);
        return binding;
    }
    if (binding->flags & KP_PORT_LEVEL)
        kp_list_append(again, &binding->item.link);
    else if (binding->pending || binding->state == CLOSED) /* since the report */
        item_ready(port, &binding->item);
    return NULL;
}

/* Not delivered: as if it had not been taken. Lock held. */
static void item_return(kp_port_t *port, port_item_t *item)
{
    if (!item->is_packet) {
        port_binding_t *binding = KP_CONTAINER_OF(item, port_binding_t, item);
        if (binding->flags & KP_PORT_EDGE)
            binding->pending |= binding->reported;
    }
    kp_list_append(port->ready.next, &item->link); /* before what was first */
    kp_object_signal_locked(&port->object, 0, KP_SIGNAL_READABLE);
}

void kp_port_settle(kp_port_t *port, kp_list_t *taken, kp_list_t *again, bool delivered)
{
    for (;;) {
        port_binding_t *ended = NULL;
        port_packet_t *packet = NULL;
        kp_object_t *object = NULL;
        kp_spin_lock(port->object.lock);
        if (kp_list_is_empty(taken)) {
            kp_spin_unlock(port->object.lock);
            return;
        }
        kp_list_t *link = delivered ? taken->next : taken->previous;
        port_item_t *item = KP_CONTAINER_OF(link, port_item_t, link);
        kp_list_remove(link);
        if (!delivered && !port->closed) {
            item_return(port, item);
        } else if (item->is_packet) {
            packet = KP_CONTAINER_OF(item, port_packet_t, item);
            if (port->posted-- == KP_PORT_PACKETS_MAX)
                kp_object_signal_locked(&port->object, 0, KP_SIGNAL_WRITABLE);
        } else {
            ended =
                binding_settle(port, KP_CONTAINER_OF(item, port_binding_t, item), again, &object);
        }
        kp_spin_unlock(port->object.lock);
        if (ended)
            binding_free(ended, object);
        if (packet)
            packet_free(packet);
    }
}

void kp_port_take_end(kp_port_t *port, kp_list_t *again)
{
    kp_spin_lock(port->object.lock);
    if (!kp_list_is_empty(again)) {
        kp_list_t *first = again->next, *last = again->previous;
        kp_list_remove(again);
        first->previous = port->ready.previous;
        last->next = &port->ready;
        port->ready.previous->next = first;
        port->ready.previous = last;
    }
    bool empty = kp_list_is_empty(&port->ready);
    kp_object_signal_locked(&port->object, empty ? KP_SIGNAL_READABLE : 0,
                            empty ? 0 : KP_SIGNAL_READABLE);
    kp_spin_unlock(port->object.lock);
}

/* ---- Life ---- */

/* No handle is left: everything goes. Calls in progress still hold references. */
static void port_abandoned(kp_object_t *object)
{
    kp_port_t *port = kp_port_from_object(object);
    for (;;) {
        port_binding_t *binding = NULL;
        port_packet_t *packet = NULL;
        kp_object_t *bound = NULL;
        kp_spin_lock(object->lock);
        port->closed = true;
        if (port->bindings.root) {
            binding = KP_CONTAINER_OF(port->bindings.root, port_binding_t, node);
            bound = binding_retire(port, binding);
        } else if (!kp_list_is_empty(&port->ready)) {
            port_item_t *item = KP_CONTAINER_OF(port->ready.next, port_item_t, link);
            kp_list_remove(&item->link);
            packet = KP_CONTAINER_OF(item, port_packet_t, item);
        }
        kp_spin_unlock(object->lock);
        if (binding)
            binding_free(binding, bound);
        else if (packet)
            packet_free(packet);
        else
            return;
    }
}

static void port_destroy(kp_object_t *object)
{
    kp_port_t *port = kp_port_from_object(object);
    KP_CHECK(!port->bindings.root && kp_list_is_empty(&port->ready));
    kp_object_fini(object);
    kp_kfree(port);
}

static const kp_object_ops_t port_ops = {.abandoned = port_abandoned, .destroy = port_destroy};

kp_status_t kp_port_create(kp_capability_t *out)
{
    kp_port_t *port = kp_kalloc(sizeof(*port));
    if (!port)
        return KP_ERR_NO_MEMORY;
    uint64_t seed = 0;
    (void)kp_machine_random(&seed, sizeof(seed));
    kp_object_init(&port->object, KP_TYPE_PORT, &port_ops);
    kp_tree_init(&port->bindings, seed);
    kp_list_init(&port->ready);
    atomic_init(&port->object.signals, KP_SIGNAL_WRITABLE);
    *out = kp_capability_create(&port->object, kp_object_default_rights(KP_TYPE_PORT));
    kp_object_release(&port->object);
    return KP_OK;
}
