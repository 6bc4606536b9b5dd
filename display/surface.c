#include <stdlib.h>

#include "display/display.h"

/* A resource as the painter knows it: its mapping. */
typedef struct kp_mapping {
    kp_vmo_buffer_t buffer;
} kp_mapping_t;

/* Where the resources of one frame come from. */
typedef struct kp_frame_source {
    kp_client_surface_t *surface;
    kp_message_t *message; /* NULL while resources only go */
    size_t next_handle;
} kp_frame_source_t;

static kp_status_t open_resource(void *context, const kp_display_resource_t *wanted,
                                 const uint8_t **pixels, void **owner)
{
    kp_frame_source_t *source = context;
    uint64_t size = wanted->offset + (uint64_t)wanted->stride * wanted->height;
    if (size > KP_DISPLAY_MAPPED_MAX - source->surface->mapped_bytes)
        return KP_ERR_QUOTA;
    kp_handle_t vmo = kp_message_take(source->message, source->next_handle++);
    if (vmo == KP_HANDLE_NONE)
        return KP_ERR_PROTOCOL; /* fewer handles than RESOURCE commands */
    kp_mapping_t *mapping = calloc(1, sizeof *mapping);
    kp_status_t status =
        mapping ? kp_vmo_buffer_map(&mapping->buffer, vmo, (size_t)size, false) : KP_ERR_NO_MEMORY;
    if (status != KP_OK) {
        (void)kp_handle_close(vmo);
        free(mapping);
        return status;
    }
    source->surface->mapped_bytes += mapping->buffer.size;
    *pixels = (const uint8_t *)mapping->buffer.bytes + wanted->offset;
    *owner = mapping;
    return KP_OK;
}

static void close_resource(void *context, void *owner)
{
    kp_frame_source_t *source = context;
    kp_mapping_t *mapping = owner;
    source->surface->mapped_bytes -= mapping->buffer.size;
    kp_vmo_buffer_destroy(&mapping->buffer);
    free(mapping);
}

kp_status_t kp_client_surface_create(kp_client_t *client, kp_client_surface_t **out)
{
    if (client->surface_count == KP_DISPLAY_SURFACES_MAX)
        return KP_ERR_QUOTA;
    kp_client_surface_t *surface = calloc(1, sizeof *surface);
    if (!surface)
        return KP_ERR_NO_MEMORY;
    surface->id = ++client->next_surface;
    surface->surface.background = 0xffffffffu;
    surface->next = client->surfaces;
    client->surfaces = surface;
    client->surface_count++;
    kp_compositor_add(&client->display->compositor, &surface->surface);
    *out = surface;
    return KP_OK;
}

void kp_client_surface_destroy(kp_client_t *client, kp_client_surface_t *surface)
{
    kp_client_surface_t **at = &client->surfaces;
    while (*at != surface)
        at = &(*at)->next;
    *at = surface->next;
    client->surface_count--;
    kp_compositor_remove(&client->display->compositor, &surface->surface);
    kp_frame_source_t source = {.surface = surface};
    kp_paint_scene_clear(&surface->surface.scene,
                         &(kp_paint_host_t){&source, open_resource, close_resource});
    free(surface);
    kp_display_schedule(client->display);
}

kp_client_surface_t *kp_client_surface_find(kp_client_t *client, uint32_t id)
{
    kp_client_surface_t *surface = client->surfaces;
    while (surface && surface->id != id)
        surface = surface->next;
    return surface;
}

/* The list, copied once: the tab may go on writing to its VMO. */
static kp_status_t read_list(kp_handle_t vmo, size_t size, uint8_t **out)
{
    if (vmo == KP_HANDLE_NONE)
        return KP_ERR_PROTOCOL;
    if (size > KP_DISPLAY_LIST_MAX)
        return KP_ERR_TOO_LARGE;
    uint8_t *bytes = malloc(size ? size : 1);
    if (!bytes)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = kp_vmo_read(vmo, 0, bytes, size);
    if (status != KP_OK) {
        free(bytes);
        return status;
    }
    *out = bytes;
    return KP_OK;
}

static bool page_ok(const kp_display_present_t *present)
{
    return present->page_width >= 0 && present->page_width <= KP_DISPLAY_COORDINATE_MAX &&
           present->page_height >= 0 && present->page_height <= KP_DISPLAY_COORDINATE_MAX;
}

kp_status_t kp_client_surface_present(kp_client_t *client, kp_client_surface_t *surface,
                                      const kp_display_present_t *present, kp_message_t *message)
{
    kp_surface_t *shown = &surface->surface;
    kp_compositor_t *compositor = &client->display->compositor;
    kp_frame_source_t source = {.surface = surface, .message = message, .next_handle = 1};
    kp_paint_rect_t changed;
    uint8_t *bytes = NULL;
    kp_handle_t vmo = kp_message_take(message, 0);
    kp_status_t status =
        page_ok(present) ? read_list(vmo, present->list_size, &bytes) : KP_ERR_BAD_FORMAT;
    if (vmo != KP_HANDLE_NONE)
        (void)kp_handle_close(vmo);
    if (status != KP_OK)
        return status;
    status = kp_paint_scene_update(&shown->scene,
                                   &(kp_paint_host_t){&source, open_resource, close_resource},
                                   bytes, present->list_size, &changed);
    if (status != KP_OK)
        return status;
    if (shown->background != (present->background | 0xff000000u) ||
        shown->page_width != present->page_width || shown->page_height != present->page_height) {
        shown->background = present->background | 0xff000000u;
        shown->page_width = present->page_width;
        shown->page_height = present->page_height;
        kp_compositor_touch_all(compositor, shown);
    } else {
        kp_compositor_touch(compositor, shown, changed);
    }
    return KP_OK;
}

void kp_client_surface_capture(kp_client_t *client, kp_client_surface_t *surface,
                               const kp_display_capture_t *capture)
{
    const int32_t far = KP_DISPLAY_COORDINATE_MAX;
    kp_display_captured_t reply = {.header = {KP_DISPLAY_CAPTURED, capture->header.txid},
                                   .width = capture->width,
                                   .height = capture->height,
                                   .stride = capture->width * 4};
    kp_handle_t shared = KP_HANDLE_NONE;
    kp_vmo_buffer_t buffer = {0};
    if (!surface)
        reply.status = KP_ERR_NOT_FOUND;
    else if (capture->width < 1 || capture->width > 16384 || capture->height < 1 ||
             (uint64_t)capture->width * capture->height > 1u << 28 || capture->x < -far ||
             capture->x > far || capture->y < -far || capture->y > far)
        reply.status = KP_ERR_INVALID_ARGUMENT;
    else
        reply.status = kp_vmo_buffer_create(&buffer, (size_t)reply.stride * reply.height);
    if (reply.status == KP_OK) {
        kp_paint_target_t target = {buffer.bytes, capture->width, (int32_t)capture->width,
                                    (int32_t)capture->height};
        reply.status = kp_compositor_capture(&client->display->compositor, &surface->surface,
                                             &target, capture->x, capture->y);
    }
    if (reply.status == KP_OK) {
        int64_t handle = kp_vmo_buffer_share(&buffer, KP_VMO_SHARE_READ);
        if (handle < 0)
            reply.status = (kp_status_t)handle;
        else
            shared = (kp_handle_t)handle;
    }
    kp_vmo_buffer_destroy(&buffer);
    kp_client_send(client, &reply, sizeof reply, shared);
}
