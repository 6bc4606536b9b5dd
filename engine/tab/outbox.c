#include "engine/tab/tab.h"

#include <stdlib.h>
#include <string.h>

void kp_outbox_init(kp_outbox_t *outbox, kp_handle_t channel)
{
    *outbox = (kp_outbox_t){.channel = channel};
    outbox->last = &outbox->first;
}

static void close_handles(const kp_handle_t *handles, size_t count)
{
    for (size_t i = 0; i < count; i++)
        kp_handle_close(handles[i]);
}

static kp_status_t keep(kp_outbox_t *outbox, const kp_message_part_t *parts, size_t part_count,
                        const kp_handle_t *handles, size_t handle_count)
{
    size_t size = 0;
    for (size_t i = 0; i < part_count; i++)
        size += parts[i].size;
    if (size > KP_OUTBOX_BYTES_MAX - outbox->waiting_bytes)
        return KP_ERR_QUOTA;
    kp_outbox_entry_t *entry = malloc(sizeof *entry + size);
    if (!entry)
        return KP_ERR_NO_MEMORY;
    entry->next = NULL;
    entry->size = size;
    entry->handle_count = handle_count;
    if (handle_count)
        memcpy(entry->handles, handles, handle_count * sizeof *handles);
    size_t at = 0;
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i].size)
            memcpy(entry->bytes + at, parts[i].bytes, parts[i].size);
        at += parts[i].size;
    }
    *outbox->last = entry;
    outbox->last = &entry->next;
    outbox->waiting_bytes += size;
    return KP_OK;
}

kp_status_t kp_outbox_send(kp_outbox_t *outbox, const kp_message_part_t *parts, size_t part_count,
                           const kp_handle_t *handles, size_t handle_count)
{
    kp_status_t status = KP_ERR_SHOULD_WAIT;
    if (!outbox->first)
        status = kp_message_send_parts(outbox->channel, parts, part_count, handles, handle_count);
    if (status == KP_ERR_SHOULD_WAIT)
        status = keep(outbox, parts, part_count, handles, handle_count);
    if (status != KP_OK)
        close_handles(handles, handle_count);
    return status;
}

kp_status_t kp_outbox_flush(kp_outbox_t *outbox)
{
    while (outbox->first) {
        kp_outbox_entry_t *entry = outbox->first;
        kp_status_t status = kp_message_send_with(outbox->channel, entry->bytes, entry->size, NULL,
                                                  0, entry->handles, entry->handle_count);
        if (status != KP_OK)
            return status;
        outbox->first = entry->next;
        if (!outbox->first)
            outbox->last = &outbox->first;
        outbox->waiting_bytes -= entry->size;
        free(entry);
    }
    return KP_OK;
}

bool kp_outbox_is_empty(const kp_outbox_t *outbox)
{
    return outbox->first == NULL;
}

void kp_outbox_clear(kp_outbox_t *outbox)
{
    while (outbox->first) {
        kp_outbox_entry_t *entry = outbox->first;
        outbox->first = entry->next;
        close_handles(entry->handles, entry->handle_count);
        free(entry);
    }
    outbox->last = &outbox->first;
    outbox->waiting_bytes = 0;
}
