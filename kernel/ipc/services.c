#include "kernel/ipc/services.h"

#include "abi/ipc.h"

#include "kernel/ipc/channel.h"
#include "kernel/object/process_private.h"

struct kp_service {
    kp_object_t object;
    char name[KP_SERVICE_NAME_MAX + 1];
    kp_capability_t sender;   /* the kernel's end of the request channel; never changes */
    kp_capability_t requests; /* the server's end while there is no server; guarded by: lock */
    kp_service_t *next;
};

static kp_service_t *services; /* only ever grows; guarded by: services_lock (writers) */
static kp_spinlock_t services_lock;

static void service_destroy(kp_object_t *object)
{
    (void)object;
    kp_panic("service: destroyed"); /* the registry's reference never goes */
}

static const kp_object_ops_t service_ops = {.destroy = service_destroy};

/* The server closed its end of the request channel (or died): keep it for the next one. */
static void service_requests_abandoned(kp_capability_t end, void *context)
{
    kp_service_t *service = context;
    kp_spin_lock(service->object.lock);
    service->requests = end;
    kp_object_signal_locked(&service->object, KP_SIGNAL_WRITABLE, KP_SIGNAL_PEER_CLOSED);
    kp_spin_unlock(service->object.lock);
}

static kp_service_t *service_search(const char *name)
{
    for (kp_service_t *service = services; service; service = service->next) {
        if (strcmp(service->name, name) == 0)
            return service;
    }
    return NULL;
}

kp_status_t kp_service_find(const char *name, kp_service_t **out)
{
    size_t length = strlen(name);
    if (length == 0 || length > KP_SERVICE_NAME_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    kp_service_t *made = kp_kalloc(sizeof(*made));
    kp_capability_t ends[2];
    if (!made)
        return KP_ERR_NO_MEMORY;
    if (kp_channel_create(ends) != KP_OK) {
        kp_kfree(made);
        return KP_ERR_NO_MEMORY;
    }
    kp_spin_lock(&services_lock);
    kp_service_t *service = service_search(name);
    if (!service) {
        service = made;
        kp_object_init(&service->object, KP_TYPE_SERVICE, &service_ops);
        kp_name_copy(service->name, sizeof(service->name), name);
        service->sender = kp_capability_take(&ends[0]);
        service->requests = kp_capability_take(&ends[1]);
        kp_channel_set_abandoned(kp_channel_from_object(service->requests.object),
                                 service_requests_abandoned, service);
        service->next = services;
        services = service;
    }
    kp_spin_unlock(&services_lock);
    if (service != made) {
        kp_capability_close(&ends[0]);
        kp_capability_close(&ends[1]);
        kp_kfree(made);
    }
    *out = service;
    return KP_OK;
}

kp_object_t *kp_service_object(kp_service_t *service)
{
    return &service->object;
}

kp_service_t *kp_service_from_object(kp_object_t *object)
{
    KP_ASSERT(object->type == KP_TYPE_SERVICE);
    return KP_CONTAINER_OF(object, kp_service_t, object);
}

const char *kp_service_name(const kp_service_t *service)
{
    return service->name;
}

kp_status_t kp_service_register(kp_service_t *service, kp_capability_t *requests)
{
    kp_spin_lock(service->object.lock);
    *requests = kp_capability_take(&service->requests);
    /* Nobody reads at the kernel's end. */
    requests->rights = kp_object_default_rights(KP_TYPE_CHANNEL) & ~(kp_rights_t)KP_RIGHT_WRITE;
    if (requests->object)
        kp_object_signal_locked(&service->object, KP_SIGNAL_PEER_CLOSED | KP_SIGNAL_READABLE,
                                KP_SIGNAL_WRITABLE);
    kp_spin_unlock(service->object.lock);
    return requests->object ? KP_OK : KP_ERR_ALREADY_EXISTS;
}

kp_status_t kp_service_connect_for(kp_service_t *service, kp_quota_t *quota, uint64_t job,
                                   kp_capability_t *connection)
{
    const kp_service_request_t request = {.job = job};
    kp_capability_t ends[2];
    kp_status_t status = kp_channel_create(ends);
    if (status != KP_OK)
        return status;
    for (int i = 0; i < 2 && status == KP_OK; i++)
        status = kp_object_charge(ends[i].object, quota);
    if (status == KP_OK) {
        status = kp_channel_send(service->sender, &request, sizeof(request), &ends[1], 1);
        /* Nobody may keep others out by connecting and going away. */
        if (status == KP_ERR_SHOULD_WAIT &&
            kp_channel_drop_dead(kp_channel_from_object(service->sender.object)))
            status = kp_channel_send(service->sender, &request, sizeof(request), &ends[1], 1);
    }
    if (status != KP_OK) {
        kp_capability_close(&ends[0]);
        kp_capability_close(&ends[1]);
        return status;
    }
    kp_spin_lock(service->object.lock);
    if (service->requests.object)
        kp_object_signal_locked(&service->object, 0, KP_SIGNAL_READABLE);
    kp_spin_unlock(service->object.lock);
    *connection = ends[0];
    return KP_OK;
}

kp_status_t kp_service_connect(kp_service_t *service, kp_capability_t *connection)
{
    return kp_service_connect_for(service, NULL, 0, connection);
}
