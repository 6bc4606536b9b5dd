#include "engine/tab/tab.h"

#include <stdlib.h>
#include <string.h>

static kp_status_t grow(void **items, size_t *capacity, size_t item_size)
{
    size_t wanted = *capacity ? 2 * *capacity : 16;
    void *grown = realloc(*items, wanted * item_size);
    if (!grown)
        return KP_ERR_NO_MEMORY;
    *items = grown;
    *capacity = wanted;
    return KP_OK;
}

kp_status_t kp_tab_resources_create(kp_tab_resources_t *resources, uint32_t id, uint32_t format,
                                    uint32_t width, uint32_t height, uint32_t stride,
                                    uint8_t **pixels)
{
    if (width == 0 || height == 0 || width > KP_DISPLAY_RESOURCE_SIDE_MAX ||
        height > KP_DISPLAY_RESOURCE_SIDE_MAX)
        return KP_ERR_TOO_LARGE;
    if (resources->count >= KP_DISPLAY_RESOURCES_MAX)
        return KP_ERR_QUOTA;
    if (resources->count == resources->capacity) {
        kp_status_t status =
            grow((void **)&resources->items, &resources->capacity, sizeof *resources->items);
        if (status != KP_OK)
            return status;
    }
    kp_tab_resource_t *resource = &resources->items[resources->count];
    *resource = (kp_tab_resource_t){
        .id = id, .format = format, .width = width, .height = height, .stride = stride};
    uint64_t size = (uint64_t)stride * height;
    if (size > SIZE_MAX)
        return KP_ERR_TOO_LARGE;
    kp_status_t status = kp_vmo_buffer_create(&resource->buffer, (size_t)size);
    if (status != KP_OK)
        return status;
    resources->count++;
    *pixels = resource->buffer.bytes;
    return KP_OK;
}

void kp_tab_resources_destroy(kp_tab_resources_t *resources, uint32_t id)
{
    for (size_t i = 0; i < resources->count; i++) {
        kp_tab_resource_t *resource = &resources->items[i];
        if (resource->id != id)
            continue;
        /* Without memory for the note the display keeps the resource until the tab ends: it is
           charged to the tab all the same. */
        if (resource->is_announced &&
            (resources->dropped_count < resources->dropped_capacity ||
             grow((void **)&resources->dropped, &resources->dropped_capacity,
                  sizeof *resources->dropped) == KP_OK))
            resources->dropped[resources->dropped_count++] = id;
        kp_vmo_buffer_destroy(&resource->buffer);
        *resource = resources->items[--resources->count];
        return;
    }
}

void kp_tab_resources_forget_announced(kp_tab_resources_t *resources)
{
    for (size_t i = 0; i < resources->count; i++)
        resources->items[i].is_announced = false;
    resources->dropped_count = 0;
}

static size_t unannounced(const kp_tab_resources_t *resources, size_t limit)
{
    size_t count = 0;
    for (size_t i = 0; i < resources->count && count < limit; i++)
        count += !resources->items[i].is_announced;
    return count;
}

bool kp_tab_resources_has_news(const kp_tab_resources_t *resources)
{
    return unannounced(resources, 1) > 0;
}

size_t kp_tab_resources_news_size(const kp_tab_resources_t *resources, size_t limit)
{
    return resources->dropped_count * sizeof(kp_display_resource_drop_t) +
           unannounced(resources, limit) * sizeof(kp_display_resource_t);
}

kp_status_t kp_tab_resources_announce(kp_tab_resources_t *resources, size_t limit, uint8_t *to,
                                      uint32_t *command_count, kp_handle_t *handles,
                                      size_t *handle_count)
{
    size_t count = 0;
    uint8_t *start = to;
    to += resources->dropped_count * sizeof(kp_display_resource_drop_t);
    for (size_t i = 0; i < resources->count && count < limit; i++) {
        kp_tab_resource_t *resource = &resources->items[i];
        if (resource->is_announced)
            continue;
        int64_t handle =
            kp_vmo_buffer_share(&resource->buffer, KP_RIGHT_READ | KP_RIGHT_MAP |
                                                       KP_RIGHT_DUPLICATE | KP_RIGHT_TRANSFER);
        if (handle < 0) {
            while (count > 0)
                kp_handle_close(handles[--count]);
            return (kp_status_t)handle;
        }
        kp_display_resource_t command = {
            .command = {KP_DISPLAY_RESOURCE, sizeof command},
            .id = resource->id,
            .format = resource->format,
            .width = resource->width,
            .height = resource->height,
            .stride = resource->stride,
        };
        memcpy(to, &command, sizeof command);
        to += sizeof command;
        handles[count++] = (kp_handle_t)handle;
    }
    /* Nothing can fail from here on. */
    for (size_t i = 0; i < resources->dropped_count; i++) {
        kp_display_resource_drop_t command = {.command = {KP_DISPLAY_RESOURCE_DROP, sizeof command},
                                              .id = resources->dropped[i]};
        memcpy(start, &command, sizeof command);
        start += sizeof command;
    }
    size_t marked = 0;
    for (size_t i = 0; i < resources->count && marked < count; i++) {
        marked += !resources->items[i].is_announced;
        resources->items[i].is_announced = true;
    }
    *command_count = (uint32_t)(resources->dropped_count + count);
    *handle_count = count;
    resources->dropped_count = 0;
    return KP_OK;
}
