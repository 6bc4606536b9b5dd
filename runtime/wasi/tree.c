/* Trees, and the operations on their open files. */
#include "runtime/wasi/tree.h"

#include <stdlib.h>

#include "runtime/wasi/tree_internal.h"

kp_status_t kp_wasi_tree_create(const kp_wasi_tree_options_t *options, kp_wasi_tree_t **out)
{
    kp_wasi_tree_t *tree = calloc(1, sizeof(*tree));
    if (!tree)
        return KP_ERR_NO_MEMORY;
    tree->options = *options;
    if (tree->options.bytes_max > INT64_MAX) /* offsets are signed */
        tree->options.bytes_max = INT64_MAX;
    tree->next_inode = 1;
    tree->holders = 1;
    tree->root = kp_wasi_node_create(tree, KP_WASI_FILETYPE_DIRECTORY);
    if (!tree->root) {
        free(tree);
        return KP_ERR_NO_MEMORY;
    }
    tree->root->links = 1;
    *out = tree;
    return KP_OK;
}

void kp_wasi_tree_release(kp_wasi_tree_t *tree)
{
    if (!tree || --tree->holders > 0)
        return;
    /* Nothing is open any more. Over the list: a program may have made directories as deep as its quota goes. */
    while (tree->nodes) {
        tree->nodes->links = 0;
        kp_wasi_node_drop(tree, tree->nodes);
    }
    free(tree);
}

static kp_status_t status_of(kp_wasi_tree_t *tree)
{
    return tree->bytes_used + sizeof(kp_wasi_node_t) > tree->options.bytes_max ? KP_ERR_QUOTA
                                                                               : KP_ERR_NO_MEMORY;
}

kp_status_t kp_wasi_tree_add(kp_wasi_tree_t *tree, const char *path, uint64_t size, uint64_t id)
{
    kp_wasi_node_t *directory = tree->root;
    if (size > INT64_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    for (;;) {
        const char *end = strchr(path, '/');
        size_t length = end ? (size_t)(end - path) : strlen(path);
        if (length == 0 || length > KP_WASI_NAME_MAX ||
            (path[0] == '.' && (length == 1 || (length == 2 && path[1] == '.'))))
            return KP_ERR_INVALID_ARGUMENT;
        const kp_wasi_entry_t *found = kp_wasi_entry_find(directory, path, length);
        if (found && (!end || found->node->type != KP_WASI_FILETYPE_DIRECTORY))
            return KP_ERR_ALREADY_EXISTS;
        kp_wasi_node_t *node = found ? found->node : NULL;
        if (!node) {
            node = kp_wasi_node_create(tree, end ? KP_WASI_FILETYPE_DIRECTORY
                                                 : KP_WASI_FILETYPE_REGULAR_FILE);
            if (!node)
                return status_of(tree);
            if (kp_wasi_entry_add(tree, directory, path, length, node)) {
                kp_wasi_node_drop(tree, node);
                return status_of(tree);
            }
        }
        if (!end) {
            node->size = size;
            node->id = id;
            return KP_OK;
        }
        directory = node;
        path = end + 1;
    }
}

/* ---- open files ---- */

static void file_close(kp_wasi_file_t *file)
{
    kp_wasi_tree_file_t *own = kp_wasi_tree_file(file);
    own->node->opens--;
    kp_wasi_node_drop(own->tree, own->node);
    kp_wasi_tree_release(own->tree);
    free(own);
}

/* Reads from one place, at most to the end of the file. */
static kp_wasi_errno_t node_read(kp_wasi_tree_t *tree, const kp_wasi_node_t *node, uint64_t offset,
                                 uint8_t *to, size_t count)
{
    if (tree->options.read)
        return tree->options.read(node->id, offset, to, count);
    while (count > 0) {
        size_t within = (size_t)(offset % KP_WASI_TREE_BLOCK), part = KP_WASI_TREE_BLOCK - within;
        uint64_t index = offset / KP_WASI_TREE_BLOCK;
        const uint8_t *block = index < node->file.count ? node->file.blocks[index] : NULL;
        if (part > count)
            part = count;
        if (block)
            memcpy(to, block + within, part);
        else
            memset(to, 0, part);
        to += part;
        offset += part;
        count -= part;
    }
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t file_read(kp_wasi_file_t *file, const kp_wasi_span_t *spans,
                                 size_t span_count, uint64_t offset, size_t *count)
{
    kp_wasi_tree_file_t *own = kp_wasi_tree_file(file);
    const kp_wasi_node_t *node = own->node;
    uint64_t at = offset == KP_WASI_OFFSET_NONE ? own->position : offset;
    kp_wasi_errno_t error = KP_WASI_SUCCESS;
    for (size_t i = 0; i < span_count && at < node->size; i++) {
        uint64_t left = node->size - at;
        size_t part = spans[i].count < left ? spans[i].count : (size_t)left;
        error = node_read(own->tree, node, at, spans[i].bytes, part);
        if (error)
            break;
        at += part;
        *count += part;
    }
    if (offset == KP_WASI_OFFSET_NONE)
        own->position = at;
    return *count > 0 ? KP_WASI_SUCCESS : error;
}

/* How many bytes found room. */
static size_t node_write(kp_wasi_tree_t *tree, kp_wasi_node_t *node, uint64_t offset,
                         const uint8_t *from, size_t count)
{
    size_t written = 0;
    while (written < count) {
        uint8_t *block = kp_wasi_node_block(tree, node, offset);
        size_t within = (size_t)(offset % KP_WASI_TREE_BLOCK), part = KP_WASI_TREE_BLOCK - within;
        if (!block)
            break;
        if (part > count - written)
            part = count - written;
        memcpy(block + within, from + written, part);
        written += part;
        offset += part;
        if (offset > node->size)
            node->size = offset;
    }
    return written;
}

static kp_wasi_errno_t file_write(kp_wasi_file_t *file, const kp_wasi_span_t *spans,
                                  size_t span_count, uint64_t offset, size_t *count)
{
    kp_wasi_tree_file_t *own = kp_wasi_tree_file(file);
    kp_wasi_tree_t *tree = own->tree;
    kp_wasi_node_t *node = own->node;
    uint64_t at = offset == KP_WASI_OFFSET_NONE ? own->position : offset;
    kp_wasi_errno_t error = KP_WASI_SUCCESS;
    if (tree->options.read)
        return KP_WASI_ROFS;
    if (own->fdflags & KP_WASI_FDFLAG_APPEND)
        at = node->size;
    for (size_t i = 0; i < span_count && !error; i++) {
        size_t wanted = spans[i].count;
        if (wanted > 0 && (at >= tree->options.bytes_max || wanted > tree->options.bytes_max - at))
            error = KP_WASI_FBIG; /* and as much as fits */
        if (error)
            wanted = at < tree->options.bytes_max ? (size_t)(tree->options.bytes_max - at) : 0;
        size_t written = node_write(tree, node, at, spans[i].bytes, wanted);
        at += written;
        *count += written;
        if (written < wanted)
            error = KP_WASI_NOSPC;
    }
    if (offset == KP_WASI_OFFSET_NONE)
        own->position = at;
    node->modification_ns = node->change_ns = kp_wasi_tree_now(tree);
    return *count > 0 ? KP_WASI_SUCCESS : error;
}

static kp_wasi_errno_t file_seek(kp_wasi_file_t *file, int64_t offset, int whence,
                                 uint64_t *position)
{
    kp_wasi_tree_file_t *own = kp_wasi_tree_file(file);
    uint64_t from = whence == KP_WASI_WHENCE_SET   ? 0
                    : whence == KP_WASI_WHENCE_CUR ? own->position
                                                   : own->node->size;
    int64_t to; /* positions and sizes are below 2^63 */
    if (__builtin_add_overflow((int64_t)from, offset, &to) || to < 0)
        return KP_WASI_INVAL;
    *position = own->position = (uint64_t)to;
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t file_stat(kp_wasi_file_t *file, kp_wasi_filestat_t *stat)
{
    kp_wasi_node_stat(kp_wasi_tree_file(file)->tree, kp_wasi_tree_file(file)->node, stat);
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t file_flags_get(kp_wasi_file_t *file, uint16_t *fdflags)
{
    *fdflags = kp_wasi_tree_file(file)->fdflags;
    return KP_WASI_SUCCESS;
}

/* Nothing here waits, and all of it is as safe as it gets: every flag can be had. */
static kp_wasi_errno_t file_flags_set(kp_wasi_file_t *file, uint16_t fdflags)
{
    kp_wasi_tree_file(file)->fdflags = fdflags;
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t file_size_set(kp_wasi_file_t *file, uint64_t size)
{
    kp_wasi_tree_file_t *own = kp_wasi_tree_file(file);
    return own->tree->options.read ? KP_WASI_ROFS : kp_wasi_node_resize(own->tree, own->node, size);
}

static kp_wasi_errno_t file_times_set(kp_wasi_file_t *file, const kp_wasi_times_t *times)
{
    kp_wasi_tree_file_t *own = kp_wasi_tree_file(file);
    if (own->tree->options.read)
        return KP_WASI_ROFS;
    kp_wasi_node_times(own->tree, own->node, times);
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t file_allocate(kp_wasi_file_t *file, uint64_t offset, uint64_t length)
{
    kp_wasi_tree_file_t *own = kp_wasi_tree_file(file);
    uint64_t end = offset + length; /* below 2^63 */
    if (own->tree->options.read)
        return KP_WASI_ROFS;
    if (end > own->tree->options.bytes_max)
        return KP_WASI_FBIG;
    for (uint64_t at = offset; at < end; at += KP_WASI_TREE_BLOCK - at % KP_WASI_TREE_BLOCK) {
        if (!kp_wasi_node_block(own->tree, own->node, at))
            return KP_WASI_NOSPC;
    }
    return end > own->node->size ? kp_wasi_node_resize(own->tree, own->node, end) : KP_WASI_SUCCESS;
}

static kp_wasi_errno_t file_sync(kp_wasi_file_t *file, bool data_only)
{
    (void)file, (void)data_only;
    return KP_WASI_SUCCESS; /* memory is as far as it goes */
}

static kp_wasi_errno_t file_readdir(kp_wasi_file_t *file, uint64_t cookie,
                                    kp_wasi_direntry_t *entry)
{
    const kp_wasi_node_t *node = kp_wasi_tree_file(file)->node;
    if (node->links == 0) /* it was removed: not even itself is in it */
        return KP_WASI_NOENT;
    entry->type = KP_WASI_FILETYPE_DIRECTORY;
    entry->next = cookie + 1;
    if (cookie < 2) {
        const kp_wasi_node_t *above = node->directory.parent ? node->directory.parent : node;
        entry->inode = cookie == 0 ? node->inode : above->inode;
        entry->name_length = (size_t)cookie + 1;
        memcpy(entry->name, "..", entry->name_length);
        return KP_WASI_SUCCESS;
    }
    /* The first entry behind the cookie, also when what it named is gone: a cookie is its entry's number. */
    uint32_t low = 0, high = node->directory.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (node->directory.entries[middle].cookie > cookie)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == node->directory.count)
        return KP_WASI_NOENT;
    const kp_wasi_entry_t *found = &node->directory.entries[low];
    entry->next = found->cookie;
    entry->inode = found->node->inode;
    entry->type = found->node->type;
    entry->name_length = found->length;
    memcpy(entry->name, found->name, found->length);
    return KP_WASI_SUCCESS;
}

static const kp_wasi_file_ops_t regular_ops = {KP_WASI_REGULAR_OPS(file_)};
static const kp_wasi_file_ops_t directory_ops = {KP_WASI_DIRECTORY_OPS(file_, kp_wasi_tree_path_)};

kp_wasi_file_t *kp_wasi_tree_open(kp_wasi_tree_t *tree, kp_wasi_node_t *node, uint16_t fdflags)
{
    kp_wasi_tree_file_t *own = malloc(sizeof(*own));
    if (!own) {
        kp_wasi_node_drop(tree, node);
        return NULL;
    }
    bool is_directory = node->type == KP_WASI_FILETYPE_DIRECTORY;
    *own = (kp_wasi_tree_file_t){
        .file = {.ops = is_directory ? &directory_ops : &regular_ops, .type = node->type},
        .tree = tree,
        .node = node,
        .fdflags = fdflags,
    };
    node->opens++;
    tree->holders++;
    return &own->file;
}

kp_wasi_file_t *kp_wasi_tree_root(kp_wasi_tree_t *tree)
{
    return kp_wasi_tree_open(tree, tree->root, 0);
}
