/* What can be mounted, the root of all, and the service `file`. */
#include "kernel/ipc/channel.h"
#include "kernel/ipc/services.h"
#include "kernel/vfs/ramfs.h"

static kp_vfs_source_t *root; /* set once at start */

void kp_vfs_source_init(kp_vfs_source_t *source, const kp_vfs_source_ops_t *ops)
{
    source->ops = ops;
    atomic_init(&source->references, 1);
}

kp_vfs_source_t *kp_vfs_source_acquire(kp_vfs_source_t *source)
{
    atomic_fetch_add_explicit(&source->references, 1, memory_order_relaxed);
    return source;
}

void kp_vfs_source_release(kp_vfs_source_t *source)
{
    if (source && atomic_fetch_sub_explicit(&source->references, 1, memory_order_acq_rel) == 1)
        source->ops->destroy(source);
}

kp_status_t kp_vfs_attach_at(kp_vfs_node_t *node, kp_capability_t *end, kp_vfs_path_t path,
                             uint32_t rights, kp_quota_t *quota)
{
    kp_vfs_request_t request = {.quota = quota};
    kp_vfs_node_t *found = node;
    kp_status_t status = KP_OK;
    if (path.length > 0)
        status = node->ops->open(node, &request, path, KP_FILE_FOLLOW, &found);
    else
        node->ops->acquire(node);
    if (status == KP_OK) {
        status = kp_vfs_serve(found, rights, end, quota);
        found->ops->release(found);
    } else if (status == KP_ERR_ELSEWHERE) {
        status = request.source->ops->attach(request.source, end,
                                             (kp_vfs_path_t){request.rest, request.rest_size},
                                             rights & request.source_rights, quota);
        kp_vfs_source_release(request.source);
        kp_kfree(request.rest);
    }
    return status;
}

/* ---- processes ---- */

typedef struct service_source {
    kp_vfs_source_t source;
    kp_service_t *service; /* NULL: a channel was given */
    kp_spinlock_t lock;
    kp_capability_t channel; /* guarded by: lock */
} service_source_t;

static void service_destroy(kp_vfs_source_t *source)
{
    service_source_t *own = KP_CONTAINER_OF(source, service_source_t, source);
    kp_capability_close(&own->channel);
    kp_kfree(own);
}

/* Sends the server a client's channel: CONNECT, without an answer. */
static kp_status_t client_send(kp_object_t *channel, kp_capability_t *end, kp_vfs_path_t path,
                               uint32_t rights, kp_quota_t *quota)
{
    const kp_file_request_t request = {.operation = KP_FILE_CONNECT,
                                       .rights = rights,
                                       .flags = KP_FILE_FOLLOW,
                                       .first_size = (uint32_t)path.length};
    kp_message_t *message;
    kp_status_t status = kp_message_create(sizeof(request) + path.length, 1, quota, &message);
    if (status != KP_OK)
        return status;
    memcpy(message->bytes, &request, sizeof(request));
    if (path.length > 0)
        memcpy(message->bytes + sizeof(request), path.text, path.length);
    message->capabilities[0] = *end;
    status = kp_channel_push(kp_channel_from_object(channel), message);
    /* Nobody may keep others out by coming and going. */
    if (status == KP_ERR_SHOULD_WAIT && kp_channel_drop_dead(kp_channel_from_object(channel)))
        status = kp_channel_push(kp_channel_from_object(channel), message);
    if (status == KP_OK) {
        *end = (kp_capability_t){0};
    } else {
        message->capabilities[0] = (kp_capability_t){0};
        kp_message_destroy(message);
    }
    return status == KP_ERR_SHOULD_WAIT ? KP_ERR_BUSY : status;
}

/* The channel to the server, referenced; `stale`: not that one again. */
static kp_status_t service_channel(service_source_t *own, const kp_object_t *stale,
                                   kp_object_t **out)
{
    kp_capability_t made = {0}, old = {0};
    kp_spin_lock(&own->lock);
    *out = kp_capability_acquire(&own->channel);
    kp_spin_unlock(&own->lock);
    if (*out && *out != stale)
        return KP_OK;
    kp_object_release(*out);
    if (!own->service)
        return KP_ERR_PEER_CLOSED;
    kp_status_t status = kp_service_connect(own->service, &made);
    if (status == KP_OK)
        status = kp_channel_send_only(kp_channel_from_object(made.object));
    if (status != KP_OK) {
        kp_capability_close(&made);
        return status;
    }
    kp_spin_lock(&own->lock);
    old = own->channel;
    own->channel = made;
    *out = kp_capability_acquire(&own->channel);
    kp_spin_unlock(&own->lock);
    kp_capability_close(&old);
    return KP_OK;
}

static kp_status_t service_attach(kp_vfs_source_t *source, kp_capability_t *end, kp_vfs_path_t path,
                                  uint32_t rights, kp_quota_t *quota)
{
    service_source_t *own = KP_CONTAINER_OF(source, service_source_t, source);
    kp_object_t *channel, *stale;
    kp_status_t status = service_channel(own, NULL, &channel);
    if (status != KP_OK)
        return status;
    status = client_send(channel, end, path, rights, quota);
    if (status == KP_ERR_PEER_CLOSED && own->service) { /* its server died: the next one */
        stale = channel;
        status = service_channel(own, stale, &channel);
        kp_object_release(stale);
        if (status != KP_OK)
            return status;
        status = client_send(channel, end, path, rights, quota);
    }
    kp_object_release(channel);
    return status;
}

kp_status_t kp_vfs_service_source(kp_capability_t *channel, kp_vfs_source_t **out)
{
    static const kp_vfs_source_ops_t ops = {.destroy = service_destroy, .attach = service_attach};
    kp_object_t *object = kp_capability_acquire(channel);
    kp_rights_t needed = 0;
    kp_status_t status = KP_OK;
    if (!object)
        return KP_ERR_REVOKED;
    if (object->type == KP_TYPE_CHANNEL)
        needed = KP_RIGHT_READ | KP_RIGHT_WRITE;
    else if (object->type == KP_TYPE_SERVICE)
        needed = KP_RIGHT_CONNECT;
    else
        status = KP_ERR_WRONG_TYPE;
    if (status == KP_OK && needed & ~channel->rights)
        status = KP_ERR_ACCESS_DENIED;
    /* The kernel's own directories would hold themselves. */
    if (status == KP_OK && object->type == KP_TYPE_CHANNEL)
        status = kp_channel_send_only(kp_channel_from_object(object));
    else if (status == KP_OK &&
             strcmp(kp_service_name(kp_service_from_object(object)), "file") == 0)
        status = KP_ERR_NOT_SUPPORTED;
    service_source_t *own = status == KP_OK ? kp_kalloc(sizeof(*own)) : NULL;
    if (own) {
        kp_vfs_source_init(&own->source, &ops);
        kp_spin_init(&own->lock);
        if (object->type == KP_TYPE_SERVICE) { /* services stay for ever */
            own->service = kp_service_from_object(object);
            kp_capability_close(channel);
        } else {
            own->channel = kp_capability_take(channel);
        }
        *out = &own->source;
    } else if (status == KP_OK) {
        status = KP_ERR_NO_MEMORY;
    }
    kp_object_release(object);
    return status;
}

/* ---- the root ---- */

static void requests_hold(kp_channel_server_t *server)
{
    (void)server; /* stays for ever */
}

static void requests_serve(kp_channel_server_t *server);

static const kp_channel_server_ops_t requests_ops = {.acquire = requests_hold,
                                                     .release = requests_hold,
                                                     .serve = requests_serve,
                                                     .closed = requests_hold};
static kp_channel_server_t requests_server = {.ops = &requests_ops};
static kp_capability_t requests;

/* Each message is a client's connection. */
static void requests_serve(kp_channel_server_t *server)
{
    kp_message_t *message;
    (void)server;
    while (kp_channel_pop(kp_channel_from_object(requests.object), KP_CHANNEL_BYTES_MAX,
                          KP_CHANNEL_HANDLES_MAX, NULL, &message) == KP_OK) {
        if (message->capability_count == 1 && root)
            (void)kp_vfs_serve(kp_ramfs_root(root), KP_FILE_RIGHTS_ALL, &message->capabilities[0],
                               message->capabilities[0].object->quota);
        kp_message_destroy(message); /* and what could not be served */
    }
}

static kp_status_t service_start(void)
{
    kp_service_t *service;
    kp_status_t status = kp_service_find("file", &service);
    if (status == KP_OK && requests.object)
        return KP_OK;
    if (status == KP_OK)
        status = kp_service_register(service, &requests);
    if (status == KP_OK)
        status = kp_channel_serve(kp_channel_from_object(requests.object), &requests_server);
    return status;
}

kp_status_t kp_vfs_init(void)
{
    const kp_ramfs_options_t options = {.pages_max = 0};
    kp_vfs_source_t *devices = NULL;
    if (root)
        return KP_OK;
    kp_status_t status = kp_ramfs_create(&options, &root);
    if (status == KP_OK)
        status = kp_ramfs_devices_create(&devices);
    if (status == KP_OK)
        status = kp_vfs_mount("dev", devices, KP_FILE_RIGHTS_CHANGE);
    kp_vfs_source_release(devices);
    if (status == KP_OK)
        status = service_start();
    if (status != KP_OK)
        kp_vfs_fini();
    return status;
}

void kp_vfs_fini(void)
{
    kp_vfs_source_release(root);
    root = NULL;
}

kp_status_t kp_vfs_mount(const char *path, kp_vfs_source_t *source, uint32_t rights)
{
    kp_vfs_request_t request = {.quota = NULL};
    kp_vfs_node_t *node = kp_ramfs_root(root);
    kp_status_t status = KP_OK;
    for (size_t length = 1; status == KP_OK && path[length - 1]; length++) {
        if (path[length] && path[length] != '/')
            continue;
        status = node->ops->make(node, &request, (kp_vfs_path_t){path, length});
        if (status == KP_ERR_ALREADY_EXISTS)
            status = KP_OK;
    }
    if (status == KP_OK)
        status = node->ops->mount(node, &request, kp_vfs_path(path), source, rights);
    if (status == KP_ERR_ELSEWHERE) { /* something else is mounted above */
        kp_vfs_source_release(request.source);
        kp_kfree(request.rest);
        status = KP_ERR_BUSY;
    }
    return status;
}

kp_status_t kp_vfs_open(kp_vfs_source_t *source, const char *path, uint32_t rights,
                        kp_quota_t *quota, kp_capability_t *client)
{
    kp_capability_t ends[2];
    kp_status_t status = kp_channel_create(ends);
    if (status != KP_OK)
        return status;
    for (int i = 0; i < 2 && status == KP_OK; i++)
        status = kp_object_charge(ends[i].object, quota);
    if (status == KP_OK)
        status = source->ops->attach(source, &ends[1], kp_vfs_path(path), rights, quota);
    if (status == KP_OK) {
        *client = ends[0];
        return KP_OK;
    }
    kp_capability_close(&ends[0]);
    kp_capability_close(&ends[1]);
    return status;
}

kp_status_t kp_vfs_root_open(const char *path, uint32_t rights, kp_quota_t *quota,
                             kp_capability_t *client)
{
    return kp_vfs_open(root, path, rights, quota, client);
}
