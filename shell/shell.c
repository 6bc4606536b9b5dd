#include "shell/shell.h"

#include <string.h>

#include "runtime/program/startup.h"
#include "shell/dump.h"

#define DEFAULT_WIDTH 1280u /* until the display says, and without one */
#define DEFAULT_HEIGHT 800u

/* ---- the page ---- */

static void update_toolbar(void *context)
{
    kp_shell_t *shell = context;
    kp_shell_toolbar_t *model = &shell->toolbar.model;
    const kp_shell_page_t *page = &shell->page;
    kp_shell_toolbar_set_address(model, kp_shell_page_address(page), false);
    model->is_loading = page->is_loading;
    model->can_back = kp_shell_history_can_back(&page->history);
    model->can_forward = kp_shell_history_can_forward(&page->history);
    const char *title = page->is_pending ? "" : kp_shell_page_title(page);
    (void)kp_shell_clean_copy(model->title, sizeof(model->title), title, strlen(title));
    const char *link = page->link;
    if (kp_shell_url_has_scheme(link, "http"))
        link += strlen("http://") < strlen(link) ? strlen("http://") : 0; /* it has little room */
    (void)kp_shell_clean_copy(model->link, sizeof(model->link), link, strlen(link));
    kp_shell_toolbar_view_update(&shell->toolbar);
}

static void page_settled(void *context, const char *url, kp_status_t status, uint32_t http_status)
{
    kp_shell_t *shell = context;
    kp_shell_toolbar_view_release(&shell->toolbar);
    kp_log("load-done %.700s %s %u", url, kp_status_name(status), (unsigned)http_status);
    if (!shell->is_marked) {
        shell->is_marked = true;
        (void)kp_boot_mark_text("load-done");
    }
    if (shell->dump_format != 0 && shell->console != KP_HANDLE_NONE)
        kp_shell_view_dump(&shell->page.view, shell->dump_format);
}

static void page_dumped(void *context, kp_status_t status, kp_handle_t vmo, uint32_t size)
{
    kp_shell_t *shell = context;
    if (vmo == KP_HANDLE_NONE || shell->dump_format == 0) { /* failed, or nobody asked */
        kp_log("no dump: %s", kp_status_name(status));
        if (vmo != KP_HANDLE_NONE)
            (void)kp_handle_close(vmo);
        return;
    }
    status = kp_shell_dump_write(shell->console, shell->dump_format, vmo, size);
    if (status != KP_OK)
        kp_log("the dump could not be written: %s", kp_status_name(status));
}

static void page_shown(void *context)
{
    kp_shell_t *shell = context;
    kp_shell_toolbar_view_release(&shell->toolbar);
}

static void focus_address(void *context)
{
    kp_shell_t *shell = context;
    kp_shell_input_focus_address(&shell->input);
}

static const kp_shell_page_ops_t page_ops = {
    .changed = update_toolbar,
    .settled = page_settled,
    .dumped = page_dumped,
    .shown = page_shown,
    .focus_address = focus_address,
};

static void toolbar_command(void *context, const char *command, size_t size)
{
    kp_shell_t *shell = context;
    kp_shell_page_command(&shell->page, command, size);
}

/* ---- the screen ---- */

static void set_screen(kp_shell_t *shell, uint32_t width, uint32_t height, uint32_t scale)
{
    shell->screen_width = width;
    shell->screen_height = height;
    shell->scale = scale;
    int32_t bar = kp_shell_to_device(KP_SHELL_TOOLBAR_HEIGHT, scale);
    kp_shell_view_place(&shell->page.view, 0, bar, (int32_t)width, (int32_t)height - bar, scale);
    kp_shell_view_place(&shell->toolbar.view, 0, 0, (int32_t)width, bar, scale);
    shell->toolbar.model.width = kp_shell_to_css((int32_t)width, scale);
}

static void screen_known(void *context, uint32_t width, uint32_t height, uint32_t scale)
{
    kp_shell_t *shell = context;
    if (width == 0 || height == 0) { /* headless: keep the usual size */
        width = DEFAULT_WIDTH;
        height = DEFAULT_HEIGHT;
    }
    if (scale < 64 || scale > 4096)
        scale = 256;
    uint32_t least = 2u * KP_SHELL_TOOLBAR_HEIGHT * scale / 256;
    width = width < least ? least : width > 16384 ? 16384 : width;
    height = height < least ? least : height > 16384 ? 16384 : height;
    if (width == shell->screen_width && height == shell->screen_height && scale == shell->scale)
        return;
    set_screen(shell, width, height, scale);
    kp_shell_toolbar_view_update(&shell->toolbar);
}

static void got_input(void *context, const kp_display_input_t *input)
{
    kp_shell_t *shell = context;
    kp_shell_input_event(&shell->input, input);
}

static const kp_shell_display_ops_t display_ops = {.screen = screen_known, .input = got_input};

/* ---- start ---- */

/* The value of the last argument "KEY=value"; NULL without one. */
static const char *option(int argc, char **argv, const char *key)
{
    size_t length = strlen(key);
    for (int i = argc - 1; i > 0; i--) {
        if (strncmp(argv[i], key, length) == 0 && argv[i][length] == '=')
            return argv[i] + length + 1;
    }
    return NULL;
}

static void open_first(kp_shell_t *shell, const char *wanted)
{
    char url[KP_SHELL_URL_MAX];
    bool has_url = wanted && kp_shell_url_fix(wanted, strlen(wanted), url) == KP_OK;
    kp_shell_page_open(&shell->page, has_url ? url : KP_SHELL_URL_START);
    if (!has_url)
        kp_shell_input_focus_address(&shell->input);
}

kp_status_t kp_shell_start(kp_shell_t *shell, int argc, char **argv)
{
    kp_loop_init(&shell->loop);
    shell->coordinator = kp_startup_take("coordinator");
    if (shell->coordinator == KP_HANDLE_NONE)
        return KP_ERR_NOT_FOUND;
    shell->console = kp_startup_take("dev:console0");
    const char *dump = option(argc, argv, "dump");
    shell->dump_format = dump ? kp_shell_dump_format(dump) : 0;
    shell->input.page = &shell->page;
    shell->input.toolbar = &shell->toolbar;

    kp_shell_display_init(&shell->display, &shell->loop, &shell->message,
                          kp_startup_take("svc:display"), &display_ops, shell);
    kp_status_t status = kp_shell_page_init(&shell->page, &shell->loop, &shell->message,
                                            &shell->display, shell->coordinator, &page_ops, shell);
    if (status == KP_OK)
        status =
            kp_shell_toolbar_view_init(&shell->toolbar, &shell->loop, &shell->message,
                                       &shell->display, shell->coordinator, toolbar_command, shell);
    if (status != KP_OK)
        return status;
    set_screen(shell, DEFAULT_WIDTH, DEFAULT_HEIGHT, 256);
    kp_shell_toolbar_view_hold(&shell->toolbar);
    open_first(shell, option(argc, argv, "url"));
    return KP_OK;
}
