/* Tokens, and declarations up to the computed values they give. */
#include <math.h>

#include "engine/css/test/page.h"

/* ---- tokens ---- */

static kp_css_token_t first_token(const char *text, kp_arena_t *arena)
{
    kp_css_lexer_t lexer = kp_css_lexer_init(text, strlen(text), arena);
    kp_css_token_t token;
    kp_css_lexer_next(&lexer, &token);
    return token;
}

KP_TEST(css_tokens_types)
{
    static const struct {
        const char *text;
        int type;
        uint32_t end;
    } cases[] = {
        {"", KP_CSS_TOKEN_END, 0},
        {" \n\t/* x */ a", KP_CSS_TOKEN_SPACE, 11},
        {"ab-c_1(", KP_CSS_TOKEN_FUNCTION, 7},
        {"--x:", KP_CSS_TOKEN_IDENT, 3},
        {"-->", KP_CSS_TOKEN_COMMENT_HTML, 3},
        {"<!--", KP_CSS_TOKEN_COMMENT_HTML, 4},
        {"@media ", KP_CSS_TOKEN_AT, 6},
        {"#1a", KP_CSS_TOKEN_HASH, 3},
        {"# a", KP_CSS_TOKEN_DELIM, 1},
        {"\"a'b\" ", KP_CSS_TOKEN_STRING, 5},
        {"'a\nb'", KP_CSS_TOKEN_BAD, 2},
        {"'open", KP_CSS_TOKEN_STRING, 5},
        {"url( a.png )", KP_CSS_TOKEN_URL, 12},
        {"url(a b)c", KP_CSS_TOKEN_BAD, 8},
        {"url('a')", KP_CSS_TOKEN_FUNCTION, 4},
        {"12", KP_CSS_TOKEN_NUMBER, 2},
        {"1.", KP_CSS_TOKEN_NUMBER, 1},
        {"+.5e-2x", KP_CSS_TOKEN_DIMENSION, 7},
        {"1e3", KP_CSS_TOKEN_NUMBER, 3},
        {"1em", KP_CSS_TOKEN_DIMENSION, 3},
        {"50%", KP_CSS_TOKEN_PERCENT, 3},
        {"\\", KP_CSS_TOKEN_DELIM, 1},
        {"/* never closed", KP_CSS_TOKEN_END, 15},
        {"caf\xc3\xa9 ", KP_CSS_TOKEN_IDENT, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kp_arena_t arena = {0};
        kp_css_token_t token = first_token(cases[i].text, &arena);
        if (token.type != cases[i].type || token.end != cases[i].end)
            KP_FAIL("\"%s\": type %d to %u, expected %d to %u", cases[i].text, token.type,
                    token.end, cases[i].type, cases[i].end);
        kp_arena_clear(&arena);
    }
}

KP_TEST(css_tokens_text)
{
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"a\\62 c", "abc"},
        {"\\26 B", "&B"},
        {"'\\\n\\41'", "A"},
        {"url(a\\)b)", "a)b"},
        {"#\\31 x", "1x"},
        {"@\\6d edia", "media"},
        {"\\110000", "\xef\xbf\xbd"},
        {"\\0", "\xef\xbf\xbd"},
        {"\\d800", "\xef\xbf\xbd"},
        {"\\1F600", "\xf0\x9f\x98\x80"},
        {"'it\\'s'", "it's"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kp_arena_t arena = {0};
        kp_css_token_t token = first_token(cases[i].text, &arena);
        if (token.text_size != strlen(cases[i].value) ||
            memcmp(token.text, cases[i].value, token.text_size) != 0)
            KP_FAIL("\"%s\" is \"%.*s\"", cases[i].text, (int)token.text_size, token.text);
        kp_arena_clear(&arena);
    }
    KP_EXPECT(first_token("#a", NULL).is_id && !first_token("#1", NULL).is_id);
    KP_EXPECT(first_token("7", NULL).integer && !first_token("7.0", NULL).integer);
    KP_EXPECT(fabsf(first_token("-1.25e1", NULL).number + 12.5f) < 1e-5f);
    KP_EXPECT(isfinite(first_token("1e999999999999", NULL).number));
    KP_EXPECT(first_token("1e-999999999999", NULL).number == 0);
}

/* ---- lengths ---- */

/* The computed width for "width: text" in an element with font-size 20px, root font 16px. */
static kp_length_t width_of(const char *text, bool quirks)
{
    char css[512];
    page_t page;
    snprintf(css, sizeof css, "#x{font-size:20px;width:7px;width:%s}", text);
    page_make(&page, "<!DOCTYPE html><p id=x>", 23, NULL, css, strlen(css), quirks);
    kp_length_t width = page_style(&page, "x")->width;
    page_clear(&page);
    return width;
}

KP_TEST(css_lengths)
{
    static const struct {
        const char *text;
        float px, percent;
    } cases[] = {
        {"10px", 10, 0},
        {"+.5px", .5f, 0},
        {"1e2px", 100, 0},
        {"10PX", 10, 0},
        {"1in", 96, 0},
        {"2.54cm", 96, 0},
        {"25.4mm", 96, 0},
        {"101.6q", 96, 0},
        {"6pc", 96, 0},
        {"72pt", 96, 0},
        {"2em", 40, 0},
        {"2rem", 32, 0},
        {"2ex", 20, 0},
        {"2ch", 20, 0},
        {"10vw", 80, 0},
        {"10vh", 60, 0},
        {"10vmin", 60, 0},
        {"10vmax", 80, 0},
        {"0", 0, 0},
        {"12.5%", 0, 12.5f},
        {"calc(1px + 2% * 3)", 1, 6},
        {"calc(100% / 4 - 2*(3px + 1em))", -46, 25},
        {"calc( (1px + 2px) * 2 )", 6, 0},
        {"calc(2 * 3 * 1px)", 6, 0},
        {"calc(calc(1px) + 1px)", 2, 0},
        {"min(10px, 5vw)", 10, 0},
        {"max(10px, 5vw, 2em)", 40, 0},
        {"clamp(1px, 50px, 20px)", 20, 0},
        {"clamp(30px, 5px, 20px)", 30, 0},
        {"inherit", 7, 0}, /* replaced below: the parent's is auto */
        /* Not valid: the earlier declaration stays. */
        {"-1px", 7, 0},
        {"10", 7, 0},
        {"10 px", 7, 0},
        {"10px 20px", 7, 0},
        {"1furlong", 7, 0},
        {"calc(1px + 2)", 7, 0},
        {"calc(1px+2px)", 7, 0},
        {"calc(1px / 0)", 7, 0},
        {"calc(1px * 1px)", 7, 0},
        {"calc(1 / 1px)", 7, 0},
        {"calc()", 7, 0},
        {"clamp(1px,2px)", 7, 0},
        {"red", 7, 0},
        {"'10px'", 7, 0},
        {"", 7, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(cases[i].text, "inherit") == 0)
            continue;
        kp_length_t width = width_of(cases[i].text, false);
        if (width.keyword || fabsf(width.px - cases[i].px) > 1e-3f ||
            fabsf(width.percent - cases[i].percent) > 1e-3f)
            KP_FAIL("width: %s is %g px %g%% keyword %d", cases[i].text, (double)width.px,
                    (double)width.percent, width.keyword);
    }
    KP_EXPECT_INT(width_of("auto", false).keyword, KP_KW_AUTO);
    KP_EXPECT_INT(width_of("inherit", false).keyword, KP_KW_AUTO);
    KP_EXPECT_INT(width_of("initial", false).keyword, KP_KW_AUTO);
    KP_EXPECT_INT(width_of("unset", false).keyword, KP_KW_AUTO);
    KP_EXPECT(width_of("10", true).px == 10);
}

/* ---- colours ---- */

static kp_color_t color_of(const char *text)
{
    char css[256];
    page_t page;
    snprintf(css, sizeof css, "#x{background-color:#010203;background-color:%s}", text);
    page_open(&page, "<p id=x>", css);
    kp_color_t color = page_style(&page, "x")->background_color;
    page_clear(&page);
    return color;
}

KP_TEST(css_colors)
{
    static const struct {
        const char *text;
        uint32_t color;
    } cases[] = {
        {"#abc", 0xffaabbcc},
        {"#ABCD", 0xddaabbcc},
        {"#a1b2c3", 0xffa1b2c3},
        {"#a1b2c380", 0x80a1b2c3},
        {"red", 0xffff0000},
        {"REBECCAPURPLE", 0xff663399},
        {"lightgoldenrodyellow", 0xfffafad2},
        {"transparent", 0},
        {"currentcolor", KP_COLOR_CURRENT},
        {"rgb(1,2,3)", 0xff010203},
        {"rgb(1 2 3)", 0xff010203},
        {"rgb(1 2 3 / 50%)", 0x80010203},
        {"rgba(255,0,0,.5)", 0x80ff0000},
        {"rgb(100%,0%,20%)", 0xffff0033},
        {"rgb(300,-5,0)", 0xffff0000},
        {"rgba(1,2,3,7)", 0xff010203},
        {"hsl(120,100%,50%)", 0xff00ff00},
        {"hsl(0deg 0% 100%)", 0xffffffff},
        {"hsl(240deg 100% 50% / .5)", 0x800000ff},
        {"hsla(-120,100%,50%,1)", 0xff0000ff},
        {"#ab", 0xff010203},
        {"#ggg", 0xff010203},
        {"rgb(1,2)", 0xff010203},
        {"rgb(1,2,3,4,5)", 0xff010203},
        {"rgb(9,9px,9)", 0xff010203},
        {"redd", 0xff010203},
        {"red blue", 0xff010203},
        {"abcdef", 0xff010203},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kp_color_t color = color_of(cases[i].text);
        if (color != cases[i].color)
            KP_FAIL("%s is %08x, expected %08x", cases[i].text, color, cases[i].color);
    }
}

KP_TEST(css_colors_legacy)
{
    static const struct {
        const char *text;
        uint32_t color;
    } cases[] = {{"red", 0xffff0000},       {"#123", 0xff112233},        {"ff8000", 0xffff8000},
                 {"#f", 0xff0f0000},        {"chucknorris", 0xffc00000}, {"xyz", 0xff000000},
                 {"#12345678", 0xff124578}, {" Blue ", 0xff0000ff}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t color = 0;
        bool ok = kp_css_color_legacy(cases[i].text, strlen(cases[i].text), &color);
        if (!ok || color != cases[i].color)
            KP_FAIL("%s is %08x, expected %08x", cases[i].text, color, cases[i].color);
    }
    uint32_t color;
    KP_EXPECT(!kp_css_color_legacy("transparent", 11, &color));
    KP_EXPECT(!kp_css_color_legacy("", 0, &color));
}

/* ---- shorthands ---- */

static void open_with(page_t *page, const char *declarations)
{
    char css[512];
    snprintf(css, sizeof css, "#x{%s}", declarations);
    page_open(page, "<!DOCTYPE html><div id=x></div>", css);
}

static void expect_edges(const char *declarations, float top, float right, float bottom, float left)
{
    page_t page;
    open_with(&page, declarations);
    const kp_length_t *m = page_style(&page, "x")->margin;
    if (m[0].px != top || m[1].px != right || m[2].px != bottom || m[3].px != left)
        KP_FAIL("%s: %g %g %g %g", declarations, (double)m[0].px, (double)m[1].px, (double)m[2].px,
                (double)m[3].px);
    page_clear(&page);
}

KP_TEST(css_shorthand_margin)
{
    expect_edges("margin:1px", 1, 1, 1, 1);
    expect_edges("margin:1px 2px", 1, 2, 1, 2);
    expect_edges("margin:1px 2px 3px", 1, 2, 3, 2);
    expect_edges("margin:1px 2px 3px 4px", 1, 2, 3, 4);
    expect_edges("margin:9px;margin:1px 2px 3px 4px 5px", 9, 9, 9, 9);
    expect_edges("margin:9px;margin:1px red", 9, 9, 9, 9);
    expect_edges("margin:9px;margin:1px,2px", 9, 9, 9, 9);
    expect_edges("margin:-1px 0;margin-left:5px", -1, 0, -1, 5);
    expect_edges("margin:1px!important;margin:2px", 1, 1, 1, 1);
    expect_edges("margin:1px;margin:inherit", 8, 8, 8, 8);
}

KP_TEST(css_shorthand_border)
{
    page_t page;
    open_with(&page, "border:2px dashed red;border-left:none;border-top-color:blue");
    const kp_style_t *s = page_style(&page, "x");
    KP_EXPECT(s->border_width[0] == 2 && s->border_width[1] == 2 && s->border_width[3] == 0);
    KP_EXPECT_INT(s->border_style[2], KP_KW_DASHED);
    KP_EXPECT_INT(s->border_style[3], KP_KW_NONE);
    KP_EXPECT_INT(s->border_color[0], 0xff0000ff);
    KP_EXPECT_INT(s->border_color[1], 0xffff0000);
    page_clear(&page);
    open_with(&page,
              "border:solid;border-width:thin medium thick;border-radius:1px 2px/3px 4px 5%");
    s = page_style(&page, "x");
    KP_EXPECT(s->border_width[0] == 1 && s->border_width[1] == 3 && s->border_width[2] == 5);
    KP_EXPECT_INT(s->border_color[0], KP_COLOR_CURRENT);
    KP_EXPECT(s->border_radius[0].x.px == 1 && s->border_radius[1].x.px == 2);
    KP_EXPECT(s->border_radius[0].y.px == 3 && s->border_radius[2].y.percent == 5);
    page_clear(&page);
    open_with(&page, "border:1px solid red;border:2px solid red blue");
    KP_EXPECT(page_style(&page, "x")->border_width[0] == 1);
    page_clear(&page);
}

KP_TEST(css_shorthand_font)
{
    page_t page;
    open_with(&page, "font:italic bold 12px/2 \"A B\",C d,serif");
    const kp_style_t *s = page_style(&page, "x");
    KP_EXPECT(s->font_size == 12 && s->font_weight == 700);
    KP_EXPECT_INT(s->font_style, KP_KW_ITALIC);
    KP_EXPECT(s->line_height.keyword == KP_KW_CONTENT && s->line_height.px == 2);
    KP_REQUIRE(s->font_family && s->font_family->count == 3);
    KP_EXPECT_STRING(s->font_family->names[0], "A B");
    KP_EXPECT_STRING(s->font_family->names[1], "C d");
    page_clear(&page);
    open_with(&page, "font-weight:bold;font-style:italic;font:10px x");
    s = page_style(&page, "x");
    KP_EXPECT(s->font_weight == 400 && s->font_style == KP_KW_NORMAL);
    KP_EXPECT(s->line_height.keyword == KP_KW_NORMAL);
    page_clear(&page);
    open_with(&page, "font:20px x;font:bold x;font:12px;font:x 12px");
    KP_EXPECT(page_style(&page, "x")->font_size == 20);
    page_clear(&page);
}

KP_TEST(css_shorthand_background)
{
    page_t page;
    open_with(&page, "background:url(a.png) no-repeat right 10px top 5%/cover #123");
    const kp_style_t *s = page_style(&page, "x");
    KP_EXPECT_INT(s->background_color, 0xff112233);
    KP_REQUIRE(s->background_image && s->background_image->url);
    KP_EXPECT_STRING(s->background_image->url, "http://kpio.test/dir/a.png");
    KP_EXPECT_INT(s->background_repeat[0], KP_KW_NO_REPEAT);
    KP_EXPECT_INT(s->background_size.x.keyword, KP_KW_COVER);
    KP_EXPECT(s->background_position.x.percent == 100 && s->background_position.x.px == -10);
    KP_EXPECT(s->background_position.y.percent == 5);
    page_clear(&page);
    open_with(&page,
              "background-repeat:repeat-x;background:linear-gradient(to right,red,blue 30%)");
    s = page_style(&page, "x");
    KP_REQUIRE(s->background_image && s->background_image->stop_count == 2);
    KP_EXPECT_INT(s->background_image->stops[0].color, 0xffff0000);
    KP_EXPECT(s->background_image->stops[1].position.percent == 30);
    KP_EXPECT_INT(s->background_repeat[1], KP_KW_REPEAT);
    KP_EXPECT_INT(s->background_color, 0);
    page_clear(&page);
}

KP_TEST(css_shorthand_others)
{
    page_t page;
    open_with(&page, "flex:2 3 10%;overflow:hidden scroll;gap:1px 2px;list-style:square inside;"
                     "text-decoration:underline line-through wavy red;outline:1px dotted");
    const kp_style_t *s = page_style(&page, "x");
    KP_EXPECT(s->flex_grow == 2 && s->flex_shrink == 3 && s->flex_basis.percent == 10);
    KP_EXPECT(s->overflow[0] == KP_KW_HIDDEN && s->overflow[1] == KP_KW_SCROLL);
    KP_EXPECT(s->gap[0].px == 1 && s->gap[1].px == 2);
    KP_EXPECT(s->list_style_type == KP_KW_SQUARE && s->list_style_position == KP_KW_INSIDE);
    KP_EXPECT_INT(s->decoration_line, KP_DECORATION_UNDERLINE | KP_DECORATION_LINE_THROUGH);
    KP_EXPECT_INT(s->decoration_style, KP_KW_WAVY);
    KP_EXPECT_INT(s->decoration_color, 0xffff0000);
    KP_EXPECT(s->outline_width == 1 && s->outline_style == KP_KW_DOTTED);
    page_clear(&page);
    open_with(&page, "flex:1");
    s = page_style(&page, "x");
    KP_EXPECT(s->flex_grow == 1 && s->flex_shrink == 1 && s->flex_basis.px == 0 &&
              !s->flex_basis.keyword);
    page_clear(&page);
    open_with(&page, "flex:none");
    s = page_style(&page, "x");
    KP_EXPECT(s->flex_grow == 0 && s->flex_shrink == 0 && s->flex_basis.keyword == KP_KW_AUTO);
    page_clear(&page);
    open_with(&page, "inset:1px 2px;float:left;position:absolute");
    s = page_style(&page, "x");
    KP_EXPECT(s->inset[0].px == 1 && s->inset[3].px == 2);
    KP_EXPECT(s->floating == KP_KW_NONE && s->display == KP_KW_BLOCK);
    page_clear(&page);
}

/* Damage in one declaration or rule stays there (CSS Syntax 3, section 2.2). */
KP_TEST(css_error_recovery)
{
    static const char *const sheets[] = {
        "#x{width:1px;height:2px;color:red}",
        "#x{width:1px;nonsense;height:2px;color:red}",
        "#x{width:1px;;;height:2px;:;color:red}",
        "#x{width:1px;a:b{c:d;e}f;height:2px;color:red}",
        "#x{width:1px;b:(;};);height:2px;color:red}",
        "#x{width:1px;b:);height:2px;color:red}",
        "#x{width:1px;b:];height:2px;color:red}",
        "#x{width:1px;c:'a;b';height:2px;color:red}",
        "#x{width:1px;c:'a\n;height:2px;color:red}",
        "#x{width:1px;c:url(a b);height:2px;color:red}",
        "#x{width:1px;width:3px 4px;height:2px;color:red",
        "@unknown x;#x{width:1px;height:2px;color:red}",
        "@unknown {a{b:c}} #x{width:1px;height:2px;color:red}",
        "}#x{width:9px} #x{width:1px;height:2px;color:red}",
        "a[{b:c}]{d:e}#x{width:1px;height:2px;color:red}",
        "#x,%{width:9px}#x{width:1px;height:2px;color:red}",
        "/*}*/#x{width:1px;/*;height:9px*/height:2px;color:red/**/}",
        "<!-- #x{width:1px;height:2px;color:red} -->",
        "@media{#x{width:1px;height:2px;color:red",
        "@media{#x{width:1px;height:2px;color:red}",
        "@import;#x{width:1px;height:2px;color:red}",
        "@charset \"utf-8\";#x{width:1px;height:2px;color:red}",
        "@media screen{@media (min-width:1px){#x{width:1px;height:2px;color:red}}}",
    };
    for (size_t i = 0; i < sizeof sheets / sizeof *sheets; i++) {
        page_t page;
        page_open(&page, "<!DOCTYPE html><div id=x></div>", sheets[i]);
        const kp_style_t *s = page_style(&page, "x");
        if (s->width.px != 1 || s->height.px != 2 || s->color != 0xffff0000)
            KP_FAIL("%s: width %g, height %g, color %08x", sheets[i], (double)s->width.px,
                    (double)s->height.px, s->color);
        page_clear(&page);
    }
}

KP_TEST_MAIN()
