/* The tree's nodes: contents in blocks, entries of directories, one account for all of it. */
#include <stdlib.h>

#include "runtime/wasi/tree_internal.h"

void *kp_wasi_tree_alloc(kp_wasi_tree_t *tree, void *old, uint64_t old_size, uint64_t size)
{
    if (size - old_size > tree->options.bytes_max - tree->bytes_used || size > SIZE_MAX)
        return NULL;
    uint8_t *bytes = realloc(old, (size_t)size);
    if (!bytes)
        return NULL;
    memset(bytes + old_size, 0, (size_t)(size - old_size));
    tree->bytes_used += size - old_size;
    return bytes;
}

void kp_wasi_tree_free(kp_wasi_tree_t *tree, void *bytes, uint64_t size)
{
    if (!bytes)
        return;
    free(bytes);
    tree->bytes_used -= size;
}

uint64_t kp_wasi_tree_now(const kp_wasi_tree_t *tree)
{
    uint64_t ns;
    /* A clock that fails makes files old; nothing else. */
    return tree->options.host->clock_time(tree->options.host->context, 0, &ns) ? 0 : ns;
}

kp_wasi_node_t *kp_wasi_node_create(kp_wasi_tree_t *tree, kp_wasi_filetype_t type)
{
    kp_wasi_node_t *node = kp_wasi_tree_alloc(tree, NULL, 0, sizeof(*node));
    if (!node)
        return NULL;
    node->type = type;
    node->inode = tree->next_inode++;
    node->access_ns = node->modification_ns = node->change_ns = kp_wasi_tree_now(tree);
    node->next = tree->nodes;
    if (tree->nodes)
        tree->nodes->previous = node;
    tree->nodes = node;
    return node;
}

/* ---- contents ---- */

static uint64_t blocks_of(uint64_t size)
{
    return (size + KP_WASI_TREE_BLOCK - 1) / KP_WASI_TREE_BLOCK;
}

static void blocks_free(kp_wasi_tree_t *tree, kp_wasi_node_t *node, uint64_t keep)
{
    for (uint64_t i = keep; i < node->file.count; i++) {
        kp_wasi_tree_free(tree, node->file.blocks[i], KP_WASI_TREE_BLOCK);
        node->file.blocks[i] = NULL;
    }
}

uint8_t *kp_wasi_node_block(kp_wasi_tree_t *tree, kp_wasi_node_t *node, uint64_t offset)
{
    uint64_t index = offset / KP_WASI_TREE_BLOCK, count = node->file.count;
    if (index >= count) {
        uint64_t grown = index + 1 > count * 2 ? index + 1 : count * 2;
        uint8_t **blocks = kp_wasi_tree_alloc(tree, node->file.blocks, count * sizeof(*blocks),
                                              grown * sizeof(*blocks));
        if (!blocks)
            return NULL;
        node->file.blocks = blocks;
        node->file.count = grown;
    }
    if (!node->file.blocks[index])
        node->file.blocks[index] = kp_wasi_tree_alloc(tree, NULL, 0, KP_WASI_TREE_BLOCK);
    return node->file.blocks[index];
}

kp_wasi_errno_t kp_wasi_node_resize(kp_wasi_tree_t *tree, kp_wasi_node_t *node, uint64_t size)
{
    if (size > tree->options.bytes_max)
        return KP_WASI_FBIG;
    if (size < node->size) {
        uint64_t keep = blocks_of(size), rest = size % KP_WASI_TREE_BLOCK;
        blocks_free(tree, node, keep);
        /* What comes behind must be zero when the file grows again. */
        if (rest > 0 && keep <= node->file.count && node->file.blocks[keep - 1])
            memset(node->file.blocks[keep - 1] + rest, 0, (size_t)(KP_WASI_TREE_BLOCK - rest));
    }
    node->size = size;
    node->modification_ns = node->change_ns = kp_wasi_tree_now(tree);
    return KP_WASI_SUCCESS;
}

void kp_wasi_node_stat(const kp_wasi_tree_t *tree, const kp_wasi_node_t *node,
                       kp_wasi_filestat_t *stat)
{
    *stat = (kp_wasi_filestat_t){
        .device = tree->options.device,
        .inode = node->inode,
        .links = node->links,
        .size = node->size,
        .access_ns = node->access_ns,
        .modification_ns = node->modification_ns,
        .change_ns = node->change_ns,
        .type = node->type,
    };
}

void kp_wasi_node_times(const kp_wasi_tree_t *tree, kp_wasi_node_t *node,
                        const kp_wasi_times_t *times)
{
    uint64_t now = kp_wasi_tree_now(tree);
    if (times->flags & (KP_WASI_FST_ATIM | KP_WASI_FST_ATIM_NOW))
        node->access_ns = times->flags & KP_WASI_FST_ATIM ? times->access_ns : now;
    if (times->flags & (KP_WASI_FST_MTIM | KP_WASI_FST_MTIM_NOW))
        node->modification_ns = times->flags & KP_WASI_FST_MTIM ? times->modification_ns : now;
    node->change_ns = now;
}

/* ---- entries ---- */

kp_wasi_entry_t *kp_wasi_entry_find(kp_wasi_node_t *directory, const char *name, size_t length)
{
    for (uint32_t i = 0; i < directory->directory.count; i++) {
        kp_wasi_entry_t *entry = &directory->directory.entries[i];
        if (entry->length == length && memcmp(entry->name, name, length) == 0)
            return entry;
    }
    return NULL;
}

static void entry_enter(kp_wasi_node_t *directory, kp_wasi_node_t *node)
{
    node->links++;
    if (node->type == KP_WASI_FILETYPE_DIRECTORY)
        node->directory.parent = directory;
}

kp_wasi_errno_t kp_wasi_entry_add(kp_wasi_tree_t *tree, kp_wasi_node_t *directory, const char *name,
                                  size_t length, kp_wasi_node_t *node)
{
    uint32_t count = directory->directory.count, capacity = directory->directory.capacity;
    if (count == capacity) {
        uint32_t grown = capacity ? capacity * 2 : 4;
        kp_wasi_entry_t *entries = kp_wasi_tree_alloc(tree, directory->directory.entries,
                                                      (uint64_t)capacity * sizeof(*entries),
                                                      (uint64_t)grown * sizeof(*entries));
        if (!entries)
            return KP_WASI_NOSPC;
        directory->directory.entries = entries;
        directory->directory.capacity = grown;
    }
    char *copy = kp_wasi_tree_alloc(tree, NULL, 0, length);
    if (!copy)
        return KP_WASI_NOSPC;
    memcpy(copy, name, length);
    /* Cookies 0 to 2 are the start, "." and "..". */
    directory->directory.entries[count] = (kp_wasi_entry_t){
        .cookie = 3 + directory->directory.next_cookie++,
        .node = node,
        .name = copy,
        .length = (uint8_t)length,
    };
    directory->directory.count = count + 1;
    directory->modification_ns = directory->change_ns = kp_wasi_tree_now(tree);
    entry_enter(directory, node);
    return KP_WASI_SUCCESS;
}

/* The directory does not name the node any more. */
static void entry_leave(kp_wasi_tree_t *tree, kp_wasi_node_t *directory, kp_wasi_node_t *node)
{
    directory->modification_ns = directory->change_ns = kp_wasi_tree_now(tree);
    node->links--;
    node->change_ns = directory->change_ns;
    if (node->type == KP_WASI_FILETYPE_DIRECTORY && node->links == 0)
        node->directory.parent = NULL;
    kp_wasi_node_drop(tree, node);
}

void kp_wasi_entry_replace(kp_wasi_tree_t *tree, kp_wasi_node_t *directory, kp_wasi_entry_t *entry,
                           kp_wasi_node_t *node)
{
    kp_wasi_node_t *old = entry->node;
    entry->node = node;
    entry_enter(directory, node);
    entry_leave(tree, directory, old);
}

void kp_wasi_entry_remove(kp_wasi_tree_t *tree, kp_wasi_node_t *directory, kp_wasi_entry_t *entry)
{
    kp_wasi_node_t *node = entry->node;
    kp_wasi_entry_t *end = directory->directory.entries + directory->directory.count;
    kp_wasi_tree_free(tree, entry->name, entry->length);
    memmove(entry, entry + 1, (size_t)((uint8_t *)end - (uint8_t *)(entry + 1)));
    directory->directory.count--;
    entry_leave(tree, directory, node);
}

void kp_wasi_node_drop(kp_wasi_tree_t *tree, kp_wasi_node_t *node)
{
    if (node->links > 0 || node->opens > 0)
        return;
    if (node->type == KP_WASI_FILETYPE_DIRECTORY) {
        for (uint32_t i = 0; i < node->directory.count; i++)
            kp_wasi_tree_free(tree, node->directory.entries[i].name,
                              node->directory.entries[i].length);
        kp_wasi_tree_free(tree, node->directory.entries,
                          (uint64_t)node->directory.capacity * sizeof(kp_wasi_entry_t));
    } else if (node->type == KP_WASI_FILETYPE_SYMBOLIC_LINK) {
        kp_wasi_tree_free(tree, node->target, node->size);
    } else if (!tree->options.read) {
        blocks_free(tree, node, 0);
        kp_wasi_tree_free(tree, node->file.blocks, node->file.count * sizeof(uint8_t *));
    }
    if (node->previous)
        node->previous->next = node->next;
    else
        tree->nodes = node->next;
    if (node->next)
        node->next->previous = node->previous;
    kp_wasi_tree_free(tree, node, sizeof(*node));
}
