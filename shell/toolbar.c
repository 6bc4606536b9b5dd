#include "shell/toolbar.h"

#include <string.h>

#include "shell/url_fixup.h"

/* Geometry in CSS px; the style sheet below says the same. */
#define BUTTON_WIDTH 32
#define BUTTON_GAP 4
#define BUTTONS 3
#define FIELD_X (BUTTONS * (BUTTON_WIDTH + BUTTON_GAP) + 8)
#define FIELD_Y 5
#define FIELD_HEIGHT 30
#define FIELD_PADDING 13 /* border and padding, on each side */
#define FIELD_MIN 120
#define TITLE_WIDTH 220
#define TITLE_FROM 900 /* narrower screens have no room for the title */
#define RIGHT_MARGIN 10
#define ADVANCE_1000 8428 /* of a character: 0.602 em (DejaVu Sans Mono) at 14 px, in 1/1000 px */

/* Room for the title, with or without one: the field must not change its width under the pointer. */
static int32_t title_width(const kp_shell_toolbar_t *toolbar)
{
    return toolbar->width >= TITLE_FROM ? TITLE_WIDTH : 0;
}

static int32_t field_width(const kp_shell_toolbar_t *toolbar)
{
    int32_t width = toolbar->width - FIELD_X - RIGHT_MARGIN - title_width(toolbar);
    return width < FIELD_MIN ? FIELD_MIN : width;
}

/* How many characters the field shows. */
static size_t field_columns(const kp_shell_toolbar_t *toolbar)
{
    return (size_t)(field_width(toolbar) - 2 * FIELD_PADDING) * 1000 / ADVANCE_1000;
}

void kp_shell_toolbar_set_address(kp_shell_toolbar_t *toolbar, const char *url, bool is_forced)
{
    if (toolbar->is_edited && !is_forced)
        return;
    const char *shown = strcmp(url, KP_SHELL_URL_START) == 0 ? "" : url;
    bool is_same = strcmp(toolbar->edit.text, shown) == 0;
    toolbar->is_edited = false;
    if (is_same)
        return; /* keep caret and selection */
    kp_shell_line_edit_set(&toolbar->edit, shown, strlen(shown));
    toolbar->first_column = 0;
    if (toolbar->is_focused)
        kp_shell_line_edit_select_all(&toolbar->edit);
}

void kp_shell_toolbar_focus(kp_shell_toolbar_t *toolbar)
{
    toolbar->is_focused = true;
    kp_shell_line_edit_select_all(&toolbar->edit);
}

void kp_shell_toolbar_blur(kp_shell_toolbar_t *toolbar)
{
    toolbar->is_focused = false;
    toolbar->edit.anchor = toolbar->edit.caret;
    toolbar->first_column = 0;
}

uint32_t kp_shell_toolbar_button(int32_t x, int32_t y)
{
    int32_t left = x - BUTTON_GAP, step = BUTTON_WIDTH + BUTTON_GAP;
    if (left < 0 || y < BUTTON_GAP || y >= BUTTON_GAP + BUTTON_WIDTH || left % step >= BUTTON_WIDTH)
        return 0;
    return left / step < BUTTONS ? (uint32_t)(left / step) + 1 : 0;
}

bool kp_shell_toolbar_is_field(const kp_shell_toolbar_t *toolbar, int32_t x, int32_t y)
{
    return x >= FIELD_X && x < FIELD_X + field_width(toolbar) && y >= FIELD_Y &&
           y < FIELD_Y + FIELD_HEIGHT;
}

size_t kp_shell_toolbar_column(const kp_shell_toolbar_t *toolbar, int32_t x)
{
    int64_t inside = (int64_t)x - FIELD_X - FIELD_PADDING;
    int64_t column = (inside * 1000 + ADVANCE_1000 / 2) / ADVANCE_1000;
    if (inside < 0)
        column = -1;
    column += (int64_t)toolbar->first_column;
    return column < 0 ? 0 : (size_t)column;
}

static void follow_caret(kp_shell_toolbar_t *toolbar)
{
    size_t columns = field_columns(toolbar);
    size_t caret = kp_shell_line_edit_column(&toolbar->edit, toolbar->edit.caret);
    bool is_all = toolbar->edit.anchor == 0 && toolbar->edit.caret == toolbar->edit.size;
    if (!toolbar->is_focused || (is_all && toolbar->edit.size > 0 && !toolbar->is_edited))
        toolbar->first_column = 0; /* an address that is only looked at shows its beginning */
    else if (caret < toolbar->first_column)
        toolbar->first_column = caret;
    else if (caret > toolbar->first_column + columns)
        toolbar->first_column = caret - columns;
}

static const char style[] =
    "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>KPIO</title><style>"
    "html{background:#eceff3}"
    "body{margin:0;background:#eceff3;font-family:sans-serif;font-size:14px;color:#1f2328}"
    ".bar{height:39px;white-space:nowrap;overflow:hidden}"
    ".line{height:1px;background:#c9ced6}"
    ".busy{height:1px;background:#0b57d0}"
    ".b{display:inline-block;vertical-align:top;width:32px;height:32px;margin:4px 0 0 4px;"
    "border-radius:8px;line-height:32px;text-align:center;font-size:18px;color:#2b3138;"
    "text-decoration:none}"
    ".over{background:#d8dde4}"
    ".off{color:#aab1bb}"
    ".f{display:inline-block;vertical-align:top;height:28px;margin:5px 0 0 8px;"
    "padding:0 12px 0 12px;border:1px solid #c3c9d2;border-radius:15px;background:#ffffff;"
    "line-height:28px;font-family:'DejaVu Sans Mono',monospace;font-size:14px;overflow:hidden;"
    "white-space:nowrap}"
    ".on{border-color:#0b57d0}"
    ".c{display:inline-block;vertical-align:top;width:1px;height:18px;margin:5px -1px 0 0;"
    "background:#0b57d0}"
    ".s{background:#b9d2f8}"
    ".h{color:#7a828e}"
    ".t{display:inline-block;vertical-align:top;width:190px;height:32px;margin:4px 0 0 20px;"
    "line-height:32px;font-size:13px;color:#5c636e;overflow:hidden;white-space:nowrap}"
    ".l{color:#0b57d0}"
    "</style></head><body><div class=\"bar\">";

static void button(kp_shell_html_t *html, const char *command, const char *sign, bool is_on,
                   bool is_hovered)
{
    if (is_on)
        kp_shell_html_format(html, "<a class=\"b%s\" href=\"kpio:%s\">%s</a>",
                             is_hovered ? " over" : "", command, sign);
    else
        kp_shell_html_format(html, "<span class=\"b off\">%s</span>", sign);
}

/* A run of the visible text. */
static void run(kp_shell_html_t *html, const kp_shell_line_edit_t *edit, size_t from, size_t to)
{
    if (from < to)
        kp_shell_html_text(html, edit->text + from, to - from, to - from, true);
}

static size_t within(size_t value, size_t low, size_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* The visible text with caret and selection: before, selected, after; the caret at its end of the
   selection. */
static void field_text(const kp_shell_toolbar_t *toolbar, kp_shell_html_t *html)
{
    const kp_shell_line_edit_t *edit = &toolbar->edit;
    size_t first = kp_shell_line_edit_position(edit, toolbar->first_column);
    size_t last = kp_shell_line_edit_position(edit, toolbar->first_column + field_columns(toolbar));
    if (!toolbar->is_focused) {
        run(html, edit, first, last);
        if (edit->size == 0)
            kp_shell_html_markup(html, "<span class=\"h\">Type an address</span>");
        return;
    }
    static const char caret[] = "<span class=\"c\"></span>";
    size_t from = within(kp_shell_line_edit_from(edit), first, last);
    size_t to = within(kp_shell_line_edit_to(edit), first, last);
    bool is_caret_first = edit->caret <= edit->anchor;
    run(html, edit, first, from);
    if (is_caret_first)
        kp_shell_html_markup(html, caret);
    if (from < to) {
        kp_shell_html_markup(html, "<span class=\"s\">");
        run(html, edit, from, to);
        kp_shell_html_markup(html, "</span>");
    }
    if (!is_caret_first)
        kp_shell_html_markup(html, caret);
    run(html, edit, to, last);
}

void kp_shell_toolbar_html(kp_shell_toolbar_t *toolbar, kp_shell_html_t *html)
{
    follow_caret(toolbar);
    kp_shell_html_markup(html, style);
    button(html, "back", "\xe2\x86\x90", toolbar->can_back, toolbar->hovered == 1);
    button(html, "forward", "\xe2\x86\x92", toolbar->can_forward, toolbar->hovered == 2);
    if (toolbar->is_loading)
        button(html, "stop", "\xe2\x9c\x95", true, toolbar->hovered == 3);
    else
        button(html, "reload", "\xe2\x86\xbb", true, toolbar->hovered == 3);
    kp_shell_html_format(html, "<span class=\"f%s\" style=\"width:%dpx\">",
                         toolbar->is_focused ? " on" : "",
                         (int)(field_width(toolbar) - 2 * FIELD_PADDING));
    field_text(toolbar, html);
    kp_shell_html_markup(html, "</span>");
    if (title_width(toolbar) > 0) {
        const char *text = toolbar->link[0] ? toolbar->link : toolbar->title;
        kp_shell_html_markup(html,
                             toolbar->link[0] ? "<span class=\"t l\">" : "<span class=\"t\">");
        kp_shell_html_text(html, text, strlen(text), 26, false);
        kp_shell_html_markup(html, "</span>");
    }
    kp_shell_html_format(html, "</div><div class=\"%s\"></div></body></html>",
                         toolbar->is_loading ? "busy" : "line");
}
