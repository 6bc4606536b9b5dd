#include "tools/kpio/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/file.h"
#include "kernel/init/directories.h"
#include "tools/kpio/kpio.h"

enum { DEPTH_MAX = 64 };

bool kp_directory_parse(const char *text, bool read_only, kp_directory_option_t *option)
{
    struct stat info;
    const char *between = strstr(text, "::"), *guest = between ? between + 2 : text;
    size_t host = between ? (size_t)(between - text) : 0, length = strlen(guest);
    *option = (kp_directory_option_t){.read_only = read_only};
    if (length == 0 || length + 2 > sizeof option->guest || host >= sizeof option->host ||
        (between && host == 0)) {
        kp_kpio_say("--dir takes [HOST::]GUEST, not \"%s\"", text);
        return false;
    }
    memcpy(option->host, text, host);
    snprintf(option->guest, sizeof option->guest, "%s%.*s", guest[0] == '/' ? "" : "/", (int)length,
             guest);
    if (host > 0 && stat(option->host, &info) != 0) {
        kp_kpio_say("%s: %s", option->host, strerror(errno));
        return false;
    }
    if (host > 0 && !S_ISDIR(info.st_mode)) {
        kp_kpio_say("%s: not a directory", option->host);
        return false;
    }
    return true;
}

typedef struct pack {
    const char *root; /* for messages */
    uint8_t *bytes;
    size_t size, room, limit;
    char path[KP_FILE_PATH_MAX + 1]; /* of what is being packed, relative */
} pack_t;

static bool pack_fail(const pack_t *pack, const char *why)
{
    kp_kpio_say("--dir %s: %s: %s", pack->root, pack->path, why);
    return false;
}

static uint8_t *pack_room(pack_t *pack, size_t size)
{
    if (size > pack->limit - pack->size) {
        pack_fail(pack, "there is too much in it to be packed");
        return NULL;
    }
    if (pack->size + size > pack->room) {
        size_t room = (pack->size + size) * 2;
        uint8_t *grown = realloc(pack->bytes, room); /* NOLINT: twice the limit at most */
        if (!grown) {
            pack_fail(pack, strerror(ENOMEM));
            return NULL;
        }
        pack->bytes = grown;
        pack->room = room;
    }
    uint8_t *at = pack->bytes + pack->size;
    pack->size += size;
    return at;
}

/* The item's head and path; the contents' place. NULL: said. */
static uint8_t *item_begin(pack_t *pack, uint32_t type, size_t size)
{
    size_t length = strlen(pack->path);
    const kp_directory_item_t item = {.type = type, .path_size = (uint32_t)length, .size = size};
    uint8_t *at = pack_room(pack, sizeof item + length + size);
    if (!at)
        return NULL;
    memcpy(at, &item, sizeof item);
    memcpy(at + sizeof item, pack->path, length);
    return at + sizeof item + length;
}

static bool pack_file(pack_t *pack, int directory, const char *name, size_t size)
{
    uint8_t *to = item_begin(pack, KP_FILE_TYPE_REGULAR, size);
    int file = to ? openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    size_t done = 0;
    ssize_t count = file >= 0 ? 1 : -1;
    while (count > 0 && done < size) {
        count = read(file, to + done, size - done);
        done += count > 0 ? (size_t)count : 0;
    }
    int error = errno;
    if (file >= 0)
        close(file);
    if (to && done < size)
        return pack_fail(pack, count < 0 ? strerror(error) : "it became shorter meanwhile");
    return to != NULL;
}

static bool pack_link(pack_t *pack, int directory, const char *name)
{
    char text[KP_FILE_PATH_MAX + 1];
    ssize_t length = readlinkat(directory, name, text, sizeof text);
    if (length <= 0 || (size_t)length > KP_FILE_PATH_MAX)
        return pack_fail(pack, "the link cannot be read");
    uint8_t *to = item_begin(pack, KP_FILE_TYPE_SYMLINK, (size_t)length);
    if (to)
        memcpy(to, text, (size_t)length);
    return to != NULL;
}

/* Takes the descriptor. */
static bool pack_directory(pack_t *pack, int file, unsigned depth)
{
    DIR *directory = file >= 0 ? fdopendir(file) : NULL;
    size_t above = strlen(pack->path);
    bool good = true;
    if (!directory || depth > DEPTH_MAX) {
        if (directory)
            closedir(directory);
        else if (file >= 0)
            close(file);
        return pack_fail(pack, depth > DEPTH_MAX ? "directories are too deep" : strerror(errno));
    }
    for (const struct dirent *entry; good && (entry = readdir(directory));) {
        struct stat info;
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (above + strlen(name) + 2 > sizeof pack->path) {
            good = pack_fail(pack, "a path is too long");
            break;
        }
        snprintf(pack->path + above, sizeof pack->path - above, "%s%s", above ? "/" : "", name);
        if (fstatat(dirfd(directory), name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            good = pack_fail(pack, strerror(errno));
        else if (S_ISREG(info.st_mode))
            good = pack_file(pack, dirfd(directory), name, (size_t)info.st_size);
        else if (S_ISLNK(info.st_mode))
            good = pack_link(pack, dirfd(directory), name);
        else if (S_ISDIR(info.st_mode))
            good = item_begin(pack, KP_FILE_TYPE_DIRECTORY, 0) &&
                   pack_directory(pack,
                                  openat(dirfd(directory), name,
                                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                                  depth + 1);
        pack->path[above] = '\0';
    }
    closedir(directory);
    return good;
}

bool kp_directory_pack(const char *path, size_t limit, uint8_t **bytes, size_t *size)
{
    pack_t *pack = calloc(1, sizeof *pack);
    bool good = pack != NULL;
    if (good) {
        pack->root = path;
        pack->limit = limit;
        good = pack_directory(pack, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
    } else {
        kp_kpio_say("--dir %s: %s", path, strerror(ENOMEM));
    }
    *bytes = good ? pack->bytes : NULL;
    *size = good ? pack->size : 0;
    if (pack && !good)
        free(pack->bytes);
    free(pack);
    return good;
}
