/* Pages that cost little to send and must cost little to show: twice the input may take a little
   more than twice the work, counted in instructions of this thread (skipped where the machine does
   not count them), and no page may fail. */
#include <stdlib.h>

#include "engine/base/buffer.h"
#include "engine/fuzz/host.h"
#include "tests/kp_test.h"

/* Called by the compiler's instrumentation in every basic block (-fsanitize-coverage=trace-pc). */
static uint64_t blocks_run;
void __sanitizer_cov_trace_pc(void);
__attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_pc(void)
{
    blocks_run++;
}

/* count times the piece; "%d" in it becomes the number. */
typedef struct part {
    const char *piece;
    unsigned factor; /* times n; 0: once */
} part_t;

static void build(const part_t *parts, unsigned n, kp_buffer_t *out)
{
    kp_buffer_text(out, "<!DOCTYPE html>");
    for (; parts->piece; parts++) {
        unsigned count = parts->factor ? parts->factor * n : 1;
        for (unsigned i = 0; i < count; i++) {
            const char *rest = parts->piece, *number;
            for (; (number = strstr(rest, "%d")); rest = number + 2) {
                kp_buffer_append(out, rest, (size_t)(number - rest));
                kp_buffer_format(out, "%u", i);
            }
            kp_buffer_text(out, rest);
        }
    }
}

/* Basic blocks that load, layout and frame run. */
static uint64_t show(const part_t *parts, unsigned n)
{
    kp_fuzz_host_t host;
    kp_buffer_t html = {0};
    kp_engine_frame_t frame;
    build(parts, n, &html);
    if (kp_fuzz_host_create(&host, KP_FONT_DIR "/DejaVuSans.ttf") != KP_OK ||
        kp_engine_configure(host.engine, 800, 600, 256) != KP_OK) {
        KP_FAIL("no engine");
        kp_buffer_clear(&html);
        return 0;
    }
    uint64_t before = blocks_run;
    KP_EXPECT_INT(kp_engine_load_html(host.engine, 1, "http://kpio.test/", html.bytes, html.size),
                  KP_OK);
    kp_fuzz_host_answer(&host, 1000);
    KP_EXPECT_INT(kp_fuzz_host_frame(&host, &frame), KP_OK);
    KP_EXPECT_INT(host.state, KP_TAB_LOAD_DONE);
    uint64_t count = blocks_run - before;
    kp_fuzz_host_destroy(&host);
    kp_buffer_clear(&html);
    return count;
}

static void expect_linear(const char *name, const part_t *parts, unsigned n)
{
    uint64_t once = show(parts, n), twice = show(parts, 2 * n);
    KP_EXPECT(once > n);
    if (twice > once * 27 / 10)
        KP_FAIL("%s: %llu blocks for %u, %llu for %u", name, (unsigned long long)once, n,
                (unsigned long long)twice, 2 * n);
}

#define HOSTILE(name, n, ...)                                \
    KP_TEST(hostile_##name)                                  \
    {                                                        \
        static const part_t parts[] = {__VA_ARGS__, {0, 0}}; \
        expect_linear(#name, parts, n);                      \
    }

HOSTILE(nested_blocks, 5000, {"<div>", 1}, {"x", 0})
HOSTILE(nested_inlines, 2000, {"<b>", 1}, {"x", 0})
HOSTILE(long_attribute, 50000, {"<p class='", 0}, {"a ", 1}, {"' title='", 0}, {"y", 4}, {"'>x", 0})
HOSTILE(empty_declarations, 60000, {"<p style='", 0}, {";", 1}, {"color:red'>x", 0})
HOSTILE(many_selectors, 5000, {"<style>", 0}, {".c%d,div.d%d>q:not(.x){color:red}", 1},
        {"</style><p class=c1>t", 0})
HOSTILE(nested_calc, 10000, {"<p style='width:", 0}, {"calc(", 1}, {"1px'>x", 0})
HOSTILE(variable_cycle, 500, {"<style>:root{", 0}, {"--a%d:var(--b%d);--b%d:var(--a%d);", 1},
        {"}p{width:var(--a1)}</style><p>x", 0})
HOSTILE(nested_media, 2000, {"<style>", 0}, {"@media screen{", 1}, {"p{color:red}</style><p>x", 0})
HOSTILE(nested_supports, 2000, {"<style>@supports ", 0}, {"(color:", 1}, {"{p{}}</style><p>x", 0})
HOSTILE(open_brackets, 20000, {"<style>", 0}, {"a(", 1}, {"</style><p>x", 0})
HOSTILE(position_selectors, 1000,
        {"<style>i:nth-child(2n){color:red}i:nth-last-of-type(3n){top:0}</style>", 0},
        {"<i></i>", 1})
HOSTILE(sibling_selectors, 500, {"<style>a ~ b ~ i{color:red}</style>", 0}, {"<b></b>", 1})
HOSTILE(long_word, 20000, {"x", 1})
HOSTILE(many_words, 10000, {"x ", 1})
HOSTILE(wide_spans, 20, {"<table>", 0}, {"<tr><td colspan=100000 rowspan=65534>x", 1})
HOSTILE(many_rows, 100, {"<table>", 0}, {"<tr><td>a<td>b<td>c", 1})
HOSTILE(many_floats, 300, {"<div style='float:left;width:7px;height:3px'></div>", 1})
HOSTILE(layers, 200, {"<div style='position:relative;opacity:.5;z-index:1'>", 1}, {"x", 0})

/* Values that double thirty times, with nothing at the end, so that no length stops them. */
KP_TEST(hostile_doubling_variables)
{
    kp_buffer_t css = {0};
    kp_buffer_text(&css, "<style>:root{");
    for (unsigned i = 0; i < 30; i++)
        kp_buffer_format(&css, "--a%u:var(--a%u)var(--a%u);", i, i + 1, i + 1);
    kp_buffer_text(&css, "--a30:;}p{width:var(--a0);height:var(--a3) 5px}</style><p>x");
    kp_buffer_byte(&css, 0);
    const part_t page[] = {{css.bytes, 0}, {NULL, 0}};
    KP_REQUIRE(!css.failed);
    show(page, 1);
    kp_buffer_clear(&css);
}

KP_TEST(hostile_lists_in_selectors)
{
    static const part_t parts[] = {
        {"<style>:is(:is(:is(:is(:is(z *) *) *) *) *) *{color:red}div:has(:has(u)){color:red}"
         "</style>",
         0},
        {"<div>", 1},
        {"x", 0},
        {NULL, 0}};
    show(parts, 60);
}

/* HarfBuzz is not counted here; this would run for minutes if runs were not cut. */
KP_TEST(hostile_marks)
{
    static const part_t invisible[] = {{"&shy;", 1}, {NULL, 0}};
    static const part_t marks[] = {{"a", 0}, {"&#x301;", 1}, {NULL, 0}};
    show(invisible, 30000);
    show(marks, 30000);
}

KP_TEST(hostile_numbers)
{
    static const part_t parts[] = {
        {"<div style='width:1e30px;height:99999999999999px;margin:-1e30px;font-size:1e9px;border:"
         "1e9px solid;border-radius:1e9px;z-index:99999999999;line-height:1e30;opacity:-7;"
         "letter-spacing:1e20px;text-indent:-1e30px'>x<p style='position:absolute;top:-1e30px;left:"
         "1e30px;width:1e-30px;background:linear-gradient(1e30deg,red -1e30px,blue 1e30%);"
         "transform:none'>y</div><table width=999999999999 cellpadding=99999999><td height=1e9>z"
         "</table><ol start=2147483647><li>a<li>b</ol><ol start=-2147483648 reversed><li>c</ol>",
         0},
        {NULL, 0}};
    show(parts, 1);
}

KP_TEST_MAIN()
