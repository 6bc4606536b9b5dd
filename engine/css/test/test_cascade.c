/* Which declaration wins, inheritance, custom properties, presentational attributes, @media and
   @supports. */
#include "engine/css/test/page.h"

typedef struct sheet_case {
    const char *css;
    uint32_t color; /* of #x in page_html */
} sheet_case_t;

static const char page_html[] =
    "<!DOCTYPE html><body class=b><div class=d><p id=x class=p style='%s'>t</p></div></body>";

static void expect_colors(const sheet_case_t *cases, size_t count, const char *ua,
                          const char *inlined)
{
    for (size_t i = 0; i < count; i++) {
        page_t page;
        char html[512];
        snprintf(html, sizeof html, page_html, inlined);
        page_make(&page, html, strlen(html), ua, cases[i].css, strlen(cases[i].css), false);
        kp_color_t color = page_style(&page, "x")->color;
        if (color != cases[i].color)
            KP_FAIL("%s: %08x, expected %08x", cases[i].css, color, cases[i].color);
        page_clear(&page);
    }
}
#define EXPECT_COLORS(cases, ua, inlined) \
    expect_colors(cases, sizeof cases / sizeof *cases, ua, inlined)

enum { RED = 0xffff0000, BLUE = 0xff0000ff, LIME = 0xff00ff00, BLACK = 0xff000000 };

KP_TEST(css_cascade_order_and_specificity)
{
    static const sheet_case_t cases[] = {
        {"p{color:red}p{color:blue}", BLUE},
        {".p{color:red}p{color:blue}", RED},
        {"#x{color:red}.p.p.p{color:blue}", RED},
        {"body div p{color:red}.p{color:blue}", BLUE},
        {"p{color:red!important}#x{color:blue}", RED},
        {"p{color:red !important}#x{color:blue ! important}", BLUE},
        {"p{color:red;color:blue}", BLUE},
        {"p{color:red!important;color:blue}", RED},
        {"p{color:red;color:nonsense}", RED},
        {"p{COLOR:RED}", RED},
        {"*{color:red}p{color:blue}", BLUE},
        {":where(#x){color:red}p{color:blue}", BLUE},
        {":is(#x,q){color:red}.p{color:blue}", RED},
        {"p,#x{color:red}.p{color:blue}", RED},
    };
    EXPECT_COLORS(cases, NULL, "");
}

KP_TEST(css_cascade_origins)
{
    static const char ua[] = "#x{color:red}";
    static const char ua_important[] = "p{color:red!important}";
    static const sheet_case_t author[] = {{"*{color:blue}", BLUE}, {"", RED}};
    static const sheet_case_t loses[] = {{"#x{color:blue!important}", RED}};
    EXPECT_COLORS(author, ua, "");
    EXPECT_COLORS(loses, ua_important, "");
    static const sheet_case_t inlined[] = {{"#x{color:blue}", LIME},
                                           {"p{color:blue!important}", BLUE}};
    EXPECT_COLORS(inlined, NULL, "color:lime");
    static const sheet_case_t important[] = {{"#x{color:blue!important}", LIME}};
    EXPECT_COLORS(important, NULL, "color:lime!important");
}

KP_TEST(css_cascade_inheritance)
{
    static const sheet_case_t cases[] = {
        {"body{color:red}", RED},
        {"body{color:red}.d{color:blue}", BLUE},
        {"body{color:red}p{color:initial}", BLACK},
        {"body{color:red}p{color:unset}", RED},
        {".d{color:red}p{color:blue;color:inherit}", RED},
        {".d{color:red}*{color:inherit}", RED},
        {"body{color:red}p{color:currentcolor}", RED},
    };
    EXPECT_COLORS(cases, NULL, "");
    page_t page;
    page_open(&page, "<!DOCTYPE html><div id=o><p id=x></div>",
              "#o{border:3px solid;width:50px;font-size:20px;line-height:2;text-indent:1em}#x{"
              "border-style:inherit;font-size:2em;width:inherit}");
    const kp_style_t *s = page_style(&page, "x");
    KP_EXPECT(s->border_style[0] == KP_KW_SOLID && s->border_width[0] == 3);
    KP_EXPECT(s->font_size == 40 && s->width.px == 50);
    KP_EXPECT(s->line_height.px == 2 && s->text_indent.px == 20);
    page_clear(&page);
}

KP_TEST(css_cascade_custom_properties)
{
    static const sheet_case_t cases[] = {
        {"p{--c:red;color:var(--c)}", RED},
        {":root{--c:red}p{color:var(--c)}", RED},
        {"p{--c:red;--c:blue;color:var( --c )}", BLUE},
        {"p{--C:red;color:var(--c,blue)}", BLUE},
        {"p{color:var(--c,var(--d,blue))}", BLUE},
        {"body{color:blue}p{color:red;color:var(--none)}", BLUE},
        {"body{color:blue}p{--c:7px;color:red;color:var(--c)}", BLUE},
        {"p{--a:var(--b);--b:red;color:var(--a)}", RED},
        {"body{color:blue}p{--a:var(--b);--b:var(--a);color:var(--a)}", BLUE},
        {"p{--a:var(--a);color:var(--a,blue)}", BLUE},
        {":root{--c:red}.d{--c:blue}p{color:var(--c)}", BLUE},
        {":root{--c:var(--d);--d:red}.d{--d:blue}p{color:var(--c)}", RED},
        {"p{--r:255;color:rgb(var(--r),0,0)}", RED},
        {"p{--c:red!important;color:var(--c)}#x{--c:blue}", RED},
        {"p{color:VAR(--c,blue)}", BLUE},
        {"p{--c:;color:var(--c) red}", RED},
        {"p{--c:{a;b};color:red}", RED},
        {"body{color:blue}p{color:red;color:var(c)}", BLUE},
    };
    EXPECT_COLORS(cases, NULL, "");
    static const sheet_case_t inlined[] = {{"p{color:var(--c)}", LIME}};
    EXPECT_COLORS(inlined, NULL, "--c:lime");
    page_t page;
    page_open(&page, "<!DOCTYPE html><p id=x>",
              "#x{--w:3px;border:var(--w) solid var(--n,red);margin:var(--w) var(--w,9px)}");
    const kp_style_t *s = page_style(&page, "x");
    KP_EXPECT(s->border_width[1] == 3 && s->border_color[2] == RED);
    KP_EXPECT(s->margin[1].px == 3);
    page_clear(&page);
}

KP_TEST(css_cascade_media)
{
    static const sheet_case_t cases[] = {
        {"@media screen{p{color:red}}", RED},
        {"@media print{p{color:red}}", BLACK},
        {"@media print,screen{p{color:red}}", RED},
        {"@media not print{p{color:red}}", RED},
        {"@media not screen{p{color:red}}", BLACK},
        {"@media only screen and (min-width:800px){p{color:red}}", RED},
        {"@media (min-width:801px){p{color:red}}", BLACK},
        {"@media (max-width:50em){p{color:red}}", RED},
        {"@media (max-width:49.9em){p{color:red}}", BLACK},
        {"@media (width:800px) and (height:600px){p{color:red}}", RED},
        {"@media (width >= 700px){p{color:red}}", RED},
        {"@media (400px <= width < 800px){p{color:red}}", BLACK},
        {"@media (orientation:landscape){p{color:red}}", RED},
        {"@media (orientation:portrait){p{color:red}}", BLACK},
        {"@media (prefers-color-scheme:dark){p{color:red}}", BLACK},
        {"@media (nonsense:1){p{color:red}}", BLACK},
        {"@media not all and (min-width:900px){p{color:red}}", RED},
        {"@media not (min-width:900px){p{color:red}}", RED},
        {"@media (min-width:1px) or (min-width:900px){p{color:red}}", RED},
        {"@media screen{@media print{p{color:red}}}", BLACK},
        {"@media{p{color:red}}", RED},
        {"@media screen{p{color:red}}p{color:blue}", BLUE},
        {"@MEDIA SCREEN{p{color:red}}", RED},
        {"@media (min-width:100px{p{color:red}}", BLACK},
    };
    EXPECT_COLORS(cases, NULL, "");
}

KP_TEST(css_cascade_supports_and_layers)
{
    static const sheet_case_t cases[] = {
        {"@supports (display:flex){p{color:red}}", RED},
        {"@supports (display:nonsense){p{color:red}}", BLACK},
        {"@supports not (display:nonsense){p{color:red}}", RED},
        {"@supports (color:red) and (display:x){p{color:red}}", BLACK},
        {"@supports (color:red) or (display:x){p{color:red}}", RED},
        {"@supports ((color:red) and (not (display:x))){p{color:red}}", RED},
        {"@supports (--x:y){p{color:red}}", RED},
        {"@supports selector(a > b){p{color:red}}", RED},
        {"@supports selector(a::nosuch){p{color:red}}", BLACK},
        {"@supports nonsense{p{color:red}}", BLACK},
        {"@supports (color:red) nonsense{p{color:red}}", BLACK},
        {"@supports not{p{color:red}}", BLACK},
        {"@supports{p{color:red}}", BLACK},
        {"@layer a{p{color:red}}", RED},
        {"@layer a,b;p{color:red}", RED},
    };
    EXPECT_COLORS(cases, NULL, "");
}

KP_TEST(css_cascade_hints)
{
    page_t page;
    page_open(&page,
              "<!DOCTYPE html><body text=red bgcolor=#abc><table id=t width=50% border=2 "
              "cellpadding=7 align=center><tr><td id=d bgcolor=blue align=right valign=top nowrap>"
              "x</table><font id=f color=lime size=5>y</font><img id=i width=10 height='20%' "
              "hspace=3><ol><li id=l type=a></ol><p id=p align=center>z",
              "td{background-color:white}");
    KP_EXPECT_INT(page_style(&page, "p")->color, RED);
    KP_EXPECT_INT(page_style(&page, "p")->text_align, KP_KW_WEBKIT_CENTER);
    const kp_style_t *s = page_style(&page, "t");
    KP_EXPECT(s->width.percent == 50 && s->border_width[0] == 2);
    KP_EXPECT_INT(s->border_style[0], KP_KW_OUTSET);
    KP_EXPECT_INT(s->margin[3].keyword, KP_KW_AUTO);
    s = page_style(&page, "d");
    KP_EXPECT_INT(s->background_color, 0xffffffff); /* a sheet beats an attribute */
    KP_EXPECT(s->padding[0].px == 7 && s->border_width[0] == 1);
    KP_EXPECT_INT(s->white_space, KP_KW_NOWRAP);
    s = page_style(&page, "f");
    KP_EXPECT(s->color == LIME && s->font_size == 24);
    s = page_style(&page, "i");
    KP_EXPECT(s->width.px == 10 && s->height.percent == 20 && s->margin[1].px == 3);
    KP_EXPECT_INT(page_style(&page, "l")->list_style_type, KP_KW_LOWER_ALPHA);
    page_clear(&page);
}

KP_TEST(css_cascade_pseudo_elements)
{
    page_t page;
    page_open(&page, "<!DOCTYPE html><div id=x class=c></div><div id=y></div>",
              ".c::before{content:'a' attr(class);color:red}.c:after{color:red}#y::after{content:"
              "none}#x::before:hover{color:blue}");
    kp_node_t *x = kp_dom_target(page.root, "x", 1), *y = kp_dom_target(page.root, "y", 1);
    KP_REQUIRE(x && kp_dom_data(x) && y && kp_dom_data(y));
    const kp_style_t *before = kp_dom_data(x)->before;
    KP_EXPECT(before && before->color == RED && before->content && before->content->count == 2);
    KP_EXPECT(!kp_dom_data(x)->after && !kp_dom_data(y)->after && !kp_dom_data(y)->before);
    page_clear(&page);
}

KP_TEST(css_cascade_restyle_and_hidden)
{
    page_t page;
    page_open(&page, "<!DOCTYPE html><div id=o><p id=x>a<b id=y>b</b></p></div>",
              "#o:has(b){color:red}.none{display:none}");
    KP_EXPECT_INT(page_style(&page, "x")->color, RED);
    kp_node_t *o = kp_dom_target(page.root, "o", 1);
    lxb_dom_element_set_attribute(lxb_dom_interface_element(o), (const lxb_char_t *)"class", 5,
                                  (const lxb_char_t *)"none", 4);
    KP_EXPECT_INT(kp_css_cascade_apply(page.cascade, page.root, NULL, &page.data, PAGE_BASE),
                  KP_OK);
    kp_dom_data_t *inner = kp_dom_data(kp_dom_target(page.root, "y", 1));
    KP_EXPECT(inner && !inner->style && inner->hidden_subtree);
    KP_EXPECT_INT(page_style(&page, "o")->display, KP_KW_NONE);
    page_clear(&page);
}

KP_TEST(css_import_positions)
{
    kp_css_atoms_t atoms = {0};
    kp_css_sheet_t *sheet = NULL;
    static const char text[] =
        "@charset 'x';@import 'a.css';@import url(b.css) print;@layer z;@import url('/c.css') "
        "screen and (min-width:1px);@import 'http://[bad';p{}@import 'late.css';";
    KP_REQUIRE(kp_css_sheet_parse(text, sizeof text - 1, PAGE_BASE, &atoms, false, &sheet) ==
               KP_OK);
    KP_EXPECT_INT(sheet->import_count, 3);
    if (sheet->import_count == 3) {
        kp_css_viewport_t viewport = {800, 600, 1};
        KP_EXPECT_STRING(sheet->imports[0].url, "http://kpio.test/dir/a.css");
        KP_EXPECT_STRING(sheet->imports[2].url, "http://kpio.test/c.css");
        KP_EXPECT(!sheet->imports[0].media);
        KP_EXPECT(!kp_css_sheet_media_matches(sheet, sheet->imports[1].media, &viewport));
        KP_EXPECT(kp_css_sheet_media_matches(sheet, sheet->imports[2].media, &viewport));
    }
    kp_css_sheet_destroy(sheet);
    kp_css_atoms_clear(&atoms);
}

KP_TEST_MAIN()
