#include "shell/page.h"

#include <string.h>
#include <strings.h>

#define CRASHES_AT_ONCE 3u /* then the next try waits */
#define CRASH_DELAY (3 * KP_NS_PER_S)
#define URL_ERROR "about:error"

const char *kp_shell_page_address(const kp_shell_page_t *page)
{
    if (page->is_pending)
        return page->url;
    return page->history.count > 0 ? page->history.entries[page->history.current].url : "";
}

const char *kp_shell_page_title(const kp_shell_page_t *page)
{
    return page->history.count > 0 ? page->history.entries[page->history.current].title : "";
}

static void changed(kp_shell_page_t *page)
{
    page->ops->changed(page->context);
}

static void save_scroll(kp_shell_page_t *page)
{
    kp_shell_history_entry_t *entry = kp_shell_history_current(&page->history);
    if (!entry || page->is_error)
        return; /* an error page's position is of no use */
    entry->scroll_x = page->view.scroll_x;
    entry->scroll_y = page->view.scroll_y;
}

/* The newest load's document is there: it takes its place in the history. */
static void commit(kp_shell_page_t *page, const char *url)
{
    kp_shell_history_t *history = &page->history;
    kp_shell_load_kind_t kind = page->kind;
    kp_shell_history_entry_t *entry = kp_shell_history_current(history);
    if (!entry)
        kind = KP_SHELL_LOAD_NEW;
    else if (kind == KP_SHELL_LOAD_NEW && strcmp(entry->url, url) == 0)
        kind = KP_SHELL_LOAD_REPLACE; /* the same address again is no new entry */
    kp_status_t status = KP_OK;
    if (kind == KP_SHELL_LOAD_NEW) {
        status = kp_shell_history_push(history, url);
    } else {
        if (kind == KP_SHELL_LOAD_HISTORY)
            kp_shell_history_go(history, page->target);
        status = kp_shell_history_replace(history, url);
    }
    if (status != KP_OK)
        kp_log("the history lost an entry: %s", kp_status_name(status));
    entry = kp_shell_history_current(history);
    page->is_pending = false;
    page->link[0] = 0;
    page->is_fresh = true;
    page->is_restoring = kind != KP_SHELL_LOAD_NEW && page->kind != KP_SHELL_LOAD_NEW && entry;
    page->restore_x = page->is_restoring ? entry->scroll_x : 0;
    page->restore_y = page->is_restoring ? entry->scroll_y : 0;
}

static void load_own(kp_shell_page_t *page, const char *url)
{
    page->is_internal = true;
    kp_status_t status = kp_shell_view_load_html(&page->view, url, page->html, page->html_size);
    if (status != KP_OK)
        kp_log("%s cannot be shown: %s", url, kp_status_name(status));
}

static void write_start(kp_shell_page_t *page, bool is_blank)
{
    kp_shell_html_t html = kp_shell_html_init(page->html, sizeof(page->html));
    if (is_blank)
        kp_shell_html_markup(&html, "<!DOCTYPE html><title></title>");
    else
        kp_shell_page_start(&html);
    page->html_size = html.size;
}

static void go(kp_shell_page_t *page, const char *url, kp_shell_load_kind_t kind, size_t target)
{
    if (url != page->url)
        (void)kp_shell_clean_copy(page->url, sizeof(page->url), url, strlen(url));
    if (!page->is_pending)
        save_scroll(page);
    kp_loop_timer_cancel(&page->crash_timer);
    page->kind = kind;
    page->target = target;
    page->is_pending = true;
    page->is_loading = true;
    page->is_restoring = false;
    bool is_blank = strcasecmp(page->url, "about:blank") == 0;
    if (is_blank || strcasecmp(page->url, KP_SHELL_URL_START) == 0) {
        write_start(page, is_blank);
        commit(page, page->url);
        page->is_error = false;
        load_own(page, page->url);
    } else {
        page->is_internal = false;
        kp_status_t status = kp_shell_view_navigate(&page->view, page->url);
        if (status != KP_OK)
            kp_log("cannot navigate: %s", kp_status_name(status));
    }
    changed(page);
}

void kp_shell_page_open(kp_shell_page_t *page, const char *url)
{
    go(page, url, KP_SHELL_LOAD_NEW, 0);
}

void kp_shell_page_back(kp_shell_page_t *page)
{
    const kp_shell_history_t *history = &page->history;
    if (kp_shell_history_can_back(history))
        go(page, history->entries[history->current - 1].url, KP_SHELL_LOAD_HISTORY,
           history->current - 1);
}

void kp_shell_page_forward(kp_shell_page_t *page)
{
    const kp_shell_history_t *history = &page->history;
    if (kp_shell_history_can_forward(history))
        go(page, history->entries[history->current + 1].url, KP_SHELL_LOAD_HISTORY,
           history->current + 1);
}

void kp_shell_page_reload(kp_shell_page_t *page)
{
    if (page->is_pending)
        go(page, page->url, page->kind, page->target);
    else if (page->history.count > 0)
        go(page, kp_shell_page_address(page), KP_SHELL_LOAD_REPLACE, 0);
}

void kp_shell_page_stop(kp_shell_page_t *page)
{
    if (page->is_loading)
        kp_shell_view_cancel(&page->view);
}

/* Ends the page's process, as a user may want for one that hangs, and tests for the crash page. */
static void end_process(kp_shell_page_t *page)
{
    if (page->view.process != KP_HANDLE_NONE)
        (void)kp_process_kill(page->view.process);
}

void kp_shell_page_command(kp_shell_page_t *page, const char *command, size_t size)
{
    static const struct {
        const char *name;
        void (*run)(kp_shell_page_t *page);
    } commands[] = {
        {"back", kp_shell_page_back},
        {"forward", kp_shell_page_forward},
        {"reload", kp_shell_page_reload},
        {"stop", kp_shell_page_stop},
        {"kill", end_process},
    };
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (size == strlen(commands[i].name) && memcmp(command, commands[i].name, size) == 0) {
            commands[i].run(page);
            return;
        }
    }
    if (size == 7 && memcmp(command, "address", 7) == 0)
        page->ops->focus_address(page->context);
}

const char *kp_shell_command_of(kp_shell_span_t url, size_t *size)
{
    static const char scheme[] = "kpio:";
    if (url.size < sizeof(scheme) - 1 || strncasecmp(url.text, scheme, sizeof(scheme) - 1) != 0)
        return NULL;
    *size = url.size - (sizeof(scheme) - 1);
    return url.text + sizeof(scheme) - 1;
}

/* ---- what the tab says ---- */

static void apply_scroll(kp_shell_page_t *page)
{
    kp_shell_view_scroll_to(&page->view, page->restore_x, page->restore_y);
    if (page->view.scroll_x == page->restore_x && page->view.scroll_y == page->restore_y)
        page->is_restoring = false;
}

static void settle(kp_shell_page_t *page, kp_status_t status, uint32_t http_status)
{
    page->is_loading = false;
    if (page->is_restoring)
        apply_scroll(page);
    page->is_fresh = page->is_restoring = false;
    changed(page);
    page->ops->settled(page->context, kp_shell_page_address(page), status, http_status);
}

static void show_error(kp_shell_page_t *page, const kp_shell_tab_event_t *event)
{
    kp_shell_html_t html = kp_shell_html_init(page->html, sizeof(page->html));
    page->failed_status = event->load.status != KP_OK ? event->load.status : KP_ERR_IO;
    page->failed_http_status = event->load.http_status;
    kp_shell_page_error(&html, page->url, page->failed_status, event->load.http_status,
                        event->load.text.text, event->load.text.size);
    page->html_size = html.size;
    commit(page, page->url);
    page->is_error = true;
    page->is_restoring = false;
    load_own(page, URL_ERROR);
    changed(page);
}

static void load_failed(kp_shell_page_t *page, const kp_shell_tab_event_t *event)
{
    if (!page->is_pending) { /* the part that arrived stays */
        settle(page, page->is_error ? page->failed_status : event->load.status,
               event->load.http_status);
        return;
    }
    if (event->load.status == KP_ERR_CANCELLED && page->history.count > 0) {
        page->is_pending = page->is_loading = false; /* the old page stays, with its address */
        changed(page);
        return;
    }
    show_error(page, event);
}

/* Where a load arrived: what the tab says, when that can be true, else what was asked for. */
static const char *final_url(const kp_shell_page_t *page, const kp_shell_tab_event_t *event,
                             char buffer[KP_SHELL_URL_MAX])
{
    if (kp_shell_url_take(event->load.url.text, event->load.url.size, buffer) == KP_OK &&
        (kp_shell_url_has_scheme(buffer, "http") || kp_shell_url_has_scheme(buffer, "https")))
        return buffer;
    return page->url;
}

static void on_load_state(void *context, const kp_shell_tab_event_t *event)
{
    kp_shell_page_t *page = context;
    char buffer[KP_SHELL_URL_MAX];
    switch (event->load.state) {
    case KP_TAB_LOAD_COMMITTED:
        if (!page->is_pending) { /* a page of the shell's own, which was committed when it was sent
                                  */
            page->is_fresh = !page->is_restoring;
            return;
        }
        commit(page, final_url(page, event, buffer));
        page->is_error = false;
        changed(page);
        break;
    case KP_TAB_LOAD_DONE:
        if (page->is_pending) {
            commit(page, final_url(page, event, buffer));
            page->is_error = false;
        }
        page->crashes = 0;
        settle(page, page->is_error ? page->failed_status : event->load.status,
               page->is_error ? page->failed_http_status : event->load.http_status);
        break;
    case KP_TAB_LOAD_FAILED:
        load_failed(page, event);
        break;
    default: /* STARTED: is known */
        break;
    }
}

static void on_title(void *context, kp_shell_span_t text)
{
    kp_shell_page_t *page = context;
    if (page->is_pending)
        return; /* of the document that is about to go */
    kp_shell_history_set_title(&page->history, text.text, text.size);
    changed(page);
}

static void on_navigate(void *context, kp_shell_span_t url)
{
    kp_shell_page_t *page = context;
    char buffer[KP_SHELL_URL_MAX];
    size_t size;
    const char *command = kp_shell_command_of(url, &size);
    if (command && page->is_internal)
        kp_shell_page_command(page, command, size); /* only pages of our own may say so */
    else if (!command && kp_shell_url_take(url.text, url.size, buffer) == KP_OK)
        kp_shell_page_open(page, buffer);
}

static void on_hover(void *context, kp_shell_span_t url)
{
    kp_shell_page_t *page = context;
    size_t size;
    if (kp_shell_command_of(url, &size))
        url.size = 0; /* a button of our own pages is no address */
    (void)kp_shell_clean_copy(page->link, sizeof(page->link), url.text, url.size);
    changed(page);
}

static void on_scroll(void *context, int32_t x, int32_t y)
{
    kp_shell_page_t *page = context;
    if (page->is_restoring)
        return; /* going back: where the user was counts more than the fragment */
    page->is_fresh = false;
    kp_shell_view_scroll_to(&page->view, x, y);
}

static void on_frame(void *context, uint32_t load_id)
{
    kp_shell_page_t *page = context;
    if (page->is_pending || load_id != page->view.load_id)
        return;
    if (page->is_restoring)
        apply_scroll(page);
    else if (page->is_fresh)
        kp_shell_view_scroll_to(&page->view, 0, 0);
    page->is_fresh = false;
}

static void on_shown(void *context)
{
    kp_shell_page_t *page = context;
    page->ops->shown(page->context);
}

static void on_dumped(void *context, kp_status_t status, kp_handle_t vmo, uint32_t size)
{
    kp_shell_page_t *page = context;
    page->ops->dumped(page->context, status, vmo, size);
}

static void load_crash_page(void *context)
{
    load_own(context, URL_ERROR);
}

static void on_crashed(void *context, const kp_process_info_t *info, const char *reason)
{
    kp_shell_page_t *page = context;
    char text[160];
    kp_shell_crash_text(text, sizeof(text), info, reason);
    kp_log("the page's tab has ended: %s", text);
    if (page->is_pending)
        commit(page, page->url);
    else
        save_scroll(page);
    kp_shell_html_t html = kp_shell_html_init(page->html, sizeof(page->html));
    kp_shell_page_crash(&html, kp_shell_page_address(page), info, reason);
    page->html_size = html.size;
    page->is_error = true; /* the crash page stands for the load, like an error page */
    page->is_loading = true;
    page->is_restoring = false;
    page->failed_status = KP_ERR_PROCESS_DEAD;
    page->failed_http_status = 0;
    if (page->crashes++ < CRASHES_AT_ONCE)
        load_crash_page(page);
    else
        kp_loop_timer_set(page->view.loop, &page->crash_timer, kp_now() + CRASH_DELAY);
    changed(page);
}

static void on_renewed(void *context)
{
    kp_shell_page_t *page = context;
    if (page->is_internal)
        load_own(page, kp_shell_page_address(page));
    else
        kp_shell_page_reload(page);
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
    .renewed = on_renewed,
};

kp_status_t kp_shell_page_init(kp_shell_page_t *page, kp_loop_t *loop, kp_message_t *scratch,
                               kp_shell_display_t *display, kp_handle_t coordinator,
                               const kp_shell_page_ops_t *ops, void *context)
{
    page->ops = ops;
    page->context = context;
    page->view.name = "page";
    page->view.role = KP_TAB_ROLE_FRONT;
    page->view.ops = &view_ops;
    page->view.context = page;
    page->view.order = 0;
    page->view.has_scroll_bar = true;
    kp_loop_timer_init(&page->crash_timer, load_crash_page, page);
    return kp_shell_view_init(&page->view, loop, scratch, display, coordinator);
}

void kp_shell_page_scroll_to(kp_shell_page_t *page, int64_t x, int64_t y)
{
    page->is_restoring = false;
    kp_shell_view_scroll_to(&page->view, x, y);
}

void kp_shell_page_scroll_by(kp_shell_page_t *page, int64_t dx, int64_t dy)
{
    kp_shell_page_scroll_to(page, page->view.scroll_x + dx, page->view.scroll_y + dy);
}
