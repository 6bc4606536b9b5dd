/* The operations of files in memory. A walk says what a path means; then, under the lock, the operation looks whether it
   still means that, and is done or begins again. */
#include "kernel/vfs/ramfs_private.h"

enum { TRIES_MAX = 100 }; /* of an operation whose names others change meanwhile */

static void acquire(kp_vfs_node_t *node)
{
    kp_ramfs_file_t *file = kp_ramfs_file(node);
    (void)kp_vfs_source_acquire(&file->ramfs->source);
    kp_ramfs_file_hold(file);
}

static void release(kp_vfs_node_t *node)
{
    kp_ramfs_file_t *file = kp_ramfs_file(node);
    kp_ramfs_t *ramfs = file->ramfs;
    kp_ramfs_file_drop(file);
    kp_vfs_source_release(&ramfs->source);
}

static bool is_directory(const kp_ramfs_file_t *file)
{
    return file->node.type == KP_FILE_TYPE_DIRECTORY;
}

/* To the node that the path means: NOT_FOUND, NOT_DIRECTORY ("file/"). */
static kp_status_t walk_to_file(kp_ramfs_walk_t *walk, kp_vfs_request_t *request,
                                kp_vfs_node_t *node, kp_vfs_path_t path, unsigned last)
{
    kp_status_t status = kp_ramfs_walk(walk, request, kp_ramfs_file(node), path, last);
    if (status != KP_OK)
        return status;
    if (!walk->file)
        return KP_ERR_NOT_FOUND;
    return walk->slash && !is_directory(walk->file) ? KP_ERR_NOT_DIRECTORY : KP_OK;
}

static unsigned last_of(bool follow)
{
    return KP_RAMFS_LAST_CROSSED | (follow ? KP_RAMFS_LAST_FOLLOWED : KP_RAMFS_LAST_ENTERED);
}

/* ---- adding a name ---- */

/* Puts a new file under the walk's last name. ERR_BUSY: the name means something else now; try again. */
static kp_status_t add(kp_vfs_request_t *request, const kp_ramfs_walk_t *walk,
                       kp_ramfs_file_t *file)
{
    kp_ramfs_t *ramfs = file->ramfs;
    kp_ramfs_entry_t *entry;
    kp_status_t status =
        kp_ramfs_entry_create(ramfs, walk->name, walk->length, request->quota, &entry);
    if (status != KP_OK)
        return status;
    kp_spin_lock(&ramfs->lock);
    if (walk->directory->links == 0) /* removed, but open */
        status = KP_ERR_NOT_FOUND;
    else if (!kp_ramfs_walk_holds(walk))
        status = KP_ERR_BUSY;
    else
        kp_ramfs_entry_enter(walk->directory, entry, file);
    kp_spin_unlock(&ramfs->lock);
    if (status != KP_OK)
        kp_ramfs_entry_destroy(entry);
    return status;
}

/* A new file of this type under a free name; *out (may be NULL): held. */
static kp_status_t make_at(kp_vfs_request_t *request, const kp_ramfs_walk_t *walk, uint32_t type,
                           kp_vfs_path_t target, kp_ramfs_file_t **out)
{
    kp_ramfs_file_t *file = kp_ramfs_file_create(walk->directory->ramfs, type);
    if (!file)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = KP_OK;
    if (type == KP_FILE_TYPE_SYMLINK) {
        file->target = kp_kalloc_dirty(target.length);
        file->size = target.length;
        status = file->target ? KP_OK : KP_ERR_NO_MEMORY;
        if (file->target)
            memcpy(file->target, target.text, target.length);
    }
    if (status == KP_OK)
        status = add(request, walk, file);
    if (status == KP_OK && out)
        *out = file;
    else
        kp_ramfs_file_drop(file);
    return status;
}

static kp_status_t make_new(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                            uint32_t type, kp_vfs_path_t target)
{
    kp_status_t status = KP_ERR_BUSY;
    for (unsigned tries = 0; status == KP_ERR_BUSY && tries < TRIES_MAX; tries++) {
        kp_ramfs_walk_t walk;
        status = kp_ramfs_walk(&walk, request, kp_ramfs_file(node), path, 0);
        if (status == KP_OK && walk.file)
            status = KP_ERR_ALREADY_EXISTS;
        else if (status == KP_OK && kp_ramfs_file(node)->ramfs->options.read_only)
            status = KP_ERR_READ_ONLY;
        else if (status == KP_OK && walk.slash && type == KP_FILE_TYPE_SYMLINK)
            status = KP_ERR_NOT_FOUND;
        if (status == KP_OK)
            status = make_at(request, &walk, type, target, NULL);
        kp_ramfs_walk_clear(&walk);
    }
    return status;
}

static kp_status_t make(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path)
{
    return make_new(node, request, path, KP_FILE_TYPE_DIRECTORY, (kp_vfs_path_t){NULL, 0});
}

static kp_status_t make_symlink(kp_vfs_node_t *node, kp_vfs_request_t *request,
                                kp_vfs_path_t target, kp_vfs_path_t path)
{
    return make_new(node, request, path, KP_FILE_TYPE_SYMLINK, target);
}

/* ---- opening ---- */

static kp_status_t open_check(const kp_ramfs_walk_t *walk, uint32_t flags)
{
    bool directory = is_directory(walk->file);
    if ((flags & KP_FILE_CREATE) && (flags & KP_FILE_EXCLUSIVE))
        return KP_ERR_ALREADY_EXISTS;
    if (directory && flags & (KP_FILE_CREATE | KP_FILE_TRUNCATE))
        return KP_ERR_IS_DIRECTORY;
    if (!directory && (walk->slash || flags & KP_FILE_DIRECTORY))
        return KP_ERR_NOT_DIRECTORY;
    return walk->file->node.type == KP_FILE_TYPE_SYMLINK ? KP_ERR_LOOP : KP_OK;
}

static kp_status_t open_once(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                             uint32_t flags, kp_ramfs_walk_t *walk)
{
    const uint32_t new = KP_FILE_CREATE | KP_FILE_EXCLUSIVE;
    bool follow = (flags & KP_FILE_FOLLOW) && (flags & new) != new;
    kp_status_t status =
        kp_ramfs_walk(walk, request, kp_ramfs_file(node), path,
                      last_of(follow) | (flags & KP_FILE_CREATE ? KP_RAMFS_LAST_MADE : 0));
    if (status != KP_OK)
        return status;
    if (walk->file)
        status = open_check(walk, flags);
    else if (!(flags & KP_FILE_CREATE))
        status = KP_ERR_NOT_FOUND;
    if (status != KP_OK)
        return status;
    const kp_ramfs_file_t *file = walk->file;
    if (kp_ramfs_file(node)->ramfs->options.read_only) {
        /* Only what devices do with bytes is no change of the file system. */
        bool device = file && file->node.type == KP_FILE_TYPE_DEVICE;
        if (!device && (!file || (flags & (KP_FILE_CREATE | KP_FILE_TRUNCATE)) ||
                        ((flags & KP_FILE_FOR_WRITING) && !is_directory(file))))
            return KP_ERR_READ_ONLY;
        return KP_OK;
    }
    if (!file)
        return make_at(request, walk, KP_FILE_TYPE_REGULAR, (kp_vfs_path_t){NULL, 0}, &walk->file);
    return flags & KP_FILE_TRUNCATE ? kp_ramfs_size(&walk->file->node, request, 0, false) : KP_OK;
}

static kp_status_t open_path(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                             uint32_t flags, kp_vfs_node_t **out)
{
    kp_status_t status = KP_ERR_BUSY;
    if ((flags & KP_FILE_CREATE) && (flags & KP_FILE_DIRECTORY))
        return KP_ERR_INVALID_ARGUMENT;
    for (unsigned tries = 0; status == KP_ERR_BUSY && tries < TRIES_MAX; tries++) {
        kp_ramfs_walk_t walk;
        status = open_once(node, request, path, flags, &walk);
        if (status == KP_OK) {
            acquire(&walk.file->node);
            *out = &walk.file->node;
        }
        kp_ramfs_walk_clear(&walk);
    }
    return status;
}

/* ---- about one file ---- */

static kp_status_t stat_path(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                             bool follow, kp_file_stat_t *stat)
{
    kp_ramfs_walk_t walk = {.file = NULL};
    kp_ramfs_file_t *file = kp_ramfs_file(node);
    kp_status_t status = KP_OK;
    if (path.length > 0) {
        status = walk_to_file(&walk, request, node, path, last_of(follow));
        file = walk.file;
    }
    if (status == KP_OK) {
        kp_spin_lock(&file->ramfs->lock);
        *stat = (kp_file_stat_t){
            .device = file->ramfs->device,
            .inode = file->inode,
            .links = file->links,
            .size = file->size,
            .access_ns = file->access_ns,
            .modification_ns = file->modification_ns,
            .change_ns = file->change_ns,
            .type = file->node.type,
        };
        kp_spin_unlock(&file->ramfs->lock);
    }
    kp_ramfs_walk_clear(&walk);
    return status;
}

static kp_status_t times_set(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                             uint32_t flags, uint64_t access_ns, uint64_t modification_ns)
{
    kp_ramfs_walk_t walk = {.file = NULL};
    kp_ramfs_file_t *file = kp_ramfs_file(node);
    uint64_t now = kp_machine_realtime();
    kp_status_t status = KP_OK;
    if (path.length > 0) {
        status = walk_to_file(&walk, request, node, path, last_of(flags & KP_FILE_FOLLOW));
        file = walk.file;
    }
    if (status == KP_OK && file->ramfs->options.read_only)
        status = KP_ERR_READ_ONLY;
    if (status == KP_OK) {
        kp_spin_lock(&file->ramfs->lock);
        if (flags & (KP_FILE_SET_ACCESS | KP_FILE_NOW_ACCESS))
            file->access_ns = flags & KP_FILE_SET_ACCESS ? access_ns : now;
        if (flags & (KP_FILE_SET_MODIFICATION | KP_FILE_NOW_MODIFICATION))
            file->modification_ns = flags & KP_FILE_SET_MODIFICATION ? modification_ns : now;
        file->change_ns = now;
        kp_spin_unlock(&file->ramfs->lock);
    }
    kp_ramfs_walk_clear(&walk);
    return status;
}

static kp_status_t read_link(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                             uint8_t *to, uint32_t room, uint32_t *used)
{
    kp_ramfs_walk_t walk;
    kp_status_t status = walk_to_file(&walk, request, node, path, KP_RAMFS_LAST_ENTERED);
    if (status == KP_OK && walk.file->node.type != KP_FILE_TYPE_SYMLINK)
        status = KP_ERR_INVALID_ARGUMENT;
    if (status == KP_OK) {
        *used = (uint32_t)KP_MIN(walk.file->size, (uint64_t)room);
        memcpy(to, walk.file->target, *used);
    }
    kp_ramfs_walk_clear(&walk);
    return status;
}

/* What is kept is in memory. */
static kp_status_t sync_file(kp_vfs_node_t *node, bool data_only)
{
    (void)node, (void)data_only;
    return KP_OK;
}

static kp_status_t list(kp_vfs_node_t *node, uint64_t cookie, uint8_t *to, uint32_t room,
                        uint32_t *used)
{
    kp_ramfs_file_t *directory = kp_ramfs_file(node);
    char name[KP_FILE_NAME_MAX];
    *used = 0;
    for (;;) {
        kp_file_entry_t found = {.name_size = 0};
        kp_spin_lock(&directory->ramfs->lock);
        const kp_ramfs_entry_t *entry = kp_ramfs_entry_from(directory, cookie);
        if (entry) {
            found = (kp_file_entry_t){.next = entry->by_cookie.key + 1,
                                      .inode = entry->file->inode,
                                      .type = entry->file->node.type,
                                      .name_size = entry->length};
            memcpy(name, entry->name, entry->length);
        }
        kp_spin_unlock(&directory->ramfs->lock);
        if (!entry)
            return KP_OK;
        if (sizeof(found) + found.name_size > room - *used)
            return *used > 0 ? KP_OK : KP_ERR_BUFFER_TOO_SMALL;
        memcpy(to + *used, &found, sizeof(found));
        memcpy(to + *used + sizeof(found), name, found.name_size);
        *used += (uint32_t)sizeof(found) + found.name_size;
        cookie = found.next;
    }
}

/* ---- taking a name away ---- */

static kp_status_t remove_check(const kp_ramfs_walk_t *walk, bool directory)
{
    if (!directory)
        return is_directory(walk->file) ? KP_ERR_IS_DIRECTORY
               : walk->slash            ? KP_ERR_NOT_DIRECTORY
                                        : KP_OK;
    if (!is_directory(walk->file))
        return KP_ERR_NOT_DIRECTORY;
    if (walk->file->directory.mount)
        return KP_ERR_BUSY;
    return walk->file->directory.count > 0 ? KP_ERR_NOT_EMPTY : KP_OK;
}

/* The walk's file loses the name. False: it does not mean the file any more. */
static kp_status_t remove_name(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                               bool directory)
{
    kp_ramfs_t *ramfs = kp_ramfs_file(node)->ramfs;
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        kp_ramfs_walk_t walk;
        kp_ramfs_entry_t *entry = NULL;
        bool holds = true;
        kp_status_t status = kp_ramfs_walk(&walk, request, kp_ramfs_file(node), path, 0);
        if (status == KP_OK && !walk.directory)
            status = directory ? KP_ERR_INVALID_ARGUMENT : KP_ERR_IS_DIRECTORY;
        else if (status == KP_OK && !walk.file)
            status = KP_ERR_NOT_FOUND;
        else if (status == KP_OK && ramfs->options.read_only)
            status = KP_ERR_READ_ONLY;
        if (status == KP_OK) {
            kp_spin_lock(&ramfs->lock);
            holds = kp_ramfs_walk_holds(&walk);
            status = remove_check(&walk, directory);
            if (holds && status == KP_OK) {
                entry = kp_ramfs_entry_find(walk.directory, walk.hash, walk.name, walk.length);
                kp_ramfs_entry_leave(walk.directory, entry);
            }
            kp_spin_unlock(&ramfs->lock);
        }
        kp_ramfs_entry_destroy(entry);
        kp_ramfs_walk_clear(&walk);
        if (holds)
            return status;
    }
    return KP_ERR_BUSY;
}

/* ---- two paths ---- */

/* Both paths; each may go on elsewhere: then both must, in the same file system. */
static kp_status_t walk_both(kp_vfs_request_t *request, kp_vfs_node_t *node, kp_vfs_path_t path,
                             kp_vfs_node_t *to, kp_vfs_path_t to_path, kp_ramfs_walk_t walks[2])
{
    kp_vfs_request_t second = {.quota = request->quota};
    kp_status_t status = kp_ramfs_walk(&walks[0], request, kp_ramfs_file(node), path, 0);
    walks[1] = (kp_ramfs_walk_t){.file = NULL};
    if (status != KP_OK && status != KP_ERR_ELSEWHERE)
        return status;
    kp_status_t other = kp_ramfs_walk(&walks[1], &second, kp_ramfs_file(to), to_path, 0);
    if (status == KP_OK && other == KP_OK)
        return KP_OK;
    if (status == other && request->source == second.source) {
        size_t size = request->rest_size + 1 + second.rest_size;
        char *both = kp_kalloc(size);
        if (both) {
            memcpy(both, request->rest, request->rest_size);
            memcpy(both + request->rest_size + 1, second.rest, second.rest_size);
            kp_kfree(request->rest);
            request->rest = both;
            request->rest_size = size;
        } else {
            status = KP_ERR_NO_MEMORY;
        }
    } else if (other == KP_OK || other == KP_ERR_ELSEWHERE) {
        status = KP_ERR_CROSS_DEVICE;
    } else {
        status = other;
    }
    kp_vfs_source_release(second.source);
    kp_kfree(second.rest);
    return status;
}

static kp_status_t link_check(const kp_ramfs_walk_t walks[2], bool read_only)
{
    if (!walks[0].file)
        return KP_ERR_NOT_FOUND;
    if (walks[1].file)
        return KP_ERR_ALREADY_EXISTS;
    if (read_only)
        return KP_ERR_READ_ONLY;
    if (walks[1].slash)
        return KP_ERR_NOT_FOUND;
    return KP_OK;
}

static kp_status_t link_name(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                             kp_vfs_node_t *to, kp_vfs_path_t to_path)
{
    kp_ramfs_t *ramfs = kp_ramfs_file(node)->ramfs;
    kp_status_t status = KP_ERR_BUSY;
    if (ramfs != kp_ramfs_file(to)->ramfs)
        return KP_ERR_CROSS_DEVICE;
    if (path.text[path.length - 1] == '/') { /* a directory or nothing */
        kp_ramfs_walk_t walk;
        status = walk_to_file(&walk, request, node, path, KP_RAMFS_LAST_ENTERED);
        kp_ramfs_walk_clear(&walk);
        return status == KP_OK ? KP_ERR_NOT_PERMITTED : status;
    }
    for (unsigned tries = 0; status == KP_ERR_BUSY && tries < TRIES_MAX; tries++) {
        kp_ramfs_walk_t walks[2];
        status = walk_both(request, node, path, to, to_path, walks);
        if (status == KP_OK)
            status = link_check(walks, ramfs->options.read_only);
        if (status == KP_OK && walks[1].directory->links == 0)
            status = KP_ERR_NOT_FOUND;
        if (status == KP_OK && is_directory(walks[0].file))
            status = KP_ERR_NOT_PERMITTED;
        if (status == KP_OK)
            status = add(request, &walks[1], walks[0].file);
        kp_ramfs_walk_clear(&walks[0]);
        kp_ramfs_walk_clear(&walks[1]);
    }
    return status;
}

/* Only renames change what lies above, and they are in turns: so what is true stays true. */
static bool is_at_or_below(kp_ramfs_file_t *directory, const kp_ramfs_file_t *top)
{
    kp_ramfs_t *ramfs = directory->ramfs;
    kp_ramfs_file_hold(directory);
    while (directory && directory != top) {
        kp_spin_lock(&ramfs->lock);
        kp_ramfs_file_t *parent = directory->directory.parent;
        if (parent)
            kp_ramfs_file_hold_locked(parent);
        kp_spin_unlock(&ramfs->lock);
        kp_ramfs_file_drop(directory);
        directory = parent;
    }
    kp_ramfs_file_drop(directory);
    return directory != NULL;
}

static kp_status_t rename_check(const kp_ramfs_t *ramfs, const kp_ramfs_walk_t *from,
                                const kp_ramfs_walk_t *to)
{
    if (!from->directory || !to->directory)
        return KP_ERR_BUSY;
    if (!from->file)
        return KP_ERR_NOT_FOUND;
    if (ramfs->options.read_only)
        return KP_ERR_READ_ONLY;
    if (to->directory->links == 0)
        return KP_ERR_NOT_FOUND;
    if (!is_directory(from->file) && (from->slash || to->slash))
        return KP_ERR_NOT_DIRECTORY;
    if (is_directory(from->file) && is_at_or_below(to->directory, from->file))
        return KP_ERR_INVALID_ARGUMENT; /* into itself */
    if (to->file && is_directory(to->file) && is_at_or_below(from->directory, to->file))
        return KP_ERR_NOT_EMPTY;
    if (!to->file || to->file == from->file)
        return KP_OK;
    if (!is_directory(to->file))
        return is_directory(from->file) ? KP_ERR_NOT_DIRECTORY : KP_OK;
    return is_directory(from->file) ? KP_OK : KP_ERR_IS_DIRECTORY;
}

/* Under the lock. *garbage: an entry that is in no directory any more. False: a name means something else now. */
static bool rename_do(kp_ramfs_t *ramfs, const kp_ramfs_walk_t *from, const kp_ramfs_walk_t *to,
                      kp_ramfs_entry_t *entry, kp_ramfs_entry_t *garbage[2], kp_status_t *status)
{
    if (!kp_ramfs_walk_holds(from) || !kp_ramfs_walk_holds(to))
        return false;
    if (to->directory->links == 0)
        *status = KP_ERR_NOT_FOUND;
    else if (to->file && is_directory(to->file) && to->file->directory.count > 0)
        *status = KP_ERR_NOT_EMPTY;
    else if (to->file && is_directory(to->file) && to->file->directory.mount)
        *status = KP_ERR_BUSY;
    garbage[0] = entry;
    if (*status != KP_OK)
        return true;
    if (to->file) {
        garbage[0] = kp_ramfs_entry_find(to->directory, to->hash, to->name, to->length);
        kp_ramfs_entry_leave(to->directory, garbage[0]);
    }
    garbage[1] = kp_ramfs_entry_find(from->directory, from->hash, from->name, from->length);
    kp_ramfs_entry_leave(from->directory, garbage[1]);
    kp_ramfs_entry_enter(to->directory, entry, from->file);
    if (!to->file)
        garbage[0] = NULL;
    ramfs->moves += is_directory(from->file) && from->directory != to->directory;
    return true;
}

static kp_status_t rename_in_turn(kp_vfs_request_t *request, kp_ramfs_t *ramfs,
                                  const kp_ramfs_walk_t walks[2], bool *again)
{
    kp_ramfs_entry_t *entry, *garbage[2] = {NULL, NULL};
    kp_status_t status = rename_check(ramfs, &walks[0], &walks[1]);
    if (status != KP_OK || walks[0].file == walks[1].file)
        return status;
    status = kp_ramfs_entry_create(ramfs, walks[1].name, walks[1].length, request->quota, &entry);
    if (status != KP_OK)
        return status;
    kp_spin_lock(&ramfs->lock);
    *again = !rename_do(ramfs, &walks[0], &walks[1], entry, garbage, &status);
    kp_spin_unlock(&ramfs->lock);
    if (*again)
        garbage[0] = entry;
    kp_ramfs_entry_destroy(garbage[0]);
    kp_ramfs_entry_destroy(garbage[1]);
    return status;
}

static kp_status_t rename_path(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                               kp_vfs_node_t *to, kp_vfs_path_t to_path)
{
    kp_ramfs_t *ramfs = kp_ramfs_file(node)->ramfs;
    if (ramfs != kp_ramfs_file(to)->ramfs)
        return KP_ERR_CROSS_DEVICE;
    kp_status_t status = kp_turn_take(&ramfs->renames);
    if (status != KP_OK)
        return status;
    bool again = true;
    for (unsigned tries = 0; again && tries < TRIES_MAX; tries++) {
        kp_ramfs_walk_t walks[2];
        again = false;
        status = walk_both(request, node, path, to, to_path, walks);
        if (status == KP_OK)
            status = rename_in_turn(request, ramfs, walks, &again);
        kp_ramfs_walk_clear(&walks[0]);
        kp_ramfs_walk_clear(&walks[1]);
    }
    kp_turn_give(&ramfs->renames);
    return again ? KP_ERR_BUSY : status;
}

/* ---- mounts ---- */

static kp_status_t mount(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                         kp_vfs_source_t *source, uint32_t rights)
{
    kp_ramfs_mount_t *made = NULL, *old = NULL;
    kp_ramfs_walk_t walk;
    if (source) {
        made = kp_kalloc(sizeof(*made));
        if (!made)
            return KP_ERR_NO_MEMORY;
        *made = (kp_ramfs_mount_t){kp_vfs_source_acquire(source), rights};
    }
    kp_status_t status = walk_to_file(&walk, request, node, path, KP_RAMFS_LAST_ENTERED);
    if (status == KP_OK && !is_directory(walk.file))
        status = KP_ERR_NOT_DIRECTORY;
    if (status == KP_OK) {
        kp_ramfs_t *ramfs = walk.file->ramfs;
        kp_spin_lock(&ramfs->lock);
        old = walk.file->directory.mount;
        if (made && walk.file->links == 0)
            status = KP_ERR_NOT_FOUND;
        else if (!made == !old)
            status = made ? KP_ERR_BUSY : KP_ERR_NOT_FOUND;
        else
            walk.file->directory.mount = made;
        kp_spin_unlock(&ramfs->lock);
    }
    if (status != KP_OK)
        old = made;
    if (old) {
        kp_vfs_source_release(old->source);
        kp_kfree(old);
    }
    kp_ramfs_walk_clear(&walk);
    return status;
}

const kp_vfs_ops_t kp_ramfs_ops = {
    .acquire = acquire,
    .release = release,
    .open = open_path,
    .read = kp_ramfs_read,
    .write = kp_ramfs_write,
    .stat = stat_path,
    .times = times_set,
    .size = kp_ramfs_size,
    .list = list,
    .make = make,
    .remove = remove_name,
    .rename = rename_path,
    .link = link_name,
    .symlink = make_symlink,
    .readlink = read_link,
    .sync = sync_file,
    .mount = mount,
};
