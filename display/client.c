/* One connection. */
#include <stdlib.h>
#include <string.h>

#include "display/display.h"

#define MESSAGES_AT_ONCE 32

static void on_message(void *context, kp_handle_t handle, kp_signals_t observed);

static void watch(kp_client_t *client)
{
    kp_signals_t signals = KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED;
    if (client->queue_count)
        signals |= KP_SIGNAL_WRITABLE;
    kp_status_t status =
        kp_loop_watch(&client->display->loop, client->channel, signals, on_message, client);
    if (status != KP_OK)
        kp_log("client: %s", kp_status_text(status));
}

kp_status_t kp_client_create(kp_display_t *display, kp_handle_t channel)
{
    kp_client_t *client = calloc(1, sizeof *client);
    if (!client) {
        (void)kp_handle_close(channel);
        return KP_ERR_NO_MEMORY;
    }
    client->display = display;
    client->channel = channel;
    kp_status_t status = kp_loop_watch(
        &display->loop, channel, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, on_message, client);
    if (status != KP_OK) {
        (void)kp_handle_close(channel);
        free(client);
        return status;
    }
    client->next = display->clients;
    display->clients = client;
    return KP_OK;
}

void kp_client_destroy(kp_client_t *client)
{
    kp_display_t *display = client->display;
    kp_client_t **at = &display->clients;
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    if (display->front == client)
        display->front = NULL;
    while (client->surfaces)
        kp_client_surface_destroy(client, client->surfaces);
    for (size_t i = 0; i < client->queue_count; i++) {
        kp_handle_t handle = client->queue[client->queue_first + i].handle;
        if (handle != KP_HANDLE_NONE)
            (void)kp_handle_close(handle);
    }
    kp_loop_unwatch(&display->loop, client->channel);
    (void)kp_handle_close(client->channel);
    free(client->queue);
    free(client);
}

/* ---- sending ---- */

static kp_status_t send_now(kp_client_t *client, const kp_reply_t *reply)
{
    return kp_message_send_with(client->channel, reply->bytes, reply->size, NULL, 0, &reply->handle,
                                reply->handle == KP_HANDLE_NONE ? 0 : 1);
}

static bool enqueue(kp_client_t *client, const kp_reply_t *reply)
{
    if (client->queue_first + client->queue_count == client->queue_capacity) {
        if (client->queue_count == KP_DISPLAY_QUEUE_MAX)
            return false;
        if (client->queue_first) {
            memmove(client->queue, client->queue + client->queue_first,
                    client->queue_count * sizeof *reply);
            client->queue_first = 0;
        } else {
            size_t capacity = client->queue_capacity ? client->queue_capacity * 2 : 16;
            kp_reply_t *queue = realloc(client->queue, capacity * sizeof *queue);
            if (!queue)
                return false;
            client->queue = queue;
            client->queue_capacity = capacity;
        }
    }
    client->queue[client->queue_first + client->queue_count++] = *reply;
    return true;
}

void kp_client_send(kp_client_t *client, const void *bytes, size_t size, kp_handle_t handle)
{
    kp_reply_t reply = {.handle = handle, .size = (uint32_t)size};
    memcpy(reply.bytes, bytes, size);
    kp_status_t status = client->queue_count ? KP_ERR_SHOULD_WAIT : send_now(client, &reply);
    if (status == KP_ERR_SHOULD_WAIT) {
        bool first = client->queue_count == 0;
        if (enqueue(client, &reply)) {
            if (first)
                watch(client);
            return;
        }
        status = KP_ERR_QUOTA;
    }
    if (status != KP_OK && handle != KP_HANDLE_NONE)
        (void)kp_handle_close(handle);
    if (status != KP_OK && status != KP_ERR_PEER_CLOSED) /* PEER_CLOSED: the loop tells soon */
        kp_log("client: answer lost: %s", kp_status_text(status));
}

static void send_queued(kp_client_t *client)
{
    while (client->queue_count) {
        kp_status_t status = send_now(client, &client->queue[client->queue_first]);
        if (status == KP_ERR_SHOULD_WAIT)
            return;
        if (status != KP_OK && client->queue[client->queue_first].handle != KP_HANDLE_NONE)
            (void)kp_handle_close(client->queue[client->queue_first].handle);
        client->queue_first++;
        client->queue_count--;
    }
    client->queue_first = 0;
    watch(client);
}

void kp_client_answer(kp_client_t *client)
{
    for (kp_client_surface_t *s = client->surfaces; s; s = s->next) {
        if (!s->owes_presented)
            continue;
        s->owes_presented = false;
        kp_client_send(client, &s->presented, sizeof s->presented, KP_HANDLE_NONE);
    }
}

/* ---- requests ---- */

static void on_create(kp_client_t *client, kp_message_header_t header)
{
    kp_client_surface_t *surface = NULL;
    kp_status_t status = kp_client_surface_create(client, &surface);
    if (status != KP_OK)
        kp_log("new surface: %s", kp_status_text(status));
    kp_display_surface_t reply = {.header = {KP_DISPLAY_SURFACE_CREATED, header.txid},
                                  .surface = surface ? surface->id : 0};
    kp_client_send(client, &reply, sizeof reply, KP_HANDLE_NONE);
}

static void on_present(kp_client_t *client, const kp_display_present_t *present,
                       kp_message_t *message)
{
    kp_client_surface_t *surface = kp_client_surface_find(client, present->surface);
    kp_display_presented_t reply = {.header = {KP_DISPLAY_PRESENTED, present->header.txid},
                                    .surface = present->surface,
                                    .sequence = present->sequence,
                                    .status = KP_ERR_NOT_FOUND};
    if (surface)
        reply.status = kp_client_surface_present(client, surface, present, message);
    if (reply.status != KP_OK) {
        kp_log("frame refused: %s", kp_status_text(reply.status));
        kp_client_send(client, &reply, sizeof reply, KP_HANDLE_NONE);
        return;
    }
    if (surface->owes_presented) /* a second frame before the first was painted: answer both */
        kp_client_send(client, &surface->presented, sizeof surface->presented, KP_HANDLE_NONE);
    surface->presented = reply;
    surface->owes_presented = true;
    kp_display_schedule(client->display);
}

static bool within(int64_t value)
{
    return value >= -KP_DISPLAY_COORDINATE_MAX && value <= KP_DISPLAY_COORDINATE_MAX;
}

static kp_status_t on_place(kp_client_t *client, const kp_display_place_t *place)
{
    kp_client_surface_t *surface = kp_client_surface_find(client, place->surface);
    if (!surface)
        return KP_OK; /* it may have been destroyed meanwhile */
    if (!within(place->x) || !within(place->y) || !within(place->width) || !within(place->height) ||
        !within(place->scroll_x) || !within(place->scroll_y))
        return KP_ERR_PROTOCOL;
    kp_placement_t placement = {
        .rect = {place->x, place->y, place->x + (int32_t)place->width,
                 place->y + (int32_t)place->height},
        .scroll_x = place->scroll_x,
        .scroll_y = place->scroll_y,
        .scroll_bar = place->scroll_bar != 0,
    };
    kp_compositor_place(&client->display->compositor, &surface->surface, &placement, place->order);
    if (place->width && place->height)
        client->display->front = client;
    kp_display_schedule(client->display);
    return KP_OK;
}

static void on_screen_info(kp_client_t *client, kp_message_header_t header)
{
    const kp_compositor_t *compositor = &client->display->compositor;
    kp_display_screen_t reply = {.header = {KP_DISPLAY_SCREEN_INFO, header.txid},
                                 .width = (uint32_t)compositor->target.width,
                                 .height = (uint32_t)compositor->target.height,
                                 .scale = compositor->scale};
    kp_client_send(client, &reply, sizeof reply, KP_HANDLE_NONE);
}

/* ERR_PROTOCOL: the client is not to be trusted any more. */
static kp_status_t dispatch(kp_client_t *client, kp_message_t *message)
{
    kp_message_header_t header = kp_message_head(message);
    const void *as = NULL;
    switch (header.ordinal) {
    case KP_DISPLAY_SURFACE_CREATE:
        on_create(client, header);
        return KP_OK;
    case KP_DISPLAY_SURFACE_PRESENT:
        as = kp_message_as(message, sizeof(kp_display_present_t));
        if (as)
            on_present(client, as, message);
        break;
    case KP_DISPLAY_SURFACE_PLACE:
        as = kp_message_as(message, sizeof(kp_display_place_t));
        if (as)
            return on_place(client, as);
        break;
    case KP_DISPLAY_SURFACE_DESTROY:
        as = kp_message_as(message, sizeof(kp_display_surface_t));
        if (as) {
            const kp_display_surface_t *destroy = as;
            kp_client_surface_t *surface = kp_client_surface_find(client, destroy->surface);
            if (surface)
                kp_client_surface_destroy(client, surface);
        }
        break;
    case KP_DISPLAY_CAPTURE:
        as = kp_message_as(message, sizeof(kp_display_capture_t));
        if (as) {
            const kp_display_capture_t *capture = as;
            kp_client_surface_capture(client, kp_client_surface_find(client, capture->surface),
                                      capture);
        }
        break;
    case KP_DISPLAY_SCREEN_INFO:
        on_screen_info(client, header);
        return KP_OK;
    default:
        break;
    }
    return as ? KP_OK : KP_ERR_PROTOCOL;
}

static void on_message(void *context, kp_handle_t handle, kp_signals_t observed)
{
    kp_client_t *client = context;
    kp_message_t *message = &client->display->message;
    if (observed & KP_SIGNAL_WRITABLE && client->queue_count)
        send_queued(client);
    kp_status_t status = observed ? KP_OK : KP_ERR_BAD_HANDLE;
    /* Not all at once: other clients and painting have their turn; the loop calls again. */
    for (int i = 0; i < MESSAGES_AT_ONCE && status == KP_OK; i++) {
        status = kp_message_receive(handle, message);
        if (status == KP_OK)
            status = dispatch(client, message);
        kp_message_clear(message);
    }
    if (status == KP_OK || status == KP_ERR_SHOULD_WAIT)
        return;
    if (status != KP_ERR_PEER_CLOSED)
        kp_log("client dropped: %s", kp_status_text(status));
    kp_client_destroy(client);
}
