#include "shell/tab_view.h"

#include <stdlib.h>
#include <string.h>

#include "abi/display_list.h"

#define START_DELAY_MIN (100 * KP_NS_PER_MS)
#define START_DELAY_MAX (5 * KP_NS_PER_S)
#define EXIT_WAIT (200 * KP_NS_PER_MS) /* for the reason, when the channel closed first */
#define REDRAW_WAIT (1500 * KP_NS_PER_MS)
#define REFUSED_MAX 4u

static void forget_waiting(kp_shell_view_t *view)
{
    free(view->waiting_url);
    free(view->waiting_html);
    view->waiting_url = view->waiting_html = NULL;
}

static void drop_held(kp_shell_view_t *view)
{
    for (uint32_t i = 0; i < view->held.handle_count; i++)
        (void)kp_handle_close(view->held.handles[i]);
    view->held.handle_count = 0;
}

/* ---- the process ---- */

void kp_shell_view_stop(kp_shell_view_t *view)
{
    kp_loop_timer_cancel(&view->start_timer);
    kp_loop_timer_cancel(&view->redraw_timer);
    kp_shell_link_close(&view->link);
    drop_held(view);
    view->is_in_flight = false;
    view->refused = 0;
    if (view->process == KP_HANDLE_NONE)
        return;
    kp_loop_unwatch(view->loop, view->process);
    (void)kp_process_kill(view->process); /* it may have ended already */
    (void)kp_handle_close(view->process);
    view->process = KP_HANDLE_NONE;
}

static void crash(kp_shell_view_t *view, const char *reason)
{
    kp_process_info_t info;
    memset(&info, 0, sizeof(info));
    bool is_known = view->process != KP_HANDLE_NONE &&
                    kp_process_info(view->process, &info) == KP_OK &&
                    info.exit_reason != KP_EXIT_NONE;
    kp_shell_view_stop(view);
    view->ops->crashed(view->context, is_known ? &info : NULL, reason);
}

static void process_ended(void *context, kp_handle_t handle, kp_signals_t observed)
{
    (void)handle;
    (void)observed;
    crash(context, NULL);
}

static void channel_closed(void *context)
{
    kp_shell_view_t *view = context;
    /* Usually the process is ending: then the kernel can say why in a moment. */
    (void)kp_object_wait_one(view->process, KP_SIGNAL_TERMINATED, kp_now() + EXIT_WAIT, NULL);
    crash(view, NULL);
}

static void send_configure(kp_shell_view_t *view)
{
    kp_tab_configure_t configure = {.header = {KP_TAB_CONFIGURE, 0},
                                    .width = (uint32_t)kp_shell_view_viewport_width(view),
                                    .height = (uint32_t)kp_shell_view_viewport_height(view),
                                    .scale = view->scale};
    (void)kp_shell_link_send_latest(&view->link, &configure, sizeof(configure));
}

static kp_status_t send_load(kp_shell_view_t *view, const char *url, const char *html, size_t size)
{
    size_t url_size = strlen(url);
    if (!html) {
        kp_tab_navigate_t navigate = {.header = {KP_TAB_NAVIGATE, 0},
                                      .load_id = view->load_id,
                                      .url_size = (uint32_t)url_size};
        return kp_shell_link_send(&view->link, &navigate, sizeof(navigate), url, url_size, NULL, 0);
    }
    kp_tab_load_html_t load = {.header = {KP_TAB_LOAD_HTML, 0},
                               .load_id = view->load_id,
                               .url_size = (uint32_t)url_size,
                               .html_size = (uint32_t)size};
    char *tail = malloc(url_size + size + 1);
    if (!tail)
        return KP_ERR_NO_MEMORY;
    memcpy(tail, url, url_size);
    memcpy(tail + url_size, html, size);
    kp_status_t status =
        kp_shell_link_send(&view->link, &load, sizeof(load), tail, url_size + size, NULL, 0);
    free(tail);
    return status;
}

static void send_waiting(kp_shell_view_t *view)
{
    if (!view->waiting_url)
        return;
    kp_status_t status = send_load(view, view->waiting_url, view->waiting_html, view->waiting_size);
    if (status != KP_OK)
        kp_log("%s: a load could not be sent: %s", view->name, kp_status_name(status));
    forget_waiting(view);
}

static kp_status_t try_start(kp_shell_view_t *view)
{
    kp_tab_created_t created;
    kp_status_t status = kp_tab_create(view->coordinator, &created);
    if (status != KP_OK)
        return status;
    status = kp_shell_link_open(&view->link, created.channel);
    if (status != KP_OK) {
        (void)kp_handle_close(created.channel);
    } else {
        status =
            kp_loop_watch(view->loop, created.process, KP_SIGNAL_TERMINATED, process_ended, view);
        if (status != KP_OK)
            kp_shell_link_close(&view->link);
    }
    if (status != KP_OK) {
        (void)kp_process_kill(created.process);
        (void)kp_handle_close(created.process);
        return status;
    }
    view->process = created.process;
    status = kp_tab_set_role(view->coordinator, view->process, view->role);
    if (status != KP_OK) /* it has ended already, and is watched */
        kp_log("%s: no role: %s", view->name, kp_status_name(status));
    return KP_OK;
}

static void start(void *context)
{
    kp_shell_view_t *view = context;
    kp_status_t status = try_start(view);
    if (status != KP_OK) {
        kp_log("%s: no tab process: %s; trying again", view->name, kp_status_name(status));
        kp_loop_timer_set(view->loop, &view->start_timer, kp_now() + view->start_delay);
        view->start_delay =
            view->start_delay * 2 > START_DELAY_MAX ? START_DELAY_MAX : view->start_delay * 2;
        return;
    }
    view->start_delay = START_DELAY_MIN;
    if (view->tabs_started++ > 0)
        kp_shell_surface_renew(&view->surface); /* the old tab's resources go */
    send_configure(view);
    send_waiting(view);
}

void kp_shell_view_start(kp_shell_view_t *view)
{
    if (view->process == KP_HANDLE_NONE && !kp_loop_timer_is_set(&view->start_timer))
        start(view);
}

/* ---- frames ---- */

static void send_frame_done(kp_shell_view_t *view, uint32_t sequence)
{
    kp_tab_frame_done_t done = {.header = {KP_TAB_FRAME_DONE, 0}, .sequence = sequence};
    (void)kp_shell_link_send(&view->link, &done, sizeof(done), NULL, 0, NULL, 0);
}

static void present_held(kp_shell_view_t *view)
{
    if (view->held.handle_count == 0 || view->is_in_flight)
        return;
    uint32_t sequence = view->held.present.sequence;
    kp_status_t status = kp_shell_surface_present(&view->surface, &view->held.present,
                                                  view->held.handles, view->held.handle_count);
    view->held.handle_count = 0; /* taken in every case */
    if (status == KP_OK) {
        view->is_in_flight = true;
        view->in_flight_sequence = sequence;
    } else {
        send_frame_done(view, sequence); /* the tab goes on; without a display nobody looks */
        if (status != KP_ERR_NOT_FOUND)
            kp_log("%s: a frame was lost: %s", view->name, kp_status_name(status));
    }
    kp_shell_link_pause(&view->link, false);
}

static void place(kp_shell_view_t *view)
{
    kp_display_place_t wanted = {
        .x = view->x,
        .y = view->y,
        .width = (uint32_t)view->width,
        .height = (uint32_t)view->height,
        .scroll_x = kp_shell_to_device(view->scroll_x, view->scale),
        .scroll_y = kp_shell_to_device(view->scroll_y, view->scale),
        .order = view->order,
        .scroll_bar = view->bar.is_shown,
    };
    kp_shell_surface_place(&view->surface, &wanted);
}

/* The display takes coordinates up to a limit, in device px. */
static int32_t page_length(const kp_shell_view_t *view, int32_t length)
{
    int32_t most = kp_shell_to_css(KP_DISPLAY_COORDINATE_MAX, view->scale);
    return length < most ? length : most;
}

static void update_scroll_bar(kp_shell_view_t *view)
{
    if (view->has_scroll_bar && kp_shell_scroll_bar_update(&view->bar, view->page_height,
                                                           kp_shell_view_viewport_height(view)))
        send_configure(view);
}

/* Frames before COMMITTED, and often one after it, still show the old page: the new one must not
   keep a scroll bar because of them. */
static void reconsider_scroll_bar(kp_shell_view_t *view, uint32_t load_state)
{
    if (load_state == KP_TAB_LOAD_STARTED)
        return;
    kp_shell_scroll_bar_new_load(&view->bar);
    if (load_state == KP_TAB_LOAD_COMMITTED)
        return;
    update_scroll_bar(view);
    place(view);
}

static void take_frame(kp_shell_view_t *view, const kp_shell_tab_event_t *event,
                       kp_message_t *message)
{
    if (view->held.handle_count > 0)
        return; /* cannot be: the link is paused while a frame is held. The message closes it. */
    view->page_width = page_length(view, event->frame.page_width);
    view->page_height = page_length(view, event->frame.page_height);
    view->held.present = (kp_display_present_t){
        .sequence = event->frame.sequence,
        .list_size = event->frame.list_size,
        .background = event->frame.background,
        .page_width = kp_shell_to_device(view->page_width, view->scale),
        .page_height = kp_shell_to_device(view->page_height, view->scale),
    };
    for (uint32_t i = 0; i < message->handle_count; i++)
        view->held.handles[i] = kp_message_take(message, i);
    view->held.handle_count = message->handle_count;
    bool has_display = view->surface.display->service != KP_HANDLE_NONE;
    if (view->is_in_flight || (has_display && !kp_shell_surface_is_ready(&view->surface)))
        kp_shell_link_pause(&view->link, true); /* back-pressure on tabs that do not wait */
    else
        present_held(view);
    update_scroll_bar(view);
    view->ops->frame(view->context, event->frame.load_id);
    kp_shell_view_scroll_to(view, view->scroll_x, view->scroll_y); /* the page may be shorter now */
    place(view);
}

static void surface_created(void *context)
{
    kp_shell_view_t *view = context;
    if (kp_loop_timer_is_set(&view->redraw_timer)) {
        kp_loop_timer_set(view->loop, &view->redraw_timer, kp_now() + REDRAW_WAIT);
        send_configure(view); /* asks for a picture */
    }
    present_held(view);
}

/* A tab that has shown itself on the old display need not be able to do so on the new one: its
   glyphs and images went with the old one. Then a fresh tab shows the document. */
static void renew(void *context)
{
    kp_shell_view_t *view = context;
    kp_log("%s: shown again by a fresh tab", view->name);
    kp_shell_view_stop(view);
    kp_shell_view_start(view);
    view->ops->renewed(view->context);
}

static void frame_presented(void *context, uint32_t sequence, kp_status_t status)
{
    kp_shell_view_t *view = context;
    if (!view->is_in_flight || sequence != view->in_flight_sequence)
        return; /* of a tab that is gone */
    view->is_in_flight = false;
    send_frame_done(view, sequence);
    if (status == KP_OK) {
        view->refused = 0;
        kp_loop_timer_cancel(&view->redraw_timer);
        view->ops->shown(view->context);
    } else {
        kp_log("%s: frame %u was refused: %s", view->name, (unsigned)sequence,
               kp_status_name(status));
        if (kp_loop_timer_is_set(&view->redraw_timer)) {
            renew(view);
            return;
        }
        if (++view->refused == REFUSED_MAX) {
            crash(view, "its pictures were refused by the display");
            return;
        }
    }
    present_held(view);
}

static void surface_lost(void *context)
{
    kp_shell_view_t *view = context;
    drop_held(view);
    if (view->is_in_flight) {
        view->is_in_flight = false;
        send_frame_done(view, view->in_flight_sequence);
    }
    kp_shell_link_pause(&view->link, false);
    if (kp_shell_link_is_open(&view->link) && view->load_id != 0)
        kp_loop_timer_set(view->loop, &view->redraw_timer, KP_TIME_INFINITE);
}

static const kp_shell_surface_ops_t surface_ops = {
    .created = surface_created, .presented = frame_presented, .lost = surface_lost};

/* ---- messages ---- */

static void tab_message(void *context, kp_message_t *message)
{
    kp_shell_view_t *view = context;
    kp_shell_tab_event_t event;
    if (kp_shell_tab_event_parse(message->bytes, message->size, message->handle_count, &event) !=
        KP_OK) {
        kp_log("%s: the tab broke the protocol (ordinal %u, %u bytes, %u handles)", view->name,
               (unsigned)kp_message_head(message).ordinal, (unsigned)message->size,
               (unsigned)message->handle_count);
        crash(view, "the tab's process broke the protocol");
        return;
    }
    switch (event.kind) {
    case KP_TAB_LOAD_STATE:
        if (event.load.load_id != view->load_id)
            break;
        reconsider_scroll_bar(view, event.load.state);
        view->ops->load_state(view->context, &event);
        break;
    case KP_TAB_TITLE:
        view->ops->title(view->context, event.text);
        break;
    case KP_TAB_NAVIGATE_REQUEST:
        view->ops->navigate(view->context, event.text);
        break;
    case KP_TAB_HOVER:
        view->ops->hover(view->context, event.text);
        break;
    case KP_TAB_FRAME:
        take_frame(view, &event, message);
        break;
    case KP_TAB_DUMPED:
        view->ops->dumped(view->context, event.dumped.status, kp_message_take(message, 0),
                          event.dumped.size);
        break;
    case KP_TAB_SCROLL_REQUEST:
        view->ops->scroll(view->context, event.scroll.x, event.scroll.y);
        break;
    default: /* READY: it has its configuration already */
        break;
    }
}

static const kp_shell_link_ops_t link_ops = {.message = tab_message, .closed = channel_closed};

kp_status_t kp_shell_view_init(kp_shell_view_t *view, kp_loop_t *loop, kp_message_t *scratch,
                               kp_shell_display_t *display, kp_handle_t coordinator)
{
    view->loop = loop;
    view->coordinator = coordinator;
    view->start_delay = START_DELAY_MIN;
    view->link =
        (kp_shell_link_t){.loop = loop, .message = scratch, .ops = &link_ops, .context = view};
    kp_loop_timer_init(&view->start_timer, start, view);
    kp_loop_timer_init(&view->redraw_timer, renew, view);
    return kp_shell_display_add(display, &view->surface, &surface_ops, view);
}

/* ---- what the owner asks for ---- */

int32_t kp_shell_view_viewport_width(const kp_shell_view_t *view)
{
    int32_t width = kp_shell_to_css(view->width, view->scale);
    if (view->bar.is_shown)
        width -= KP_DISPLAY_SCROLL_BAR_WIDTH;
    return width < 1 ? 1 : width;
}

int32_t kp_shell_view_viewport_height(const kp_shell_view_t *view)
{
    int32_t height = kp_shell_to_css(view->height, view->scale);
    return height < 1 ? 1 : height;
}

void kp_shell_view_place(kp_shell_view_t *view, int32_t x, int32_t y, int32_t width, int32_t height,
                         uint32_t scale)
{
    bool is_same = width == view->width && height == view->height && scale == view->scale;
    view->x = x;
    view->y = y;
    view->width = width;
    view->height = height;
    view->scale = scale;
    if (!is_same && kp_shell_link_is_open(&view->link))
        send_configure(view);
    place(view);
}

static kp_status_t load(kp_shell_view_t *view, const char *url, const char *html, size_t size)
{
    if (++view->load_id == 0)
        view->load_id = 1;
    forget_waiting(view);
    if (kp_shell_link_is_open(&view->link)) {
        kp_status_t status = send_load(view, url, html, size);
        if (status != KP_ERR_SHOULD_WAIT)
            return status == KP_ERR_PEER_CLOSED ? KP_OK : status; /* then it has crashed */
        kp_log("%s: the tab does not listen; replaced", view->name);
        kp_shell_view_stop(view);
    }
    view->waiting_url = strdup(url);
    view->waiting_html = html ? malloc(size + 1) : NULL;
    view->waiting_size = size;
    if (!view->waiting_url || (html && !view->waiting_html)) {
        forget_waiting(view);
        return KP_ERR_NO_MEMORY;
    }
    if (html)
        memcpy(view->waiting_html, html, size);
    kp_shell_view_start(view);
    return KP_OK;
}

kp_status_t kp_shell_view_navigate(kp_shell_view_t *view, const char *url)
{
    return load(view, url, NULL, 0);
}

kp_status_t kp_shell_view_load_html(kp_shell_view_t *view, const char *url, const char *html,
                                    size_t size)
{
    return load(view, url, html, size);
}

void kp_shell_view_cancel(kp_shell_view_t *view)
{
    kp_message_header_t stop = {KP_TAB_STOP, 0};
    (void)kp_shell_link_send(&view->link, &stop, sizeof(stop), NULL, 0, NULL, 0);
}

void kp_shell_view_dump(kp_shell_view_t *view, uint32_t format)
{
    kp_tab_dump_t dump = {.header = {KP_TAB_DUMP, 1}, .format = format};
    (void)kp_shell_link_send(&view->link, &dump, sizeof(dump), NULL, 0, NULL, 0);
}

void kp_shell_view_pointer(kp_shell_view_t *view, uint32_t kind, uint32_t button, int32_t x,
                           int32_t y, uint32_t modifiers)
{
    kp_tab_pointer_t pointer = {.header = {KP_TAB_POINTER, 0},
                                .kind = kind,
                                .button = button,
                                .x = x,
                                .y = y,
                                .modifiers = modifiers};
    if (kind == KP_TAB_POINTER_MOVE && view->link.backlog > 0)
        return; /* a busy tab gets the next one */
    (void)kp_shell_link_send(&view->link, &pointer, sizeof(pointer), NULL, 0, NULL, 0);
}

void kp_shell_view_key(kp_shell_view_t *view, uint32_t code, uint32_t codepoint, bool is_down,
                       uint32_t modifiers)
{
    kp_tab_key_t key = {.header = {KP_TAB_KEY, 0},
                        .code = code,
                        .codepoint = codepoint,
                        .pressed = is_down,
                        .modifiers = modifiers};
    (void)kp_shell_link_send(&view->link, &key, sizeof(key), NULL, 0, NULL, 0);
}

void kp_shell_view_scroll_to(kp_shell_view_t *view, int64_t x, int64_t y)
{
    int32_t to_x = kp_shell_scroll_clamp(x, view->page_width, kp_shell_view_viewport_width(view));
    int32_t to_y = kp_shell_scroll_clamp(y, view->page_height, kp_shell_view_viewport_height(view));
    if (to_x == view->scroll_x && to_y == view->scroll_y)
        return;
    view->scroll_x = to_x;
    view->scroll_y = to_y;
    place(view);
    kp_tab_scroll_t scroll = {.header = {KP_TAB_SCROLL_TO, 0}, .x = to_x, .y = to_y};
    (void)kp_shell_link_send_latest(&view->link, &scroll, sizeof(scroll));
}
