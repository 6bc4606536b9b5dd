#include "kernel/init/files.h"

#include "kernel/init/unpack.h"
#include "kernel/object/code.h"

/* Images of the other machine would run, and make calls that nobody answers. */
#if __STDC_HOSTED__
#define MACHINE_IMAGE KP_IMAGE_MACHINE_HOSTED
#else
#define MACHINE_IMAGE KP_IMAGE_MACHINE_X86_64
#endif

/* One per archive entry, made when it is first wanted. */
typedef struct file {
    kp_image_t *image;
    kp_vmo_t *vmo;
} file_t;

static kp_bundle_t bundle;
static file_t *files; /* bundle.count of them; guarded by: files_lock */
static kp_spinlock_t files_lock;

static void image_destroy(const kp_bundle_entry_t *entry, kp_image_t *image)
{
    if (image && entry->packed_size)
        kp_kfree((void *)image->bytes);
    kp_kfree(image);
}

kp_status_t kp_files_open(const void *bytes, uint64_t size)
{
    kp_files_close();
    if (!bytes)
        return KP_OK;
    kp_status_t status = kp_bundle_open(&bundle, bytes, size);
    if (status != KP_OK)
        return status;
    files = kp_kalloc(KP_MAX(bundle.count, 1u) * sizeof(*files));
    if (!files) {
        memset(&bundle, 0, sizeof(bundle));
        return KP_ERR_NO_MEMORY;
    }
    return KP_OK;
}

void kp_files_close(void)
{
    for (uint32_t i = 0; i < bundle.count; i++) {
        image_destroy(&bundle.entries[i], files[i].image);
        kp_vmo_release(files[i].vmo);
    }
    kp_kfree(files);
    files = NULL;
    memset(&bundle, 0, sizeof(bundle));
}

/* Programs run where they lie; packed ones, which are seldom wanted, in memory of their own from the first
   time on. */
static kp_status_t image_bytes(const kp_bundle_entry_t *entry, const uint8_t **out)
{
    const uint8_t *packed = kp_bundle_data(&bundle, entry);
    *out = packed;
    if (!entry->packed_size)
        return KP_OK;
    uint64_t size = KP_ROUND_UP(entry->size, (uint64_t)KP_PAGE_SIZE);
    uint8_t *bytes = kp_kalloc_dirty((size_t)size);
    if (!bytes)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = (uintptr_t)bytes % KP_PAGE_SIZE ? KP_ERR_NOT_SUPPORTED : KP_OK;
    for (uint64_t i = 0; i < size / KP_PAGE_SIZE && status == KP_OK; i++)
        if (!kp_bundle_unpack(packed, entry->packed_size, entry->size, i, bytes + i * KP_PAGE_SIZE))
            status = KP_ERR_BAD_FORMAT;
    if (status != KP_OK)
        kp_kfree(bytes);
    *out = bytes;
    return status;
}

static kp_status_t image_make(const kp_bundle_entry_t *entry, const char *name, kp_image_t **out)
{
    kp_image_t *image = kp_kalloc(sizeof(*image));
    const uint8_t *bytes;
    kp_status_t status = image ? image_bytes(entry, &bytes) : KP_ERR_NO_MEMORY;
    if (status == KP_OK) {
        status = kp_image_parse(image, name, bytes, (size_t)entry->size, MACHINE_IMAGE);
        if (status != KP_OK && entry->packed_size)
            kp_kfree((void *)bytes);
    }
    if (status == KP_OK)
        *out = image;
    else
        kp_kfree(image);
    return status;
}

static const kp_bundle_entry_t *image_entry(const char *name)
{
    char path[KP_BUNDLE_NAME_MAX];
    kp_snprintf(path, sizeof(path), "programs/%s.kpi", name);
    return kp_bundle_find(&bundle, path);
}

bool kp_files_has_image(const char *name)
{
    return image_entry(name) != NULL;
}

static kp_image_t *image_exchange(file_t *file, kp_image_t *made)
{
    kp_spin_lock(&files_lock);
    if (!file->image)
        file->image = made;
    kp_image_t *image = file->image;
    kp_spin_unlock(&files_lock);
    return image;
}

kp_status_t kp_files_image(const char *name, const kp_image_t **out)
{
    const kp_bundle_entry_t *entry = image_entry(name);
    if (!entry)
        return KP_ERR_NOT_FOUND;
    file_t *file = &files[entry - bundle.entries];
    kp_image_t *image = image_exchange(file, NULL), *made = NULL;
    if (!image) { /* which takes too long for a lock */
        kp_status_t status = image_make(entry, name, &made);
        if (status != KP_OK)
            return status;
        image = image_exchange(file, made);
    }
    if (made && image != made)
        image_destroy(entry, made);
    *out = image;
    return KP_OK;
}

/* One page of a packed file, when it is first looked at. A damaged archive was said to be so; what it
   shows is zeroes. */
static void page_fill(const void *context, uint64_t offset, void *page)
{
    const kp_bundle_entry_t *entry = context;
    (void)kp_bundle_unpack(kp_bundle_data(&bundle, entry), entry->packed_size, entry->size,
                           offset / KP_PAGE_SIZE, page);
}

static void page_of_zeroes(const void *context, uint64_t offset, void *page)
{
    (void)context, (void)offset;
    memset(page, 0, KP_PAGE_SIZE);
}

/* An empty file is a page that nobody looks at: a VMO has at least one. */
static kp_status_t file_vmo(const kp_bundle_entry_t *entry, kp_vmo_t **out)
{
    file_t *file = &files[entry - bundle.entries];
    kp_status_t status = KP_OK;
    kp_spin_lock(&files_lock);
    if (!file->vmo && entry->size == 0)
        status = kp_vmo_create_filled(KP_PAGE_SIZE, page_of_zeroes, NULL, &file->vmo);
    else if (!file->vmo && entry->packed_size)
        status = kp_vmo_create_filled(entry->size, page_fill, entry, &file->vmo);
    else if (!file->vmo)
        status = kp_vmo_create_static(kp_bundle_data(&bundle, entry), entry->size, &file->vmo);
    if (status == KP_OK)
        *out = kp_vmo_acquire(file->vmo);
    kp_spin_unlock(&files_lock);
    return status;
}

kp_status_t kp_files_vmo(const char *name, kp_vmo_t **vmo, uint64_t *size)
{
    const kp_bundle_entry_t *entry = kp_bundle_find(&bundle, name);
    if (!entry)
        return KP_ERR_NOT_FOUND;
    *size = entry->size;
    return file_vmo(entry, vmo);
}

void kp_files_grant(kp_startup_t *startup, const char *prefix)
{
    const kp_rights_t rights = KP_RIGHT_READ | KP_RIGHT_MAP | KP_RIGHT_DUPLICATE |
                               KP_RIGHT_TRANSFER | KP_RIGHT_WAIT | KP_RIGHT_INSPECT;
    size_t length = strlen(prefix);
    for (uint32_t i = 0; i < bundle.count; i++) {
        const kp_bundle_entry_t *entry = &bundle.entries[i];
        if (strncmp(entry->name, prefix, length) != 0)
            continue;
        char name[KP_BUNDLE_NAME_MAX + 32];
        kp_snprintf(name, sizeof(name), "file:%s=%llu", entry->name,
                    (unsigned long long)entry->size);
        kp_vmo_t *vmo = NULL;
        kp_capability_t capability = {0};
        if (file_vmo(entry, &vmo) == KP_OK)
            capability = kp_capability_create(&vmo->object, rights);
        kp_startup_grant(startup, name, capability);
        kp_vmo_release(vmo);
    }
}

void kp_files_grant_code(kp_startup_t *startup, const char *name)
{
    const kp_image_t *image;
    kp_capability_t code = {0};
    char handle_name[KP_BUNDLE_NAME_MAX + 8];
    kp_snprintf(handle_name, sizeof(handle_name), "code:%s", name);
    kp_status_t status = kp_files_image(name, &image);
    if (status == KP_OK)
        status = kp_code_create(image, &code);
    if (status == KP_OK)
        kp_startup_grant(startup, handle_name, code);
    else if (startup->status == KP_OK)
        startup->status = status;
}

/* A file's bytes one after the other, packed or not. */
typedef struct reader {
    const kp_bundle_entry_t *entry;
    uint64_t at;
    const uint8_t *page; /* the one that `at` lies in, unless it begins there */
} reader_t;

static kp_spinlock_t symbols_lock;
static uint8_t symbols_page[KP_PAGE_SIZE]; /* of a packed one; guarded by: symbols_lock */

/* The next byte, -1 at the end. symbols_lock is held. */
static int reader_next(reader_t *reader)
{
    const kp_bundle_entry_t *entry = reader->entry;
    if (reader->at == entry->size)
        return -1;
    uint64_t within = reader->at % KP_PAGE_SIZE;
    if (within == 0 && entry->packed_size) {
        page_fill(entry, reader->at, symbols_page);
        reader->page = symbols_page;
    } else if (within == 0) {
        reader->page = kp_bundle_data(&bundle, entry) + reader->at;
    }
    reader->at++;
    return reader->page[within];
}

static int hex_digit(int c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void kp_files_symbol(const kp_image_t *image, uint64_t offset, char *name, size_t size)
{
    char path[KP_BUNDLE_NAME_MAX];
    kp_snprintf(path, sizeof(path), "symbols/%s.sym", image->name);
    reader_t reader = {.entry = kp_bundle_find(&bundle, path)};
    name[0] = 0;
    if (!reader.entry)
        return;
    kp_spin_lock(&symbols_lock);
    for (int c = reader_next(&reader); c >= 0;) {
        uint64_t start = 0;
        for (int digit; (digit = hex_digit(c)) >= 0; c = reader_next(&reader))
            start = start * 16 + (uint64_t)digit;
        if (start > offset)
            break;
        size_t length = 0;
        if (c == ' ')
            c = reader_next(&reader);
        for (; c >= 0 && c != '\n'; c = reader_next(&reader)) {
            if (length < size - 1)
                name[length++] = (char)c;
        }
        name[length] = 0;
        c = reader_next(&reader);
    }
    kp_spin_unlock(&symbols_lock);
}
