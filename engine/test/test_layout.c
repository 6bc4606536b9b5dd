/* Boxes of small pages, worked out by hand from CSS 2.2, CSS Flexbox 1 and CSS Tables 3. */
#include "engine/test/page.h"

#define PAGE "<!DOCTYPE html><style>*{margin:0;padding:0}body{line-height:20px}</style>"

KP_TEST(block_widths)
{
    page_open(PAGE
              "<div id=a style='margin:10px;border:2px solid;padding:5px'><p id=b "
              "style='height:30px'></p></div>"
              "<div id=c style='width:50%;height:10px;margin:0 auto'></div>"
              "<div id=d style='width:100px;box-sizing:border-box;padding:10px;height:50px'></div>"
              "<div id=e style='max-width:200px;min-height:7px'></div>");
    EXPECT_BOX("a", "10,10 780x44");
    EXPECT_BOX("b", "17,17 766x30");
    EXPECT_BOX("c", "200,64 400x10");
    EXPECT_BOX("d", "0,74 100x50");
    EXPECT_BOX("e", "0,124 200x7");
}

KP_TEST(margins_collapse)
{
    page_open(PAGE "<div id=a style='margin-bottom:20px;height:10px'></div>"
                   "<div id=b style='margin-top:30px;height:10px'></div>"
                   "<div style='margin:5px 0 0'><div style='margin-top:40px;margin-bottom:8px'>"
                   "<div id=c style='height:10px'></div></div></div>"
                   "<div style='margin:12px 0 3px'></div>"
                   "<div id=d style='margin-top:-4px;height:10px'></div>");
    EXPECT_BOX("a", "0,0 800x10");
    EXPECT_BOX("b", "0,40 800x10");
    EXPECT_BOX("c", "0,90 800x10");
    EXPECT_BOX("d", "0,108 800x10"); /* max(8, 12, 3) - 4 */
}

KP_TEST(margins_stop_at_borders_and_contexts)
{
    page_open(
        PAGE
        "<div id=a style='border-top:1px solid'><p id=b style='margin:10px 0;height:5px'></p></div>"
        "<div id=c style='overflow:hidden'><p id=d style='margin:10px 0;height:5px'></p></div>");
    EXPECT_BOX("a", "0,0 800x16");
    EXPECT_BOX("b", "0,11 800x5");
    EXPECT_BOX("c", "0,26 800x25");
    EXPECT_BOX("d", "0,36 800x5");
}

KP_TEST(floats_and_clear)
{
    page_open(PAGE
              "<div id=f style='float:left;width:100px;height:50px'></div>"
              "<div id=g style='float:right;width:200px;height:30px'></div>"
              "<div id=a style='height:10px'></div>"
              "<div id=b style='overflow:hidden;height:10px'></div>"
              "<div id=c style='clear:right;height:5px'></div>"
              "<div id=d style='clear:both;height:5px'></div>"
              "<div style='width:150px'><div id=h style='float:left;width:100px;height:10px'></div>"
              "<div id=i style='float:left;width:100px;height:10px'></div></div>");
    EXPECT_BOX("f", "0,0 100x50");
    EXPECT_BOX("g", "600,0 200x30");
    EXPECT_BOX("a", "0,0 800x10");
    EXPECT_BOX("b", "100,10 500x10");
    EXPECT_BOX("c", "0,30 800x5");
    EXPECT_BOX("d", "0,50 800x5");
    EXPECT_BOX("h", "0,55 100x10");
    EXPECT_BOX("i", "0,65 100x10");
}

KP_TEST(a_root_of_a_context_holds_its_floats)
{
    page_open(PAGE
              "<div id=a style='display:flow-root'><div style='float:left;width:9px;height:40px'>"
              "</div></div><div id=b><div style='float:left;width:9px;height:40px'></div></div>");
    EXPECT_BOX("a", "0,0 800x40");
    EXPECT_BOX("b", "0,40 800x0");
}

KP_TEST(lines_and_inline_blocks)
{
    page_open(PAGE
              "<div id=a style='width:100px;font-size:0'>"
              "<span id=p style='display:inline-block;width:60px;height:10px'></span>"
              "<span id=q style='display:inline-block;width:60px;height:14px'></span>"
              "<span id=r "
              "style='display:inline-block;width:20px;height:8px;vertical-align:top'></span></div>"
              "<div style='text-align:center;font-size:0;line-height:0'><img id=s width=100 "
              "height=30></div>"
              "<div style='text-align:right;font-size:0;line-height:0'><img id=t width=100 "
              "height=30></div>");
    EXPECT_BOX("p", "0,0 60x10"); /* line-height 20 around the baseline: 10 above, 10 below */
    EXPECT_BOX("q", "0,20 60x14");
    EXPECT_BOX("r", "60,20 20x8");
    EXPECT_BOX("s", "350,44 100x30");
    EXPECT_BOX("t", "700,74 100x30");
}

KP_TEST(text_breaks_at_spaces)
{
    page_open(
        PAGE
        "<style>div{font:16px DejaVu Sans Mono;line-height:20px;width:100px}</style>"
        "<div id=a>aaaa bbbb cccc</div><div id=b style='white-space:nowrap'>aaaa bbbb cccc</div>"
        "<div id=c style='white-space:pre'>a\nb\n</div>"
        "<div id=d style='overflow-wrap:anywhere'>aaaaaaaaaaaaaaaaaaaa</div>"
        "<div id=e>aaaaaaaaaaaaaaaaaaaa</div><div id=f>a<br><br>b</div>");
    EXPECT_BOX("a", "0,0 100x40"); /* 9.63 px a letter: nine letters fit */
    EXPECT_BOX("b", "0,40 100x20");
    EXPECT_BOX("c", "0,60 100x40");
    EXPECT_BOX("d", "0,100 100x40");
    EXPECT_BOX("e", "0,140 100x20");
    EXPECT_BOX("f", "0,160 100x60");
}

KP_TEST(positioning)
{
    page_open(
        PAGE
        "<div style='height:50px'></div>"
        "<div id=r style='position:relative;left:10px;top:5px;height:100px;border:3px "
        "solid;width:200px'>"
        "<div id=a style='position:absolute;right:10px;bottom:20px;width:30px;height:40px'></div>"
        "<div id=b style='position:absolute;left:0;right:0;top:0;bottom:0;margin:10px'></div>"
        "<div id=c style='position:absolute'></div></div>"
        "<div id=d style='position:fixed;bottom:0;right:0;width:5px;height:6px'></div>"
        "<div id=e "
        "style='position:absolute;left:50%;width:10px;height:1px;margin-left:-5px;top:auto'></"
        "div>");
    EXPECT_BOX("r", "10,55 206x106");
    EXPECT_BOX("a", "173,98 30x40");
    EXPECT_BOX("b", "23,68 180x80");
    EXPECT_BOX("c", "13,58 0x0");
    EXPECT_BOX("d", "795,594 5x6");
    EXPECT_BOX("e", "395,156 10x1");
}

KP_TEST(tables_auto_layout)
{
    page_open(
        PAGE
        "<table id=t style='border-spacing:4px'><tr id=r><td id=a><img width=50 height=10></td>"
        "<td id=b rowspan=2 style='vertical-align:top'><img width=30 height=40></td></tr>"
        "<tr><td id=c style='width:80px'></td></tr>"
        "<tr><td id=d colspan=2 style='height:12px'></td></tr></table>");
    EXPECT_BOX("a", "4,4 80x20");
    EXPECT_BOX("b", "88,4 30x45"); /* an image on a line of 20 px */
    EXPECT_BOX("c", "4,28 80x21");
    EXPECT_BOX("d", "4,53 114x12");
    EXPECT_BOX("r", "4,4 114x20");
    EXPECT_BOX("t", "0,0 122x69");
}

KP_TEST(tables_share_a_given_width)
{
    page_open(PAGE
              "<table style='width:300px;border-spacing:0'><tr><td id=a style='width:25%'></td>"
              "<td id=b style='width:100px'></td><td id=c></td></tr></table>"
              "<table style='border-collapse:collapse;border-spacing:9px'><tr><td id=d "
              "style='border:1px solid;width:10px;height:10px'></td>"
              "<td id=e style='border:1px solid;width:10px;height:10px'></td></tr></table>");
    EXPECT_BOX("a", "0,0 75x0");
    EXPECT_BOX("b", "75,0 100x0");
    EXPECT_BOX("c", "175,0 125x0");
    EXPECT_BOX("d", "0,0 11x12");
    EXPECT_BOX("e", "11,0 12x12");
}

KP_TEST(anonymous_table_parts)
{
    page_open(PAGE
              "<div style='display:table-cell' id=a><p style='width:40px;height:10px'></p></div>"
              "<div style='display:table'><div id=b "
              "style='display:table-cell;width:20px;height:5px'></div></div>");
    EXPECT_BOX("a", "0,0 40x10");
    EXPECT_BOX("b", "0,10 20x5");
}

KP_TEST(flex_rows)
{
    page_open(PAGE
              "<style>.f{display:flex;width:300px}.f>*{height:10px}</style>"
              "<div class=f style='height:40px'><p id=a style='flex:1'></p><p id=b "
              "style='flex:2'></p></div>"
              "<div class=f><p id=c style='width:200px'></p><p id=d style='width:200px'></p></div>"
              "<div class=f style='justify-content:space-between;align-items:center;height:30px'>"
              "<p id=e style='width:50px'></p><p id=g style='width:50px'></p></div>"
              "<div class=f style='flex-wrap:wrap;gap:5px'><p id=h style='width:200px'></p><p id=i "
              "style='width:200px'></p></div>"
              "<div class=f><p id=j style='height:auto;width:9px'></p><p id=k "
              "style='margin-left:auto;width:7px;height:22px'></p></div>");
    EXPECT_BOX("a", "0,0 100x10");
    EXPECT_BOX("b", "100,0 200x10");
    EXPECT_BOX("c", "0,40 150x10");
    EXPECT_BOX("d", "150,40 150x10");
    EXPECT_BOX("e", "0,60 50x10");
    EXPECT_BOX("g", "250,60 50x10");
    EXPECT_BOX("h", "0,80 200x10");
    EXPECT_BOX("i", "0,95 200x10");
    EXPECT_BOX("j", "0,105 9x22"); /* stretched */
    EXPECT_BOX("k", "293,105 7x22");
}

KP_TEST(flex_columns)
{
    page_open(PAGE "<div style='display:flex;flex-direction:column;height:100px;width:50px'>"
                   "<p id=a style='height:20px'></p><p id=b style='flex:1'></p>"
                   "<p id=c style='height:10px;align-self:flex-end;width:20px'></p></div>");
    EXPECT_BOX("a", "0,0 50x20");
    EXPECT_BOX("b", "0,20 50x70");
    EXPECT_BOX("c", "30,90 20x10");
}

KP_TEST(blocks_split_inlines)
{
    page_open(PAGE "<div id=a><span>x<div id=b style='height:30px'></div>y</span></div>");
    EXPECT_BOX("b", "0,20 800x30");
    EXPECT_BOX("a", "0,0 800x70");
}

KP_TEST(hidden_things_have_no_box)
{
    page_open(PAGE "<div id=a style='display:none'></div><details><summary id=s>t</summary><p "
                   "id=b>x</p></details>"
                   "<details open><summary>t</summary><p id=c style='height:9px'></p></details>");
    EXPECT_BOX("a", "none");
    EXPECT_BOX("b", "none");
    EXPECT_BOX("c", "0,40 800x9");
}

KP_TEST(images_keep_their_proportions)
{
    /* 2 x 1 pixels, PNG */
    page_open(
        PAGE
        "<img id=a style='display:block;width:100px' src='data:image/gif;base64,"
        "R0lGODlhAgABAIAAAP///wAAACwAAAAAAgABAAACAgQKADs='>"
        "<img id=b style='display:block' src='data:image/gif;base64,"
        "R0lGODlhAgABAIAAAP///wAAACwAAAAAAgABAAACAgQKADs='>"
        "<img id=c style='display:block;max-width:100%;height:20px' src='data:image/gif;base64,"
        "R0lGODlhAgABAIAAAP///wAAACwAAAAAAgABAAACAgQKADs='>");
    EXPECT_BOX("a", "0,0 100x50");
    EXPECT_BOX("b", "0,50 2x1");
    EXPECT_BOX("c", "0,51 40x20");
}

KP_TEST(text_as_a_reader_sees_it)
{
    page_open(
        "<!DOCTYPE html><title>t</title><h1>A</h1><p>one  two\n<b>three</b></p><ul><li>x<li>y</ul>"
        "<script>no</script><p style='display:none'>no</p><pre>  k\n  l</pre>");
    char *text = page_text();
    KP_EXPECT_STRING(text, "A\n\none two three\n\nx\ny\n  k\n  l\n");
    KP_EXPECT_STRING(page_host.title, "t");
    free(text);
}

/* Lengths beyond anything saturate; UBSan would report an overflow. */
KP_TEST(hostile_numbers_saturate)
{
    page_open("<!DOCTYPE html><div style='width:1e30px;height:99999999999999px;margin:-1e30px;"
              "border:1e9px solid;line-height:1e30;letter-spacing:1e20px;text-indent:-1e30px'>x"
              "<p style='position:absolute;top:-1e30px;left:1e30px'>y</p></div>"
              "<table width=999999999999 cellpadding=99999999 cellspacing=99999999><td height=1e9>z"
              "<td colspan=1000></table><div style='display:flex;gap:1e30px;width:1e30px'>"
              "<p style='flex:1e30;margin:1e30px'>a</p><p style='width:1e30px'>b</p></div>"
              "<textarea rows=99999999 cols=99999999></textarea>");
    KP_EXPECT_INT(page_host.state, KP_TAB_LOAD_DONE);
    kp_buffer_t html = {0};
    for (int i = 0; i < 3000; i++)
        kp_buffer_text(&html, "<div style='height:1e30px;margin:9e5px'></div>");
    kp_buffer_byte(&html, 0);
    page_open(html.bytes);
    KP_EXPECT_INT(page_host.state, KP_TAB_LOAD_DONE);
    kp_buffer_clear(&html);
}

/* 50,000 nested elements, and as many nested tables and inlines: no stack is deep enough to recurse
   over them, so the depth of boxes is bounded. */
KP_TEST(deep_nesting_ends)
{
    static const char *const tags[] = {"<div>", "<b>", "<table><tr><td>", "<ul><li>", "<i><div>"};
    for (size_t t = 0; t < sizeof tags / sizeof *tags; t++) {
        size_t length = strlen(tags[t]), count = t < 2 ? 50000 : 5000;
        char *html = malloc(count * length + 64);
        size_t at = 0;
        for (size_t i = 0; i < count; i++, at += length)
            memcpy(html + at, tags[t], length);
        strcpy(html + at, "<p id=x>deep</p>");
        page_open(html);
        KP_EXPECT_INT(page_host.state, KP_TAB_LOAD_DONE);
        free(html);
    }
}

KP_TEST_MAIN()
