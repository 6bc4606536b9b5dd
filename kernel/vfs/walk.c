/* Paths. One walk resolves them all. It holds the node where it stands, and the ramfs's lock for one name at a time. */
#include "kernel/vfs/ramfs_private.h"

enum { RESTARTS_MAX = 100 }; /* of walks that meet directories on the move */

/* What is left of the path, and how it was gone so far. */
typedef struct way {
    const char *text;
    size_t size, at;
    unsigned links;
    uint64_t moves;
    kp_ramfs_file_t *here; /* held */
} way_t;

static bool is_dots(const char *name, size_t length)
{
    return name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'));
}

/* The next name: [way->at, way->at + length), behind it and its slashes *next. 0: there is none. */
static size_t name_next(way_t *way, size_t *next)
{
    while (way->at < way->size && way->text[way->at] == '/')
        way->at++;
    size_t end = way->at;
    while (end < way->size && way->text[end] != '/')
        end++;
    *next = end;
    while (*next < way->size && way->text[*next] == '/')
        ++*next;
    return end - way->at;
}

static void step_to(way_t *way, kp_ramfs_file_t *file)
{
    kp_ramfs_file_drop(way->here);
    way->here = file;
}

/* False: a directory was moved since the walk began, and nobody knows what lies above. */
static bool step_up(way_t *way)
{
    kp_ramfs_t *ramfs = way->here->ramfs;
    kp_spin_lock(&ramfs->lock);
    kp_ramfs_file_t *parent = way->moves == ramfs->moves ? way->here->directory.parent : NULL;
    bool moved = way->moves != ramfs->moves;
    if (parent)
        kp_ramfs_file_hold_locked(parent);
    kp_spin_unlock(&ramfs->lock);
    if (parent)
        step_to(way, parent);
    /* No parent: it was removed on the way; what is asked for below it is not there either. */
    return !moved;
}

/* The text of the link goes in front of what is left. */
static kp_status_t into_link(kp_ramfs_walk_t *walk, way_t *way, const kp_ramfs_file_t *link,
                             size_t behind)
{
    size_t left = way->size - behind, length = (size_t)link->size;
    if (++way->links > KP_FILE_LINKS_MAX)
        return KP_ERR_LOOP;
    if (link->target[0] == '/')
        return KP_ERR_OUTSIDE;
    if (length + left > KP_FILE_PATH_MAX)
        return KP_ERR_NAME_TOO_LONG;
    char *buffer = walk->buffer;
    if (!buffer) {
        buffer = walk->buffer = kp_kalloc_dirty(KP_FILE_PATH_MAX);
        if (!buffer)
            return KP_ERR_NO_MEMORY;
        memcpy(buffer + length, way->text + behind, left);
    } else {
        memmove(buffer + length, way->text + behind, left);
    }
    memcpy(buffer, link->target, length);
    way->text = buffer;
    way->size = length + left;
    way->at = 0;
    return KP_OK;
}

/* The path goes on in what is mounted on `file`. */
static kp_status_t cross(kp_vfs_request_t *request, const kp_ramfs_mount_t *mount, const way_t *way,
                         size_t next)
{
    request->source = kp_vfs_source_acquire(mount->source);
    request->source_rights = mount->rights;
    request->rest_size = way->size - next;
    return KP_ERR_ELSEWHERE;
}

/* Looks the name up: *found held, or NULL. */
static kp_status_t look_up(kp_ramfs_walk_t *walk, kp_vfs_request_t *request, const way_t *way,
                           size_t next, bool crosses, kp_ramfs_file_t **found)
{
    kp_ramfs_file_t *here = way->here;
    kp_status_t status = KP_OK;
    walk->hash = kp_ramfs_hash(here->ramfs, walk->name, walk->length);
    kp_spin_lock(&here->ramfs->lock);
    kp_ramfs_entry_t *entry = kp_ramfs_entry_find(here, walk->hash, walk->name, walk->length);
    *found = entry ? entry->file : NULL;
    if (crosses && entry && entry->file->node.type == KP_FILE_TYPE_DIRECTORY &&
        entry->file->directory.mount) {
        status = cross(request, entry->file->directory.mount, way, next);
        *found = NULL;
    } else if (entry) {
        kp_ramfs_file_hold_locked(entry->file);
    }
    kp_spin_unlock(&here->ramfs->lock);
    if (status != KP_ERR_ELSEWHERE || request->rest_size == 0)
        return status;
    request->rest = kp_kalloc_dirty(request->rest_size);
    if (request->rest) {
        memcpy(request->rest, way->text + next, request->rest_size);
        return status;
    }
    kp_vfs_source_release(request->source);
    request->source = NULL;
    request->rest_size = 0;
    return KP_ERR_NO_MEMORY;
}

enum { GO_ON, ARRIVED, BEGIN_AGAIN };

/* One name of the path. */
static kp_status_t step(kp_ramfs_walk_t *walk, kp_vfs_request_t *request, way_t *way, unsigned last,
                        int *what)
{
    size_t next, length = name_next(way, &next);
    *what = ARRIVED;
    if (length == 0)
        return KP_OK;
    const char *name = way->text + way->at;
    bool is_last = next == way->size;
    walk->slash = is_last && way->at + length < next;
    if (is_dots(name, length)) {
        *what = GO_ON;
        if (length == 2 && way->here == walk->start)
            return KP_ERR_OUTSIDE;
        if (length == 2 && !step_up(way))
            *what = BEGIN_AGAIN;
        way->at = next;
        return KP_OK;
    }
    if (length > KP_FILE_NAME_MAX)
        return KP_ERR_NAME_TOO_LONG;
    if (walk->slash && (last & KP_RAMFS_LAST_MADE))
        return KP_ERR_IS_DIRECTORY;
    walk->name = name;
    walk->length = length;
    kp_ramfs_file_t *found;
    kp_status_t status =
        look_up(walk, request, way, next, !is_last || (last & KP_RAMFS_LAST_CROSSED), &found);
    if (status != KP_OK)
        return status;
    if (found && found->node.type == KP_FILE_TYPE_SYMLINK &&
        (!is_last || (last & KP_RAMFS_LAST_FOLLOWED) ||
         ((last & KP_RAMFS_LAST_ENTERED) && walk->slash))) {
        status = into_link(walk, way, found, way->at + length);
        kp_ramfs_file_drop(found);
        *what = GO_ON;
        return status;
    }
    if (is_last) {
        walk->directory = way->here;
        walk->file = found;
        way->here = NULL;
        return KP_OK;
    }
    if (!found)
        return KP_ERR_NOT_FOUND;
    step_to(way, found);
    way->at = next;
    *what = GO_ON;
    return found->node.type == KP_FILE_TYPE_DIRECTORY ? KP_OK : KP_ERR_NOT_DIRECTORY;
}

kp_status_t kp_ramfs_walk(kp_ramfs_walk_t *walk, kp_vfs_request_t *request, kp_ramfs_file_t *start,
                          kp_vfs_path_t path, unsigned last)
{
    way_t way = {.here = NULL};
    kp_status_t status = KP_OK;
    int what = BEGIN_AGAIN;
    *walk = (kp_ramfs_walk_t){.start = start};
    if (path.length > 0 && path.text[0] == '/')
        return KP_ERR_OUTSIDE;
    for (unsigned restarts = 0; status == KP_OK && what != ARRIVED;) {
        if (what == GO_ON) {
            status = step(walk, request, &way, last, &what);
            continue;
        }
        if (restarts++ == RESTARTS_MAX) {
            status = KP_ERR_BUSY;
            break;
        }
        kp_kfree(walk->buffer);
        walk->buffer = NULL;
        kp_ramfs_file_drop(way.here);
        way = (way_t){.text = path.text, .size = path.length, .here = start};
        kp_spin_lock(&start->ramfs->lock);
        kp_ramfs_file_hold_locked(start);
        way.moves = start->ramfs->moves;
        kp_spin_unlock(&start->ramfs->lock);
        what = GO_ON;
    }
    if (status == KP_OK && !walk->directory) { /* it ended in dots, or was empty */
        walk->file = way.here;
        walk->slash = false;
        way.here = NULL;
    }
    kp_ramfs_file_drop(way.here);
    return status;
}

void kp_ramfs_walk_clear(kp_ramfs_walk_t *walk)
{
    kp_ramfs_file_drop(walk->directory);
    kp_ramfs_file_drop(walk->file);
    kp_kfree(walk->buffer);
    walk->directory = walk->file = NULL;
    walk->buffer = NULL;
}

bool kp_ramfs_walk_holds(const kp_ramfs_walk_t *walk)
{
    if (!walk->directory)
        return true;
    const kp_ramfs_entry_t *entry =
        kp_ramfs_entry_find(walk->directory, walk->hash, walk->name, walk->length);
    return (entry ? entry->file : NULL) == walk->file;
}
