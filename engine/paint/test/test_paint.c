/* Display lists of small pages: the commands, in order, as text. Everything is placed absolutely,
   so that no font decides a position. */
#include <stdlib.h>

#include "engine/base/buffer.h"
#include "engine/fuzz/host.h"
#include "tests/kp_test.h"

static void write_command(const uint8_t *at, const kp_display_command_t *command, kp_buffer_t *out)
{
    switch (command->kind) {
    case KP_DISPLAY_RECT: {
        kp_display_rect_t c;
        memcpy(&c, at, sizeof c);
        kp_buffer_format(out, "rect %d,%d %dx%d %08x\n", c.x, c.y, c.width, c.height, c.color);
        break;
    }
    case KP_DISPLAY_ROUNDED_RECT:
    case KP_DISPLAY_CLIP_PUSH: {
        kp_display_rounded_rect_t c;
        memcpy(&c, at, sizeof c);
        bool clip = command->kind == KP_DISPLAY_CLIP_PUSH;
        kp_buffer_format(out, "%s %d,%d %dx%d", clip ? "clip" : "round", c.x, c.y, c.width,
                         c.height);
        if (c.radius_x[0])
            kp_buffer_format(out, " r%u/%u", c.radius_x[0], c.radius_y[0]);
        if (!clip)
            kp_buffer_format(out, " %08x", c.color);
        kp_buffer_byte(out, '\n');
        break;
    }
    case KP_DISPLAY_CLIP_POP:
        kp_buffer_text(out, "pop\n");
        break;
    case KP_DISPLAY_BORDER: {
        kp_display_border_t c;
        memcpy(&c, at, sizeof c);
        kp_buffer_format(out, "border %d,%d %dx%d", c.x, c.y, c.width, c.height);
        for (int i = 0; i < 4; i++)
            kp_buffer_format(out, " %u/%u/%08x", c.edge_width[i], c.style[i], c.color[i]);
        kp_buffer_byte(out, '\n');
        break;
    }
    case KP_DISPLAY_GLYPHS: {
        kp_display_glyphs_t c;
        memcpy(&c, at, sizeof c);
        kp_buffer_format(out, "glyphs %u %08x\n", c.count, c.color);
        break;
    }
    case KP_DISPLAY_LINEAR_GRADIENT: {
        kp_display_linear_gradient_t c;
        memcpy(&c, at, sizeof c);
        kp_buffer_format(out, "gradient %d,%d %dx%d %u:%u\n", c.x, c.y, c.width, c.height,
                         c.angle / 256, c.stop_count);
        break;
    }
    case KP_DISPLAY_IMAGE:
        kp_buffer_text(out, "image\n");
        break;
    default:
        break; /* about resources */
    }
}

/* scale: device pixels per CSS pixel, times 256. *background: the canvas. */
static void expect(const char *css, const char *body, uint32_t scale, uint32_t canvas,
                   const char *expected)
{
    kp_fuzz_host_t host;
    kp_engine_frame_t frame;
    kp_buffer_t html = {0}, text = {0};
    kp_buffer_text(&html, "<!DOCTYPE html><style>body{margin:0}div{position:absolute;left:10px;"
                          "top:20px;width:30px;height:40px}");
    kp_buffer_text(&html, css);
    kp_buffer_text(&html, "</style>");
    kp_buffer_text(&html, body);
    if (kp_fuzz_host_create(&host, KP_FONT_DIR "/DejaVuSans.ttf") != KP_OK ||
        kp_engine_configure(host.engine, 400, 300, scale) != KP_OK ||
        kp_engine_load_html(host.engine, 1, "", html.bytes, html.size) != KP_OK ||
        kp_fuzz_host_frame(&host, &frame) != KP_OK) {
        KP_FAIL("%s: no frame", css);
    } else {
        kp_display_list_t head;
        memcpy(&head, frame.list, sizeof head);
        for (size_t at = sizeof head; at < frame.list_size;) {
            kp_display_command_t command;
            memcpy(&command, frame.list + at, sizeof command);
            write_command(frame.list + at, &command, &text);
            at += command.size;
        }
        kp_buffer_byte(&text, 0);
        if (strcmp(text.bytes, expected) != 0)
            KP_FAIL("%s%s paints\n%sinstead of\n%s", css, body, text.bytes, expected);
        if (frame.background != canvas)
            KP_FAIL("%s%s: canvas %08x", css, body, frame.background);
    }
    kp_fuzz_host_destroy(&host);
    kp_buffer_clear(&html);
    kp_buffer_clear(&text);
}

#define WHITE 0xffffffffu

KP_TEST(paint_nothing)
{
    expect("", "", 256, WHITE, "");
    expect("div{visibility:hidden;background:red}", "<div>", 256, WHITE, "");
    expect("div{display:none;background:red}", "<div>", 256, WHITE, "");
    expect("div{background:red;opacity:0}", "<div>", 256, WHITE, "");
    expect("div{background:transparent}", "<div>", 256, WHITE, "");
    expect("div{background:red;width:0}", "<div>", 256, WHITE, "");
}

KP_TEST(paint_backgrounds)
{
    expect("div{background:#123456}", "<div>", 256, WHITE, "rect 10,20 30x40 ff123456\n");
    expect("div{background:#123456}", "<div>", 512, WHITE, "rect 20,40 60x80 ff123456\n");
    expect("div{background:rgba(0,0,255,.5)}", "<div>", 256, WHITE, "rect 10,20 30x40 800000ff\n");
    expect("div{background:red;opacity:.5}", "<div>", 256, WHITE, "rect 10,20 30x40 80ff0000\n");
    expect("div{background:red;border-radius:5px}", "<div>", 256, WHITE,
           "round 10,20 30x40 r5/5 ffff0000\n");
    expect("div{background:linear-gradient(90deg,red,blue)}", "<div>", 256, WHITE,
           "gradient 10,20 30x40 90:2\n");
    expect("div{color:lime;background:currentcolor}", "<div>", 256, WHITE,
           "rect 10,20 30x40 ff00ff00\n");
}

KP_TEST(paint_canvas)
{
    expect("html{background:red}", "", 256, 0xffff0000, "");
    expect("body{background:lime}", "", 256, 0xff00ff00, "");
    expect("html{background:red}body{background:lime;height:50px}", "", 256, 0xffff0000,
           "rect 0,0 400x50 ff00ff00\n");
    expect("html{background:rgba(0,0,0,.5)}", "", 256, 0xff7f7f7f, "");
}

KP_TEST(paint_borders)
{
    expect("div{border:2px solid red;width:26px;height:36px}", "<div>", 256, WHITE,
           "border 10,20 30x40 2/1/ffff0000 2/1/ffff0000 2/1/ffff0000 2/1/ffff0000\n");
    expect("div{border:dashed;border-width:1px 0 3px 4px;border-left-color:blue}", "<div>", 256,
           WHITE, "border 10,20 34x44 1/2/ff000000 0/0/ff000000 3/2/ff000000 4/2/ff0000ff\n");
}

KP_TEST(paint_clips)
{
    expect("#a{overflow:hidden;background:red}#b{top:0;left:0;background:blue}",
           "<div id=a><div id=b>", 256, WHITE,
           "rect 10,20 30x40 ffff0000\nclip 10,20 30x40\nrect 10,20 30x40 ff0000ff\npop\n");
    expect("#a{overflow:hidden;border-radius:7px}#b{top:0;left:0;background:blue}",
           "<div id=a><div id=b>", 256, WHITE,
           "clip 10,20 30x40 r7/7\nrect 10,20 30x40 ff0000ff\npop\n");
}

KP_TEST(paint_order)
{
    expect("#a{background:#000001;z-index:2}#b{background:#000002;z-index:1}"
           "#c{background:#000003}#d{background:#000004;z-index:-1}p{background:#000005;margin:0;"
           "height:9px}",
           "<div id=a></div><div id=b></div><div id=c></div><div id=d></div><p>", 256, WHITE,
           "rect 10,20 30x40 ff000004\nrect 0,0 400x9 ff000005\nrect 10,20 30x40 ff000003\n"
           "rect 10,20 30x40 ff000002\nrect 10,20 30x40 ff000001\n");
    /* A context keeps its own inside, whatever their z-index is. */
    expect("#a{background:#000001;z-index:1}#b{left:0;top:0;background:#000002;z-index:99}"
           "#c{background:#000003;z-index:2}",
           "<div id=a><div id=b></div></div><div id=c></div>", 256, WHITE,
           "rect 10,20 30x40 ff000001\nrect 10,20 30x40 ff000002\nrect 10,20 30x40 ff000003\n");
    expect("#a{background:red;opacity:.5}#b{left:0;top:0;background:blue;opacity:.5}",
           "<div id=a><div id=b>", 256, WHITE,
           "rect 10,20 30x40 80ff0000\nrect 10,20 30x40 400000ff\n");
}

KP_TEST(paint_text)
{
    expect("div{font:16px DejaVu Sans;color:red}", "<div>a b", 256, WHITE, "glyphs 2 ffff0000\n");
    expect("div{font:16px DejaVu Sans;white-space:nowrap}", "<div>ab<b style='color:blue'>c</b>d",
           256, WHITE, "glyphs 2 ff000000\nglyphs 1 ff0000ff\nglyphs 1 ff000000\n");
    expect("div{font:16px DejaVu Sans;visibility:hidden}", "<div>ab", 256, WHITE, "");
    expect("div{font:16px DejaVu Sans;color:transparent}", "<div>ab", 256, WHITE, "");
}

KP_TEST_MAIN()
