#include "shell/toolbar_view.h"

#include "shell/page.h"

#define GUARD (1 * KP_NS_PER_S)
#define HOLD_MAX (400 * KP_NS_PER_MS)
#define CRASH_DELAY (200 * KP_NS_PER_MS)
#define CRASH_DELAY_MAX_SHIFT 5u /* 6.4 s */

static void send(kp_shell_toolbar_view_t *bar)
{
    kp_shell_html_t html = kp_shell_html_init(bar->html, sizeof(bar->html));
    kp_shell_toolbar_html(&bar->model, &html);
    bar->is_held = false;
    bar->is_dirty = false;
    bar->is_busy = true;
    kp_loop_timer_set(bar->view.loop, &bar->guard, kp_now() + GUARD);
    kp_status_t status = kp_shell_view_load_html(&bar->view, "about:toolbar", bar->html, html.size);
    if (status != KP_OK)
        kp_log("the toolbar cannot be shown: %s", kp_status_name(status));
}

void kp_shell_toolbar_view_update(kp_shell_toolbar_view_t *bar)
{
    bar->is_dirty = true;
    if (!bar->is_busy && !kp_loop_timer_is_set(&bar->again))
        send(bar);
}

void kp_shell_toolbar_view_hold(kp_shell_toolbar_view_t *bar)
{
    bar->is_held = true;
    kp_loop_timer_set(bar->view.loop, &bar->again, kp_now() + HOLD_MAX);
}

void kp_shell_toolbar_view_release(kp_shell_toolbar_view_t *bar)
{
    if (!bar->is_held)
        return;
    kp_loop_timer_cancel(&bar->again);
    send(bar);
}

static void ready(void *context)
{
    kp_shell_toolbar_view_t *bar = context;
    kp_loop_timer_cancel(&bar->guard);
    bar->is_busy = false;
    if (bar->is_dirty)
        send(bar);
}

static void on_load_state(void *context, const kp_shell_tab_event_t *event)
{
    kp_shell_toolbar_view_t *bar = context;
    if (event->load.state != KP_TAB_LOAD_DONE && event->load.state != KP_TAB_LOAD_FAILED)
        return;
    if (event->load.state == KP_TAB_LOAD_DONE)
        bar->crashes = 0;
    ready(bar);
}

static void on_navigate(void *context, kp_shell_span_t url)
{
    kp_shell_toolbar_view_t *bar = context;
    size_t size;
    const char *command = kp_shell_command_of(url, &size);
    if (command)
        bar->command(bar->context, command, size);
}

static void on_title(void *context, kp_shell_span_t text)
{
    (void)context;
    (void)text;
}

static void on_hover(void *context, kp_shell_span_t url)
{
    (void)context; /* shell/input.c knows where the buttons are */
    (void)url;
}

static void on_scroll(void *context, int32_t x, int32_t y)
{
    (void)context; /* the toolbar does not scroll */
    (void)x;
    (void)y;
}

static void on_frame(void *context, uint32_t load_id)
{
    (void)context;
    (void)load_id;
}

static void on_shown(void *context)
{
    kp_shell_toolbar_view_t *bar = context;
    if (!bar->is_marked)
        (void)kp_boot_mark_text("toolbar"); /* now the screen is complete */
    bar->is_marked = true;
}

static void on_dumped(void *context, kp_status_t status, kp_handle_t vmo, uint32_t size)
{
    (void)context;
    (void)status;
    (void)size;
    if (vmo != KP_HANDLE_NONE)
        (void)kp_handle_close(vmo);
}

static void on_crashed(void *context, const kp_process_info_t *info, const char *reason)
{
    kp_shell_toolbar_view_t *bar = context;
    uint32_t shift = bar->crashes < CRASH_DELAY_MAX_SHIFT ? bar->crashes : CRASH_DELAY_MAX_SHIFT;
    (void)info;
    kp_log("the toolbar's tab has ended%s%s; a fresh one follows", reason ? ": " : "",
           reason ? reason : "");
    bar->crashes++;
    bar->is_busy = false;
    kp_loop_timer_cancel(&bar->guard);
    kp_loop_timer_set(bar->view.loop, &bar->again, kp_now() + (CRASH_DELAY << shift));
}

static void again(void *context)
{
    send(context);
}

static const kp_shell_view_ops_t view_ops = {
    .load_state = on_load_state,
    .title = on_title,
    .navigate = on_navigate,
    .hover = on_hover,
    .scroll = on_scroll,
    .frame = on_frame,
    .shown = on_shown,
    .dumped = on_dumped,
    .crashed = on_crashed,
    .renewed = again,
};

kp_status_t
kp_shell_toolbar_view_init(kp_shell_toolbar_view_t *bar, kp_loop_t *loop, kp_message_t *scratch,
                           kp_shell_display_t *display, kp_handle_t coordinator,
                           void (*command)(void *context, const char *command, size_t size),
                           void *context)
{
    bar->command = command;
    bar->context = context;
    bar->view.name = "toolbar";
    bar->view.role = KP_TAB_ROLE_CHROME;
    bar->view.ops = &view_ops;
    bar->view.context = bar;
    bar->view.order = 1;
    kp_loop_timer_init(&bar->guard, ready, bar);
    kp_loop_timer_init(&bar->again, again, bar);
    return kp_shell_view_init(&bar->view, loop, scratch, display, coordinator);
}
