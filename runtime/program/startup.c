/* Reads the startup message once, at first use, into one block that stays. */
#include "runtime/program/startup.h"

#include <stdlib.h>
#include <string.h>

#include "abi/reader.h"
#include "abi/startup.h"
#include "runtime/program/internal.h"
#include "runtime/program/kp.h"

typedef struct {
    const char *name; /* in `strings`, without the size suffix */
    kp_handle_t handle;
    uint64_t file_size; /* file: bytes, from the suffix */
    const void *file;   /* mapped bytes, once asked for */
} startup_entry_t;

static bool is_loaded;
static const char **arguments; /* [argument_count + 1], into the message */
static size_t argument_count;
static const char **environment; /* [environment_count + 1], behind the arguments */
static size_t environment_count;
static startup_entry_t entries[KP_CHANNEL_HANDLES_MAX];
static size_t entry_count;
/* Files that were mapped before the process became a snapshot, and are still. */
static startup_entry_t kept[KP_CHANNEL_HANDLES_MAX];
static size_t kept_count;

_Noreturn static void fail(const char *why, kp_status_t status)
{
    kp_log("startup: %s (%s)", why, kp_status_name(status));
    kp_process_trap(KP_TRAP_ABORT, 0);
}

/* "file:fonts/x.ttf=123" -> name cut at '=', size 123. Other names have no suffix. */
static void parse_name(startup_entry_t *entry, char *name)
{
    entry->name = name;
    if (strncmp(name, "file:", 5) != 0)
        return;
    char *suffix = strrchr(name, '=');
    if (!suffix)
        return;
    *suffix = '\0';
    for (const char *digit = suffix + 1; *digit >= '0' && *digit <= '9'; digit++)
        entry->file_size = entry->file_size * 10 + (uint64_t)(*digit - '0');
}

/* The next NUL-terminated string; NULL when the message ends before its NUL. */
static char *read_string(kp_reader_t *reader)
{
    const uint8_t *at = reader->bytes + reader->position;
    const uint8_t *end = memchr(at, '\0', kp_reader_left(reader));
    return end ? (char *)kp_reader_borrow(reader, (size_t)(end - at) + 1) : NULL;
}

static void parse(uint8_t *bytes, size_t size, const kp_handle_t *handles, size_t handle_count)
{
    kp_reader_t reader = kp_reader_init(bytes, size);
    uint32_t magic = kp_reader_u32(&reader);
    argument_count = kp_reader_u32(&reader);
    entry_count = kp_reader_u32(&reader);
    environment_count = kp_reader_u32(&reader);
    if (reader.failed || magic != KP_STARTUP_MAGIC || entry_count != handle_count ||
        argument_count > size || environment_count > size)
        fail("malformed message", KP_ERR_BAD_FORMAT);
    arguments = calloc(argument_count + environment_count + 2, sizeof(*arguments));
    if (!arguments)
        fail("arguments", KP_ERR_NO_MEMORY);
    environment = arguments + argument_count + 1;
    for (size_t i = 0; i < argument_count + environment_count; i++) {
        const char *text = read_string(&reader);
        if (!text)
            fail("cut argument", KP_ERR_BAD_FORMAT);
        arguments[i < argument_count ? i : i + 1] = text;
    }
    for (size_t i = 0; i < entry_count; i++) {
        char *name = read_string(&reader);
        if (!name)
            fail("cut handle name", KP_ERR_BAD_FORMAT);
        parse_name(&entries[i], name);
        entries[i].handle = handles[i];
    }
}

static void load(void)
{
    if (is_loaded)
        return;
    is_loaded = true;
    int64_t channel = kp_startup_channel();
    if (channel < 0)
        fail("no channel", (kp_status_t)channel);
    kp_status_t status =
        kp_object_wait_one((kp_handle_t)channel, KP_SIGNAL_READABLE, KP_TIME_INFINITE, NULL);
    if (status != KP_OK)
        fail("wait", status);
    /* Too small on purpose: this only asks for the sizes. */
    uint32_t actual[2] = {0, 0};
    (void)kp_channel_read((kp_handle_t)channel, NULL, 0, NULL, 0, actual);
    uint8_t *bytes = malloc(actual[0] ? actual[0] : 1);
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    if (!bytes)
        fail("message", KP_ERR_NO_MEMORY);
    status = kp_channel_read((kp_handle_t)channel, bytes, actual[0], handles,
                             KP_CHANNEL_HANDLES_MAX, actual);
    if (status != KP_OK)
        fail("read", status);
    (void)kp_handle_close((kp_handle_t)channel); /* nothing else will ever come */
    parse(bytes, actual[0], handles, actual[1]);
}

kp_handle_t kp_startup_take(const char *name)
{
    load();
    for (size_t i = 0; i < entry_count; i++) {
        if (entries[i].handle != KP_HANDLE_NONE && strcmp(entries[i].name, name) == 0) {
            kp_handle_t handle = entries[i].handle;
            entries[i].handle = KP_HANDLE_NONE;
            return handle;
        }
    }
    return KP_HANDLE_NONE;
}

static const void *map_file(startup_entry_t *entry)
{
    if (entry->file_size > SIZE_MAX - KP_PAGE_SIZE)
        return NULL;
    size_t length = (entry->file_size + KP_PAGE_SIZE - 1) & ~(size_t)(KP_PAGE_SIZE - 1);
    if (length == 0)
        length = KP_PAGE_SIZE; /* an empty file still has an address */
    void *bytes = aligned_alloc(KP_PAGE_SIZE, length);
    if (!bytes)
        return NULL;
    if (entry->file_size == 0) {
        memset(bytes, 0, length);
    } else {
        kp_status_t status = kp_vmo_map(entry->handle, 0, bytes, length, 0);
        if (status != KP_OK) {
            kp_log("startup: cannot map %s (%s)", entry->name, kp_status_name(status));
            free(bytes);
            return NULL;
        }
    }
    (void)kp_handle_close(entry->handle); /* the mapping holds the VMO */
    entry->handle = KP_HANDLE_NONE;
    return bytes;
}

const void *kp_startup_file(const char *path, size_t *size)
{
    load();
    for (size_t i = 0; i < kept_count; i++) {
        if (strcmp(kept[i].name + 5, path) != 0)
            continue;
        if (size)
            *size = (size_t)kept[i].file_size;
        return kept[i].file;
    }
    for (size_t i = 0; i < entry_count; i++) {
        startup_entry_t *entry = &entries[i];
        if (strncmp(entry->name, "file:", 5) != 0 || strcmp(entry->name + 5, path) != 0)
            continue;
        if (!entry->file && entry->handle != KP_HANDLE_NONE)
            entry->file = map_file(entry);
        if (entry->file && size)
            *size = (size_t)entry->file_size;
        return entry->file;
    }
    return NULL;
}

static startup_entry_t *file_at(size_t index)
{
    load();
    if (index >= entry_count || strncmp(entries[index].name, "file:", 5) != 0 ||
        (!entries[index].file && entries[index].handle == KP_HANDLE_NONE))
        return NULL;
    return &entries[index];
}

kp_status_t kp_startup_file_size(size_t index, uint64_t *size)
{
    const startup_entry_t *entry = file_at(index);
    if (!entry)
        return KP_ERR_NOT_FOUND;
    *size = entry->file_size;
    return KP_OK;
}

kp_status_t kp_startup_file_read(size_t index, uint64_t offset, void *bytes, size_t count)
{
    const startup_entry_t *entry = file_at(index);
    if (!entry)
        return KP_ERR_NOT_FOUND;
    if (offset > entry->file_size || count > entry->file_size - offset)
        return KP_ERR_OUT_OF_RANGE;
    if (count == 0)
        return KP_OK;
    if (!entry->file)
        return kp_vmo_read(entry->handle, offset, bytes, count);
    memcpy(bytes, (const uint8_t *)entry->file + offset, count);
    return KP_OK;
}

kp_status_t kp_startup_freeze(void)
{
    load();
    for (size_t i = 0; i < entry_count; i++) {
        if (entries[i].handle != KP_HANDLE_NONE)
            (void)kp_handle_close(entries[i].handle);
        entries[i].handle = KP_HANDLE_NONE;
    }
    kp_status_t status = kp_process_freeze();
    if (status != KP_OK)
        return status;
    /* The old message's strings stay: the kept names lie in it. */
    for (size_t i = 0; i < entry_count && kept_count < KP_CHANNEL_HANDLES_MAX; i++) {
        if (entries[i].file)
            kept[kept_count++] = entries[i];
    }
    memset(entries, 0, sizeof(entries));
    entry_count = argument_count = environment_count = 0;
    free(arguments);
    arguments = environment = NULL;
    is_loaded = false;
    load();
    return KP_OK;
}

const char *kp_startup_name(size_t index)
{
    load();
    return index < entry_count ? entries[index].name : NULL;
}

const char *kp_startup_argument(size_t index)
{
    load();
    return index < argument_count ? arguments[index] : NULL;
}

const char *const *kp_startup_arguments(size_t *count)
{
    load();
    if (count)
        *count = argument_count;
    return arguments;
}

const char *const *kp_startup_environment(size_t *count)
{
    load();
    if (count)
        *count = environment_count;
    return environment;
}
