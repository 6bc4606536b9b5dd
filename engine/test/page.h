/* For the engine's tests: a page from a string, and where its elements are. */
#ifndef KP_ENGINE_TEST_PAGE_H
#define KP_ENGINE_TEST_PAGE_H

#include <math.h>
#include <stdlib.h>

#include "engine/loader/internal.h"
#include "engine/tool/host.h"
#include "tests/kp_test.h"

static kp_tool_host_t page_host;

static inline void page_open_size(const char *html, uint32_t width, uint32_t height)
{
    kp_tool_host_destroy(&page_host);
    if (kp_tool_host_create(&page_host, KP_FONT_DIR, width, height) != KP_OK)
        abort();
    kp_engine_load_html(page_host.engine, 1, "http://test/dir/page.html", html, strlen(html));
    kp_tool_host_run(&page_host);
}

static inline void page_open(const char *html)
{
    page_open_size(html, 800, 600);
}

static inline const kp_dom_data_t *page_element(const char *id)
{
    kp_node_t *root = kp_load_root(page_host.engine);
    kp_node_t *node = root ? kp_dom_target(root, id, strlen(id)) : NULL;
    return node ? kp_dom_data(node) : NULL;
}

static inline const kp_style_t *page_style(const char *id)
{
    const kp_dom_data_t *data = page_element(id);
    return data ? data->style : NULL;
}

/* Border box in CSS px, as a string that tests compare: "8,8 100x20". */
static inline const char *page_box(const char *id)
{
    static char text[96];
    const kp_dom_data_t *data = page_element(id);
    kp_lu_t r[4];
    if (!data || !data->box || !kp_layout_rectangle(data->box, r))
        return "none";
    snprintf(text, sizeof text, "%g,%g %gx%g", round(kp_lu_px(r[0]) * 100) / 100,
             round(kp_lu_px(r[1]) * 100) / 100, round(kp_lu_px(r[2]) * 100) / 100,
             round(kp_lu_px(r[3]) * 100) / 100);
    return text;
}

#define EXPECT_BOX(id, expected) KP_EXPECT_STRING(page_box(id), expected)

static inline char *page_text(void)
{
    char *bytes = NULL;
    size_t size = 0;
    if (kp_engine_dump(page_host.engine, KP_TAB_DUMP_TEXT, &bytes, &size) != KP_OK)
        return strdup("");
    bytes = realloc(bytes, size + 1);
    bytes[size] = 0;
    return bytes;
}

#endif
