/* What a tab says, and what the shell does with its texts: titles and addresses through cleaning,
   fix-up, history, toolbar and pages. First byte: number of handles. */
#include <stdlib.h>

#include "shell/history.h"
#include "shell/pages.h"
#include "shell/tab_message.h"
#include "shell/toolbar.h"
#include "shell/url_fixup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static kp_shell_toolbar_t toolbar;
static kp_shell_history_t history;
static char out[KP_SHELL_TOOLBAR_HTML_MAX];

static void check(bool condition)
{
    if (!condition)
        abort();
}

/* Nothing of the foreign text may appear as markup: the only tags are ours. */
static void use_text(kp_shell_span_t text)
{
    static char url[KP_SHELL_URL_MAX];
    kp_shell_html_t html = kp_shell_html_init(out, sizeof(out));
    kp_shell_html_text(&html, text.text, text.size, 500, true);
    for (size_t i = 0; i < html.size; i++)
        check(out[i] != '<' && out[i] != '>' && out[i] != '"' && out[i] != '\'' &&
              (uint8_t)out[i] >= 0x20);
    if (kp_shell_url_take(text.text, text.size, url) == KP_OK) {
        check(kp_shell_history_push(&history, url) == KP_OK);
        kp_shell_history_set_title(&history, text.text, text.size);
    }
    if (kp_shell_url_fix(text.text, text.size, url) == KP_OK) {
        kp_shell_toolbar_set_address(&toolbar, url, true);
        html = kp_shell_html_init(out, sizeof(out));
        kp_shell_page_error(&html, url, KP_ERR_IO, 404, text.text, text.size);
        check(!html.is_cut);
    }
    toolbar.width = 1280;
    (void)kp_shell_clean_copy(toolbar.title, sizeof(toolbar.title), text.text, text.size);
    kp_shell_toolbar_focus(&toolbar);
    html = kp_shell_html_init(out, sizeof(out));
    kp_shell_toolbar_html(&toolbar, &html);
    check(!html.is_cut);
    while (kp_shell_line_edit_delete(&toolbar.edit, false, true)) {
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kp_shell_tab_event_t event;
    if (size == 0)
        return 0;
    kp_status_t status = kp_shell_tab_event_parse(data + 1, size - 1, data[0] % 65, &event);
    if (status != KP_OK)
        return 0;
    switch (event.kind) {
    case KP_TAB_LOAD_STATE:
        use_text(event.load.url);
        use_text(event.load.text);
        break;
    case KP_TAB_TITLE:
    case KP_TAB_NAVIGATE_REQUEST:
    case KP_TAB_HOVER:
        use_text(event.text);
        break;
    default:
        break;
    }
    return 0;
}
