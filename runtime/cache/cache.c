#include "runtime/cache/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BYTES_MAX_DEFAULT (UINT64_C(256) << 20)
struct kp_code_cache {
    int folder;
    uint64_t bytes_max;
    uint8_t secret[KP_CODE_SECRET_SIZE];
    kp_code_cache_counts_t counts;
};

/* ---- opening ---- */

/* Only its owner may be able to write there or read it. */
static bool is_private(int file, bool also_reading)
{
    struct stat stat;
    return fstat(file, &stat) == 0 && stat.st_uid == geteuid() &&
           (stat.st_mode & (also_reading ? 077 : 022)) == 0;
}

static bool read_whole(int file, void *to, size_t size, off_t offset)
{
    for (char *at = to; size > 0;) {
        ssize_t count = pread(file, at, size, offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        at += count;
        offset += count;
        size -= (size_t)count;
    }
    return true;
}

static bool write_whole(int file, const void *from, size_t size)
{
    for (const char *at = from; size > 0;) {
        ssize_t count = write(file, at, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        at += count;
        size -= (size_t)count;
    }
    return true;
}

static bool random_bytes(void *to, size_t size)
{
    return getrandom(to, size, 0) == (ssize_t)size;
}

/* Reads the secret; makes it first when there is none. Who makes it at the same time: the first link wins. */
static kp_status_t secret_read(kp_code_cache_t *cache)
{
    for (int tries = 0; tries < 3; tries++) {
        int file = openat(cache->folder, "secret", O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (file >= 0) {
            bool good =
                is_private(file, true) && read_whole(file, cache->secret, KP_CODE_SECRET_SIZE, 0);
            close(file);
            return good ? KP_OK : KP_ERR_ACCESS_DENIED;
        }
        if (errno != ENOENT)
            return KP_ERR_ACCESS_DENIED;
        char name[40];
        uint8_t secret[KP_CODE_SECRET_SIZE];
        snprintf(name, sizeof(name), "secret.%ld", (long)getpid());
        file = openat(cache->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file < 0)
            return errno == EACCES ? KP_ERR_ACCESS_DENIED : KP_ERR_IO;
        bool written =
            random_bytes(secret, sizeof(secret)) && write_whole(file, secret, KP_CODE_SECRET_SIZE);
        close(file);
        if (written)
            (void)linkat(cache->folder, name, cache->folder, "secret", 0);
        (void)unlinkat(cache->folder, name, 0);
        if (!written)
            return KP_ERR_IO;
    }
    return KP_ERR_IO;
}

kp_status_t kp_code_cache_open(const char *path, uint64_t bytes_max, kp_code_cache_t **out)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return errno == ENOENT   ? KP_ERR_NOT_FOUND
               : errno == EACCES ? KP_ERR_ACCESS_DENIED
                                 : KP_ERR_IO;
    kp_code_cache_t *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return KP_ERR_NO_MEMORY;
    cache->bytes_max = bytes_max ? bytes_max : BYTES_MAX_DEFAULT;
    cache->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    kp_status_t status = KP_OK;
    if (cache->folder < 0 || !is_private(cache->folder, false))
        status = KP_ERR_ACCESS_DENIED;
    if (status == KP_OK)
        status = secret_read(cache);
    if (status != KP_OK) {
        kp_code_cache_close(cache);
        return status;
    }
    *out = cache;
    return KP_OK;
}

void kp_code_cache_close(kp_code_cache_t *cache)
{
    if (!cache)
        return;
    if (cache->folder >= 0)
        close(cache->folder);
    explicit_bzero(cache->secret, sizeof(cache->secret));
    free(cache);
}

kp_status_t kp_code_cache_share(const kp_code_cache_t *cache, kp_code_cache_t **out)
{
    kp_code_cache_t *shared = calloc(1, sizeof(*shared));
    if (!shared)
        return KP_ERR_NO_MEMORY;
    *shared = *cache;
    shared->counts = (kp_code_cache_counts_t){0};
    shared->folder = fcntl(cache->folder, F_DUPFD_CLOEXEC, 0);
    if (shared->folder < 0) {
        kp_code_cache_close(shared);
        return KP_ERR_NO_MEMORY;
    }
    *out = shared;
    return KP_OK;
}

kp_code_cache_counts_t kp_code_cache_counts(const kp_code_cache_t *cache)
{
    return cache->counts;
}

/* ---- finding ---- */

void kp_code_entry_release(kp_code_entry_t *entry)
{
    if (entry->mapping)
        munmap(entry->mapping, entry->mapping_size);
    memset(entry, 0, sizeof(*entry));
}

/* Maps the file and checks all of it; false: it is not what it should be (or memory is out: *status). */
static bool entry_open(const kp_code_cache_t *cache, int file, const uint8_t *identity,
                       kp_code_entry_t *entry, kp_status_t *status)
{
    struct stat stat;
    kp_code_header_t header;
    kp_poly1305_t sum;
    uint8_t page[KP_CODE_ENTRY_AT];
    if (fstat(file, &stat) != 0 || !S_ISREG(stat.st_mode) ||
        !read_whole(file, page, sizeof(page), 0) ||
        !kp_code_header_read(page, sizeof(page), (uint64_t)stat.st_size, identity, &header))
        return false;
    entry->mapping_size = (size_t)stat.st_size;
    const int flags = MAP_PRIVATE | MAP_POPULATE;
    entry->mapping = mmap(NULL, entry->mapping_size, PROT_READ | PROT_EXEC, flags, file, 0);
    entry->is_executable = entry->mapping != MAP_FAILED;
    if (!entry->is_executable)
        entry->mapping = mmap(NULL, entry->mapping_size, PROT_READ, flags, file, 0);
    if (entry->mapping == MAP_FAILED) {
        entry->mapping = NULL;
        *status = KP_ERR_NO_MEMORY;
        return false;
    }
    entry->bytes = (const uint8_t *)entry->mapping + KP_CODE_ENTRY_AT;
    entry->size = (size_t)header.size;
    kp_code_tag_begin(&sum, cache->secret, &header);
    kp_poly1305_add(&sum, entry->bytes, entry->size);
    if (kp_code_tag_fits(&sum, &header))
        return true;
    kp_code_entry_release(entry);
    return false;
}

kp_status_t kp_code_cache_find(kp_code_cache_t *cache, const kp_code_key_t *key,
                               kp_code_entry_t *entry)
{
    uint8_t identity[KP_SHA256_SIZE];
    char name[KP_CODE_NAME_SIZE];
    kp_status_t status = KP_ERR_NOT_FOUND;
    kp_code_identity(key, identity);
    kp_code_name(identity, name);
    int file = openat(cache->folder, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0 && errno == ENOENT) {
        cache->counts.absent++;
        return KP_ERR_NOT_FOUND;
    }
    if (file >= 0 && entry_open(cache, file, identity, entry, &status)) {
        cache->counts.found++;
        (void)futimens(file, NULL); /* used now; when this fails it is evicted sooner */
        close(file);
        return KP_OK;
    }
    if (status == KP_ERR_NOT_FOUND) {
        cache->counts.rejected++;
        (void)unlinkat(cache->folder, name, 0);
    }
    if (file >= 0)
        close(file);
    return status;
}

/* ---- storing ---- */

typedef struct record {
    char name[KP_CODE_NAME_SIZE];
    uint64_t size;
    struct timespec used;
} record_t;

static int record_compare(const void *left, const void *right)
{
    const record_t *a = left, *b = right;
    if (a->used.tv_sec != b->used.tv_sec)
        return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
    return a->used.tv_nsec < b->used.tv_nsec ? -1 : a->used.tv_nsec > b->used.tv_nsec;
}

/* Written by a process that died before it was done. */
static bool is_left_over(const char *name, const struct stat *stat)
{
    return kp_code_name_is_temporary(name, strlen(name)) &&
           stat->st_mtim.tv_sec + KP_CODE_LEFT_OVER_SECONDS < time(NULL);
}

/* All entries, in a block of memory; NULL with *count 0: none, or no memory. Removes what was left over. */
static record_t *records_list(const kp_code_cache_t *cache, size_t *count, uint64_t *total)
{
    record_t *records = NULL;
    size_t room = 0;
    *count = 0;
    *total = 0;
    int copy = openat(cache->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy >= 0 ? fdopendir(copy) : NULL;
    if (!folder && copy >= 0)
        close(copy);
    for (const struct dirent *item; folder && (item = readdir(folder)) != NULL;) {
        struct stat stat;
        if (fstatat(cache->folder, item->d_name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (is_left_over(item->d_name, &stat))
            (void)unlinkat(cache->folder, item->d_name, 0);
        if (!kp_code_name_is_entry(item->d_name, strlen(item->d_name)))
            continue;
        if (*count == room) {
            room = room * 2 + 64;
            record_t *grown = realloc(records, room * sizeof(*grown));
            if (!grown)
                break; /* what was found is enough to go on with */
            records = grown;
        }
        record_t *record = &records[(*count)++];
        memcpy(record->name, item->d_name, KP_CODE_NAME_SIZE);
        record->size = (uint64_t)stat.st_size;
        record->used = stat.st_mtim;
        *total += record->size;
    }
    if (folder)
        closedir(folder);
    return records;
}

static void evict(kp_code_cache_t *cache)
{
    size_t count;
    uint64_t total;
    record_t *records = records_list(cache, &count, &total);
    if (total > cache->bytes_max) {
        qsort(records, count, sizeof(*records), record_compare);
        /* Some room below the limit, so that this is not done at every store. */
        for (size_t i = 0; i < count && total > cache->bytes_max / 10 * 9; i++) {
            if (unlinkat(cache->folder, records[i].name, 0) == 0)
                cache->counts.evicted++;
            total -= records[i].size;
        }
    }
    free(records);
}

static bool entry_write(const kp_code_cache_t *cache, int file, const uint8_t *identity,
                        const void *bytes, size_t size)
{
    static const uint8_t zeroes[KP_CODE_ENTRY_AT - sizeof(kp_code_header_t)];
    uint8_t nonce[KP_CODE_NONCE_SIZE];
    kp_poly1305_t sum;
    if (!random_bytes(nonce, sizeof(nonce)))
        return false;
    kp_code_header_t header = kp_code_header_of(identity, size, nonce);
    kp_code_tag_begin(&sum, cache->secret, &header);
    kp_poly1305_add(&sum, bytes, size);
    kp_poly1305_end(&sum, header.tag);
    return write_whole(file, &header, sizeof(header)) &&
           write_whole(file, zeroes, sizeof(zeroes)) && write_whole(file, bytes, size);
}

kp_status_t kp_code_cache_store(kp_code_cache_t *cache, const kp_code_key_t *key, const void *bytes,
                                size_t size)
{
    uint8_t identity[KP_SHA256_SIZE], unique[8];
    char name[KP_CODE_NAME_SIZE], temporary[KP_CODE_NAME_SIZE + 20];
    if (size == 0)
        return KP_ERR_INVALID_ARGUMENT;
    if (size > cache->bytes_max / 2)
        return KP_ERR_TOO_LARGE;
    kp_code_identity(key, identity);
    kp_code_name(identity, name);
    if (!random_bytes(unique, sizeof(unique)))
        return KP_ERR_IO;
    uint64_t number;
    memcpy(&number, unique, sizeof(number));
    snprintf(temporary, sizeof(temporary), "new.%016llx", (unsigned long long)number);
    int file = openat(cache->folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return KP_ERR_IO;
    bool good = entry_write(cache, file, identity, bytes, size);
    good = close(file) == 0 && good;
    if (good)
        good = renameat(cache->folder, temporary, cache->folder, name) == 0;
    if (!good) {
        (void)unlinkat(cache->folder, temporary, 0);
        return KP_ERR_IO;
    }
    cache->counts.stored++;
    evict(cache);
    return KP_OK;
}
