/* The pure parts of the shell: line editor, keymap, history, URL fix-up, HTML, scrolling, pages. */
#include <stdlib.h>

#include "abi/display.h"
#include "abi/tab.h"
#include "shell/history.h"
#include "shell/keymap.h"
#include "shell/keys.h"
#include "shell/line_edit.h"
#include "shell/pages.h"
#include "shell/scroll.h"
#include "shell/toolbar.h"
#include "shell/url_fixup.h"
#include "tests/kp_test.h"

/* ---- html ---- */

static const char *escaped(const char *text, size_t size, size_t limit)
{
    static char out[1024];
    kp_shell_html_t html = kp_shell_html_init(out, sizeof(out) - 1);
    kp_shell_html_text(&html, text, size, limit, false);
    out[html.size] = 0;
    return out;
}

KP_TEST(html_escapes)
{
    const char *hostile = "<script>alert(\"x\")</script>&'";
    KP_EXPECT_STRING(escaped(hostile, strlen(hostile), 100),
                     "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;");
    KP_EXPECT_STRING(escaped("a\0b\nc\x7f", 6, 100), "abc");
    KP_EXPECT_STRING(escaped("\xff\xc0\xaf", 3, 100), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    KP_EXPECT_STRING(escaped("\xe2\x80\xae\xd0\x9f", 5, 100), "\xd0\x9f"); /* RLO goes */
    KP_EXPECT_STRING(escaped("\xed\xa0\x80", 3, 9),
                     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
    KP_EXPECT_STRING(escaped("abcdef", 6, 3), "abc\xe2\x80\xa6");
    KP_EXPECT_STRING(escaped("abc", 3, 3), "abc");
}

KP_TEST(html_never_overflows)
{
    char out[8];
    memset(out, 'x', sizeof(out));
    kp_shell_html_t html = kp_shell_html_init(out, 7);
    kp_shell_html_text(&html, "<<<", 3, 10, false);
    KP_EXPECT_INT(html.size, 4);
    KP_EXPECT(html.is_cut);
    KP_EXPECT_INT(out[7], 'x');
    kp_shell_html_markup(&html, "<p>");
    KP_EXPECT_INT(html.size, 7);
    kp_shell_html_format(&html, "%d", 12);
    KP_EXPECT_INT(html.size, 7);
}

KP_TEST(utf8_round_trip)
{
    static const uint32_t points[] = {0x24, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff};
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        char bytes[4];
        size_t size = kp_shell_utf8_encode(points[i], bytes), length;
        KP_EXPECT_INT(kp_shell_utf8_decode(bytes, size, &length), points[i]);
        KP_EXPECT_INT(length, size);
        if (size > 1)
            KP_EXPECT_INT(kp_shell_utf8_decode(bytes, size - 1, &length), 0xfffd);
    }
    char copy[6];
    KP_EXPECT_INT(kp_shell_clean_copy(copy, sizeof(copy), "abcd\xd0\x9f", 6), 4);
    KP_EXPECT_STRING(copy, "abcd");
}

/* ---- line editor ---- */

static kp_shell_line_edit_t line; /* 8 KiB: not on the stack */

static void set(const char *text)
{
    kp_shell_line_edit_set(&line, text, strlen(text));
}

KP_TEST(line_types_and_deletes)
{
    set("a\xd0\x9f"
        "b"); /* a, a two-byte letter, b */
    KP_EXPECT_INT(line.caret, 4);
    KP_EXPECT(kp_shell_line_edit_delete(&line, false, false));
    KP_EXPECT(kp_shell_line_edit_delete(&line, false, false));
    KP_EXPECT_STRING(line.text, "a");
    KP_EXPECT(kp_shell_line_edit_insert(&line, 0x20ac));
    KP_EXPECT_STRING(line.text, "a\xe2\x82\xac");
    kp_shell_line_edit_move(&line, KP_SHELL_MOVE_LEFT, false);
    KP_EXPECT_INT(line.caret, 1);
    KP_EXPECT(kp_shell_line_edit_delete(&line, true, false));
    KP_EXPECT_STRING(line.text, "a");
    KP_EXPECT(!kp_shell_line_edit_delete(&line, true, false));
    kp_shell_line_edit_move(&line, KP_SHELL_MOVE_HOME, false);
    KP_EXPECT(!kp_shell_line_edit_delete(&line, false, true));
    KP_EXPECT(!kp_shell_line_edit_insert(&line, '\n'));
    KP_EXPECT(!kp_shell_line_edit_insert(&line, 0x202e));
}

KP_TEST(line_selection)
{
    set("http://host/path");
    kp_shell_line_edit_select_all(&line);
    KP_EXPECT(kp_shell_line_edit_insert(&line, 'x'));
    KP_EXPECT_STRING(line.text, "x");
    set("one two");
    kp_shell_line_edit_move(&line, KP_SHELL_MOVE_WORD_LEFT, true);
    KP_EXPECT_INT(kp_shell_line_edit_from(&line), 4);
    KP_EXPECT_INT(kp_shell_line_edit_to(&line), 7);
    kp_shell_line_edit_move(&line, KP_SHELL_MOVE_LEFT, false);
    KP_EXPECT_INT(line.caret, 4);
    kp_shell_line_edit_move(&line, KP_SHELL_MOVE_HOME, true);
    KP_EXPECT(kp_shell_line_edit_delete(&line, false, false));
    KP_EXPECT_STRING(line.text, "two");
    kp_shell_line_edit_move(&line, KP_SHELL_MOVE_END, true);
    kp_shell_line_edit_move(&line, KP_SHELL_MOVE_RIGHT, false);
    KP_EXPECT_INT(line.caret, 3);
    KP_EXPECT_INT(line.anchor, 3);
}

KP_TEST(line_words)
{
    set("http://a.example/bc");
    KP_EXPECT(kp_shell_line_edit_delete(&line, false, true));
    KP_EXPECT_STRING(line.text, "http://a.example/");
    KP_EXPECT(kp_shell_line_edit_delete(&line, false, true));
    KP_EXPECT_STRING(line.text, "http://a.");
    kp_shell_line_edit_move(&line, KP_SHELL_MOVE_HOME, false);
    kp_shell_line_edit_move(&line, KP_SHELL_MOVE_WORD_RIGHT, false);
    KP_EXPECT_INT(line.caret, 4);
    KP_EXPECT(kp_shell_line_edit_delete(&line, true, true));
    KP_EXPECT_STRING(line.text, "http.");
}

KP_TEST(line_columns)
{
    set("a\xd0\x9f\xe2\x82\xac"
        "b");
    kp_shell_line_edit_place(&line, 2, false);
    KP_EXPECT_INT(line.caret, 3);
    KP_EXPECT_INT(kp_shell_line_edit_column(&line, line.caret), 2);
    kp_shell_line_edit_place(&line, 99, true);
    KP_EXPECT_INT(line.caret, 7);
    KP_EXPECT_INT(line.anchor, 3);
}

KP_TEST(line_is_limited)
{
    char *big = malloc(20000);
    KP_REQUIRE(big);
    memset(big, 'a', 20000);
    kp_shell_line_edit_set(&line, big, 20000);
    free(big);
    KP_EXPECT_INT(line.size, KP_SHELL_LINE_MAX - 1);
    KP_EXPECT(!kp_shell_line_edit_insert(&line, 'b'));
    kp_shell_line_edit_place(&line, 10, false);
    kp_shell_line_edit_move(&line, KP_SHELL_MOVE_RIGHT, true);
    KP_EXPECT(kp_shell_line_edit_insert(&line, 'b')); /* replaces one */
    KP_EXPECT(!kp_shell_line_edit_insert(&line, 'c'));
}

/* ---- keymap ---- */

static uint32_t typed(kp_shell_keymap_t *map, uint32_t code)
{
    uint32_t codepoint = kp_shell_keymap_feed(map, code, 1).codepoint;
    kp_shell_keymap_feed(map, code, 0);
    return codepoint;
}

KP_TEST(keymap_us)
{
    kp_shell_keymap_t map = {0};
    KP_EXPECT_INT(typed(&map, KEY_A), 'a');
    KP_EXPECT_INT(typed(&map, KEY_SPACE), ' ');
    KP_EXPECT_INT(typed(&map, KEY_SLASH), '/');
    KP_EXPECT_INT(typed(&map, 39), ';');
    KP_EXPECT_INT(typed(&map, 11), '0');
    KP_EXPECT_INT(typed(&map, KEY_BACKSLASH), '\\');
    KP_EXPECT_INT(typed(&map, KEY_ENTER), 0);
    KP_EXPECT_INT(typed(&map, 82), '0'); /* keypad */
    kp_shell_keymap_feed(&map, KEY_RIGHTSHIFT, 1);
    KP_EXPECT_INT(typed(&map, KEY_A), 'A');
    KP_EXPECT_INT(typed(&map, 39), ':');
    KP_EXPECT_INT(typed(&map, KEY_SLASH), '?');
    KP_EXPECT_INT(typed(&map, 41), '~');
    kp_shell_keymap_feed(&map, KEY_CAPSLOCK, 1);
    KP_EXPECT_INT(typed(&map, KEY_A), 'a');
    KP_EXPECT_INT(typed(&map, KEY_1), '!');
    kp_shell_keymap_feed(&map, KEY_RIGHTSHIFT, 0);
    KP_EXPECT_INT(typed(&map, KEY_A), 'A');
    KP_EXPECT_INT(typed(&map, KEY_1), '1');
}

KP_TEST(keymap_modifiers)
{
    kp_shell_keymap_t map = {0};
    kp_shell_keymap_feed(&map, KEY_LEFTCTRL, 1);
    kp_shell_keymap_feed(&map, KEY_RIGHTCTRL, 1);
    kp_shell_keymap_feed(&map, KEY_LEFTCTRL, 0);
    kp_shell_key_t key = kp_shell_keymap_feed(&map, KEY_L, 1);
    KP_EXPECT_INT(key.modifiers, KP_TAB_MODIFIER_CONTROL);
    KP_EXPECT_INT(key.codepoint, 0);
    kp_shell_keymap_feed(&map, KEY_RIGHTCTRL, 0);
    KP_EXPECT_INT(kp_shell_keymap_feed(&map, KEY_L, 2).codepoint, 'l');
    KP_EXPECT(kp_shell_keymap_feed(&map, KEY_LEFTALT, 1).is_modifier);
    for (uint32_t code = 0; code < 2000; code++) /* any code is harmless */
        (void)kp_shell_keymap_feed(&map, code, (int32_t)(code % 3));
    (void)kp_shell_keymap_feed(&map, UINT32_MAX, INT32_MIN);
}

/* ---- history ---- */

KP_TEST(history_moves)
{
    static kp_shell_history_t history;
    KP_EXPECT(kp_shell_history_current(&history) == NULL);
    KP_EXPECT_INT(kp_shell_history_replace(&history, "x:"), KP_ERR_BAD_STATE);
    kp_shell_history_set_title(&history, "lost", 4);
    KP_EXPECT_INT(kp_shell_history_push(&history, "a:"), KP_OK);
    KP_EXPECT_INT(kp_shell_history_push(&history, "b:"), KP_OK);
    KP_EXPECT_INT(kp_shell_history_push(&history, "c:"), KP_OK);
    KP_EXPECT(kp_shell_history_can_back(&history) && !kp_shell_history_can_forward(&history));
    kp_shell_history_go(&history, 0);
    kp_shell_history_set_title(&history, "one\nline", 8);
    KP_EXPECT_STRING(kp_shell_history_current(&history)->title, "oneline");
    KP_EXPECT(!kp_shell_history_can_back(&history) && kp_shell_history_can_forward(&history));
    KP_EXPECT_INT(kp_shell_history_replace(&history, "a2:"), KP_OK);
    KP_EXPECT_STRING(kp_shell_history_current(&history)->title, "");
    KP_EXPECT_INT(kp_shell_history_push(&history, "d:"), KP_OK);
    KP_EXPECT_INT(history.count, 2);
    KP_EXPECT_STRING(kp_shell_history_current(&history)->url, "d:");
    kp_shell_history_go(&history, 7); /* outside: ignored */
    KP_EXPECT_INT(history.current, 1);
    for (unsigned i = 0; i < 2 * KP_SHELL_HISTORY_MAX; i++) {
        char url[16];
        snprintf(url, sizeof(url), "n:%u", i);
        KP_EXPECT_INT(kp_shell_history_push(&history, url), KP_OK);
    }
    KP_EXPECT_INT(history.count, KP_SHELL_HISTORY_MAX);
    KP_EXPECT_STRING(kp_shell_history_current(&history)->url, "n:199");
    KP_EXPECT_STRING(history.entries[0].url, "n:100");
    kp_shell_history_clear(&history);
    KP_EXPECT_INT(history.count, 0);
}

/* ---- URLs ---- */

static const char *fixed(const char *text)
{
    static char out[KP_SHELL_URL_MAX];
    return kp_shell_url_fix(text, strlen(text), out) == KP_OK ? out : "(error)";
}

KP_TEST(url_fixup)
{
    KP_EXPECT_STRING(fixed("example.org"), "http://example.org");
    KP_EXPECT_STRING(fixed("  example.org/a b\t"), "http://example.org/a%20b");
    KP_EXPECT_STRING(fixed("10.0.2.2:8000/x"), "http://10.0.2.2:8000/x");
    KP_EXPECT_STRING(fixed("localhost:8000"), "http://localhost:8000");
    KP_EXPECT_STRING(fixed("localhost:8000?a"), "http://localhost:8000?a");
    KP_EXPECT_STRING(fixed("host"), "http://host");
    KP_EXPECT_STRING(fixed("//host/x"), "http://host/x");
    KP_EXPECT_STRING(fixed("HTTP://Host/"), "HTTP://Host/");
    KP_EXPECT_STRING(fixed("https://host/"), "https://host/");
    KP_EXPECT_STRING(fixed("about:start"), "about:start");
    KP_EXPECT_STRING(fixed("gopher://x"), "gopher://x");
    KP_EXPECT_STRING(fixed("data:text/html,x"), "data:text/html,x");
    KP_EXPECT_STRING(fixed("ho\nst\r.org"), "http://host.org");
    KP_EXPECT_STRING(fixed("[::1]:80/"), "http://[::1]:80/");
    KP_EXPECT_STRING(fixed("   "), "(error)");
    KP_EXPECT_STRING(fixed(""), "(error)");
    char *big = malloc(KP_SHELL_URL_MAX + 1);
    KP_REQUIRE(big);
    memset(big, ' ', KP_SHELL_URL_MAX);
    big[0] = big[KP_SHELL_URL_MAX - 1] = 'a';
    big[KP_SHELL_URL_MAX] = 0;
    KP_EXPECT_STRING(fixed(big), "(error)"); /* three bytes a space: too long */
    free(big);
}

KP_TEST(url_from_a_tab)
{
    char out[KP_SHELL_URL_MAX];
    KP_EXPECT_INT(kp_shell_url_take("http://a/", 9, out), KP_OK);
    KP_EXPECT_STRING(out, "http://a/");
    KP_EXPECT_INT(kp_shell_url_take("/relative", 9, out), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_shell_url_take("http://a\n/", 10, out), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_shell_url_take("http://a\0/", 10, out), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_shell_url_take("", 0, out), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT(kp_shell_url_has_scheme("HTTPS://x", "https"));
    KP_EXPECT(!kp_shell_url_has_scheme("https:", "http"));
}

/* ---- scrolling ---- */

KP_TEST(scroll_geometry)
{
    KP_EXPECT_INT(kp_shell_scroll_clamp(-5, 1000, 300), 0);
    KP_EXPECT_INT(kp_shell_scroll_clamp(5, 1000, 300), 5);
    KP_EXPECT_INT(kp_shell_scroll_clamp(900, 1000, 300), 700);
    KP_EXPECT_INT(kp_shell_scroll_clamp(900, 100, 300), 0);
    KP_EXPECT_INT(kp_shell_scroll_clamp(INT64_MAX, INT32_MAX, 0), INT32_MAX);
    KP_EXPECT_INT(kp_shell_scroll_clamp(INT64_MIN, INT32_MIN, INT32_MAX), 0);
    KP_EXPECT_INT(kp_shell_to_device(100, 384), 150);
    KP_EXPECT_INT(kp_shell_to_css(150, 384), 100);
    KP_EXPECT_INT(kp_shell_to_device(INT32_MAX, 512), INT32_MAX);
    KP_EXPECT_INT(kp_shell_to_css(5, 0), 5);
}

KP_TEST(scroll_thumb_and_back)
{
    /* Dragging the thumb to where the display draws it gives the position again (within rounding).
     */
    static const int32_t pages[] = {761, 1000, 5000, 100000, 16777216};
    for (size_t p = 0; p < sizeof(pages) / sizeof(pages[0]); p++) {
        int32_t track = 760, most = pages[p] - track;
        for (int i = 0; i <= 10; i++) {
            int32_t at = (int32_t)((int64_t)most * i / 10);
            kp_display_thumb_t thumb = kp_display_thumb(track, pages[p], at);
            KP_EXPECT(thumb.offset >= 0 && thumb.offset + thumb.length <= track);
            int32_t back = kp_shell_scroll_from_thumb(track, pages[p], thumb.offset);
            int32_t step = most / (track - thumb.length) + 1;
            KP_EXPECT(back <= at && at - back <= step);
        }
        KP_EXPECT_INT(kp_shell_scroll_from_thumb(track, pages[p], 5000), most);
        KP_EXPECT_INT(kp_shell_scroll_from_thumb(track, pages[p], -5000), 0);
    }
    KP_EXPECT_INT(kp_shell_scroll_from_thumb(10, 5, 3), 0);
    KP_EXPECT_INT(kp_display_thumb(0, 100, 3).length, 0);
    KP_EXPECT_INT(kp_display_thumb(10, 100, 3).length, 10); /* lower than the smallest thumb */
    KP_EXPECT_INT(kp_shell_scroll_from_thumb(10, 100, 3), 0);
}

KP_TEST(scroll_bar_decision)
{
    kp_shell_scroll_bar_t bar = {0};
    KP_EXPECT(!kp_shell_scroll_bar_update(&bar, 760, 760));
    KP_EXPECT(kp_shell_scroll_bar_update(&bar, 761, 760)); /* shown */
    KP_EXPECT(bar.is_shown);
    KP_EXPECT(!kp_shell_scroll_bar_update(&bar, 700, 760)); /* it would flip for ever */
    KP_EXPECT(bar.is_shown);
    kp_shell_scroll_bar_new_load(&bar);
    KP_EXPECT(bar.is_shown);
    KP_EXPECT(kp_shell_scroll_bar_update(&bar, 700, 760)); /* another page, a short one */
    KP_EXPECT(!bar.is_shown);
}

/* ---- pages and toolbar ---- */

static bool contains(const kp_shell_html_t *html, const char *text)
{
    return memmem(html->bytes, html->size, text, strlen(text)) != NULL;
}

KP_TEST(pages_escape_and_fit)
{
    static char out[KP_SHELL_PAGE_MAX];
    char url[KP_SHELL_URL_MAX], cause[4000];
    memset(url, '"', sizeof(url) - 1);
    memcpy(url, "http://<b>", 10);
    url[sizeof(url) - 1] = 0;
    memset(cause, '<', sizeof(cause));
    kp_shell_html_t html = kp_shell_html_init(out, sizeof(out));
    kp_shell_page_error(&html, url, KP_ERR_CONNECTION_REFUSED, 0, cause, sizeof(cause));
    KP_EXPECT(!html.is_cut);
    KP_EXPECT(!contains(&html, "<b>") && contains(&html, "http://&lt;b&gt;"));
    KP_EXPECT(contains(&html, "kpio:reload") && contains(&html, "</html>"));

    html = kp_shell_html_init(out, sizeof(out));
    kp_shell_page_error(&html, "http://x/", KP_ERR_CONNECTION_REFUSED, 503, "", 0);
    KP_EXPECT(contains(&html, "the host refused the connection") && contains(&html, "503"));

    kp_process_info_t info = {
        .exit_reason = KP_EXIT_TRAP, .exit_code = KP_TRAP_OUT_OF_BOUNDS, .fault_address = 0x1234};
    html = kp_shell_html_init(out, sizeof(out));
    kp_shell_page_crash(&html, url, &info, NULL);
    KP_EXPECT(!html.is_cut && contains(&html, "out of bounds") && contains(&html, "0x1234"));
    char text[80];
    for (int trap = KP_TRAP_NONE; trap <= KP_TRAP_LIMIT; trap++) {
        info.exit_code = trap;
        kp_shell_crash_text(text, sizeof(text), &info, NULL);
        KP_EXPECT(strstr(text, "unknown") == NULL);
    }
    info.exit_code = 4711;
    kp_shell_crash_text(text, sizeof(text), &info, NULL);
    KP_EXPECT(strstr(text, "unknown trap") != NULL);
    info.exit_reason = KP_EXIT_FAULT;
    info.exit_code = KP_ERR_NO_MEMORY;
    kp_shell_crash_text(text, sizeof(text), &info, NULL);
    KP_EXPECT(strstr(text, "memory") != NULL);
    html = kp_shell_html_init(out, sizeof(out));
    kp_shell_page_start(&html);
    KP_EXPECT(!html.is_cut && contains(&html, "</html>"));
}

KP_TEST(toolbar_shows_what_it_should)
{
    static kp_shell_toolbar_t toolbar;
    static char out[KP_SHELL_TOOLBAR_HTML_MAX];
    toolbar.width = 1280;
    kp_shell_toolbar_set_address(&toolbar, "http://<i>.example/", false);
    kp_shell_html_t html = kp_shell_html_init(out, sizeof(out));
    kp_shell_toolbar_html(&toolbar, &html);
    KP_EXPECT(contains(&html, "http://&lt;i&gt;.example/") && !contains(&html, "<i>"));
    KP_EXPECT(!contains(&html, "kpio:back") && contains(&html, "kpio:reload"));
    KP_EXPECT(!contains(&html, "class=\"c\""));
    toolbar.can_back = toolbar.is_loading = true;
    kp_shell_toolbar_focus(&toolbar);
    html = kp_shell_html_init(out, sizeof(out));
    kp_shell_toolbar_html(&toolbar, &html);
    KP_EXPECT(contains(&html, "kpio:back") && contains(&html, "kpio:stop"));
    KP_EXPECT(contains(&html, "<span class=\"s\">http:"));
    KP_EXPECT(contains(&html, "class=\"c\""));
    toolbar.is_edited = true;
    kp_shell_toolbar_set_address(&toolbar, "http://other/", false);
    KP_EXPECT_STRING(toolbar.edit.text, "http://<i>.example/"); /* typing is not disturbed */
    kp_shell_toolbar_set_address(&toolbar, "about:start", true);
    KP_EXPECT_STRING(toolbar.edit.text, "");
}

KP_TEST(toolbar_long_text_follows_the_caret)
{
    static kp_shell_toolbar_t toolbar;
    static char out[KP_SHELL_TOOLBAR_HTML_MAX];
    char url[KP_SHELL_URL_MAX];
    memset(url, '"', sizeof(url) - 1);
    url[sizeof(url) - 1] = 0;
    toolbar.width = 16384; /* the widest screen, every character escaped */
    kp_shell_toolbar_set_address(&toolbar, url, true);
    kp_shell_toolbar_focus(&toolbar);
    kp_shell_html_t html = kp_shell_html_init(out, sizeof(out));
    kp_shell_toolbar_html(&toolbar, &html);
    KP_EXPECT(!html.is_cut && contains(&html, "</html>"));
    KP_EXPECT_INT(toolbar.first_column, 0);
    kp_shell_line_edit_move(&toolbar.edit, KP_SHELL_MOVE_END, false);
    html = kp_shell_html_init(out, sizeof(out));
    kp_shell_toolbar_html(&toolbar, &html);
    KP_EXPECT(!html.is_cut && toolbar.first_column > 0);
    size_t column = kp_shell_toolbar_column(&toolbar, 16384);
    KP_EXPECT(column >= KP_SHELL_URL_MAX - 4);
    KP_EXPECT_INT(kp_shell_toolbar_column(&toolbar, -100), (long long)toolbar.first_column - 1);
    toolbar.first_column = 0;
    KP_EXPECT_INT(kp_shell_toolbar_column(&toolbar, INT32_MIN), 0);
    KP_EXPECT(kp_shell_toolbar_is_field(&toolbar, 400, 20));
    KP_EXPECT(!kp_shell_toolbar_is_field(&toolbar, 20, 20));
    KP_EXPECT(!kp_shell_toolbar_is_field(&toolbar, 400, 39));
}

KP_TEST_MAIN()
