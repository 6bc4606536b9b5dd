#include "services/compiler/disk.h"

#include <stdio.h>
#include <string.h>

#include "abi/compiler.h"
#include "runtime/program/kp.h"
#include "runtime/wasm/types.h"
#include "services/compiler/disk_private.h"

/* A server of files that has not answered by then never will; everybody waits for it meanwhile. */
#define PATIENCE (20 * KP_NS_PER_S)
#define REJECTIONS_SAID 16

void kp_compiler_disk_say(kp_compiler_disk_t *disk, const char *what, kp_status_t status)
{
    if (!disk->is_said)
        kp_log("cache on disk: %s: %s; what is compiled stays in memory only", what,
               kp_status_text(status));
    disk->is_said = true;
}

/* ---- requests ---- */

static void give_up(kp_compiler_disk_t *disk, kp_status_t status)
{
    kp_compiler_disk_say(disk, "its directory does not answer", status);
    kp_wasi_kpio_server_release(disk->files); /* and with it what was open */
    disk->files = NULL;
}

kp_status_t kp_compiler_disk_ask(kp_compiler_disk_t *disk, kp_wasi_kpio_ask_t *ask, size_t room)
{
    if (!disk->files)
        return KP_ERR_PEER_CLOSED;
    ask->handle = KP_HANDLE_NONE;
    kp_status_t status = kp_wasi_kpio_ask(disk->files, ask, room);
    if (ask->handle != KP_HANDLE_NONE) { /* nothing of ours is elsewhere */
        (void)kp_handle_close(ask->handle);
        ask->handle = KP_HANDLE_NONE;
    }
    if (status == KP_ERR_PEER_CLOSED || status == KP_ERR_TIMED_OUT || status == KP_ERR_PROTOCOL ||
        status == KP_ERR_BAD_HANDLE || status == KP_ERR_REVOKED)
        give_up(disk, status);
    return status;
}

kp_status_t kp_compiler_disk_stat(kp_compiler_disk_t *disk, uint32_t id, const char *name,
                                  kp_file_stat_t *stat)
{
    kp_wasi_kpio_ask_t ask = kp_compiler_disk_ask_of(KP_FILE_STAT, name);
    ask.request.id = id;
    kp_status_t status = kp_compiler_disk_ask(disk, &ask, KP_FILE_PATH_MAX);
    if (status == KP_OK && ask.reply.count != sizeof(*stat))
        status = KP_ERR_IO;
    if (status == KP_OK)
        memcpy(stat, ask.data, sizeof(*stat));
    return status;
}

static kp_status_t file_open(kp_compiler_disk_t *disk, const char *name, uint32_t flags,
                             uint32_t *id)
{
    kp_wasi_kpio_ask_t ask = kp_compiler_disk_ask_of(KP_FILE_OPEN, name);
    ask.request.flags = flags;
    kp_status_t status = kp_compiler_disk_ask(disk, &ask, KP_FILE_PATH_MAX);
    *id = status == KP_OK ? ask.reply.id : 0;
    if (status == KP_OK && (ask.reply.type != KP_FILE_TYPE_REGULAR || *id == 0)) {
        kp_compiler_disk_close_id(disk, id);
        status = KP_ERR_WRONG_TYPE;
    }
    return status;
}

kp_status_t kp_compiler_disk_create(kp_compiler_disk_t *disk, const char *name, uint32_t *id)
{
    return file_open(disk, name, KP_FILE_FOR_WRITING | KP_FILE_CREATE | KP_FILE_EXCLUSIVE, id);
}

/* What there is from there on, at most `count` bytes (KP_FILE_DATA_MAX). */
static kp_status_t file_read(kp_compiler_disk_t *disk, uint32_t id, uint64_t offset, void *to,
                             uint32_t count, uint32_t *done)
{
    kp_wasi_kpio_ask_t ask = kp_compiler_disk_ask_of(KP_FILE_READ, NULL);
    ask.request.id = id;
    ask.request.offset = offset;
    ask.request.count = count;
    kp_status_t status = kp_compiler_disk_ask(disk, &ask, count);
    *done = status == KP_OK ? ask.reply.count : 0;
    if (*done > 0)
        memcpy(to, ask.data, *done);
    return status;
}

kp_status_t kp_compiler_disk_write(kp_compiler_disk_t *disk, uint32_t id, uint64_t offset,
                                   const void *bytes, size_t count)
{
    while (count > 0) {
        kp_wasi_kpio_ask_t ask = kp_compiler_disk_ask_of(KP_FILE_WRITE, NULL);
        ask.request.id = id;
        ask.request.offset = offset;
        ask.request.first_size = (uint32_t)(count < KP_FILE_DATA_MAX ? count : KP_FILE_DATA_MAX);
        ask.first = bytes;
        kp_status_t status = kp_compiler_disk_ask(disk, &ask, 0);
        if (status != KP_OK)
            return status;
        if (ask.reply.count == 0)
            return KP_ERR_NO_SPACE;
        bytes = (const uint8_t *)bytes + ask.reply.count;
        offset += ask.reply.count;
        count -= ask.reply.count;
    }
    return KP_OK;
}

void kp_compiler_disk_close_id(kp_compiler_disk_t *disk, uint32_t *id)
{
    kp_wasi_kpio_ask_t ask = kp_compiler_disk_ask_of(KP_FILE_CLOSE, NULL);
    ask.request.id = *id;
    if (*id != 0 && disk->files)
        (void)kp_compiler_disk_ask(disk, &ask, 0);
    *id = 0;
}

kp_status_t kp_compiler_disk_remove(kp_compiler_disk_t *disk, const char *name)
{
    kp_wasi_kpio_ask_t ask = kp_compiler_disk_ask_of(KP_FILE_REMOVE, name);
    return kp_compiler_disk_ask(disk, &ask, KP_FILE_PATH_MAX);
}

/* ---- the secret ---- */

static kp_status_t secret_read(kp_compiler_disk_t *disk)
{
    uint8_t bytes[KP_CODE_SECRET_SIZE + 1];
    uint32_t id, count;
    kp_status_t status = file_open(disk, "secret", KP_FILE_FOR_READING, &id);
    if (status == KP_OK)
        status = file_read(disk, id, 0, bytes, sizeof(bytes), &count);
    if (status == KP_OK && count != sizeof(disk->secret))
        status = KP_ERR_BAD_FORMAT;
    if (status == KP_OK)
        memcpy(disk->secret, bytes, sizeof(disk->secret));
    kp_compiler_disk_close_id(disk, &id);
    return status;
}

/* Of those who make one at the same time the first to link it wins. */
static kp_status_t secret_make(kp_compiler_disk_t *disk)
{
    uint8_t bytes[KP_CODE_SECRET_SIZE];
    uint64_t number;
    uint32_t id;
    char name[32];
    kp_status_t status = kp_random_get(bytes, sizeof(bytes));
    if (status == KP_OK)
        status = kp_random_get(&number, sizeof(number));
    if (status != KP_OK)
        return status;
    snprintf(name, sizeof(name), "secret.%016llx", (unsigned long long)number);
    status = kp_compiler_disk_create(disk, name, &id);
    if (status != KP_OK)
        return status;
    status = kp_compiler_disk_write(disk, id, 0, bytes, sizeof(bytes));
    kp_compiler_disk_close_id(disk, &id);
    if (status == KP_OK) {
        kp_wasi_kpio_ask_t ask = kp_compiler_disk_ask_of(KP_FILE_LINK, name);
        ask.second = "secret";
        ask.request.second_size = sizeof("secret") - 1;
        status = kp_compiler_disk_ask(disk, &ask, (size_t)2 * KP_FILE_PATH_MAX);
    }
    (void)kp_compiler_disk_remove(disk, name);
    return status == KP_ERR_ALREADY_EXISTS ? KP_OK : status;
}

bool kp_compiler_disk_open(kp_compiler_disk_t *disk)
{
    if (disk->channel == KP_HANDLE_NONE)
        return disk->files != NULL;
    disk->files = kp_wasi_kpio_server_create(disk->channel);
    disk->channel = KP_HANDLE_NONE;
    if (!disk->files) {
        kp_compiler_disk_say(disk, "it cannot be opened", KP_ERR_NO_MEMORY);
        return false;
    }
    disk->files->patience = PATIENCE;
    kp_status_t status = secret_read(disk);
    if (status == KP_ERR_NOT_FOUND) {
        status = secret_make(disk);
        if (status == KP_OK)
            status = secret_read(disk);
    }
    if (status == KP_OK)
        return true;
    kp_compiler_disk_say(disk, "its secret can neither be read nor made", status);
    if (disk->files)
        kp_wasi_kpio_server_release(disk->files);
    disk->files = NULL;
    return false;
}

void kp_compiler_disk_init(kp_compiler_disk_t *disk, kp_handle_t directory, uint64_t bytes_max)
{
    disk->channel = directory;
    disk->bytes_max = bytes_max ? bytes_max : KP_COMPILER_DISK_BYTES;
}

/* ---- reading ---- */

void kp_compiler_disk_identity(const kp_compiler_key_t *key, uint8_t identity[KP_SHA256_SIZE])
{
    kp_code_key_t all = {
        .compiler_version = key->version,
        .compile_flags = key->flags,
        .features = KP_WASM_FEATURES_ALL, /* of every module that the worker decodes */
        .processor_features = key->cpu,
    };
    memcpy(all.module, key->module, sizeof(all.module));
    kp_code_identity(&all, identity);
}

static void reject(kp_compiler_disk_t *disk, const uint8_t identity[KP_SHA256_SIZE])
{
    char name[KP_CODE_NAME_SIZE];
    kp_code_name(identity, name);
    if (disk->rejected++ < REJECTIONS_SAID)
        kp_log("cache on disk: %.16s... is damaged or forged: removed", name);
    if (kp_compiler_disk_remove(disk, name) != KP_ERR_IS_DIRECTORY)
        return;
    kp_wasi_kpio_ask_t ask = kp_compiler_disk_ask_of(KP_FILE_REMOVE, name);
    ask.request.flags = KP_FILE_DIRECTORY;
    (void)kp_compiler_disk_ask(disk, &ask, KP_FILE_PATH_MAX); /* one with something in it stays */
}

void kp_compiler_disk_reject(kp_compiler_disk_t *disk, const kp_compiler_key_t *key)
{
    uint8_t identity[KP_SHA256_SIZE];
    kp_compiler_disk_identity(key, identity);
    reject(disk, identity);
}

/* Opens the entry's file. ERR_BAD_FORMAT: what is there is no entry. */
static kp_status_t entry_open(kp_compiler_disk_t *disk, kp_compiler_load_t *load)
{
    char name[KP_CODE_NAME_SIZE];
    uint8_t bytes[KP_CODE_ENTRY_AT];
    kp_file_stat_t stat;
    uint32_t count;
    kp_code_name(load->identity, name);
    kp_status_t status = file_open(disk, name, KP_FILE_FOR_READING, &load->id);
    if (status == KP_ERR_IS_DIRECTORY || status == KP_ERR_WRONG_TYPE || status == KP_ERR_LOOP ||
        status == KP_ERR_ACCESS_DENIED || status == KP_ERR_NOT_SUPPORTED)
        return KP_ERR_BAD_FORMAT;
    if (status == KP_OK)
        status = kp_compiler_disk_stat(disk, load->id, NULL, &stat);
    if (status == KP_OK)
        status = file_read(disk, load->id, 0, bytes, sizeof(bytes), &count);
    if (status == KP_OK &&
        (!kp_code_header_read(bytes, count, stat.size, load->identity, &load->header) ||
         load->header.size > KP_COMPILER_CODE_BYTES_MAX))
        status = KP_ERR_BAD_FORMAT;
    return status;
}

kp_status_t kp_compiler_load_begin(kp_compiler_disk_t *disk, const kp_compiler_key_t *key,
                                   kp_compiler_load_t *load)
{
    *load = (kp_compiler_load_t){.vmo = KP_HANDLE_NONE};
    if (!kp_compiler_disk_open(disk))
        return KP_ERR_NOT_FOUND;
    kp_compiler_disk_identity(key, load->identity);
    kp_status_t status = entry_open(disk, load);
    if (status == KP_ERR_BAD_FORMAT)
        reject(disk, load->identity);
    int64_t vmo = status == KP_OK ? kp_vmo_create(load->header.size) : status;
    if (vmo < 0) {
        kp_compiler_load_end(disk, load);
        return KP_ERR_NOT_FOUND;
    }
    load->vmo = (kp_handle_t)vmo;
    kp_code_tag_begin(&load->sum, disk->secret, &load->header);
    return KP_OK;
}

/* It was used: others are older. */
static void entry_touch(kp_compiler_disk_t *disk, const kp_compiler_load_t *load)
{
    char name[KP_CODE_NAME_SIZE];
    kp_code_name(load->identity, name);
    kp_wasi_kpio_ask_t ask = kp_compiler_disk_ask_of(KP_FILE_TIMES, name);
    ask.request.flags = KP_FILE_NOW_MODIFICATION;
    (void)kp_compiler_disk_ask(disk, &ask, KP_FILE_PATH_MAX); /* else it is evicted sooner */
}

kp_status_t kp_compiler_load_step(kp_compiler_disk_t *disk, kp_compiler_load_t *load)
{
    uint64_t left = load->header.size - load->done;
    uint32_t part = left < sizeof(disk->buffer) ? (uint32_t)left : sizeof(disk->buffer);
    uint32_t count = 0;
    kp_status_t status =
        file_read(disk, load->id, KP_CODE_ENTRY_AT + load->done, disk->buffer, part, &count);
    if (status == KP_OK && count == 0)
        status = KP_ERR_BAD_FORMAT; /* it became shorter */
    if (status == KP_OK) {
        /* What is checked is what was copied, and that nobody else can write. */
        kp_poly1305_add(&load->sum, disk->buffer, count);
        status = kp_vmo_write(load->vmo, load->done, disk->buffer, count);
        load->done += count;
        if (status != KP_OK)
            return KP_ERR_NOT_FOUND;
    }
    if (status == KP_OK && load->done < load->header.size)
        return KP_ERR_SHOULD_WAIT;
    if (status == KP_OK && !kp_code_tag_fits(&load->sum, &load->header))
        status = KP_ERR_BAD_FORMAT;
    if (status == KP_ERR_BAD_FORMAT)
        reject(disk, load->identity);
    if (status != KP_OK)
        return KP_ERR_NOT_FOUND;
    disk->loaded++;
    entry_touch(disk, load);
    return KP_OK;
}

void kp_compiler_load_end(kp_compiler_disk_t *disk, kp_compiler_load_t *load)
{
    kp_compiler_disk_close_id(disk, &load->id);
    if (load->vmo != KP_HANDLE_NONE)
        (void)kp_handle_close(load->vmo);
    load->vmo = KP_HANDLE_NONE;
}
