/* Nodes and entries: names, counts, who pays. */
#include "kernel/vfs/ramfs_private.h"

/* ---- names ---- */

static uint64_t rotate(uint64_t value, unsigned by)
{
    return value << by | value >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
    v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

/* SipHash-1-3: who does not know the secret cannot choose names that meet. */
uint64_t kp_ramfs_hash(const kp_ramfs_t *ramfs, const char *name, size_t length)
{
    uint64_t v[4] = {0x736f6d6570736575u ^ ramfs->secret[0], 0x646f72616e646f6du ^ ramfs->secret[1],
                     0x6c7967656e657261u ^ ramfs->secret[0],
                     0x7465646279746573u ^ ramfs->secret[1]};
    for (size_t at = 0; at <= length; at += 8) {
        uint64_t word = 0;
        size_t part = KP_MIN(length - at, (size_t)8);
        memcpy(&word, name + at, part);
        if (part < 8)
            word |= (uint64_t)length << 56;
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static kp_tree_node_t *next_by_key(kp_tree_node_t *node)
{
    if (node->child[1]) {
        node = node->child[1];
        while (node->child[0])
            node = node->child[0];
        return node;
    }
    while (node->parent && node->parent->child[1] == node)
        node = node->parent;
    return node->parent;
}

/* The first whose key is not less. */
static kp_tree_node_t *first_from(const kp_tree_t *tree, uint64_t key)
{
    kp_tree_node_t *found = NULL;
    for (kp_tree_node_t *node = tree->root; node;) {
        if (node->key >= key)
            found = node;
        node = node->child[node->key < key];
    }
    return found;
}

kp_ramfs_entry_t *kp_ramfs_entry_find(kp_ramfs_file_t *directory, uint64_t hash, const char *name,
                                      size_t length)
{
    kp_tree_node_t *node = first_from(&directory->directory.names, hash);
    for (; node && node->key == hash; node = next_by_key(node)) {
        kp_ramfs_entry_t *entry = KP_CONTAINER_OF(node, kp_ramfs_entry_t, by_name);
        if (entry->length == length && memcmp(entry->name, name, length) == 0)
            return entry;
    }
    return NULL;
}

kp_ramfs_entry_t *kp_ramfs_entry_from(kp_ramfs_file_t *directory, uint64_t cookie)
{
    kp_tree_node_t *node = first_from(&directory->directory.cookies, cookie);
    return node ? KP_CONTAINER_OF(node, kp_ramfs_entry_t, by_cookie) : NULL;
}

kp_status_t kp_ramfs_entry_create(kp_ramfs_t *ramfs, const char *name, size_t length,
                                  kp_quota_t *quota, kp_ramfs_entry_t **out)
{
    kp_status_t status = kp_quota_charge(quota, KP_QUOTA_OBJECTS, 1);
    if (status != KP_OK)
        return status;
    kp_ramfs_entry_t *entry = kp_kalloc(sizeof(*entry) + length);
    if (!entry) {
        kp_quota_refund(quota, KP_QUOTA_OBJECTS, 1);
        return KP_ERR_NO_MEMORY;
    }
    entry->quota = kp_quota_acquire(quota);
    entry->by_name.key = kp_ramfs_hash(ramfs, name, length);
    entry->length = (uint8_t)length;
    memcpy(entry->name, name, length);
    *out = entry;
    return KP_OK;
}

void kp_ramfs_entry_destroy(kp_ramfs_entry_t *entry)
{
    if (!entry)
        return;
    kp_quota_refund(entry->quota, KP_QUOTA_OBJECTS, 1);
    kp_quota_release(entry->quota);
    kp_kfree(entry);
}

void kp_ramfs_entry_enter(kp_ramfs_file_t *directory, kp_ramfs_entry_t *entry,
                          kp_ramfs_file_t *file)
{
    entry->file = file;
    entry->by_cookie.key = ++directory->directory.next_cookie;
    kp_tree_insert(&directory->directory.names, &entry->by_name);
    kp_tree_insert(&directory->directory.cookies, &entry->by_cookie);
    directory->directory.count++;
    file->links++;
    if (file->node.type == KP_FILE_TYPE_DIRECTORY)
        file->directory.parent = directory;
    directory->modification_ns = directory->change_ns = file->change_ns = kp_machine_realtime();
}

void kp_ramfs_entry_leave(kp_ramfs_file_t *directory, kp_ramfs_entry_t *entry)
{
    kp_ramfs_file_t *file = entry->file;
    kp_tree_remove(&directory->directory.names, &entry->by_name);
    kp_tree_remove(&directory->directory.cookies, &entry->by_cookie);
    directory->directory.count--;
    file->links--;
    if (file->node.type == KP_FILE_TYPE_DIRECTORY && file->links == 0)
        file->directory.parent = NULL;
    directory->modification_ns = directory->change_ns = file->change_ns = kp_machine_realtime();
}

/* ---- nodes ---- */

kp_ramfs_file_t *kp_ramfs_file_create(kp_ramfs_t *ramfs, uint32_t type)
{
    kp_ramfs_file_t *file = kp_kalloc(sizeof(*file));
    if (!file)
        return NULL;
    file->node = (kp_vfs_node_t){.ops = &kp_ramfs_ops, .type = type};
    file->ramfs = ramfs;
    file->references = 1;
    file->access_ns = file->modification_ns = file->change_ns = kp_machine_realtime();
    if (type == KP_FILE_TYPE_DIRECTORY) {
        kp_tree_init(&file->directory.names, ramfs->secret[0]);
        kp_tree_init(&file->directory.cookies, ramfs->secret[1]);
    } else if (type == KP_FILE_TYPE_REGULAR) {
        kp_turn_init(&file->file.turn);
    }
    kp_spin_lock(&ramfs->lock);
    file->inode = ramfs->next_inode++;
    kp_spin_unlock(&ramfs->lock);
    return file;
}

static void file_free(kp_ramfs_file_t *file)
{
    if (file->node.type == KP_FILE_TYPE_REGULAR && !file->special)
        kp_ramfs_content_free(file);
    else if (file->node.type == KP_FILE_TYPE_SYMLINK)
        kp_kfree(file->target);
    else if (file->node.type == KP_FILE_TYPE_DIRECTORY && file->directory.mount) {
        kp_vfs_source_release(file->directory.mount->source);
        kp_kfree(file->directory.mount);
    }
    kp_kfree(file);
}

void kp_ramfs_file_hold_locked(kp_ramfs_file_t *file)
{
    file->references++;
}

void kp_ramfs_file_hold(kp_ramfs_file_t *file)
{
    kp_spin_lock(&file->ramfs->lock);
    file->references++;
    kp_spin_unlock(&file->ramfs->lock);
}

void kp_ramfs_file_drop(kp_ramfs_file_t *file)
{
    if (!file)
        return;
    kp_ramfs_t *ramfs = file->ramfs;
    kp_spin_lock(&ramfs->lock);
    bool is_dead = --file->references == 0 && file->links == 0;
    kp_spin_unlock(&ramfs->lock);
    if (is_dead)
        file_free(file);
}

/* ---- the whole ---- */

/* Nobody has anything of it open. A list instead of recursion: trees may be deep. */
static void ramfs_destroy(kp_vfs_source_t *source)
{
    kp_ramfs_t *ramfs = KP_CONTAINER_OF(source, kp_ramfs_t, source);
    kp_list_t garbage;
    kp_list_init(&garbage);
    kp_list_append(&garbage, &ramfs->root->garbage);
    while (!kp_list_is_empty(&garbage)) {
        kp_ramfs_file_t *file = KP_CONTAINER_OF(garbage.next, kp_ramfs_file_t, garbage);
        kp_list_remove(&file->garbage);
        KP_CHECK(file->references == 0);
        while (file->node.type == KP_FILE_TYPE_DIRECTORY && file->directory.count > 0) {
            kp_ramfs_entry_t *entry = kp_ramfs_entry_from(file, 0);
            kp_ramfs_file_t *child = entry->file;
            kp_ramfs_entry_leave(file, entry);
            if (child->links == 0)
                kp_list_append(&garbage, &child->garbage);
            kp_ramfs_entry_destroy(entry);
        }
        file_free(file);
    }
    kp_quota_refund(ramfs->options.quota, KP_QUOTA_OBJECTS, 1);
    kp_quota_release(ramfs->options.quota);
    kp_kfree(ramfs);
}

static kp_status_t ramfs_attach(kp_vfs_source_t *source, kp_capability_t *end, kp_vfs_path_t path,
                                uint32_t rights, kp_quota_t *quota)
{
    return kp_vfs_attach_at(kp_ramfs_root(source), end, path, rights, quota);
}

static const kp_vfs_source_ops_t source_ops = {.destroy = ramfs_destroy, .attach = ramfs_attach};

kp_status_t kp_ramfs_create(const kp_ramfs_options_t *options, kp_vfs_source_t **out)
{
    static _Atomic uint64_t devices;
    kp_status_t status = kp_quota_charge(options->quota, KP_QUOTA_OBJECTS, 1);
    if (status != KP_OK)
        return status;
    kp_ramfs_t *ramfs = kp_kalloc(sizeof(*ramfs));
    status = ramfs ? kp_machine_random(ramfs->secret, sizeof(ramfs->secret)) : KP_ERR_NO_MEMORY;
    if (status == KP_OK) {
        kp_vfs_source_init(&ramfs->source, &source_ops);
        kp_spin_init(&ramfs->lock);
        kp_turn_init(&ramfs->renames);
        ramfs->options = *options;
        ramfs->device = 1 + atomic_fetch_add(&devices, 1);
        ramfs->next_inode = 1;
        ramfs->root = kp_ramfs_file_create(ramfs, KP_FILE_TYPE_DIRECTORY);
        status = ramfs->root ? KP_OK : KP_ERR_NO_MEMORY;
    }
    if (status != KP_OK) {
        kp_kfree(ramfs);
        kp_quota_refund(options->quota, KP_QUOTA_OBJECTS, 1);
        return status;
    }
    kp_quota_acquire(options->quota);
    ramfs->root->references = 0;
    ramfs->root->links = 1;
    *out = &ramfs->source;
    return KP_OK;
}

kp_vfs_node_t *kp_ramfs_root(kp_vfs_source_t *source)
{
    return &KP_CONTAINER_OF(source, kp_ramfs_t, source)->root->node;
}

kp_status_t kp_ramfs_add(kp_vfs_source_t *source, const char *path,
                         const kp_ramfs_special_t *special, const void *context, uint64_t size)
{
    kp_ramfs_t *ramfs = KP_CONTAINER_OF(source, kp_ramfs_t, source);
    kp_ramfs_file_t *directory = ramfs->root;
    for (const char *name = path;;) {
        size_t length = 0;
        while (name[length] && name[length] != '/')
            length++;
        if (length == 0 || length > KP_FILE_NAME_MAX ||
            directory->node.type != KP_FILE_TYPE_DIRECTORY)
            return KP_ERR_INVALID_ARGUMENT;
        bool is_last = !name[length];
        kp_ramfs_entry_t *entry =
            kp_ramfs_entry_find(directory, kp_ramfs_hash(ramfs, name, length), name, length);
        if (entry && is_last)
            return KP_ERR_ALREADY_EXISTS;
        if (!entry) {
            kp_ramfs_file_t *file =
                kp_ramfs_file_create(ramfs, is_last ? special->type : KP_FILE_TYPE_DIRECTORY);
            kp_status_t status =
                file ? kp_ramfs_entry_create(ramfs, name, length, ramfs->options.quota, &entry)
                     : KP_ERR_NO_MEMORY;
            if (status != KP_OK) {
                kp_ramfs_file_drop(file);
                return status;
            }
            if (is_last) {
                file->special = special;
                file->context = context;
                file->size = size;
            }
            kp_ramfs_entry_enter(directory, entry, file);
            kp_ramfs_file_drop(file);
        }
        if (is_last)
            return KP_OK;
        directory = entry->file;
        name += length + 1;
    }
}
