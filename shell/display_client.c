#include "shell/display_client.h"

#include <string.h>

#define DELAY_MIN (20 * KP_NS_PER_MS)
#define DELAY_MAX (2 * KP_NS_PER_S)

static uint32_t next_txid(kp_shell_display_t *display)
{
    if (++display->last_txid == 0)
        display->last_txid = 1;
    return display->last_txid;
}

static void create_surface(kp_shell_surface_t *surface)
{
    kp_shell_display_t *display = surface->display;
    surface->id = 0;
    surface->create_txid = next_txid(display);
    kp_message_header_t create = {KP_DISPLAY_SURFACE_CREATE, surface->create_txid};
    (void)kp_shell_link_send(&display->link, &create, sizeof(create), NULL, 0, NULL, 0);
}

static void connect_again(kp_shell_display_t *display)
{
    kp_loop_timer_set(display->link.loop, &display->reconnect, kp_now() + display->delay);
    display->delay = display->delay * 2 > DELAY_MAX ? DELAY_MAX : display->delay * 2;
}

static void connect(void *context)
{
    kp_shell_display_t *display = context;
    int64_t channel = kp_service_connect(display->service);
    kp_status_t status = channel < 0 ? (kp_status_t)channel
                                     : kp_shell_link_open(&display->link, (kp_handle_t)channel);
    if (status != KP_OK) {
        kp_log("cannot connect to the display: %s", kp_status_name(status));
        if (channel > 0)
            (void)kp_handle_close((kp_handle_t)channel);
        connect_again(display);
        return;
    }
    display->screen_txid = next_txid(display);
    kp_message_header_t ask = {KP_DISPLAY_SCREEN_INFO, display->screen_txid};
    (void)kp_shell_link_send(&display->link, &ask, sizeof(ask), NULL, 0, NULL, 0);
    for (size_t i = 0; i < display->surface_count; i++)
        create_surface(display->surfaces[i]);
}

static void send_place(kp_shell_surface_t *surface)
{
    surface->place.header = (kp_message_header_t){KP_DISPLAY_SURFACE_PLACE, 0};
    surface->place.surface = surface->id;
    surface->is_stale = kp_shell_link_send(&surface->display->link, &surface->place,
                                           sizeof(surface->place), NULL, 0, NULL, 0) != KP_OK;
}

static void destroy_surface(kp_shell_display_t *display, uint32_t id)
{
    kp_display_surface_t destroy = {{KP_DISPLAY_SURFACE_DESTROY, 0}, id};
    (void)kp_shell_link_send(&display->link, &destroy, sizeof(destroy), NULL, 0, NULL, 0);
}

static void on_closed(void *context);

static void created(kp_shell_display_t *display, const kp_display_surface_t *message)
{
    for (size_t i = 0; i < display->surface_count; i++) {
        kp_shell_surface_t *surface = display->surfaces[i];
        if (surface->id != 0 || surface->create_txid != message->header.txid)
            continue;
        if (message->surface == 0) { /* it is short of memory: from the start, a little later */
            kp_shell_link_close(&display->link);
            on_closed(display);
            return;
        }
        surface->id = message->surface;
        send_place(surface);
        surface->ops->created(surface->context);
        return;
    }
    if (message->surface != 0)
        destroy_surface(display, message->surface); /* renewed before it was there */
}

static void presented(kp_shell_display_t *display, const kp_display_presented_t *message)
{
    display->delay = DELAY_MIN; /* it works */
    for (size_t i = 0; i < display->surface_count; i++) {
        kp_shell_surface_t *surface = display->surfaces[i];
        if (surface->id != 0 && surface->id == message->surface) {
            if (surface->is_stale)
                send_place(surface);
            surface->ops->presented(surface->context, message->sequence, message->status);
            return;
        }
    }
}

static void on_message(void *context, kp_message_t *message)
{
    kp_shell_display_t *display = context;
    kp_message_header_t head = kp_message_head(message);
    switch (head.ordinal) {
    case KP_DISPLAY_SURFACE_CREATED:
    case KP_DISPLAY_SURFACE_CREATE: { /* a reply may carry its request's ordinal */
        const kp_display_surface_t *reply = kp_message_as(message, sizeof(*reply));
        if (reply)
            created(display, reply);
        break;
    }
    case KP_DISPLAY_PRESENTED: {
        const kp_display_presented_t *event = kp_message_as(message, sizeof(*event));
        if (event)
            presented(display, event);
        break;
    }
    case KP_DISPLAY_SCREEN_INFO: {
        const kp_display_screen_t *screen = kp_message_as(message, sizeof(*screen));
        if (screen && head.txid == display->screen_txid)
            display->ops->screen(display->context, screen->width, screen->height, screen->scale);
        break;
    }
    case KP_DISPLAY_INPUT: {
        const kp_display_input_t *input = kp_message_as(message, sizeof(*input));
        if (input)
            display->ops->input(display->context, input);
        break;
    }
    default:
        break; /* a newer display may say more */
    }
}

static void on_closed(void *context)
{
    kp_shell_display_t *display = context;
    kp_log("the display is gone or fails; connecting again");
    for (size_t i = 0; i < display->surface_count; i++) {
        display->surfaces[i]->id = 0;
        display->surfaces[i]->create_txid = 0;
        display->surfaces[i]->ops->lost(display->surfaces[i]->context);
    }
    connect_again(display);
}

static const kp_shell_link_ops_t link_ops = {.message = on_message, .closed = on_closed};

void kp_shell_display_init(kp_shell_display_t *display, kp_loop_t *loop, kp_message_t *scratch,
                           kp_handle_t service, const kp_shell_display_ops_t *ops, void *context)
{
    display->link =
        (kp_shell_link_t){.loop = loop, .message = scratch, .ops = &link_ops, .context = display};
    display->service = service;
    display->ops = ops;
    display->context = context;
    display->delay = DELAY_MIN;
    kp_loop_timer_init(&display->reconnect, connect, display);
    if (service != KP_HANDLE_NONE)
        connect(display);
}

kp_status_t kp_shell_display_add(kp_shell_display_t *display, kp_shell_surface_t *surface,
                                 const kp_shell_surface_ops_t *ops, void *context)
{
    if (display->surface_count == KP_SHELL_SURFACES_MAX)
        return KP_ERR_QUOTA;
    surface->display = display;
    surface->ops = ops;
    surface->context = context;
    display->surfaces[display->surface_count++] = surface;
    if (kp_shell_link_is_open(&display->link))
        create_surface(surface);
    return KP_OK;
}

kp_status_t kp_shell_surface_present(kp_shell_surface_t *surface,
                                     const kp_display_present_t *present,
                                     const kp_handle_t *handles, size_t handle_count)
{
    kp_display_present_t message = *present;
    message.header = (kp_message_header_t){KP_DISPLAY_SURFACE_PRESENT, 0};
    message.surface = surface->id;
    if (surface->id == 0) {
        for (size_t i = 0; i < handle_count; i++)
            (void)kp_handle_close(handles[i]);
        return surface->display->service == KP_HANDLE_NONE ? KP_ERR_NOT_FOUND : KP_ERR_BAD_STATE;
    }
    return kp_shell_link_send(&surface->display->link, &message, sizeof(message), NULL, 0, handles,
                              handle_count);
}

void kp_shell_surface_place(kp_shell_surface_t *surface, const kp_display_place_t *place)
{
    kp_display_place_t wanted = *place;
    wanted.header = (kp_message_header_t){KP_DISPLAY_SURFACE_PLACE, 0};
    wanted.surface = surface->id;
    bool is_same = memcmp(&wanted, &surface->place, sizeof(wanted)) == 0;
    surface->place = wanted;
    if (surface->id != 0 && (!is_same || surface->is_stale))
        send_place(surface);
}

void kp_shell_surface_renew(kp_shell_surface_t *surface)
{
    kp_shell_display_t *display = surface->display;
    if (!kp_shell_link_is_open(&display->link))
        return; /* made when the connection is */
    if (surface->id != 0)
        destroy_surface(display, surface->id);
    create_surface(surface);
}
