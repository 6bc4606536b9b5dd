#include "kernel/init/directories.h"

#include "kernel/init/files.h"
#include "kernel/kernel.h"
#include "kernel/vfs/ramfs.h"

enum { LIST_MAX = 16384, PIECE = 16384 };

#define MEMORY_PAGES ((uint64_t)4 << 18) /* 4 GiB: its job's limit comes first */

/* ---- archives of directories ---- */

static kp_status_t contents_copy(kp_vfs_node_t *file, kp_vfs_request_t *request, kp_vmo_t *vmo,
                                 uint64_t at, uint64_t size)
{
    uint8_t *piece = kp_kalloc_dirty(PIECE);
    kp_status_t status = piece ? KP_OK : KP_ERR_NO_MEMORY;
    for (uint64_t done = 0; status == KP_OK && done < size;) {
        uint32_t count = (uint32_t)KP_MIN(size - done, (uint64_t)PIECE), written;
        uint64_t position;
        status = kp_vmo_read(vmo, at + done, piece, count);
        if (status == KP_OK)
            status = file->ops->write(file, request, done, piece, count, &written, &position);
        done += count;
    }
    kp_kfree(piece);
    return status;
}

static kp_status_t item_unpack(kp_vfs_node_t *root, kp_vfs_request_t *request, kp_vmo_t *vmo,
                               const kp_directory_item_t *item, uint64_t at, char *text)
{
    kp_vfs_path_t path = {text, item->path_size};
    kp_vfs_node_t *file;
    if (path.length == 0 || path.length > KP_FILE_PATH_MAX)
        return KP_ERR_BAD_FORMAT;
    kp_status_t status = kp_vmo_read(vmo, at, text, path.length);
    if (status != KP_OK)
        return status;
    if (item->type == KP_FILE_TYPE_DIRECTORY)
        return root->ops->make(root, request, path);
    if (item->type == KP_FILE_TYPE_SYMLINK) {
        kp_vfs_path_t target = {text + path.length, (size_t)item->size};
        if (item->size == 0 || item->size > KP_FILE_PATH_MAX)
            return KP_ERR_BAD_FORMAT;
        status = kp_vmo_read(vmo, at + path.length, text + path.length, target.length);
        return status == KP_OK ? root->ops->symlink(root, request, target, path) : status;
    }
    if (item->type != KP_FILE_TYPE_REGULAR)
        return KP_ERR_BAD_FORMAT;
    status = root->ops->open(root, request, path,
                             KP_FILE_CREATE | KP_FILE_EXCLUSIVE | KP_FILE_FOR_WRITING, &file);
    if (status != KP_OK)
        return status;
    status = contents_copy(file, request, vmo, at + path.length, item->size);
    file->ops->release(file);
    return status;
}

kp_status_t kp_directory_unpack(kp_vfs_source_t *ramfs, kp_vmo_t *vmo, uint64_t size,
                                kp_quota_t *quota)
{
    kp_vfs_request_t request = {.quota = quota};
    char *text = kp_kalloc_dirty((size_t)KP_FILE_PATH_MAX * 2);
    kp_status_t status = text ? KP_OK : KP_ERR_NO_MEMORY;
    for (uint64_t at = 0; status == KP_OK && at < size;) {
        kp_directory_item_t item;
        if (size - at < sizeof(item)) {
            status = KP_ERR_BAD_FORMAT;
            break;
        }
        status = kp_vmo_read(vmo, at, &item, sizeof(item));
        at += sizeof(item);
        if (status == KP_OK &&
            (item.path_size > size - at || item.size > size - at - item.path_size))
            status = KP_ERR_BAD_FORMAT;
        if (status == KP_OK)
            status = item_unpack(kp_ramfs_root(ramfs), &request, vmo, &item, at, text);
        at += item.path_size + item.size;
    }
    kp_kfree(text);
    return status;
}

static kp_status_t archive_source(const char *name, kp_quota_t *quota, kp_vfs_source_t **out)
{
    const kp_ramfs_options_t options = {.pages_max = MEMORY_PAGES, .quota = quota};
    kp_vmo_t *vmo;
    uint64_t size;
    kp_status_t status = kp_ramfs_create(&options, out);
    if (status != KP_OK)
        return status;
    status = kp_files_vmo(name, &vmo, &size);
    if (status == KP_ERR_NOT_FOUND) /* an empty one */
        return KP_OK;
    if (status == KP_OK) {
        status = kp_directory_unpack(*out, vmo, size, quota);
        kp_vmo_release(vmo);
    }
    if (status != KP_OK)
        kp_vfs_source_release(*out);
    return status;
}

/* ---- grants ---- */

static uint32_t number_of(const char *text)
{
    uint32_t number = 0;
    for (; *text >= '0' && *text <= '9' && number < 1u << 24; text++)
        number = number * 10 + (uint32_t)(*text - '0');
    return number;
}

static const char *behind(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static kp_status_t open_from(const char *from, uint32_t rights, kp_quota_t *quota,
                             kp_capability_t *channel)
{
    const kp_ramfs_options_t options = {.pages_max = MEMORY_PAGES, .quota = quota};
    const char *rest;
    kp_vfs_source_t *source = NULL;
    kp_status_t status = KP_ERR_NOT_FOUND;
    if ((rest = behind(from, "root:")))
        return kp_vfs_root_open(rest, rights, quota, channel);
    if (strcmp(from, "memory") == 0)
        status = kp_ramfs_create(&options, &source);
    else if ((rest = behind(from, "archive:")))
        status = archive_source(rest, quota, &source);
    else if ((rest = behind(from, "host:")) && kp_machine_directory)
        status = kp_machine_directory(number_of(rest), &source);
    if (status == KP_OK) {
        status = kp_vfs_open(source, "", rights, quota, channel);
        kp_vfs_source_release(source); /* it lives as long as something of it is open */
    }
    return status;
}

static kp_status_t try_grant(kp_startup_t *startup, const char *name, uint32_t rights,
                             const char *from, kp_quota_t *quota)
{
    char handle_name[KP_FILE_NAME_MAX + 32];
    kp_capability_t channel = {0};
    if (startup->status != KP_OK)
        return startup->status;
    kp_snprintf(handle_name, sizeof(handle_name), "dir:%s=%u", name, rights);
    kp_status_t status = strlen(name) > KP_FILE_NAME_MAX ? KP_ERR_NAME_TOO_LONG
                                                         : open_from(from, rights, quota, &channel);
    if (status == KP_OK)
        kp_startup_grant(startup, handle_name, channel);
    return status;
}

static void grant(kp_startup_t *startup, const char *name, uint32_t rights, const char *from,
                  kp_quota_t *quota)
{
    kp_status_t status = try_grant(startup, name, rights, from, quota);
    if (status != KP_OK)
        startup->status = status;
}

void kp_directories_grant_from(kp_startup_t *startup, const char *name, const char *from,
                               kp_quota_t *quota)
{
    kp_status_t status = try_grant(startup, name, KP_FILE_RIGHTS_CHANGE, from, quota);
    if (status != KP_OK)
        kp_log("boot", KP_LOG_WARN, "directory %s (%s): %s", name, from, kp_status_text(status));
}

void kp_directories_grant_memory(kp_startup_t *startup, const char *name, kp_quota_t *quota)
{
    size_t length = 0;
    while (name[length] && name[length] != '=')
        length++;
    const char *rights = name[length] ? name + length + 1 : NULL;
    char plain[KP_FILE_NAME_MAX + 1];
    if (length > KP_FILE_NAME_MAX) {
        if (startup->status == KP_OK)
            startup->status = KP_ERR_NAME_TOO_LONG;
        return;
    }
    memcpy(plain, name, length);
    plain[length] = 0;
    grant(startup, plain, rights ? number_of(rights) & KP_FILE_RIGHTS_ALL : KP_FILE_RIGHTS_CHANGE,
          "memory", quota);
}

void kp_directories_grant(kp_startup_t *startup, kp_quota_t *quota)
{
    kp_vmo_t *vmo = NULL;
    uint64_t size = 0;
    bool has_temporary = false;
    kp_status_t status = kp_files_vmo("directories/list", &vmo, &size);
    char *list = status == KP_OK && size <= LIST_MAX ? kp_kalloc((size_t)size + 3) : NULL;
    if (status == KP_OK)
        status = size > LIST_MAX ? KP_ERR_TOO_LARGE
                 : list          ? kp_vmo_read(vmo, 0, list, (size_t)size)
                                 : KP_ERR_NO_MEMORY;
    kp_vmo_release(vmo);
    if (status != KP_OK && status != KP_ERR_NOT_FOUND && startup->status == KP_OK)
        startup->status = status;
    /* Three NULs stand behind the list: a last item that is cut off is read as empty texts. */
    for (const char *at = list; status == KP_OK && at < list + size;) {
        const char *rights = at + strlen(at) + 1;
        const char *from = rights < list + size ? rights + strlen(rights) + 1 : "";
        if (rights >= list + size || from >= list + size) {
            startup->status = KP_ERR_BAD_FORMAT;
            break;
        }
        grant(startup, at, number_of(rights) & KP_FILE_RIGHTS_ALL, from, quota);
        has_temporary |= strcmp(at, "/tmp") == 0;
        at = from + strlen(from) + 1;
    }
    kp_kfree(list);
    if (!has_temporary)
        kp_directories_grant_memory(startup, "/tmp", quota);
}
