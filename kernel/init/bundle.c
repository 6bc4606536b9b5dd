#include "kernel/init/bundle.h"

static bool entry_is_valid(const kp_bundle_entry_t *entry, uint64_t data_start, uint64_t size)
{
    if (entry->name[0] == 0 || entry->name[KP_BUNDLE_NAME_MAX - 1] != 0)
        return false;
    if (entry->offset % KP_PAGE_SIZE || entry->offset < data_start || entry->offset > size)
        return false;
    uint64_t room = size - entry->offset;
    if (entry->packed_size == 0)
        return entry->size <= room;
    /* What is in it is looked at page by page, when it is unpacked. */
    uint64_t pages = entry->size / KP_PAGE_SIZE + (entry->size % KP_PAGE_SIZE != 0);
    return entry->packed_size <= room && pages <= entry->packed_size / sizeof(uint32_t);
}

kp_status_t kp_bundle_open(kp_bundle_t *bundle, const void *bytes, uint64_t size)
{
    kp_bundle_header_t header;
    memset(bundle, 0, sizeof(*bundle));
    if (!bytes || (uintptr_t)bytes % 8 || size < sizeof(header))
        return KP_ERR_BAD_FORMAT;
    memcpy(&header, bytes, sizeof(header));
    if (header.magic != KP_BUNDLE_MAGIC || header.total_size > size)
        return KP_ERR_BAD_FORMAT;
    size = header.total_size;
    if (size < sizeof(header) ||
        header.entry_count > (size - sizeof(header)) / sizeof(kp_bundle_entry_t))
        return KP_ERR_BAD_FORMAT;
    const kp_bundle_entry_t *entries =
        (const kp_bundle_entry_t *)((const uint8_t *)bytes + sizeof(header));
    uint64_t data_start = sizeof(header) + header.entry_count * sizeof(kp_bundle_entry_t);
    for (uint32_t i = 0; i < header.entry_count; i++) {
        if (!entry_is_valid(&entries[i], data_start, size))
            return KP_ERR_BAD_FORMAT;
        if (i > 0 && strcmp(entries[i - 1].name, entries[i].name) >= 0)
            return KP_ERR_BAD_FORMAT;
    }
    bundle->bytes = bytes;
    bundle->entries = entries;
    bundle->count = header.entry_count;
    return KP_OK;
}

const kp_bundle_entry_t *kp_bundle_find(const kp_bundle_t *bundle, const char *name)
{
    uint32_t low = 0, high = bundle->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(bundle->entries[middle].name, name);
        if (order == 0)
            return &bundle->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
