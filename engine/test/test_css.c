/* Cascade, selectors, values: what elements compute to. */
#include "engine/test/page.h"

static int color_of(const char *id)
{
    const kp_style_t *style = page_style(id);
    return style ? (int)(style->color & 0xffffff) : -1;
}

#define EXPECT_COLOR(id, rgb) KP_EXPECT_INT(color_of(id), rgb)

KP_TEST(specificity_order_importance)
{
    page_open(
        "<style>p{color:#111}.c{color:#222}#i{color:#333}p.c{color:#444}"
        "#z{color:#111!important}#z{color:#222}</style>"
        "<p id=a>x<p id=b class=c>x<p id=i class=c>x<p id=d class=c style='color:#555'>x"
        "<p id=z style='color:#999'>x<p id=l>x</p><style>#l{color:#a00}#l{color:#b00}</style>");
    EXPECT_COLOR("a", 0x111111);
    EXPECT_COLOR("b", 0x444444);
    EXPECT_COLOR("i", 0x333333);
    EXPECT_COLOR("d", 0x555555);
    EXPECT_COLOR("z", 0x111111);
    EXPECT_COLOR("l", 0xbb0000);
}

KP_TEST(combinators_and_pseudo_classes)
{
    page_open(
        "<style>div p{color:#010101}div>p{color:#020202}h2+p{color:#030303}h2~i{color:#040404}"
        "li:nth-child(2n+1){color:#050505}li:last-child{color:#060606}li:not(.n):nth-child(2){"
        "color:#070707}"
        "a:link{color:#080808}[data-x=\"1\"]{color:#090909}[lang|=en]{color:#0a0a0a}:is(b,u){color:"
        "#0b0b0b}"
        "s:empty{color:#0c0c0c}[title^=ab][title$=yz][title*=mm]{color:#0d0d0d}</style>"
        "<div><section><p id=a></p></section><p id=b></p><h2></h2><p id=c></p><em></em><i "
        "id=d></i></div>"
        "<ul><li id=e><li id=f><li id=g><li class=n id=h></ul><a id=j href=x>x</a><a id=k>x</a>"
        "<q id=m data-x=1></q><q id=n lang=en-GB></q><u id=o></u><s id=p></s><s id=q>x</s><q id=r "
        "title='ab mm yz'></q>");
    EXPECT_COLOR("a", 0x010101);
    EXPECT_COLOR("b", 0x020202);
    EXPECT_COLOR("c", 0x030303);
    EXPECT_COLOR("d", 0x040404);
    EXPECT_COLOR("e", 0x050505);
    EXPECT_COLOR("f", 0x070707);
    EXPECT_COLOR("h", 0x060606);
    EXPECT_COLOR("j", 0x080808);
    EXPECT_COLOR("k", 0);
    EXPECT_COLOR("m", 0x090909);
    EXPECT_COLOR("n", 0x0a0a0a);
    EXPECT_COLOR("o", 0x0b0b0b);
    EXPECT_COLOR("p", 0x0c0c0c);
    EXPECT_COLOR("q", 0);
    EXPECT_COLOR("r", 0x0d0d0d);
}

KP_TEST(invalid_parts_are_dropped_alone)
{
    page_open("<style>p{color:#111;color:nonsense;colour:#222}"
              "p,%bad{color:#333}p::nonsense{color:#444}}"
              "b{color:#555}@nonsense x{b{color:#666}}i{color:#777"
              "</style><p id=a>x<b id=b>x</b><i id=c>x</i>");
    EXPECT_COLOR("a", 0x111111);
    EXPECT_COLOR("c", 0x777777);
}

KP_TEST(colours)
{
    page_open("<p id=a style='color:rgb(1 2 3/50%)'><p id=b style='color:hsl(120,100%,25%)'>"
              "<p id=c style='color:#abcd'><p id=d style='color:RebeccaPurple'><p id=e "
              "style='color:rgba(255,0,0,.5)'>");
    KP_EXPECT_INT(page_style("a")->color, 0x80010203);
    EXPECT_COLOR("b", 0x008000);
    KP_EXPECT_INT(page_style("c")->color, 0xddaabbcc);
    EXPECT_COLOR("d", 0x663399);
    KP_EXPECT_INT(page_style("e")->color >> 24, 0x80);
}

KP_TEST(units_and_calc)
{
    page_open("<style>html{font-size:10px}</style><div style='font-size:20px'>"
              "<p id=a style='width:2em;height:3rem;margin:1in;padding:10vw'>"
              "<p id=b style='width:calc(100% - 2*(10px + 1em));height:max(1em,30px)'>"
              "<p id=c style='font-size:150%;line-height:1.5'><p id=d "
              "style='margin:12pt;width:clamp(1px,50px,20px)'>");
    KP_EXPECT_INT(page_style("a")->width.px, 40);
    KP_EXPECT_INT(page_style("a")->height.px, 30);
    KP_EXPECT_INT(page_style("a")->margin[0].px, 96);
    KP_EXPECT_INT(page_style("a")->padding[0].px, 80);
    KP_EXPECT_INT(page_style("b")->width.px, -60);
    KP_EXPECT_INT(page_style("b")->width.percent, 100);
    KP_EXPECT_INT(page_style("b")->height.px, 30);
    KP_EXPECT_INT(page_style("c")->font_size, 30);
    KP_EXPECT_INT(page_style("d")->margin[1].px, 16);
    KP_EXPECT_INT(page_style("d")->width.px, 20);
}

KP_TEST(custom_properties)
{
    page_open(
        "<style>:root{--a:#123456;--b:var(--a);--loop:var(--loop)}p{color:var(--b)}"
        ".x{--a:#654321;color:var(--a)}.y{color:var(--none,#abcdef)}.z{color:#111;color:var(--none)"
        "}"
        ".w{margin:var(--m,1px 2px)}.l{color:var(--loop,#222)}</style>"
        "<p id=a><p id=b class=x><p id=c class=y><p id=d class=z><p id=e class=w><p id=f class=l>");
    EXPECT_COLOR("a", 0x123456);
    EXPECT_COLOR("b", 0x654321);
    EXPECT_COLOR("c", 0xabcdef);
    EXPECT_COLOR("d", 0); /* invalid at computed-value time: inherited */
    KP_EXPECT_INT(page_style("e")->margin[1].px, 2);
}

KP_TEST(shorthands)
{
    page_open(
        "<p id=a style='border:2px dotted red;font:italic bold 12px/2 Arial,sans-serif;"
        "background:url(x.png) no-repeat right 10px top 5px/cover #123'>"
        "<p id=b style='margin:1px 2px 3px;border-radius:1px 2px/3px;list-style:square inside'>");
    const kp_style_t *a = page_style("a"), *b = page_style("b");
    KP_REQUIRE(a && b);
    KP_EXPECT_INT(a->border_width[3], 2);
    KP_EXPECT_INT(a->border_style[1], KP_KW_DOTTED);
    KP_EXPECT_INT(a->font_weight, 700);
    KP_EXPECT_INT(a->font_style, KP_KW_ITALIC);
    KP_EXPECT_INT(a->line_height.px, 2);
    KP_EXPECT_INT(a->font_family->count, 2);
    KP_REQUIRE(a->background_image);
    KP_EXPECT_STRING(a->background_image->url, "http://test/dir/x.png");
    KP_EXPECT_INT(a->background_position.x.percent, 100);
    KP_EXPECT_INT(a->background_position.x.px, -10);
    KP_EXPECT_INT(a->background_position.y.px, 5);
    KP_EXPECT_INT(a->background_size.x.keyword, KP_KW_COVER);
    KP_EXPECT_INT(a->background_repeat[0], KP_KW_NO_REPEAT);
    KP_EXPECT_INT(a->background_color, 0xff112233);
    KP_EXPECT_INT(b->margin[3].px, 2);
    KP_EXPECT_INT(b->border_radius[1].x.px, 2);
    KP_EXPECT_INT(b->border_radius[1].y.px, 3);
    KP_EXPECT_INT(b->list_style_type, KP_KW_SQUARE);
    KP_EXPECT_INT(b->list_style_position, KP_KW_INSIDE);
}

KP_TEST(media_queries)
{
    kp_css_viewport_t v = {800, 600, 1};
    static const struct {
        const char *text;
        bool matches;
    } cases[] = {{"", true},
                 {"screen", true},
                 {"print", false},
                 {"not print", true},
                 {"all and (min-width: 700px)", true},
                 {"(max-width: 799px)", false},
                 {"(min-width:50em)", true},
                 {"print, (orientation: landscape)", true},
                 {"(400px <= width < 800px)", false},
                 {"(width >= 800px)", true},
                 {"screen and (nonsense: 1)", false},
                 {"not (min-width: 900px)", true},
                 {"(prefers-color-scheme: dark)", false},
                 {"(min-width: 1px) and (max-width: 2px)", false},
                 {"only screen and (min-width: 1px)", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (kp_css_media_matches(cases[i].text, strlen(cases[i].text), &v) != cases[i].matches)
            KP_FAIL("\"%s\" gives %d", cases[i].text, !cases[i].matches);
    }
}

KP_TEST(presentational_attributes)
{
    page_open("<table id=t cellpadding=7 cellspacing=3 bgcolor=red width=50%><tr><td id=c "
              "align=center>x</table>"
              "<font id=f color=chucknorris size=5>x</font>");
    KP_EXPECT_INT(page_style("t")->background_color, 0xffff0000);
    KP_EXPECT_INT(page_style("t")->width.percent, 50);
    KP_EXPECT_INT(page_style("t")->border_spacing[0], 3);
    KP_EXPECT_INT(page_style("c")->padding[0].px, 7);
    EXPECT_COLOR("f", 0xc00000);
    KP_EXPECT_INT(page_style("f")->font_size, 24);
}

KP_TEST(generated_content)
{
    page_open("<style>q{quotes:'<' "
              "'>'}p{counter-increment:k}p::before{content:counter(k,upper-roman) '. '}"
              "a::after{content:' [' attr(href) ']'}</style><p>x<p>y <a href=u>z</a> <q>w</q>"
              "<ol start=3><li>a<li value=9>b</ol>");
    char *text = page_text();
    /* innerText leaves generated text out; the boxes have it. */
    KP_EXPECT_STRING(text, "x\n\ny z w\n\na\nb\n");
    free(text);
    KP_EXPECT(page_element("none") == NULL);
}

KP_TEST(tables_are_sorted)
{
    for (int i = 1; i < KP_CSS_LONGHAND_COUNT; i++)
        KP_EXPECT(strcmp(kp_css_property_name(i - 1), kp_css_property_name(i)) < 0);
    for (int i = 2; i < KP_KW_COUNT; i++)
        KP_EXPECT(strcmp(kp_css_keyword_text((uint16_t)(i - 1)), kp_css_keyword_text((uint16_t)i)) <
                  0);
    for (int i = 0; i < KP_CSS_LONGHAND_COUNT; i++) {
        const char *name = kp_css_property_name(i);
        KP_EXPECT_INT(kp_css_property_find(name, strlen(name)), i);
    }
    static const char *const names[] = {
        "background",      "border",    "border-inline",      "flex",
        "text-decoration", "word-wrap", "-webkit-box-sizing", "padding-inline-start",
        "place-content",   "inset"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        KP_EXPECT(kp_css_property_find(names[i], strlen(names[i])) >= 0);
    uint32_t color;
    static const char *const colors[] = {"aliceblue", "red", "yellowgreen", "transparent"};
    KP_EXPECT(
        kp_css_color_named(colors[0], 9, &color) && kp_css_color_named(colors[1], 3, &color) &&
        kp_css_color_named(colors[2], 11, &color) && !kp_css_color_named(colors[3], 11, &color));
}

/* A selector that fails in every one of 2^n ways must not try them all. */
KP_TEST(selectors_do_not_explode)
{
    kp_buffer_t html = {0};
    kp_buffer_text(&html, "<style>");
    for (int i = 0; i < 30; i++)
        kp_buffer_text(&html, "div ");
    kp_buffer_text(&html, "b.x i{color:red}");
    for (int i = 0; i < 20; i++)
        kp_buffer_text(&html, "p~");
    kp_buffer_text(&html, "b{color:red}</style>");
    for (int i = 0; i < 150; i++)
        kp_buffer_text(&html, "<div>");
    for (int i = 0; i < 100; i++)
        kp_buffer_text(&html, "<p></p><b><i id=x>y</i></b>");
    kp_buffer_byte(&html, 0);
    page_open(html.bytes);
    EXPECT_COLOR("x", 0);
    kp_buffer_clear(&html);
}

KP_TEST_MAIN()
