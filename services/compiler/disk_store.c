/* Writing entries, and keeping their sum below the limit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/reader.h"
#include "runtime/program/kp.h"
#include "services/compiler/disk.h"
#include "services/compiler/disk_private.h"

enum {
    LIST_BYTES = 2048,    /* of names that are looked at in a slice */
    EVICTED_AT_ONCE = 16, /* in a slice */
    NAMES_MAX = 1u << 17, /* in the directory; nobody looks at more */
    RECORDS_FIRST = 64,
};

/* ---- storing ---- */

static void store_pop(kp_compiler_disk_t *disk)
{
    kp_compiler_store_t *store = disk->stores;
    disk->stores = store->next;
    disk->pending -= store->size;
    (void)kp_handle_close(store->vmo);
    if (store->pending)
        (*store->pending)--;
    free(store);
}

bool kp_compiler_disk_may_store(const kp_compiler_disk_t *disk, uint64_t size)
{
    return (disk->files || disk->channel != KP_HANDLE_NONE) && !disk->is_read_only && size > 0 &&
           size <= disk->bytes_max / 2 && size <= KP_COMPILER_DISK_PENDING_BYTES - disk->pending;
}

void kp_compiler_disk_store(kp_compiler_disk_t *disk, const kp_compiler_key_t *key, kp_handle_t vmo,
                            uint64_t size, uint32_t *pending)
{
    kp_compiler_store_t *store =
        kp_compiler_disk_may_store(disk, size) ? calloc(1, sizeof(*store)) : NULL;
    if (!store) {
        (void)kp_handle_close(vmo);
        return;
    }
    store->vmo = vmo;
    store->size = size;
    store->pending = pending;
    if (pending)
        (*pending)++;
    kp_compiler_disk_identity(key, store->identity);
    disk->pending += size;
    kp_compiler_store_t **link = &disk->stores;
    while (*link)
        link = &(*link)->next;
    *link = store;
}

/* A file under a name that nobody else has. */
static kp_status_t store_begin(kp_compiler_disk_t *disk, kp_compiler_store_t *store)
{
    uint8_t nonce[KP_CODE_NONCE_SIZE];
    uint64_t number;
    kp_status_t status = kp_random_get(nonce, sizeof(nonce));
    if (status == KP_OK)
        status = kp_random_get(&number, sizeof(number));
    if (status != KP_OK)
        return status;
    snprintf(store->temporary, sizeof(store->temporary), "new.%016llx", (unsigned long long)number);
    store->header = kp_code_header_of(store->identity, store->size, nonce);
    kp_code_tag_begin(&store->sum, disk->secret, &store->header);
    store->done = 0;
    return kp_compiler_disk_create(disk, store->temporary, &store->id);
}

static kp_status_t store_part(kp_compiler_disk_t *disk, kp_compiler_store_t *store)
{
    uint64_t left = store->size - store->done;
    size_t part = left < sizeof(disk->buffer) ? (size_t)left : sizeof(disk->buffer);
    kp_status_t status = kp_vmo_read(store->vmo, store->done, disk->buffer, part);
    if (status != KP_OK)
        return status;
    kp_poly1305_add(&store->sum, disk->buffer, part);
    status =
        kp_compiler_disk_write(disk, store->id, KP_CODE_ENTRY_AT + store->done, disk->buffer, part);
    store->done += part;
    return status;
}

/* Its header comes last, its name after that. */
static kp_status_t store_finish(kp_compiler_disk_t *disk, kp_compiler_store_t *store)
{
    char name[KP_CODE_NAME_SIZE];
    kp_code_name(store->identity, name);
    kp_poly1305_end(&store->sum, store->header.tag);
    kp_status_t status =
        kp_compiler_disk_write(disk, store->id, 0, &store->header, sizeof(store->header));
    kp_compiler_disk_close_id(disk, &store->id);
    if (status != KP_OK)
        return status;
    kp_wasi_kpio_ask_t ask = kp_compiler_disk_ask_of(KP_FILE_RENAME, store->temporary);
    ask.second = name;
    ask.request.second_size = sizeof(name) - 1;
    return kp_compiler_disk_ask(disk, &ask, (size_t)2 * KP_FILE_PATH_MAX);
}

static void count_begin(kp_compiler_disk_t *disk, uint64_t wanted)
{
    disk->chore = KP_COMPILER_DISK_LISTS;
    disk->wanted = wanted;
    disk->cookie = 0;
    disk->record_count = disk->names = 0;
}

static void store_failed(kp_compiler_disk_t *disk, kp_compiler_store_t *store, kp_status_t status)
{
    kp_compiler_disk_close_id(disk, &store->id);
    if (store->temporary[0])
        (void)kp_compiler_disk_remove(disk, store->temporary);
    bool is_full = status == KP_ERR_NO_SPACE || status == KP_ERR_QUOTA;
    if (is_full && !store->is_second && disk->files) {
        store->is_second = true;
        count_begin(disk, store->size + KP_CODE_ENTRY_AT);
        return;
    }
    disk->is_read_only |= status == KP_ERR_READ_ONLY || status == KP_ERR_ACCESS_DENIED ||
                          status == KP_ERR_NOT_PERMITTED;
    kp_compiler_disk_say(disk, "it cannot be written", status);
    store_pop(disk);
}

static void store_step(kp_compiler_disk_t *disk)
{
    kp_compiler_store_t *store = disk->stores;
    if (!kp_compiler_disk_open(disk) || disk->is_read_only) {
        store_pop(disk);
        return;
    }
    kp_status_t status = store->id == 0 ? store_begin(disk, store) : KP_OK;
    if (status == KP_OK)
        status = store_part(disk, store);
    if (status == KP_OK && store->done < store->size)
        return;
    if (status == KP_OK)
        status = store_finish(disk, store);
    if (status != KP_OK) {
        store_failed(disk, store, status);
        return;
    }
    disk->stored++;
    disk->bytes_new += store->size + KP_CODE_ENTRY_AT;
    store_pop(disk);
    /* Others may store there too: now and then all is counted. */
    if (!disk->is_counted || disk->bytes + disk->bytes_new > disk->bytes_max ||
        disk->bytes_new > disk->bytes_max / 8)
        count_begin(disk, 0);
}

/* ---- counting ---- */

static bool record_add(kp_compiler_disk_t *disk, const char *name, const kp_file_stat_t *stat)
{
    if (disk->record_count == disk->record_room) {
        uint32_t room = disk->record_room ? disk->record_room * 2 : RECORDS_FIRST;
        kp_compiler_record_t *grown = realloc(disk->records, room * sizeof(*grown));
        if (!grown)
            return false;
        disk->records = grown;
        disk->record_room = room;
    }
    kp_compiler_record_t *record = &disk->records[disk->record_count++];
    for (unsigned i = 0; i < KP_SHA256_SIZE; i++) {
        unsigned high = (uint8_t)name[(size_t)2 * i], low = (uint8_t)name[(size_t)2 * i + 1];
        high = high <= '9' ? high - '0' : high - 'a' + 10;
        low = low <= '9' ? low - '0' : low - 'a' + 10;
        record->identity[i] = (uint8_t)(high << 4 | low);
    }
    record->size = stat->size;
    record->used_ns = stat->modification_ns;
    return true;
}

static bool is_left_over(const kp_file_stat_t *stat)
{
    uint64_t now = 0;
    return kp_clock_get(KP_CLOCK_REALTIME, &now) == KP_OK && now > stat->modification_ns &&
           now - stat->modification_ns > KP_CODE_LEFT_OVER_SECONDS * (uint64_t)KP_NS_PER_S;
}

/* One name. False: no memory for more. */
static bool name_count(kp_compiler_disk_t *disk, const char *name, size_t length)
{
    kp_file_stat_t stat;
    bool is_entry = kp_code_name_is_entry(name, length);
    if ((!is_entry && !kp_code_name_is_temporary(name, length)) ||
        kp_compiler_disk_stat(disk, 0, name, &stat) != KP_OK)
        return true;
    if (is_entry)
        return record_add(disk, name, &stat);
    if (is_left_over(&stat))
        (void)kp_compiler_disk_remove(disk, name);
    return true;
}

static int by_use(const void *left, const void *right)
{
    const kp_compiler_record_t *a = left, *b = right;
    return a->used_ns < b->used_ns ? -1 : a->used_ns > b->used_ns;
}

/* All names were seen, or as many as could be. */
static void count_end(kp_compiler_disk_t *disk)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < disk->record_count; i++)
        sum += disk->records[i].size < UINT64_MAX - sum ? disk->records[i].size : 0;
    disk->bytes = sum;
    disk->bytes_new = 0;
    disk->is_counted = true;
    disk->keep = sum;
    if (disk->wanted > 0) /* the file system is full: so much less, if there is so much */
        disk->keep = sum >= disk->wanted ? sum - disk->wanted : sum;
    else if (sum > disk->bytes_max) /* some room, so that this is not done at each store */
        disk->keep = disk->bytes_max / 10 * 9;
    if (disk->keep < sum)
        qsort(disk->records, disk->record_count, sizeof(*disk->records), by_use);
    disk->record_next = 0;
    disk->chore = KP_COMPILER_DISK_EVICTS;
}

static void count_step(kp_compiler_disk_t *disk)
{
    kp_wasi_kpio_ask_t ask = kp_compiler_disk_ask_of(KP_FILE_LIST, NULL);
    ask.request.offset = disk->cookie;
    ask.request.count = LIST_BYTES;
    kp_status_t status = kp_compiler_disk_ask(disk, &ask, LIST_BYTES);
    size_t size = status == KP_OK && ask.reply.count <= LIST_BYTES ? ask.reply.count : 0;
    if (size > 0)
        memcpy(disk->buffer, ask.data, size); /* the next request takes its place */
    kp_reader_t reader = kp_reader_init(disk->buffer, size);
    bool goes_on = size > 0;
    while (goes_on && kp_reader_left(&reader) > 0) {
        char name[KP_FILE_NAME_MAX + 1];
        uint64_t next = kp_reader_u64(&reader);
        (void)kp_reader_u64(&reader); /* inode */
        (void)kp_reader_u32(&reader); /* type: STAT says it again */
        uint32_t length = kp_reader_u32(&reader);
        const uint8_t *bytes = kp_reader_borrow(&reader, length);
        goes_on = bytes && length <= KP_FILE_NAME_MAX && disk->names++ < NAMES_MAX;
        if (!goes_on)
            break;
        memcpy(name, bytes, length);
        name[length] = '\0';
        disk->cookie = next;
        goes_on = name_count(disk, name, length);
    }
    if (!goes_on)
        count_end(disk);
}

static void evict_step(kp_compiler_disk_t *disk)
{
    unsigned count = 0;
    while (disk->bytes > disk->keep && disk->record_next < disk->record_count &&
           count++ < EVICTED_AT_ONCE) {
        const kp_compiler_record_t *record = &disk->records[disk->record_next++];
        char name[KP_CODE_NAME_SIZE];
        kp_code_name(record->identity, name);
        if (kp_compiler_disk_remove(disk, name) == KP_OK)
            disk->evicted++;
        /* Also if it cannot be removed, or others have removed it. */
        disk->bytes -= record->size < disk->bytes ? record->size : disk->bytes;
    }
    if (disk->bytes > disk->keep && disk->record_next < disk->record_count)
        return;
    free(disk->records);
    disk->records = NULL;
    disk->record_count = disk->record_room = 0;
    disk->chore = KP_COMPILER_DISK_STORES;
}

bool kp_compiler_disk_step(kp_compiler_disk_t *disk)
{
    if (disk->chore == KP_COMPILER_DISK_LISTS)
        count_step(disk);
    else if (disk->chore == KP_COMPILER_DISK_EVICTS)
        evict_step(disk);
    else if (disk->stores)
        store_step(disk);
    return disk->stores || disk->chore != KP_COMPILER_DISK_STORES;
}

void kp_compiler_disk_close(kp_compiler_disk_t *disk)
{
    while (disk->stores) {
        kp_compiler_disk_close_id(disk, &disk->stores->id);
        store_pop(disk);
    }
    free(disk->records);
    disk->records = NULL;
    if (disk->files)
        kp_wasi_kpio_server_release(disk->files);
    if (disk->channel != KP_HANDLE_NONE)
        (void)kp_handle_close(disk->channel);
    disk->files = NULL;
    disk->channel = KP_HANDLE_NONE;
}
