/* The service: connections come in, requests are served, then the round's painting is done. */
#include "display/display.h"

void kp_display_schedule(kp_display_t *display)
{
    if (!kp_loop_timer_is_set(&display->paint))
        kp_loop_timer_set(&display->loop, &display->paint, 0);
}

/* The first page (the surface at the bottom, not the shell's own bars above) is on the screen. */
static void mark_first_page(kp_display_t *display)
{
    const kp_surface_t *surface = display->compositor.bottom;
    while (surface && kp_paint_rect_is_empty(surface->painted.rect))
        surface = surface->next;
    if (display->page_was_shown || !surface || surface->order != 0 || !surface->scene.op_count)
        return;
    display->page_was_shown = true;
    (void)kp_boot_mark_text("first-paint");
}

/* An empty screen is not worth the time at start-up: nothing is painted before the first list. */
static bool has_content(const kp_display_t *display)
{
    const kp_surface_t *surface = display->compositor.bottom;
    while (surface && !surface->scene.op_count)
        surface = surface->next;
    return display->compositor.target.pixels && (surface || display->compositor.frames);
}

static void on_paint(void *context)
{
    kp_display_t *display = context;
    if (has_content(display)) {
        kp_status_t status = kp_compositor_paint(&display->compositor);
        if (status != KP_OK)
            kp_log("painting: %s", kp_status_text(status));
        mark_first_page(display);
    }
    for (kp_client_t *client = display->clients; client; client = client->next)
        kp_client_answer(client);
}

static void on_connection(void *context, kp_handle_t handle, kp_signals_t observed)
{
    kp_display_t *display = context;
    kp_status_t status = kp_message_receive(handle, &display->message);
    (void)observed;
    if (status == KP_ERR_SHOULD_WAIT)
        return;
    if (status != KP_OK) { /* the service is gone: so is this program's use */
        kp_log("service: %s", kp_status_text(status));
        kp_loop_stop(&display->loop, 1);
        return;
    }
    kp_handle_t channel = kp_message_take(&display->message, 0);
    if (channel == KP_HANDLE_NONE)
        return;
    status = kp_client_create(display, channel);
    if (status != KP_OK)
        kp_log("new client: %s", kp_status_text(status));
}

kp_status_t kp_display_open(kp_display_t *display)
{
    kp_loop_init(&display->loop);
    kp_loop_timer_init(&display->paint, on_paint, display);
    kp_handle_t service = kp_startup_take("svc:display");
    int64_t registered = kp_service_register(service);
    if (registered < 0)
        return (kp_status_t)registered;
    display->service = (kp_handle_t)registered;
    kp_screen_open(display);
    kp_input_open(display);
    return kp_loop_watch(&display->loop, display->service,
                         KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, on_connection, display);
}
