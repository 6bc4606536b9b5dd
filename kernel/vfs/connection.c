/* Connections: messages of abi/file.h to operations on nodes. All of it runs in the call of whoever sent the message;
   several threads may ask at once. */
#include "kernel/vfs/vfs.h"

#include "abi/reader.h"
#include "kernel/base/tree.h"
#include "kernel/ipc/call.h"
#include "kernel/ipc/channel.h"
#include "kernel/object/thread.h"
#include "kernel/object/vmo.h"

enum { PIECE = 4096 }; /* of what is copied between a file and a client's buffer */

/* Something that is open. */
typedef struct open {
    kp_tree_node_t link; /* by id */
    kp_vfs_node_t *node; /* referenced */
    uint32_t rights;
    kp_quota_t *quota; /* referenced, charged with one object */
} open_t;

typedef struct connection {
    kp_channel_server_t server;
    atomic_uint references;
    kp_channel_t *channel; /* our end; a reference of the object */
    kp_spinlock_t lock;    /* guards all below */
    kp_capability_t end;   /* our end, until it is closed */
    bool closed;
    open_t root;   /* id 0 */
    kp_tree_t ids; /* of open_t */
    uint32_t last_id;
    kp_vmo_t *buffer; /* referenced; NULL: none */
} connection_t;

/* A request while it is done. */
typedef struct work {
    connection_t *connection;
    kp_message_t *message;
    kp_file_request_t request;
    const char *first, *second;
    kp_vfs_request_t vfs;
    kp_vfs_node_t *node; /* referenced; what request.id names */
    uint32_t rights;
    kp_message_t *answer;
    kp_file_reply_t reply;
    uint8_t *data; /* behind the reply, in the answer */
    uint32_t room;
} work_t;

static connection_t *connection_of(kp_channel_server_t *server)
{
    return KP_CONTAINER_OF(server, connection_t, server);
}

static kp_channel_t *channel_of(kp_object_t *object)
{
    return kp_channel_from_object(object);
}

/* ---- ids ---- */

static void open_close(open_t *open)
{
    open->node->ops->release(open->node);
    kp_quota_refund(open->quota, KP_QUOTA_OBJECTS, 1);
    kp_quota_release(open->quota);
}

/* The node, referenced, and rights; NULL: no such id. */
static kp_vfs_node_t *id_find(connection_t *connection, uint32_t id, uint32_t *rights)
{
    kp_vfs_node_t *node = NULL;
    kp_spin_lock(&connection->lock);
    kp_tree_node_t *link = id ? kp_tree_find(&connection->ids, id) : NULL;
    const open_t *open = link ? KP_CONTAINER_OF(link, open_t, link) : &connection->root;
    if (!connection->closed && (link || id == 0)) {
        node = open->node;
        *rights = open->rights;
        node->ops->acquire(node);
    }
    kp_spin_unlock(&connection->lock);
    return node;
}

/* Takes the reference of the node, also on error. */
static kp_status_t id_add(connection_t *connection, kp_vfs_node_t *node, uint32_t rights,
                          kp_quota_t *quota, uint32_t *id)
{
    kp_status_t status = kp_quota_charge(quota, KP_QUOTA_OBJECTS, 1);
    if (status != KP_OK) {
        node->ops->release(node);
        return status;
    }
    open_t *open = kp_kalloc(sizeof(*open));
    if (!open) {
        kp_quota_refund(quota, KP_QUOTA_OBJECTS, 1);
        node->ops->release(node);
        return KP_ERR_NO_MEMORY;
    }
    open->node = node;
    open->rights = rights;
    open->quota = kp_quota_acquire(quota);
    kp_spin_lock(&connection->lock);
    bool closed = connection->closed;
    if (!closed) {
        do
            open->link.key = ++connection->last_id;
        while (open->link.key == 0 || kp_tree_find(&connection->ids, open->link.key));
        kp_tree_insert(&connection->ids, &open->link);
        *id = (uint32_t)open->link.key;
    }
    kp_spin_unlock(&connection->lock);
    if (!closed)
        return KP_OK;
    open_close(open);
    kp_kfree(open);
    return KP_ERR_CANCELLED;
}

static kp_status_t id_remove(connection_t *connection, uint32_t id)
{
    kp_spin_lock(&connection->lock);
    kp_tree_node_t *link = kp_tree_find(&connection->ids, id);
    if (link)
        kp_tree_remove(&connection->ids, link);
    kp_spin_unlock(&connection->lock);
    if (!link)
        return KP_ERR_NOT_FOUND;
    open_t *open = KP_CONTAINER_OF(link, open_t, link);
    open_close(open);
    kp_kfree(open);
    return KP_OK;
}

/* ---- operations ---- */

static kp_vfs_path_t first_of(const work_t *work)
{
    return (kp_vfs_path_t){work->first, work->request.first_size};
}

static kp_vfs_path_t second_of(const work_t *work)
{
    return (kp_vfs_path_t){work->second, work->request.second_size};
}

static bool path_is_valid(kp_vfs_path_t path, bool may_be_empty)
{
    if (path.length == 0)
        return may_be_empty;
    for (size_t i = 0; i < path.length; i++)
        if (path.text[i] == 0)
            return false;
    return true;
}

/* Rights of what is opened: of files as they are opened, of directories what may be passed on. */
static uint32_t rights_opened(const work_t *work, const kp_vfs_node_t *node)
{
    if (node->type == KP_FILE_TYPE_DIRECTORY)
        return work->rights & work->request.rights;
    return (work->request.flags & KP_FILE_FOR_READING ? KP_FILE_RIGHT_READ : 0) |
           (work->request.flags & KP_FILE_FOR_WRITING ? KP_FILE_RIGHT_WRITE : 0);
}

static uint32_t rights_to_open(const work_t *work)
{
    uint32_t flags = work->request.flags;
    return (flags & KP_FILE_FOR_READING ? KP_FILE_RIGHT_READ : 0) |
           (flags & (KP_FILE_FOR_WRITING | KP_FILE_TRUNCATE) ? KP_FILE_RIGHT_WRITE : 0) |
           (flags & KP_FILE_CREATE ? KP_FILE_RIGHT_CREATE : 0);
}

static kp_status_t do_open(work_t *work)
{
    kp_vfs_node_t *node = work->node;
    if (rights_to_open(work) & ~work->rights)
        return KP_ERR_ACCESS_DENIED;
    if (work->request.first_size == 0) {
        if (node->type != KP_FILE_TYPE_DIRECTORY && work->request.flags & KP_FILE_DIRECTORY)
            return KP_ERR_NOT_DIRECTORY;
        node->ops->acquire(node);
    } else {
        kp_status_t status =
            node->ops->open(node, &work->vfs, first_of(work), work->request.flags, &node);
        if (status != KP_OK)
            return status;
    }
    if (node->type == KP_FILE_TYPE_DIRECTORY && work->request.flags & KP_FILE_FOR_WRITING) {
        node->ops->release(node);
        return KP_ERR_IS_DIRECTORY;
    }
    work->reply.type = node->type;
    return id_add(work->connection, node, rights_opened(work, node), work->vfs.quota,
                  &work->reply.id);
}

static kp_status_t do_close(work_t *work)
{
    return id_remove(work->connection, work->request.id);
}

static kp_vmo_t *buffer_of(connection_t *connection)
{
    kp_spin_lock(&connection->lock);
    kp_vmo_t *buffer = connection->buffer ? kp_vmo_acquire(connection->buffer) : NULL;
    kp_spin_unlock(&connection->lock);
    return buffer;
}

/* By the client's buffer, piece by piece; what was done before an error counts. */
static kp_status_t move_by_buffer(work_t *work, bool writes)
{
    const kp_file_request_t *request = &work->request;
    kp_vmo_t *buffer = buffer_of(work->connection);
    uint8_t *piece = buffer ? kp_kalloc_dirty(PIECE) : NULL;
    kp_status_t status = !buffer ? KP_ERR_BAD_STATE : piece ? KP_OK : KP_ERR_NO_MEMORY;
    bool append = request->flags & KP_FILE_APPEND;
    uint32_t total = 0, done = PIECE;
    while (status == KP_OK && total < request->count && done == PIECE) {
        uint32_t part = KP_MIN(request->count - total, (uint32_t)PIECE);
        uint64_t at = request->buffer_offset + total;
        done = 0;
        if (writes) {
            status = kp_vmo_read(buffer, at, piece, part);
            if (status == KP_OK)
                status = work->node->ops->write(work->node, &work->vfs,
                                                append ? UINT64_MAX : request->offset + total,
                                                piece, part, &done, &work->reply.position);
        } else {
            status = work->node->ops->read(work->node, request->offset + total, piece, part, &done);
            if (status == KP_OK)
                status = kp_vmo_write(buffer, at, piece, done);
        }
        if (status == KP_OK)
            total += done;
    }
    kp_kfree(piece);
    kp_vmo_release(buffer);
    work->reply.count = total;
    return total > 0 ? KP_OK : status;
}

static kp_status_t do_read(work_t *work)
{
    if (!work->node->ops->read)
        return KP_ERR_NOT_SUPPORTED;
    if (work->node->type == KP_FILE_TYPE_DIRECTORY)
        return KP_ERR_IS_DIRECTORY;
    if (work->request.flags & KP_FILE_IN_BUFFER)
        return work->request.count > KP_FILE_BUFFERED_MAX ? KP_ERR_INVALID_ARGUMENT
                                                          : move_by_buffer(work, false);
    return work->node->ops->read(work->node, work->request.offset, work->data,
                                 KP_MIN(work->request.count, work->room), &work->reply.count);
}

static kp_status_t do_write(work_t *work)
{
    const kp_file_request_t *request = &work->request;
    if (!work->node->ops->write)
        return KP_ERR_NOT_SUPPORTED;
    if (work->node->type == KP_FILE_TYPE_DIRECTORY)
        return KP_ERR_IS_DIRECTORY;
    if (request->offset > INT64_MAX && !(request->flags & KP_FILE_APPEND))
        return KP_ERR_TOO_LARGE;
    if (request->flags & KP_FILE_IN_BUFFER)
        return request->count > KP_FILE_BUFFERED_MAX ? KP_ERR_INVALID_ARGUMENT
                                                     : move_by_buffer(work, true);
    return work->node->ops->write(
        work->node, &work->vfs, request->flags & KP_FILE_APPEND ? UINT64_MAX : request->offset,
        work->first, request->first_size, &work->reply.count, &work->reply.position);
}

static kp_status_t do_stat(work_t *work)
{
    kp_file_stat_t stat;
    kp_status_t status = work->node->ops->stat(work->node, &work->vfs, first_of(work),
                                               work->request.flags & KP_FILE_FOLLOW, &stat);
    if (status == KP_OK) {
        memcpy(work->data, &stat, sizeof(stat));
        work->reply.count = sizeof(stat);
    }
    return status;
}

static kp_status_t do_size(work_t *work)
{
    if (!work->node->ops->size)
        return KP_ERR_NOT_SUPPORTED;
    if (work->node->type == KP_FILE_TYPE_DIRECTORY)
        return KP_ERR_IS_DIRECTORY;
    return work->node->ops->size(work->node, &work->vfs, work->request.offset,
                                 work->request.flags & KP_FILE_GROW);
}

static kp_status_t do_times(work_t *work)
{
    if (!work->node->ops->times)
        return KP_ERR_NOT_SUPPORTED;
    return work->node->ops->times(work->node, &work->vfs, first_of(work), work->request.flags,
                                  work->request.access_ns, work->request.modification_ns);
}

static kp_status_t do_list(work_t *work)
{
    return work->node->ops->list(work->node, work->request.offset, work->data,
                                 KP_MIN(work->request.count, work->room), &work->reply.count);
}

static kp_status_t do_make(work_t *work)
{
    if (!work->node->ops->make)
        return KP_ERR_NOT_SUPPORTED;
    return work->node->ops->make(work->node, &work->vfs, first_of(work));
}

static kp_status_t do_remove(work_t *work)
{
    if (!work->node->ops->remove)
        return KP_ERR_NOT_SUPPORTED;
    return work->node->ops->remove(work->node, &work->vfs, first_of(work),
                                   work->request.flags & KP_FILE_DIRECTORY);
}

static kp_status_t do_two(work_t *work)
{
    kp_status_t (*operation)(kp_vfs_node_t *, kp_vfs_request_t *, kp_vfs_path_t, kp_vfs_node_t *,
                             kp_vfs_path_t) =
        work->request.operation == KP_FILE_RENAME ? work->node->ops->rename : work->node->ops->link;
    uint32_t rights;
    if (!operation)
        return KP_ERR_NOT_SUPPORTED;
    kp_vfs_node_t *other = id_find(work->connection, work->request.other, &rights);
    if (!other)
        return KP_ERR_NOT_FOUND;
    kp_status_t status = KP_OK;
    uint32_t needed = KP_FILE_RIGHT_CREATE |
                      (work->request.operation == KP_FILE_RENAME ? KP_FILE_RIGHT_REMOVE : 0);
    if (other->type != KP_FILE_TYPE_DIRECTORY)
        status = KP_ERR_NOT_DIRECTORY;
    else if (needed & ~rights || rights & ~work->rights) /* what moves may not become more */
        status = KP_ERR_ACCESS_DENIED;
    else if (other->ops != work->node->ops)
        status = KP_ERR_CROSS_DEVICE;
    else
        status = operation(work->node, &work->vfs, first_of(work), other, second_of(work));
    other->ops->release(other);
    return status;
}

static kp_status_t do_symlink(work_t *work)
{
    if (!work->node->ops->symlink)
        return KP_ERR_NOT_SUPPORTED;
    return work->node->ops->symlink(work->node, &work->vfs, first_of(work), second_of(work));
}

static kp_status_t do_readlink(work_t *work)
{
    return work->node->ops->readlink(work->node, &work->vfs, first_of(work), work->data,
                                     KP_MIN(work->room, KP_FILE_PATH_MAX), &work->reply.count);
}

static kp_status_t do_sync(work_t *work)
{
    return work->node->ops->sync(work->node, work->request.flags & KP_FILE_DATA);
}

static kp_status_t do_connect(work_t *work)
{
    kp_capability_t *handle = &work->message->capabilities[0];
    kp_object_t *object = kp_capability_acquire(handle);
    kp_status_t status = KP_OK;
    if (!object)
        return KP_ERR_REVOKED;
    if (object->type != KP_TYPE_CHANNEL)
        status = KP_ERR_WRONG_TYPE;
    else if (~handle->rights & (KP_RIGHT_READ | KP_RIGHT_WRITE))
        status = KP_ERR_ACCESS_DENIED;
    kp_object_release(object);
    if (status != KP_OK)
        return status;
    return kp_vfs_attach_at(work->node, handle, first_of(work), work->rights & work->request.rights,
                            work->vfs.quota);
}

static kp_status_t do_buffer(work_t *work)
{
    kp_vmo_t *buffer = NULL;
    if (work->message->capability_count > 0) {
        const kp_capability_t *handle = &work->message->capabilities[0];
        kp_object_t *object = kp_capability_acquire(handle);
        if (!object)
            return KP_ERR_REVOKED;
        bool fits = object->type == KP_TYPE_VMO;
        if (!fits || ~handle->rights & (KP_RIGHT_READ | KP_RIGHT_WRITE)) {
            kp_object_release(object);
            return fits ? KP_ERR_ACCESS_DENIED : KP_ERR_WRONG_TYPE;
        }
        buffer = kp_vmo_from_object(object);
    }
    connection_t *connection = work->connection;
    kp_spin_lock(&connection->lock);
    kp_vmo_t *old = connection->closed ? buffer : connection->buffer;
    if (!connection->closed)
        connection->buffer = buffer;
    kp_spin_unlock(&connection->lock);
    kp_vmo_release(old);
    return KP_OK;
}

static kp_status_t do_mount(work_t *work)
{
    kp_vfs_source_t *source = NULL;
    kp_status_t status = KP_OK;
    if (!work->node->ops->mount)
        return KP_ERR_NOT_SUPPORTED;
    if (work->request.operation == KP_FILE_MOUNT)
        status = kp_vfs_service_source(&work->message->capabilities[0], &source);
    if (status == KP_OK)
        status = work->node->ops->mount(work->node, &work->vfs, first_of(work), source,
                                        work->rights & work->request.rights);
    kp_vfs_source_release(source);
    return status;
}

enum {
    PATH = 1,   /* first is a path, and the node a directory */
    EMPTY = 2,  /* first may be empty: the node itself, whatever it is */
    SECOND = 4, /* second is a path (SYMLINK: first is none, but has its form) */
    DATA = 8,   /* first is data */
};

static const struct {
    kp_status_t (*perform)(work_t *work);
    uint8_t form;
    uint8_t handles; /* at most */
    uint8_t handles_min;
    uint8_t rights; /* needed */
    bool directory;
} operations[KP_FILE_OPERATIONS] = {
    [KP_FILE_OPEN] = {do_open, PATH | EMPTY, 0, 0, 0, false},
    [KP_FILE_CLOSE] = {do_close, 0, 0, 0, 0, false},
    [KP_FILE_READ] = {do_read, 0, 0, 0, KP_FILE_RIGHT_READ, false},
    [KP_FILE_WRITE] = {do_write, DATA, 0, 0, KP_FILE_RIGHT_WRITE, false},
    [KP_FILE_STAT] = {do_stat, PATH | EMPTY, 0, 0, 0, false},
    [KP_FILE_SIZE] = {do_size, 0, 0, 0, KP_FILE_RIGHT_WRITE, false},
    [KP_FILE_TIMES] = {do_times, PATH | EMPTY, 0, 0, KP_FILE_RIGHT_WRITE, false},
    [KP_FILE_LIST] = {do_list, 0, 0, 0, KP_FILE_RIGHT_LIST, true},
    [KP_FILE_MAKE] = {do_make, PATH, 0, 0, KP_FILE_RIGHT_CREATE, true},
    [KP_FILE_REMOVE] = {do_remove, PATH, 0, 0, KP_FILE_RIGHT_REMOVE, true},
    [KP_FILE_RENAME] = {do_two, PATH | SECOND, 0, 0, KP_FILE_RIGHT_REMOVE, true},
    [KP_FILE_LINK] = {do_two, PATH | SECOND, 0, 0, 0, true},
    [KP_FILE_SYMLINK] = {do_symlink, PATH | SECOND, 0, 0, KP_FILE_RIGHT_CREATE, true},
    [KP_FILE_READLINK] = {do_readlink, PATH, 0, 0, 0, true},
    [KP_FILE_SYNC] = {do_sync, 0, 0, 0, 0, false},
    [KP_FILE_CONNECT] = {do_connect, PATH | EMPTY, 1, 1, 0, false},
    [KP_FILE_BUFFER] = {do_buffer, 0, 1, 0, 0, false},
    [KP_FILE_MOUNT] = {do_mount, PATH, 1, 1, KP_FILE_RIGHT_MOUNT, true},
    [KP_FILE_UNMOUNT] = {do_mount, PATH, 0, 0, KP_FILE_RIGHT_MOUNT, true},
};

/* ---- a message ---- */

/* Takes the message apart: ERR_PROTOCOL, ERR_NAME_TOO_LONG, ERR_INVALID_ARGUMENT (a path with a NUL or without a
   byte). */
static kp_status_t decode(work_t *work)
{
    kp_reader_t reader = kp_reader_init(work->message->bytes, work->message->byte_count);
    kp_file_request_t *request = &work->request;
    const uint8_t *head = kp_reader_borrow(&reader, sizeof(*request));
    if (!head)
        return KP_ERR_PROTOCOL;
    memcpy(request, head, sizeof(*request));
    work->first = (const char *)kp_reader_borrow(&reader, request->first_size);
    work->second = (const char *)kp_reader_borrow(&reader, request->second_size);
    if (reader.failed || kp_reader_left(&reader) > 0 || request->operation >= KP_FILE_OPERATIONS ||
        !operations[request->operation].perform)
        return KP_ERR_PROTOCOL;
    uint8_t form = operations[request->operation].form;
    if (work->message->capability_count > operations[request->operation].handles ||
        work->message->capability_count < operations[request->operation].handles_min)
        return KP_ERR_PROTOCOL;
    if (form & DATA)
        return KP_OK;
    if (request->first_size > KP_FILE_PATH_MAX || request->second_size > KP_FILE_PATH_MAX)
        return KP_ERR_NAME_TOO_LONG;
    if ((!(form & PATH) && request->first_size > 0) ||
        (!(form & SECOND) && request->second_size > 0))
        return KP_ERR_PROTOCOL;
    if ((form & PATH && !path_is_valid(first_of(work), form & EMPTY)) ||
        (form & SECOND && !path_is_valid(second_of(work), false)))
        return KP_ERR_INVALID_ARGUMENT;
    return KP_OK;
}

static kp_status_t perform(work_t *work)
{
    const kp_file_request_t *request = &work->request;
    uint32_t operation = request->operation;
    work->node = id_find(work->connection, request->id, &work->rights);
    if (!work->node)
        return KP_ERR_NOT_FOUND;
    bool below = (operations[operation].form & PATH) && request->first_size > 0;
    if ((below || operations[operation].directory) && work->node->type != KP_FILE_TYPE_DIRECTORY)
        return KP_ERR_NOT_DIRECTORY;
    if (operations[operation].rights & ~work->rights)
        return KP_ERR_ACCESS_DENIED;
    return operations[operation].perform(work);
}

/* A channel to where the path goes on, and the rest of it. */
static kp_status_t go_elsewhere(work_t *work)
{
    kp_capability_t ends[2];
    uint32_t rights = work->rights & work->vfs.source_rights;
    kp_message_t *answer;
    kp_status_t status =
        kp_message_create(sizeof(kp_file_reply_t) + work->vfs.rest_size, 1, NULL, &answer);
    if (status != KP_OK)
        return status;
    kp_message_destroy(work->answer);
    work->answer = answer;
    work->data = answer->bytes + sizeof(kp_file_reply_t);
    status = kp_channel_create(ends);
    if (status != KP_OK)
        return status;
    for (int i = 0; i < 2 && status == KP_OK; i++)
        status = kp_object_charge(ends[i].object, work->vfs.quota);
    if (status == KP_OK)
        status = work->vfs.source->ops->attach(work->vfs.source, &ends[1], (kp_vfs_path_t){"", 0},
                                               rights, work->vfs.quota);
    if (status != KP_OK) {
        kp_capability_close(&ends[0]);
        kp_capability_close(&ends[1]);
        return status;
    }
    work->answer->capabilities[0] = ends[0];
    work->reply.count = (uint32_t)work->vfs.rest_size;
    if (work->vfs.rest_size > 0)
        memcpy(work->data, work->vfs.rest, work->vfs.rest_size);
    return KP_ERR_ELSEWHERE;
}

/* Room for the answer, before anything is done: what was done can always be told. */
static kp_status_t answer_make(work_t *work)
{
    uint32_t operation = work->request.operation, room = 0;
    if (operation == KP_FILE_READ && !(work->request.flags & KP_FILE_IN_BUFFER))
        room = KP_MIN(work->request.count, KP_FILE_DATA_MAX);
    else if (operation == KP_FILE_LIST)
        room = KP_MIN(work->request.count, KP_FILE_DATA_MAX);
    else if (operation == KP_FILE_STAT)
        room = sizeof(kp_file_stat_t);
    else if (operation == KP_FILE_READLINK)
        room = KP_FILE_PATH_MAX;
    kp_status_t status = kp_message_create(sizeof(kp_file_reply_t) + room, 0, NULL, &work->answer);
    if (status != KP_OK)
        return status;
    work->data = work->answer->bytes + sizeof(kp_file_reply_t);
    work->room = room;
    return KP_OK;
}

static void answer_send(work_t *work)
{
    kp_message_t *answer = work->answer;
    kp_thread_t *caller = NULL;
    bool carries = work->reply.status == KP_OK || work->reply.status == KP_ERR_ELSEWHERE;
    uint8_t form =
        work->request.operation < KP_FILE_OPERATIONS ? operations[work->request.operation].form : 0;
    bool in_buffer = work->request.flags & KP_FILE_IN_BUFFER;
    if (!carries)
        work->reply.count = 0;
    uint32_t bytes = form & DATA || in_buffer ? 0 : work->reply.count;
    memcpy(answer->bytes, &work->reply, sizeof(work->reply));
    answer->byte_count = (uint32_t)sizeof(work->reply) + bytes; /* it is charged to nobody */
    if (answer->capability_count > 0 && kp_capability_is_empty(&answer->capabilities[0]))
        answer->capability_count = 0;
    if (kp_channel_reply_message(work->connection->channel, work->message->transaction, answer,
                                 &caller) != KP_OK) {
        kp_message_destroy(answer); /* it has gone, or wants no answer */
        return;
    }
    if (caller) {
        kp_machine_thread_unpark(caller);
        kp_object_release(&caller->object);
    }
}

static void message_serve(connection_t *connection, kp_message_t *message)
{
    work_t work = {.connection = connection, .message = message, .vfs = {.quota = message->quota}};
    kp_status_t status = decode(&work);
    if (answer_make(&work) != KP_OK) {
        kp_channel_reply_fail(connection->channel, message->transaction, KP_ERR_NO_MEMORY);
        return;
    }
    if (status == KP_OK)
        status = perform(&work);
    if (status == KP_ERR_ELSEWHERE)
        status = go_elsewhere(&work);
    if (work.node)
        work.node->ops->release(work.node);
    kp_vfs_source_release(work.vfs.source);
    kp_kfree(work.vfs.rest);
    work.reply.status = status;
    answer_send(&work);
}

/* ---- the channel ---- */

static void server_acquire(kp_channel_server_t *server)
{
    atomic_fetch_add(&connection_of(server)->references, 1);
}

static void server_release(kp_channel_server_t *server)
{
    connection_t *connection = connection_of(server);
    if (atomic_fetch_sub(&connection->references, 1) != 1)
        return;
    kp_object_release((kp_object_t *)connection->channel);
    kp_kfree(connection);
}

static void server_serve(kp_channel_server_t *server)
{
    connection_t *connection = connection_of(server);
    kp_message_t *message;
    while (kp_channel_pop(connection->channel, KP_CHANNEL_BYTES_MAX, KP_CHANNEL_HANDLES_MAX, NULL,
                          &message) == KP_OK) {
        message_serve(connection, message);
        kp_message_destroy(message);
    }
}

static void server_closed(kp_channel_server_t *server)
{
    connection_t *connection = connection_of(server);
    kp_spin_lock(&connection->lock);
    connection->closed = true;
    kp_tree_t ids = connection->ids;
    connection->ids.root = NULL;
    kp_vmo_t *buffer = connection->buffer;
    connection->buffer = NULL;
    kp_capability_t end = kp_capability_take(&connection->end);
    kp_spin_unlock(&connection->lock);
    for (kp_tree_node_t *link; (link = kp_tree_first(&ids));) {
        kp_tree_remove(&ids, link);
        open_t *open = KP_CONTAINER_OF(link, open_t, link);
        open_close(open);
        kp_kfree(open);
    }
    open_close(&connection->root);
    kp_vmo_release(buffer);
    kp_capability_close(&end);
}

static const kp_channel_server_ops_t server_ops = {
    .acquire = server_acquire,
    .release = server_release,
    .serve = server_serve,
    .closed = server_closed,
};

kp_status_t kp_vfs_serve(kp_vfs_node_t *node, uint32_t rights, kp_capability_t *end,
                         kp_quota_t *quota)
{
    kp_object_t *object = kp_capability_acquire(end);
    if (!object)
        return KP_ERR_REVOKED;
    kp_status_t status = kp_quota_charge(quota, KP_QUOTA_OBJECTS, 1);
    connection_t *connection = status == KP_OK ? kp_kalloc(sizeof(*connection)) : NULL;
    if (!connection) {
        if (status == KP_OK)
            kp_quota_refund(quota, KP_QUOTA_OBJECTS, 1);
        kp_object_release(object);
        return status == KP_OK ? KP_ERR_NO_MEMORY : status;
    }
    connection->server.ops = &server_ops;
    atomic_init(&connection->references, 1);
    kp_spin_init(&connection->lock);
    connection->channel = channel_of(object);
    kp_tree_init(&connection->ids, object->koid);
    connection->root = (open_t){.node = node, .rights = rights, .quota = kp_quota_acquire(quota)};
    node->ops->acquire(node);
    kp_spin_lock(&connection->lock); /* it may be closed at once */
    status = kp_channel_serve(connection->channel, &connection->server);
    connection->end = status == KP_OK ? kp_capability_take(end) : (kp_capability_t){0};
    kp_spin_unlock(&connection->lock);
    if (status != KP_OK)
        open_close(&connection->root);
    server_release(&connection->server);
    return status;
}
